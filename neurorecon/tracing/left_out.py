"""Where a neurite may go on: ways that a second, generous tracing goes and the tree does not.

The second tracing follows the probability down to lower values, and leaves out no branch for its confidence. What lies
beyond NEAR_PX of the tree, and leaves the tree itself, is a way on; of a branched one the longest way. The module
`confidence` says how likely it is right (docs/review.md).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.left_out import LeftOut
from neurorecon.core.tree import Tree
from neurorecon.tracing.settings import TraceSettings

__all__ = ["generous", "ways_on"]

# Set by hand before anything was measured, and not tuned (docs/review.md has what they give).
CERTAIN = 0.57  # of the probability that makes a neurite certain: 0.4 in place of the usual 0.7
FAINT = 0.4  # of that, down to which a certain neurite is followed
PIECE_PX = 30.0  # shortest separate piece: pieces are no ways on, but the confidence counts them (crowd, share)
NEAR_PX = 3.0  # METRICS.md: what is no further from the tree than this is in it
LEAST_PX = 8.0  # a way that is shorter is no worth a look


def generous(settings: TraceSettings, certain: float, pixel: float) -> TraceSettings:
    """Return the settings of the second tracing; `certain` is the probability of the first, `pixel` one in its unit."""
    return replace(
        settings, threshold=CERTAIN * certain, faint=FAINT, confidence=0.0, fragments=PIECE_PX * pixel,
        kinds=False, missing=None,
    )  # fmt: skip


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
    off, beside = _nearest(tree, more.xyz)
    away = off > NEAR_PX * pixel
    length = more.edge_length
    start, end = (
        np.arange(len(more)),
        np.zeros(len(more)),
    )  # where each way leaves the tree, and how far along it a node lies
    tips: dict[int, int] = {}
    for row in np.flatnonzero(away).tolist():
        up = int(more.parent[row])
        if up < 0:
            continue
        end[row] = length[row] + (end[up] if away[up] else 0.0)
        start[row] = start[up] if away[up] else row
        best = tips.setdefault(int(start[row]), row)
        if end[row] > end[best]:
            tips[int(start[row])] = row
    found = []
    for first, tip in tips.items():
        up = int(more.parent[first])
        if away[up] or end[tip] < LEAST_PX * pixel:  # it begins at a piece apart, or is too short
            continue
        rows = _way(more, first, tip)
        sure = float(np.average(more.confidence[rows], weights=length[rows])) if more.confidence is not None else 0.0
        if sure >= least:
            found.append(LeftOut(int(beside[up]), more.xyz[rows], float(end[tip]), sure))
    return tuple(sorted(found, key=lambda way: -way.length * way.confidence))


def _way(tree: Tree, first: int, tip: int) -> NDArray[np.int64]:
    """Return the rows from `first` down to `tip`."""
    rows = [tip]
    while rows[-1] != first:
        rows.append(int(tree.parent[rows[-1]]))
    return np.array(rows[::-1], np.int64)


def _nearest(tree: Tree, xyz: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how far points (N, 3) lie from a tree, and its nearest node; edges count by their middles as well."""
    from scipy.spatial import cKDTree

    lower = np.flatnonzero(tree.parent >= 0)
    middles = (tree.xyz[lower] + tree.xyz[tree.parent[lower]]) / 2
    off = cKDTree(np.concatenate([tree.xyz, middles])).query(xyz)[0]
    return off, np.asarray(cKDTree(tree.xyz).query(xyz)[1], np.int64)
