"""The voxels that the checks see: all of a stack in memory, columns of whole chunks of one on disk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import chunk_of
from neurorecon.core.stack import Stack

__all__ = ["Glimpse", "Planes", "glimpse_of"]

COLUMN_YX = 128  # pixels along y and x of a column, or a chunk where that is more
COLUMN_PLANES = 256  # planes of a column: enough for a period, and a scale bar holds through them all
COLUMN_VOXELS = 1 << 26  # of all columns, whatever the chunks: a second of reading
THUMB = 48  # pixels along y and x of the small picture of a plane by which planes are compared


@dataclass(frozen=True, slots=True)
class Planes:
    """Consecutive planes of a part of a stack.

    Attributes:
        data: (n, y, x) voxels.
        first: the place of its first voxel in the stack, zyx.
    """

    data: NDArray[np.generic]
    first: tuple[int, int, int] = (0, 0, 0)

    def means(self) -> NDArray[np.float64]:
        """Return the mean grey value of each plane, (n,)."""
        return np.array([float(plane.mean(dtype=np.float64)) for plane in self.data])

    def thumbs(self) -> NDArray[np.float32]:
        """Return small pictures of the planes, (n, pixels): means of squares, without the mean of the whole, of length 1.

        A plane of one value gives zeros.
        """
        _, y, x = self.data.shape
        square = max(1, -(-max(y, x) // THUMB))
        high, wide = max(1, y // square), max(1, x // square)
        found = np.empty((len(self.data), high * wide), np.float32)
        for z, plane in enumerate(self.data):
            part = plane[: high * square, : wide * square].astype(np.float32)
            if min(part.shape) >= square:
                part = part.reshape(high, square, wide, square).mean((1, 3))
            found[z] = part[:high, :wide].ravel()
        found -= found.mean(1, keepdims=True)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(np.divide(found, length, out=np.zeros_like(found), where=length > 0), np.float32)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What is seen of a stack.

    Attributes:
        stack: the whole.
        parts: the planes that are seen.
        whole: they are all of the stack.
    """

    stack: Stack
    parts: tuple[Planes, ...]
    whole: bool

    @property
    def voxels(self) -> int:
        """Number of voxels that are seen."""
        return sum(part.data.size for part in self.parts)


def glimpse_of(stack: Stack) -> Glimpse:
    """Return what is seen of a stack: a numpy one whole, of another one five columns, at its middle and its corners."""
    if isinstance(stack.data, np.ndarray):
        return Glimpse(stack, (Planes(stack.data),), whole=True)
    chunk = chunk_of(stack.data)
    sides = [min(n, max(COLUMN_YX, c)) for n, c in zip(stack.shape[1:], chunk[1:], strict=True)]
    deep = max(1, min(stack.shape[0], COLUMN_PLANES, COLUMN_VOXELS // max(1, 5 * sides[0] * sides[1])))
    last = [n - side for n, side in zip(stack.shape, (deep, *sides), strict=True)]
    z = last[0] // 2
    corners = [(last[1] // 2, last[2] // 2), (0, 0), (0, last[2]), (last[1], 0), (last[1], last[2])]
    parts = []
    for y, x in dict.fromkeys(corners):
        box = (slice(z, z + deep), slice(y, y + sides[0]), slice(x, x + sides[1]))
        parts.append(Planes(np.asarray(stack.data[box]), (z, y, x)))
    return Glimpse(stack, tuple(parts), whole=False)
