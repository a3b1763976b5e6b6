"""A check for a half-transparent drawing in one plane: a bar, a frame or letters that lift what is below them by the same.

Light ends over some pixels, and varies along a neurite. What was blended into a plane rises above both planes around by nearly
one height, and falls from one pixel to the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.drawn import check_stamps
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.one_plane import check_patches
from neurorecon.inspect.overlays import falls

__all__ = ["check_blended"]

# Chosen on 31 public stacks and 15 made from real projections, and on all of them with a bar and letters of 30 % in one plane.
LEAST_PLANES = 3  # fewer have no plane on either side
BRIGHT = 0.999  # rank that ends the range
APART, NOISES = 0.04, 4.0  # share of the range, and times the usual difference of two planes, by which a drawing rises
BAR, LETTER, LETTERS = 40, 10, 4  # pixels of a bar and of a letter, and letters in a plane
SHARP = 0.85  # of its height is the fall from its last pixel to the next, mostly
EVEN = 0.14  # of its height lie between the quartiles of its pixels; of what is sharp in real stacks 0.19 at least
SHARE = 0.2  # of a plane that rises: more is a plane of another brightness
OFTEN = 3  # planes that have such patches: more are a kind of stack
RIM = 0.2  # of the pixels of its longest line that the first and the last line of a patch have
LEVEL_PLANES = 24  # that tell noise and range, evenly spread
# Every third row is looked at first: a bar, or four letters, have that many pairs of pixels in these.
ROWS, PAIRS = 3, 4
INK = 0.1  # of the box around letters that they fill: patches all over a plane are none
MOST = 200  # patches that are looked at in a plane: more are noise, or neurites that lie in one plane

Patch = tuple[int, int, int, int, int]  # pixels, first and last row, first and last column


@dataclass(frozen=True, slots=True)
class Drawing:
    """Patches of one plane: its number in the stack, their pixels, and their first and last row and column."""

    plane: int
    count: int
    box: tuple[int, int, int, int]


def check_blended(seen: Glimpse) -> Iterator[StackFinding]:
    """Say in which plane alone, and where, something is blended in."""
    found = {one.plane: one for part in seen.parts for one in _drawings(part)}
    if not 0 < len(found) <= OFTEN or any(any(check(seen)) for check in (check_stamps, check_patches)):
        return  # opaque ones are said as such
    first = found[min(found)]
    where = f"y={first.box[0]} to {first.box[1]}, x={first.box[2]} to {first.box[3]}"
    more = f" (and in {len(found) - 1} more)" if len(found) > 1 else ""
    text = f"plane {first.plane} alone{more} is brighter by the same at {where}, and ends sharply, as a drawing blended in does"
    way_out = "export the stack without it, or leave that plane out: it may be traced, or hide a neurite"
    yield StackFinding("drawn-in-plane", "warning", text, way_out)


def _drawings(part: Planes) -> Iterator[Drawing]:
    """Give the drawings of the planes that have some."""
    thin = part.thin
    if len(part.data) < LEAST_PLANES or part.has_labels:
        return
    some = part.spread(LEVEL_PLANES)
    noise = float(np.median(np.abs(thin[some[1:]].astype(np.float32) - thin[some[1:] - 1])))
    least = max(APART * float(np.quantile(thin[some], BRIGHT) - part.low.min()), NOISES * noise)
    for z, plane in enumerate(part.data):
        beside = [part.data[k] for k in (z - 1, z + 1) if 0 <= k < len(part.data)]
        coarse = _lit(plane[::ROWS], [other[::ROWS] for other in beside], least)
        if np.count_nonzero(coarse[:, 1:] & coarse[:, :-1]) < PAIRS:
            continue  # noise alone: a third of the time
        lit = _lit(plane, beside, least)
        if LETTER <= np.count_nonzero(lit) <= SHARE * lit.size:
            boxes = list(_patches(plane, beside, lit))
            drawing = _drawing(z, boxes, part.first)
            if drawing is not None:
                yield drawing


def _lit(plane: NDArray[Any], beside: list[NDArray[Any]], least: float) -> NDArray[np.bool_]:
    """Return which pixels of a plane rise above both planes beside it by `least`."""
    above = beside[0] if len(beside) == 1 else np.maximum(*beside)
    return np.asarray((plane > above) & (plane - np.minimum(plane, above) > least))


def _drawing(z: int, patches: list[Patch], first: tuple[int, int, int]) -> Drawing | None:
    """Return the bar, or the letters beside each other, that the patches of plane z of a part make up, if they do."""
    bars = [patch for patch in patches if patch[0] >= BAR]
    some = bars or patches
    if not bars and len(patches) < LETTERS:
        return None
    y0, x0 = (min(patch[k] for patch in some) for k in (1, 3))
    y1, x1 = (max(patch[k] for patch in some) for k in (2, 4))
    count = sum(patch[0] for patch in some)
    if not bars and count < INK * (y1 - y0 + 1) * (x1 - x0 + 1):
        return None
    return Drawing(z + first[0], count, (y0 + first[1], y1 + first[1], x0 + first[2], x1 + first[2]))


def _patches(plane: NDArray[Any], beside: list[NDArray[Any]], lit: NDArray[np.bool_]) -> Iterator[Patch]:
    """Give pixels, first and last row, first and last column of the patches of a plane that were blended in."""
    from scipy import ndimage

    label, count = ndimage.label(lit, np.ones((3, 3)))
    sizes = np.bincount(label.ravel(), minlength=count + 1)
    boxes = ndimage.find_objects(label)
    large = np.flatnonzero(sizes[1:] >= LETTER) + 1
    for number in large.tolist() if len(large) <= MOST else ():
        around = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in boxes[number - 1])
        up = plane[around] - np.mean([other[around] for other in beside], 0, dtype=np.float32)
        own = label[around] == number
        height = float(np.median(up[own]))
        if not _even(up[own], height, 2 * EVEN):
            continue
        own &= up > height / 2
        steps = falls(up, own)
        if _even(up[own], height, EVEN) and steps.size and float(np.median(steps)) >= SHARP * height:
            lines = [own.sum(axis) for axis in (1, 0)]  # noise beside it sticks to its rim
            ys, xs = (np.flatnonzero(line >= RIM * line.max()) + s.start for line, s in zip(lines, around, strict=True))
            yield int(own.sum()), int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])


def _even(values: NDArray[np.float32], height: float, most: float) -> bool:
    """Tell whether at most `most` of the height lie between the quartiles of values (n,)."""
    low, high = np.quantile(values, (0.25, 0.75))
    return bool(high - low <= most * height)
