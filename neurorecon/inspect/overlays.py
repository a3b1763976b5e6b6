"""A check for half-transparent drawings: pixels that are a little brighter in all planes, and end from one pixel to the next.

Light ends over some pixels, as the lens blurs it, and changes from plane to plane. A drawing that was blended in, a grid, or a
column of a faulty camera has a sharp edge, and lifts every plane by nearly the same.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.core.padding import padding_of
from neurorecon.inspect.drawn import DRAWN_PIXELS, DRAWN_PLANES, DRAWN_SHARE, check_drawn
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.plane_breaks import check_change

__all__ = ["check_overlays", "falls"]

Float = NDArray[np.float32]

# Chosen on 23 real stacks and 3 of them with drawings blended in.
SEEN_PLANES = 32  # planes that are compared, evenly spread
RANK = 0.25  # of the values of a pixel along z: a neurite passes by, a drawing stays
THIRD, GROUND = 3, 7  # of the pixels along each side every third counts for the ground: the median of 7 x 7 of them
NOISES, APART = 8.0, 0.02  # times the noise of the ground, and share of the range, by which a drawing rises above it
BRIGHT = 0.999  # rank that ends the range: a few hot pixels do not count
SHARP = 0.6  # of its height is the step from the last pixel of a drawing to the next; of blurred light 0.4 at most
STEADY = 0.2  # of its height is the spread of a drawing from plane to plane, at most
LARGEST = 2048  # pixels along a side of the field: of more only the middle counts, so that the check takes a second


def check_overlays(seen: Glimpse) -> Iterator[StackFinding]:
    """Say where something is blended into all planes."""
    for part in seen.parts:
        box = _blended(part)
        # An opaque drawing is said as such. Where padding begins the picture ends sharply; and where all planes are alike,
        # everything stays.
        if (
            box is not None
            and not any(check_drawn(seen))
            and padding_of(seen.stack) is None
            and not any(f.name == "planes-alike" for f in check_change(seen))
        ):
            where = f"y={box[0]} to {box[1]}, x={box[2]} to {box[3]}"
            text = f"pixels at {where} are brighter by the same in all planes, and end sharply, as a drawing blended in does"
            way_out = "export the stack without it, or crop it: it may be traced, or hide a neurite"
            yield StackFinding("drawn-in", "warning", text, way_out)
            return


def _blended(part: Planes) -> tuple[int, int, int, int] | None:
    """Return the borders (y0, y1, x0, x1) of the largest drawing."""
    from scipy import ndimage

    if min(part.data.shape[1:]) < 2:  # no neighbours
        return None
    if len(part.data) < DRAWN_PLANES or part.has_labels:
        return None
    some, first = _some(part)
    low = np.partition(some, int(RANK * len(some)), axis=0)[int(RANK * len(some))]
    raised = low - _ground(low)
    steps = [np.abs(np.diff(low, axis=axis)) for axis in (0, 1)]
    noise = max(float(np.median(step)) or float(step.mean()) for step in steps)
    least = max(NOISES * noise, APART * float(np.quantile(some, BRIGHT) - some.min()))
    lit = raised > least
    if not lit.any() or lit.mean() > DRAWN_SHARE:
        return None
    label, _ = ndimage.label(lit, np.ones((3, 3)))
    best, most = None, DRAWN_PIXELS - 1
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        own = label[box] == number
        if int(own.sum()) > most and _drawn(some, raised, label == number, box):
            ys, xs = (
                np.flatnonzero(own.any(axis)) + s.start + n for axis, s, n in zip((1, 0), box, first, strict=True)
            )
            best, most = (int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])), int(own.sum())
    return best


def _ground(low: Float) -> Float:
    """Return the ground around each pixel of a picture (y, x)."""
    from scipy import ndimage

    y, x = low.shape
    rough = ndimage.median_filter(low[::THIRD, ::THIRD], GROUND)
    return np.asarray(np.repeat(np.repeat(rough, THIRD, 0), THIRD, 1)[:y, :x], np.float32)


def _some(part: Planes) -> tuple[Float, tuple[int, int]]:
    """Return some planes (n, y, x) of the middle of the field, and the place of its first pixel in the stack."""
    _, y, x = part.data.shape
    top, left = (max(0, n - LARGEST) // 2 for n in (y, x))
    some = part.data[part.spread(SEEN_PLANES), top : top + LARGEST, left : left + LARGEST].astype(np.float32)
    return some, (top + part.first[1], left + part.first[2])


def _drawn(some: Float, raised: Float, whole: NDArray[np.bool_], box: Any) -> bool:
    """Tell whether a patch ends sharply, and is as high in every plane."""
    from scipy import ndimage

    around = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in box)
    own, height = whole[around], raised[around]
    level = float(np.quantile(height[own], 0.75))
    own = own & (height > level / 2)
    if int(own.sum()) < DRAWN_PIXELS:
        return False
    steps = falls(height, own)
    if not steps.size or float(np.median(steps)) < SHARP * level:
        return False
    ring = ndimage.binary_dilation(own, iterations=3) & ~ndimage.binary_dilation(own, iterations=1)
    if not ring.any():
        return False
    inner, outer = (np.median(some[:, *around][:, mask], axis=1) for mask in (own, ring))
    rises = inner - outer
    return bool(rises.std() <= STEADY * abs(float(rises.mean())))


def falls(height: Float, own: NDArray[np.bool_]) -> Float:
    """Return the falls (n,) from pixels of a patch to their neighbours outside of it."""
    found = []
    for axis in (0, 1):
        a, b = np.swapaxes(height, 0, axis), np.swapaxes(own, 0, axis)
        found += [(a[:-1] - a[1:])[b[:-1] & ~b[1:]], (a[1:] - a[:-1])[b[1:] & ~b[:-1]]]
    return np.concatenate(found)
