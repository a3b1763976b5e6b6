"""A check for a stack whose background steps at one plane: another gain or exposure, or two stacks one after the other."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse

__all__ = ["check_level_step"]

# Chosen on 34 real stacks and 36 made from real projections, whose background steps by 2.1 times the usual change at most, and
# on all of them with a half that is brighter by a half, or by 3 % of the range: mostly 4 to 100 times where it is not 0.
BESIDE = 5  # planes on either side
RANKS = (
    (0.0, 0.25),
    (0.25, 0.75),
)  # from one rank to another: the background of a plane, whose means have to step both
SHARP = 0.7  # of the step lies between two planes
TIMES = 4.0  # the largest change around it
LEAST, LEVELS = 0.1, 1  # share of the level, and grey values, of a step
NO_NOISE = 0.1  # grey values by which the level of whole numbers is uncertain


def check_level_step(seen: Glimpse) -> Iterator[StackFinding]:
    """Say from which plane on the background is brighter or darker, at once and for good."""
    part = seen.liveliest
    if len(part.data) < 2 * BESIDE + 2:
        return
    values = np.sort(part.thin.reshape(len(part.data), -1), axis=1)
    count = values.shape[1]
    ends = [(int(a * count), max(1, int(b * count))) for a, b in RANKS]
    levels = np.stack([values[:, a:b].mean(1, dtype=np.float64) for a, b in ends])  # (ranks, planes)
    levels[:, part.low == part.high] = np.nan  # blank planes are said as such
    whole = part.data.dtype.kind != "f"
    steps = [_steps(level, NO_NOISE if whole else 0.0) for level in levels]
    least = np.min(steps, axis=0)
    place = int(np.argmax(least))
    if least[place] < TIMES:
        return
    before, after = (float(np.median(levels[1][side])) for side in _sides(place))
    if abs(after - before) >= max(LEAST * max(abs(before), abs(after)), LEVELS if whole else 0.0):
        text = f"from plane {place + 1 + part.first[0]} on the background is {after:.4g}, before it {before:.4g}"
        asks = "another gain, or two stacks one after the other?"
        way_out = "give one part, or bring both to one brightness"
        yield StackFinding("brightness-step", "warning", f"{text}: {asks}", way_out)


def _sides(place: int) -> tuple[slice, slice]:
    """Return the planes before and behind a step, which lies behind plane `place`."""
    return slice(place - BESIDE + 1, place + 1), slice(place + 1, place + 1 + BESIDE)


def _steps(level: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Return how many times the largest change around it the level (planes,) steps behind each plane, 0 where it does not."""
    change = np.abs(np.diff(level))
    found = np.zeros(len(level))
    for place in range(BESIDE, len(level) - BESIDE - 1):
        before, after = (level[side] for side in _sides(place))
        around = np.concatenate([change[place - BESIDE : place], change[place + 1 : place + 1 + BESIDE]])
        step = abs(float(np.median(after)) - float(np.median(before)))
        usual = max(float(around.max()), noise)
        if np.isfinite(usual) and np.isfinite(step) and change[place] >= SHARP * step:
            found[place] = step / usual if usual > 0 else 0.0  # without noise a drawing may end anywhere
    return found
