"""Parts of a volume put together: one skeleton, with its somata as roots.

A branch that leaves the core of a part is followed through the nodes that the part keeps of its halo, until a node of the part
whose core holds that place is met or touched: both grew their line along the same evidence, so that is mostly the first one.
Then components without any voxel that reaches the threshold are removed. Rings that close through several parts are
opened where they are furthest from the root by cost, as ways are in one piece (Dijkstra 1959).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.forest import components
from neurorecon.tracing.criteria import NEIGHBOURS, SAME_NEURITE
from neurorecon.tracing.parts.part import Part
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.soma.body import Soma

__all__ = ["join", "without_overlaps"]

# Set by hand; not tuned. `trace --verify-seams` and tests/tracing/test_parts_joined.py compare parts with the whole.
NEAR = 3.0  # voxels: two lines along one neurite, where none is a neighbour of the other
SEEN = 8  # nearest nodes whose part is looked up
COLUMNS = ("zyx", "p", "depth", "cost", "worth", "sure")  # of a Part that a Graph has as well

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Graph:
    """All nodes of a volume, each once, and the edges between them, rings included.

    Attributes:
        zyx: (N, 3) int64 voxels.
        p, depth, cost, worth: (N,) float64, as in a Part.
        sure: (N,) bool, likewise.
        edges: (E, 2) int64 rows.
    """

    zyx: Ints
    p: Floats
    depth: Floats
    cost: Floats
    worth: Floats
    sure: NDArray[np.bool_]
    edges: Ints


def join(
    parts: Sequence[Part],
    shape: tuple[int, int, int],
    spacing: Floats,
    source: str = "",
    *,
    somata: list[Soma],
) -> Skeleton:
    """Return the skeleton of a volume from those of its parts, rooted at its somata and, elsewhere, at its best nodes.

    Args:
        parts: their cores cover the volume, each voxel once.
        shape: (Z, Y, X) of the volume.
        spacing: (3,) edges of a voxel as `foreground.shape_metric` counts them.
        source: the volume's name in messages.
        somata: of the volume; none has a voxel of another.

    Raises:
        NoNeuronError: if there is nothing in any of them.
    """
    graph = merged_graph(parts, shape)
    if not len(graph.zyx) and not somata:
        raise NoNeuronError(f"{source or 'the volume'}: no neuron found in any part of it; try a lower --threshold")
    return without_doubles(as_forest(graph, somata, shape, spacing), borders_of(parts, shape), spacing)


def merged_graph(parts: Sequence[Part], shape: tuple[int, int, int]) -> Graph:
    """Return the nodes in the cores of the parts, and the edges from one part into the next."""
    own = [part.core.holds(part.zyx) for part in parts]
    owner = np.concatenate([np.zeros(0, np.int64), *(np.full(o.sum(), k) for k, o in enumerate(own))])
    first = np.concatenate([[0], np.cumsum([o.sum() for o in own])])
    columns = [
        np.concatenate([getattr(part, name)[o] for part, o in zip(parts, own, strict=True)] or [np.zeros(0)])
        for name in COLUMNS
    ]
    zyx = columns[0].astype(np.int64).reshape(-1, 3)
    edges, added = [np.zeros((0, 2), np.int64)], _Added(len(zyx))
    others = _Others(zyx, owner)
    for k, (part, mine) in enumerate(zip(parts, own, strict=True)):
        name = np.full(len(part), -1, np.int64)
        name[mine] = np.arange(first[k], first[k + 1])
        child = np.flatnonzero((part.parent >= 0) & mine)
        inner = child[mine[part.parent[child]]]
        edges.append(np.stack([name[part.parent[inner]], name[inner]], 1))
        edges.append(edges_into_neighbours(part, k, name, others, added))
    more = added.columns(parts)
    zyx, *rest = (np.concatenate([a, b]) for a, b in zip([zyx, *columns[1:]], more, strict=True))
    p, depth, cost, worth = (column.astype(np.float64) for column in rest[:4])
    pairs = np.unique(np.sort(np.concatenate(edges), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return Graph(zyx.astype(np.int64), p, depth=depth, cost=cost, worth=worth, sure=rest[4].astype(bool), edges=pairs)


def borders_of(parts: Sequence[Part], shape: tuple[int, int, int]) -> list[Ints]:
    """Return the first voxels of cores along z, y and x, without the borders of the volume."""
    lows = np.array([part.core.low for part in parts]).reshape(-1, 3)
    return [np.setdiff1d(lows[:, axis], [0, shape[axis]]) for axis in range(3)]


class _Others:
    """The nodes of all cores by place, to find the nearest node of another part."""

    def __init__(self, zyx: Ints, owner: Ints) -> None:
        from scipy.spatial import cKDTree

        self._tree = cKDTree(zyx) if len(zyx) else None
        self._owner = owner

    def nearest(self, zyx: NDArray[np.int32], part: int) -> tuple[int, float]:
        """Return the row of the nearest node of another part than `part`, and its distance; -1 and inf beyond NEAR."""
        if self._tree is None:
            return -1, np.inf
        distance, rows = self._tree.query(zyx, k=min(SEEN, len(self._owner)), distance_upper_bound=NEAR)
        for d, row in zip(np.atleast_1d(distance), np.atleast_1d(rows), strict=True):
            if np.isfinite(d) and self._owner[row] != part:
                return int(row), float(d)
        return -1, np.inf


class _Added:
    """Nodes of halos that lead from one core into another, each place once."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._rows: dict[tuple[int, ...], int] = {}
        self._from: list[tuple[int, int]] = []

    def add(self, part: Part, number: int, row: int) -> int:
        """Return the name of a node of part `number`."""
        place = tuple(part.zyx[row].tolist())
        if place not in self._rows:
            self._rows[place] = self._first + len(self._from)
            self._from.append((number, row))
        return self._rows[place]

    def columns(self, parts: Sequence[Part]) -> list[NDArray[np.generic]]:
        """Return zyx, p, depth, cost, worth and sure of the nodes."""
        if not self._from:
            return [np.zeros((0, 3), np.int64), *(np.zeros(0) for _ in COLUMNS[1:])]
        return [np.array([getattr(parts[k], name)[row] for k, row in self._from]) for name in COLUMNS]


def edges_into_neighbours(part: Part, number: int, name: Ints, others: _Others, added: _Added) -> Ints:
    """Return the edges (E, 2) along which the branches of a part continue in others, from the nodes that `name` (N,) names.

    A branch with no counterpart in the neighbouring part is dropped there.
    """
    beside = neighbours(part)
    edges: list[tuple[int, int]] = []
    mine = name >= 0
    crossing = np.flatnonzero(part.parent >= 0)
    crossing = crossing[mine[crossing] != mine[part.parent[crossing]]]
    for child in crossing.tolist():
        above = int(part.parent[child])
        inner, outer = (child, above) if mine[child] else (above, child)
        for way, end in meetings_beyond(part, number, start=(inner, outer), beside=beside, mine=mine, others=others):
            chain = [int(name[inner]), *(added.add(part, number, row) for row in way), end]
            edges += itertools.pairwise(chain)
    return np.array(edges, np.int64).reshape(-1, 2)


def neighbours(part: Part) -> dict[int, list[int]]:
    """Return the neighbours of every node of a part outside of its core."""
    beside: dict[int, list[int]] = {}
    for child in np.flatnonzero(part.parent >= 0).tolist():
        above = int(part.parent[child])
        beside.setdefault(child, []).append(above)
        beside.setdefault(above, []).append(child)
    return beside


def meetings_beyond(
    part: Part,
    number: int,
    *,
    start: tuple[int, int],
    beside: dict[int, list[int]],
    mine: NDArray[np.bool_],
    others: _Others,
) -> Iterator[tuple[list[int], int]]:
    """Yield (nodes of the halo, node of another part) of each way that leads from `start` (inside, outside) to one.

    A way ends at the first node that has a neighbour there, else at the one that comes nearest.
    """
    ways = [[start[1]]]
    before = {start[1]: start[0]}
    while ways:
        way = ways.pop()
        row, distance = others.nearest(part.zyx[way[-1]], number)
        if distance <= NEIGHBOURS:
            yield (way[:-1] if distance == 0 else way), row
            continue
        onwards = [n for n in beside[way[-1]] if n != before[way[-1]] and not mine[n]]
        if not onwards:
            found = [(*others.nearest(part.zyx[n], number), k) for k, n in enumerate(way)]
            row, distance, k = min(found, key=lambda one: one[1])
            if row >= 0:
                yield way[: k + 1], row
        for n in onwards:
            before[n] = way[-1]
            ways.append([*way, n])


def without_overlaps(somata: Sequence[Soma]) -> list[Soma]:
    """Return the somata of a volume, each with voxels of its own: one claimed by two belongs to the first."""
    if not somata:
        return []
    claimed = np.concatenate([soma.rows for soma in somata])
    claimer = np.repeat(np.arange(len(somata)), [len(soma.rows) for soma in somata])
    rows, first = np.unique(claimed, return_index=True)
    order = np.argsort(claimer[first], kind="stable")
    own = np.split(rows[order], np.searchsorted(claimer[first][order], np.arange(1, len(somata))))
    return [Soma(soma.zyx, soma.radius, mine) for soma, mine in zip(somata, own, strict=True) if len(mine)]


def soma_at(places: Ints, somata: Sequence[Soma]) -> Ints:
    """Return the number of the soma in which each place (N,) lies, -1 where there is none."""
    rows = np.concatenate([np.zeros(0, np.int64), *(soma.rows for soma in somata)])
    number = np.repeat(np.arange(len(somata)), [len(soma.rows) for soma in somata])
    if not len(rows):
        return np.full(len(places), -1)
    order = np.argsort(rows)
    found = order[np.minimum(np.searchsorted(rows[order], places), len(rows) - 1)]
    return np.where(rows[found] == places, number[found], -1)


def as_forest(graph: Graph, somata: list[Soma], shape: tuple[int, int, int], spacing: Floats) -> Skeleton:
    """Return a graph as trees: somata are nodes and roots, every other sure component is rooted at its best node."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    count, many = len(somata), len(graph.zyx)
    n = count + many
    within = soma_at(np.ravel_multi_index(tuple(graph.zyx.T), shape) if many else np.zeros(0, np.int64), somata)
    name = np.where(within >= 0, within, np.arange(count, n))
    skeleton = Skeleton.of(graph.zyx.astype(np.float64), graph.p, graph.depth, somata=somata)
    edges = name[graph.edges]
    edges = np.unique(np.sort(edges[edges[:, 0] != edges[:, 1]], axis=1), axis=0)
    cost = np.concatenate([np.ones(count), graph.cost])
    length = np.linalg.norm((skeleton.zyx[edges[:, 0]] - skeleton.zyx[edges[:, 1]]) * spacing, axis=1)
    weight = np.maximum(length, 1e-3) * (cost[edges[:, 0]] + cost[edges[:, 1]]) / 2
    ways = coo_array((weight, (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    _, label = components(n, edges)
    roots = roots_of(label, graph, count, outside=name >= count)
    if not len(roots):
        raise NoNeuronError("no neuron found in any part of the volume; try a lower --threshold")
    _, before, _ = dijkstra(ways, directed=False, indices=roots, min_only=True, return_predecessors=True)
    child = np.flatnonzero(before >= 0)
    return orient(skeleton, np.stack([before[child].astype(np.int64), child], 1), roots)


def roots_of(label: Ints, graph: Graph, count: int, *, outside: NDArray[np.bool_]) -> Ints:
    """Return the roots: the `count` somata, which come first, and the best node of every sure component without one.

    `label` (count + N,) are the components, `outside` (N,) says which nodes lie in no soma.
    """
    parts = int(label.max(initial=-1)) + 1
    sure, rooted = np.zeros(parts, bool), np.zeros(parts, bool)
    sure[label[count:][graph.sure & outside]] = True
    rooted[label[:count]] = True
    order = np.lexsort((-np.concatenate([np.full(count, np.inf), graph.worth]), label))
    best = order[np.searchsorted(label[order], np.arange(parts))]
    alone = np.bincount(label, minlength=parts) == 1
    return np.concatenate([np.arange(count), best[sure & ~rooted & ~alone]]).astype(np.int64)


def without_doubles(skeleton: Skeleton, borders: Sequence[Ints], spacing: Floats) -> Skeleton:
    """Return the skeleton without end branches that run at a border, and along another line of the same neurite.

    Two parts may put the line of a neurite that lies on their border a voxel apart, each on its own side.
    """
    from scipy.spatial import cKDTree

    points, children, keep = skeleton.zyx * spacing, skeleton.children, np.ones(len(skeleton), bool)
    length = skeleton.edge_lengths(spacing)
    seam = at_border(skeleton, borders)
    ends = [run for run in skeleton.runs() if children[run[-1]] == 0 and seam[run[1:]].all()]
    if not ends:
        return skeleton
    tree = cKDTree(points)
    for run in sorted(ends, key=lambda r: float(length[r[1:]].sum())):
        own = set(run[1:].tolist())
        beside = tree.query_ball_point(points[run[1:]], SAME_NEURITE[0] * skeleton.depth[run[1:]] + SAME_NEURITE[1])
        if all(any(n not in own and keep[n] for n in near) for near in beside):
            keep[run[1:]] = False
    return skeleton.take(keep)


def at_border(skeleton: Skeleton, borders: Sequence[Ints]) -> NDArray[np.bool_]:
    """Return which nodes lie so near to a border of cores that they could as well lie beyond it."""
    found = np.zeros(len(skeleton), bool)
    for axis, lows in enumerate(borders):
        if len(lows):
            place = np.searchsorted(lows, skeleton.zyx[:, axis])
            after, before = lows[np.minimum(place, len(lows) - 1)], lows[np.maximum(place - 1, 0)]
            gap = np.minimum(np.abs(skeleton.zyx[:, axis] - after), np.abs(skeleton.zyx[:, axis] - before))
            found |= gap <= 2 + skeleton.depth
    return found
