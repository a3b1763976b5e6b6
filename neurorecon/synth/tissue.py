"""Tissue around a neuron: texture, cells, sheets, specks, scraps, edges; and what optics and scanning do to it.

Real background is correlated over many voxels, and along z more than along x, where white noise is not; so textures are
random fields with the power spectrum

    P(k) = (1 + |L k|^2)^(-slope),   L the correlation lengths (z, y, x),

made by filtering white noise in Fourier space. A surrogate of a real block keeps its power spectrum and its grey values and
scrambles its phases (Theiler et al. 1992, Physica D 58, 77-94, with amplitudes adjusted): texture of the same kind that
holds no structure. All arrays are (Z, Y, X), float32; the planes lie along the first axis. Missing parameters are drawn.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.optics import smooth_field

__all__ = [
    "axial_tail",
    "cells",
    "jitter",
    "puncta",
    "scraps",
    "sheets",
    "specks",
    "surrogate",
    "texture",
    "tissue_edge",
]

Float = NDArray[np.float32]
Shape = tuple[int, int, int]

# The ranges below contain the values measured on real stacks (docs/synthesis.md, benchmarks/realism.py), and exceed them on
# both sides.
LENGTH_PX = (0.7, 12.0)  # lateral correlation length of a texture
STRETCH = (0.5, 5.0)  # axial by lateral correlation length
SLOPE = (0.7, 2.5)  # of the power spectrum
CELL_PX = (4.0, 22.0)  # radius of a cell
TAIL_PX = (1.5, 9.0)  # planes over which an axial tail falls by e
SPREAD_PX = 0.45  # sigma by which a tail widens from one plane to the next
CLUSTER_PX = (8.0, 30.0)  # size of the clusters that specks and scraps gather in
SCRAP_PX = (4, 16)  # length of a scrap
BRIGHTNESS_SPREAD = 0.7  # log-normal, of specks: the brightest of a thousand are ten times the middle one
TO_80 = 0.84  # standard deviations from the median to the 80th percentile


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number between `low` and `high`, each factor equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def texture(
    rng: np.random.Generator,
    shape: Shape,
    *,
    length_px: float | None = None,
    stretch: float | None = None,
    slope: float | None = None,
) -> Float:
    """Return a random field of mean 0 and unit variance; parameters of its spectrum that are not given are drawn at random."""
    from scipy.fft import irfftn, rfftn

    lateral = length_px or log_uniform(rng, *LENGTH_PX)
    lengths = (lateral * (stretch or log_uniform(rng, *STRETCH)), lateral, lateral)
    squared = np.zeros((1, 1, 1), np.float32)
    for axis, (n, length) in enumerate(zip(shape, lengths, strict=True)):
        k = np.fft.rfftfreq(n) if axis == 2 else np.fft.fftfreq(n)
        side = [1, 1, 1]
        side[axis] = -1
        squared = squared + ((2 * np.pi * length * k) ** 2).astype(np.float32).reshape(side)
    power = np.float32(-0.5 * (slope or rng.uniform(*SLOPE)))
    filtered = rfftn(rng.standard_normal(shape, np.float32)) * (1 + squared) ** power
    field = np.asarray(irfftn(filtered, shape), np.float32)
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def surrogate(rng: np.random.Generator, block: Float) -> Float:
    """Return a block with the spectrum and the grey values of `block`, and phases at random."""
    from scipy.fft import irfftn, rfftn

    spectrum = np.abs(rfftn(block - block.mean()))
    phase = rfftn(rng.standard_normal(block.shape, np.float32))
    mixed = irfftn(spectrum * phase / np.maximum(np.abs(phase), 1e-12), block.shape)
    ranked = np.empty(block.size, np.float32)
    ranked[np.argsort(mixed, axis=None)] = np.sort(block, axis=None)
    return ranked.reshape(block.shape)


def sheets(rng: np.random.Generator, shape: Shape) -> Float:
    """Return curved sheets of light, 0 to 1: membranes and septa, lines in every plane that are no neurites."""
    lateral = log_uniform(rng, 8, 40)
    field = smooth_field(rng, shape, (max(2.0, lateral * rng.uniform(0.3, 1.0)), lateral, lateral))
    slope = max(float(np.abs(np.diff(field, axis=2)).mean()), 1e-4) if shape[2] > 1 else 1.0
    width = rng.uniform(0.8, 2.5) * slope  # of about that many voxels
    light = np.exp(-0.5 * (field / width) ** 2)
    patches = smooth_field(rng, shape, (10.0, 25.0, 25.0))  # a sheet is not stained everywhere
    return np.asarray(light * np.clip(0.5 + patches, 0, 1), np.float32)


def cells(rng: np.random.Generator, shape: Shape) -> Float:
    """Return cells, 0 to about 1: a bright rim or a filled body, a dark nucleus, some flat; no neurites."""
    light = np.zeros(shape, np.float32)
    radius = log_uniform(rng, *CELL_PX)
    volume = 4.2 * radius**3 * rng.uniform(0.4, 1.0)
    count = int(min(40, max(1, rng.uniform(0.02, 0.5) * np.prod(shape) / volume)))
    flat = rng.uniform(0.4, 1.0)
    for _ in range(count):
        size = radius * np.exp(0.25 * rng.standard_normal(3)) * (flat, 1.0, 1.0)
        centre = rng.uniform(-0.1, 1.1, 3) * shape
        low = np.maximum(np.floor(centre - 1.5 * size), 0).astype(int)
        high = np.minimum(np.ceil(centre + 1.5 * size), shape).astype(int)
        if (high <= low).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        z, y, x = np.ogrid[box]
        away = np.sqrt(sum(((g - c) / s) ** 2 for g, c, s in zip((z, y, x), centre, size, strict=True)))
        rim = np.exp(-0.5 * ((away - 1) / rng.uniform(0.08, 0.3)) ** 2)
        body = rng.uniform(0, 0.8) / (1 + np.exp((away - 1) / 0.08))
        nucleus = rng.uniform(0, 1) / (1 + np.exp((away - rng.uniform(0.4, 0.7)) / 0.08))
        one = rng.uniform(0.4, 1) * np.clip(np.maximum(rim * rng.uniform(0, 1), body) - body * nucleus, 0, None)
        np.maximum(light[box], one, out=light[box])
    return light


def _clustered(rng: np.random.Generator, shape: Shape, count: int) -> NDArray[np.int64]:
    """Return voxels (count, 3), denser in some places than in others by a factor of up to some twenty."""
    lateral = log_uniform(rng, *CLUSTER_PX)
    field = smooth_field(rng, shape, (lateral, lateral, lateral))
    tried = rng.integers(0, shape, (4 * count, 3))
    weight = np.exp(rng.uniform(0, 1.5) * field[tuple(tried.T)].astype(np.float64))
    return np.asarray(tried[rng.choice(len(tried), count, replace=False, p=weight / weight.sum())])


def specks(rng: np.random.Generator, shape: Shape, per_million: float) -> Float:
    """Return single bright voxels, in clusters, the 80th percentile of them 1: spots before the optics."""
    light = np.zeros(shape, np.float32)
    count = int(rng.poisson(np.prod(shape) / 1e6 * per_million))
    if count:
        value = np.exp(BRIGHTNESS_SPREAD * (rng.standard_normal(count) - TO_80)).astype(np.float32)
        np.maximum.at(light, tuple(_clustered(rng, shape, count).T), value)
    return light


def scraps(rng: np.random.Generator, shape: Shape, per_million: float, spacing: tuple[float, float, float]) -> Float:
    """Return bits of thin fibre, about 1, before the optics; `spacing` (zyx) is that of the voxels in px."""
    light = np.zeros(shape, np.float32)
    count = int(rng.poisson(np.prod(shape) / 1e6 * per_million))
    if not count:
        return light
    heading = rng.standard_normal((count, 1, 3)) * (rng.uniform(0.2, 1), 1, 1)
    steps = heading / np.linalg.norm(heading, axis=2, keepdims=True) + 0.3 * rng.standard_normal(
        (count, SCRAP_PX[1], 3)
    )
    path = _clustered(rng, shape, count)[:, None] + np.cumsum(steps, axis=1) / np.array(spacing)
    length = rng.integers(*SCRAP_PX, count)
    value = np.broadcast_to(rng.uniform(0.3, 1.2, (count, 1)), path.shape[:2])
    at = np.rint(path).astype(np.int64)
    keep = ((at >= 0) & (at < shape)).all(2) & (np.arange(SCRAP_PX[1]) < length[:, None])
    np.maximum.at(light, tuple(at[keep].T), value[keep].astype(np.float32))
    return light


def puncta(rng: np.random.Generator, shape: Shape) -> Float:
    """Return spots of light of about 1, 30 to 3,000 in a million voxels, drawn out along z as the optics do."""
    from scipy.ndimage import gaussian_filter

    light = specks(rng, shape, log_uniform(rng, 30, 3000))
    at = light > 0
    side = rng.uniform(0.6, 1.6)
    light = gaussian_filter(light, (side * rng.uniform(1.0, 3.5), side, side), truncate=3)
    if rng.random() < 0.5:
        light = axial_tail(light, rng)
    return np.asarray(light / max(float(np.percentile(light[at], 80)) if at.any() else 1.0, 1e-6), np.float32)


def axial_tail(
    light: Float, rng: np.random.Generator, *, strength: float | None = None, planes: float | None = None
) -> Float:
    """Return light with a one-sided tail along z, as spherical aberration draws it: dimmer and wider from plane to plane.

    `strength` is the light in the tail of a point by that of the point; `planes` are those over which it falls by e.
    """
    from scipy.ndimage import gaussian_filter

    decay = np.float32(np.exp(-1 / (planes or log_uniform(rng, *TAIL_PX))))
    share = np.float32((rng.uniform(0.05, 0.6) if strength is None else strength) * (1 - decay))
    ordered = light if rng.random() < 0.5 else light[::-1]
    out, tail = np.empty_like(ordered), np.zeros_like(ordered[0])
    for z, plane in enumerate(ordered):
        out[z] = plane + share * tail
        tail = decay * gaussian_filter(tail, SPREAD_PX, truncate=3) + plane
    return out if ordered is light else np.ascontiguousarray(out[::-1])


def tissue_edge(rng: np.random.Generator, shape: Shape) -> Float:
    """Return the share of tissue, 0 to 1: an edge with a smooth, bent border somewhere in the block."""
    slope = rng.standard_normal(3)
    slope /= np.linalg.norm(slope)
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    along = sum(s * (g - n * rng.uniform(0.2, 0.8)) for s, g, n in zip(slope, grid, shape, strict=True))
    bent = along + rng.uniform(2, 10) * smooth_field(rng, shape, (12.0, 25.0, 25.0))
    return np.asarray(1 / (1 + np.exp(np.clip(-bent / rng.uniform(0.5, 4), -30, 30))), np.float32)


def jitter(block: Float, rng: np.random.Generator, *, most_px: float = 1.5) -> Float:
    """Return a block whose lines were scanned to and fro: every second line, or every line, is shifted along x."""
    from scipy.ndimage import shift

    if rng.random() < 0.5:
        moved = block.copy()
        moved[:, 1::2] = shift(block[:, 1::2], (0, 0, rng.uniform(-most_px, most_px)), order=1, mode="nearest")
        return moved
    steps = np.rint(rng.normal(0, rng.uniform(0.2, 0.67) * most_px, block.shape[:2])).astype(int)
    column = np.clip(np.arange(block.shape[2]) + steps[..., None], 0, block.shape[2] - 1)
    return np.asarray(np.take_along_axis(block, column, axis=2), np.float32)
