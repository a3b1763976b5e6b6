"""The position of the stack in the morphology: around all of it, or a window of a given shape."""

import math

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.tree import NodeType, Tree
from neurorecon.synth.settings import SynthSettings

__all__ = ["fit_voxel_size", "lay_window", "near_window"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
LARGEST_VOXELS = 1_000_000_000  # 1e9 voxels take 12 GB while rendering
REACH_PX = 25.0  # neurites this far outside still throw light into the window
JITTER = 0.3  # a window's centre is off its neurite by up to this share of its lengths


def _random_point(tree: Tree, points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a point (3,) on the tree, every piece of cable equally likely."""
    weight = tree.edge_length
    if weight.sum() <= 0:
        return np.asarray(points[rng.integers(len(points))])
    node = rng.choice(len(points), p=weight / weight.sum())
    return np.asarray(points[node] + rng.uniform() * (points[tree.parent[node]] - points[node]))


def lay_window(
    tree: Tree, settings: SynthSettings, rng: np.random.Generator
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Return the centre of the stack's first voxel (3,) zyx in the tree's unit, and the stack's shape.

    Raises:
        InputError: if the tree has no nodes.
        SettingsError: if the whole morphology needs too many voxels.
    """
    if not len(tree):
        raise InputError("the morphology has no nodes; nothing can be rendered")
    size = np.array(settings.voxel_size)
    points = xyz_to_zyx(tree.xyz)
    if settings.crop_zyx is None:
        rim = settings.margin_px * size[2] + tree.radius.max() * settings.calibre
        low, high = points.min(0) - rim, points.max(0) + rim
        counts = np.ceil((high - low) / size) + 1
        if counts.prod() > LARGEST_VOXELS:
            wanted = "x".join(f"{c:.0f}" for c in counts)
            raise SettingsError(
                f"the stack would have {wanted} voxels; give a larger voxel size than "
                f"{','.join(f'{v:g}' for v in size)}, or crop_zyx"
            )
        return low, (int(counts[0]), int(counts[1]), int(counts[2]))
    shape = np.array(settings.crop_zyx)
    somata = np.flatnonzero((tree.parent < 0) | (tree.type == NodeType.SOMA))
    centre = points[rng.choice(somata)] if settings.crop_at == "soma" else _random_point(tree, points, rng)
    centre = centre + JITTER * rng.uniform(-1, 1, 3) * shape * size
    z, y, x = settings.crop_zyx
    return centre - 0.5 * (shape - 1) * size, (z, y, x)


def near_window(tree: Tree, low: NDArray[np.float64], high: NDArray[np.float64], rim: float) -> Tree:
    """Return the part of `tree` whose edges come within `rim` of the box low..high (3,) zyx, all in the tree's unit."""
    points = xyz_to_zyx(tree.xyz)
    up = np.where(tree.parent < 0, np.arange(len(tree)), tree.parent)
    first, last = np.minimum(points, points[up]), np.maximum(points, points[up])
    touches = np.asarray(((last >= low - rim) & (first <= high + rim)).all(1))
    keep = touches.copy()
    keep[tree.parent[touches & (tree.parent >= 0)]] = True
    return tree.take(np.flatnonzero(keep))


def fit_voxel_size(
    tree: Tree,
    crop_zyx: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    anisotropy: float = 2.0,
    cable_px: float = 800.0,
    coarsest: float = math.inf,
) -> tuple[float, float, float]:
    """Return the voxel size (zyx, in the tree's unit) at which a window around a neurite holds about `cable_px` of it.

    The lateral size is searched between a hundredth and thrice the median extent over the window's width; `anisotropy`
    is the axial by the lateral size, `coarsest` the largest lateral size allowed.
    """
    points, length = xyz_to_zyx(tree.xyz), tree.edge_length
    middle = 0.5 * (points + points[np.where(tree.parent < 0, np.arange(len(tree)), tree.parent)])
    half = 0.5 * np.array(crop_zyx) * (anisotropy, 1.0, 1.0)
    widest = max(float(np.ptp(points, axis=0).max()), 1e-6) / max(crop_zyx)
    sizes = np.geomspace(0.01 * widest, 3 * widest, 40)
    cable = np.zeros(len(sizes))
    for _ in range(8):
        away = (np.abs(middle - _random_point(tree, points, rng)) / half).max(1)
        order = np.argsort(away)
        inside = np.searchsorted(away[order], sizes)
        cable += np.append(0.0, np.cumsum(length[order]))[inside] / sizes / 8
    lateral = min(coarsest, float(sizes[np.argmin(np.abs(np.log(np.maximum(cable, 1e-9) / cable_px)))]))
    return anisotropy * lateral, lateral, lateral
