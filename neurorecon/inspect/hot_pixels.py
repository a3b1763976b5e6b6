"""A check for hot pixels: single pixels that are bright in nearly all planes, a fixed pattern of the camera.

Light is blurred over some pixels, and leaves the focus. Where one pixel alone is bright from the first plane to the last, its
column is traced as a neurite along z.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.lines import check_lines
from neurorecon.inspect.stripes import check_stripes

__all__ = ["check_hot"]

# Chosen on 31 public stacks and 15 made from real projections, which have 3 such pixels at most.
SEEN_PLANES = 12  # that are looked at, evenly spread
LEAST_PLANES = 6  # fewer tell nothing
# Rank that ends the range, and the share of it by which a pixel rises above its 8 neighbours.
BRIGHT, RAISED = 0.999, 0.1
NOISES = 8.0  # times the usual difference from its neighbours
ALONE = 0.5  # of its height, that none of its neighbours reaches
TIMES = 2  # as many as noise makes; set by hand, not tuned
STEP = 7, 11  # pixels along y and x, from plane to plane
FEWEST = 20  # pixels: 30 change no tree, 300 take 0.02 of F1 (one stack of `lifted`)
LARGEST = 2048  # pixels along a side of the field: of more only the middle counts


def check_hot(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that single pixels are bright in nearly all planes, and where the first one is."""
    looks = [_hot(part) for part in seen.parts]
    found = [place for places, _ in looks for place in places]
    by_chance = sum(chance for _, chance in looks)
    # bright lines have such pixels by noise, and are said as such
    if len(found) >= FEWEST + TIMES * by_chance and not any(check_lines(seen)) and not any(check_stripes(seen)):
        y, x = found[0]
        text = f"{len(found)} single pixels (y={y}, x={x} and others) are bright in all planes, as hot pixels of a camera are"
        way_out = "take them out first (Fiji: Process > Noise > Remove Outliers): each may be traced as a line along z"
        yield StackFinding("hot-pixels", "warning", text, way_out)


def _hot(part: Planes) -> tuple[list[tuple[int, int]], int]:
    """Return the places (y, x) in the stack of single pixels that are bright in all planes but one, and how many noise makes.

    Noise makes as many as there are in planes that are moved aside, each by another step.
    """
    planes = part.spread(SEEN_PLANES)
    if len(planes) < LEAST_PLANES or part.has_labels:
        return [], 0
    top, left = (max(0, n - LARGEST) // 2 for n in part.data.shape[1:])
    some = part.data[planes, top : top + LARGEST, left : left + LARGEST]
    span = float(np.quantile(part.thin[planes], BRIGHT)) - float(part.low.min())
    ys, xs = _alone(some, span)
    if len(ys) < FEWEST:
        return [], 0
    aside = np.stack([np.roll(plane, (k * STEP[0], k * STEP[1]), (0, 1)) for k, plane in enumerate(some)])
    first = top + part.first[1], left + part.first[2]
    places = [(y + first[0], x + first[1]) for y, x in zip(ys.tolist(), xs.tolist(), strict=True)]
    return places, len(_alone(aside, span)[0])


def _alone(planes: NDArray[Any], span: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and columns of pixels of planes (Z, Y, X) that are bright in all but one, and their neighbours are not.

    `span` is the range of grey values.
    """
    from scipy import ndimage

    low: NDArray[np.float32] = np.partition(planes, 1, axis=0)[1].astype(np.float32)
    around = np.ones((3, 3), bool)
    around[1, 1] = False
    ground = ndimage.median_filter(low, footprint=around)
    rise = low - ground
    beside = ndimage.maximum_filter(low, footprint=around) - ground
    lit = low > low.min()  # what is empty has no noise: padding, chunks that are not there
    if not lit.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    least = max(RAISED * span, NOISES * float(np.median(np.abs(rise[lit]))))
    ys, xs = np.nonzero((rise > least) & (beside < ALONE * rise))
    return ys, xs
