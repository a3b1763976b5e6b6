"""Cell bodies: lumpy balls, pears, spindles and stars, some with a dark nucleus."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.tree import NodeType, Tree
from neurorecon.synth.render import Grid, draw_balls
from neurorecon.synth.settings import SynthSettings

__all__ = ["draw_somata"]

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]

ARMS = {"ball": 0, "pear": 1, "spindle": 2, "star": 5}  # tapers of a body
# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
TAPER = (1.2, 2.6)  # length of a taper, in radii of the body
NUCLEUS = (0.4, 0.65)  # radius of the nucleus, in radii of the body


def draw_somata(
    tree: Tree,
    low: NDArray[np.float64],
    grid: Grid,
    signal: Float,
    mask: Bool,
    *,
    rng: np.random.Generator,
    more: np.random.Generator,
    settings: SynthSettings,
) -> None:
    """Draw a lumpy body at every root of type soma into `signal` and `mask`, both of the grid's shape.

    `low` (3,) zyx is the first voxel in the tree's unit; `rng` makes the lumps, `more` shape and nucleus.
    """
    lateral = settings.voxel_size[2]
    for root in tree.roots:
        if tree.type[root] != NodeType.SOMA:
            continue
        size = settings.soma_radius_px or min(tree.radius[root] / lateral * settings.calibre, 60.0)
        size = max(size, settings.thinnest_px)
        centre = (xyz_to_zyx(tree.xyz[root]) - low) / lateral
        shift = np.concatenate([np.zeros((1, 3)), 0.35 * size * rng.uniform(-1, 1, (5, 3))])
        radius = size * np.concatenate([[0.9], rng.uniform(0.55, 0.8, 5)])
        value = settings.soma_brightness * rng.uniform(0.8, 1.1, 6)
        draw_balls(grid, centre + shift, radius, value, signal, mask=mask)
        if ARMS[settings.soma_shape]:
            points, radius = _tapers(more, size, ARMS[settings.soma_shape])
            draw_balls(grid, centre + points, radius, np.full(len(radius), value[0]), signal, mask=mask)
        if settings.soma_nucleus > 0:
            place = centre + 0.15 * size * more.uniform(-1, 1, 3)
            _darken(grid, signal, place, size * more.uniform(*NUCLEUS), settings.soma_nucleus)


def _tapers(rng: np.random.Generator, size: float, arms: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return balls (N, 3) px around the body's centre and their radii (N,): cones that thin out from it."""
    points, radii = [], []
    first = rng.standard_normal(3)
    for arm in range(arms):
        way = -first + 0.3 * rng.standard_normal(3) if arm == 1 else first if arm == 0 else rng.standard_normal(3)
        way = way / (np.linalg.norm(way) + 1e-9)
        along = np.arange(0, rng.uniform(*TAPER) * size, 0.5)
        points.append(along[:, None] * way)
        radii.append(np.maximum(0.8 * size * (1 - along / (along[-1] + 1)) ** rng.uniform(0.8, 1.5), 0.6))
    return np.concatenate(points), np.concatenate(radii)


def _darken(grid: Grid, signal: Float, centre: NDArray[np.float64], radius: float, darkness: float) -> None:
    """Take the light out of a ball; the border is a px soft."""
    at, half = (centre - grid.origin) / grid.spacing, (radius + 1) / grid.spacing
    low = np.maximum(np.floor(at - half), 0).astype(int)
    high = np.minimum(np.ceil(at + half) + 1, grid.shape).astype(int)
    if (high <= low).any():
        return
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    steps = [((g - c) * s) ** 2 for g, c, s in zip(np.ogrid[box], at, grid.spacing, strict=True)]
    cover = np.clip(radius + 0.5 - np.sqrt(steps[0] + steps[1] + steps[2]), 0, 1)
    signal[box] *= (1 - darkness * cover).astype(np.float32)
