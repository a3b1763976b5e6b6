"""A check for stripes: rows or columns that are brighter or darker than their neighbours by the same in all planes.

A camera whose columns differ in gain, and the shadows of a light sheet, leave them. Light differs from depth to depth, so the
mean of a line over the first third of the planes is compared with that over the last: what both have in common are stripes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.lines import check_lines
from neurorecon.inspect.overlays import check_overlays

__all__ = ["check_stripes"]

# Chosen on 31 public stacks and 15 made from real projections, whose lines differ from their neighbours by 0.024 at most, and
# on all of them with columns of gains that differ by 15 %. F1 of one stack of `hard` is 0.63 with 30 % (0.97 without), and 0.78
# with ten shadows of six rows; of one of `lifted` 0.975 and 0.966 (0.983).
SEEN_PLANES, LEAST_PLANES = 24, 8  # planes that are looked at, evenly spread; fewer tell nothing
FEWEST = 32  # lines
BRIGHT = 0.9  # rank above which light is cut off: the background tells it
STRIPE, AGREE = 0.05, 0.8  # of the level, by which a line differs; correlation of both ends of the stack
DARK = 0.3  # of the voxels hold the lowest value
SHARE = 0.05  # of the lines differ: of a seam, a rim or a drawing fewer do


def check_stripes(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that rows, or columns, differ from their neighbours by the same in all planes."""
    part = seen.liveliest
    if len(part.data) < LEAST_PLANES or part.has_labels:
        return
    for axis, word in ((1, "row"), (2, "column")):
        usual = _stripes(part, axis)
        if usual is not None and not any(check_lines(seen)) and not any(check_overlays(seen)):
            text = f"{word}s are brighter or darker than those beside them by {usual:.0%} in all planes"
            text += ": stripes of a camera, or shadows of a light sheet"
            way_out = (
                "take them out first (pystripe; or divide by a flat field): neurites break at them, or are made up"
            )
            yield StackFinding("stripes", "warning", text, way_out)
            return


def _stripes(part: Planes, axis: int) -> float | None:
    """Return by which share of the level the lines along an axis differ that differ, None where too few do."""
    if part.data.shape[axis] < FEWEST:
        return None
    if _dark(part):
        return None
    planes = part.spread(SEEN_PLANES)
    thin = part.thin[planes]
    light = float(np.quantile(thin, BRIGHT))
    third = len(planes) // 3
    ends = [_apart(part.data[some], axis, light) for some in (planes[:third], planes[-third:])]
    level = float(np.minimum(thin, light).mean(dtype=np.float64)) - float(thin.min())
    size = float(np.linalg.norm(ends[0]) * np.linalg.norm(ends[1]))
    if level <= 0 or size <= 0 or float(ends[0] @ ends[1]) < AGREE * size:
        return None
    apart = np.abs(ends[0] + ends[1]) / (2 * level)
    odd = apart > STRIPE
    return float(np.median(apart[odd])) if odd.mean() >= SHARE else None


def _dark(part: Planes) -> bool:
    """Tell whether most voxels hold the lowest value: then light alone is left, which runs along lines by chance."""
    return float((part.thin == part.thin.min()).mean()) >= DARK


def _apart(planes: NDArray[np.generic], axis: int, light: float) -> NDArray[np.float64]:
    """Return how much the mean of each line of planes (n, y, x) differs from that of both beside it, (lines - 2,)."""
    lines = np.mean([np.minimum(plane, light).mean(2 - axis, dtype=np.float64) for plane in planes], axis=0)
    return np.asarray(lines[1:-1] - (lines[:-2] + lines[2:]) / 2, np.float64)
