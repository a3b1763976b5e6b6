"""A layer of tiles read row by row, so that little of it is in memory, and no chunk is decoded twice for it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import chunk_of
from neurorecon.core.stack import Stack
from neurorecon.io import check_finite
from neurorecon.segmentation.tiles import Span

__all__ = ["read_rows"]


def read_rows(stack: Stack, z: Span, rows: list[Span]) -> Iterator[NDArray[Any]]:
    """Yield the voxels (Z, n, X) of a layer of tiles for each of its `rows`, in order: what two of them share is read once.

    Raises:
        InputError: if they hold NaN or infinity.
    """
    edge = chunk_of(stack.data)[1]
    first, held = 0, np.empty((z.stop - z.start, 0, stack.shape[2]), stack.data.dtype)
    for y in rows:
        held = held[:, y.start - first :]
        first, known = y.start, y.start + held.shape[1]
        if known < y.stop:
            end = min(-(-y.stop // edge) * edge, stack.shape[1])
            read = np.asarray(stack.data[z.slice, known:end])
            check_finite(read, stack.source or "the stack", z0=z.start, y0=known)
            held = np.concatenate([held, read], axis=1) if held.shape[1] else read
        yield held[:, : y.stop - first]
