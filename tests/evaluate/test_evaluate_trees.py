"""Scores of trees: closed forms, an independent matching, and the reference where it is at hand."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.evaluate.trees import matching_size

REFERENCE = Path(__file__).parents[3] / "shared" / "tools" / "score.py"


def tree(xyz, parent=None):
    xyz = np.asarray(xyz, float).reshape(-1, 3)
    return Tree(xyz, np.ones(len(xyz)), np.arange(len(xyz)) - 1 if parent is None else np.asarray(parent))


def rod(length=100, *, y=0.0, step=1):
    x = np.arange(0, length + step / 2, step)
    return tree(np.c_[x, np.full(len(x), y), np.zeros(len(x))])


def test_tree_against_itself_is_perfect():
    scores = score_trees(rod(), rod()).as_dict()
    assert scores == {
        "precision": 1, "recall": 1, "f1": 1, "esa": 0, "dsa": 0, "pds": 0, "length_ratio": 1,
        "branch_recall": 0, "branch_precision": 0, "tip_recall": 1, "tip_precision": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("shift", "found", "different"), [(1, 1, 0), (2, 1, 1), (2.9, 1, 1), (3, 1, 1), (3.1, 0, 1)])
def test_shifted_rod_is_found_up_to_the_tolerance_and_different_from_two_on(shift, found, different):
    scores = score_trees(rod(y=shift), rod())
    assert scores.precision == scores.recall == scores.f1 == found
    assert scores.esa == pytest.approx(shift)
    assert scores.dsa == pytest.approx(shift if different else 0)
    assert scores.pds == different
    assert scores.length_ratio == 1


def test_tolerance_is_the_caller_s():
    assert score_trees(rod(y=3.5), rod(), tolerance=4).f1 == 1
    assert score_trees(rod(y=0.5), rod(), tolerance=0).f1 == 0


def test_half_a_rod_has_half_the_recall():
    scores = score_trees(rod(50), rod(100))
    assert scores.precision == 1
    # the prediction's last middle is at 49.75; gold's middles up to 52.75 lie within 3 of it: 106 of 200 pieces
    assert scores.recall == pytest.approx(106 / 200)
    assert scores.length_ratio == 0.5
    assert scores.tip_precision == scores.tip_recall == 0.5


def test_false_branch_costs_precision_and_a_branch_point():
    side = np.c_[np.full(50, 50), np.arange(1, 51), np.zeros(50)]
    forked = tree(np.r_[rod().xyz, side], np.r_[np.arange(101) - 1, 50, np.arange(101, 150)])
    scores = score_trees(forked, rod())
    assert scores.recall == 1
    # middles of the branch at 0.25, 0.75 ... 2.75 have a middle of the rod within 3 (a quarter beside them)
    assert scores.precision == pytest.approx((100 + 6 * 0.5) / 150)
    assert (scores.branch_precision, scores.branch_recall) == (0, 0)
    assert (scores.tip_precision, scores.tip_recall) == (pytest.approx(2 / 3), 1)
    assert score_trees(forked, forked).branch_recall == 1


def test_sampling_does_not_depend_on_how_an_edge_is_cut():
    whole, cut = rod(step=100), rod(step=0.5)
    assert score_trees(whole, cut).as_dict() == pytest.approx(score_trees(cut, cut).as_dict())


@pytest.mark.parametrize("empty", [tree(np.zeros((0, 3))), tree([[1, 1, 1]]), tree([[1, 1, 1]] * 3)])
def test_side_without_cable_scores_nothing(empty):
    for scores in (score_trees(empty, rod()), score_trees(rod(), empty), score_trees(empty, empty)):
        values = scores.as_dict()
        assert (values.pop("esa"), values.pop("dsa"), values.pop("pds")) == (math.inf, math.inf, 1)
        assert set(values.values()) == {0}


@pytest.mark.parametrize("tolerance", [-1, math.nan, math.inf])
def test_senseless_tolerance_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        score_trees(rod(), rod(), tolerance=tolerance)


def test_cable_of_a_wrong_unit_is_refused_before_memory_is():
    with pytest.raises(InputError, match="units"):
        score_trees(tree([[0, 0, 0], [1e12, 0, 0]]), rod())


def test_matching_is_one_to_one():
    a = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
    assert matching_size(a, np.array([[1.0, 0, 0]])) == 1
    assert matching_size(a, a + [4, 0, 0]) == 3
    assert matching_size(a, a + [4.001, 0, 0]) == 2
    assert matching_size(a, np.zeros((0, 3))) == 0


POINTS = st.lists(st.tuples(*[st.integers(0, 14)] * 3), max_size=14).map(lambda p: np.array(p, float).reshape(-1, 3))


@given(POINTS, POINTS)
@settings(max_examples=60, deadline=None)
def test_matching_is_as_large_as_an_assignment_over_all_pairs(a, b):
    from scipy.optimize import linear_sum_assignment

    near = np.linalg.norm(a[:, None] - b[None], axis=2) <= 4
    assert matching_size(a, b) == near[linear_sum_assignment(~near)].sum()
    assert matching_size(a, b) == matching_size(b, a)


@st.composite
def walks(draw):
    n = draw(st.integers(2, 12))
    points = draw(st.lists(st.tuples(*[st.integers(0, 20)] * 3), min_size=n, max_size=n))
    return tree(points, [-1] + [draw(st.integers(-1, k - 1)) for k in range(1, n)])


@given(walks(), walks())
@settings(max_examples=40, deadline=None)
def test_scores_stay_in_their_range_and_mirror(pred, gold):
    there, back = score_trees(pred, gold), score_trees(gold, pred)
    assert there.precision == back.recall
    assert there.branch_precision == back.branch_recall
    assert there.tip_recall == back.tip_precision
    assert there.esa == pytest.approx(back.esa)
    values = there.as_dict()
    assert all(0 <= values[key] <= 1 for key in values if key not in ("esa", "dsa", "length_ratio"))


@pytest.fixture(scope="module")
def reference():
    if not REFERENCE.is_file():
        pytest.skip(f"needs the reference scorer {REFERENCE}")
    spec = importlib.util.spec_from_file_location("reference_score", REFERENCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.data
@given(pred=walks(), gold=walks(), tolerance=st.sampled_from([0.5, 3.0, 10.0]))
@settings(max_examples=40, deadline=None)
def test_scores_are_those_of_the_reference(reference, pred, gold, tolerance):
    due = reference.score_trees((pred.xyz, pred.parent), (gold.xyz, gold.parent), tolerance)
    ours = score_trees(pred, gold, tolerance=tolerance).as_dict()
    assert list(ours) == list(due)
    assert ours == pytest.approx(due, abs=1e-6)
