"""Paths of a morphology, resampled to voxel steps and bent: tracings are straight polylines, neurites are not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import children, cut_edges, heads
from neurorecon.core.tree import NodeType, Tree
from neurorecon.synth.settings import SynthSettings

__all__ = ["Curve", "bend", "resample", "smooth_noise", "thicken", "typical_radius"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
STEP_PX = 1.0  # one node a voxel: finer steps change no voxel, coarser ones cut bends
EXACT = (
    6  # decimals of a length in px: an edge of two steps has two pieces, whichever way a processor rounds its last bit
)
SMOOTHING_ROUNDS = 12  # rounds off corners of about 5 steps
# lengths of bends that stay visible after the point spread, and their amplitudes relative to `wander_px`
WANDER_LENGTHS_PX = ((10.0, 1.0), (40.0, 2.5))
LARGEST_RATIO = 4.0  # a trunk is at most so much thicker than the median neurite when radii are rescaled


@dataclass(frozen=True, slots=True)
class Curve:
    """Points along the paths of a tree, parents first.

    Attributes:
        points: (N, 3) zyx in lateral voxels (px) from the centre of the stack's first voxel.
        radius: (N,) px.
        parent: (N,) row of the parent, -1 for a root.
        branch: (N,) number of the unbranched run that the point lies on, ascending along `order`.
        kind: (N,) SWC type.
        order: (N,) rows sorted so that each branch is one contiguous stretch, from its parent to its tip.
    """

    points: NDArray[np.float64]
    radius: NDArray[np.float64]
    parent: NDArray[np.int64]
    branch: NDArray[np.int64]
    kind: NDArray[np.int64]
    order: NDArray[np.int64]


def resample(tree: Tree, points_px: NDArray[np.float64], radius_px: NDArray[np.float64]) -> Curve:
    """Lay points every `STEP_PX` along the edges of `tree`; points_px is (N, 3) zyx, radius_px (N,)."""
    up = np.where(tree.parent < 0, np.arange(len(tree)), tree.parent)
    length = np.linalg.norm(points_px - points_px[up], axis=1)  # 0 for a root
    node, place, pieces = cut_edges(np.round(length, EXACT), STEP_PX)
    last = np.cumsum(pieces) - 1  # row of each node in the result
    place += 1
    t = place / pieces[node]
    points = points_px[up][node] * (1 - t)[:, None] + points_px[node] * t[:, None]
    leaves_soma = (tree.type[up] == NodeType.SOMA) & (tree.type != NodeType.SOMA)
    # a stem is no cone as wide as its soma
    above = np.where(leaves_soma, np.minimum(radius_px, radius_px[up]), radius_px[up])
    radius = above[node] * (1 - t) + radius_px[node] * t
    parent = np.arange(len(node)) - 1
    first = place == 1
    parent[first] = np.where(tree.parent[node[first]] < 0, -1, last[up[node[first]]])
    branch = heads(parent)
    order = np.argsort(branch, kind="stable")
    return Curve(points, radius, parent=parent, branch=branch, kind=tree.type[node], order=order)


def smooth_noise(rng: np.random.Generator, count: int, length: float, columns: int = 1) -> NDArray[np.float64]:
    """Return (count, columns) noise of unit variance, correlated over `length` steps."""
    from scipy.ndimage import gaussian_filter1d

    pad = int(3 * length) + 1
    white = rng.standard_normal((count + 2 * pad, columns))
    smooth = gaussian_filter1d(white, length / 2, axis=0, truncate=3.0, mode="wrap")[pad : pad + count]
    gain = np.sqrt(2 * np.sqrt(np.pi) * length / 2) if length > 1 else 1.0
    return np.asarray(smooth * gain)


def bend(curve: Curve, rng: np.random.Generator, wander_px: float) -> Curve:
    """Round the corners and let the paths wander by `wander_px`; roots, branch points and tips stay where they are."""
    points = curve.points.copy()
    has_parent = curve.parent >= 0
    inner = np.flatnonzero(has_parent & (children(curve.parent) == 1))
    child = np.full(len(points), -1)
    child[curve.parent[has_parent]] = np.flatnonzero(has_parent)
    for _ in range(SMOOTHING_ROUNDS):
        points[inner] = 0.5 * points[inner] + 0.25 * (points[curve.parent[inner]] + points[child[inner]])
    if wander_px > 0:
        branch = curve.branch[curve.order]
        start = np.flatnonzero(np.diff(branch, prepend=-1))
        size = np.diff(np.append(start, len(branch)))
        place = np.arange(len(branch)) - np.repeat(start, size)
        end = np.repeat(size, size) - 1 - place
        for length, share in WANDER_LENGTHS_PX:
            hold = np.clip(np.minimum(place + 1, end) / length, 0, 1)[:, None]
            points[curve.order] += wander_px * share * hold * smooth_noise(rng, len(points), length, 3)
    return Curve(points, curve.radius, parent=curve.parent, branch=curve.branch, kind=curve.kind, order=curve.order)


def typical_radius(tree: Tree) -> float:
    """Return the length-weighted median radius of the neurites, in the tree's unit."""
    length = np.where(tree.type == NodeType.SOMA, 0.0, tree.edge_length)
    if length.sum() <= 0:
        return float(np.median(tree.radius))
    order = np.argsort(tree.radius)
    middle = np.searchsorted(np.cumsum(length[order]), length.sum() / 2)
    return float(tree.radius[order][middle])


def thicken(
    radius: NDArray[np.float64], typical: float, lateral: float, settings: SynthSettings
) -> NDArray[np.float64]:
    """Return radii (N,) in px: the tree's own, or scaled to `diameter_px`; always within thinnest and thickest."""
    if settings.diameter_px is None:
        wanted = radius / lateral
    else:
        wanted = np.clip(radius / typical, 1 / LARGEST_RATIO, LARGEST_RATIO) * settings.diameter_px / 2
    return np.asarray(np.clip(settings.calibre * wanted, settings.thinnest_px, settings.thickest_px))
