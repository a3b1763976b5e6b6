"""summary.csv and report.html: everything in them is text, whatever a file is called, and nothing is fetched."""

import base64
import csv
import io
import json
import os
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neurorecon.core.errors import OutputError
from neurorecon.report import Row, write_csv, write_html
from neurorecon.report import html as module
from neurorecon.report.summary import COLUMNS

EVIL = "a \"b\" 'c' <script>alert(1)</script>\n神经元 &amp; \x00 \u202e.tif"
METRICS = {
    "trees": 2,
    "nodes": 31,
    "cable_length": 1234.5,
    "unit": "um",
    "tips": 5,
    "branch_points": 3,
    "strahler": 2,
    "tortuosity": 1.25,
    "confidence": {"mean": 0.75},
    "predicted_f1": 0.85,
    "path_length": 321.5,
    "sholl_maximum": 7,
    "sholl_radius": 40.0,
    "extent": 210.25,
    "soma_radius": None,
    "kinds": {
        "axon": {"cable_length": 900.5, "branches": 4, "probability": 0.97},
        "dendrite": {"cable_length": 300.0, "branches": 6, "probability": 0.93},
        "apical": {"cable_length": 0.0, "branches": 0, "probability": None},
        "undefined": {"cable_length": 34.0, "branches": 1, "probability": 0.7},
    },
    "bridges": {"count": 2, "length": 12.5},
    "checks": {"thin-bridge": 2, "orphan": 0, "sharp-turn": 1},
}


class Page(HTMLParser):
    """Elements, links, texts and images of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.images, self.text, self.attributes = [], [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.links += [value for name, value in attrs if name == "href"]
        self.images += [value for name, value in attrs if name == "src"]

    def handle_data(self, data):
        self.text += data


def page_of(tmp_path, rows, **kwargs):
    path = tmp_path / "report.html"
    write_html(rows, path, title=kwargs.pop("title", "Batch"), overwrite=True, **kwargs)
    return Page(path.read_text(encoding="utf-8"))


def table_of(tmp_path, rows):
    write_csv(rows, tmp_path / "summary.csv", overwrite=True)
    with open(tmp_path / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.full((900, 1200, 3), 99, np.uint8)).save(path)
    return path


def test_an_evil_name_is_text_everywhere(tmp_path, picture):
    rows = [
        Row(EVIL, "sub/" + EVIL + ".swc", metrics=METRICS, warnings=(EVIL,), picture=picture),
        Row(EVIL + "2", status="failed", reason=EVIL),
    ]
    page = page_of(tmp_path, rows, title=EVIL, settings={EVIL: [EVIL]})
    assert page.tags.count("script") == 1
    assert "<script>alert(1)</script>" in page.text
    assert "神经元" in page.text
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert unquote(page.links[0]).removeprefix("./").startswith("sub/")
    (first, _) = table_of(tmp_path, rows)
    assert first["input"] == EVIL.replace("\n", r"\n").replace("\x00", r"\x00").replace("\u202e", r"\u202e")


def test_the_page_asks_for_nothing_outside_itself(tmp_path, picture):
    page = page_of(tmp_path, [Row("a.tif", "javascript:alert(1).swc", picture=picture)])
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.images)
    assert all(link.startswith("./") for link in page.links)
    assert dict(page.attributes)["content"]
    assert "default-src 'none'" in (tmp_path / "report.html").read_text()
    assert "http" not in (tmp_path / "report.html").read_text().replace("http-equiv", "")


def test_links_lead_to_the_files_whatever_they_are_called(tmp_path):
    name = os.fsdecode(b"caf\xe9 #1?50%.tif.swc")  # not UTF-8, and full of what a URL reads otherwise
    page = page_of(tmp_path, [Row("x", name)])
    assert os.fsencode(unquote(page.links[0].removeprefix("./"), errors="surrogateescape")) == os.fsencode(name)
    assert "\\udce9" in table_of(tmp_path, [Row("x", name)])[0]["output"]


def test_thumbnails_are_small_and_there_up_to_a_limit(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(module, "THUMBNAILS", 2)
    page = page_of(tmp_path, [Row(f"{k}.tif", f"{k}.swc", picture=picture) for k in range(4)])
    assert len(page.images) == 2
    assert "first 2 stacks" in page.text
    assert len([link for link in page.links if link.endswith("x.png")]) == 4
    small = Image.open(io.BytesIO(base64.b64decode(page.images[0].partition(",")[2])))
    assert small.size == (300, 225)


@pytest.mark.parametrize("content", [b"no picture", None])
def test_a_picture_that_cannot_be_read_is_only_linked(tmp_path, content):
    path = tmp_path / "broken.png"
    if content:
        path.write_bytes(content)
    page = page_of(tmp_path, [Row("a", "a.swc", picture=path)])
    assert page.images == []
    assert "./broken.png" in page.links


def test_failures_stand_with_their_reasons(tmp_path):
    rows = [
        Row("a", "a.swc", metrics=METRICS),
        Row("b", status="failed", reason="truncated"),
        Row("c", status="no neuron"),
    ]
    page = page_of(tmp_path, rows)
    assert "truncated" in page.text
    for figure in ("3stacks", "1reconstructed", "1without a neuron", "1failed", "1.23mm of cable"):
        assert figure in page.text
    assert "None." in page_of(tmp_path, rows[:1]).text


def test_an_empty_batch_gives_a_page_too(tmp_path):
    assert "0stacks" in page_of(tmp_path, []).text
    assert table_of(tmp_path, []) == []


def test_cells_carry_the_value_that_they_are_sorted_by(tmp_path):
    page = page_of(tmp_path, [Row("a", "a.swc", metrics=METRICS)])
    assert [value for name, value in page.attributes if name == "data-v"][:5] == ["a", "done", "2", "31", "1234.5"]
    assert page.tags.count("button") == len(module.HEADINGS)


# A table of one column, sorted by the script of the page: the little of a browser that it asks for
TABLE = """
const cell = (v) => ({dataset: {v: v}}), rows = VALUES.map((v) => ({cells: [cell(v)]}));
const body = {rows: rows, appendChild: (r) => { body.rows = body.rows.filter((o) => o !== r).concat([r]); }};
const head = {attributes: {}, getAttribute: (n) => head.attributes[n] || null, removeAttribute: () => {},
              setAttribute: (n, v) => { head.attributes[n] = v; }};
const table = {tBodies: [body]}, row = {cells: [head], closest: () => table};
head.parentNode = row;
const button = {parentNode: head, addEventListener: (_, does) => { button.click = does; }};
const document = {querySelectorAll: () => [button]};
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the script of the page, is not installed")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024_c.tif", "2024_a.tif", "2024_b.tif"], ["2024_a.tif", "2024_b.tif", "2024_c.tif"]),
        (["10.5", "9", "", "1"], ["", "1", "9", "10.5"]),
        (["b.tif", "a10.tif", "A2.tif"], ["a10.tif", "A2.tif", "b.tif"]),
    ],
)
def test_a_click_on_a_heading_sorts_the_table_and_another_one_turns_it_round(values, expected):
    clicks = 2 * "button.click(); console.log(JSON.stringify(body.rows.map((r) => r.cells[0].dataset.v)));"
    script = TABLE.replace("VALUES", json.dumps(values)) + module.SCRIPT + clicks
    shown = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=60).stdout
    assert [json.loads(line) for line in shown.splitlines()] == [expected, expected[::-1]]


def test_the_summary_is_sorted_and_its_times_stand_last(tmp_path):
    rows = [Row("b", "b.swc", metrics=METRICS, seconds=1.234, peak_bytes=2_400_000), Row("a", status="no neuron")]
    lines = table_of(tmp_path, rows)
    assert [line["input"] for line in lines] == ["a", "b"]
    assert COLUMNS[-2:] == ("seconds", "peak_mb")
    assert lines[1] == {
        "input": "b", "output": "b.swc", "status": "done", "reason": "", "trees": "2", "nodes": "31",
        "cable_length": "1234.5", "unit": "um", "tips": "5", "branch_points": "3", "strahler": "2",
        "tortuosity": "1.25", "path_length": "321.5", "sholl_maximum": "7", "sholl_radius": "40", "extent": "210.25",
        "soma_radius": "", "axon_length": "900.5", "axon_branches": "4", "axon_probability": "0.97",
        "dendrite_length": "300", "dendrite_branches": "6", "dendrite_probability": "0.93", "apical_length": "0",
        "apical_branches": "0", "apical_probability": "", "confidence": "0.75", "predicted_f1": "0.85", "findings": "3",
        "bridges": "2", "warnings": "0", "seconds": "1.23", "peak_mb": "2",
    }  # fmt: skip


@given(st.text(max_size=20))
def test_no_name_is_a_formula_and_every_line_is_one(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("csv")
    (line,) = table_of(folder, [Row(name, name, reason=name)])
    for cell in (line["input"], line["output"], line["reason"]):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len((folder / "summary.csv").read_text(encoding="utf-8").split("\n")) == 3


@pytest.mark.parametrize("name", ["-dash.tif", "=sum(a1).tif", "+x.tif", "@x/y.tif", "plain.tif", "sub/-dash.tif"])
def test_a_file_is_found_by_the_path_in_the_summary(tmp_path, name):
    path = tmp_path / "in" / name
    path.parent.mkdir(parents=True)
    path.write_text("a stack")
    (line,) = table_of(tmp_path, [Row(name, name)])
    assert (tmp_path / "in" / line["input"]).read_text() == "a stack"
    assert os.path.normpath(line["output"]) == name


def test_existing_files_are_not_replaced_unasked(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        write_html([], tmp_path / "a", title="x")
    with pytest.raises(OutputError, match="--overwrite"):
        write_csv([], tmp_path / "a")
