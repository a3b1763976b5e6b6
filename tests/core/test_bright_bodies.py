"""The thinned stack in which huge bright bodies are looked for."""

import numpy as np
import pytest

from neurorecon.core import blocks
from neurorecon.core.bright_bodies import STEP, thinned
from neurorecon.core.stack import Stack


class Chunked:
    """A volume in chunks that counts the voxels that are decoded: whole chunks, as a zarr does."""

    def __init__(self, data, chunks):
        self.data, self.chunks, self.decoded = data, chunks, 0
        self.shape, self.dtype = data.shape, data.dtype

    def __getitem__(self, key):
        keys = (*(key if isinstance(key, tuple) else (key,)), *[slice(None)] * 3)[:3]
        inside = [range(n)[part] for part, n in zip(keys, self.shape, strict=True)]
        edges = [
            min(-(-own.stop // c) * c, n) - own.start // c * c
            for own, c, n in zip(inside, self.chunks, self.shape, strict=True)
        ]
        self.decoded += int(np.prod(edges))
        return self.data[key]


@pytest.mark.parametrize("chunks", [(16, 24, 40), (7, 9, 11), (1, 1, 1), (200, 200, 200)])
@pytest.mark.parametrize("block_bytes", [1 << 26, 4000, 300])
def test_every_second_plane_and_fourth_pixel_is_there_and_no_chunk_is_decoded_twice(chunks, block_bytes, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    data = np.random.default_rng(0).integers(0, 60000, (33, 50, 61)).astype(np.uint16)
    volume = Chunked(data, chunks)
    z, y, x = STEP
    np.testing.assert_array_equal(thinned(Stack(volume)), data[::z, ::y, ::x])
    assert volume.decoded == data.size
