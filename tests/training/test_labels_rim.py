"""The light decides how thick a neurite is, not the radius of its tracing."""

import numpy as np
import pytest

from neurorecon.core.tree import Tree
from neurorecon.training.sources.labels import BACKGROUND, IGNORE, UNSURE_SOMA, label_tree
from neurorecon.training.sources.labels_rim import NEAR, label_dark_rim

SHAPE = (32, 48, 64)
Z, Y = np.mgrid[: SHAPE[0], : SHAPE[1]]


def traced(radius, *ys):
    """Labels of straight neurites along x at z = 16, traced with `radius`."""
    xyz = np.array([[x, y, 16.0] for y in ys for x in (3.0, 60.0)])
    parent = np.array([k for row in range(len(ys)) for k in (-1, 2 * row)])
    return label_tree(Tree(xyz, np.full(len(xyz), float(radius)), parent, unit="voxel"), SHAPE)


def rods(radius, *ys):
    """A noisy stack with rods of `radius` at the same places."""
    shine = np.zeros(SHAPE[:2], bool)
    for y in ys:
        shine |= np.hypot(Z - 16, Y - y) <= radius
    noise = np.random.default_rng(0).normal(20, 2, SHAPE)
    return noise.astype(np.float32) + 100 * shine[:, :, None].astype(np.float32)


def across(labels):
    """The labels of one plane across the neurites, and the distance of each voxel to the one at y = 24."""
    return labels[:, :, 32] & 3, np.hypot(Z - 16, Y - 24)


def test_a_thin_neurite_with_a_large_radius_gets_dark_sides():
    labels = traced(5, 24)
    low, distance = across(label_dark_rim(rods(1.5, 24), labels))
    assert (low[distance > 3.5] == BACKGROUND).all()
    assert (low[(distance > 1.6) & (distance < NEAR)] == IGNORE).all()
    assert np.array_equal(low & 1, across(labels)[0] & 1)  # the tube itself is asked as before


def test_a_neurite_that_is_as_thick_as_traced_keeps_its_rim():
    low, distance = across(label_dark_rim(rods(5, 24), traced(5, 24)))
    assert (low[(distance > 1.6) & (distance < 4.5)] == IGNORE).all()
    assert (low[distance > 6] == BACKGROUND).all()


def test_the_gap_between_two_neurites_is_background():
    labels = traced(5, 20, 28)
    assert (across(labels)[0][16, 22:27] == IGNORE).all()
    assert across(label_dark_rim(rods(1.5, 20, 28), labels))[0][16, 24] == BACKGROUND


def test_gain_and_offset_do_not_matter_and_other_bits_stay():
    labels = traced(5, 24) | np.uint8(UNSURE_SOMA)
    asked = label_dark_rim(rods(2, 24), labels)
    assert np.array_equal(label_dark_rim(4 * rods(2, 24) + 8, labels), asked)
    assert (asked & UNSURE_SOMA).all()


@pytest.mark.parametrize("value", [BACKGROUND, IGNORE])
def test_labels_without_a_neurite_stay_as_they_are(value):
    labels = np.full(SHAPE, value, np.uint8)
    assert np.array_equal(label_dark_rim(rods(2, 24), labels), labels)
