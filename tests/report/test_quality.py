"""The predicted F1: 1 for a tree without fault, lower for every doubt, within 0 and 1, None where unknown."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.tree import Tree
from neurorecon.report import predicted_f1
from neurorecon.report.quality import (
    CROWDED,
    DENSE,
    DOUBT,
    DOUBTFUL,
    UNSURE,
    Signs,
    quality_of,
    signs_of_error,
    warn_if_doubtful,
)  # fmt: skip
from neurorecon.report.stretches import pixel_of

CHAIN = 10  # edges of length 1


def chain(confidence, bridged=None):
    """A straight line of ten edges; what is given for them comes behind the root."""
    xyz = np.column_stack([np.arange(CHAIN + 1.0), np.zeros(CHAIN + 1), np.zeros(CHAIN + 1)])
    given = None if confidence is None else np.concatenate([[1.0], np.broadcast_to(confidence, CHAIN)])
    gaps = None if bridged is None else np.arange(CHAIN + 1) > CHAIN - bridged
    return Tree(xyz, np.ones(CHAIN + 1), np.arange(-1, CHAIN), confidence=given, bridged=gaps)


def test_a_tree_that_is_sure_and_without_a_gap_is_predicted_to_be_right():
    assert predicted_f1(chain(1.0)) == 1
    assert predicted_f1(dataclasses.replace(chain(1.0, bridged=4), promise=1.0)) == 1


def test_the_prediction_is_the_formula():
    confidence = np.full(CHAIN, 1.0)
    confidence[:2] = 0.5
    tree = dataclasses.replace(chain(confidence), promise=0.7)
    assert dataclasses.astuple(signs_of_error(tree)) == pytest.approx((0.1, 0.09, 0))
    assert predicted_f1(tree) == pytest.approx(math.exp(-(DOUBT * 0.1 + UNSURE * 0.09)), abs=1e-6)


def test_the_mean_confidence_stands_for_a_promise_that_is_not_known():
    assert signs_of_error(chain(0.9)) == signs_of_error(dataclasses.replace(chain(0.9), promise=0.9))


def test_what_was_cut_speaks_against_what_is_left():
    much, little = (dataclasses.replace(chain(0.95), promise=promise) for promise in (0.3, 0.9))
    assert predicted_f1(much) < predicted_f1(little)


def tangle(lines):
    """As many straight lines of 40 px, 2 px apart in a plane, each a tree."""
    x, y = np.meshgrid(np.arange(0, 42, 1.5), 2.0 * np.arange(lines))
    xyz = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    parent = np.where(np.arange(x.size) % x.shape[1] == 0, -1, np.arange(x.size) - 1)
    return Tree(xyz, np.ones(x.size), parent, confidence=np.ones(x.size), promise=1.0)


def test_cable_in_every_voxel_is_no_neuron():
    assert signs_of_error(tangle(1)) == Signs(0.0, 0.0, 0.0)
    lines, sides = 30, (40.5 + 20, 58 + 20, 20)
    assert signs_of_error(tangle(lines)).crowded == pytest.approx(
        math.log10(lines * 40.5 / math.prod(sides)) - DENSE, abs=1e-6
    )
    assert CROWDED > 0
    assert predicted_f1(tangle(lines)) < predicted_f1(tangle(10)) <= predicted_f1(tangle(1)) == 1


def test_a_doubtful_tree_is_said_to_be_once_with_the_ways_out(caplog):
    flood = dataclasses.replace(chain(0.55), promise=0.1)
    assert quality_of(flood).doubtful
    assert quality_of(flood).predicted_f1 < DOUBTFUL
    assert not quality_of(chain(1.0)).doubtful
    warn_if_doubtful(chain(1.0), "a.tif")
    warn_if_doubtful(chain(None), "a.tif")
    assert not caplog.records
    warn_if_doubtful(flood, "a.tif")
    warn_if_doubtful(flood, "b.tif", raw=True)
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("a.tif: this tree is doubtful (predicted F1 0.")
    assert all(way in first for way in ("trace --raw", "--threshold", "train --from"))
    assert "--raw" not in second
    assert "\n" not in first


def test_the_coefficients_are_such_that_doubt_lowers_it():
    assert DOUBT > 0
    assert UNSURE > 0
    assert predicted_f1(chain(0.6)) < predicted_f1(chain(0.7)) < predicted_f1(chain(0.95)) < 1


@given(
    st.lists(st.floats(0, 1), min_size=CHAIN, max_size=CHAIN),
    st.integers(0, CHAIN - 1),
    st.floats(0, 1),
)
def test_it_stays_within_0_and_1_and_never_falls_with_more_confidence(confidence, edge, more):
    before = np.array(confidence)
    after = before.copy()
    after[edge] = max(after[edge], more)
    low, high = predicted_f1(chain(before)), predicted_f1(chain(after))
    assert 0 <= low <= high <= 1


def test_long_edges_weigh_more_than_short_ones():
    xyz = np.array([[0, 0, 0], [1, 0, 0], [10, 0, 0]], float)
    short_doubted = Tree(xyz, np.ones(3), np.array([-1, 0, 1]), confidence=np.array([1, 0.5, 1]))
    long_doubted = dataclasses.replace(short_doubted, confidence=np.array([1, 1, 0.5]))
    assert predicted_f1(long_doubted) < predicted_f1(short_doubted)


def test_the_unit_and_the_root_are_without_effect():
    tree = chain(0.6, bridged=2)
    smaller = dataclasses.replace(tree, xyz=tree.xyz * 0.2, radius=tree.radius * 0.2)
    other_root = dataclasses.replace(tree, confidence=np.concatenate([[0.0], tree.confidence[1:]]))
    assert predicted_f1(smaller) == pytest.approx(predicted_f1(tree), abs=1e-6)
    assert predicted_f1(other_root) == predicted_f1(tree)


def test_a_tree_of_few_nodes_is_predicted_to_be_as_good_as_the_same_tree_of_many():
    rows = [[(x if k % 2 else 60 - x, 40.0 * k) for x in np.arange(0, 60, 1.5)] for k in range(10)]
    ways = [[(60.0 * (k % 2), 40.0 * k + y) for y in np.arange(0, 40, 1.5)] for k in range(9)]
    xy = np.array([point for row, way in zip(rows, [*ways, []], strict=True) for point in (*row, *way)])
    found = []
    for step in (1, 2, 8):  # 1.5, 3 and 12 px from node to node
        xyz = np.c_[xy, np.zeros(len(xy))][::step]
        tree = Tree(xyz, np.ones(len(xyz)), np.arange(len(xyz)) - 1, unit="voxel", confidence=np.full(len(xyz), 0.9))
        found.append(predicted_f1(dataclasses.replace(tree, promise=0.9, step_px=1.5 * step)))
        assert pixel_of(dataclasses.replace(tree, step_px=1.5 * step).take(np.arange(40))) == pytest.approx(1, rel=0.1)
    assert found == pytest.approx([found[0]] * 3, rel=0.02)
    assert predicted_f1(dataclasses.replace(tree, promise=0.9)) < 0.6 * found[0]  # if they were taken for 1.5 px apart


def test_nothing_is_predicted_without_confidence_or_without_cable():
    assert predicted_f1(chain(None)) is None
    assert predicted_f1(chain(None, bridged=3)) is None
    assert predicted_f1(chain(0.9).take(np.array([0]))) is None
    assert predicted_f1(Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, int), confidence=np.zeros(0))) is None
