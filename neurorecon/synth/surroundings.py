"""The tissue of one stack as its settings state it: diffuse light, structures that are no neurites, shading, padding.

All random choices come from a generator of its own, so that the bytes of a stack without tissue do not depend on it.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.optics import smooth_field
from neurorecon.synth.psf import convolve
from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.tissue import axial_tail, cells, scraps, sheets, specks, texture, tissue_edge

__all__ = ["add_tissue", "needs_spread", "padded", "tissue_generator"]

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]
Shape = tuple[int, int, int]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
STREAM = 1  # of the generator of the tissue beside that of the neuron
BAND_PLANES = 6.0  # over which the light of planes drifts
TAIL_OVERLAP = (
    0.5  # share of the light in a tail that a neurite gets back from the tails of its own neighbours: chosen by eye
)
SHADE_PX = 15.0  # over which a tile darkens towards its border


def tissue_generator(settings: SynthSettings) -> np.random.Generator:
    """Return the generator of the tissue: another stream than that of the neuron."""
    return np.random.default_rng([settings.seed, STREAM])


def add_tissue(
    light: Float, diffuse: Float, spread: Float | None, rng: np.random.Generator, settings: SynthSettings
) -> Float:
    """Return the light of the whole scene, (Z, Y, X), in shares of the reference.

    Args:
        light: of the neuron, through the optics; it is added to in place.
        diffuse: background without structure.
        spread: the point spread of the stack; None where no setting needs it.
        rng: source of every choice.
        settings: which tissue.
    """
    shape = (light.shape[0], light.shape[1], light.shape[2])
    if spread is not None:
        light += convolve(_structures(rng, shape, spread, settings), spread)
    if settings.tail > 0:
        light = axial_tail(light, rng, strength=settings.tail / (1 - settings.tail), planes=settings.tail_planes)
        light *= np.float32(1 - TAIL_OVERLAP * settings.tail)
    light += diffuse
    if settings.texture > 0:
        drawn = {"length_px": settings.texture_length_px, "slope": settings.texture_slope}
        light += np.float32(settings.texture) * texture(rng, shape, stretch=settings.texture_stretch, **drawn)
    if settings.outside > 0:
        light -= np.float32(settings.outside) * (1 - tissue_edge(rng, shape)) * np.minimum(light, diffuse)
    light *= _shading(rng, shape, settings)
    return light


def needs_spread(settings: SynthSettings) -> bool:
    """Return whether any structure has to be convolved with the point spread."""
    return max(settings.cells, settings.sheets, settings.scraps, settings.specks) > 0


def padded(rng: np.random.Generator, shape: Shape, settings: SynthSettings) -> Bool | None:
    """Return the voxels (Z, Y, X) of a rim that holds nothing, one side of a plane, level or tilted; None without padding."""
    if settings.padding <= 0:
        return None
    slope = np.zeros(3)
    if rng.random() < 0.5:
        slope[int(rng.integers(3))] = rng.choice((-1.0, 1.0))
    else:
        slope[1:] = rng.standard_normal(2)  # stacks that were rotated around the optical axis
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    along = np.asarray(sum(s * g for s, g in zip(slope, grid, strict=True))) + np.zeros(shape)
    return np.asarray(along > np.quantile(along, 1 - settings.padding))


def _structures(rng: np.random.Generator, shape: Shape, spread: Float, settings: SynthSettings) -> Float:
    """Return cells, sheets, scraps and specks before the optics, so scaled that a lone one keeps its brightness after them."""
    light = np.zeros(shape, np.float32)
    if settings.cells > 0:
        light += np.float32(settings.cells) * cells(rng, shape)
    if settings.sheets > 0:
        light += np.float32(settings.sheets) * sheets(rng, shape)
    middle = spread[len(spread) // 2]
    if settings.scraps > 0:
        vz, vy, vx = settings.voxel_size
        bits = scraps(rng, shape, settings.scraps, (vz / vx, vy / vx, 1.0))
        light += np.float32(settings.scrap_brightness) / middle[len(middle) // 2].sum() * bits
    if settings.specks > 0:
        dots = specks(rng, shape, settings.specks)
        light += np.float32(settings.speck_brightness) / spread.max() * dots
    return light


def _shading(rng: np.random.Generator, shape: Shape, settings: SynthSettings) -> Float:
    """Return the gain of light by place, to be broadcast to (Z, Y, X): bleaching, bands of planes, a tile seam."""
    depth = np.linspace(0, 1, shape[0])
    log_gain = -settings.bleaching * (depth if rng.random() < 0.5 else 1 - depth)[:, None, None]
    if settings.bands > 0:
        log_gain = log_gain + settings.bands * _bands(rng, shape[0])[:, None, None]
    gain = np.exp(log_gain)
    if settings.seam > 0:
        axis = int(rng.integers(1, 3))
        at = np.arange(shape[axis]) - rng.uniform(0.15, 0.85) * shape[axis]
        step = np.where(at > 0, 1.0, 1 - settings.seam * rng.uniform(0.2, 1))
        step *= 1 - settings.seam * np.exp(-np.abs(at) / SHADE_PX) * (at > 0)
        gain = gain * step.reshape([-1 if a == axis else 1 for a in range(3)])
    return np.asarray(gain, np.float32)


def _bands(rng: np.random.Generator, planes: int) -> NDArray[np.float64]:
    """Return (Z,) of about unit variance: drift over some planes, steps, and each plane by itself."""
    drift = smooth_field(rng, (planes, 1, 1), (BAND_PLANES * float(rng.uniform(0.5, 3)), 1.0, 1.0))[:, 0, 0]
    steps = np.zeros(planes)
    for at in rng.integers(0, planes, int(rng.integers(0, 4))):
        steps[at:] += rng.standard_normal()
    mixed = drift + steps - steps.mean() + rng.uniform(0, 0.7) * rng.standard_normal(planes)
    return np.asarray(mixed / np.sqrt(2.0))
