"""Planes between planes: what is made, and that it is the same however it is read."""

import numpy as np
import pytest

from neurorecon.core.filled import Filled, fill
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_planes_lie_on_straight_lines_between_the_given_ones(rng, dtype):
    data = rng.integers(0, 250, (5, 3, 4)).astype(dtype)
    filled = Filled(data, 3)
    whole = filled[:]
    assert whole.shape == filled.shape == (13, 3, 4)
    assert whole.dtype == filled.dtype == dtype
    assert np.array_equal(whole[::3], data)
    third = (2 * data[:-1].astype(float) + data[1:]) / 3
    np.testing.assert_allclose(whole[1::3], third if dtype == np.float32 else np.rint(third), rtol=1e-5)


@pytest.mark.parametrize(
    "key",
    [slice(0, 1), slice(4, 9), slice(5, 6), slice(12, 20), slice(3, 3), (slice(2, 8), slice(1, 2), slice(0, 4, 2))],
)
def test_a_part_is_that_of_the_whole(rng, key):
    filled = Filled(rng.integers(0, 250, (5, 3, 4)).astype(np.uint8), 3)
    assert np.array_equal(filled[key], filled[:][key])


def test_only_the_planes_that_are_needed_are_read():
    class Watched:
        shape, dtype = (100, 2, 2), np.dtype(np.uint8)

        def __getitem__(self, key):
            assert key[0].stop - key[0].start <= 4
            return np.zeros((key[0].stop - key[0].start, 2, 2), np.uint8)

    assert Filled(Watched(), 2)[80:85].shape == (5, 2, 2)


def test_a_filled_stack_has_finer_voxels_and_none_is_made_for_one():
    stack = Stack(np.zeros((4, 3, 3), np.uint8), VoxelSize(2, 0.5, 0.5), "cell.tif")
    assert fill(stack, 1) is stack
    assert fill(stack, 4).voxel_size == VoxelSize(0.5, 0.5, 0.5)
    assert fill(stack, 4).shape == (13, 3, 3)
    assert fill(stack, 4).source == "cell.tif"
    assert fill(Stack(stack.data), 2).voxel_size is None


def test_a_probability_goes_back_to_the_planes_of_its_stack(rng):
    neurite, soma = rng.integers(0, 250, (2, 9, 3, 4)).astype(np.uint8)
    filled = Probability(neurite, VoxelSize(0.5, 0.5, 0.5), soma, "p", planes=2)
    given = filled.on_stack
    assert (given.shape, given.planes, given.voxel_size) == ((5, 3, 4), 1, VoxelSize(1, 0.5, 0.5))
    assert np.array_equal(given.neurite, neurite[::2])
    assert np.array_equal(given.soma, soma[::2])
    assert given.on_stack is given
