"""Cheapest ways through the cloud to the nearest source (Dijkstra 1959, compiled)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.foreground import Cloud

__all__ = ["Geodesic", "find_ways"]


@dataclass(frozen=True, slots=True)
class Geodesic:
    """The cheapest-path forest of a cloud.

    Attributes:
        before: (N,) int32 row of the next voxel on the way to the source, -1 at a source.
        source: (N,) int32 row of the source at the end of the way.
        length: (N,) float64 length of the way in units of the shortest edge.
    """

    before: NDArray[np.int32]
    source: NDArray[np.int32]
    length: NDArray[np.float64]


def find_ways(cloud: Cloud, cost: NDArray[np.float64], sources: NDArray[np.int64]) -> Geodesic:
    """Return the cheapest way from every voxel to the source that is nearest by cost; every component needs a source."""
    from neurorecon.tracing.kernels.way_kernels import cheapest_ways

    n = len(cloud)
    before, source, length = np.full(n, -1, np.int32), np.full(n, -1, np.int32), np.zeros(n)
    cheapest_ways(cloud.near, cost, cloud.step_lengths, np.unique(sources), before, source, length)
    return Geodesic(before, source, length)
