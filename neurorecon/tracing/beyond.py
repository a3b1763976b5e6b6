"""Ways on: neurites that a second, generous tracing finds and the tree lacks.

The second tracing follows the probability down to lower values, and removes no branch for its confidence. Cable of it that
leaves the tree and lies further than NEAR_PX from the tree is a way on. A branched one is represented by its longest path; a
path that arrives at another tree is preferred if it is at most LEAST_PX shorter. The confidence of a way on is that of the
second tracing (`confidence.py`); docs/review.md has its reliability.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.left_out import LeftOut
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.tracing.limits import stack_edges, thresholds, voxel_edges
from neurorecon.tracing.settings import TraceSettings

__all__ = ["generous", "ways_on", "with_ways_on"]

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
    """The cable of a second tracing that lies beyond a tree.

    Attributes:
        more: the second tracing, N nodes.
        beside: (N,) the node of the tree that lies nearest.
        root: (N,) its root.
        away: (N,) whether a node lies beyond the tree.
        start: (N,) first node of the way on that a node belongs to, -1 for nodes of none.
        along: (N,) length of the way on from the tree to the node.
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


def with_ways_on(
    tree: Tree, probability: Probability, settings: TraceSettings, trace_again: Callable[[TraceSettings], Tree]
) -> Tree:
    """Return the tree with the ways on that a second, generous tracing goes and the tree does not.

    Both are compared in micrometres where the voxel size is known: in voxels a plane would count no more than a pixel.
    `trace_again` traces the same map with other settings.
    """
    again, pixel = generous(probability, settings), float(voxel_edges(probability.voxel_size).min())
    isotropic = tree.unit == "um" or probability.voxel_size is None
    xyz = np.ones(3) if isotropic else stack_edges(probability)[::-1]
    seen = tree if isotropic else replace(tree, xyz=tree.xyz * xyz, unit="um")
    ways = ways_on(seen, lambda: trace_again(again), settings.missing or 0.0, pixel)
    return replace(tree, left_out=ways if isotropic else tuple(_in_voxels(way, tree, xyz) for way in ways))


def _in_voxels(way: LeftOut, tree: Tree, edges: NDArray[np.float64]) -> LeftOut:
    """Return a way on from a tree in voxels, which comes in micrometres; `edges` (3,) are those of a voxel, x first."""
    xyz = way.xyz / edges
    steps = np.diff(np.concatenate([tree.xyz[[way.row]], xyz]), axis=0)
    px, um = (float(np.linalg.norm(steps * size, axis=1).sum()) for size in (np.ones(3), edges))
    return replace(way, xyz=xyz, length=way.length * px / um)


def _nearest(tree: Tree, xyz: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how far points (N, 3) lie from a tree, and its nearest node; edges count by their middles as well."""
    from scipy.spatial import cKDTree

    lower = np.flatnonzero(tree.parent >= 0)
    middles = (tree.xyz[lower] + tree.xyz[tree.parent[lower]]) / 2
    off = cKDTree(np.concatenate([tree.xyz, middles])).query(xyz)[0]
    return off, np.asarray(cKDTree(tree.xyz).query(xyz)[1], np.int64)
