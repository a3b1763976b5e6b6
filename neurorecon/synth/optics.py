"""From fluorescence to grey values: point spread, background, shot and read noise, the camera's scale."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.render import Grid
from neurorecon.synth.settings import SynthSettings

__all__ = ["background", "blur", "digitise", "expose", "fold_planes", "smooth_field"]

Float = NDArray[np.float32]
# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
HEADROOM = 3.0  # standard deviations of noise above the reference that the full scale holds: few counts do not saturate
TOP = {8: 255, 12: 4095, 16: 65535}


def _gaussian(volume: Float, sigma: tuple[float, float, float]) -> Float:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(volume, sigma, truncate=3.0, mode="nearest"))


def _spread(n: int, scale: float) -> Float:
    """Return (n, c) weights that carry c random values, `scale` apart, to n smooth ones."""
    count = int(np.ceil(n / scale)) + 4
    at = (np.arange(n)[:, None] / scale) - (np.arange(count)[None] - 1.5)
    weight = np.exp(-0.5 * (at / 0.7) ** 2)
    return np.asarray(weight / np.sqrt((weight**2).sum(1, keepdims=True)), np.float32)


def smooth_field(rng: np.random.Generator, shape: tuple[int, int, int], scale: tuple[float, float, float]) -> Float:
    """Return a random field of unit variance that varies over `scale` voxels (zyx).

    Gaussian weights on a coarse lattice, one small matrix product an axis: 30 times faster than filtering white noise.
    """
    z, y, x = (_spread(n, s) for n, s in zip(shape, scale, strict=True))
    coarse = rng.standard_normal((z.shape[1], y.shape[1], x.shape[1]), dtype=np.float32)
    return np.ascontiguousarray((z @ (y @ (coarse @ x.T)).reshape(z.shape[1], -1)).reshape(shape))


def blur(signal: Float, grid: Grid, settings: SynthSettings) -> Float:
    """Return `signal` through the point spread; it widens with depth by `blur_growth`."""
    axial = settings.psf_axial_px / grid.spacing[0]
    sigma = (axial, settings.psf_lateral_px / grid.spacing[1], settings.psf_lateral_px)
    sharp = _gaussian(signal, sigma)
    if settings.blur_growth <= 1.0:
        return sharp
    growth = settings.blur_growth
    wide = _gaussian(signal, (sigma[0] * growth, sigma[1] * growth, sigma[2] * growth))
    depth = np.linspace(0, 1, len(signal), dtype=np.float32)[:, None, None]
    sharp += depth * (wide - sharp)
    return sharp


def fold_planes(signal: NDArray[np.float32], fold: int) -> Float:
    """Return the middle of each group of `fold` sub-planes: a focal plane is sampled, not summed."""
    low, high = (fold - 1) // 2, fold // 2
    if low == high:
        return np.ascontiguousarray(signal[low::fold])
    return np.asarray(0.5 * (signal[low::fold] + signal[high::fold]), np.float32)


def background(rng: np.random.Generator, shape: tuple[int, int, int], settings: SynthSettings) -> Float:
    """Return diffuse light (Z, Y, X), in shares of the reference: level, gradient and haze."""
    level = np.full(shape, settings.background, np.float32)
    slope = rng.uniform(-1, 1, 3)
    slope *= settings.gradient / max(np.abs(slope).sum(), 1e-9)
    for axis, n in enumerate(shape):
        ramp = (1 + slope[axis] * np.linspace(-1, 1, n)).astype(np.float32)
        level *= ramp.reshape([-1 if a == axis else 1 for a in range(3)])
    if settings.haze > 0:
        lateral = rng.uniform(15, 60)
        axial = max(2.0, lateral * settings.voxel_size[2] / settings.voxel_size[0])
        level += settings.haze * np.abs(smooth_field(rng, shape, (axial, lateral, lateral)))
    return level


def expose(rate: Float, rng: np.random.Generator, settings: SynthSettings) -> Float:
    """Return the counts of the detector, in shares of the reference; `rate` is in the same shares."""
    z, y, _ = rate.shape
    gain = 1 + settings.flicker * rng.standard_normal((z, 1, 1)) + settings.stripes * rng.standard_normal((z, y, 1))
    light = np.clip(rate * gain.astype(np.float32), 0, None) * np.float32(settings.photons)
    counts = rng.poisson(light).astype(np.float32)
    if settings.read_noise > 0:
        counts += np.float32(settings.read_noise) * rng.standard_normal(rate.shape, dtype=np.float32)
    counts /= np.float32(settings.photons)
    if settings.resample_blur_px > 0:
        counts = _gaussian(counts, (0.5 * settings.resample_blur_px,) + (settings.resample_blur_px,) * 2)
    return counts


def digitise(image: Float, diffuse: Float, settings: SynthSettings) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return grey values; with `clip`, diffuse light is subtracted and values below the limit become exactly 0."""
    top, offset = TOP[settings.bit_depth], settings.offset
    if settings.clip > 0:
        image = image - diffuse
        image = np.where(_gaussian(image, (0.6, 1.0, 1.0)) < settings.clip, np.float32(0), image)
        offset = 0.0
    if settings.black_level > 0:
        image = image - np.float32(settings.black_level)
    if settings.gamma != 1.0:
        image = np.sign(image) * np.abs(image) ** np.float32(settings.gamma)
    noise = np.sqrt(settings.photons + settings.read_noise**2) / settings.photons
    scale = settings.exposure * top / (1 + HEADROOM * noise)
    grey = np.rint(offset + image * np.float32(scale))
    grey = np.clip(grey, 0, top)
    return np.asarray(grey, np.uint8) if settings.bit_depth == 8 else np.asarray(grey, np.uint16)
