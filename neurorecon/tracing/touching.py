"""Separate neurons that touch: every stretch is assigned to the soma with the shortest path to it.

The path follows the skeleton, with three corrections:

    crossing    where two neurites run straight through one another, turning from one into the other costs TURN_PX
    neck        an end that points at a soma, and stops short of it, continues into it: maps are dark around bright bodies
    meeting     two ends of different neurons that face each other are one neurite, which the shortest paths had split

A neurite attached to the wrong neuron because they touch is reassigned if a path to its own soma remains.
Shortest paths from many roots: Dijkstra 1959. Straight continuations are likelier than turns: Tueretken et al. 2013.
If fewer than two somata are known there is nothing to share.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import components
from neurorecon.tracing.criteria import BETTER, FACING, NEIGHBOURS, ONE_CROSSING_PX, STRAIGHT, TOUCH_PX
from neurorecon.tracing.crossing import Arms
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.body import radius_along

__all__ = ["share"]

# Chosen by hand on synthetic brains (docs/scale.md); no sweep is recorded.
TURN_PX = 5000.0  # longer than most neurites, so that a path turns at a crossing only if there is no other path
NECK_PX = 6.0  # between an end and the surface of a soma
MOST_ARMS = 7  # of a crossing: with more it is a tangle

Edge = tuple[int, int]
Floats = NDArray[np.float64]
Arm = tuple[int, int]  # a node of a crossing, and the first one outside of it


def share(skeleton: Skeleton, spacing: Floats, body_spacing: Floats) -> NDArray[np.int64]:
    """Return the edges (E, 2) of a forest with each neurite attached to its own neuron; pieces without a soma stay.

    Args:
        skeleton: the forest.
        spacing: (3,) edges of a voxel in the metric of neurites.
        body_spacing: (3,) likewise in that of cell bodies (`bridge.Ground`).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    edges = skeleton.edges
    child = edges[:, 1]
    somata = np.flatnonzero(skeleton.soma >= 0)
    if len(somata) < 2:
        return edges
    all_arms = Arms(skeleton, spacing)
    neuron = np.where(skeleton.soma[skeleton.pieces()] >= 0, skeleton.pieces(), -1)
    way = skeleton.edge_lengths(spacing)
    new = part_crossings(all_arms, way, [nodes for nodes in crossings(skeleton, spacing) if neuron[nodes[0]] >= 0])
    for a, b in itertools.chain(necks(all_arms, skeleton, neuron, body_spacing), meetings(all_arms, skeleton, neuron)):
        new[min(a, b), max(a, b)] = distance(all_arms, a, b)
    old = child[(neuron[child] >= 0) & np.isfinite(way[child])]
    pairs = np.concatenate([np.stack([skeleton.parent[old], old], 1), np.array(list(new), np.int64).reshape(-1, 2)])
    weight = np.maximum(np.concatenate([way[old], list(new.values())]), 1e-3)
    graph = coo_array((weight, (pairs[:, 0], pairs[:, 1])), shape=(len(skeleton),) * 2).tocsr()
    _, before, _ = dijkstra(graph, directed=False, indices=somata, min_only=True, return_predecessors=True)
    reached = np.flatnonzero(before >= 0)
    return np.concatenate([edges[neuron[child] < 0], np.stack([before[reached].astype(np.int64), reached], 1)])


def distance(all_arms: Arms, a: int, b: int) -> float:
    """Return how far two nodes lie apart."""
    return float(np.linalg.norm(all_arms.points[a] - all_arms.points[b]))


def crossings(skeleton: Skeleton, spacing: NDArray[np.float64]) -> list[list[int]]:
    """Return branch points with the nodes of the short stretches between them; each group may be a crossing."""
    length = skeleton.edge_lengths(spacing)
    fork = (skeleton.degree >= 3) & (skeleton.soma < 0)
    near = [
        run for run in skeleton.runs() if fork[run[0]] and fork[run[-1]] and length[run[1:]].sum() <= ONE_CROSSING_PX
    ]
    ends = np.array([(run[0], run[-1]) for run in near], np.int64).reshape(-1, 2)
    _, name = components(len(skeleton), ends)
    groups: dict[int, set[int]] = {}
    for nodes in (*np.flatnonzero(fork)[:, None], *near):
        groups.setdefault(int(name[nodes[0]]), set()).update(nodes.tolist())
    return [sorted(group) for group in groups.values()]


def part_crossings(all_arms: Arms, way: NDArray[np.float64], groups: list[list[int]]) -> dict[Edge, float]:
    """Return the edges along which crossing neurites continue straight, with their lengths.

    In `way` (N,), the length of every node's edge to its parent, turning becomes costly, and one of two such edges infinite.
    """
    new: dict[Edge, float] = {}
    for nodes in groups:
        found = crossing(all_arms, nodes)
        if found is None or not all(all_arms.parent[first] == base and way[first] < TURN_PX for base, first in found):
            continue
        first, second = sorted((found[0][1], found[1][1]))
        new[first, second] = distance(all_arms, first, second)
        way[first] += TURN_PX
        way[second] = np.inf
    return new


def crossing(all_arms: Arms, nodes: list[int]) -> tuple[Arm, Arm] | None:
    """Return the two arms of a neurite that crosses the one leading to the root; None if there is none."""
    inside = set(nodes)
    arms = [(node, first) for node in nodes for first in all_arms.beside[node] if first not in inside]
    if not 4 <= len(arms) <= MOST_ARMS:
        return None
    away = np.array([all_arms.leaves(*arm) for arm in arms])
    straight = -away @ away.T
    up = next((k for k, (node, first) in enumerate(arms) if all_arms.parent[node] == first), -1)
    others = [k for k in range(len(arms)) if k != up]
    best, found, line = 0.0, None, -1
    for j, k in itertools.combinations(others, 2):
        on = max((i for i in others if i not in (j, k)), key=lambda i: float(straight[up, i]))
        both = float(straight[j, k] + straight[up, on])
        swapped = max(straight[up, j] + straight[on, k], straight[up, k] + straight[on, j])
        if min(straight[j, k], straight[up, on]) >= STRAIGHT and both >= swapped + BETTER and both > best:
            best, found, line = both, (arms[j], arms[k]), arms[on][0]
    return None if found is None else leaving(all_arms, found, line, inside)


def leaving(all_arms: Arms, found: tuple[Arm, Arm], node: int, inside: set[int]) -> tuple[Arm, Arm]:
    """Return the two arms of one neurite from where they leave the line of the other one, which goes on at `node`.

    A branch close to the crossing stays with the arm that it leaves. If both arms leave by one edge, they cross a branch, and
    are returned unchanged.
    """
    line = set()
    while node in inside:
        line.add(node)
        node = all_arms.parent[node]
    arms = []
    for base, first in found:
        while base not in line:
            base, first = all_arms.parent[base], base
        arms.append((base, first))
    return found if arms[0] == arms[1] else (arms[0], arms[1])


def necks(all_arms: Arms, skeleton: Skeleton, neuron: NDArray[np.int64], body_spacing: Floats) -> Iterator[Edge]:
    """Yield (soma, end) of ends that point at the soma of another neuron and stop short of it."""
    from scipy.spatial import cKDTree

    ends, somata = ends_of(skeleton, neuron), np.flatnonzero(skeleton.soma >= 0)
    reach = skeleton.depth[somata] + NECK_PX
    near = cKDTree(all_arms.points[ends]).query_ball_point(all_arms.points[somata], reach) if len(ends) else []
    for soma, found in zip(somata.tolist(), near, strict=False):
        for end in ends[sorted(found)].tolist():
            gap = all_arms.points[soma] - all_arms.points[end]
            size = float(np.linalg.norm(gap))
            way = skeleton.zyx[end] - skeleton.zyx[soma]
            radius = radius_along(way, skeleton.depth[soma], spacing=all_arms.spacing, edges=body_spacing)
            facing = float(gap @ all_arms.ahead(end)) >= FACING * size
            if neuron[end] != neuron[soma] and facing and size <= radius + NECK_PX:
                yield soma, end


def meetings(all_arms: Arms, skeleton: Skeleton, neuron: NDArray[np.int64]) -> Iterator[Edge]:
    """Yield the pairs of ends of different neurons that touch and face each other."""
    from scipy.spatial import cKDTree

    ends = ends_of(skeleton, neuron)
    reach = TOUCH_PX + 1 + 2 * skeleton.depth[ends]
    tree = cKDTree(all_arms.points[ends]) if len(ends) else None
    near = [] if tree is None else tree.query_ball_point(all_arms.points[ends], reach)
    for a, found in zip(ends.tolist(), near, strict=True):
        for b in ends[sorted(found)].tolist():
            if b > a and neuron[a] != neuron[b] and is_meeting(all_arms, a, b):
                yield a, b


def is_meeting(all_arms: Arms, a: int, b: int) -> bool:
    """Say whether two ends that touch lead into each other."""
    gap = all_arms.points[b] - all_arms.points[a]
    size, there, back = float(np.linalg.norm(gap)), all_arms.ahead(a), all_arms.ahead(b)
    beside = size <= NEIGHBOURS
    return -float(there @ back) >= FACING and (beside or min(float(gap @ there), -float(gap @ back)) >= FACING * size)


def ends_of(skeleton: Skeleton, neuron: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tips of the tree of a soma."""
    return np.flatnonzero((skeleton.degree == 1) & (skeleton.soma < 0) & (neuron >= 0))
