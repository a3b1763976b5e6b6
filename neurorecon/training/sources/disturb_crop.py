"""Augment a crop as if it came from another microscope: light, blur, noise, saturation, few grey values; all at random.

Values are on the straight scale of `segmentation.normalise`: background 0, bright neurites 1. Noise moves the levels that a
whole stack would have, so the scale is then computed again: from the histogram of the stack, not from the crop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.segmentation.normalise import BRIGHT_SHARE
from neurorecon.synth.optics import smooth_field
from neurorecon.training.sources.labels import BACKGROUND

__all__ = ["Greys", "disturb_mildly", "disturb_widely", "err_in_levels", "shuffle_ground"]

Float = NDArray[np.float32]

# Set by hand; not tuned, unless a line says more.
LEAST_SNR, MOST_SNR = 1.5, 20.0  # of a bright neurite; below, an expert could not trace it either
GRID = 256  # grey values of the histogram in which the levels are found
HOT = (1.0, 4.0)  # brightness of hot pixels: up to where the network's scale ends


@dataclass(frozen=True, slots=True)
class Greys:
    """Grey values of a whole stack on the crop's scale.

    Attributes:
        values: (K,) ascending.
        share: (K,) of the voxels that have them.
    """

    values: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def noise(self) -> float:
        """Standard deviation of the background, from the half of it that no neurite raises."""
        below = np.cumsum(self.share)
        middle, low = (self.values[min(int(np.searchsorted(below, s)), len(below) - 1)] for s in (0.5, 0.159))
        return float(middle - low)

    def levels(self, sigma: NDArray[np.float64]) -> tuple[float, float]:
        """Return median and bright level after noise of `sigma` (K,), by value; see `levels_of_histogram`."""
        from scipy.special import ndtr

        grid = np.linspace((self.values - 3 * sigma).min(), (self.values + 3 * sigma).max(), GRID)
        below = self.share @ ndtr((grid - self.values[:, None]) / sigma[:, None])
        low, high = np.interp((0.5, 1 - BRIGHT_SHARE), below, grid)
        return float(low), float(high)


def disturb_mildly(grey: Float, rng: np.random.Generator) -> Float:
    """Blur, add noise, tilt the background, each at random: the variation within one laboratory."""
    from scipy.ndimage import gaussian_filter

    if rng.random() < 0.15:
        grey = gaussian_filter(grey, rng.uniform(0.3, 1.2, 3) * np.array([1.4, 1, 1]), truncate=3)
    if rng.random() < 0.25:
        grey = grey + rng.standard_normal(grey.shape, np.float32) * np.float32(rng.uniform(0.02, 0.25))
    if rng.random() < 0.2:
        grey = grey + _ramp(rng, grey.shape, 0.3)
    return grey


def disturb_widely(grey: Float, greys: Greys, rng: np.random.Generator) -> Float:
    """Return a crop as another microscope would show it: optics, light, noise and camera, each now and then.

    Args:
        grey: (Z, Y, X) on the straight scale; the planes lie along the first axis.
        greys: of the whole stack, on the same scale.
        rng: source of every choice.
    """
    from scipy.ndimage import gaussian_filter

    if rng.random() < 0.3:
        side = rng.uniform(0.3, 1.5)
        grey = gaussian_filter(grey, (side * rng.uniform(0.5, 2), side, side), truncate=3)
    grey = _light(grey, rng)
    if rng.random() < 0.7:
        grey = _noise(grey, greys, rng)
    return _camera(grey, rng)


def err_in_levels(grey: Float, rng: np.random.Generator) -> Float:
    """Return values with the levels set wrong: a bright soma sets the upper one high."""
    error = rng.uniform(np.log(0.1), np.log(2)) if rng.random() < 0.4 else rng.normal(0, 0.25)
    return np.asarray(grey * np.float32(np.exp(error)) + np.float32(rng.normal(0, 0.03)), np.float32)


def shuffle_ground(grey: Float, labels: NDArray[np.uint8], rng: np.random.Generator) -> Float:
    """Return a crop whose background voxels changed places: the same grey values without any structure.

    Sparse speckle forms chains by chance; a network that never sees speckle alone traces them.
    """
    ground = np.flatnonzero((labels.ravel() & 3) == BACKGROUND)
    shuffled = grey.copy().reshape(-1)
    shuffled[ground] = shuffled[rng.permutation(ground)]
    return shuffled.reshape(grey.shape)


def _ramp(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Float:
    """Return a linear change along one axis, to be broadcast."""
    axis = int(rng.integers(3))
    ramp = np.linspace(-0.5, 0.5, shape[axis], dtype=np.float32) * np.float32(rng.normal(0, strength))
    return ramp.reshape([-1 if a == axis else 1 for a in range(3)])


def _light(grey: Float, rng: np.random.Generator) -> Float:
    """Change gain and background in space: uneven light, depth, flicker, stripes, gradient, haze."""
    deep, high, wide = grey.shape
    if rng.random() < 0.2:
        grey = grey * _uneven(rng, grey.shape)
    if rng.random() < 0.5:
        grey = grey * np.exp(np.linspace(0, -rng.uniform(0, 1.5), deep, dtype=np.float32))[:, None, None]
    if rng.random() < 0.3:
        grey = grey * (1 + rng.uniform(0.02, 0.2) * rng.standard_normal((deep, 1, 1), np.float32)).astype(np.float32)
        grey = grey + np.float32(rng.uniform(0, 0.1)) * rng.standard_normal((deep, 1, 1), np.float32)
    if rng.random() < 0.3:
        planes = deep if rng.random() < 0.5 else 1  # each plane of a scanner has its own error, others share one
        lines = (planes, high, 1) if rng.random() < 0.5 else (planes, 1, wide)
        stripes = rng.standard_normal(lines, np.float32)
        grey = grey * (1 + np.float32(rng.uniform(0, 0.15)) * stripes) + np.float32(rng.uniform(0.01, 0.15)) * stripes
    if rng.random() < 0.5:
        grey = grey + _ramp(rng, grey.shape, 0.5)
    if rng.random() < 0.3:
        scale = float(rng.uniform(10, 50))
        haze = np.abs(smooth_field(rng, (deep, high, wide), (max(2.0, scale / 2), scale, scale)))
        grey = grey + np.float32(rng.uniform(0.05, 0.4)) * (haze - haze.mean())
    return grey


def _uneven(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Return a smooth gain (Z, Y, X) around 1."""
    from monai.transforms.intensity.array import RandBiasField

    field = RandBiasField(degree=2, coeff_range=(0.0, 0.25), prob=1.0)
    field.set_random_state(seed=int(rng.integers(2**31)))
    gain = np.asarray(field(np.ones((1, *shape), np.float32))[0], np.float32)
    return np.asarray(gain / gain.mean(), np.float32)


def _noise(grey: Float, greys: Greys, rng: np.random.Generator) -> Float:
    """Add noise up to a drawn signal-to-noise ratio, less what the stack has already; then set the levels anew."""
    from scipy.ndimage import gaussian_filter

    sigma = float(np.exp(-rng.uniform(np.log(LEAST_SNR), np.log(MOST_SNR))))
    more = sigma**2 - min(greys.noise, sigma) ** 2
    if more <= 0:
        return grey
    shot = float(rng.uniform())  # share of the variance that grows with the light
    field = rng.standard_normal(grey.shape, np.float32)
    if rng.random() < 0.25:  # stacks that were resampled or filtered after the scan
        side = rng.uniform(0.4, 0.9)
        field = gaussian_filter(field, (0.5 * side, side, side), truncate=3)
        field /= field.std()
    variance = np.clip(grey, 0, 4) * np.float32(more * shot) + np.float32(more * (1 - shot) + 1e-6)
    noisy = grey + field * np.sqrt(variance)
    low, high = greys.levels(np.sqrt(np.clip(greys.values, 0, 4) * more * shot + more * (1 - shot) + 1e-6))
    return np.asarray((noisy - np.float32(low)) * np.float32(1 / max(high - low, 1e-3)), np.float32)


def _camera(grey: Float, rng: np.random.Generator) -> Float:
    """Saturate, set hot pixels, and round to few grey values or to none."""
    if rng.random() < 0.2:
        full = np.float32(rng.uniform(0.3, 1.0))
        grey = np.asarray(np.minimum(grey, full) / full, np.float32)
    if rng.random() < 0.2:
        spots = rng.integers(0, grey.size, int(grey.size * 10 ** rng.uniform(-5, -3)))
        grey = np.array(grey, np.float32)
        grey.reshape(-1)[spots] = rng.uniform(*HOT, len(spots))
    if rng.random() < 0.3:
        steps = np.float32(10 ** rng.uniform(0.9, 2.4))  # between background and bright
        grey = np.rint(grey * steps) / steps
    return np.asarray(grey, np.float32)
