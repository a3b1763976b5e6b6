"""A check for what stands in one plane alone: a grey text or bar, a mask, a black box where a tile is missing.

Light differs from pixel to pixel, and goes on in the planes around. So pixels of exactly one value, side by side, that are
far from both planes around were drawn, or never taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.drawn import CUT_OFF, check_stamps
from neurorecon.inspect.glimpse import Glimpse, Planes

__all__ = ["check_patches"]

# Set by hand; not tuned, unless a line says more.
LEAST_PLANES = 3  # fewer have no plane on either side
ROWS = 512  # of a plane that are looked at: a letter of 10 pixels still has 2 in a plane of 2,560
APART, NOISES = 0.1, 4.0  # share of the range, and times the usual difference of two planes, by which a patch differs
BRIGHT = 0.999  # rank that ends the range: a few hot pixels do not count
PATCH_PIXELS = 20  # as a letter of 5 x 7 dots has
PATCH_SHARE = 0.2  # of a plane: more is a plane of another brightness
BESIDE = (
    0.5  # of the pixels have a neighbour of their value: drawn ones lie side by side, equal values by chance do not
)
EVEN, FEW_ROWS = (
    0.5,
    64,
)  # share of neighbours of one value from which they say nothing, and rows of a plane that tell it
CORE = 3  # pixels by which a patch of the lowest or highest value is worn off: light that is cut off is thinner
RING = 0.3  # of the height of a patch of the highest value: around light that is cut off it is higher
OFTEN = 3  # planes that have such a patch: more are a fault of the whole stack, or its kind


@dataclass(frozen=True, slots=True)
class Patch:
    """Pixels of one value in a plane.

    Attributes:
        plane: its number in the stack.
        count: its pixels.
        value: theirs.
        box: first and last row, first and last column.
    """

    plane: int
    count: int
    value: float
    box: tuple[int, int, int, int]


def check_patches(seen: Glimpse) -> Iterator[StackFinding]:
    """Say which plane has pixels of one value, side by side, that neither plane around it has."""
    if seen.far_apart:
        return
    found = [patch for part in seen.parts for patch in _patches(part)]
    planes = {patch.plane for patch in found}
    if not found or len(planes) > max(OFTEN, len(seen.parts[0].data) // 10):
        return
    patch = max(found, key=lambda patch: patch.count)
    voxels = sum(part.data.size for part in seen.parts)
    cut_off = seen.share(seen.high) - patch.count / voxels > CUT_OFF  # light has the highest value, too
    if patch.value == seen.high and (cut_off or any(check_stamps(seen))):
        return  # a saturated stack, or said as a bar of the highest value
    y0, y1, x0, x1 = patch.box
    more = f" (and {len(planes) - 1} more planes)" if len(planes) > 1 else ""
    where = f"{patch.count} pixels of one value, {patch.value:g}, at y={y0} to {y1}, x={x0} to {x1}"
    text = f"plane {patch.plane} alone{more} has {where}, as a drawing, a text, a mask or a missing tile has"
    way_out = "leave the plane out, or export the stack without it: it may be traced, or cut a neurite"
    yield StackFinding("drawn-in-plane", "warning", text, way_out)


def _patches(part: Planes) -> Iterator[Patch]:
    """Give the patches of each plane."""
    step = max(1, part.data.shape[1] // ROWS)
    rows = part.data[:, ::step]
    if len(rows) < LEAST_PLANES or part.has_labels or _even(part) > EVEN:
        return
    least = _least(part)
    far = [_far(a, b, least) for a, b in pairwise(rows)]
    for z, plane in enumerate(rows):
        apart = far[max(z - 1, 0)] & far[min(z, len(far) - 1)]
        if np.count_nonzero(apart) * step >= PATCH_PIXELS and apart.mean() <= PATCH_SHARE:
            patch = _patch(plane, apart, part.low[z], part.high[z])
            if patch is not None and patch[0].sum() * step >= PATCH_PIXELS:
                own, value = patch
                ys, xs = (np.flatnonzero(own.any(axis)) for axis in (1, 0))
                ends = ys[0] * step, ys[-1] * step, xs[0], xs[-1]
                y0, y1, x0, x1 = (int(n) + part.first[1 + k // 2] for k, n in enumerate(ends))
                yield Patch(z + part.first[0], int(own.sum()) * step, value, (y0, y1, x0, x1))


def _even(part: Planes) -> float:
    """Return the share of neighbours of one value, background apart: of light some per cent, of smoothed light nearly all."""
    rows = part.data[:, :: max(1, part.data.shape[1] // FEW_ROWS)]
    values, counts = np.unique(rows, return_counts=True)
    lit = rows != values[counts.argmax()]
    both = lit[..., 1:] & lit[..., :-1]
    pairs, even = int(np.count_nonzero(both)), int(np.count_nonzero(both & (rows[..., 1:] == rows[..., :-1])))
    return even / max(1, pairs)


def _least(part: Planes) -> float:
    """Return the least difference that two planes do not have by noise."""
    thin = part.thin.astype(np.float32)
    noise = float(np.median(np.abs(np.diff(thin, axis=0))))
    return max(APART * float(np.quantile(thin, BRIGHT) - thin.min()), NOISES * noise)


def _far(a: NDArray[np.generic], b: NDArray[np.generic], least: float) -> NDArray[np.bool_]:
    """Return where two planes differ by `least` or more."""
    return np.asarray((np.maximum(a, b) - np.minimum(a, b)) > least)


def _patch(
    plane: NDArray[Any], apart: NDArray[np.bool_], low: np.generic, high: np.generic
) -> tuple[NDArray[np.bool_], float] | None:
    """Return the pixels of the commonest value among those that are apart, if they were drawn; `low`, `high` of the plane."""
    from scipy.ndimage import binary_dilation, binary_erosion

    values, counts = np.unique(plane[apart], return_counts=True)
    value = values[counts.argmax()]
    own = apart & (plane == value)
    beside = np.zeros_like(own)
    beside[:, 1:] = own[:, 1:] & own[:, :-1]
    beside[:, :-1] |= beside[:, 1:]
    if not own.any() or beside.sum() < BESIDE * own.sum():
        return None
    own = beside
    if value not in (low, high) or binary_erosion(own, iterations=CORE).any():
        return own, float(value)
    ring = plane[binary_dilation(own, np.ones((3, 3))) & ~own]
    ground = float(np.median(plane))
    cut_off = not ring.size or float(np.median(ring)) - ground > RING * (float(value) - ground)
    return None if value == low or cut_off else (own, float(value))
