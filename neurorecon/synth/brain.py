"""A brain-like volume, drawn box by box: the value of a voxel depends on the settings and its place alone.

So the result does not depend on the blocks, their order or the number of processes, and a volume may be larger than the memory.
The noise of a voxel is a byte of the SplitMix64 sequence (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
generators", figure 13), whose i-th member can be computed without those before it; i is the place.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.brain_scene import CELL, LATTICE, Balls, Scene
from neurorecon.synth.render import Grid, draw_at

__all__ = ["draw_box", "noise_bytes"]

Float = NDArray[np.float32]
Voxel = tuple[int, int, int]

GOLDEN, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
TRUNCATE = 3.0  # standard deviations: beyond is less than a grey value
SPOT_REACH = 3.5  # standard deviations


def draw_box(scene: Scene, low: Voxel, high: Voxel) -> NDArray[Any]:
    """Return the grey values of the box low..high (voxels, zyx, high not included), uint8 or uint16.

    The volume is drawn cell by cell: most cells hold no neurite and cost only their noise.
    """
    wide = scene.settings.bit_depth == 16
    result = np.empty([b - a for a, b in zip(low, high, strict=True)], np.uint16 if wide else np.uint8)
    axes = [range(a // c * c, b, c) for a, b, c in zip(low, high, CELL, strict=True)]
    for corner in itertools.product(*axes):
        first = _box(max(a, c) for a, c in zip(low, corner, strict=True))
        last = _box(min(b, c + n) for b, c, n in zip(high, corner, CELL, strict=True))
        place = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, low, strict=True))
        result[place] = expose(light(scene, first, last), scene, first)
    return result


def _box(numbers: Any) -> Voxel:
    z, y, x = numbers
    return z, y, x


def light(scene: Scene, low: Voxel, high: Voxel) -> Float:
    """Return the mean grey values of a box, before the noise."""
    mean = haze_in(scene.haze, low, high)
    add_neurites(scene, low, high, mean)
    add_spots(scene, low, high, mean)
    return mean


def haze_in(lattice: Float, low: Voxel, high: Voxel) -> Float:
    """Return the background of a box, linear between the points of the lattice, axis by axis."""
    field = lattice
    for axis in range(3):
        at = np.arange(low[axis], high[axis])
        shape = [-1 if a == axis else 1 for a in range(3)]
        share = ((at % LATTICE).astype(np.float32) / np.float32(LATTICE)).reshape(shape)
        under = at // LATTICE
        field = field.take(under, axis) * (1 - share) + field.take(under + 1, axis) * share
    return field


def sigmas(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard deviations of the blur in voxels, and the voxel edges in px, both (3,) zyx."""
    settings = scene.settings
    spacing = np.array(settings.voxel_size) / settings.voxel_size[2]
    return np.array([settings.psf_axial_px, settings.psf_lateral_px, settings.psf_lateral_px]) / spacing, spacing


def add_neurites(scene: Scene, low: Voxel, high: Voxel, mean: Float) -> None:
    """Draw neurites and somata with a rim as wide as the blur, blur them, and add them to a box."""
    from scipy.ndimage import gaussian_filter

    at, radius, value = scene.neurites.near(low, high)
    if not len(at):
        return
    sigma, spacing = sigmas(scene)
    rim = (TRUNCATE * sigma + 0.5).astype(np.int64)
    reach = np.ceil((radius[:, None] + 1) / spacing)
    first, last = np.array(low) - rim, np.array(high) + rim
    touches = ((at + reach >= first) & (at - reach < last)).all(1)
    if not touches.any():
        return
    at, radius, value, reach = at[touches], radius[touches], value[touches], reach[touches]
    # nothing is lit farther than a rim from the balls
    first = np.maximum(first, np.floor((at - reach).min(0)).astype(np.int64) - rim)
    last = np.minimum(last, np.ceil((at + reach).max(0)).astype(np.int64) + 1 + rim)
    z, y, x = (int(n) for n in last - first)
    signal = np.zeros((z, y, x), np.float32)
    draw_at(Grid((z, y, x), spacing, np.zeros(3), 1), at - first, radius, value, signal)
    blurred = gaussian_filter(signal, sigma, truncate=TRUNCATE, mode="constant")
    begin, end = np.maximum(first, low), np.minimum(last, high)
    if (begin >= end).any():
        return
    lit = tuple(slice(a, b) for a, b in zip(begin - first, end - first, strict=True))
    here = tuple(slice(a, b) for a, b in zip(begin - low, end - low, strict=True))
    mean[here] += np.float32(scene.settings.brightness) * blurred[lit]


def add_spots(scene: Scene, low: Voxel, high: Voxel, mean: Float) -> None:
    """Add puncta and soft cells to a box, one after the other, always in the same order."""
    spots: Balls = scene.spots
    blur, spacing = sigmas(scene)
    at, radius, value = spots.near(low, high)  # in the order of the whole volume
    sigma = np.sqrt((radius[:, None] / spacing) ** 2 + blur**2)
    reach = np.ceil(SPOT_REACH * sigma).astype(np.int64)
    base = np.rint(at).astype(np.int64)
    for k in np.flatnonzero(((base + reach >= low) & (base - reach < high)).all(1)):
        here, shares = [], []
        for axis in range(3):
            around = np.arange(base[k, axis] - reach[k, axis], base[k, axis] + reach[k, axis] + 1)
            share = np.exp(-0.5 * ((around - at[k, axis]) / sigma[k, axis]) ** 2)  # whole, then cut: bits stay the same
            inside = (around >= low[axis]) & (around < high[axis])
            here.append(slice(int(around[inside][0] - low[axis]), int(around[inside][-1] - low[axis] + 1)))
            shares.append(share[inside])
        z, y, x = shares
        spot = scene.settings.brightness * value[k] * z[:, None, None] * y[:, None] * x
        mean[tuple(here)] += spot.astype(np.float32)


def expose(mean: Float, scene: Scene, low: Voxel) -> NDArray[Any]:
    """Return grey values with noise; `mean` is used up.

    v = round(m + sqrt(read_noise^2 + gain m) q), with q the Gaussian quantile that the voxel's byte picks.
    """
    settings = scene.settings
    scale = np.float32(16 if settings.bit_depth == 16 else 1)
    result = np.empty(mean.shape, np.uint16 if settings.bit_depth == 16 else np.uint8)
    table = quantiles()
    for z in range(len(mean)):  # a plane of a cell stays in the cache
        plane = mean[z]
        noise = table[noise_bytes(scene, (low[0] + z, low[1], low[2]), plane.shape)]
        deviation = plane * np.float32(settings.gain)
        deviation += np.float32(settings.read_noise**2)
        np.sqrt(deviation, out=deviation)
        deviation *= noise
        plane += deviation
        plane *= scale
        np.rint(plane, out=plane)
        np.clip(plane, 0, np.iinfo(result.dtype).max, out=plane)
        result[z] = plane
    return result


def quantiles() -> Float:
    """Return the middle quantiles of 256 equal parts of the Gaussian, (256,)."""
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(256) + 0.5) / 256), np.float32)


def noise_bytes(scene: Scene, start: Voxel, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a random byte for each voxel of a part (y, x) of a plane that starts at `start`, zyx."""
    z, y, x = start
    _, height, width = scene.settings.shape
    first, last = x // 8, -(-(x + shape[1]) // 8)  # a word is 8 voxels along x
    words = -(-width // 8)
    line = np.arange(y, y + shape[0]) + z * height
    word = np.asarray(line[:, None] * words + np.arange(first, last), np.uint64)
    word += np.random.SeedSequence((scene.settings.seed, 1)).generate_state(1, np.uint64)
    return mixed(word).astype("<u8", copy=False).view(np.uint8)[:, x - 8 * first : x - 8 * first + shape[1]]


def mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the members of SplitMix64 of the numbers `word`, which are used up."""
    word *= GOLDEN
    word ^= word >> np.uint64(30)
    word *= FIRST
    word ^= word >> np.uint64(27)
    word *= SECOND
    word ^= word >> np.uint64(31)
    return word
