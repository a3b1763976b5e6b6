"""What cannot be seen is not asked: a neurite that drowns in noise, and only that one."""

import numpy as np
import pytest

from neurorecon.core.tree import Tree
from neurorecon.training.sources.labels import CENTRE, IGNORE, NEURITE, UNSURE_SOMA, label_tree
from neurorecon.training.sources.labels_visible import ignore_invisible

SHAPE = (24, 48, 64)


def line(y):
    """A straight neurite along x, labelled as in training."""
    xyz = np.array([[3.0, y, 12.0], [60.0, y, 12.0]])
    return label_tree(Tree(xyz, np.ones(2), np.array([-1, 0]), unit="voxel"), SHAPE)


def tube(labels):
    return ((labels & 3) == NEURITE) | ((labels & 3) == CENTRE)


def noise(seed=0):
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def test_a_neurite_that_stands_out_stays_asked():
    labels = line(24)
    grey = noise() + 2.0 * tube(labels).astype(np.float32)
    assert np.array_equal(ignore_invisible(grey, labels), labels)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_neurite_that_is_not_there_is_not_asked(seed):
    labels = line(24)
    left = ignore_invisible(noise(seed), labels)
    assert tube(left).sum() < 0.1 * tube(labels).sum()
    assert ((left & 3) == IGNORE).sum() > ((labels & 3) == IGNORE).sum()


def test_only_the_stretch_in_the_dark_goes():
    labels = line(24)
    bright = np.where(np.arange(SHAPE[2]) < 32, 2.0, 0.0).astype(np.float32)
    left = ignore_invisible(noise() + bright * tube(labels), labels)
    assert np.array_equal(tube(left)[:, :, :28], tube(labels)[:, :, :28])
    assert tube(left)[:, :, 40:].sum() < 0.1 * tube(labels)[:, :, 40:].sum()


def test_gain_and_offset_do_not_matter_and_other_bits_stay():
    labels = line(24) | np.uint8(UNSURE_SOMA)
    grey = noise() + 0.8 * tube(labels).astype(np.float32)
    left = ignore_invisible(grey, labels)
    assert np.array_equal(ignore_invisible(100 * grey + 7, labels), left)
    assert (left & UNSURE_SOMA).all()


def test_a_crop_without_neurites_or_without_background_stays_as_it_is():
    empty, full = np.zeros(SHAPE, np.uint8), np.full(SHAPE, NEURITE, np.uint8)
    assert np.array_equal(ignore_invisible(noise(), empty), empty)
    assert np.array_equal(ignore_invisible(noise(), full), full)
    labels = line(24)
    assert np.array_equal(ignore_invisible(np.zeros(SHAPE, np.float32), labels), labels)
