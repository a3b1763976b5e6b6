"""Bright structures that are not the neuron: fibres of other neurons, puncta, autofluorescent cells."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.curve import smooth_noise
from neurorecon.synth.render import Grid, draw_balls
from neurorecon.synth.settings import SynthSettings

__all__ = ["draw_fibres", "draw_spots"]

Float = NDArray[np.float32]


def _extent(grid: Grid) -> NDArray[np.float64]:
    return np.asarray(grid.shape * grid.spacing)


def _fibre(rng: np.random.Generator, extent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (N, 3) px, one a px, of a smooth path through the box."""
    count = int(rng.uniform(0.5, 1.5) * extent.max()) + 8
    heading = rng.standard_normal(3) * (0.5, 1, 1) + 0.8 * smooth_noise(rng, count, rng.uniform(10, 60), 3)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
    path = np.cumsum(heading, axis=0)
    return np.asarray(path - path[count // 2] + rng.uniform(0, 1, 3) * extent)


def draw_fibres(
    grid: Grid,
    rng: np.random.Generator,
    count: int,
    radius_px: float,
    brightness: float,
    *,
    signal: Float,
    mask: NDArray[np.bool_] | None = None,
) -> None:
    """Draw `count` fibres of about `radius_px`, unevenly stained around `brightness`."""
    for _ in range(count):
        path = _fibre(rng, _extent(grid))
        thick = np.full(len(path), max(0.5, radius_px * rng.uniform(0.5, 1.2)))
        value = brightness * rng.uniform(0.4, 1.2) * np.exp(0.3 * smooth_noise(rng, len(path), 12)[:, 0])
        draw_balls(grid, path + grid.origin, thick, value, signal, mask=mask)


def draw_spots(grid: Grid, rng: np.random.Generator, settings: SynthSettings, signal: Float) -> None:
    """Draw puncta and soft cells; their numbers are per million voxels of the stack."""
    million = np.prod(grid.shape) / grid.fold / 1e6
    count = rng.poisson(settings.puncta * million)
    at = rng.uniform(0, 1, (count, 3)) * _extent(grid) + grid.origin
    draw_balls(grid, at, rng.uniform(0.6, 1.8, count), np.exp(0.5 * rng.standard_normal(count)), signal)
    count = rng.poisson(settings.blobs * million)
    at = rng.uniform(0, 1, (count, 3)) * _extent(grid) + grid.origin
    size, value = rng.uniform(3, 9, count), rng.uniform(0.05, 0.35, count)
    for shell in (1.0, 0.75, 0.5):  # soft border: brighter towards the middle
        draw_balls(grid, at, size * shell, value * (1.4 - shell), signal)
