"""Cheapest ways through the cloud to the nearest source (Dijkstra 1959, by scipy's compiled heap)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.trace.cloud import Cloud

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
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    n = len(cloud)
    linked = cloud.near < n
    indptr = np.concatenate([[0], np.cumsum(linked.sum(1))])
    columns = cloud.near[linked]
    rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(indptr))
    steps = np.broadcast_to(cloud.step_lengths, linked.shape)[linked]
    graph = csr_array((steps * (cost[rows] + cost[columns]) / 2, columns, indptr.astype(np.int32)), shape=(n, n))
    _, before, source = dijkstra(graph, indices=np.unique(sources), return_predecessors=True, min_only=True)
    before = np.where(before < 0, -1, before).astype(np.int32)
    return Geodesic(before, source.astype(np.int32), way_lengths(cloud, before))


def way_lengths(cloud: Cloud, before: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the length of every voxel's way: sums along pointers, doubled at each round (log2 of the longest way)."""
    jump = np.where(before < 0, np.arange(len(before)), before)
    points = cloud.points
    length = np.linalg.norm(points - points[jump], axis=1)
    while True:
        further = jump[jump]
        if (further == jump).all():
            return np.asarray(length, np.float64)
        length = length + length[jump]
        jump = further
