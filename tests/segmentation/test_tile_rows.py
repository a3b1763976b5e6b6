"""The rows of a layer of tiles: the same voxels however they lie in a file, and each chunk decoded once."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.stack import Stack
from neurorecon.segmentation.tile_rows import read_rows
from neurorecon.segmentation.tiles import cut_axis


class Chunked:
    def __init__(self, data, chunks):
        self.data, self.shape, self.dtype, self.chunks = data, data.shape, data.dtype, chunks
        self.times = np.zeros(-(-data.shape[1] // chunks[1]), int)

    def __getitem__(self, key):
        first, last, _ = key[1].indices(self.shape[1])
        self.times[first // self.chunks[1] : -(-last // self.chunks[1])] += 1
        return self.data[key]


@pytest.mark.parametrize("edge", [1, 16, 40, 64, 500])
def test_rows_are_those_of_the_stack_and_no_chunk_is_decoded_twice(edge):
    data = np.random.default_rng(0).integers(0, 255, (30, 200, 7)).astype(np.uint8)
    volume = Chunked(data, (8, edge, 7))
    z, rows = cut_axis(30, 16, 4, 8)[1], cut_axis(200, 48, 12, 8)
    for y, voxels in zip(rows, read_rows(Stack(volume), z, rows), strict=True):
        assert np.array_equal(voxels, data[z.slice, y.slice])
    assert volume.times.max() == 1


def test_a_row_with_nan_is_refused_with_its_place():
    data = np.zeros((30, 200, 7), np.float32)
    data[20, 150, 3] = np.nan
    z, rows = cut_axis(30, 16, 4, 8)[1], cut_axis(200, 48, 12, 8)
    with pytest.raises(InputError, match=r"nan at z=20, y=150, x=3"):
        list(read_rows(Stack(data), z, rows))
