"""Where a neurite may go on: ways that a second, generous tracing goes and the tree does not.

The second tracing follows the probability down to lower values, and leaves out no branch for its confidence. What lies
beyond NEAR_PX of the tree, and leaves the tree itself, is a way on; of a branched one the longest way, or one that is
LEAST_PX shorter at most and arrives at another tree. The module `confidence` says how likely it is right; docs/review.md has
how far that holds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.left_out import LeftOut
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.tracing.limits import thresholds, voxel_edges
from neurorecon.tracing.settings import TraceSettings

__all__ = ["generous", "ways_on"]

# Set by hand; no other values were tried (docs/review.md has what these give).
CERTAIN = 0.57  # of the probability that makes a neurite certain: 0.4 in place of the usual 0.7
FAINT = 0.4  # of that, down to which a certain neurite is followed
PIECE_PX = 30.0  # shortest separate piece: pieces are no ways on, but the confidence counts them (crowd, share)
NEAR_PX = 3.0  # METRICS.md: what is no further from the tree than this is in it
LEAST_PX = 8.0  # a way that is shorter is no worth a look


def generous(probability: Probability, settings: TraceSettings) -> TraceSettings:
    """Return the settings of the second tracing of a map; `settings` are those of the first.

    Its trees are in micrometres where the voxel size is known, whatever the unit of the first.
    """
    certain = thresholds(probability, settings)[0]
    pixel = float(voxel_edges(probability.voxel_size).min())
    return replace(
        settings, threshold=CERTAIN * certain, faint=FAINT, confidence=0.0, fragments=PIECE_PX * pixel,
        kinds=False, missing=None, units=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Beyond:
    """What of a second tracing lies beyond a tree.

    Attributes:
        more: the second tracing, N nodes.
        beside: (N,) the node of the tree that lies nearest.
        root: (N,) its root.
        away: (N,) whether a node lies beyond the tree.
        start: (N,) the node with which the way to a node leaves the tree, -1 where none does.
        along: (N,) how far along that way a node lies.
    """

    more: Tree
    beside: NDArray[np.int64]
    root: NDArray[np.int64]
    away: NDArray[np.bool_]
    start: NDArray[np.int64]
    along: NDArray[np.float64]

    @staticmethod
    def of(tree: Tree, more: Tree, pixel: float) -> "_Beyond":
        """Compare two tracings."""
        off, beside = _nearest(tree, more.xyz)
        away = off > NEAR_PX * pixel
        start, along, length = np.full(len(more), -1), np.zeros(len(more)), more.edge_length
        for row in np.flatnonzero(away & (more.parent >= 0)).tolist():
            up = int(more.parent[row])
            start[row] = start[up] if away[up] else row
            along[row] = length[row] + along[up]
        return _Beyond(more, beside, tree.root_of()[beside], away=away, start=start, along=along)

    def ends(self, bonus: float) -> dict[int, tuple[int, int]]:
        """Return the last node of the way from each start, and the node of another tree at which it arrives, else -1.

        A way that arrives counts as longer by `bonus`.
        """
        found: dict[int, tuple[int, int]] = {}
        for row in np.flatnonzero(self.more.parent >= 0).tolist():
            up = int(self.more.parent[row])
            last = row if self.away[row] else up
            first = int(self.start[last])
            if first < 0:
                continue
            other = not self.away[row] and self.root[row] != self.root[self.more.parent[first]]
            best, meets = found.get(first, (last, -1))
            if self.along[last] + bonus * other >= self.along[best] + bonus * (meets >= 0):
                found[first] = last, int(self.beside[row]) if other else -1
        return found

    def way(self, first: int, tip: int) -> NDArray[np.int64]:
        """Return the rows from `first` down to `tip`."""
        rows = [tip]
        while rows[-1] != first:
            rows.append(int(self.more.parent[rows[-1]]))
        return np.array(rows[::-1], np.int64)


def ways_on(tree: Tree, trace_again: Callable[[], Tree], least: float, pixel: float) -> tuple[LeftOut, ...]:
    """Return the ways on from a tree, the likeliest cable first.

    Args:
        tree: one tree or a forest.
        trace_again: returns the trees of the second tracing.
        least: least confidence of a way.
        pixel: its length in the unit of the tree.
    """
    try:
        more = trace_again()
    except NoNeuronError:
        return ()
    beyond = _Beyond.of(tree, more, pixel)
    found = []
    for first, (tip, meets) in beyond.ends(LEAST_PX * pixel).items():
        rows, length = beyond.way(first, tip), float(beyond.along[tip])
        sure = (
            0.0 if more.confidence is None else float(np.average(more.confidence[rows], weights=more.edge_length[rows]))
        )
        if length >= LEAST_PX * pixel and sure >= least:
            leaves = int(beyond.beside[more.parent[first]])
            found.append(LeftOut(leaves, more.xyz[rows], length, sure, meets))
    return tuple(sorted(found, key=lambda way: -way.length * way.confidence))


def _nearest(tree: Tree, xyz: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how far points (N, 3) lie from a tree, and its nearest node; edges count by their middles as well."""
    from scipy.spatial import cKDTree

    lower = np.flatnonzero(tree.parent >= 0)
    middles = (tree.xyz[lower] + tree.xyz[tree.parent[lower]]) / 2
    off = cKDTree(np.concatenate([tree.xyz, middles])).query(xyz)[0]
    return off, np.asarray(cKDTree(tree.xyz).query(xyz)[1], np.int64)
