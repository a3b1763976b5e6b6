"""The structure of a file: parents by row, an order with parents first, coincident nodes."""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MISSING",
    "Floats",
    "Ints",
    "coincident",
    "filled_radius",
    "loops",
    "order_parents_first",
    "parent_rows",
    "rerooted",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# By convention.
MISSING = -2  # row of a parent whose id is not in the file


def parent_rows(ids: Ints, parent_ids: Ints) -> Ints:
    """Return the row of every node's parent, (N,): -1 for a root (parent id -1), MISSING where no node has that id.

    Where an id stands twice its first row counts.
    """
    if not len(ids):
        return np.zeros(0, np.int64)
    by_id = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids[by_id], parent_ids)
    row = by_id[np.minimum(place, len(ids) - 1)]
    return np.where(parent_ids == -1, -1, np.where(ids[row] == parent_ids, row, MISSING))


def order_parents_first(parent: Ints) -> Ints:
    """Return rows so ordered that every parent stands before its children; the file's order where that already does.

    Depth first otherwise, children in file order, so that a branch stays together. Nodes on a loop, and those
    below one, are reached from no root and are left out: a result shorter than N shows a loop. Roots are rows below 0.
    """
    n = len(parent)
    if (parent < np.arange(n)).all():
        return np.arange(n)
    by_parent = np.argsort(parent, kind="stable")
    first = np.searchsorted(parent[by_parent], np.arange(n + 1))
    children = by_parent.tolist()
    bounds = first.tolist()
    stack = np.flatnonzero(parent < 0)[::-1].tolist()
    order: list[int] = []
    while stack:
        row = stack.pop()
        order.append(row)
        stack.extend(reversed(children[bounds[row] : bounds[row + 1]]))
    return np.array(order, dtype=np.int64)


def coincident(xyz: Floats, parent: Ints) -> Ints:
    """Return for every row the row it can be merged into, (N,): itself where it stands alone. Parents come first.

    A node goes into its parent where both stand in one place (an edge of length zero), and into its elder sibling where
    those do (the same edge twice); two roots in one place are siblings too. Distant relatives in one place are two
    neurites that cross: they are left.
    """
    n = len(parent)
    merged = np.arange(n)
    if not _any_coincident(xyz, parent):
        return merged
    places = list(map(tuple, xyz.tolist()))
    taken: dict[tuple[int, tuple[float, ...]], int] = {}
    target = merged.tolist()
    for row, up in enumerate(parent.tolist()):
        keeper = target[up] if up >= 0 else -1
        if keeper >= 0 and places[keeper] == places[row]:
            target[row] = keeper
        else:
            target[row] = taken.setdefault((keeper, places[row]), row)
    return np.array(target, dtype=np.int64)


def _any_coincident(xyz: Floats, parent: Ints) -> bool:
    """Whether any node stands on its parent or on a sibling: a quick check that fails for most files."""
    hung = parent >= 0
    if (xyz[hung] == xyz[parent[hung]]).all(axis=1).any():
        return True
    keys = np.column_stack([xyz, np.maximum(parent, -1)])
    keys = keys[np.lexsort(keys.T)]
    return bool((keys[1:] == keys[:-1]).all(axis=1).any())


def filled_radius(radius: Floats, parent: Ints) -> Floats:
    """Return radii with every useless one (not finite, or not above 0) taken from a neighbour; parents come first.

    It is that of the nearest ancestor with a radius, else of the nearest descendant. NaN stays in a tree that
    has no radius at all.
    """
    good = np.isfinite(radius) & (radius > 0)
    if good.all():
        return radius.copy()
    values = np.where(good, radius, np.nan).tolist()
    known = good.tolist()
    up = parent.tolist()
    for row, p in enumerate(up):
        if not known[row] and p >= 0 and known[p]:
            values[row], known[row] = values[p], True
    for row in range(len(up) - 1, -1, -1):
        p = up[row]
        if known[row] and p >= 0 and not known[p]:
            values[p], known[p] = values[row], True
    for row, p in enumerate(up):  # other branches of a root that was filled from below
        if not known[row] and p >= 0 and known[p]:
            values[row], known[row] = values[p], True
    return np.array(values, dtype=np.float64)


def loops(parent: Ints, reached: Ints) -> list[list[int]]:
    """Return the rows of every loop, each from its first row on, given the rows that the roots reach."""
    state = np.zeros(len(parent), np.int64)  # 0 unseen, -1 reached, k > 0 seen on the walk k
    state[reached] = -1
    found: list[list[int]] = []
    for walk, start in enumerate(np.flatnonzero(state == 0).tolist(), start=1):
        row = start
        while state[row] == 0:
            state[row] = walk
            row = int(parent[row])
        if state[row] == walk:
            ring = [row]
            while (up := int(parent[ring[-1]])) != row:
                ring.append(up)
            first = ring.index(min(ring))
            found.append(ring[first:] + ring[:first])
    return found


def rerooted(parent: Ints, row: int) -> Ints:
    """Return parents, (N,), with `row` as the root of its tree: the same edges, those up to its old root reversed."""
    turned = parent.copy()
    below, here = -1, row
    while here >= 0:
        turned[here], below, here = below, here, int(parent[here])
    return turned
