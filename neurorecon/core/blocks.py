"""A volume read once, in blocks of whole chunks: none is decoded twice, and little of it is in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.stack import Volume

__all__ = ["chunk_of", "read_blocks"]

BLOCK_BYTES = 1 << 26


def read_blocks(volume: Volume) -> Iterator[tuple[slice, slice, NDArray[Any]]]:
    """Yield a volume (Z, Y, X) in blocks (n, m, X) of about 64 MB, with their planes and rows, in order.

    A block is many planes where these are small, and rows of a layer of chunks where they are large.
    """
    planes, rows, columns = (int(n) for n in volume.shape)
    depth, edge, _ = chunk_of(volume)
    line = max(1, columns * np.dtype(volume.dtype).itemsize)
    high = min(rows, max(1, BLOCK_BYTES // (depth * line) // edge) * edge)
    deep = depth if high < rows else max(1, BLOCK_BYTES // (rows * line) // depth) * depth
    for z in range(0, planes, deep):
        for y in range(0, rows, high):
            where = slice(z, min(z + deep, planes)), slice(y, min(y + high, rows))
            yield *where, np.asarray(volume[where])


def chunk_of(volume: Volume) -> tuple[int, int, int]:
    """Return the lengths (z, y, x) of what is decoded at once; one voxel where the volume does not say."""
    z, y, x = getattr(volume, "chunks", None) or (1, 1, 1)
    return int(z), int(y), int(x)
