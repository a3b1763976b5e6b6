"""Carry out verdicts on a tree: drop, cut, join, extend, reroot, or set a type.

Verdicts are taken in their order; ids, stretches, parents and unbranched lines are those of the file. Some verdicts cannot be
carried out because of earlier ones: the node was dropped, or both nodes to be joined are in one tree. Such a verdict is left
out, and its outcome gives the reason. A verdict that names a node or a stretch that the file does not hold is an error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.tree import NodeType, Tree
from neurorecon.mend.draft import Draft
from neurorecon.mend.verdicts import Verdict

__all__ = ["Mended", "Mender", "Outcome", "WayFinder", "mend", "stretch_rows"]

Ints = NDArray[np.int64]
# From one point to another, xyz in the unit of the tree: the points between (M, 3), and where they come from.
WayFinder = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a verdict.

    Attributes:
        verdict: the verdict.
        done: whether the tree shows it.
        what: what was done, or why nothing was.
    """

    verdict: Verdict
    done: bool
    what: str


@dataclass(frozen=True, slots=True)
class Mended:
    """A tree after its verdicts.

    Attributes:
        tree: the tree.
        outcomes: one a verdict, in their order.
        looked: (N,) bool, whether a verdict looked at the edge above each node of `tree`.
        dropped: rows of the tree before whose edge above was dropped.
    """

    tree: Tree
    outcomes: tuple[Outcome, ...]
    looked: NDArray[np.bool_]
    dropped: Ints


def stretch_rows(tree: Tree, top: int, to: int) -> list[int] | None:
    """Return the lower nodes of the edges from row `to` up to row `top`, the lowest first; None if none lead there."""
    rows, row = [], to
    while row != top:
        rows.append(row)
        row = int(tree.parent[row])
        if row < 0:
            return None
    return rows


def mend(tree: Tree, ids: Ints, verdicts: Sequence[Verdict], way: WayFinder, *, where: str = "verdicts") -> Mended:
    """Carry out verdicts on a tree.

    Args:
        tree: one tree or a forest.
        ids: (N,) the id of each node, as verdicts name them.
        verdicts: in their order; of several that keep or drop one stretch, the last counts.
        way: finds the way of a join.
        where: opens every message.

    Raises:
        InputError: if a verdict names a node or a stretch that the tree does not have, or nothing is left.
    """
    work = Mender(tree, ids, way, where=where)
    last = {v.place: v.number for v in verdicts}
    outcomes = []
    for verdict in verdicts:
        work.check(verdict)
        if verdict.place is not None and last[verdict.place] != verdict.number:
            later = last[verdict.place]
            outcomes.append(Outcome(verdict, False, f"verdict {later} on the same stretch takes its place"))
            continue
        outcomes.append(work.do(verdict))
    made, rows = work.finished()
    if not len(made):
        raise InputError(f"{where}: all of the tree is dropped; nothing is left to write")
    looked = np.isin(rows, sorted(work.looked))
    return Mended(made, tuple(outcomes), looked, np.array(sorted(work.dropped), np.int64))


class Mender:
    """The tree before the verdicts, the draft of the tree after them, and one method for each kind of verdict.

    Attributes:
        draft: the tree after the verdicts so far.
        looked: rows of the draft whose edge above was looked at.
        dropped: rows of the tree whose edge above was dropped.
    """

    def __init__(self, tree: Tree, ids: Ints, way: WayFinder, *, where: str = "verdicts") -> None:
        """Begin with a tree; see `mend`."""
        self.before, self.way, self.where = tree, way, where
        self.row_of = {node: row for row, node in enumerate(ids.tolist())}
        self.draft = Draft(tree)
        self.looked: set[int] = set()
        self.dropped: set[int] = set()
        self._ways: list[tuple[int, int, list[int]]] = []  # both ends of a join, and the new nodes; -1: of an extension
        self._deeds: dict[str, Callable[[Verdict], Outcome]] = {
            "keep": self._keep, "drop": self._drop, "detach": self._detach,
            "join": self._join, "root": self._root, "kind": self._kind,
            "extend": self._extend, "refuse": self._refuse,
        }  # fmt: skip

    @cached_property
    def _former(self) -> Draft:
        """The tree as it was, by its edges."""
        return Draft(self.before)

    def finished(self) -> tuple[Tree, Ints]:
        """Return the tree, and the row of the draft that each of its nodes was; ways have the type on which both ends agree."""
        kind = self.draft.kind
        for high, low, new in self._ways:
            own = {kind[end] for end in (high, low) if end >= 0} - {NodeType.SOMA}
            for row in new:
                kind[row] = next(iter(own)) if len(own) == 1 else NodeType.UNDEFINED
        return self.draft.tree()

    def do(self, verdict: Verdict) -> Outcome:
        """Carry out a verdict that was checked."""
        return self._deeds[verdict.do](verdict)

    def check(self, verdict: Verdict) -> None:
        """Raise InputError if a verdict names what the tree does not have."""
        place = f"{self.where}: {verdict.label}"
        for node in (verdict.node, verdict.top, verdict.to):
            if node is not None and node not in self.row_of:
                raise InputError(f"{place}: node {node} is not in the tree")
        if verdict.do in ("keep", "drop") and not self._stretch(verdict):
            raise InputError(f"{place}: no stretch leads from node {verdict.to} up to node {verdict.top}")
        if verdict.do == "detach" and self.before.parent[self.row_of[verdict.node]] < 0:
            raise InputError(f"{place}: node {verdict.node} is a root; it has no edge to a parent")
        if verdict.do == "join" and verdict.node == verdict.to:
            raise InputError(f"{place}: node {verdict.node} cannot be joined with itself")

    def _stretch(self, verdict: Verdict) -> list[int]:
        """Return the rows of a stretch; empty if there is none."""
        top, to = self._row(verdict.top), self._row(verdict.to)
        return stretch_rows(self.before, top, to) or []

    def _row(self, node: int | None) -> int:
        return -1 if node is None else self.row_of[node]

    def _keep(self, verdict: Verdict) -> Outcome:
        self.looked.update(self._stretch(verdict))
        return Outcome(verdict, True, "kept")

    def _drop(self, verdict: Verdict) -> Outcome:
        rows = self._stretch(verdict)
        cut = [row for row in rows if self.draft.cut(row, int(self.before.parent[row]))]
        self.dropped.update(rows)
        length = sum(self.draft.length(row, int(self.before.parent[row])) for row in cut)
        self.draft.sweep([*rows, self._row(verdict.top)])
        if not cut:
            return Outcome(verdict, False, "nothing of the stretch was left")
        return Outcome(verdict, True, f"dropped {length:.4g} {self.before.unit}")

    def _detach(self, verdict: Verdict) -> Outcome:
        row = self._row(verdict.node)
        up = int(self.before.parent[row])
        self.looked.add(row)
        if not self.draft.cut(row, up):
            return Outcome(verdict, False, "the edge was gone already")
        self.draft.sweep([row, up])
        return Outcome(verdict, True, f"cut the edge above node {verdict.node}")

    def _join(self, verdict: Verdict) -> Outcome:
        ends = self._row(verdict.node), self._row(verdict.to)
        if not all(map(self.draft.has, ends)):
            return Outcome(verdict, False, "an end of it was dropped")
        roots = [self.draft.root_of(row) for row in ends]
        if roots[0] == roots[1]:
            return Outcome(verdict, False, "both nodes are of one tree already; a loop is no tree")
        somata = [bool(self.draft.somata(root)) for root in roots]
        if all(somata):
            return Outcome(verdict, False, "both trees have a soma; detach them, or drop one soma, first")
        cable = [self.draft.cable(root) for root in roots]
        first = somata[0] or (not somata[1] and cable[0] >= cable[1])
        high, low = ends if first else ends[::-1]
        between, found = self.way(np.array(self.draft.xyz[high]), np.array(self.draft.xyz[low]))
        self.draft.reroot(low)
        new = self.draft.link(high, low, between)
        self._ways.append((high, low, new[:-1]))
        self.looked.update(new)
        return Outcome(verdict, True, f"joined {found}")

    def _extend(self, verdict: Verdict) -> Outcome:
        row = self._row(verdict.node)
        if not self.draft.has(row) or verdict.point is None:
            return Outcome(verdict, False, "the node was dropped")
        if verdict.to is not None and (joined := self._join(verdict)).done:
            return joined
        between, found = self.way(np.array(self.draft.xyz[row]), np.array(verdict.point))
        points = np.concatenate([between.reshape(-1, 3), [verdict.point]])
        new = self.draft.grow(row, points, [self.draft.width(row)] * len(points))
        self._ways.append((row, -1, new))
        self.looked.update(new)
        return Outcome(verdict, True, f"extended {found}")

    def _refuse(self, verdict: Verdict) -> Outcome:
        return Outcome(verdict, True, "looked at; nothing was added")

    def _root(self, verdict: Verdict) -> Outcome:
        row = self._row(verdict.node)
        if not self.draft.has(row):
            return Outcome(verdict, False, "the node was dropped")
        unmarked = self._hang_on(row)
        return Outcome(verdict, True, "re-rooted" + unmarked)

    def _hang_on(self, row: int) -> str:
        """Root a tree at a node; a soma that is no longer the root loses its type, because a tree starts at its soma."""
        somata = self.draft.somata(self.draft.root_of(row))
        self.draft.reroot(row)
        if self.draft.kind[row] == NodeType.SOMA or not somata:
            return ""
        for soma in somata:
            self.draft.kind[soma] = NodeType.UNDEFINED
        return "; the soma at its former root is none any more"

    def _kind(self, verdict: Verdict) -> Outcome:
        row, kind = self._row(verdict.node), verdict.kind or 0
        if not self.draft.has(row):
            return Outcome(verdict, False, "the node was dropped")
        if kind == NodeType.SOMA:
            if self.draft.kind[row] != NodeType.SOMA and self.draft.somata(self.draft.root_of(row)):
                return Outcome(verdict, False, "its tree has a soma already")
            self.draft.kind[row] = kind
            self.draft.reroot(row)
            return Outcome(verdict, True, "marked as soma, and made it the root of its tree")
        line = [row] if self.draft.kind[row] == NodeType.SOMA else self._former.line_of(row)
        line = [one for one in line if one == row or (self.draft.has(one) and self.draft.kind[one] != NodeType.SOMA)]
        for one in line:
            self.draft.kind[one] = kind
        self.looked.update(line)
        return Outcome(verdict, True, f"set the type of {len(line)} nodes to {kind}")
