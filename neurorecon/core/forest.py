"""Arithmetic on the `parent` array of a forest, where parents come first: all of it linear, up to sorting."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["groups", "nearest", "root_of", "rows_within"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SLACK = 1e-9  # share of a distance: two roundings of one lie closer together


def root_of(parent: Ints) -> Ints:
    """Return the row of the root that each node belongs to, (N,).

    Each node is pointed to its parent, then to what that points to, and so on: a way of n edges takes log2(n) rounds.
    """
    root = np.where(parent < 0, np.arange(len(parent)), parent)
    while True:
        above = root[root]
        if np.array_equal(above, root):
            return root
        root = above


def groups(label: Ints, names: Ints) -> list[Ints]:
    """Return the rows that have each of the labels `names`, ascending, in the order of `names`."""
    order = np.argsort(label, kind="stable")
    ordered = label[order]
    first, last = (np.searchsorted(ordered, names, side=side).tolist() for side in ("left", "right"))
    return [order[begin:end] for begin, end in zip(first, last, strict=True)]


def rows_within(rows: Ints, parent: Ints) -> Ints:
    """Return where in `rows`, ascending, each of `parent` stands; -1 for one that is not in it."""
    place = np.minimum(np.searchsorted(rows, parent), max(len(rows) - 1, 0))
    return np.where(rows[place] == parent, place, -1) if len(rows) else np.full(len(parent), -1)


def nearest(points: Floats, places: Floats) -> Ints:
    """Return the row of the point (N, 3) that lies nearest to each place (M, 3), the lowest of equals."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)  # made in half the time; there are few places
    reach = tree.query(places)[0] * (1 + SLACK)
    found = np.empty(len(places), np.int64)
    for k, (place, rows) in enumerate(zip(places, tree.query_ball_point(places, reach), strict=True)):
        near = np.sort(np.array(rows, np.int64))
        found[k] = near[np.linalg.norm(points[near] - place, axis=1).argmin()]
    return found
