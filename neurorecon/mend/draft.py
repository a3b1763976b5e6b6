"""A forest that verdicts change step by step: edges are removed, paths added, trees rerooted; at the end a Tree again."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import renumbered, rows_within
from neurorecon.core.tree import NodeType, Tree
from neurorecon.swc.structure import order_parents_first

__all__ = ["Draft"]

Ints = NDArray[np.int64]
Point = tuple[float, float, float]


class Draft:
    """Nodes by row, those of the tree it began with first; every change keeps it a forest.

    Attributes:
        xyz, radius, kind, parent: of each node.
    """

    def __init__(self, tree: Tree) -> None:
        """Begin with a tree."""
        self.unit = tree.unit
        self.xyz: list[Point] = [(x, y, z) for x, y, z in tree.xyz.tolist()]
        self.radius: list[float] = tree.radius.tolist()
        self.kind: list[int] = tree.type.tolist()
        self.parent: list[int] = tree.parent.tolist()
        self._children: list[set[int]] = [set() for _ in self.parent]
        for row, up in enumerate(self.parent):
            if up >= 0:
                self._children[up].add(row)
        self._gone: set[int] = set()

    def copy(self) -> "Draft":
        """Return another draft of the same forest."""
        twin = Draft.__new__(Draft)
        twin.unit, twin.xyz, twin.radius = self.unit, self.xyz.copy(), self.radius.copy()
        twin.kind, twin.parent = self.kind.copy(), self.parent.copy()
        twin._children, twin._gone = [one.copy() for one in self._children], self._gone.copy()
        return twin

    def has(self, row: int) -> bool:
        """Say whether a node is still there."""
        return row not in self._gone

    def children(self, row: int) -> list[int]:
        """Return the children of a node, ascending."""
        return sorted(self._children[row])

    def length(self, a: int, b: int) -> float:
        """Return the distance of two nodes."""
        return math.dist(self.xyz[a], self.xyz[b])

    def cut(self, a: int, b: int) -> bool:
        """Remove the edge between two nodes, in either direction; return whether there was one."""
        for low, high in ((a, b), (b, a)):
            if self.parent[low] == high:
                self._attach(low, -1)
                return True
        return False

    def sweep(self, rows: Iterable[int]) -> None:
        """Remove those of `rows` that have no edge left; a soma stays."""
        for row in rows:
            if self.parent[row] < 0 and not self._children[row] and self.kind[row] != NodeType.SOMA:
                self._gone.add(row)

    def root_of(self, row: int) -> int:
        """Return the root of a node's tree."""
        while self.parent[row] >= 0:
            row = self.parent[row]
        return row

    def rows_of(self, root: int) -> list[int]:
        """Return the nodes below a node, itself first."""
        rows, ahead = [], [root]
        while ahead:
            row = ahead.pop()
            rows.append(row)
            ahead.extend(self._children[row])
        return rows

    def cable(self, root: int) -> float:
        """Return the length of a tree."""
        return sum(self.length(row, self.parent[row]) for row in self.rows_of(root) if self.parent[row] >= 0)

    def somata(self, root: int) -> list[int]:
        """Return the soma nodes of a tree."""
        return [row for row in self.rows_of(root) if self.kind[row] == NodeType.SOMA]

    def reroot(self, row: int) -> None:
        """Root a tree at one of its nodes: the edges up to the old root are reversed."""
        below, here = -1, row
        while here >= 0:
            above = self.parent[here]
            self._attach(here, below)
            below, here = here, above

    def link(self, high: int, low: int, between: NDArray[np.float64]) -> list[int]:
        """Attach `low`, a root, to `high` by a path of new nodes `between` (M, 3), xyz; return their rows, `low` last.

        Their radius changes linearly from one end to the other.
        """
        widths = np.linspace(self._neurite(high, low), self._neurite(low, high), len(between) + 2)[1:-1]
        rows = self.grow(high, between, widths.tolist())
        self._attach(low, rows[-1] if rows else high)
        return [*rows, low]

    def grow(self, row: int, points: NDArray[np.float64], widths: list[float]) -> list[int]:
        """Attach a path of new nodes (M, 3), xyz, with their radii, to a node; return their rows."""
        rows, last = [], row
        for (x, y, z), width in zip(points.tolist(), widths, strict=True):
            rows.append(len(self.xyz))
            self.xyz.append((x, y, z))
            self.radius.append(width)
            self.kind.append(NodeType.UNDEFINED)
            self.parent.append(-1)
            self._children.append(set())
            self._attach(rows[-1], last)
            last = rows[-1]
        return rows

    def width(self, row: int) -> float:
        """Return the radius for a new neurite at a node; at a soma that of its thickest neurite, if it has any."""
        beside = [self.radius[r] for r in self._children[row]] or [self.radius[row]]
        return max(beside) if self.kind[row] == NodeType.SOMA else self.radius[row]

    def _neurite(self, row: int, other: int) -> float:
        """Return the radius of the neurite between two nodes at the first; if that is a soma, at the other one."""
        ends = [self.radius[r] for r in (row, other) if self.kind[r] != NodeType.SOMA]
        return ends[0] if ends else min(self.radius[row], self.radius[other])

    def line_of(self, row: int) -> list[int]:
        """Return the nodes of the unbranched stretch that holds a node; a branch point belongs to the stretch above it."""
        line, here = [row], row
        if self.parent[row] < 0 and len(self._children[row]) != 1:
            return line
        while (up := self.parent[here]) >= 0 and len(self._children[up]) == 1 and self.kind[up] != NodeType.SOMA:
            line.append(up)
            here = up
        here = row
        while len(self._children[here]) == 1:
            (here,) = self._children[here]
            line.append(here)
        return line

    def tree(self) -> tuple[Tree, Ints]:
        """Return the tree, and the row of each of its nodes in the draft, (N,)."""
        kept = np.array([row for row in range(len(self.parent)) if self.has(row)], np.int64)
        parent = rows_within(kept, np.array(self.parent, np.int64)[kept])
        order = order_parents_first(parent)
        rows = kept[order]
        xyz = np.array(self.xyz, np.float64).reshape(-1, 3)[rows]
        radius, kind = np.array(self.radius)[rows], np.array(self.kind, np.int64)[rows]
        return Tree(xyz, radius, renumbered(parent, order), kind, self.unit), rows

    def _attach(self, row: int, above: int) -> None:
        """Set the parent of a node; -1 makes it a root."""
        if self.parent[row] >= 0:
            self._children[self.parent[row]].discard(row)
        self.parent[row] = above
        if above >= 0:
            self._children[above].add(row)
