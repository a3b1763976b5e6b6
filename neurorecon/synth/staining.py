"""How a neurite takes the dye: brightness by branch, uneven along the path, gaps, swellings, spines."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.curve import STEP_PX, Curve, smooth_noise
from neurorecon.synth.settings import SynthSettings

__all__ = ["grow_spines", "stain", "swell"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
GAP_HALF_PX = (1.0, 4.0)  # dim stretches of 2 to 8 voxels: longer ones are cut neurites
GAP_LEFT = (0.0, 0.4)  # share of the brightness left in a gap
SWELLING = (1.5, 2.6)  # radius of a bouton relative to its axon
SPINE_PX = (1.5, 4.0)  # length beyond the surface


def _events(rng: np.random.Generator, curve: Curve, per_100_px: float) -> NDArray[np.int64]:
    """Return positions along `curve.order` of a Poisson process."""
    count = rng.poisson(per_100_px * len(curve.points) * STEP_PX / 100)
    return rng.integers(0, len(curve.points), count)


def _bump(curve: Curve, centre: int, width_px: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows of one branch around position `centre`, and a Gaussian weight for each."""
    reach = int(np.ceil(3 * width_px / STEP_PX))
    rows = curve.order[max(0, centre - reach) : centre + reach + 1]
    first = max(0, centre - reach)
    rows_here = curve.branch[rows] == curve.branch[curve.order[centre]]
    away = (np.arange(first, first + len(rows)) - centre) * STEP_PX
    return rows[rows_here], np.exp(-0.5 * (away[rows_here] / width_px) ** 2)


def stain(curve: Curve, rng: np.random.Generator, settings: SynthSettings) -> NDArray[np.float64]:
    """Return the brightness of every point, (N,), around 1."""
    _, number = np.unique(curve.branch, return_inverse=True)
    level = settings.branch_spread * rng.standard_normal(int(number.max()) + 1)[number]
    along = np.empty(len(curve.points))
    along[curve.order] = settings.staining * smooth_noise(rng, len(along), settings.staining_length_px)[:, 0]
    filling = (np.median(curve.radius) / curve.radius) ** settings.membrane
    value = filling * np.exp(level + along)
    for centre in _events(rng, curve, settings.gaps):
        rows, weight = _bump(curve, int(centre), rng.uniform(*GAP_HALF_PX))
        value[rows] *= 1 - (1 - rng.uniform(*GAP_LEFT)) * weight
    return np.asarray(value)


def swell(
    curve: Curve, value: NDArray[np.float64], rng: np.random.Generator, settings: SynthSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return radius (N,) px and brightness (N,) with boutons on them."""
    radius, value, usual = curve.radius.copy(), value.copy(), float(np.median(curve.radius))
    for centre in _events(rng, curve, settings.boutons):
        own = curve.radius[curve.order[centre]]
        growth = (rng.uniform(*SWELLING) - 1) * min(own, usual)  # trunks do not swell in proportion
        rows, weight = _bump(curve, int(centre), 0.5 * (own + growth) + 0.5)
        radius[rows] = np.maximum(radius[rows], np.minimum(own + growth * weight, settings.thickest_px))
        value[rows] *= 1 + rng.uniform(0, 0.8) * weight
    return radius, value


def grow_spines(
    curve: Curve, value: NDArray[np.float64], rng: np.random.Generator, settings: SynthSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return balls of spines: points (M, 3) px, radius (M,) px, brightness (M,)."""
    points, radius, bright = [np.zeros((0, 3))], [np.zeros(0)], [np.zeros(0)]
    for centre in _events(rng, curve, settings.spines):
        row = curve.order[centre]
        axis = curve.points[row] - curve.points[curve.parent[row]]
        side = np.cross(axis, rng.standard_normal(3))
        side /= np.linalg.norm(side) + 1e-9
        far = curve.radius[row] + np.arange(0, rng.uniform(*SPINE_PX), 0.5)
        points.append(curve.points[row] + far[:, None] * side)
        head = rng.uniform(0.7, 1.1)
        radius.append(np.where(np.arange(len(far)) >= len(far) - 2, head, 0.5))
        bright.append(np.full(len(far), value[row] * rng.uniform(0.3, 0.9)))
    return np.concatenate(points), np.concatenate(radius), np.concatenate(bright)
