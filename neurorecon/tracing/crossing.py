"""Let neurites that touch where they cross continue straight.

Where neurite B crosses A, both are one foreground, and the cheapest path from the far part of B may lead through A. B is
then cut before the crossing, and its far part is attached to A. Two signs show this: a tip of B ends at the crossing, and
a branch of A continues in the direction of that tip:

    straight(tip, arm) >= STRAIGHT_MOVED  and  straight(tip, arm) >= straight(A, arm) + BETTER
    and  A continues straight without arm

with straight() the cosine between the direction in which one ends and the other one leaves, and radii that differ by a
factor of 2 at most. The arm then moves from A to the tip. Where B was cut further away, a stub leads back from the crossing
to where both tips meet; stub and arm are joined, and the tips, and both leave A. (Minimal paths alone swap at crossings:
Tueretken et al. 2013 weigh angles and radii for the same reason.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import components
from neurorecon.tracing.criteria import (
    ARM_PX,
    BETTER,
    FACING,
    MERGED_PX,
    MERGED_SHARE,
    NEIGHBOURS,
    ONE_CROSSING_PX,
    STRAIGHT,
    STRAIGHT_MOVED,
    TOUCH_PX,
)
from neurorecon.tracing.skeleton import Skeleton

__all__ = ["uncross"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
ALIKE = 2.0  # times: radii on both sides
STUB = 40.0  # px back to the crossing


@dataclass(frozen=True, slots=True)
class Plan:
    """Edges to be cut and to be made; `benefit` decides which plan is carried out first."""

    cut: tuple[tuple[int, int], ...]
    join: tuple[tuple[int, int], ...]
    benefit: float


class Arms:
    """The queries of this file to a tree: neighbours, directions of arms, descendants."""

    def __init__(self, skeleton: Skeleton, spacing: NDArray[np.float64]) -> None:
        """Note the neighbours of every node."""
        self.spacing = spacing
        self.points = skeleton.zyx * spacing
        self.parent = skeleton.parent.tolist()
        self.depth = skeleton.depth
        self.soma = skeleton.soma
        self.beside: list[list[int]] = [[] for _ in self.parent]
        for node, above in enumerate(self.parent):
            if above >= 0:
                self.beside[node].append(above)
                self.beside[above].append(node)

    def arm(self, base: int, first: int, look: float = ARM_PX) -> tuple[list[int], float]:
        """Return the nodes of the arm that leaves `base` by `first`, up to `look` px or the next branch point; its length."""
        nodes, before, length = [first], base, float(np.linalg.norm(self.points[first] - self.points[base]))
        while length < look and len(self.beside[nodes[-1]]) == 2:
            onwards = [n for n in self.beside[nodes[-1]] if n != before]
            before = nodes[-1]
            length += float(np.linalg.norm(self.points[onwards[0]] - self.points[before]))
            nodes.append(onwards[0])
        return nodes, length

    def leaves(self, base: int, first: int) -> NDArray[np.float64]:
        """Return the unit vector along the arm that leaves `base` by `first`."""
        nodes, length = self.arm(base, first)
        chain = np.array([base, *nodes])
        away = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points[chain], axis=0), axis=1))])
        start = chain[int(np.searchsorted(away, min(MERGED_PX, MERGED_SHARE * length)))]
        vector = self.points[chain[-1]] - self.points[start]
        size = float(np.linalg.norm(vector))
        return np.asarray(vector / size if size > 0 else vector)

    def ahead(self, end: int) -> NDArray[np.float64]:
        """Return the unit vector that leaves the tree at an end."""
        return -self.leaves(end, self.beside[end][0])

    def thickness(self, base: int, first: int) -> float:
        """Return the median depth along an arm."""
        return float(np.median(self.depth[self.arm(base, first)[0]]))

    def is_below(self, node: int, top: int) -> bool:
        """Say whether `node` lies in the subtree of `top`."""
        while node > top:  # parents come first
            node = self.parent[node]
        return node == top


def uncross(skeleton: Skeleton, spacing: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the edges (E, 2) of a tree whose neurites continue straight through their crossings."""
    from scipy.spatial import cKDTree

    all_arms = Arms(skeleton, spacing)
    edges: set[tuple[int, int]] = {(above, node) for above, node in skeleton.edges.tolist()}
    if len(skeleton) < 3:
        return np.array(sorted(edges), np.int64).reshape(-1, 2)
    degree = skeleton.degree
    forks = np.flatnonzero((degree >= 3) & (skeleton.soma < 0))
    tips = np.flatnonzero((degree == 1) & (skeleton.soma < 0))
    plans: list[Plan] = []
    if len(forks) and len(tips):
        fork_tree, tip_tree = cKDTree(all_arms.points[forks]), cKDTree(all_arms.points[tips])
        for tip in tips.tolist():
            reach = TOUCH_PX + 2 * float(all_arms.depth[tip]) + 1
            near = [int(forks[k]) for k in fork_tree.query_ball_point(all_arms.points[tip], reach)]
            plans += [plan for fork in near for plan in moves(all_arms, tip, fork)]
            others = [int(tips[k]) for k in tip_tree.query_ball_point(all_arms.points[tip], reach)]
            plans += [plan for other in others if other != tip for plan in meetings(all_arms, tip, other)]
    chosen: list[Plan] = []
    touched: set[int] = set()
    for plan in sorted(plans, key=lambda p: (-p.benefit, p.cut)):
        involved = {n for edge in (*plan.cut, *plan.join) for n in edge}
        if not involved & touched:
            chosen.append(plan)
            touched |= involved
    return np.array(sorted(carried_out(edges, chosen, len(skeleton))), np.int64).reshape(-1, 2)


def carried_out(edges: set[tuple[int, int]], plans: list[Plan], n: int) -> set[tuple[int, int]]:
    """Return the edges after all plans that make no loop, in their order; if all together make one, try each half."""
    after = edges - {(min(e), max(e)) for plan in plans for e in plan.cut}
    after |= {(min(e), max(e)) for plan in plans for e in plan.join}
    if is_forest(after, n):
        return after
    if len(plans) == 1:
        return edges
    half = len(plans) // 2
    return carried_out(carried_out(edges, plans[:half], n), plans[half:], n)


def is_forest(edges: set[tuple[int, int]], n: int) -> bool:
    """Return whether edges between n nodes form no loop."""
    pairs = np.array(sorted(edges), np.int64).reshape(-1, 2)
    return components(n, pairs)[0] == n - len(pairs)


def goes_on(all_arms: Arms, fork: int, without: int) -> bool:
    """Return whether two of the other arms of a fork form a straight line through it."""
    arms = [all_arms.leaves(fork, first) for first in all_arms.beside[fork] if first != without]
    return any(-float(a @ b) >= STRAIGHT for k, a in enumerate(arms) for b in arms[:k])


def moves(all_arms: Arms, tip: int, fork: int) -> list[Plan]:
    """Return the plans to move an arm of a fork to a tip that ends there."""
    base = all_arms.beside[tip][0]
    ahead = all_arms.ahead(tip)
    towards = all_arms.points[fork] - all_arms.points[tip]
    distance = float(np.linalg.norm(towards))
    if distance > NEIGHBOURS and float(towards @ ahead) < FACING * distance:
        return []
    found = []
    for first in all_arms.beside[fork]:
        if first == all_arms.parent[fork] or all_arms.is_below(tip, first):
            continue
        away = all_arms.leaves(fork, first)
        straight = float(ahead @ away)
        others = [-float(all_arms.leaves(fork, other) @ away) for other in all_arms.beside[fork] if other != first]
        ratio = all_arms.thickness(fork, first) / max(all_arms.thickness(tip, base), 1e-6)
        if (
            straight >= STRAIGHT_MOVED
            and straight >= max(others) + BETTER
            and 1 / ALIKE <= ratio <= ALIKE
            and goes_on(all_arms, fork, first)
        ):
            found.append(Plan(((fork, first),), ((tip, first),), straight - max(others)))
    return found


def meetings(all_arms: Arms, tip: int, other: int) -> list[Plan]:
    """Return the plans to join a tip to the tip of a stub that leads back to a crossing, and the stub to what goes on."""
    a, b = all_arms.ahead(tip), all_arms.ahead(other)
    if -float(a @ b) < STRAIGHT:
        return []
    stub, length = all_arms.arm(other, all_arms.beside[other][0], STUB)
    fork = stub[-1]
    if len(all_arms.beside[fork]) < 3 or length >= STUB or all_arms.soma[fork] >= 0 or len(stub) < 2:
        return []
    onwards = -all_arms.leaves(fork, stub[-2])  # where the stub leads through the fork
    found = []
    for place, first in arms_near(all_arms, fork, stub[-2]):
        if first == all_arms.parent[place] or all_arms.is_below(tip, first):
            continue
        away = all_arms.leaves(place, first)
        straight = float(onwards @ away)
        others = [
            -float(all_arms.leaves(place, x) @ away) for x in all_arms.beside[place] if x not in (first, stub[-2])
        ]
        ratio = all_arms.thickness(place, first) / max(all_arms.thickness(fork, stub[-2]), 1e-6)
        if straight >= STRAIGHT_MOVED and straight >= max(others, default=-1) + BETTER and 1 / ALIKE <= ratio <= ALIKE:
            cut = ((place, first), (fork, stub[-2]))
            found.append(Plan(cut, ((tip, other), (stub[-2], first)), straight - max(others, default=-1)))
    return found


def arms_near(all_arms: Arms, fork: int, without: int) -> list[tuple[int, int]]:
    """Return (branch point, first node) of the arms at a fork, and at forks less than ONE_CROSSING_PX px along its neurite."""
    found = [(fork, first) for first in all_arms.beside[fork] if first != without]
    for first in [first for _, first in found]:
        nodes, length = all_arms.arm(fork, first, ONE_CROSSING_PX)
        if length < ONE_CROSSING_PX and len(all_arms.beside[nodes[-1]]) >= 3:
            before = nodes[-2] if len(nodes) > 1 else fork
            found += [(nodes[-1], onward) for onward in all_arms.beside[nodes[-1]] if onward != before]
    return found
