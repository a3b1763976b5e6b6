"""The tree while it is being made: nodes in voxel coordinates and undirected edges, turned into parents at the end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Skeleton", "orient"]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A forest.

    Attributes:
        zyx: (N, 3) float64 voxel coordinates.
        parent: (N,) int64 row of the parent, below the node's own; -1 for a root.
        p: (N,) float64 probability at the node, 0 to 1.
        depth: (N,) float64 distance to the background in units of the shortest edge.
        soma: (N,) int64 number of the soma that the node is the centre of, -1 for all others.
    """

    zyx: NDArray[np.float64]
    parent: NDArray[np.int64]
    p: NDArray[np.float64]
    depth: NDArray[np.float64]
    soma: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.zyx)

    @property
    def degree(self) -> NDArray[np.int64]:
        """Number of edges of every node, (N,)."""
        children = np.bincount(self.parent[self.parent >= 0], minlength=len(self))
        return np.asarray(children + (self.parent >= 0), np.int64)

    @property
    def children(self) -> NDArray[np.int64]:
        """Number of children of every node, (N,)."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self)).astype(np.int64)

    def edge_lengths(self, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the length of the edge to the parent, (N,), 0 for a root, in units of the shortest edge."""
        length = np.linalg.norm((self.zyx - self.zyx[self.parent]) * spacing, axis=1)
        return np.where(self.parent < 0, 0.0, length)

    def pieces(self) -> NDArray[np.int64]:
        """Return the row of the root of every node, (N,)."""
        root = np.where(self.parent < 0, np.arange(len(self)), self.parent)
        while True:
            further = root[root]
            if (further == root).all():
                return np.asarray(root, np.int64)
            root = further

    def take(self, keep: NDArray[np.bool_]) -> "Skeleton":
        """Return the nodes that `keep` (N,) marks; one whose parent goes becomes a root."""
        rename = np.full(len(self) + 1, -1, np.int64)
        rename[:-1][keep] = np.arange(keep.sum())
        parent = rename[self.parent[keep]]
        return Skeleton(self.zyx[keep], parent, self.p[keep], self.depth[keep], self.soma[keep])


def orient(skeleton: Skeleton, edges: NDArray[np.int64], roots: NDArray[np.int64]) -> Skeleton:
    """Return the nodes of `skeleton` hung on `roots` along `edges` (E, 2) in breadth-first order; the rest is left out.

    `edges` must be free of loops; the parents that `skeleton` holds are not looked at.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    n = len(skeleton)
    ends = np.concatenate([edges, np.stack([np.full(len(roots), n), roots], 1)])  # node n holds all the roots
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(n + 1, n + 1)).tocsr()
    order, before = breadth_first_order(graph, n, directed=False)
    order = order[1:]
    rename = np.full(n + 1, -1, np.int64)
    rename[order] = np.arange(len(order))
    parent = np.where(before[order] == n, -1, rename[before[order]])
    return Skeleton(skeleton.zyx[order], parent, skeleton.p[order], skeleton.depth[order], skeleton.soma[order])
