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
