"""Grey levels of a whole stack, measured once, so that all tiles are normalised in the same way.

`low` is the median, nearly always background; `high` is the value that the brightest 0.2 % of all voxels exceed, or the
brightest tenth of the voxels above the background if these are fewer (a stack whose background was cut to 0 holds few
bright voxels). Where neurites fill less than these 0.2 %, as in a cleared brain, that value would lie in the noise: there
`high` is the value that the brightest tenth of all voxels above the noise exceed. The network gets asinh(5 v) / asinh(5) of
v = (value - low) / (high - low): straight near the background, where noise lives, and logarithmic above it, so that a twig
with a twentieth of a soma's light is seen.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import read_blocks
from neurorecon.core.bright_bodies import bright_without_bodies, thinned
from neurorecon.core.errors import InputError, NoNeuronError
from neurorecon.core.padding import Padding
from neurorecon.core.stack import Stack

__all__ = [
    "Levels",
    "checked_levels",
    "compress",
    "levels_of_histogram",
    "levels_of_stack",
    "normalise",
    "unpadded",
    "without_bodies",
]

# Set by hand; not tuned, unless a line says more.
BRIGHT_SHARE = 0.002  # of all voxels; neurites of the Gold166 stacks fill 0.1 to 3 %
BRIGHT_SHARE_ABOVE = 0.1  # of the voxels above the median
BELOW_NOISE = (
    0.1587  # of the voxels: they lie a standard deviation and more below the median, where noise alone decides
)
IN_NOISE, LIGHT = (
    5.0,
    10.0,
)  # deviations above the median: up to the first a value is noise, from the second on it is none
FEWEST = 1000  # voxels that bright which tell a level
CLIP = (-2.0, 4.0)  # a hot pixel must not outshine a tile
KNEE = 5.0  # 1 / KNEE of the bright level is where the scale turns from straight to logarithmic
SAMPLED_VOXELS = 1 << 24  # percentiles of 16 million voxels stand within 0.01 % of rank


@dataclass(frozen=True, slots=True)
class Levels:
    """Background and bright grey value of a stack, in its own unit."""

    low: float
    high: float

    @property
    def flat(self) -> bool:
        """Whether the stack holds nothing above its background."""
        return not self.high > self.low

    def grey(self, value: float) -> float:
        """Return the grey value that `normalise` takes to `value`, where nothing is clipped."""
        return self.low + (self.high - self.low) * math.sinh(value * math.asinh(KNEE)) / KNEE


def levels_of_histogram(values: NDArray[np.floating], counts: NDArray[np.integer]) -> Levels:
    """Return the levels of a stack of which `counts[i]` voxels have `values[i]` (ascending)."""
    below = np.cumsum(counts)
    total = int(below[-1])
    middle = int(np.searchsorted(below, 0.5 * total))
    bright = max(1.0, min(BRIGHT_SHARE * total, BRIGHT_SHARE_ABOVE * (total - int(below[middle]))))
    top = min(int(np.searchsorted(below, total - bright)), len(values) - 1)
    noise = float(values[middle] - values[int(np.searchsorted(below, BELOW_NOISE * total))])
    if values[top] < values[middle] + IN_NOISE * noise:
        light = total - int(below[int(np.searchsorted(values, values[middle] + LIGHT * noise, side="right")) - 1])
        if light >= FEWEST:
            top = min(int(np.searchsorted(below, total - BRIGHT_SHARE_ABOVE * light)), len(values) - 1)
    low, high = float(values[middle]), float(values[top])
    if high <= low and below[middle] < total:  # too few bright voxels for a rank: take the brightest value
        high = float(values[np.flatnonzero(counts)[-1]])
    return Levels(low, high)


def levels_of_stack(stack: Stack, padding: Padding | None = None) -> Levels:
    """Return the levels of `stack`, read by blocks; one of more than 16 million voxels is sampled by whole rows.

    Every value of an 8 or 16 bit stack that is read counts, but those of its padding; float32 values are ranked as they are.
    """
    stride = max(1, -(-stack.voxels // SAMPLED_VOXELS))
    dtype = np.dtype(stack.data.dtype)
    counts = np.zeros(int(np.iinfo(dtype).max) + 1 if dtype.kind == "u" else 0, np.int64)
    samples = []
    for z, y, block in read_blocks(stack.data):
        number = np.arange(z.start, z.stop)[:, None] * stack.shape[1] + np.arange(y.start, y.stop)
        rows = block[number % stride == 0]
        if dtype.kind == "u":
            counts += np.bincount(rows.ravel(), minlength=len(counts))
        else:
            samples.append(rows)
    if dtype.kind == "u":
        return levels_of_histogram(*unpadded(np.arange(len(counts), dtype=np.float64), counts, padding))
    values, counts = np.unique(np.concatenate(samples), return_counts=True)
    return levels_of_histogram(*unpadded(values.astype(np.float64), counts, padding))


def unpadded(
    values: NDArray[np.float64], counts: NDArray[np.int64], padding: Padding | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a histogram without the voxels of the padding: of its value as many are left as others have by chance."""
    if padding is None:
        return values, counts
    own = values == padding.value
    others = int(counts[~own].sum())
    return values, np.where(own, np.minimum(counts, round(padding.share / (1 - padding.share) * others)), counts)


def without_bodies(stack: Stack, levels: Levels, padding: Padding | None = None) -> Levels:
    """Return the levels of a stack, measured outside of huge bright bodies if these would decide them."""

    def bright_of(voxels: NDArray[np.generic]) -> float:
        values, counts = np.unique(voxels, return_counts=True)
        return levels_of_histogram(*unpadded(values.astype(np.float64), counts, padding)).high

    if levels.flat:
        return levels
    high = bright_without_bodies(thinned(stack), levels.low, levels.high, bright_of)
    return levels if high is None else Levels(levels.low, high)


def checked_levels(stack: Stack, levels: Levels) -> Levels:
    """Return the levels of a stack, if they are any.

    Raises:
        NoNeuronError: if it is constant.
        InputError: if it holds NaN or infinity.
    """
    if not math.isfinite(levels.low) or not math.isfinite(levels.high):
        raise InputError(f"{stack.source or 'the stack'} holds NaN or infinity; replace them first")
    if levels.flat:
        raise NoNeuronError(
            f"{stack.source or 'the stack'} is constant: no neuron found; give another stack or channel"
        )
    return levels


def compress(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values on the scale that the network sees: background at 0, bright at 1, clipped first."""
    bent = np.arcsinh(np.clip(values, *CLIP) * np.float32(KNEE)) * np.float32(1 / math.asinh(KNEE))
    return np.asarray(bent, np.float32)


def normalise(block: NDArray[np.generic], levels: Levels) -> NDArray[np.float32]:
    """Return `block` normalised for the network, float32 of the same shape."""
    return compress((block.astype(np.float32) - np.float32(levels.low)) * np.float32(1.0 / (levels.high - levels.low)))
