"""The tree while it is being made: nodes in voxel coordinates and undirected edges, turned into parents at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import children, degree, edges_of, groups, oriented, root_of, rows_within, runs
from neurorecon.tracing.soma.body import Soma

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

    @staticmethod
    def of(
        zyx: NDArray[np.float64], p: NDArray[Any], depth: NDArray[Any], *, somata: Sequence[Soma] = ()
    ) -> "Skeleton":
        """Return a skeleton of somata, which come first, and other nodes (N,); without any edges."""
        count = len(somata)
        centres = np.array([soma.zyx for soma in somata]).reshape(-1, 3)
        return Skeleton(
            np.concatenate([centres, zyx]).astype(np.float64),
            np.full(count + len(zyx), -1, np.int64),
            np.concatenate([np.ones(count), p]).astype(np.float64),
            np.concatenate([[soma.radius for soma in somata], depth]).astype(np.float64),
            np.concatenate([np.arange(count), np.full(len(zyx), -1)]).astype(np.int64),
        )

    @property
    def degree(self) -> NDArray[np.int64]:
        """Number of edges of every node, (N,)."""
        return degree(self.parent)

    @property
    def children(self) -> NDArray[np.int64]:
        """Number of children of every node, (N,)."""
        return children(self.parent)

    @property
    def edges(self) -> NDArray[np.int64]:
        """The edges (E, 2), parent and child, in the order of the children."""
        return edges_of(self.parent)

    def edge_lengths(self, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the length of the edge to the parent, (N,), 0 for a root, in units of the shortest edge."""
        length = np.linalg.norm((self.zyx - self.zyx[self.parent]) * spacing, axis=1)
        return np.where(self.parent < 0, 0.0, length)

    def pieces(self) -> NDArray[np.int64]:
        """Return the row of the root of every node, (N,)."""
        return root_of(self.parent)

    def cable_of_pieces(self, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cable length of every piece at the row of its root, (N,), in units of the shortest edge; else 0."""
        return np.asarray(np.bincount(self.pieces(), self.edge_lengths(spacing), len(self)), np.float64)

    def pieces_with_soma(self) -> NDArray[np.bool_]:
        """Return whether a piece holds a soma, at the row of its root, (N,); else False."""
        found = np.zeros(len(self), bool)
        found[self.pieces()[self.soma >= 0]] = True
        return found

    def runs(self) -> list[NDArray[np.int64]]:
        """Return the unbranched runs as rows, from the root or branch point that they leave to their end."""
        return runs(self.parent)

    def take(self, keep: NDArray[np.bool_]) -> "Skeleton":
        """Return the nodes that `keep` (N,) marks; a node whose parent is removed becomes a root."""
        rows = np.flatnonzero(keep)
        return self.at(rows, rows_within(rows, self.parent[rows]))

    def split(self) -> "list[Skeleton]":
        """Return the trees, in the order of their roots."""
        parts = groups(self.pieces(), np.flatnonzero(self.parent < 0))
        return [self.at(rows, rows_within(rows, self.parent[rows])) for rows in parts]

    def at(self, rows: NDArray[np.int64], parent: NDArray[np.int64]) -> "Skeleton":
        """Return the nodes of some rows, in their order, with other parents."""
        return Skeleton(self.zyx[rows], parent, self.p[rows], self.depth[rows], self.soma[rows])


def orient(skeleton: Skeleton, edges: NDArray[np.int64], roots: NDArray[np.int64]) -> Skeleton:
    """Return trees from `roots` along `edges` (E, 2), in breadth-first order; nodes that are not reached are left out.

    `edges` must be free of loops; the parents in `skeleton` are ignored.
    """
    return skeleton.at(*oriented(len(skeleton), edges, roots))
