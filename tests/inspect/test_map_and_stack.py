"""A map is compared with the grey stack that is given beside it: another stack, or one in another orientation, is said."""

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.inspect import check_match


@pytest.fixture(scope="module")
def pair():
    """The map (Z, Y, X) of crooked neurites, and the dim, noisy stack that they were seen in."""
    rng = np.random.default_rng(3)
    lit = np.zeros((20, 90, 100), bool)
    for start in range(8, 90, 11):
        x = np.arange(100)
        y = np.clip(np.rint(start + np.cumsum(rng.normal(0, 0.8, 100))), 0, 89).astype(int)
        z = np.clip(np.rint(4 + start / 8 + np.cumsum(rng.normal(0, 0.4, 100))), 0, 19).astype(int)
        lit[z, y, x] = True
    near = ndimage.binary_dilation(lit)
    light = 6 + 12 * ndimage.gaussian_filter(near.astype(float), 0.7) + np.linspace(0, 30, 90)[:, None]
    return near.astype(np.uint8) * 255, rng.poisson(light).astype(np.uint8)


def said(neurite, grey):
    return [finding.name for finding in check_match(Probability(neurite), Stack(np.ascontiguousarray(grey)))]


def test_the_stack_that_a_map_was_made_from_is_taken(pair):
    neurite, grey = pair
    assert said(neurite, grey) == []
    assert said(neurite, grey.astype(np.float32) * 1e-6 - 3) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda grey: grey[:, ::-1],
        lambda grey: grey[:, :, ::-1],
        lambda grey: np.roll(grey, (7, 6), (1, 2)),
        lambda grey: 255 - grey,
        lambda grey: np.random.default_rng(1).permutation(grey.ravel()).reshape(grey.shape),
        np.zeros_like,
    ],
)
def test_another_stack_and_one_in_another_orientation_are_said(pair, change):
    neurite, grey = pair
    assert said(neurite, change(grey)) == ["other-stack"]


def test_a_map_of_next_to_nothing_and_other_shapes_say_nothing(pair):
    neurite, grey = pair
    assert said(np.zeros_like(neurite), grey) == []
    assert said(neurite, grey[:-1]) == []
    assert said(neurite[:, :6], grey[:, :6]) == []
