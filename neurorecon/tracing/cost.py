"""The cost of a step through the foreground: low on the centre line of strong evidence, high at its rim.

    cost(v) = (depth / most depth near by * evidence / most evidence near by) ** -SHARPNESS * (most evidence near by) ** -TRUST

depth: the distance to the background. evidence: the probability, smoothed over the 26 neighbours. Both are divided by their
largest value near by, so that thin and thick, bright and faint neurites have an equally clear centre line. TEASAR (Sato
et al. 2000, section 4.3) divides by the largest value of the whole object, so thin neurites beside a soma have no clear centre
line. The last factor compares neurites with each other. It is mild: a path does not leave a faint neurite for a long detour.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.foreground import Cloud, Float32s

__all__ = ["ALONG_X", "ALONG_Y", "ALONG_Z", "centrality_of", "depth_of", "smooth_evidence", "travel_cost"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
SHARPNESS = 8.0  # power of 1 / centrality: halfway from the centre line to the surface a step costs 256 times as much
TRUST = 4.0  # power of 1 / evidence: where the largest evidence near by is a half, a step costs 16 times as much
REACH = 3  # voxels: range of the local maximum of depth and evidence
ALONG_Z, ALONG_Y, ALONG_X = 21, 15, 13  # of OFFSETS
FLOOR = 0.03  # cost stays finite, and small steps are not lost beside it in a float64


def depth_of(cloud: Cloud) -> Float32s:
    """Return each voxel's distance to the nearest background voxel, (N,), in units of the shortest edge.

        depth(v) ** 2 = min over z' of (z - z') ** 2 + min over y' of (y - y') ** 2 + min over x' of (x - x') ** 2

    over the background (Saito and Toriwaki 1994), axis by axis from voxel to voxel of the cloud: exact, and 40 times
    as quick as a search tree over its surface. The time grows with the number of voxels and their depth.
    """
    from neurorecon.tracing.kernels.voxel_kernels import nearest_along_a_row, nearest_along_columns

    along_x, along_y = np.empty(len(cloud)), np.empty(len(cloud))
    nearest_along_a_row(cloud.near, cloud.spacing[2], along_x)
    nearest_along_columns(cloud.near, ALONG_Y, cloud.spacing[1], along_x, along_y)
    nearest_along_columns(cloud.near, ALONG_Z, cloud.spacing[0], along_y, along_x)
    return np.sqrt(along_x).astype(np.float32)


def smooth_evidence(cloud: Cloud) -> Float32s:
    """Return the probability averaged over the 27 neighbours with weights exp(-distance^2 / 2), absent ones as 0, (N,)."""
    from neurorecon.tracing.kernels.voxel_kernels import weighted_beside

    weights = np.exp(-(cloud.step_lengths**2) / 2)
    total = np.empty_like(cloud.p)
    weighted_beside(cloud.near, np.append(cloud.p, np.float32(0)), weights.astype(np.float32), total)
    return np.asarray(total / np.float32(1 + weights.sum()), np.float32)


def largest_near(cloud: Cloud, value: Float32s, reach: int = REACH) -> Float32s:
    """Return the largest value (0 or more) within `reach` steps of every voxel, (N,)."""
    from neurorecon.tracing.kernels.voxel_kernels import largest_beside

    padded, further = np.append(value, np.float32(0)), np.zeros(len(value) + 1, np.float32)
    for _ in range(reach):
        largest_beside(cloud.near, padded, further)
        padded, further = further, padded
    return padded[:-1]


def centrality_of(cloud: Cloud, depth: Float32s, evidence: Float32s, reach: int = REACH) -> Float32s:
    """Return the centrality of every voxel, (N,) float32: 1 on a centre line, towards 0 at the surface."""
    return share_of_largest(cloud, depth, evidence, largest_near(cloud, evidence, reach), reach)


def share_of_largest(cloud: Cloud, depth: Float32s, evidence: Float32s, level: Float32s, reach: int) -> Float32s:
    """Return the centrality, with the largest evidence near by (`level`) known."""
    return np.asarray(depth / largest_near(cloud, depth, reach) * (evidence / level), np.float32)


def travel_cost(cloud: Cloud, depth: Float32s, evidence: Float32s) -> NDArray[np.float64]:
    """Return the cost of a step of unit length at every voxel, (N,) float64, 1 or more."""
    level = largest_near(cloud, evidence)
    centrality = share_of_largest(cloud, depth, evidence, level, REACH)
    cost = np.maximum(centrality, FLOOR).astype(np.float64) ** -SHARPNESS * np.maximum(level, FLOOR) ** -TRUST
    return np.asarray(cost, np.float64)
