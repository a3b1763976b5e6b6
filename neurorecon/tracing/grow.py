"""Grow the tree, longest path first; the voxels within the radius of a path then count as covered.

After TEASAR (Sato et al. 2000): take the uncovered voxel that is furthest from the root, follow its cheapest way back
until it meets the tree, cover a ball of SCALE times the depth plus MARGIN voxels around every node, and repeat until
all is covered. All ways come from one cheapest-path forest, so no way crosses or re-enters another, and no loop can arise.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import children
from neurorecon.tracing.cover import Cover
from neurorecon.tracing.foreground import Cloud, Float32s
from neurorecon.tracing.geodesic import Geodesic
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.body import Soma

__all__ = ["grow"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
CAP = 0.5  # voxels from the surface to the middle of the first voxel outside, to which depth is measured
LOOK_AHEAD, TRIES = 4, 8  # nodes from which the direction of a root's path is taken; ends behind it that are tried
UNSEEN, SOMA = -1, -2  # in place of a node; by convention below 0


@dataclass(slots=True)
class Growth:
    """The tree while it grows: rows of the cloud, and the node of each row."""

    place: NDArray[np.int64]  # (N,) node of a row; UNSEEN, or SOMA - k for a row of soma k
    rows: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)

    def add(self, way: list[int], onto: int) -> None:
        """Attach the rows of `way`, nearest first, to the node `onto` (-1: the first becomes a root)."""
        for row in way:
            self.place[row] = len(self.rows)
            self.parent.append(onto)
            onto = len(self.rows)
            self.rows.append(row)


def grow(cover: Cover, depth: Float32s, ways: Geodesic, somata: list[Soma], spur_px: float) -> Skeleton:
    """Return the forest of longest ways; an end of less than `spur_px` voxels beyond the surface it leaves is left out.

    `cover` has nothing covered yet. Every soma is one node in its centre, and a root. Other components are rooted at the row
    where their ways end.
    """
    cloud = cover.cloud
    growth = Growth(np.full(len(cloud), UNSEEN, np.int64))
    for k, soma in enumerate(somata):
        growth.place[soma.rows] = SOMA - k
        cover.covered[soma.rows] = True
    before = ways.before.data  # memoryviews: one value is read 3 times as fast as from an array
    place, covered = growth.place.data, cover.covered.data
    for tip in np.argsort(-ways.length, kind="stable").tolist():
        if covered[tip]:
            continue
        way, row = [], tip
        while row >= 0 and place[row] == UNSEEN:
            way.append(row)
            row = before[row]
        met = place[row] if row >= 0 else -1
        if row >= 0:
            clearance = float(depth[row]) if met >= 0 else 0.0
            length = float(ways.length[tip] - ways.length[row])
            if length - clearance < max(spur_px * length / len(way), 0.5 * clearance):
                cover.covered[way] = True
                continue
        kept = way[cap_length(cloud, way, depth) :]
        growth.add(kept[::-1], met)  # on a soma, `met` is SOMA - k until as_skeleton()
        cover.add(np.array(way))
    extend_roots(growth, cover, ways, depth, spur_px)
    return as_skeleton(cloud, depth, growth, somata)


def extend_roots(growth: Growth, cover: Cover, ways: Geodesic, depth: Float32s, spur_px: float) -> None:
    """Lengthen every root with a single way to the end behind it, which was too near for a way of its own."""
    cloud = cover.cloud
    parent = np.array(growth.parent, np.int64)
    for node in np.flatnonzero((parent == -1) & (children(parent) == 1)).tolist():
        row = growth.rows[node]
        onwards = (cloud.zyx[growth.rows[min(node + LOOK_AHEAD, len(parent) - 1)]] - cloud.zyx[row]) * cloud.spacing
        found = cloud.find(cloud.key[row] + cover.ball(int(2 * (depth[row] + spur_px))))
        found = found[found >= 0]
        behind = ((cloud.zyx[found] - cloud.zyx[row]) * cloud.spacing) @ onwards < 0
        found = found[behind & (growth.place[found] == UNSEEN)]
        for tip in found[np.argsort(-ways.length[found], kind="stable")][:TRIES].tolist():
            way = [tip]
            while (before := int(ways.before[way[-1]])) >= 0 and growth.place[before] == UNSEEN:
                way.append(before)
            if before == row:
                growth.add(way[cap_length(cloud, [*way, row], depth) :][::-1], node)
                break


def cap_length(cloud: Cloud, way: list[int], depth: Float32s) -> int:
    """Return how many voxels of a way (tip first) to leave out, so that it ends in the middle of the neurite's round cap.

    Inside the cap the depth is the distance to the tip. The cap ends where the depth is less than that.
    """
    tip = cloud.zyx[way[0]]
    for k, row in enumerate(way):
        if depth[row] < np.linalg.norm((cloud.zyx[row] - tip) * cloud.edges) + CAP:
            return k
    return len(way) - 1


def as_skeleton(cloud: Cloud, depth: Float32s, growth: Growth, somata: list[Soma]) -> Skeleton:
    """Return the grown tree with the somata as its first nodes."""
    rows, parent = np.array(growth.rows, np.int64), np.array(growth.parent, np.int64)
    count = len(somata)
    parent = np.where(parent >= 0, parent + count, np.where(parent <= SOMA, SOMA - parent, -1))
    nodes = Skeleton.of(cloud.zyx[rows].astype(np.float64), cloud.p[rows], depth[rows], somata=somata)
    return replace(nodes, parent=np.concatenate([np.full(count, -1), parent]).astype(np.int64))
