"""The predicted F1: 1 for a tree without fault, lower for every doubt and every bridge, within 0 and 1, None where unknown."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.tree import Tree
from neurorecon.report import predicted_f1
from neurorecon.report.quality import BRIDGED, DOUBT, SURE, signs_of_error

CHAIN = 10  # edges of length 1


def chain(confidence, bridged=None):
    """A straight line of ten edges; what is given for them comes behind the root."""
    xyz = np.column_stack([np.arange(CHAIN + 1.0), np.zeros(CHAIN + 1), np.zeros(CHAIN + 1)])
    given = None if confidence is None else np.concatenate([[1.0], np.broadcast_to(confidence, CHAIN)])
    gaps = None if bridged is None else np.arange(CHAIN + 1) > CHAIN - bridged
    return Tree(xyz, np.ones(CHAIN + 1), np.arange(-1, CHAIN), confidence=given, bridged=gaps)


def test_a_tree_that_is_sure_and_without_a_gap_is_predicted_to_be_right():
    assert predicted_f1(chain(1.0)) == 1
    assert predicted_f1(chain(SURE, bridged=0)) == 1


def test_the_prediction_is_the_formula():
    confidence = np.full(CHAIN, 1.0)
    confidence[:2] = SURE - 0.3
    assert signs_of_error(chain(confidence, bridged=4)) == pytest.approx((0.06, 0.4))
    assert predicted_f1(chain(confidence, bridged=4)) == pytest.approx(
        math.exp(-(DOUBT * 0.06 + BRIDGED * math.sqrt(0.4))), abs=1e-6
    )


def test_the_coefficients_are_such_that_doubt_and_bridges_lower_it():
    assert DOUBT > 0
    assert BRIDGED > 0
    assert predicted_f1(chain(0.6)) < predicted_f1(chain(0.7)) < 1
    assert predicted_f1(chain(1.0, bridged=5)) < predicted_f1(chain(1.0, bridged=1)) < 1


@given(
    st.lists(st.floats(0, 1), min_size=CHAIN, max_size=CHAIN),
    st.integers(0, CHAIN - 1),
    st.floats(0, 1),
    st.integers(0, CHAIN),
)
def test_it_stays_within_0_and_1_and_never_falls_with_more_confidence(confidence, edge, more, bridged):
    before = np.array(confidence)
    after = before.copy()
    after[edge] = max(after[edge], more)
    low, high = predicted_f1(chain(before, bridged)), predicted_f1(chain(after, bridged))
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


def test_nothing_is_predicted_without_confidence_or_without_cable():
    assert predicted_f1(chain(None)) is None
    assert predicted_f1(chain(None, bridged=3)) is None
    assert predicted_f1(chain(0.9).take(np.array([0]))) is None
    assert predicted_f1(Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, int), confidence=np.zeros(0))) is None
