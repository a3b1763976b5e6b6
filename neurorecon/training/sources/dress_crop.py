"""Tissue, optics and processing added to a crop: the surroundings of a neuron in a real stack, drawn at random.

A stack whose background is white noise teaches a network that correlated structures are neurites. So texture, cells, sheets,
puncta and tissue edges are added to a crop, its light is drawn out along z, and the picture is processed as laboratories do.
Values are on the straight scale of `segmentation.normalise`: background 0, bright neurites 1. The additions shift the levels of
the whole stack, so the scale is computed again, as in `disturb_crop`.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.segmentation.normalise import BRIGHT_SHARE
from neurorecon.synth.tissue import axial_tail, cells, jitter, puncta, sheets, texture, tissue_edge
from neurorecon.training.sources.disturb_crop import Greys
from neurorecon.training.sources.labels import BACKGROUND, UNSURE_SOMA

__all__ = ["lay_tissue", "pad_blank"]

Float = NDArray[np.float32]


def lay_tissue(grey: Float, greys: Greys, rng: np.random.Generator) -> Float:
    """Return a crop (Z, Y, X) with tissue around its neurites.

    Args:
        grey: on the straight scale; the planes lie along the first axis.
        greys: of the whole stack, on the same scale.
        rng: source of every choice.
    """
    if rng.random() < 0.4:
        lit = np.clip(grey, 0, None)
        grey = grey + (axial_tail(lit, rng) - lit)
    light = _light_of_tissue(grey.shape, rng)
    out = grey + light
    if rng.random() < 0.5:  # shot noise of the added light
        noise = rng.standard_normal(grey.shape, np.float32)
        out = out + noise * np.sqrt(np.clip(light, 0, None)) * np.float32(rng.uniform(0.02, 0.25))
    return _processed(_levelled(out, light, greys), rng)


def _light_of_tissue(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Return the light that is added to a crop: several kinds, each at random."""
    from scipy.ndimage import gaussian_filter

    z, y, x = shape
    box = (z, y, x)
    light = np.zeros(box, np.float32)
    if rng.random() < 0.3:
        light += np.float32(rng.uniform(0.1, 1.0)) * cells(rng, box)
    if rng.random() < 0.25:
        light += np.float32(rng.uniform(0.1, 0.8)) * sheets(rng, box)
    if rng.random() < 0.4:
        light += np.float32(np.exp(rng.uniform(np.log(0.1), np.log(1.5)))) * puncta(rng, box)
    if rng.random() < 0.4:
        side = rng.uniform(0.3, 1.5)
        light = gaussian_filter(light, (side * rng.uniform(1, 3), side, side), truncate=3)
    for chance in (0.8, 0.3):
        if rng.random() < chance:
            field = texture(rng, box)
            if rng.random() < 0.4:  # bright grains, as granules give
                field = np.exp(np.float32(rng.uniform(0.3, 0.9)) * field)
                field = (field - field.mean()) / field.std()
            light += np.float32(np.exp(rng.uniform(np.log(0.02), np.log(0.35)))) * field
    if rng.random() < 0.25:
        edge = tissue_edge(rng, box)
        light = light * edge + np.float32(rng.uniform(0.03, 0.4)) * edge
    return light


def _levelled(out: Float, light: Float, greys: Greys) -> Float:
    """Return values on the scale of the levels that the stack has with that light everywhere."""
    lower, middle, upper, bright = np.quantile(light, (0.159, 0.5, 0.841, 1 - BRIGHT_SHARE))
    spread = max(0.5 * float(upper - lower), 1e-3)
    low, high = greys.levels(np.full(len(greys.values), spread))
    low, high = low + float(middle), max(high + float(middle), float(bright))
    return np.asarray((out - np.float32(low)) * np.float32(1 / max(high - low, 1e-3)), np.float32)


def _processed(grey: Float, rng: np.random.Generator) -> Float:
    """Return a crop as processing and stitching leave it: seams, bands, deconvolution, median filter, scan jitter."""
    from scipy.ndimage import gaussian_filter, median_filter

    if rng.random() < 0.1:
        axis, side = int(rng.integers(3)), slice(int(rng.uniform(0.2, 0.8) * grey.shape[0]), None)
        if axis:
            side = slice(int(rng.uniform(0.2, 0.8) * grey.shape[axis]), None)
        place = tuple(side if a == axis else slice(None) for a in range(3))
        grey = grey.copy()
        grey[place] = grey[place] * np.float32(rng.uniform(0.5, 1.6)) + np.float32(rng.normal(0, 0.08))
    if rng.random() < 0.1:
        wave = np.sin(2 * np.pi * (np.arange(grey.shape[0]) / rng.uniform(2, 20) + rng.uniform()))
        grey = grey + np.float32(rng.uniform(0.02, 0.2)) * wave.astype(np.float32)[:, None, None]
    if rng.random() < 0.12:
        blurred = gaussian_filter(grey, rng.uniform(1, 3, 3) * (1.5, 1, 1), truncate=3)
        grey = grey + np.float32(rng.uniform(0.3, 1.5)) * (grey - blurred)
        if rng.random() < 0.5:
            grey = np.maximum(grey, 0)
    elif rng.random() < 0.08:
        grey = median_filter(grey, (1, 3, 3))
    if rng.random() < 0.08:
        grey = jitter(grey, rng)
    return np.asarray(grey, np.float32)


def pad_blank(grey: Float, labels: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Float, NDArray[np.uint8]]:
    """Return a crop and its labels with a blank border, as shifted, turned and fused stacks have: background throughout."""
    z, y, x = np.ogrid[tuple(slice(n) for n in grey.shape)]
    axes = [(z, grey.shape[0]), (y, grey.shape[1]), (x, grey.shape[2])]
    (a, n), (b, m) = (axes[k] for k in rng.permutation(3)[:2])
    slope = 0.0 if rng.random() < 0.5 else float(rng.normal(0, 0.7))
    blank = a - n * rng.uniform(0.1, 0.45) + slope * (b - 0.5 * m) < 0
    blank = np.broadcast_to(blank, grey.shape)
    value = np.float32(0.0 if rng.random() < 0.5 else rng.uniform(-1.0, 0.2))
    padded = np.where(blank, np.uint8(BACKGROUND | UNSURE_SOMA), labels)
    return np.where(blank, value, grey), padded.astype(np.uint8)
