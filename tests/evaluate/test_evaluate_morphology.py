"""Scores of morphology: closed forms, and the reference where it is at hand."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.evaluate import one_node_a_soma, path_agreement, score_morphology, score_trees
from neurorecon.evaluate.morphology import sholl_profile, way_lengths

TOOLS = Path(__file__).parents[3] / "shared" / "tools"


def tree(xyz, parent=None, *, kind=None, radius=1.0):
    xyz = np.asarray(xyz, float).reshape(-1, 3)
    parent = np.arange(len(xyz)) - 1 if parent is None else np.asarray(parent)
    kind = np.zeros(len(xyz), int) if kind is None else np.asarray(kind)
    return Tree(xyz, np.full(len(xyz), radius), parent, kind)


def rod(start=0, stop=100, *, y=0.0):
    """A line along x from its root; backwards where `stop` is the smaller."""
    x = np.arange(start, stop + np.sign(stop - start), np.sign(stop - start))
    return tree(np.c_[x, np.full(len(x), y), np.zeros(len(x))])


def cross():
    """Four arms of 20 around a soma."""
    arms = [np.outer(np.arange(1, 21), way) for way in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0))]
    parent = np.concatenate([[-1], *([0, *range(20 * k + 1, 20 * k + 20)] for k in range(4))])
    return tree(np.concatenate([np.zeros((1, 3)), *arms]), parent, kind=[1] + [3] * 80)


def test_tree_against_itself_is_perfect():
    assert score_morphology(cross(), cross()).as_dict() == {
        "root_at_soma": 1, "soma_found": 1, "false_somata": 0, "path_agreement": 1, "path_rerooted": 1,
        "tips_ratio": 1, "branches_ratio": 1, "tip_f1": 1, "branch_f1": 1, "sholl": 1, "pieces": 1,
    }  # fmt: skip


def test_root_at_the_wrong_end_costs_the_ways_but_not_the_rerooted_ones():
    scores = score_morphology(rod(100, 0), rod(0, 100))
    assert scores.root_at_soma == 0
    assert scores.path_rerooted == 1
    # at x the ways are 100 - x and x, by the node next to each middle; within 6 + 5 % of x for the nodes 46 to 54
    assert scores.path_agreement == pytest.approx(9 / 100)
    assert scores.sholl == 1


def test_way_over_a_wrong_link_is_too_long():
    gold = tree([[0, 0, 0], [50, 0, 0], [50, 10, 0], [0, 10, 0]])  # there and back beside itself
    short_cut = tree([[0, 0, 0], [50, 0, 0], [0, 10, 0], [50, 10, 0]], [-1, 0, 0, 2])
    assert score_morphology(short_cut, gold).path_rerooted < 0.7
    assert path_agreement(short_cut, gold) == score_morphology(short_cut, gold).path_agreement
    assert score_trees(short_cut, gold).f1 > 0.85


@pytest.mark.parametrize(("radius", "shift", "there"), [(1, 10, 1), (1, 10.1, 0), (8, 12, 1), (8, 12.1, 0)])
def test_soma_is_found_within_ten_or_one_and_a_half_radii(radius, shift, there):
    gold = tree(cross().xyz, cross().parent, kind=cross().type, radius=radius)
    moved = tree(cross().xyz + [shift, 0, 0], cross().parent, kind=cross().type)
    scores = score_morphology(moved, gold)
    assert (scores.root_at_soma, scores.soma_found, scores.false_somata) == (there, there, 1 - there)


def test_sholl_profile_counts_edges_at_every_tenth_of_the_way():
    assert sholl_profile(cross(), 0).tolist() == [4, 8, 4, 0]  # a node at 10 and one at 20 end two edges, and one
    scores = score_morphology(rod(0, 50), rod(0, 100))
    # crossings 1 at the root, 2 at 10, 20 ... and 1 at the tip: 10 of 20 for the half, and its tip counts one less
    assert scores.sholl == pytest.approx(10 / 20)


def test_counts_are_ratios_and_pieces_are_trees():
    two = Tree.joined([rod(0, 40), rod(50, 100)])
    scores = score_morphology(two, rod(0, 100))
    assert (scores.pieces, scores.tips_ratio, scores.branches_ratio) == (2, 2, 0)
    assert scores.tip_f1 == pytest.approx(2 * 2 / (4 + 2))
    assert scores.path_agreement < 0.6


def test_ways_from_any_node_are_those_of_a_search_over_the_edges():
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    rng = np.random.default_rng(0)
    parent = np.array([-1] + [int(rng.integers(-1, k)) for k in range(1, 200)])
    made = tree(rng.normal(size=(200, 3)), parent)
    child = np.flatnonzero(parent >= 0)
    graph = coo_array((made.edge_length[child], (child, parent[child])), shape=(200, 200)).tocsr()
    for source in (0, 57, 199):
        assert way_lengths(made, source) == pytest.approx(dijkstra(graph, directed=False, indices=source))


def test_outline_of_a_soma_is_one_node_and_no_cable():
    outline = tree([[0, 0, 0], [0, 5, 0], [0, -5, 0], [10, 0, 0], [20, 0, 0]], [-1, 0, 0, 0, 3], kind=[1, 1, 1, 3, 3])
    single = one_node_a_soma(outline)
    assert single.xyz.tolist() == [[0, 0, 0], [10, 0, 0], [20, 0, 0]]
    assert single.parent.tolist() == [-1, 0, 1]
    bare = tree([[0, 0, 0], [10, 0, 0], [20, 0, 0]], kind=[1, 3, 3])
    assert score_trees(outline, bare).as_dict() == score_trees(bare, bare).as_dict()
    assert score_morphology(outline, bare).tips_ratio == 1


def test_somata_apart_stay_apart():
    apart = tree([[0, 0, 0], [9, 0, 0], [18, 0, 0]], kind=[1, 3, 1])
    assert one_node_a_soma(apart) is apart


@pytest.mark.parametrize("empty", [tree(np.zeros((0, 3))), tree([[1, 1, 1]])])
def test_side_without_cable_scores_nothing(empty):
    for scores in (score_morphology(empty, rod()), score_morphology(rod(), empty)):
        assert set(scores.as_dict().values()) == {0}
    assert path_agreement(empty, rod()) == path_agreement(rod(), empty) == 0


@st.composite
def walks(draw):
    n, seed = draw(st.integers(2, 60)), draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    parent = [-1] + [int(rng.integers(max(-1, k - 4), k)) for k in range(1, n)]
    kind = np.where(rng.random(n) < 0.2, 1, 3)
    return Tree(np.cumsum(rng.normal(0, 4, (n, 3)), 0), rng.uniform(0.5, 9, n), np.array(parent), kind)


@pytest.fixture(scope="module")
def reference():
    if not (TOOLS / "morphology.py").is_file():
        pytest.skip(f"needs the reference {TOOLS / 'morphology.py'}")
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("reference_morphology", TOOLS / "morphology.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TOOLS))
    return module


def table_of(made):
    """The tree as the reference reads it: id, type, xyz, radius, parent row."""
    return np.column_stack([np.arange(len(made)), made.type, made.xyz, made.radius, made.parent]).astype(float)


@pytest.mark.data
@given(pred=walks(), gold=walks())
def test_scores_are_those_of_the_reference(reference, pred, gold):
    tables = [reference.one_soma(table_of(made)) for made in (pred, gold)]
    if len(tables[1]) < 2 or not (tables[1][:, 6] >= 0).any():
        return  # METRICS.md: a side without cable scores nothing
    assert score_morphology(pred, gold).as_dict() == pytest.approx(reference.morphology(*tables), abs=1e-6)
    score = sys.modules["score"]
    due = score.score_trees(*[(table[:, 2:5], table[:, 6].astype(int)) for table in tables])
    assert score_trees(pred, gold).as_dict() == pytest.approx(due, abs=1e-6)


@pytest.mark.data
def test_expert_tracings_score_as_in_the_reference(reference, data_root):
    from neurorecon.swc import read_swc

    rng = np.random.default_rng(1)
    for path in sorted((data_root / "real_3d").glob("OP_[15].gold.swc")):
        gold = read_swc(path)
        for pred in (gold, Tree(gold.xyz + rng.normal(0, 1.5, gold.xyz.shape), gold.radius, gold.parent, gold.type)):
            due = reference.morphology(reference.one_soma(table_of(pred)), reference.read(path))
            assert score_morphology(pred, gold).as_dict() == pytest.approx(due, abs=1e-6)


@pytest.mark.parametrize("far", [1e9, 1e30])
def test_a_tree_of_another_unit_is_refused_on_either_side(far):
    long = tree([(0, 0, 0), (50, 0, 0), (far, 0, 0)])
    for pair in ((long, rod()), (rod(), long)):
        with pytest.raises(InputError, match="longer than any neuron; look at its units"):
            score_morphology(*pair)
