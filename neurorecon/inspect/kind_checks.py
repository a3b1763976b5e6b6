"""Checks for voxels that are no grey values: labels of many bodies, exchanged bytes, numbers that ran over their range."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.burnt import check_burnt
from neurorecon.inspect.drawn import check_drawn, check_stamps
from neurorecon.inspect.glimpse import LABELS, Glimpse, Planes

__all__ = ["check_bytes", "check_labels", "check_overflow", "check_signed"]

# Set by hand; not tuned, unless a line says more.
ROWS = 64  # of a plane that are looked at: whole rows, because neighbours are compared
FEWEST = 1000  # pairs of neighbours: fewer say nothing
FILLED = 0.5  # of the pixels of bodies have a neighbour that is no background either
SAME = 0.97  # of such pairs are of one label; nearest-neighbour scaling by 10 gives 0.9
ROUGH, SMOOTHER = (
    0.15,
    0.5,
)  # steps by their spread: real stacks have 0.04 to 0.13, five times as much with bytes exchanged
# Chosen on 34 real stacks and 36 made from real projections, and on all of them with values that ran over. Jumps from the
# highest quarter of the range to the lowest one, from pixel to pixel, lie within bright bodies in 0 to 5 % (2 % where there are
# 30 or more), and in 20 to 100 % where values ran over.
SIGN_PLANES = 12  # that are looked at, evenly spread
SIGN_JUMPS = 0.02  # of neighbours, that lie on both sides of 0: of noise around 0 a half, in real stacks 0.004 at most
SIGN_BETWEEN = 5  # times the share of voxels in the middle of the range: noise that is cut off at both ends fills it
CUT_OFF = 0.95  # of the high voxels stand at the end of the range: then these are hot pixels, or light that is cut off
BITS, SIGNED_BITS = (8, 10, 12, 14, 16, 32), (16, 32)  # of cameras and files
OVER_PLANES = 8  # that are looked at, evenly spread
NEAR_TOP = 0.9  # of the range: values that ran over come near its end, in steps of 16 as well
AT_END = 0.5  # of the highest quarter stands at the end: then values were cut off there, and did not run over
JUMPS, WITHIN, OVER_IN = 30, 0.12, 2  # jumps within bodies, their share of all, and planes that have some


def check_labels(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that whole numbers fill bodies evenly: the labels of a segmentation. A few labels are said by `check_values`."""
    rows = _rows(seen)
    if any(finding.name == "labels" for finding in seen.stack.findings):
        return
    if rows.dtype.kind == "f" and not np.array_equal(rows, np.rint(rows)):
        return
    values, counts = np.unique(rows, return_counts=True)
    if len(values) <= LABELS:
        return
    bodies = (rows != values[counts.argmax()]) & (rows != values[-1])  # what is cut off at the top is even, too
    both = bodies[..., 1:] & bodies[..., :-1]
    pairs = int(np.count_nonzero(both))
    if pairs < FEWEST or pairs < FILLED * np.count_nonzero(bodies):
        return
    if np.count_nonzero(both & (rows[..., 1:] == rows[..., :-1])) > SAME * pairs:
        text = f"its values fill bodies evenly ({len(values)} whole numbers), as the labels of a segmentation do"
        yield StackFinding("labels", "warning", text, "give the grey stack; a mask is for `neurorecon trace`")


def check_bytes(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a stack of 16 bit is smooth if the two bytes of each voxel are exchanged: read in the wrong byte order."""
    rows = _as_stored(_rows(seen))
    if rows.dtype not in (np.uint16, np.int16):
        return
    here, other = _roughness(rows), _roughness(rows.byteswap())
    if here > ROUGH and other < SMOOTHER * here:
        text = "its voxels are noise, and a picture if the two bytes of each are exchanged: it was written in the other order"
        way_out = "import it again (Fiji: File > Import > Raw, with or without little-endian byte order)"
        yield StackFinding("byte-order", "warning", text, way_out)


def check_signed(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that values near 0 and near the end of the range lie side by side: numbers with a sign were read without one."""
    rows: NDArray[Any] = _rows(seen)
    rows = rows[:: max(1, len(rows) // SIGN_PLANES)]
    first, top = _range_of(rows, seen.low, seen.high)
    if not top or first or seen.high <= top - top // 4 or rows.shape[-1] < 2:
        return
    high, low = rows >= rows.dtype.type(top - top // 4), rows < rows.dtype.type(top // 4)
    jumps = ((high[..., 1:] & low[..., :-1]) | (low[..., 1:] & high[..., :-1])).mean()
    cut_off = np.count_nonzero(rows == top) > CUT_OFF * np.count_nonzero(high)
    between = 1 - (high | low).mean()
    if (
        jumps >= max(SIGN_JUMPS, SIGN_BETWEEN * between)
        and not cut_off
        and len(np.unique(rows)) > LABELS
        and not any(check_bytes(seen))
    ):
        text = f"{jumps:.0%} of its voxels lie near 0 beside one near {top}: numbers below 0 that lost their sign"
        width = rows.dtype.itemsize if rows.dtype.kind == "u" else 4  # whole numbers of 32 bits are floats here
        way_out = f"save it as signed (Fiji: File > Import > Raw; numpy: array.view('i{width}'))"
        yield StackFinding("overflow", "warning", text, way_out)


def check_overflow(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that values ran over the end of their range and began at 0 again: bright bodies have dark cores with sharp edges."""
    part = seen.liveliest
    first, top = _range_of(part.thin, seen.low, seen.high)
    if not top or seen.high - first < NEAR_TOP * top or part.has_labels:
        return
    thin = _counted_from(part.thin, first)
    if np.count_nonzero(thin == top) > AT_END * np.count_nonzero(thin >= top - top // 4):
        return  # light that is cut off
    counts = np.array([_jumps(_counted_from(part.data[z], first), top) for z in part.spread(OVER_PLANES)])
    within, every = counts.sum(0)
    if within < JUMPS or within < WITHIN * every or np.count_nonzero(counts[:, 0]) < min(OVER_IN, len(counts)):
        return
    if any(any(check(seen)) for check in (check_bytes, check_signed, check_drawn, check_stamps, check_burnt)):
        return  # said as such; letters have sharp edges within, too
    causes = "numbers ran over their range, grey values were equalised, or edges alone are shown"
    text = f"bright bodies have cores near 0, beside values near {top}: {causes}"
    way_out = (
        "give the stack as the microscope saved it, or divide its values before they are made 8 or 16 bit (Fiji: set the "
        "display range, then Image > Type)"
    )
    yield StackFinding("overflow", "warning", text, way_out)


def _range_of(values: NDArray[Any], low: float, high: float) -> tuple[int, int]:
    """Return the first value of the range of whole numbers from `low` to `high`, and its length less 1; (0, 0) of others.

    Unsigned numbers fill 8, 10, 12, 14, 16 or 32 bits, those below 0 have a sign in 16 or 32 bits.
    """
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        return 0, 0
    for bits in SIGNED_BITS if low < 0 else BITS:
        first, top = (-(1 << bits - 1) if low < 0 else 0), (1 << bits) - 1
        if low >= first and high <= np.float32(first + top):
            return first, top
    return 0, 0


def _counted_from(values: NDArray[Any], first: int) -> NDArray[Any]:
    """Return values so that the first one of their range is 0."""
    return values if not first else values - values.dtype.type(first)


def _jumps(plane: NDArray[Any], top: int) -> tuple[int, int]:
    """Return how many neighbours (of a plane Y, X) jump from the highest quarter to the lowest, within bodies and in all."""
    high, low = plane >= plane.dtype.type(top - top // 4), plane < plane.dtype.type(top // 4)
    pairs = [(high[:, :-1] & low[:, 1:]) | (low[:, :-1] & high[:, 1:]), (high[:-1] & low[1:]) | (low[:-1] & high[1:])]
    every = sum(int(np.count_nonzero(pair)) for pair in pairs)
    if not every:
        return 0, 0
    inside = _enclosed(plane < plane.dtype.type(top // 2))
    within = np.count_nonzero(pairs[0] & (inside[:, :-1] | inside[:, 1:]))
    return int(within) + int(np.count_nonzero(pairs[1] & (inside[:-1] | inside[1:]))), every


def _enclosed(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the patches of a picture (Y, X) that do not touch its rim."""
    from scipy.ndimage import label

    patch, count = label(dark)
    inner = np.ones(count + 1, bool)
    inner[0] = False
    for rim in (patch[0], patch[-1], patch[:, 0], patch[:, -1]):
        inner[rim] = False
    return np.asarray(inner[patch])


def _as_stored(rows: NDArray[Any]) -> NDArray[Any]:
    """Return floats that were whole numbers of 16 bits with a sign as such, all else unchanged."""
    if rows.dtype != np.float32 or not rows.size:
        return rows
    ends = np.iinfo(np.int16)
    whole = rows.min() < 0 and rows.min() >= ends.min and rows.max() <= ends.max and bool((rows == np.rint(rows)).all())
    return rows.astype(np.int16) if whole else rows


def _rows(seen: Glimpse) -> NDArray[np.generic]:
    """Return some whole rows (n, y', x) of the part with the most light."""
    part = max(seen.parts, key=_spread)
    return part.data[:, :: max(1, part.data.shape[1] // ROWS)]


def _spread(part: Planes) -> float:
    return float(part.thin.std(dtype=np.float64))


def _roughness(rows: NDArray[np.generic]) -> float:
    """Return the usual step between neighbours by the standard deviation of all values, 0 of a constant stack."""
    values = rows.astype(np.float32)
    spread = float(values.std(dtype=np.float64))
    return float(np.abs(np.diff(values, axis=-1)).mean(dtype=np.float64)) / spread if spread else 0.0
