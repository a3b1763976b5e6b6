"""Checks for drawings in the image: scale bars, frames and text in all planes, time stamps, a bar in one plane."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes

__all__ = ["check_drawn", "check_stamps"]

# Set by hand; not tuned, unless a line says more.
DRAWN_PIXELS = 20  # a letter of 5 x 7 dots has that many; hot pixels stand alone
LETTER_GAP = 2  # pixels by which each letter of a word is grown, so that they are one patch
DRAWN_PLANES = 8  # fewer planes may be alike by chance
DRAWN_SHARE = 0.2  # of the field: more is no scale bar but planes that are all alike
OUTSIDE = 0.6  # of the drawn value: around a saturated soma it is light, around a scale bar it is dark
CHANGES, LEAST_CHANGES = 0.1, 3  # of the planes: a digit of a time stamp changes so often, light comes and goes once
STAMPED = 0.8  # of the planes that show some of a time stamp
CUT_OFF = 0.005  # of the voxels that have the highest value outside a time stamp: then light has it, too
FILLED_BAR, LONG_BAR = 0.95, 3  # share of its box that a bar fills, and its length by its height
MOST_MARKED = 50  # planes that are searched for a bar of their own: with more, the stack is saturated


def check_drawn(seen: Glimpse) -> Iterator[StackFinding]:
    """Say where pixels have one bright value in all planes: a scale bar, a text, a frame."""
    boxes = []
    for part in seen.parts:
        boxes += _drawn(part)
    if not boxes:
        return
    count, y0, y1, x0, x1 = max(boxes)
    where = f"y={y0} to {y1}, x={x0} to {x1}"
    more = f" (and {len(boxes) - 1} more)" if len(boxes) > 1 else ""
    text = f"{count} pixels at {where} have one value in all planes{more}, as a scale bar, a text or a frame has"
    yield StackFinding(
        "drawn-in", "warning", text, "export the stack without it, or crop it: it is traced as a neurite"
    )


def _drawn(part: Planes) -> list[tuple[int, int, int, int, int]]:
    """Return pixels and borders (y0, y1, x0, x1) of patches that are alike in all planes and brighter than around them."""
    from scipy import ndimage

    planes = len(part.data)
    if planes < DRAWN_PLANES:
        return []
    low, high = part.data[0].copy(), part.data[0].copy()
    for plane in part.data[1:]:
        np.minimum(low, plane, out=low)
        np.maximum(high, plane, out=high)
    still: NDArray[np.bool_] = (low == high) & (low > low.min())
    if not still.any() or still.mean() > DRAWN_SHARE:
        return []
    label, _ = ndimage.label(ndimage.binary_dilation(still, iterations=LETTER_GAP), np.ones((3, 3)))
    middle = part.data[planes // 2]
    found = []
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        own = (label[box] == number) & still[box]
        if int(own.sum()) < DRAWN_PIXELS:
            continue
        around = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        inside = (label[around] == number) & still[around]
        ring = ndimage.binary_dilation(inside, iterations=2) & ~inside
        if not ring.any() or float(np.median(middle[around][ring])) < OUTSIDE * float(np.median(low[box][own])):
            rows, columns = (np.flatnonzero(own.any(axis)) for axis in (1, 0))
            y, x = (s.start + first for s, first in zip(box, part.first[1:], strict=True))
            ends = (int(rows[0]) + y, int(rows[-1]) + y, int(columns[0]) + x, int(columns[-1]) + x)
            found.append((int(own.sum()), *ends))
    return found


def check_stamps(seen: Glimpse) -> Iterator[StackFinding]:
    """Say where text of the highest value changes from plane to plane, or where a bar stands in one plane alone."""
    for part in seen.parts:
        if len(part.data) < DRAWN_PLANES or part.has_labels:
            continue
        lit = part.data == part.data.dtype.type(seen.high)
        box = _stamp(part, lit)
        where = None if box is None else f"y={box[0]} to {box[1]}, x={box[2]} to {box[3]}"
        if where:
            text = f"pixels at {where} have the highest value in most planes, now here, now there, as a time stamp has"
            way_out = "export the stack without it, or crop it: it is traced as a neurite"
            yield StackFinding("drawn-in", "warning", text, way_out)
            return
        bar = _bar(part, lit)
        if bar is not None:
            text = f"plane {bar[0]} alone has a bar of the highest value at y={bar[1]}, x={bar[2]}, as a scale bar is drawn"
            yield StackFinding(
                "drawn-in", "warning", text, "export the stack without it: it may be traced as a neurite"
            )
            return


def _stamp(part: Planes, lit: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return the borders (y0, y1, x0, x1) of text that changes; `lit` (n, y, x) has the highest value."""
    from scipy import ndimage

    changes, dark = np.zeros(lit.shape[1:], np.int32), OUTSIDE * float(part.data[lit].max(initial=0))
    for k, (before, after) in enumerate(pairwise(lit)):  # the rim of a saturated soma falls by its noise alone
        changes += (before != after) & (np.minimum(part.data[k], part.data[k + 1]) < dark)
    lively = changes >= max(LEAST_CHANGES, CHANGES * len(lit))
    if int(lively.sum()) < DRAWN_PIXELS or lively.mean() > DRAWN_SHARE:
        return None
    label, _ = ndimage.label(ndimage.binary_dilation(lively, iterations=LETTER_GAP), np.ones((3, 3)))
    count = int(lit.sum())
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        own = (label[box] == number) & lively[box]
        if int(own.sum()) < DRAWN_PIXELS or own.size > DRAWN_SHARE * lively.size:
            continue  # light that is cut off here and there is all over the field
        if lit[:, *box][:, own].any(1).mean() < STAMPED:
            continue
        around = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        if count - int(lit[:, *around].sum()) > CUT_OFF * lit.size:
            continue  # a saturated stack: its neurites reach the highest value here and there as well
        inside = (label[around] == number) & lively[around]
        ring = ndimage.binary_dilation(inside, iterations=LETTER_GAP + 2) & ~ndimage.binary_fill_holes(inside)
        if _dark(part, slice(None, None, max(1, len(lit) // DRAWN_PLANES)), around, ring, lit):
            rows, columns = (np.flatnonzero(own.any(axis)) for axis in (1, 0))
            y, x = (s.start + first for s, first in zip(box, part.first[1:], strict=True))
            return int(rows[0]) + y, int(rows[-1]) + y, int(columns[0]) + x, int(columns[-1]) + x
    return None


def _dark(part: Planes, planes: Any, around: Any, ring: NDArray[np.bool_], lit: NDArray[np.bool_]) -> bool:
    """Tell whether the ring around a patch is far below the value of the patch."""
    high = float(part.data[lit].max())
    return not ring.any() or float(np.median(part.data[planes][:, *around][:, ring])) < OUTSIDE * high


def _bar(part: Planes, lit: NDArray[np.bool_]) -> tuple[int, str, str] | None:
    """Return plane and place of a filled bar of the highest value that no neighbouring plane has."""
    from scipy import ndimage

    counts = lit.sum((1, 2))
    marked = np.flatnonzero(counts >= DRAWN_PIXELS)
    if len(marked) > MOST_MARKED:
        return None
    for z in marked.tolist():
        label, _ = ndimage.label(lit[z])
        beside = [k for k in (z - 1, z + 1) if 0 <= k < len(lit)]
        for number, box in enumerate(ndimage.find_objects(label), start=1):
            own = label[box] == number
            high, wide = own.shape
            shaped = own.mean() >= FILLED_BAR and max(high, wide) >= LONG_BAR * min(high, wide)
            if (
                int(own.sum()) >= DRAWN_PIXELS
                and shaped
                and not any(lit[k][box].mean() > FILLED_BAR / 2 for k in beside)
            ):
                y, x = (s.start + first for s, first in zip(box, part.first[1:], strict=True))
                return z + part.first[0], f"{y} to {y + high - 1}", f"{x} to {x + wide - 1}"
    return None
