"""Labels of a drawn tree: tube, rim, centre line and soma lie where the geometry says."""

import numpy as np
import pytest

from neurorecon.core.tree import Tree
from neurorecon.training.sources.labels import (
    BACKGROUND,
    CENTRE,
    IGNORE,
    NEURITE,
    SOMA,
    UNSURE_SOMA,
    label_tree,
    sample_edges,
)


def rod(radius=1.0, kind=0):
    """A rod along x at z = 10, y = 12, from x = 5 to 35."""
    x = np.arange(5.0, 36.0, 5)
    points = np.stack([x, np.full_like(x, 12), np.full_like(x, 10)], axis=1)
    return Tree(points, np.full(len(x), radius), np.arange(len(x)) - 1, np.r_[kind, np.zeros(len(x) - 1, int)], "voxel")


@pytest.mark.parametrize(("away", "label"), [(0, CENTRE), (1, NEURITE), (2, IGNORE), (3, BACKGROUND), (6, BACKGROUND)])
def test_a_thin_rod_is_centre_tube_rim_and_background(away, label):
    labels = label_tree(rod(), (20, 25, 40)) & 3
    assert labels[10, 12 + away, 20] == label
    assert labels[10 + away, 12, 20] == label


def test_nothing_is_asked_inside_a_thick_rod_beyond_the_tube():
    labels = label_tree(rod(radius=4.0), (20, 25, 40)) & 3
    assert labels[10, 12 + 4, 20] == IGNORE
    assert labels[10, 12 + 6, 20] == BACKGROUND


def test_a_traced_cell_body_is_soma():
    labels = label_tree(rod(radius=7.0, kind=1), (20, 25, 40))
    assert labels[10, 12, 5] & SOMA
    assert labels[16, 12, 5] & SOMA
    assert not labels[10, 12, 20] & SOMA
    assert not (labels & UNSURE_SOMA).any()


def test_around_a_root_of_unknown_kind_nothing_is_asked_of_the_soma():
    labels = label_tree(rod(), (20, 25, 40))
    assert labels[10, 12, 5] & UNSURE_SOMA
    assert not (labels & SOMA).any()


def test_parts_of_a_tree_outside_the_stack_are_left_out():
    labels = label_tree(rod(), (20, 25, 10))
    assert labels.shape == (20, 25, 10)
    assert (labels & 3 == CENTRE).sum() == 5


def test_samples_lie_at_most_half_a_voxel_apart_and_carry_the_radius():
    points, radius = sample_edges(rod(radius=2.5))
    order = np.argsort(points[:, 2])
    assert np.diff(points[order, 2]).max() <= 0.5 + 1e-9
    assert np.allclose(radius, 2.5)
