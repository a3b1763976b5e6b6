"""The ground between neurites: how strong its noise is, and whether it is white, as of few photons, or the texture of tissue.

With r = grey values below DARK of the bright level, less the mean of AROUND x AROUND pixels, cut off at 3 deviations,

    spread  = deviation of r, as a share of the bright level
    along_z = mean of r(z) r(z + 1) / mean of r(z) ** 2,    along_y likewise.

White noise has correlations of 0.00 to 0.04, the ground of larval stacks 0.11 to 0.53.

Texture makes threads of its own, white noise does not. So where light is short, and noise white and strong, a doubtful line is
more often a neurite than the network says: in `dim` (training neurons) the odds of a neurite are e^1.1 times as
high, in larval stacks e^1.2 times lower. There a shift is added to the logit.

    texture = spread * sqrt(largest correlation - WHITE), 0 where that is negative

is the deviation of the part of the ground that is no white noise. Where it is small, the contrast of the picture itself is
added to the logit as well (`segmentation/fine_contrast.py`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GroundNoise", "noise_of"]

# STRONG and TEXTURED were set by hand; not tuned. The noise and the shift were chosen on the 39 training neurons in `hard`
# (spread 0.12 to 0.17) and `dim` (0.17 to 0.18): shifts of 0 to 1.3 gave F1 0.952 to 0.953 there and 0.854 to 0.883 here, but
# too many branch points from 0.9 on. No real stack at hand is white and above 0.05.
DARK, AROUND = 0.2, 31  # share of the bright level; pixels
TEXTURED, STRONG = 0.1, 0.05  # correlation, twice that of white noise; spread: less gives no threads
NOISY, NOISIEST = 0.13, 0.18  # spreads: up to the first no shift, from the second on all of it
SHIFT = 0.9  # of the logit
WHITE = 0.04  # the largest correlation of white noise
# Texture up to which the contrast counts in full, and from which it does not. Neurons lifted to 3D and stacks of DIADEM have 0
# to 0.011, larval stacks, where the contrast costs 0.01 of F1, 0.025 to 0.036.
EVEN, UNEVEN = 0.012, 0.02
# Correlations likewise: blurred tissue (a neuropil with 0.94, stained vessels with 0.9) is as smooth as neurites, however weak.
SMOOTH, SMOOTHEST = 0.5, 0.8


@dataclass(frozen=True, slots=True)
class GroundNoise:
    """Noise of the ground of some places: see above; all 0 where nothing is dark."""

    spread: float = 0.0
    along_z: float = 0.0
    along_y: float = 0.0

    @property
    def textured(self) -> bool:
        """Whether it is strongly correlated from plane to plane."""
        return self.spread > STRONG and self.along_z > TEXTURED

    @property
    def alike(self) -> float:
        """The larger of both correlations."""
        return max(self.along_z, self.along_y)

    @property
    def evenness(self) -> float:
        """How far the ground is free of texture: 1 all of it, 0 textured."""
        texture = self.spread * math.sqrt(max(self.alike - WHITE, 0.0))
        return min(_ramp(texture, UNEVEN, EVEN), _ramp(self.alike, SMOOTHEST, SMOOTH))

    @property
    def shift(self) -> float:
        """What is to be added to the logit of neurites: 0 but for strong white noise."""
        return 0.0 if self.alike > TEXTURED else SHIFT * _ramp(self.spread, NOISY, NOISIEST)


def _ramp(value: float, none: float, full: float) -> float:
    """Return 0 at `none` and beyond, 1 at `full` and beyond, and what lies linearly between."""
    return min(max((value - none) / (full - none), 0.0), 1.0)


def noise_of(tiles: Iterable[NDArray[np.float32]], bright: float) -> GroundNoise:
    """Return the noise of the ground.

    Args:
        tiles: grey values (Z, Y, X), 0 at the background.
        bright: the bright level, in grey values above the background.
    """
    from scipy.ndimage import uniform_filter

    spreads, alike, own = [], np.zeros(2), np.zeros(2)
    for tile in tiles:
        dark = tile < DARK * bright
        rise = tile - uniform_filter(np.where(dark, tile, 0), (1, AROUND, AROUND))
        spread = 1.4826 * float(np.median(np.abs(rise[dark]))) if dark.any() else 0.0
        spreads.append(spread / bright)
        rise = np.clip(np.where(dark, rise, 0), -3 * spread, 3 * spread) / bright
        for axis in (0, 1):
            here, there = (np.moveaxis(rise, axis, 0)[part] for part in (slice(-1), slice(1, None)))
            alike[axis] += (here * there).sum(dtype=np.float64)
            own[axis] += (here**2)[np.moveaxis(dark, axis, 0)[1:]].sum(dtype=np.float64)
    if not spreads:
        return GroundNoise()
    along = np.divide(alike, own, out=np.zeros(2), where=own > 0)
    return GroundNoise(float(np.median(spreads)), float(along[0]), float(along[1]))
