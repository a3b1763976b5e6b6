"""The cell body at the root of a tracing, on pictures drawn by formula."""

import numpy as np
import pytest

from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.swc import write_swc
from neurorecon.training.sources.labels import BACKGROUND, NEURITE, SOMA, UNSURE_SOMA, label_tree
from neurorecon.training.sources.labels_soma import body_at, label_bodies
from neurorecon.training.sources.truth import labels_of_pair

SHAPE = (33, 65, 97)
CENTRE = (16, 32, 30)


def drawn(radius: float, *, light: float = 180.0, hollow: float = 0.0) -> np.ndarray:
    """Draw a ball and a straight neurite of radius 2 that leaves it along x, with noise."""
    z, y, x = np.indices(SHAPE)
    away = np.sqrt((z - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (x - CENTRE[2]) ** 2)
    line = (np.hypot(z - CENTRE[0], y - CENTRE[1]) <= 2) & (x >= CENTRE[2])
    lit = ((away <= radius) & (away > hollow)) | line
    return (20 + light * lit + np.random.default_rng(0).normal(0, 3, SHAPE)).clip(0, 255).astype(np.uint8)


def tracing(offset: float = 0.0) -> Tree:
    """Return the neurite, begun `offset` voxels along y from the middle of the body."""
    x = np.arange(CENTRE[2], SHAPE[2], 4.0)
    xyz = np.stack([x, np.full(len(x), float(CENTRE[1])), np.full(len(x), float(CENTRE[0]))], 1)
    xyz[0, 1] += offset
    return Tree(xyz, np.ones(len(x)), np.arange(len(x)) - 1, np.full(len(x), 3), "voxel")


@pytest.mark.parametrize("radius", [6, 10, 14])
def test_a_body_has_the_size_that_the_picture_shows(radius):
    found = body_at(drawn(radius), tracing(), 0)
    assert found is not None
    assert np.cbrt(3 * found[1].sum() / 4 / np.pi) == pytest.approx(radius, rel=0.12)


def test_a_tracing_that_begins_beside_the_middle_finds_the_whole_body():
    middle, beside = body_at(drawn(9), tracing(), 0), body_at(drawn(9), tracing(6), 0)
    assert middle is not None
    assert beside is not None
    assert beside[1].sum() == pytest.approx(middle[1].sum(), rel=0.05)


def test_a_body_with_a_dark_nucleus_is_whole():
    found = body_at(drawn(10, hollow=5), tracing(), 0)
    assert found is not None
    assert found[1].sum() == pytest.approx(4 / 3 * np.pi * 1000, rel=0.3)


def test_a_neurite_that_merely_begins_has_no_body():
    assert body_at(drawn(2), tracing(), 0) is None


def test_a_body_is_neurite_and_soma_and_nothing_is_asked_close_around_it():
    tree, image = tracing(), drawn(10)
    labels = label_tree(tree, SHAPE)
    label_bodies(labels, image, tree)
    z, y, x = CENTRE
    assert labels[z, y + 6, x] == NEURITE | SOMA
    assert labels[z, y + 12, x] & UNSURE_SOMA
    assert labels[z, y + 28, x] == BACKGROUND


def test_bodies_are_asked_only_where_tracings_begin_at_them(tmp_path):
    write_swc(tracing(), tmp_path / "a.swc")
    stack = Stack(drawn(10))
    assert not (labels_of_pair(stack, tmp_path / "a.swc") & SOMA).any()
    assert (labels_of_pair(stack, tmp_path / "a.swc", rooted=True) & SOMA).any()
