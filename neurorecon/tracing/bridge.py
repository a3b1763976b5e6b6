"""Join pieces of a neurite across a gap if their directions agree and the probability in between allows it.

From every free end the nearest node of another piece within reach is proposed; the cheapest way between both through
the probability (also where it is below the threshold) says how much of the link lies without evidence:

    missing = sum over the way of length * max(0, 1 - p / low)

Links are accepted in order of missing evidence, with length and turn as penalties, never between two somata, and never
into a loop (Kruskal 1956).

Five steps join pieces that were grown separately, each by its own criterion:

    bridge               a gap of at most gap_px      little evidence is missing on the cheapest way
    long_gaps            a gap of at most reach_px    two ends face each other, and neither has a better aim
    crossing.meetings    a neurite cut at a crossing  a stub leads from the crossing to the other tip
    touching.meetings    parted between two neurons   two ends touch and face each other
    touching.necks       a rim around a soma          an end points at the soma and stops short of it
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.stack import Volume
from neurorecon.tracing.criteria import FACING, NEIGHBOURS, SHARE_MISSING
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.body import radius_along

__all__ = ["aim", "bridge"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
LOOK_BACK = 6  # nodes from which an end takes its direction
REACH = 1.5  # times the gap: the longest link, evidence included
DARK = 0.04  # probability below which all voxels have the same cost
ONE_SIDED = 0.4  # of the gap, where an end meets the side of another piece: debris lies beside neurites, too
PER_LENGTH = 0.2  # of the length of a way counts as missing evidence, where links compete
TURNED = 0.5  # by how much a link at a right angle counts as worse than a straight one
THIN = 3.0  # px of depth that REACH holds already: neurites of real stacks are hardly deeper
MARGIN = 3  # voxels around both ends: the box in which the path is searched


@dataclass(frozen=True, slots=True)
class Link:
    """A proposed join of node `a` (an end) and node `b`.

    Attributes:
        a, b: rows of the two nodes.
        missing: length of its way without evidence, in units of the shortest edge.
        score: the same with penalties for length and turn; the least is accepted first.
        between: (M, 3) zyx voxels between the two nodes, without them.
        p: (M,) their probability, 0 to 1.
    """

    a: int
    b: int
    missing: float
    score: float
    between: NDArray[np.int64]
    p: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """The volume in which links are searched.

    Attributes:
        volume: (Z, Y, X) uint8 probability, 0 to 255.
        spacing: (3,) edges of a voxel, zyx, by the shortest one.
        low: probability from which a voxel is foreground, 0 to 1.
        body_spacing: (3,) likewise by the true size of a voxel, for cell bodies (`soma.body.body_metric`).
    """

    volume: Volume
    spacing: NDArray[np.float64]
    low: float
    body_spacing: NDArray[np.float64]


def children_of(skeleton: Skeleton) -> dict[int, list[int]]:
    """Return the children of every node that has some."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(skeleton.parent.tolist()):
        children.setdefault(parent, []).append(node)
    return children


def end_direction(
    skeleton: Skeleton, children: dict[int, list[int]], end: int, spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the unit vector that leaves the tree at an end, zeros where the piece is too short to have one."""
    before, node = -1, end
    for _ in range(LOOK_BACK):
        beside = [*children.get(node, []), int(skeleton.parent[node])]
        onwards = [other for other in beside if other not in (before, -1)]
        if len(onwards) != 1:
            break
        before, node = node, onwards[0]
    vector = (skeleton.zyx[end] - skeleton.zyx[node]) * spacing
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1 else np.zeros(3)


def aim(distance: NDArray[np.float64], cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how badly an end aims at places, (N,), by their distances and cosines: less is nearer and more straight ahead.

    In the plain form, distance * (2 - cosine), F1 of real stacks falls by 0.0007, and of `lifted` by 0.001.
    """
    return np.asarray(distance * (2 - cosine) ** 2, np.float64)


def proposals(skeleton: Skeleton, ground: Ground, gap_px: float) -> Iterator[tuple[int, int, float, bool]]:
    """Yield (end, node of another piece, cosine of the turn, whether two ends face each other): the best of every piece.

    An end that points at a cell body faces it.
    """
    from scipy.spatial import cKDTree

    points, piece, body = skeleton.zyx * ground.spacing, skeleton.pieces(), skeleton.soma >= 0
    ends = np.flatnonzero((skeleton.degree <= 1) & ~body)
    children = children_of(skeleton)
    directions = {int(end): end_direction(skeleton, children, int(end), ground.spacing) for end in ends}
    inside = np.maximum(skeleton.depth - THIN, 0.0)  # from the surface of a thick neurite to its line is no gap
    reach = REACH * gap_px
    for end, found in zip(ends, cKDTree(points).query_ball_point(points[ends], reach + inside.max()), strict=True):
        others = np.array(found)[piece[found] != piece[end]]
        thick = inside[others]
        own = body[others]
        ways = skeleton.zyx[end] - skeleton.zyx[others[own]]
        thick[own] = radius_along(ways, thick[own], spacing=ground.spacing, edges=ground.body_spacing)
        others = others[np.linalg.norm(points[others] - points[end], axis=1) - thick <= reach]
        if not len(others):
            continue
        direction = directions[int(end)]
        vector = points[others] - points[end]
        distance = np.linalg.norm(vector, axis=1)
        cosine = (vector @ direction) / np.maximum(distance, 1e-9)
        plausible = (cosine >= FACING) | (distance <= NEIGHBOURS) | (not direction.any())
        worth = aim(distance, cosine)
        for other in np.unique(piece[others[plausible]]):
            own = np.flatnonzero(plausible & (piece[others] == other))
            best = own[worth[own].argmin()]
            towards = directions.get(int(others[best]), np.zeros(3))
            facing = towards.any() and -float(vector[best] @ towards) >= FACING * float(distance[best])
            if body[others[best]]:  # a body has ends on all sides
                facing = cosine[best] >= FACING
            yield int(end), int(others[best]), float(cosine[best]), bool(facing)


def link_between(ground: Ground, skeleton: Skeleton, a: int, b: int, cosine: float) -> Link:
    """Return the cheapest way between two nodes through the probability around them."""
    import dijkstra3d

    ends = np.stack([skeleton.zyx[a], skeleton.zyx[b]]).round().astype(np.int64)
    low = np.maximum(ends.min(0) - MARGIN, 0)
    high = np.minimum(ends.max(0) + MARGIN + 1, ground.volume.shape)
    box = slices_between(low, high)
    p = np.asarray(ground.volume[box], np.float32) / 255
    cost = np.asfortranarray(1 / (DARK + p))
    way = dijkstra3d.dijkstra(
        cost, tuple(ends[0] - low), tuple(ends[1] - low), connectivity=26, anisotropy=tuple(ground.spacing)
    ).astype(np.int64)
    if len(way) and (way[0] != ends[0] - low).any():
        way = way[::-1]
    values = p[tuple(way.T)].astype(np.float64)
    lengths = np.linalg.norm(np.diff(way, axis=0) * ground.spacing, axis=1)
    dark = np.maximum(0, 1 - values / ground.low)
    if skeleton.soma[b] >= 0:  # inside of a body nothing is missing, however dark its nucleus is
        dark[np.linalg.norm((way + low - skeleton.zyx[b]) * ground.body_spacing, axis=1) <= skeleton.depth[b]] = 0
    missing = float((lengths * (dark[1:] + dark[:-1]) / 2).sum())
    score = (missing + PER_LENGTH * float(lengths.sum())) * (1 + TURNED - TURNED * cosine)
    return Link(a, b, missing=missing, score=score, between=way[1:-1] + low, p=values[1:-1])


class Union:
    """Disjoint sets, each with a flag whether it contains a soma."""

    def __init__(self, size: int, with_soma: NDArray[np.int64]) -> None:
        """Start with every node alone."""
        self.above = list(range(size))
        self.soma = set(with_soma.tolist())

    def find(self, node: int) -> int:
        """Return the name of the set."""
        while self.above[node] != node:
            self.above[node] = self.above[self.above[node]]
            node = self.above[node]
        return node

    def join(self, a: int, b: int) -> bool:
        """Join two sets unless they are the same or both contain a soma; return whether they were joined."""
        a, b = self.find(a), self.find(b)
        if a == b or (a in self.soma and b in self.soma):
            return False
        self.above[b] = a
        if b in self.soma:
            self.soma.add(a)
        return True


def choose_links(ground: Ground, skeleton: Skeleton, gap_px: float) -> list[Link]:
    """Return the links to be made, least missing evidence first."""
    piece = skeleton.pieces()
    length = skeleton.cable_of_pieces(ground.spacing)
    links = []
    for a, b, cosine, facing in proposals(skeleton, ground, gap_px):
        link = link_between(ground, skeleton, a, b, cosine)
        shorter = min(length[piece[a]], length[piece[b]])
        if link.missing <= min(gap_px * (1 if facing else ONE_SIDED), 1 + SHARE_MISSING * shorter):
            links.append(link)
    return without_loops(links, skeleton)


def without_loops(links: list[Link], skeleton: Skeleton) -> list[Link]:
    """Return the accepted links, those of the least score first; no link closes a loop or joins two somata."""
    piece = skeleton.pieces()
    union = Union(len(skeleton), piece[skeleton.soma >= 0])
    return [link for link in sorted(links, key=lambda x: x.score) if union.join(int(piece[link.a]), int(piece[link.b]))]


def bridge(skeleton: Skeleton, ground: Ground, gap_px: float) -> tuple[Skeleton, NDArray[np.int64]]:
    """Return the skeleton with the nodes of all links added, and all its edges (E, 2); its parents are void."""
    return with_links(skeleton, choose_links(ground, skeleton, gap_px) if gap_px > 0 else [], ground.spacing)


def with_links(
    skeleton: Skeleton, links: list[Link], spacing: NDArray[np.float64]
) -> tuple[Skeleton, NDArray[np.int64]]:
    """Return the skeleton with the nodes of `links` added, and all its edges (E, 2); its parents are void."""
    edges = [skeleton.edges]
    n = len(skeleton)
    for link in links:
        chain = np.concatenate([[link.a], np.arange(n, n + len(link.between)), [link.b]])
        edges.append(np.stack([chain[:-1], chain[1:]], 1))
        n += len(link.between)
    added = n - len(skeleton)
    between = np.concatenate([np.zeros((0, 3)), *(link.between for link in links)])
    joined = Skeleton(
        np.concatenate([skeleton.zyx, between]),
        np.full(n, -1),
        np.concatenate([skeleton.p, *(link.p for link in links)]),
        np.concatenate([skeleton.depth, np.full(added, float(spacing.min()))]),
        np.concatenate([skeleton.soma, np.full(added, -1)]),
    )
    return joined, np.concatenate(edges)
