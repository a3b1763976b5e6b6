"""The radius of a neurite: from its centre line to the nearest voxel that has less than half its usual evidence."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.trace.cloud import OFFSETS, Cloud

__all__ = ["radius_at"]

LEAST = 0.5  # of the shortest edge of a voxel: what a single voxel is


def radius_at(cloud: Cloud, zyx: NDArray[np.float64], edges: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Return the radius at points (N, 3) in voxels, in the unit of `edges` (3,), zyx, those of a voxel.

    `usual` is the evidence (0 to 1) of a centre line; the neurite ends where it has fallen to half of that. Half a
    voxel is taken off, for distances run to voxel centres and the surface lies between two of them.
    """
    from scipy.spatial import cKDTree

    inside = np.append(cloud.p >= max(cloud.low, usual / 2), False)
    rim = [cloud.zyx[~inside[:-1]]]
    for k in np.flatnonzero(np.abs(OFFSETS).sum(1) == 1):
        missing = inside[:-1] & (cloud.near[:, k] == len(cloud))
        rim.append(cloud.zyx[missing] + OFFSETS[k])
    outside = np.unique(np.concatenate(rim), axis=0) * edges
    distance, _ = cKDTree(outside).query(zyx * edges)
    return np.asarray(np.maximum(distance - 0.5 * edges.min(), LEAST * edges.min()), np.float64)
