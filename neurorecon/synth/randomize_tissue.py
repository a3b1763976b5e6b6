"""Settings of tissue, optics and processing drawn at random; ranges: those of real stacks (docs/synthesis.md) and more."""

import math
from typing import Any

import numpy as np

from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.tissue import LENGTH_PX, SLOPE, STRETCH, TAIL_PX, log_uniform

__all__ = ["BRIGHTEST_FLOOR", "LOWEST_SNR", "sometimes", "tissue_fields"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
LOWEST_SNR = 1.5  # of the reference voxel over its noise: below, an expert could not trace it either
LOWEST_IN_TISSUE = 2.5  # the same among structures, with noise that each voxel has alone
PER_NOISE_PX = 2.0  # growth of that limit by a px of correlation: the eye cannot average such noise away
BRIGHTEST_FLOOR = 0.5  # background as a share of full scale: no microscopist saturates the background
IMMERSIONS = (1.0, 1.333, 1.406, 1.47, 1.518)  # air, water, silicone, glycerol, oil
LONGEST_PLANES = 12.0  # axial width of the point spread: longer ones leave nothing to trace in a stack of 50 planes
LONGEST_PX = 24.0  # the same in px
LONGEST_TAIL = 8.0  # planes between the foci of the inner and the outer rays
NEUROPIL = 0.08  # share of stacks whose ground is lumps as bright as neurites
TRIES = 50  # draws of an objective that fits the voxels; after these the blur stays a Gaussian


def sometimes(rng: np.random.Generator, chance: float, low: float, high: float, otherwise: float = 0.0) -> float:
    """Return a number between `low` and `high` by a chance, else `otherwise`."""
    return float(rng.uniform(low, high)) if rng.uniform() < chance else otherwise


def tissue_fields(rng: np.random.Generator, base: SynthSettings) -> dict[str, Any]:
    """Return the fields that make a stack with the neuron and the voxels of `base` look like tissue under a microscope."""
    anisotropy = base.voxel_size[0] / base.voxel_size[2]
    fields = _optics(rng, anisotropy) | _camera(rng, base)
    noise = math.sqrt((fields["background"] + 0.02) / fields["photons"])
    texture = min(0.25, noise * log_uniform(rng, 0.1, 2.5)) if rng.random() < 0.85 else 0.0
    length = log_uniform(rng, *LENGTH_PX)
    if rng.random() < NEUROPIL:
        texture, length = float(rng.uniform(0.15, 0.6)), float(rng.uniform(6, LENGTH_PX[1]))
    shapes = ("ball", "pear", "spindle", "star")
    return fields | {
        "soma_shape": shapes[int(rng.integers(len(shapes)))], "soma_nucleus": sometimes(rng, 0.3, 0.3, 1.0),
        "texture": texture, "texture_length_px": length,
        "texture_stretch": log_uniform(rng, *STRETCH), "texture_slope": float(rng.uniform(*SLOPE)),
        "outside": sometimes(rng, 0.3, 0.3, 1.0), "cells": sometimes(rng, 0.25, 0.05, 0.6),
        "sheets": sometimes(rng, 0.2, 0.03, 0.3),
        "scraps": log_uniform(rng, 20, 600) if rng.random() < 0.35 else 0.0,
        "scrap_brightness": log_uniform(rng, 0.08, 0.5),
        "specks": log_uniform(rng, 30, 3000) if rng.random() < 0.8 else 0.0,
        "speck_brightness": log_uniform(rng, 0.06, 1.0), "puncta": 0.0, "blobs": 0.0,
        "tail": sometimes(rng, 0.5, 0.05, 0.5), "tail_planes": log_uniform(rng, *TAIL_PX),
    }  # fmt: skip


def _optics(rng: np.random.Generator, anisotropy: float) -> dict[str, Any]:
    """Return an objective whose point spread fits the voxels: neither below a px wide nor as long as the stack is deep."""
    kind = ("confocal", "widefield", "gaussian")[int(rng.choice(3, p=(0.7, 0.1, 0.2)))]
    for _ in range(TRIES):
        immersion, sample = float(rng.choice(IMMERSIONS)), float(rng.uniform(1.33, 1.52))
        aperture = min(log_uniform(rng, 0.3, 1.4), 0.95 * immersion, 0.95 * sample)
        wave, depth = float(rng.uniform(0.45, 0.7)), log_uniform(rng, 2, 120)
        pixel = 0.5 * wave / aperture / rng.uniform(1.0, 4.0)
        axial = 0.88 * wave / (sample - math.sqrt(sample**2 - aperture**2)) / pixel
        steep = [math.tan(math.asin(aperture / n)) for n in (sample, immersion)]
        tail = depth * abs(immersion / sample - steep[0] / steep[1]) / pixel
        if max(axial, tail * LONGEST_PLANES / LONGEST_TAIL) <= min(LONGEST_PX, LONGEST_PLANES * anisotropy):
            return {
                "optics": kind, "numerical_aperture": aperture, "immersion_index": immersion, "sample_index": sample,
                "wavelength_um": wave, "depth_um": depth, "pixel_um": float(pixel),
            }  # fmt: skip
    return {}


def _camera(rng: np.random.Generator, base: SynthSettings) -> dict[str, Any]:
    """Return light, noise and processing in one of three styles: bright tissue, a dark ground cut off, smooth volumes."""
    style = ("tissue", "dark", "smooth")[int(rng.choice(3, p=(0.55, 0.25, 0.2)))]
    level = log_uniform(rng, 0.05, 1.2) if style == "tissue" else log_uniform(rng, 0.01, 0.3)
    photons = log_uniform(rng, 100, 5000) if style == "smooth" else log_uniform(rng, 12, 1200)
    haze = sometimes(rng, 0.5, 0.0, 0.4) * min(1.0, 2 * level)
    read, gradient = float(rng.uniform(0.1, 1.2)), sometimes(rng, 0.6, 0, 1)
    smooth = 0.9 if style == "smooth" else 0.3
    noise_px = sometimes(rng, smooth, 0.3, 1.2)
    while photons / math.sqrt(photons * (1 + level + haze) + read**2) < LOWEST_IN_TISSUE * (
        1 + PER_NOISE_PX * noise_px
    ):
        photons *= 1.2
    exposure = float(rng.uniform(1.0, 2.0)) if rng.random() < 0.25 else float(rng.uniform(0.2, 0.9))
    noise = math.sqrt(level / photons + (read / photons) ** 2)
    return {
        "background": level, "photons": photons, "haze": haze, "read_noise": read, "gradient": gradient,
        "black_level": max(0.0, level + noise * rng.uniform(-1, 3.5)) if style == "dark" else 0.0,
        "clip": base.clip if style == "dark" and rng.random() < 0.3 else 0.0,
        "exposure": min(exposure, BRIGHTEST_FLOOR / (level * (1 + gradient) + 2 * haze + 1e-3)),
        "gamma": log_uniform(rng, 0.45, 1.6) if rng.random() < 0.35 else 1.0, "resample_blur_px": 0.0,
        "noise_length_px": noise_px, "noise_planes": sometimes(rng, smooth, 0.3, 1.0),
        "bleaching": sometimes(rng, 0.4, 0.1, 1.5), "bands": log_uniform(rng, 0.02, 0.4) if rng.random() < 0.7 else 0.0,
        "seam": sometimes(rng, 0.08, 0.05, 0.5), "median": int(rng.choice((0, 3, 5), p=(0.9, 0.08, 0.02))),
        "ringing": sometimes(rng, 0.12, 0.3, 1.5), "jitter_px": sometimes(rng, 0.06, 0.5, 2.0),
        "padding": sometimes(rng, 0.08, 0.03, 0.4),
    }  # fmt: skip
