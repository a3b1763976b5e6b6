"""Volumes read block by block: all of it, once, and no chunk in two blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core import blocks

SIDES = st.tuples(*[st.integers(1, 12)] * 3)


class Chunked:
    """A volume that knows its chunks."""

    def __init__(self, shape, chunks):
        self.data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
        self.shape, self.dtype, self.chunks = shape, self.data.dtype, chunks

    def __getitem__(self, key):
        return self.data[key]


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 4000))
def test_blocks_hold_everything_once_and_whole_chunks(shape, chunks, size):
    volume, seen = Chunked(shape, chunks), np.zeros(shape, int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", size)
        for planes, rows, block in blocks.read_blocks(volume):
            assert np.array_equal(block, volume.data[planes, rows])
            assert planes.start % chunks[0] == 0
            assert rows.start % chunks[1] == 0
            seen[planes, rows] += 1
            one = min(chunks[0], shape[0]) * min(chunks[1], shape[1]) * shape[2] * 2
            assert block.nbytes <= max(size, one)
    assert (seen == 1).all()


def test_what_does_not_know_its_chunks_is_read_by_whole_planes(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 40)
    shapes = [block.shape for *_, block in blocks.read_blocks(np.zeros((5, 4, 5), np.uint8))]
    assert shapes == [(2, 4, 5), (2, 4, 5), (1, 4, 5)]


@pytest.mark.parametrize("edges", [(4, 8, 8), (1, 1, 1)])  # the second: more boxes than a short integer counts
def test_voxels_are_read_box_by_box_each_once_and_in_the_order_of_the_boxes(rng, edges):
    volume = rng.integers(0, 255, (30, 51, 50), dtype=np.uint8)
    zyx = np.stack([rng.integers(0, n, 4000) for n in volume.shape], 1)
    firsts, rows = [], []
    for first, own, block in blocks.by_box(volume, zyx, np.array(edges)):
        assert block.shape <= edges
        assert np.array_equal(block[tuple((zyx[own] - first).T)], volume[tuple(zyx[own].T)])
        assert (np.diff(own) > 0).all()
        firsts.append(tuple(first.tolist()))
        rows.append(own)
    assert firsts == sorted(set(firsts))
    assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(4000))


def test_no_voxels_are_in_no_box():
    assert not list(blocks.by_box(np.zeros((4, 4, 4)), np.zeros((0, 3), np.int64), np.array((2, 2, 2))))
