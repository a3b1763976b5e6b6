"""Checks for voxels that were read as numbers of another width (bytes in pairs, bits of floats), and for pixels that repeat."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse

__all__ = ["check_enlarged", "check_widths"]

# Facts of 8, 16 and 32 bits, or limits set by hand; not tuned, unless a line says more.
PLANES, ROWS = 6, 24  # planes and rows of them that are looked at
FEWEST = 500  # voxels that are not 0, or steps between neighbours: fewer say nothing
# The two bytes of a voxel of 16 bit are not alike: in public stacks their correlation is below 0.3.
ALIKE, EVEN, OTHER = (
    0.5,
    0.15,
    0.5,
)  # correlation of bytes, difference of their means, share of voxels whose bytes differ
FLOAT_LOW, FLOAT_HIGH = 0x2F800000, 0x4F7FFFFF  # bits of floats from 2e-10 to 4e9
MOST_TIMES = 8  # by which pictures are enlarged without smoothing
WAY_OUT = "import it again with its own type (Fiji: File > Import > Raw)"


def check_widths(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a voxel of 16 bit holds two pixels of 8 bit, or one of 32 bit the bits of a float."""
    part = seen.liveliest
    thin: NDArray[Any] = part.data[part.spread(PLANES)][:, :: max(1, part.data.shape[1] // ROWS)]
    if thin.dtype == np.uint16 and seen.high > 0xFF:
        lit = thin[thin > 0]
        low, high = (lit & 0xFF).astype(np.float32), (lit >> 8).astype(np.float32)
        if lit.size < FEWEST or not low.std() or not high.std() or np.mean(low != high) < OTHER:
            return
        alike = float(np.corrcoef(low, high)[0, 1])
        if alike > ALIKE and abs(low.mean() - high.mean()) < EVEN * high.mean():
            text = "both bytes of its voxels show one picture: pixels of 8 bit that were read by twos, as 16 bit"
            yield StackFinding("byte-order", "warning", text, WAY_OUT)
    elif thin.dtype == np.float32 and FLOAT_LOW < seen.high <= FLOAT_HIGH and seen.low >= 0:
        lit = thin[thin > 0]
        if lit.size >= FEWEST and lit.min() >= FLOAT_LOW and np.array_equal(lit, np.rint(lit)):
            between = f"{lit.min():g} and {seen.high:g}"
            text = f"its values lie between {between}, as the bits of floats do that are read as whole numbers"
            yield StackFinding("byte-order", "warning", text, WAY_OUT)


def check_enlarged(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that every pixel stands several times along an axis: the picture was enlarged, perhaps not so its voxel size."""
    part = seen.liveliest
    planes = part.data[part.spread(PLANES)]
    times = []
    for axis in (1, 2):
        lines = np.moveaxis(planes, axis, 2)[:, :: max(1, planes.shape[3 - axis] // ROWS)]
        steps = np.flatnonzero((lines[..., 1:] != lines[..., :-1]).any((0, 1))) + 1
        alike = int(np.gcd.reduce(steps)) if len(steps) > 1 else 1
        times.append(alike if alike <= MOST_TIMES and len(steps) * alike > lines.shape[2] // 2 else 1)
    if max(times) == 1 or part.has_labels:
        return
    text = f"every pixel stands {times[0]} times along y and {times[1]} times along x: the picture was enlarged"
    way_out = f"take every one of them (numpy: stack[:, ::{times[0]}, ::{times[1]}]), with the voxel size of one"
    yield StackFinding("enlarged", "warning", text, way_out)
