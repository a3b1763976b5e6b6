"""How tall and how wide neurites look, through noise."""

import numpy as np
import pytest
from scipy.ndimage import label

from neurorecon.segmentation.adapt.width import chords, profile_products, seen_widths


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("height", [0.5, 0.75, 1.0, 1.5])
def test_height_and_width_of_neurites_are_seen_through_noise(rods, height, noise):
    tall, wide = seen_widths([profile_products(rods(height, noise), rods(height) > 0.4)])
    assert wide == pytest.approx(1.5, rel=0.15)
    assert tall / wide == pytest.approx(height, rel=0.12)


@pytest.mark.parametrize(("number", "told"), [(999, False), (1000, True)])
def test_a_width_takes_a_thousand_products(number, told):
    sums = np.broadcast_to(np.array([1.0, 0.8, 0.3]) * number, (2, 3))
    assert (seen_widths([np.stack([sums, np.full((2, 3), float(number))])]) is not None) == told


def test_what_is_too_little_to_tell_is_not_told(rods):
    nothing, neurite = np.zeros((40, 90, 90), np.float32), rods(1) > 0.4
    assert seen_widths([]) is None
    assert seen_widths([profile_products(nothing, nothing > 0)]) is None
    assert seen_widths([profile_products(nothing, neurite)]) is None  # neurites without light


def test_the_share_of_light_is_asked_where_it_counts(rods):
    products = [profile_products(rods(1, noise=1.0), rods(1) > 0.4)]  # light squared 0.4 in the mean, noise 1
    assert seen_widths(products) is not None
    assert seen_widths(products, least_light=0.5) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_chord_is_the_unbroken_line_through_a_voxel(rng, axis):
    mask = rng.random((6, 7, 8)) < 0.7
    along = np.zeros((3, 3, 3), bool)
    along[tuple(slice(None) if a == axis else 1 for a in range(3))] = True
    lines, _ = label(mask, along)
    assert np.array_equal(chords(np.argwhere(mask), mask.shape, axis), np.bincount(lines[mask])[lines[mask]])
    assert len(chords(np.zeros((0, 3), int), mask.shape, axis)) == 0
