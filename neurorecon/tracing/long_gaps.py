"""Join pieces across long gaps where two ends face each other, like those of a neurite that fades and reappears.

A short gap is bridged to anything near by (`bridge`). A long one only between two ends that each point at the other, and
of which neither has a better aim on the other's piece; aim is better where it is near and straight ahead:

    aim = distance * (2 - cosine) ** 2

Measured on the tracings of 39 training neurons: of the pieces that face the neuron so, 9 in 10 belong to it; of those
that lie equally near and do not, 4 in 10.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.bridge import Ground, aim, children_of, end_direction, link_between, with_links, without_loops
from neurorecon.tracing.criteria import FACING, SHARE_APART
from neurorecon.tracing.skeleton import Skeleton

__all__ = ["reach"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
LEAST_PX = 10.0  # of a piece that reaches out: shorter ones have no direction


def aims(skeleton: Skeleton, spacing: NDArray[np.float64], reach_px: float) -> dict[tuple[int, int], tuple[int, float]]:
    """Return for every end and every other piece within reach the node aimed at best: (end, piece) -> (node, cosine)."""
    from scipy.spatial import cKDTree

    points, piece = skeleton.zyx * spacing, skeleton.pieces()
    children = children_of(skeleton)
    ends = np.flatnonzero((skeleton.degree == 1) & (skeleton.soma < 0))
    found: dict[tuple[int, int], tuple[int, float]] = {}
    tree = cKDTree(points)
    for end in ends.tolist():
        others = np.array(tree.query_ball_point(points[end], reach_px))
        others = others[piece[others] != piece[end]]
        if not len(others):
            continue
        vector = points[others] - points[end]
        distance = np.linalg.norm(vector, axis=1)
        cosine = vector @ end_direction(skeleton, children, end, spacing) / np.maximum(distance, 1e-9)
        worth = aim(distance, cosine)
        for other in np.unique(piece[others]).tolist():
            own = np.flatnonzero(piece[others] == other)
            best = own[worth[own].argmin()]
            found[end, other] = int(others[best]), float(cosine[best])
    return found


def facing(skeleton: Skeleton, spacing: NDArray[np.float64], reach_px: float) -> Iterator[tuple[int, int, float]]:
    """Yield (end, end of another piece, the smaller cosine of both) of ends that aim at each other."""
    piece = skeleton.pieces()
    length = skeleton.cable_of_pieces(spacing)
    found = aims(skeleton, spacing, reach_px)
    for (end, other), (node, cosine) in found.items():
        back, cosine_back = found.get((node, int(piece[end])), (-1, 0.0))
        if back != end or end > node or min(cosine, cosine_back) < FACING:
            continue
        shorter = min(length[piece[end]], length[other])
        gap = float(np.linalg.norm((skeleton.zyx[end] - skeleton.zyx[node]) * spacing))
        if shorter >= LEAST_PX and gap <= SHARE_APART * shorter:
            yield end, node, min(cosine, cosine_back)


def reach(skeleton: Skeleton, ground: Ground, reach_px: float) -> tuple[Skeleton, NDArray[np.int64]]:
    """Return the skeleton with the nodes of all links added, and all its edges (E, 2); its parents are void."""
    links = [
        link_between(ground, skeleton, a, b, cosine) for a, b, cosine in facing(skeleton, ground.spacing, reach_px)
    ]
    return with_links(skeleton, without_loops(links, skeleton), ground.spacing)
