"""The voxels that the checks see: all of a stack in memory, columns of whole chunks of one on disk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import chunk_of
from neurorecon.core.stack import Stack

__all__ = ["LABELS", "Glimpse", "Planes", "glimpse_of", "unit_rows"]

# Set by hand; not tuned, unless a line says more.
FAR = 6.0  # times the width of a pixel from plane to plane: of a cell imaged so, one plane may hold all of the body
COLUMN_YX = 128  # pixels along y and x of a column, or a chunk where that is more
COLUMN_PLANES = 256  # planes of a column: enough for a period, and a scale bar holds through them all
COLUMN_VOXELS = 1 << 26  # of all columns, whatever the chunks: a second of reading
PLANE_PIXELS = 1 << 14  # of a plane that shares and medians are taken from: within 1 %
LABELS = 8  # grey values that no camera stops at: 3 bits
THUMB = 32  # pixels along y and x of the small picture of a plane by which planes are compared


@dataclass(frozen=True, slots=True)
class Planes:
    """Consecutive planes of a part of a stack.

    Attributes:
        data: (n, y, x) voxels.
        low: smallest value of each plane, (n,).
        high: largest value of each plane, (n,).
        values: the smallest different values of `thin`, ascending: LABELS + 1, or all if they are fewer.
        first: the place of its first voxel in the stack, zyx.
    """

    data: NDArray[np.generic]
    low: NDArray[np.generic]
    high: NDArray[np.generic]
    values: NDArray[np.generic]
    first: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, data: NDArray[Any], first: tuple[int, int, int] = (0, 0, 0)) -> "Planes":
        """Make the planes of a block (n, y, x)."""
        low = np.array([plane.min() for plane in data])
        high = np.array([plane.max() for plane in data])
        return cls(data, low, high, np.unique(thinned(data))[: LABELS + 1].copy(), first)

    @property
    def thin(self) -> NDArray[Any]:
        """Every k-th pixel along y and x of each plane, (n, y', x'): enough for shares and medians."""
        return thinned(self.data)

    @property
    def has_labels(self) -> bool:
        """Whether it has as few values as labels of a segmentation have: no camera stops at that."""
        return len(self.values) <= LABELS

    def thumb_pictures(self) -> NDArray[np.float32]:
        """Return small pictures of the planes, (n, y', x'): means of squares. Of large squares only every k-th pixel counts."""
        thin = self.thin
        _, y, x = thin.shape
        square = max(1, -(-max(y, x) // THUMB))
        high, wide = max(1, y // square), max(1, x // square)
        # in the middle, so that a mirrored plane gives the mirrored picture
        top, left = (max(0, n - count * square) // 2 for n, count in ((y, high), (x, wide)))
        part = thin[:, top : top + high * square, left : left + wide * square].astype(np.float32)
        if min(y, x) >= square:
            part = part.reshape(len(part), high, square, wide, square).mean((2, 4))
        return np.asarray(part, np.float32)

    def thumbs(self) -> NDArray[np.float32]:
        """Return the small pictures without their means, of length 1, (n, pixels); a plane of one value gives zeros."""
        return unit_rows(self.thumb_pictures().reshape(len(self.data), -1))

    def spread(self, most: int) -> NDArray[np.int64]:
        """Return the numbers of up to `most` planes, evenly spread from the first one to the last."""
        return np.unique(np.linspace(0, len(self.data) - 1, most).astype(np.int64))


def thinned(data: NDArray[Any]) -> NDArray[Any]:
    """Return every k-th pixel along y and x of planes (n, y, x), about PLANE_PIXELS of each."""
    _, y, x = data.shape
    step = max(1, int((y * x / PLANE_PIXELS) ** 0.5))
    return data[:, ::step, ::step]


def unit_rows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows (..., pixels) of mean 0 and length 1; a row of one value gives zeros."""
    values = values - values.mean(-1, keepdims=True)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(np.divide(values, length, out=np.zeros_like(values), where=length > 0), np.float32)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The part of a stack that the checks see.

    Attributes:
        stack: the whole.
        parts: the planes that are seen.
        whole: they are all of the stack.
    """

    stack: Stack
    parts: tuple[Planes, ...]
    whole: bool

    @property
    def far_apart(self) -> bool:
        """Whether planes are known to lie so far apart that one may show what the planes around it do not."""
        size = self.stack.voxel_size
        return size is not None and size.anisotropy >= FAR

    @property
    def low(self) -> float:
        """The smallest value that is seen."""
        return min(float(part.low.min()) for part in self.parts)

    @property
    def high(self) -> float:
        """The largest value that is seen."""
        return max(float(part.high.max()) for part in self.parts)

    @property
    def liveliest(self) -> Planes:
        """The part with the most light."""
        if len(self.parts) == 1:
            return self.parts[0]
        return max(self.parts, key=lambda part: float(part.thin.std(dtype=np.float64)))

    def share(self, value: float) -> float:
        """Return the share of the voxels that have a value, from some pixels of each plane."""
        return sum(int(np.count_nonzero(p.thin == value)) for p in self.parts) / sum(p.thin.size for p in self.parts)


def glimpse_of(stack: Stack) -> Glimpse:
    """Return the glimpse of a stack: all of a numpy one, five columns of another one, at its middle and its corners."""
    if isinstance(stack.data, np.ndarray):
        return Glimpse(stack, (Planes.of(stack.data),), whole=True)
    chunk = chunk_of(stack.data)
    sides = [min(n, max(COLUMN_YX, c)) for n, c in zip(stack.shape[1:], chunk[1:], strict=True)]
    deep = max(1, min(stack.shape[0], COLUMN_PLANES, COLUMN_VOXELS // max(1, 5 * sides[0] * sides[1])))
    last = [n - side for n, side in zip(stack.shape, (deep, *sides), strict=True)]
    z = last[0] // 2
    corners = [(last[1] // 2, last[2] // 2), (0, 0), (0, last[2]), (last[1], 0), (last[1], last[2])]
    parts = []
    for y, x in dict.fromkeys(corners):
        box = (slice(z, z + deep), slice(y, y + sides[0]), slice(x, x + sides[1]))
        parts.append(Planes.of(np.asarray(stack.data[box]), (z, y, x)))
    return Glimpse(stack, tuple(parts), whole=False)
