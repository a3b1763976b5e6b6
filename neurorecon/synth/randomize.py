"""Settings for training, drawn at random from ranges wider than those of any one microscope."""

import dataclasses
from typing import Any

import numpy as np

from neurorecon.core.tree import Tree
from neurorecon.synth.randomize_tissue import BRIGHTEST_FLOOR, LOWEST_SNR, sometimes, tissue_fields
from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.tissue import log_uniform
from neurorecon.synth.window import fit_voxel_size

__all__ = ["randomized"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
STREAM = 2  # of the choices of the tissue
TWIG_DIAMETERS = 5.0  # length of the mean twig at least: with less, arbours become lumps that cannot be traced
TISSUE = (
    0.5  # share of the stacks that look like tissue; the rest is the neuron on an even ground, noise of any strength
)


def _anisotropy(rng: np.random.Generator) -> float:
    kind = rng.choice(3, p=(0.25, 0.5, 0.25))
    return (1.0, float(rng.uniform(1, 3.5)), float(rng.uniform(3, 6)))[kind]


def _diameter(rng: np.random.Generator) -> float:
    """Return a neurite diameter of 1 to 12 px, mostly 2 to 5."""
    return float(np.clip(np.exp(rng.normal(np.log(2.8), 0.45)), 1, 12))


def randomized(
    rng: np.random.Generator, tree: Tree | None = None, *, crop_zyx: tuple[int, int, int] | None = None
) -> SynthSettings:
    """Return settings for a training stack: thickness, optics, light, noise and camera all vary widely.

    Args:
        rng: source of every choice, the seed of the settings included.
        tree: the morphology that will be rendered; with a `crop_zyx`, the voxel size is fitted to it so that the window
            holds a good deal of neurite. None keeps a lateral size of 0.5.
        crop_zyx: shape of the window; None renders the whole.
    """
    anisotropy, diameter = _anisotropy(rng), _diameter(rng)
    size = (0.5 * anisotropy, 0.5, 0.5)
    if tree is not None and crop_zyx is not None:
        cable = log_uniform(rng, 400, 3000) * np.prod(crop_zyx) / 1e6 * min(1.5, 3 / diameter)
        twig = tree.cable_length / max(1, len(tree.tips) + len(tree.branch_points))
        size = fit_voxel_size(
            tree, crop_zyx, rng, anisotropy=anisotropy, cable_px=cable, coarsest=twig / (TWIG_DIAMETERS * diameter)
        )
    light = _light(rng)
    lateral = float(rng.uniform(0.5, 1.5)) if diameter < 4 else float(rng.uniform(0.6, 2.5))
    base = SynthSettings(
        seed=int(rng.integers(2**31)), voxel_size=size, crop_zyx=crop_zyx,
        crop_at="soma" if rng.uniform() < 0.25 else "neurite",
        wander_px=float(rng.uniform(0.3, 1.5)), diameter_px=diameter, thinnest_px=0.5,
        thickest_px=max(6.0, 1.5 * diameter), membrane=float(rng.uniform(0, 1)),
        soma_radius_px=log_uniform(rng, max(4.0, 1.2 * diameter), 20.0), soma_brightness=float(rng.uniform(0.7, 2.5)),
        branch_spread=float(rng.uniform(0.05, 0.45)), staining=float(rng.uniform(0.1, 0.5)),
        staining_length_px=log_uniform(rng, 4, 40), gaps=sometimes(rng, 0.7, 0, 1.5),
        boutons=sometimes(rng, 0.6, 0, 6), spines=sometimes(rng, 0.2, 0, 8),
        neighbours=int(rng.integers(1, 5)) if rng.uniform() < 0.15 else 0,
        neighbour_brightness=float(rng.uniform(0.2, 0.8)),
        out_of_focus=int(rng.integers(1, 5)) if rng.uniform() < 0.2 else 0,
        puncta=log_uniform(rng, 1, 120) if rng.uniform() < 0.7 else 0.0, blobs=sometimes(rng, 0.3, 0, 10),
        psf_lateral_px=lateral, psf_axial_px=lateral * float(rng.uniform(1.2, 3.2)),
        blur_growth=sometimes(rng, 0.3, 1, 1.6, 1.0), attenuation=sometimes(rng, 0.4, 0, 0.5), **light,
    )  # fmt: skip
    more = np.random.default_rng([base.seed, STREAM])  # a stream of its own: the other half does not change
    return dataclasses.replace(base, **tissue_fields(more, base)) if more.random() < TISSUE else base


def _light(rng: np.random.Generator) -> dict[str, Any]:
    """Return the fields of background, noise and camera; photons are raised where the signal would drown."""
    photons = log_uniform(rng, 2, 200)
    level = sometimes(rng, 0.85, 0.0, 0.5) ** 1.5
    haze = sometimes(rng, 0.6, 0.0, 0.4) * float(rng.uniform(0.2, 1))
    read = float(rng.uniform(0.1, 1.2))
    while photons / np.sqrt(photons * (1 + level + haze) + read**2) < LOWEST_SNR:
        photons *= 1.2
    exposure = float(rng.uniform(1.0, 2.0)) if rng.uniform() < 0.25 else float(rng.uniform(0.15, 0.9))
    gradient = sometimes(rng, 0.5, 0, 1)
    depth = int(rng.choice((8, 12, 16), p=(0.65, 0.2, 0.15)))
    return {
        "photons": photons, "background": level, "haze": haze, "read_noise": read,
        "gradient": gradient, "stripes": sometimes(rng, 0.2, 0, 0.1),
        "flicker": sometimes(rng, 0.4, 0, 0.1), "resample_blur_px": sometimes(rng, 0.25, 0.4, 1.0),
        "gamma": sometimes(rng, 0.25, 0.6, 1.3, 1.0),
        "exposure": min(exposure, BRIGHTEST_FLOOR / (level * (1 + gradient) + 2 * haze + 1e-3)),
        "offset": sometimes(rng, 0.5, 0, 20 if depth == 8 else 200),
        "clip": sometimes(rng, 0.25, 0.04, 0.2), "bit_depth": depth,
    }  # fmt: skip
