"""A volume read once, in blocks of whole chunks: none is decoded twice, and little of it is in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.stack import Volume

__all__ = ["by_box", "chunk_of", "read_blocks", "slices_between", "whole_chunks"]

# Set by hand; not tuned, unless a line says more.
BLOCK_BYTES = 1 << 26  # of a block in memory at a time: 64 MB, little beside the network and the tracer
LARGEST = 4  # times the box that is requested: larger chunks are not read whole


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
    """Return the lengths (z, y, x) of a chunk, which is decoded at once; one voxel if the volume has no chunks."""
    z, y, x = getattr(volume, "chunks", None) or (1, 1, 1)
    return int(z), int(y), int(x)


def whole_chunks(volume: Volume, box: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return how many voxels (z, y, x) to read at a time: at least `box`, in whole chunks unless these are much larger."""
    return np.array([min(-(-n // c) * c, LARGEST * n) for n, c in zip(box, chunk_of(volume), strict=True)], np.int64)


def slices_between(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[slice, ...]:
    """Return the slices of the box from voxel `low` to before voxel `high`."""
    return tuple(slice(int(first), int(end)) for first, end in zip(low, high, strict=True))


def by_box(
    volume: Volume, zyx: NDArray[np.int64], edges: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]]:
    """Yield the boxes of `edges` (3,) voxels in which voxels `zyx` (N, 3) lie: first voxel, rows of those in it, values."""
    if not len(zyx):
        return
    grid = tuple((-(-np.array(volume.shape) // edges)).tolist())
    box = np.ravel_multi_index(tuple((zyx // edges).T), grid)
    # numpy sorts short integers by their digits: 20 times as fast
    kind = np.uint16 if np.prod(grid) <= 1 << 16 else np.int64
    order = np.argsort(box.astype(kind), kind="stable")
    count = np.bincount(box)
    boxes = np.flatnonzero(count)
    ends = np.cumsum(count[boxes])
    lows = np.stack(np.unravel_index(boxes, grid), 1) * edges
    for low, begin, end in zip(lows, [0, *ends[:-1]], ends, strict=True):
        high = np.minimum(low + edges, volume.shape)
        yield low, order[begin:end], np.asarray(volume[slices_between(low, high)])
