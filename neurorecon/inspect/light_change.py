"""A check for a gain that changes from plane to plane, where the background is 0 and does not tell it.

The light of the pixels that are lit in two neighbouring planes is compared. A neurite that leaves the focus loses it plane
by plane; a gain that changes goes up and down, or steps once.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.level_step import check_level_step
from neurorecon.inspect.plane_checks import LEAST_PLANES, check_flicker, check_periods

__all__ = ["check_light"]

# Chosen on 33 public stacks and 15 made from real projections, and on 16 of them with a gain of 30 to 100 % at random in each
# plane, and with one of 35 % from the middle on, both behind a background of 0.
PIXELS = 1 << 18  # of a plane that are looked at: a sparse neurite still lights a hundred of them
LIT = 200  # pixels of both planes: of fewer a single bouton decides
# Usual change, as a logarithm: by chance 0.20 at most, of gains at random 0.27 at least. It goes there and back: how a change
# tells the next one is -0.23 at most of such gains, and -0.50 at least of the light of neurites, where it changes less.
CHANGES, RETURNS = 0.24, -0.15
BESIDE = 3  # changes on either side of a step
STEP = 0.5  # by which a step is more than all those around it: a factor of 1.6


def check_light(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that the light of what is lit in neighbouring planes goes up and down, or steps at one plane."""
    part = seen.liveliest
    if len(part.data) < LEAST_PLANES:
        return
    change = _changes(part)
    known = change[np.isfinite(change)]
    if len(known) < LEAST_PLANES:
        return
    up_and_down = float(np.median(np.abs(known))) >= CHANGES and _correlation(known) <= RETURNS
    step = None if up_and_down else _step(change)
    if (not up_and_down and step is None) or any(
        any(check(seen)) for check in (check_flicker, check_periods, check_level_step)
    ):
        return  # said as such
    if step is None:
        text = f"the light goes up and down from plane to plane, by a factor of {np.exp(np.median(np.abs(known))):.2g} mostly"
        way_out = "bring the planes to one brightness (Fiji: Bleach Correction, Histogram Matching)"
        yield StackFinding("flickering-planes", "warning", text, way_out)
    else:
        factor = float(np.exp(change[step]))
        text = f"from plane {step + 1 + part.first[0]} on all light is {factor:.2g} times that of the plane before"
        asks = "another gain, or two stacks one after the other?"
        way_out = "give one part, or bring both to one brightness"
        yield StackFinding("brightness-step", "warning", f"{text}: {asks}", way_out)


def _changes(part: Planes) -> NDArray[np.float64]:
    """Return the change of light from each plane to the next one, (n - 1,), as a logarithm; NaN where too little is lit."""
    _, y, x = part.data.shape
    step = max(1, int((y * x / PIXELS) ** 0.5))
    low = float(part.low.min())
    changes = np.full(len(part.data) - 1, np.nan)
    data: NDArray[Any] = part.data[:, ::step, ::step]
    before = data[0]
    for z in range(len(changes)):
        here = data[z + 1]
        lit = (before > low) & (here > low)
        count = int(np.count_nonzero(lit))
        if count >= LIT:
            first, second = (float(plane[lit].sum(dtype=np.float64)) - low * count for plane in (before, here))
            changes[z] = np.log(second / first)
        before = here
    return changes


def _correlation(change: NDArray[np.float64]) -> float:
    """Return how a change tells the next one, from -1 to 1."""
    first, second = change[:-1] - change[:-1].mean(), change[1:] - change[1:].mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else 0.0


def _step(change: NDArray[np.float64]) -> int | None:
    """Return the place of a change that is far more than those on both sides of it, None if there is none."""
    size = np.abs(change)
    best, place = STEP, None
    for z in range(BESIDE, len(change) - BESIDE):
        around = np.concatenate([size[z - BESIDE : z], size[z + 1 : z + 1 + BESIDE]])
        more = float(size[z] - around.max())  # NaN where too little is lit
        if more > best:
            best, place = more, z
    return place
