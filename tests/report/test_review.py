"""The review list: all cable once, the least certain first, every line a place that can be found in the SWC file."""

import csv
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.left_out import LeftOut
from neurorecon.core.tree import Tree
from neurorecon.report import check_tree, file_rows, review_path, review_tree, write_review
from neurorecon.report.checks import CHECKS
from neurorecon.report.review_list import COLUMNS, REASONS
from neurorecon.swc import read_swc, write_swc

TRUNK = [(0, 0, 0), (90, 0, 0)]
TWIG, OTHER = [(30, 0, 0), (30, 36, 0)], [(60, 0, 0), (60, -36, 0)]


def written(tree, folder, name="n.swc", *, single_file=False):
    """Write SWC files and review list; return the lines of the list, and the trees that the files hold."""
    swc = folder / name
    files = file_rows(tree, swc, single_file=single_file)
    for path, rows in files:
        write_swc(tree.take(rows), path, overwrite=True)
    write_review(tree, files, review_path(swc), overwrite=True)
    with open(review_path(swc), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), {path.name: read_swc(path) for path, _ in files}


def edges_of(line, tree):
    """Rows of the lower nodes on the way from `to_node` up to `from_node`."""
    row, top, found = int(line["to_node"]) - 1, int(line["from_node"]) - 1, []
    while row != top:
        found.append(row)
        row = int(tree.parent[row])
        assert row >= 0
    return found


def check_list(lines, trees):
    """Hold a list to what it promises of the files beside it."""
    edges = {name: [] for name in trees}
    listed, whole = 0.0, sum(tree.cable_length for tree in trees.values())
    for rank, line in enumerate(lines, start=1):
        tree = trees[line["file"]]
        mine = edges_of(line, tree)
        edges[line["file"]] += mine
        length = tree.edge_length[mine].sum()
        listed += length
        assert int(line["rank"]) == rank
        assert int(line["node"]) - 1 in mine
        assert [float(line[k]) for k in "xyz"] == tree.xyz[int(line["node"]) - 1].tolist()
        assert float(line["length"]) == pytest.approx(length, abs=1e-3)
        assert float(line["cumulative_share"]) == pytest.approx(listed / whole, abs=1e-3)
        assert 0 <= float(line["doubt"]) <= 1
        assert line["confidence"] == "" or 0 <= float(line["confidence"]) <= 1
    assert {name: sorted(rows) for name, rows in edges.items()} == {
        name: np.flatnonzero(tree.parent >= 0).tolist() for name, tree in trees.items()
    }
    looks = [int(line["look"]) for line in lines]
    assert looks == sorted(looks)
    assert set(looks) == set(range(1, len(set(looks)) + 1))
    doubts = [(int(line["look"]), -float(line["doubt"])) for line in lines]
    assert doubts == sorted(doubts)


@st.composite
def forests(draw):
    """Any shape with nodes in places of their own, as a tracer leaves them."""
    n = draw(st.integers(1, 40))
    parent = [draw(st.integers(max(-1, i - draw(st.sampled_from([1, 40]))), i - 1)) for i in range(n)]
    places = st.tuples(*[st.integers(0, 60)] * 3)
    xyz = draw(st.lists(places, min_size=n, max_size=n, unique=True))
    kind = draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n))
    chances = st.lists(st.floats(0, 1), min_size=n, max_size=n).map(np.array)
    marks = st.lists(st.booleans(), min_size=n, max_size=n).map(lambda v: np.array(v, bool))
    sure, bridged = draw(st.none() | chances), draw(st.none() | marks)
    scale = draw(st.sampled_from([1.0, 0.25]))
    return Tree(np.array(xyz) * scale, np.ones(n), np.array(parent), np.array(kind), "um", sure, bridged)


@given(forests(), st.booleans())
def test_any_tree_gives_a_list_of_all_its_cable(tmp_path_factory, tree, single_file):
    lines, trees = written(tree, tmp_path_factory.mktemp("review"), single_file=single_file)
    check_list(lines, trees)


def test_a_long_neurite_is_cut_into_looks_of_20_pixels_at_most(draw, tmp_path):
    lines, trees = written(draw(TRUNK, TWIG, confidence=0.9), tmp_path)
    check_list(lines, trees)
    assert max(float(line["length"]) for line in lines) <= 20
    assert min(float(line["length"]) for line in lines) >= 8


def test_what_one_close_up_shows_stands_together(draw):
    """Two twigs side by side, one doubtful and one sure, and a doubtful twig far away: two looks, and the trunk's."""
    far = [(75, 0, 0), (75, 15, 0)]
    tree = draw([(0, 0, 0), (90, 0, 0)], [(12, 0, 0), (12, 15, 0)], [(18, 0, 0), (18, 15, 0)], far, confidence=0.9)
    sure = tree.confidence.copy()
    sure[(tree.xyz[:, 0] == 12) & (tree.xyz[:, 1] > 0)] = 0.1
    sure[(tree.xyz[:, 0] == 75) & (tree.xyz[:, 1] > 0)] = 0.3
    entries = review_tree(dataclasses.replace(tree, confidence=sure))
    look = {(tree.xyz[e.rows[-1]][0], tree.xyz[e.rows[-1]][1]): e.look for e in entries}
    assert look[12, 15] == look[18, 15] == 1
    assert look[75, 15] == 2
    for number in {entry.look for entry in entries}:
        rows = [row for entry in entries if entry.look == number for row in (*entry.rows, tree.parent[entry.rows[0]])]
        assert np.ptp(tree.xyz[rows], axis=0).max() <= 40


def test_looks_and_their_order_do_not_depend_on_the_unit(draw):
    rng = np.random.default_rng(4)
    trunk = [(0, 0, 0), (200, 0, 0)]
    twigs = [[(x, 0, 0), (x + rng.uniform(-20, 20), rng.uniform(8, 60), 0)] for x in range(12, 190, 12)]
    px = draw(trunk, *twigs)
    px = dataclasses.replace(
        px, confidence=rng.uniform(0.2, 1, len(px)), left_out=(LeftOut(3, np.full((1, 3), 70.0), 90.0, 0.4),)
    )
    (way,) = px.left_out
    um = dataclasses.replace(px, xyz=px.xyz / 8, radius=px.radius / 8, unit="um")
    um = dataclasses.replace(um, left_out=(dataclasses.replace(way, xyz=way.xyz / 8, length=way.length / 8),))
    lists = [[(e.rows, e.node, e.look, e.reasons) for e in review_tree(tree)] for tree in (px, um)]
    assert lists[0] == lists[1]
    assert 5 < lists[0][-1][2] < len(lists[0])


def test_a_long_way_on_counts_by_what_one_of_its_looks_shows(draw):
    tree = draw([(0, 0, 0), (36, 0, 0)], confidence=0.1)  # two stretches of 18 px: 16 px of false cable in each
    for sure, rank in ((0.4, 2), (0.5, 0)):  # 400 px in eleven looks: 15 or 18 px of cable in each
        way = LeftOut(0, np.array([[-400.0, 0, 0]]), 400.0, sure)
        listed = review_tree(dataclasses.replace(tree, left_out=(way,)))
        assert [entry.way is not None for entry in listed] == [k == rank for k in range(3)]


def test_looks_come_by_the_false_cable_to_be_expected(draw):
    """A short stretch of confidence 0.1 holds less false cable than two long ones of 0.5 in one place."""
    tree = draw([(0, 0, 0), (90, 0, 0)], [(3, 0, 0), (3, 4.5, 0)], [(75, 0, 0), (75, 36, 0)], confidence=0.99)
    sure = tree.confidence.copy()
    sure[(tree.xyz[:, 0] == 3) & (tree.xyz[:, 1] > 0)] = 0.1
    sure[(tree.xyz[:, 0] == 75) & (tree.xyz[:, 1] > 0)] = 0.5
    first = review_tree(dataclasses.replace(tree, confidence=sure))[0]
    assert tree.xyz[first.rows[-1], 0] == 75


def test_the_least_certain_come_first_and_say_so(draw):
    tree = draw(TRUNK, TWIG, OTHER, confidence=0.95)
    sure = tree.confidence.copy()
    sure[(tree.xyz[:, 0] == 30) & (tree.xyz[:, 1] > 18)] = 0.3
    sure[(tree.xyz[:, 0] == 60) & (tree.xyz[:, 1] < -18)] = 0.6
    first, second, *rest = review_tree(dataclasses.replace(tree, confidence=sure))
    assert (tree.xyz[list(first.rows), 1] > 18).all()
    assert first.reasons == ("low confidence", "open end")
    assert first.confidence == pytest.approx(0.3)
    assert (tree.xyz[list(second.rows), 1] < -18).all()
    assert "low confidence" not in second.reasons
    assert all(entry.confidence == pytest.approx(0.95) for entry in rest)


def test_the_place_to_look_at_is_the_least_certain_edge_or_that_of_the_finding(draw):
    tree = draw([(0, 0, 0), (15, 0, 0)], confidence=0.9)
    sure = tree.confidence.copy()
    sure[7] = 0.8
    assert review_tree(dataclasses.replace(tree, confidence=sure))[0].node == 7
    bridged = np.arange(len(tree)) == 3
    assert review_tree(dataclasses.replace(tree, confidence=sure, bridged=bridged))[0].node == 3


def test_of_equal_confidence_what_has_a_finding_comes_first(draw):
    tree = draw(TRUNK, TWIG, OTHER, [(0, 90, 0), (9, 90, 0)], confidence=0.95)
    bridged = (tree.xyz[:, 0] == 60) & (tree.xyz[:, 1] < -10) & (tree.xyz[:, 1] > -15)
    entries = review_tree(dataclasses.replace(tree, bridged=bridged))
    first, second = (next(entry for entry in entries if entry.look == number) for number in (1, 2))
    assert {first.reasons, second.reasons} == {("bridge",), ("piece apart", "open end")}
    rest = [entry for entry in entries if entry not in (first, second)]
    assert {reason for entry in rest for reason in entry.reasons} == {"open end"}


def test_unknown_confidence_leaves_the_order_to_the_findings(draw, tmp_path):
    tree = draw(TRUNK, TWIG)
    assert [entry.confidence for entry in review_tree(tree)] == [None] * len(review_tree(tree))
    assert review_tree(tree)[0].reasons == ("open end",)
    lines, _ = written(tree, tmp_path)
    assert {line["confidence"] for line in lines} == {""}
    assert float(lines[-1]["doubt"]) == 0


def test_doubt_is_what_the_formula_says(draw):
    tree = draw([(0, 0, 0), (15, 0, 0)], confidence=0.8)
    (entry,) = review_tree(dataclasses.replace(tree, bridged=np.arange(len(tree)) == 3))
    assert entry.doubt == pytest.approx(1 - 0.8 * (1 - 0.25) * (1 - 0.02))  # a bridge, and an open end


def test_every_check_is_a_reason_with_a_weight():
    assert set(REASONS) == set(CHECKS)
    assert all(0 < weight < 1 for _, weight in REASONS.values())


def test_findings_that_are_known_need_not_be_found_again(draw):
    tree = draw(TRUNK, TWIG, [(0, 90, 0), (9, 90, 0)])
    assert review_tree(tree, check_tree(tree)) == review_tree(tree)
    assert "piece apart" not in {reason for entry in review_tree(tree, []) for reason in entry.reasons}


def test_nodes_that_go_into_one_keep_the_list_true_to_the_file(tmp_path):
    points = np.array([[0, 0, 0], [2, 0, 0], [2, 0, 0], [4, 0, 0], [6, 0, 0]], float)
    tree = Tree(points, np.ones(5), np.arange(5) - 1, np.array([1, 0, 0, 0, 0]), "voxel")
    lines, trees = written(tree, tmp_path)
    assert len(trees["n.swc"]) == 4
    assert [(line["from_node"], line["to_node"]) for line in lines] == [("1", "4")]
    node = int(lines[0]["node"]) - 1
    assert [float(lines[0][k]) for k in "xyz"] == trees["n.swc"].xyz[node].tolist()


@pytest.mark.parametrize("nodes", [0, 1])
def test_a_tree_without_an_edge_gives_a_header_alone(tmp_path, nodes):
    tree = Tree(np.zeros((nodes, 3)), np.ones(nodes), np.full(nodes, -1))
    write_review(tree, [(tmp_path / "n.swc", np.arange(nodes))], tmp_path / "n.review.csv")
    assert (tmp_path / "n.review.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_no_file_name_is_a_formula(draw, tmp_path):
    lines, _ = written(draw(TRUNK), tmp_path, "=cmd().swc")
    assert {line["file"] for line in lines} == {"./=cmd().swc"}
    assert (tmp_path / "./=cmd().swc") == tmp_path / "=cmd().swc"


def test_way_on_that_the_tree_lacks_stands_where_its_cable_is_to_be_expected(draw, tmp_path):
    tree = draw(TRUNK, TWIG, confidence=0.97)
    tip = int(tree.xyz[:, 0].argmax())
    way = np.array([(90 + 1.5 * k, 0.0, 0.25) for k in range(1, 21)])
    lacking = dataclasses.replace(tree, left_out=(LeftOut(tip, way, 30.0, 0.4),))
    plain, _ = written(tree, tmp_path, "plain.swc")
    lines, _ = written(lacking, tmp_path)
    (missing,) = [line for line in lines if line["reason"] == "missing"]
    assert (missing["rank"], missing["look"]) == ("1", "1")  # 12 of cable to be expected; a stretch has 0.6
    assert [float(missing[key]) for key in "xyz"] == way[-1].tolist()
    assert (missing["node"], missing["from_node"], missing["to_node"]) == (str(tip + 1), str(tip + 1), "")
    assert (missing["length"], missing["confidence"], missing["doubt"]) == ("30", "0.4", "0.4")
    assert np.array([point.split() for point in missing["way"].split("; ")], float) == pytest.approx(way, abs=1e-4)
    stretches = [line for line in lines if line is not missing]
    assert [line["way"] for line in stretches] == [""] * len(stretches)
    assert {(line["from_node"], line["to_node"]) for line in stretches} == {
        (line["from_node"], line["to_node"]) for line in plain
    }
    assert stretches[-1]["cumulative_share"] == "1"
