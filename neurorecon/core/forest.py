"""Arithmetic on the `parent` array of a forest, where parents come first: all of it linear, up to sorting.

`Tree`, the tracer's `Skeleton` and the curves of the synthesis hold such an array, and use this module. The parent of
row i is row `parent[i] < i`, that of a root is -1.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "children",
    "components",
    "cut_edges",
    "cuts_between",
    "degree",
    "edges_of",
    "groups",
    "heads",
    "nearest",
    "oriented",
    "renumbered",
    "root_of",
    "rows_within",
    "runs",
    "summed_below",
    "ways_to_root",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Set by hand; not tuned, unless a line says more.
SLACK = 1e-9  # share of a distance: two roundings of one lie closer together


def children(parent: Ints) -> Ints:
    """Return the number of children of every node, (N,)."""
    return np.bincount(parent[parent >= 0], minlength=len(parent)).astype(np.int64)


def degree(parent: Ints) -> Ints:
    """Return the number of edges of every node, (N,)."""
    return children(parent) + (parent >= 0)


def edges_of(parent: Ints) -> Ints:
    """Return the edges (E, 2), parent and child, in the order of the children."""
    child = np.flatnonzero(parent >= 0)
    return np.stack([parent[child], child], 1)


def root_of(parent: Ints) -> Ints:
    """Return the row of the root that each node belongs to, (N,)."""
    return _topmost(np.where(parent < 0, np.arange(len(parent)), parent))


def heads(parent: Ints) -> Ints:
    """Return the first node of the unbranched run that each node belongs to, (N,); a root is its own.

    A run begins below a root or a branch point.
    """
    count = children(parent)
    starts = (parent < 0) | (count[parent] > 1) | (parent[parent] < 0)
    return _topmost(np.where(starts, np.arange(len(parent)), parent))


def _topmost(above: Ints) -> Ints:
    """Return the row that each node reaches by following `above` (N,) until a row leads to itself.

    By pointer doubling (Wyllie 1979): a path of n edges takes log2(n) rounds.
    """
    while True:
        further = above[above]
        if np.array_equal(further, above):
            return above
        above = further


def runs(parent: Ints) -> list[Ints]:
    """Return the unbranched runs as rows, from the root or branch point that they leave to their end, sorted by that end.

    Together they hold every edge once.
    """
    hung = np.flatnonzero(parent >= 0)
    if not len(hung):
        return []
    head = heads(parent)[hung]
    order = np.argsort(head, kind="stable")  # rows of a run ascend, for parents come first
    cuts = np.flatnonzero(np.diff(head[order])) + 1
    found = [np.concatenate([parent[rows[:1]], rows]) for rows in np.split(hung[order], cuts)]
    return sorted(found, key=lambda run: int(run[-1]))


def summed_below(parent: Ints, values: Floats) -> Floats:
    """Return for every node the sum of `values` over it and all nodes below it, (N,)."""
    total, up = values.tolist(), parent.tolist()
    for row in range(len(up) - 1, -1, -1):
        if up[row] >= 0:
            total[up[row]] += total[row]
    return np.array(total, np.float64)


def ways_to_root(parent: Ints, length: Floats) -> tuple[Ints, Floats]:
    """Return the root of every node, (N,), and the length of the way to it, (N,); `length` (N,) is that of the edge above.

    By pointer doubling (Wyllie 1979): every round doubles the length of the known path.
    """
    ahead, way = np.where(parent < 0, np.arange(len(parent)), parent), length
    while (ahead[ahead] != ahead).any():
        way = way + way[ahead]
        ahead = ahead[ahead]
    return ahead, way


def components(count: int, edges: Ints) -> tuple[int, Ints]:
    """Return how many connected components `count` nodes and the edges (E, 2) make, and the number of each node's, (N,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    number, label = connected_components(graph, directed=False)
    return int(number), np.asarray(label, np.int64)


def oriented(count: int, edges: Ints, roots: Ints) -> tuple[Ints, Ints]:
    """Return the rows connected to `roots` along `edges` (E, 2) in breadth-first order, and the parent of each among them.

    `edges` between `count` nodes must be free of loops. Rows that no root reaches are left out.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    ends = np.concatenate([edges, np.stack([np.full(len(roots), count), roots], 1)])  # one node more holds all roots
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(count + 1, count + 1)).tocsr()
    order, before = breadth_first_order(graph, count, directed=False)
    order = order[1:]
    place = np.full(count + 1, -1, np.int64)
    place[order] = np.arange(len(order))
    return order, np.where(before[order] == count, -1, place[before[order]])


def cut_edges(length: Floats, step: float) -> tuple[Ints, Ints, Ints]:
    """Cut edges of lengths `length` (E,) into pieces of at most `step`.

    Returns the edge of each piece (M,), its number on that edge from 0 (M,), and the number of pieces of each edge (E,), at
    least 1.
    """
    count = np.maximum(np.ceil(length / step), 1).astype(np.int64)
    edge = np.repeat(np.arange(len(count)), count)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count), count


def groups(label: Ints, names: Ints) -> list[Ints]:
    """Return the rows that have each of the labels `names`, ascending, in the order of `names`."""
    order = np.argsort(label, kind="stable")
    ordered = label[order]
    first, last = (np.searchsorted(ordered, names, side=side).tolist() for side in ("left", "right"))
    return [order[begin:end] for begin, end in zip(first, last, strict=True)]


def cuts_between(starts: Ints, count: int, about: int) -> Ints:
    """Return the rows at which `count` rows are cut into pieces of about `about` rows, without cutting a group.

    `starts` are the first rows of the groups, ascending; the cuts are some of them.
    """
    cuts = starts[np.unique(np.searchsorted(starts, np.arange(about, count, about)).clip(0, len(starts) - 1))]
    return np.asarray(cuts[cuts > 0], np.int64)


def rows_within(rows: Ints, parent: Ints) -> Ints:
    """Return the position of each of `parent` in `rows`, ascending; -1 if it is not there."""
    place = np.minimum(np.searchsorted(rows, parent), max(len(rows) - 1, 0))
    return np.where(rows[place] == parent, place, -1) if len(rows) else np.full(len(parent), -1)


def renumbered(parent: Ints, order: Ints) -> Ints:
    """Return the parents (M,) of the rows `order` (M,), as places in `order`; -1 for a root, and where the parent is left out.

    `parent` (N,) names rows, -1 for a root; it need not come first.
    """
    place = np.full(len(parent) + 1, -1, np.int64)  # the last entry is for parent -1
    place[order] = np.arange(len(order))
    return place[parent[order]]


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
