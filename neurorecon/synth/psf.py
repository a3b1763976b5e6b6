"""Point spread functions from optics, one-sided tails included. After Gibson and Lanni 1992, JOSA A 9, 154.

Light of a point at depth d in a sample of index n_s, seen through an immersion of index n_i, crosses the pupil at the
relative radius p with a path that differs from the ideal one by

    W(p, z) = n_s d sqrt(1 - (NA p / n_s)^2) + n_i (z - d n_i / n_s) sqrt(1 - (NA p / n_i)^2)

where z is the way of the stage from the paraxial focus. At a lateral distance r it gives the amplitude

    h(r, z) = integral over p from 0 to 1 of J0(k NA r p) exp(i k W(p, z)) p dp,   k = 2 pi / wavelength

and the intensity |h|^2. Li, Xue and Blu 2017 (JOSA A 34, 1029) expand the integrand in Bessel functions for speed; here one
matrix product of a Gauss-Legendre rule is enough (a few milliseconds), because h is needed on a line of radii alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.settings import SynthSettings

__all__ = ["Optics", "convolve", "gibson_lanni", "point_spread"]

Float = NDArray[np.float32]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
NODES = 256  # of the pupil integral: enough for 60 waves of aberration, more than any setting gives
WIDEST_RAY = 0.98  # of the smaller index: steeper rays are reflected at the border to the sample
FAINTEST = 0.01  # on the axis, relative to the focus: dimmer planes are left out
MOST_PLANES = 16  # on either side of the focus
MOST_PX = 14  # lateral reach
SUB_PIXELS = 3  # a pixel averages the light that falls on it
SEARCH_UM = 0.1  # step of the search for the focus


@dataclass(frozen=True, slots=True)
class Optics:
    """An objective above a sample.

    Attributes:
        aperture: numerical aperture.
        immersion: refractive index that the objective is made for.
        sample: refractive index of the tissue.
        depth: of the point below the cover glass, um.
        wavelength: in vacuum, um.
    """

    aperture: float
    immersion: float
    sample: float
    depth: float
    wavelength: float


def gibson_lanni(optics: Optics, radius: NDArray[np.float64], height: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intensity (Z, R) at distances `radius` (R,) from the axis and stage positions `height` (Z,), in um.

    Heights count from the paraxial focus.
    The scale is such that the focus of a point without aberration has intensity 1.
    """
    from scipy.special import j0

    node, weight = np.polynomial.legendre.leggauss(NODES)
    pupil, weight = 0.5 * (node + 1), 0.5 * weight
    aperture = min(optics.aperture, WIDEST_RAY * min(optics.sample, optics.immersion))
    k = 2 * np.pi / optics.wavelength
    cosine_sample = np.sqrt(1 - (aperture * pupil / optics.sample) ** 2)
    cosine_immersion = np.sqrt(1 - (aperture * pupil / optics.immersion) ** 2)
    way = height[:, None] - optics.depth * optics.immersion / optics.sample
    path = optics.sample * optics.depth * cosine_sample + optics.immersion * way * cosine_immersion
    rays = j0(k * aperture * radius[None] * pupil[:, None]) * (2 * weight * pupil)[:, None]
    return np.asarray(np.abs(np.exp(1j * k * path) @ rays) ** 2)


def point_spread(settings: SynthSettings) -> Float:
    """Return the point spread (Z, Y, X) of sum 1 on the planes of the stack, odd lengths, the focus in the middle."""
    if settings.optics == "gaussian":
        return _gaussian(settings)
    optics = Optics(
        settings.numerical_aperture, settings.immersion_index, settings.sample_index, settings.depth_um,
        settings.wavelength_um,
    )  # fmt: skip
    step = settings.pixel_um * settings.voxel_size[0] / settings.voxel_size[2]
    power = 2 if settings.optics == "confocal" else 1  # the pinhole: excitation times emission
    focus = _focus(optics, step)
    height = np.asarray(focus + step * np.arange(-MOST_PLANES, MOST_PLANES + 1), np.float64)
    axis = gibson_lanni(optics, np.zeros(1), height)[:, 0] ** power
    seen = np.flatnonzero(axis >= FAINTEST * axis[MOST_PLANES])
    reach = max(MOST_PLANES - int(seen[0]), int(seen[-1]) - MOST_PLANES)
    height = height[MOST_PLANES - reach : MOST_PLANES + reach + 1]
    pixel = (
        np.arange(-(MOST_PX * SUB_PIXELS + SUB_PIXELS // 2), MOST_PX * SUB_PIXELS + SUB_PIXELS // 2 + 1) / SUB_PIXELS
    )
    away = np.hypot(pixel[:, None] * settings.voxel_size[1] / settings.voxel_size[2], pixel[None])
    line = np.arange(0, away.max() + 1, 1 / SUB_PIXELS)
    profile = gibson_lanni(optics, line * settings.pixel_um, height) ** power
    side = 2 * MOST_PX + 1
    planes = [np.interp(away, line, p).reshape(side, SUB_PIXELS, side, SUB_PIXELS).mean((1, 3)) for p in profile]
    spread = np.asarray(planes)
    return np.asarray(spread / spread.sum(), np.float32)


def _gaussian(settings: SynthSettings) -> Float:
    """Return the point spread of the two sigmas of the settings."""
    spread = np.ones((1, 1, 1))
    sigmas = (settings.psf_axial_px, settings.psf_lateral_px, settings.psf_lateral_px)
    for axis, sigma in enumerate(sigmas):
        step = settings.voxel_size[axis] / settings.voxel_size[2]
        reach = int(np.ceil(3 * sigma / step))
        profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / max(sigma, 1e-3)) ** 2)
        spread = spread * profile.reshape([-1 if a == axis else 1 for a in range(3)])
    return np.asarray(spread / spread.sum(), np.float32)


def _focus(optics: Optics, step: float) -> float:
    """Return the stage position of the brightest plane; aberration moves it away from the paraxial focus at 0."""
    reach = 3 * step + 2 * optics.depth * abs(optics.immersion / optics.sample - 1) + 5
    height = np.arange(-reach, reach, SEARCH_UM)
    return float(height[np.argmax(gibson_lanni(optics, np.zeros(1), height)[:, 0])])


def convolve(light: Float, spread: Float) -> Float:
    """Return light (Z, Y, X) through a point spread of odd lengths; nothing shines beyond the block."""
    from scipy.signal import fftconvolve, oaconvolve

    # a large stack block by block, so that memory stays near that of the stack
    fold = oaconvolve if light.size > 64 * spread.size and light.size > 1 << 24 else fftconvolve
    return np.asarray(np.maximum(fold(light, spread, mode="same"), 0), np.float32)
