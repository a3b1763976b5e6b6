"""The radius of a neurite: from its centre line to the nearest voxel that has less than half its usual evidence."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.foreground import Cloud
from neurorecon.tracing.smooth import Line

__all__ = ["radius_at"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
NOWHERE = 1e18  # a way to a known value where there is none
LEAST = 0.5  # of the shortest edge of a voxel: the radius of a single voxel


def radius_at(cloud: Cloud, line: Line, edges: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Return the radius at the nodes of `line`, (N,), in the unit of `edges` (3,), zyx, those of a voxel.

    `usual` is the evidence (0 to 1) of a centre line; the neurite ends where it has fallen to half of that. Half a
    voxel is taken off, for distances run to voxel centres and the surface lies between two of them. Where there is no
    voxel to measure in, in a gap say, the radius is interpolated between those of its ends.
    """
    from neurorecon.tracing.kernels.line_kernels import distance_to_outside

    inside = cloud.p >= max(cloud.low, usual / 2)
    voxel = line.zyx.round().astype(np.int64)
    rows = cloud.find(cloud.keys_of(voxel))
    distance = np.zeros(len(rows))
    distance_to_outside(cloud.near, inside, rows, voxel - line.zyx, edges, distance)
    radius = np.maximum(distance - 0.5 * edges.min(), LEAST * edges.min())
    return interpolated(radius, rows >= 0, line.parent, np.asarray(line.zyx * edges))


def interpolated(
    values: NDArray[np.float64], known: NDArray[np.bool_], parent: NDArray[np.int64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `values` (N,) with the unknown ones interpolated from the nearest known ones up and down the tree.

        value = (above * way down + below * way up) / (way up + way down)

    If only one of both is known, it is taken; if none is, the value is not changed.
    """
    way = np.linalg.norm(points - points[parent], axis=1)
    above, up = values.copy(), np.where(known, 0.0, NOWHERE)
    below, down = values.copy(), up.copy()
    for node in np.flatnonzero(~known & (parent >= 0)):
        above[node], up[node] = above[parent[node]], up[parent[node]] + way[node]
    for node in np.flatnonzero((parent >= 0) & ~known[parent])[::-1]:
        if down[node] + way[node] < down[parent[node]]:
            below[parent[node]], down[parent[node]] = below[node], down[node] + way[node]
    return np.asarray(above + up / np.maximum(up + down, 1e-9) * (below - above))
