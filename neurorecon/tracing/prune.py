"""Remove short end branches, spines, and pieces too small to be trees of their own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import components
from neurorecon.tracing.skeleton import Skeleton

__all__ = ["LEAST_PX", "Limits", "choose_roots", "cut_spines", "cut_spurs", "drop_fragments", "usual_neuron"]


# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
BUMP = 0.5  # of a soma's radius: a bump on its surface is no neurite; ways out of it count from the surface already
SPINE_UM = 1.5  # half of the longest (0.2 to 3 um, Harris and Kater 1994): experts trace many twigs of 2 and 3 um
# on 39 training neurons F1 changes by -0.0002 at 1.5, -0.0014 at 2 and -0.008 at 3 um
LEAST_PX = 30.0  # a piece on its own: that long ...
LEAST_SHARE = 0.25  # ... and that share of a neuron; of smaller ones 4 in 5 were neighbours' on 39 training neurons
LARGEST_PX = 5000.0  # longer neurons count as this long: nine in ten neurons of the training sets are shorter


@dataclass(frozen=True, slots=True)
class Limits:
    """The requirements for an end branch.

    Attributes:
        length: beyond the surface of the neurite that it leaves, in the metric of `spacing`.
        voxels: the same, in voxels.
    """

    length: float
    voxels: float


def cut_spurs(skeleton: Skeleton, spacing: NDArray[np.float64], limits: Limits) -> Skeleton:
    """Return the skeleton without end branches that are short beyond the surface they leave.

    Shortest first, repeated until nothing is cut: once a side branch is removed, its branch is judged as a whole.
    """
    length = skeleton.edge_lengths(spacing)
    while True:
        children = skeleton.children
        keep = np.ones(len(skeleton), bool)
        spared: set[int] = set()
        for run in sorted(skeleton.runs(), key=lambda r: float(length[r[1:]].sum())):
            base, end = int(run[0]), int(run[-1])
            if children[end] or base in spared or (skeleton.parent[base] < 0 and skeleton.soma[base] < 0):
                continue
            free = run[2:] if skeleton.soma[base] >= 0 else run[1:]  # the straight way out of a soma is no neurite yet
            clearance = float(skeleton.depth[base] * spacing.min()) * (BUMP if skeleton.soma[base] >= 0 else 1.0)
            way = float(length[free].sum())
            if way - clearance < max(limits.length, limits.voxels * way / max(1, len(free))):
                keep[run[1:]] = False
                spared.add(base)  # its other branches are judged once this one is gone
        if keep.all():
            return skeleton
        skeleton, length = skeleton.take(keep), length[keep]


def furthest(skeleton: Skeleton, edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the longest path from every node, (N,) each: down its subtree, and up through its parent.

    Both include the edge to the parent, so callers on either side can use them.
    """
    length, parent = skeleton.edge_lengths(edges), skeleton.parent.tolist()
    down, second = length.copy(), np.zeros(len(skeleton))  # the longest way by a child, and the longest by another one
    first = np.zeros(len(skeleton))
    for node in range(len(skeleton) - 1, -1, -1):
        down[node] += first[node]
        above = parent[node]
        if above >= 0:
            low = min(first[above], down[node])
            first[above], second[above] = max(first[above], down[node]), max(second[above], low)
    up = np.zeros(len(skeleton))
    for node, above in enumerate(parent):
        if above >= 0:
            beside = second[above] if down[node] >= first[above] else first[above]
            up[node] = length[node] + max(up[above], beside)
    return down, up


def cut_spines(skeleton: Skeleton, edges: NDArray[np.float64]) -> Skeleton:
    """Return the skeleton without spines and boutons; `edges` (3,) of a voxel, zyx, in micrometres.

    A spine is an end branch that reaches less than SPINE_UM beyond the surface of the neurite that it leaves, while that
    neurite continues for longer on both sides. A fork at the end of a neurite holds none.
    """
    down, up = furthest(skeleton, edges)
    limit = SPINE_UM + skeleton.depth * edges.min()
    has = np.flatnonzero(skeleton.parent >= 0)
    above = skeleton.parent[has]
    sides = np.bincount(above[down[has] >= limit[above]], minlength=len(skeleton)) + (up >= limit)
    keep = np.ones(len(skeleton), bool)
    children = skeleton.children
    for run in skeleton.runs():
        base, end = run[0], run[-1]
        if children[end] == 0 and skeleton.soma[base] < 0 and down[run[1]] < limit[base] and sides[base] >= 2:
            keep[run[1:]] = False
    return skeleton.take(keep)


def choose_roots(skeleton: Skeleton, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one root for every piece: its soma, else its thickest end, by radius times evidence."""
    n = len(skeleton)
    count, label = components(n, edges)
    degree = np.bincount(edges.ravel(), minlength=n)
    around = skeleton.depth * skeleton.p  # the mean over three steps: one deep voxel makes no thick end
    for _ in range(3):
        total = (
            around + np.bincount(edges[:, 0], around[edges[:, 1]], n) + np.bincount(edges[:, 1], around[edges[:, 0]], n)
        )
        around = total / (1 + degree)
    worth = np.where(skeleton.soma >= 0, np.inf, np.where(degree <= 1, 1e6 + around, around))
    order = np.lexsort((-worth, label))
    return np.asarray(order[np.searchsorted(label[order], np.arange(count))], np.int64)


def usual_neuron(length: NDArray[Any], with_soma: NDArray[np.bool_]) -> float:
    """Return how long a neuron is here, from the pieces' lengths and which of them hold a soma, (N,) each.

    Around one neuron it is the longest piece. Where several have a soma there is no main one, and trees that touch have
    become one long one: then it is their median.
    """
    several = length[with_soma & (length > 0)]
    longest = float(np.median(several)) if len(several) > 1 else float(length.max())
    return min(longest, LARGEST_PX)


def drop_fragments(
    skeleton: Skeleton, spacing: NDArray[np.float64], least: float | None, stub: float = LEAST_PX
) -> Skeleton:
    """Return the pieces that hold a soma, the longest one if none does, and those of at least `least` length.

    Without `least` a piece must be a share of a neuron (`usual_neuron`). The length of a piece counts as far as there is
    evidence for it (length times probability). A soma without any neurite (a cell that
    was not filled, or no cell) is kept only if nothing has one; if several somata have more than `stub`, one with less goes.
    """
    piece = skeleton.pieces()
    weight = skeleton.edge_lengths(spacing) * skeleton.p
    length = np.bincount(piece, weights=weight, minlength=len(skeleton))
    with_soma = skeleton.pieces_with_soma()
    if (with_soma & (length > stub)).sum() > 1:
        with_soma &= length > stub
    elif length.any():
        with_soma &= length > 0
    if not with_soma.any():
        with_soma[int(length.argmax())] = True
    limit = max(LEAST_PX, LEAST_SHARE * usual_neuron(length, with_soma)) if least is None else least
    return skeleton.take((with_soma | (length >= limit))[piece])
