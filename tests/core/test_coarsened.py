"""Voxels put together: means of boxes, the same however they are read."""

import numpy as np
import pytest

from neurorecon.core.coarsened import Coarse, coarsen
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_voxel_is_the_mean_of_its_box_and_a_last_one_of_what_is_there(rng, dtype):
    data = rng.integers(0, 250, (5, 7, 8)).astype(dtype)
    coarse = Coarse(data, (2, 3, 4))
    assert coarse.shape == coarse[:].shape == (3, 3, 2)
    assert coarse.dtype == coarse[:].dtype == dtype
    for z, y, x in np.ndindex(coarse.shape):
        mean = data[2 * z : 2 * z + 2, 3 * y : 3 * y + 3, 4 * x : 4 * x + 4].mean(dtype=np.float64)
        assert coarse[:][z, y, x] == pytest.approx(mean, abs=1e-3 if dtype == np.float32 else 0.5001)


@pytest.mark.parametrize(
    "key", [slice(0, 2), slice(2, 9), slice(1, 1), (slice(1, 3), slice(1, 2)), (slice(0, 2), slice(0, 3), slice(1, 2))]
)
def test_a_part_is_that_of_the_whole(rng, key):
    coarse = Coarse(rng.integers(0, 250, (5, 7, 8)).astype(np.uint8), (2, 3, 4))
    assert np.array_equal(coarse[key], coarse[:][key])


def test_chunks_shrink_with_the_voxels():
    class Chunked:
        shape, dtype, chunks = (64, 64, 64), np.dtype(np.uint8), (1, 16, 16)

    assert Coarse(Chunked(), (2, 4, 4)).chunks == (1, 4, 4)


def test_a_coarse_stack_has_larger_voxels_and_none_is_made_for_one():
    stack = Stack(np.zeros((4, 6, 6), np.uint8), VoxelSize(2, 0.5, 0.5), "cell.tif")
    assert coarsen(stack, (1, 1, 1)) is stack
    coarse = coarsen(stack, (1, 2, 2))
    assert (coarse.shape, coarse.voxel_size, coarse.source) == ((4, 3, 3), VoxelSize(2, 1, 1), "cell.tif")
    assert coarsen(Stack(stack.data), (2, 2, 2)).voxel_size is None
