"""A check for boxes of the lowest value inside of a stack, in one plane, several or all: tiles that are missing."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes

__all__ = ["check_blocks"]

# Set by hand; not tuned, unless a line says more.
SQUARE = 8  # pixels: squares of the lowest value alone make up a box
SIDE = 3  # squares along each side of a box, at least
EMPTY = 0.3  # of the voxels hold the lowest value: then a box of it is nothing odd


def check_blocks(seen: Glimpse) -> Iterator[StackFinding]:
    """Say where a box within the field holds the lowest value alone, where that is a rare one."""
    if not seen.whole or seen.low == seen.high or seen.share(seen.low) >= EMPTY:
        return
    part = seen.parts[0]
    low = part.data.dtype.type(seen.low)
    planes = np.flatnonzero((part.low == low) & (part.high != low))
    found = {int(z): box for z in planes if (box := _box(part, int(z), low)) is not None}
    if found:
        first = next(iter(found))
        y0, y1, x0, x1 = found[first]
        planes_of = f"plane {first}" if len(found) == 1 else f"{len(found)} planes, from {first} on,"
        text = (
            f"{planes_of} hold{'s' * (len(found) == 1)} {seen.low:g} alone in a box at y={y0} to {y1}, x={x0} to {x1}"
        )
        way_out = "export or stitch it again: a neurite ends at the box"
        yield StackFinding("missing-tile", "warning", f"{text}, as where a tile is missing", way_out)


def _box(part: Planes, z: int, low: np.generic) -> tuple[int, int, int, int] | None:
    """Return borders (y0, y1, x0, x1), to a square, of the largest box of the lowest value that lies inside of a plane."""
    from scipy.ndimage import find_objects, label

    squares = _squares(part.data[z] == low)
    if np.count_nonzero(squares) < SIDE * SIDE:
        return None
    numbers, _ = label(squares)
    best, largest = None, 0
    for number, (ys, xs) in enumerate(find_objects(numbers), start=1):
        inside = ys.start > 0 and xs.start > 0 and ys.stop < squares.shape[0] and xs.stop < squares.shape[1]
        high, wide = ys.stop - ys.start, xs.stop - xs.start
        if inside and min(high, wide) >= SIDE and high * wide > largest and (numbers[ys, xs] == number).all():
            largest = high * wide
            best = ys.start * SQUARE, ys.stop * SQUARE - 1, xs.start * SQUARE, xs.stop * SQUARE - 1
    return best


def _squares(lowest: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which squares of pixels (y, x) are true throughout, (y', x'); what is left over at the ends does not count."""
    y, x = (n // SQUARE for n in lowest.shape)
    return np.asarray(lowest[: y * SQUARE, : x * SQUARE].reshape(y, SQUARE, x, SQUARE).all((1, 3)))
