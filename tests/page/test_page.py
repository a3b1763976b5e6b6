"""OUT.html: what it holds is what stands in the SWC files and the list; whatever a name holds, it is text."""

import base64
import csv
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from neurorecon.core.errors import OutputError
from neurorecon.core.files import hash_path
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import Tree
from neurorecon.page import write_page
from neurorecon.report import PageContent, file_rows
from neurorecon.swc import read_swc, write_swc

EVIL = "a \"b\" 'c' </script><script>alert(1)</script> & {{data}} $& 神经元 نورون \u202e.tif"


def lines_of(swc):
    with open(swc.with_suffix(".review.csv"), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_nodes_are_those_of_the_swc_file(page, tmp_path, neuron, read_page):
    held = read_page(page(tmp_path))
    tree = read_swc(tmp_path / "cell.swc")
    step, low = held.values["nodes"]["step"], np.array(held.values["nodes"]["low"])
    np.testing.assert_allclose(low + held.arrays["xyz"] * step, tree.xyz, atol=1e-3)
    np.testing.assert_allclose(held.arrays["radius"] * held.values["nodes"]["radius_step"], tree.radius, atol=1e-3)
    up = held.arrays["up"].astype(int)
    assert np.where(up == 0, -1, np.arange(len(up)) - up).tolist() == tree.parent.tolist()
    assert held.arrays["kind"].tolist() == tree.type.tolist()
    np.testing.assert_allclose(held.arrays["sure"] / 254, neuron().confidence, atol=0.003)
    assert np.flatnonzero(held.arrays["bridged"]).tolist() == [20, 21]


def test_nodes_that_the_writer_merges_are_one_in_the_page_too(page, tmp_path, neuron, read_page):
    tree = neuron()
    tree.xyz[5] = tree.xyz[4]  # the edge above node 6 has no length
    held = read_page(page(tmp_path, tree))
    assert len(held.arrays["up"]) == len(read_swc(tmp_path / "cell.swc")) == 39


def test_list_is_that_of_the_csv(page, tmp_path, neuron, read_page):
    held = read_page(page(tmp_path, neuron(), neuron(12)))
    lines = lines_of(tmp_path / "cell.swc")
    first = {file["name"]: file["first"] for file in held.values["files"]}
    assert sorted(first) == ["cell_1.swc", "cell_2.swc"]
    assert len(held.arrays["node"]) == len(lines)
    for k, line in enumerate(lines):
        for name, column in (("node", "node"), ("from", "from_node"), ("to", "to_node")):
            assert held.arrays[name][k] - first[line["file"]] + 1 == int(line[column])
        assert held.values["reasons"][held.arrays["reason"][k]] == line["reason"]
        assert held.arrays["mean"][k] == pytest.approx(float(line["confidence"]), abs=1e-4)
        assert held.arrays["doubt"][k] == pytest.approx(float(line["doubt"]), abs=1e-4)
        assert held.arrays["length"][k] == pytest.approx(float(line["length"]), abs=1e-3)


def test_each_swc_file_is_told_by_its_hash(page, tmp_path, neuron, read_page):
    held = read_page(page(tmp_path, neuron(), neuron(12)))
    assert {file["name"]: file["sha256"] for file in held.values["files"]} == {
        name: hash_path(tmp_path / name) for name in ("cell_1.swc", "cell_2.swc")
    }


def test_same_result_gives_the_same_bytes(page, tmp_path):
    first = page(tmp_path).read_bytes()
    assert page(tmp_path).read_bytes() == first


def test_a_page_without_stack_or_confidence_still_holds_the_tree(page, tmp_path, neuron, read_page):
    tree = neuron()
    bare = type(tree)(tree.xyz, tree.radius, tree.parent, tree.type, "um")
    held = read_page(page(tmp_path, bare, volume=None))
    assert "stack" not in held.values
    assert not held.values["confidence_known"]
    assert set(held.arrays["sure"].tolist()) == {255}
    assert np.isnan(held.arrays["mean"]).all()


class Parsed(HTMLParser):
    """Elements of a page, and the texts in them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.inside, self.texts, self.attributes = [], [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self.inside:
            self.texts.setdefault(self.inside[-1], []).append(data)


def test_an_evil_name_is_text(page, tmp_path, read_page):
    plain = Parsed(page(tmp_path).read_text())
    html = page(tmp_path, name=EVIL.replace("/", "_") + ".swc", title=EVIL)
    evil = Parsed(html.read_text())
    assert [tag for tag in evil.tags if tag != "bdi"] == plain.tags
    assert "alert" in "".join(evil.texts["h1"])
    held = read_page(html)
    assert held.values["title"] == EVIL
    assert held.values["files"][0]["name"] == EVIL.replace("/", "_") + ".swc"
    assert held.text.count("<script>") == 1


def test_policy_allows_this_style_and_this_script_and_nothing_else(page, tmp_path):
    parsed = Parsed(page(tmp_path).read_text())
    policy = next(value for _, name, value in parsed.attributes if name == "content" and "default-src" in value)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    def hash_of(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "style-src": hash_of("".join(parsed.texts["style"])),
        "script-src": hash_of(parsed.texts["script"][-1]),
    }
    assert not [pair for pair in parsed.attributes if pair[1] in ("src", "href", "style") or pair[1].startswith("on")]


def test_script_asks_nobody_and_runs_no_text(page, tmp_path):
    script = Parsed(page(tmp_path).read_text()).texts["script"][-1]
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "eval(", "new Function", "innerHTML", "http"):
        assert word not in script
    assert not re.search(r"</script|<!--", script, re.IGNORECASE)


def test_a_page_that_exists_is_kept_unless_told(page, tmp_path, neuron):
    html = page(tmp_path)
    html.write_text("precious")
    tree = neuron()
    files = file_rows(tree, tmp_path / "cell.swc")
    with pytest.raises(OutputError, match="exists already"):
        write_page(PageContent(tree, files, voxel_size=VoxelSize(1.0, 0.5, 0.5)), html)
    assert html.read_text() == "precious"


def test_a_large_tree_over_a_noisy_stack_stays_below_6_mb(tmp_path):
    rng = np.random.default_rng(3)
    n = 20_000
    points = np.cumsum(rng.normal(size=(n, 3)), axis=0)
    points = (points - points.min(0)) % 190
    tree = Tree(points, rng.uniform(0.5, 2, n), np.arange(-1, n - 1), np.full(n, 2), "voxel", rng.random(n))
    write_swc(tree, tmp_path / "n.swc")
    noise = rng.integers(0, 65535, (192, 192, 192)).astype(np.uint16)  # nothing packs worse
    files = file_rows(tree, tmp_path / "n.swc")
    write_page(PageContent(tree, files, volume=noise, findings=[]), tmp_path / "n.html")
    assert (tmp_path / "n.html").stat().st_size < 6e6


def test_stretches_that_share_a_node_share_a_joint_and_a_soma_joins_nothing(page, read_page, neuron, tmp_path):
    held = read_page(page(tmp_path, neuron(), neuron(12)))
    arrays = held.arrays
    ends = np.stack([arrays["from"], arrays["to"]], axis=1)
    joint = arrays["joint"]
    assert joint.shape == ends.shape
    for node in np.unique(ends):
        numbers = set(joint[ends == node].tolist())
        shared = (ends == node).sum() > 1 and arrays["kind"][node] != 1
        assert len(numbers) == 1
        assert (numbers != {0}) is bool(shared)
    assert len(set(joint[joint > 0].tolist())) == len({int(node) for node in ends[joint > 0]})
