"""The radius of a neurite: from its centre line to the nearest voxel that has less than half its usual evidence."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.trace.cloud import Cloud

__all__ = ["radius_at"]

LEAST = 0.5  # of the shortest edge of a voxel: what a single voxel is


def radius_at(cloud: Cloud, zyx: NDArray[np.float64], edges: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Return the radius at points (N, 3) in voxels, in the unit of `edges` (3,), zyx, those of a voxel.

    `usual` is the evidence (0 to 1) of a centre line; the neurite ends where it has fallen to half of that. Half a
    voxel is taken off, for distances run to voxel centres and the surface lies between two of them.
    """
    from neurorecon.trace.line_kernels import distance_to_outside, distance_to_rim

    inside = cloud.p >= max(cloud.low, usual / 2)
    voxel = zyx.round().astype(np.int64)
    keys = cloud.keys_of(voxel)
    rows = cloud.find(keys)
    distance = np.empty(len(zyx))
    distance_to_outside(cloud.near, inside, rows, voxel - zyx, edges, distance)
    gap = np.flatnonzero(rows < 0)
    table = cloud.key, cloud.zyx, cloud.near
    distance[gap] = distance_to_rim(table, inside, keys[gap], cloud.strides, zyx[gap], edges)
    return np.asarray(np.maximum(distance - 0.5 * edges.min(), LEAST * edges.min()), np.float64)
