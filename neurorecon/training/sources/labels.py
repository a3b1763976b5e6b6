"""Labels of the voxels of a stack from a morphology."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import cut_edges
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.tree import NodeType, Tree

__all__ = ["BACKGROUND", "CENTRE", "IGNORE", "NEURITE", "SOMA", "UNSURE_SOMA", "label_tree"]

# Set by hand; not tuned, unless a line says more.
BACKGROUND, NEURITE, IGNORE, CENTRE = 0, 1, 2, 3  # of the two lowest bits
SOMA, UNSURE_SOMA = 4, 8  # bits added to them

# Set by hand; not tuned, unless a line says more.
TUBE_RADIUS = 1.5  # voxels: a neurite is at least this thick in the target, however faint
RIM_RADIUS = 2.9  # voxels: the loss ignores the voxels between tube and rim, as no tracing is more exact
RIM_BEYOND = 1.5  # voxels beyond the traced radius that the loss ignores
LARGEST_RADIUS = 10.0  # voxels; larger radii in tracings are somata
SOMA_RADIUS = 6.0  # voxels: a smaller ball at the root of a tracing is a starting point, not a cell body
SOMA_DOUBT = 14.0  # voxels around a root that may be soma or neurite
STEP = 0.5  # voxels between points along an edge, at most: a tube without gaps


def sample_edges(tree: Tree) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (M, 3) zyx at most 0.5 apart along all edges, nodes included, and their radii (M,)."""
    child = np.flatnonzero(tree.parent >= 0)
    zyx = xyz_to_zyx(tree.xyz)
    a, b = zyx[child], zyx[tree.parent[child]]
    row, number, count = cut_edges(np.linalg.norm(b - a, axis=1), STEP)
    t = (number / count[row])[:, None]
    points = np.concatenate([a[row] + t * (b - a)[row], zyx[tree.roots]])
    ra, rb = tree.radius[child], tree.radius[tree.parent[child]]
    return points, np.concatenate([ra[row] + t[:, 0] * (rb - ra)[row], tree.radius[tree.roots]])


def label_tree(tree: Tree, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return labels (Z, Y, X) of a stack of `shape` whose truth is `tree`, in voxel units.

    Low bits: BACKGROUND, NEURITE (tube of radius 1.5), IGNORE (rim) or CENTRE (on the centre line, also neurite).
    Bits SOMA (inside a traced cell body) and UNSURE_SOMA (near a root of unknown kind).
    """
    labels = np.zeros(shape, np.uint8)
    points, radius = sample_edges(tree)
    radius = np.clip(radius, 0, LARGEST_RADIUS)
    for r in np.unique(np.ceil(radius)):  # the balls of one radius at a time: one offset table for all their points
        here = points[np.ceil(radius) == r]
        _mark(labels, here, max(RIM_RADIUS, float(r) + RIM_BEYOND), IGNORE)
    _mark(labels, points, TUBE_RADIUS, NEURITE)
    inside = np.round(points).astype(int)
    inside = inside[((inside >= 0) & (inside < shape)).all(1)]
    labels[tuple(inside.T)] = CENTRE
    for root in tree.roots:
        real = tree.type[root] == NodeType.SOMA and tree.radius[root] >= SOMA_RADIUS
        reach = tree.radius[root] if real else max(SOMA_DOUBT, tree.radius[root])
        _add_bit(labels, xyz_to_zyx(tree.xyz[root]), float(reach), SOMA if real else UNSURE_SOMA)
    return labels


def _mark(labels: NDArray[np.uint8], points: NDArray[np.float64], reach: float, value: int) -> None:
    """Set `value` at all voxels within `reach` of a point."""
    n = int(np.ceil(reach + 0.5))
    grid = np.mgrid[-n : n + 1, -n : n + 1, -n : n + 1].reshape(3, -1).T
    base = np.round(points).astype(int)
    for offset in grid[np.linalg.norm(grid, axis=1) <= reach + 0.87]:
        voxel = base + offset
        keep = (np.linalg.norm(voxel - points, axis=1) <= reach) & ((voxel >= 0) & (voxel < labels.shape)).all(1)
        labels[tuple(voxel[keep].T)] = value


def _add_bit(labels: NDArray[np.uint8], centre: NDArray[np.float64], reach: float, bit: int) -> None:
    """Add `bit` at all voxels within `reach` of `centre` (zyx)."""
    low = np.maximum(np.floor(centre - reach).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach).astype(int) + 1, labels.shape)
    if (high <= low).any():
        return
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    z, y, x = np.ogrid[box]
    ball = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= reach**2
    labels[box][ball] |= np.uint8(bit)
