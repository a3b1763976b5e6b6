"""A simulated person who works through the review list, and sees the expert's tree within a slab around each stretch.

Its verdict on a stretch:

- `drop` if more than half of it is further than 3 from the expert's;
- `detach` where it goes over from one of the expert's neurites to another: on the expert's tree, the path between its two ends
  is longer than 1.5 times its own length;
- for a way on that the tree lacks, `extend` if more than half of it lies within 3 of the expert's, else `refuse`;
- `join` if one of its ends is loose (a tip, a root, or an end that a drop has left) and lies on an expert's neurite that meets
  another tree within the slab; and `root` if the joined tree has lost the root of the longer one.

It takes back links and joins after which fewer paths to the root agree with those of the expert: a person sees the effect of a
change.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.tree import NodeType, Tree
from neurorecon.evaluate import one_node_a_soma, path_agreement, pieces_of
from neurorecon.mend.change import Mender
from neurorecon.mend.draft import Draft
from neurorecon.mend.listed import Listed, Point
from neurorecon.mend.verdicts import Verdict
from neurorecon.report.stretches import STRETCH_PX, pixel_of

__all__ = ["Person"]

# Set by hand; not tuned, unless a line says more.
NEAR = 3.0  # METRICS.md: cable further from the expert's is wrong; in the unit of the trees
MOST_WRONG = 0.5  # share of a stretch from which it is dropped rather than kept
SLACK, STRETCHED = 2 * NEAR, 1.5  # a way on the expert's tree is no longer than this: two tolerances, and turns
INWARDS = 4  # nodes, 6 px: twice the tolerance, beyond which a node lies near to one neurite alone
STEP = 1.0  # of the points on the expert's tree

Floats = NDArray[np.float64]


class Expert:
    """The expert's tree as points 1 apart, each with its neighbours along the tree."""

    def __init__(self, gold: Tree) -> None:
        """Cut every edge into steps."""
        from scipy.spatial import cKDTree

        gold = one_node_a_soma(gold)
        points: list[Floats] = [gold.xyz]
        self.beside: list[list[int]] = [[] for _ in range(len(gold))]
        count = len(gold)
        for row, up in enumerate(gold.parent.tolist()):
            if up < 0:
                continue
            steps = max(1, int(np.ceil(float(np.linalg.norm(gold.xyz[row] - gold.xyz[up])) / STEP)))
            share = (np.arange(1, steps) / steps)[:, None]
            points.append(gold.xyz[up] + share * (gold.xyz[row] - gold.xyz[up]))
            self.beside.extend([] for _ in range(steps - 1))
            chain = [up, *range(count, count + steps - 1), row]
            count += steps - 1
            for a, b in pairwise(chain):
                self.beside[a].append(b)
                self.beside[b].append(a)
        self.xyz = np.concatenate(points)
        self.near = cKDTree(self.xyz)

    def around(self, place: Floats) -> list[int]:
        """Return the points within NEAR of a place."""
        found: list[int] = self.near.query_ball_point(place, NEAR)
        return found

    def within(self, sources: Sequence[int], limit: float) -> tuple[dict[int, float], dict[int, int]]:
        """Return the points to which a way of at most `limit` leads, with its length, and the point before each."""
        reached: dict[int, float] = {}
        before: dict[int, int] = {}
        ahead = [(0.0, point, -1) for point in sources]
        heapq.heapify(ahead)
        while ahead:
            way, point, last = heapq.heappop(ahead)
            if point in reached:
                continue
            reached[point], before[point] = way, last
            for other in self.beside[point]:
                length = way + float(np.linalg.norm(self.xyz[other] - self.xyz[point]))
                if other not in reached and length <= limit:
                    heapq.heappush(ahead, (length, other, point))
        return reached, before


class Person:
    """Judges stretches of one tree by the expert's, and keeps the tree as it is by then.

    Attributes:
        mender: the tree and what has become of it.
        done: number of verdicts of each kind.
        verdicts: in their order, without those that it took back; nodes are rows of the tree.
    """

    def __init__(self, tree: Tree, gold: Tree) -> None:
        """Begin with a tree."""
        self.tree, self.expert = tree, Expert(gold)
        self._gold, self._ways = gold, -1.0  # agreement of ways with the expert's by now; below 0: not known
        self.mender = Mender(tree, np.arange(len(tree)), self._way)
        self.done = {"keep": 0, "drop": 0, "detach": 0, "join": 0, "extend": 0}
        self.verdicts: list[Verdict] = []
        self.reach = STRETCH_PX * pixel_of(tree)
        middles, weight, child = pieces_of(tree)
        far = np.zeros(len(weight), bool) if not len(weight) else self.expert.near.query(middles)[0] > NEAR
        self._length = np.bincount(child, weights=weight, minlength=len(tree))
        self._wrong = np.bincount(child, weights=weight * far, minlength=len(tree))
        self._off, self._at = self.expert.near.query(tree.xyz)
        self._on: dict[int, list[int]] = {}
        for row in np.flatnonzero(self._off <= NEAR).tolist():
            self._on.setdefault(int(self._at[row]), []).append(row)
        cable = np.bincount(tree.root_of(), weights=tree.edge_length, minlength=len(tree))
        self._roots = sorted(tree.roots.tolist(), key=lambda root: -cable[root])
        self._former: list[Draft] = []  # the forest before the links of a stretch were changed, if they were
        self._path: Floats = np.zeros((0, 3))

    def look(self, stretch: Listed) -> bool:
        """Look at one stretch, and do what it needs; say whether it was dropped."""
        if stretch.way:
            self._look_beyond(stretch)
            return False
        rows = list(stretch.rows)
        loose = [stretch.top, rows[0]]
        dropped = self.done["drop"]
        self._former.clear()
        kept, told = self.done | {"keep": self.done["keep"] + 1}, [*self.verdicts, self._kept(stretch)]
        if self._wrong[rows].sum() > MOST_WRONG * self._length[rows].sum():
            self._do("drop", rows[0], top=stretch.top, to=rows[0])
            kept, told, self._ways = dict(self.done), list(self.verdicts), -1.0
        elif (row := self._goes_over(stretch)) is not None:
            self._do("detach", row)
            loose += [row, int(self.tree.parent[row])]
        else:
            self.done["keep"] += 1
            self.verdicts.append(self._kept(stretch))
        for end in dict.fromkeys(loose):
            self._join(end)
        if self._former:
            self._undo_if_worse(self._former[0], kept, told)
        return self.done["drop"] > dropped

    def _look_beyond(self, stretch: Listed) -> None:
        """Look at a way on that the tree lacks."""
        self._former.clear()
        told, kept = [*self.verdicts, Verdict(1, "refuse", stretch.top, point=stretch.tip)], dict(self.done)
        right, wrong = self._beyond(stretch)
        if right <= wrong:
            self.verdicts = told
            return
        self._path = np.array(stretch.way).reshape(-1, 3)
        self._do("extend", stretch.top, to=stretch.meets, point=stretch.tip)
        if stretch.meets is not None:
            self._keep_root(stretch.top)
        if self._former:
            self._undo_if_worse(self._former[0], kept, told)

    def _beyond(self, stretch: Listed) -> tuple[float, float]:
        """Return how much of a way on is near to the expert's, and how much is not."""
        points = np.concatenate([self.tree.xyz[[stretch.top]], stretch.way])
        length = np.linalg.norm(np.diff(points, axis=0), axis=1)
        near = self.expert.near.query((points[1:] + points[:-1]) / 2)[0] <= NEAR
        return float(length[near].sum()), float(length[~near].sum())

    def worth(self, stretch: Listed) -> float:
        """Return by how much cable the tree is nearer to the expert's once a line of the list is done, 0 where nothing is."""
        if stretch.way:
            right, missed = self._beyond(stretch)
            return max(right - missed, 0.0)
        rows = list(stretch.rows)
        wrong, length = float(self._wrong[rows].sum()), float(self._length[rows].sum())
        return max(2 * wrong - length, 0.0)

    def _kept(self, stretch: Listed) -> Verdict:
        return Verdict(1, "keep", stretch.node, stretch.top, stretch.rows[0])

    def _undo_if_worse(self, before: Draft, done: dict[str, int], told: list[Verdict]) -> None:
        """Take back the links of a stretch if fewer ways to the root agree with the expert's than before."""
        if self._ways < 0:
            self._ways = path_agreement(before.tree()[0], self._gold)
        ways = path_agreement(self.mender.draft.tree()[0], self._gold)
        if ways < self._ways:
            self.mender.draft, self.done, self.verdicts = before, done, told
        else:
            self._ways = ways

    def _do(
        self, do: str, node: int, *, top: int | None = None, to: int | None = None, point: Point | None = None
    ) -> None:
        if do != "drop" and not self._former:
            self._former.append(self.mender.draft.copy())
        verdict = Verdict(1, do, node, top, to, point=point)
        if self.mender.do(verdict).done:
            self.done[do] += 1
            self.verdicts.append(verdict)

    def _goes_over(self, stretch: Listed) -> int | None:
        """Return the row above which a stretch goes over to another neurite of the expert's; None if it does not."""
        before, length = self._before(stretch.top)
        sources = self.expert.around(self.tree.xyz[before[0]])
        if not sources:
            return None
        reached, _ = self.expert.within(sources, STRETCHED * (stretch.length + length) + SLACK)
        for row in (*before[1:], *reversed(stretch.rows)):
            beside = self.expert.around(self.tree.xyz[row])
            if beside and not any(point in reached for point in beside):
                return row
        return None

    def _before(self, top: int) -> tuple[list[int], float]:
        """Return the nodes that lead to the upper end of a stretch, itself last, and their length, half a stretch.

        Where the line goes over to another neurite, its nodes lie near to both: only from further off it is told from which.
        """
        rows, length = [top], 0.0
        while length < self.reach / 2:
            row, up = rows[0], int(self.tree.parent[rows[0]])
            if up < 0 or up not in (self.mender.draft.parent[row], *self.mender.draft.children(row)):
                break
            length += self.mender.draft.length(row, up)
            rows.insert(0, up)
        return rows, length

    def _is_loose(self, row: int) -> bool:
        draft = self.mender.draft
        return draft.has(row) and len(draft.children(row)) + (draft.parent[row] >= 0) <= 1

    def _join(self, row: int) -> None:
        """Join a loose end with the first other tree that its neurite, by the expert, meets within the slab."""
        draft, inner = self.mender.draft, self._inwards(row)
        if not (self._is_loose(row) or self._is_root(row)) or self._off[inner] > NEAR:
            return
        own = draft.root_of(row)
        reached, before = self.expert.within([int(self._at[inner])], self.reach)
        for point in sorted(reached, key=lambda one: reached[one]):
            for other in self._on.get(point, ()):
                if draft.has(other) and draft.root_of(other) != own:
                    path = self.expert.xyz[_back(point, before)]
                    self._path = path[np.linalg.norm(path - self.tree.xyz[row], axis=1).argmin() :]
                    self._do("join", row, to=other)
                    self._keep_root(row)
                    return

    def _inwards(self, row: int) -> int:
        """Return a node some steps into the tree of a loose end: where neurites touch, the end may lie on the other one."""
        draft, last, here = self.mender.draft, -1, row
        if not draft.has(row):
            return row
        for _ in range(INWARDS):
            beside = [one for one in (draft.parent[here], *draft.children(here)) if one not in (-1, last)]
            if len(beside) != 1 or beside[0] >= len(self.tree):
                break
            last, here = here, beside[0]
        return here

    def _keep_root(self, row: int) -> None:
        """Hang a joined tree on the root that it had: that of the longer, where two trees became one."""
        draft = self.mender.draft
        now = draft.root_of(row)
        former = [root for root in self._roots if draft.has(root) and draft.root_of(root) == now]
        if former and now != former[0] and draft.kind[now] != NodeType.SOMA:
            self.mender.do(Verdict(1, "root", former[0]))
            self.verdicts.append(Verdict(1, "root", former[0]))

    def _is_root(self, row: int) -> bool:
        return self.mender.draft.has(row) and self.mender.draft.parent[row] < 0

    def _way(self, start: Floats, end: Floats) -> tuple[Floats, str]:
        """Return the expert's way between two points."""
        path = self._path
        if len(path) and np.linalg.norm(path[0] - start) > np.linalg.norm(path[-1] - start):
            path = path[::-1]
        return path, "along the expert's"


def _back(point: int, before: Mapping[int, int]) -> list[int]:
    """Return the points from a source to `point`."""

    def walk() -> Iterator[int]:
        here = point
        while here >= 0:
            yield here
            here = before[here]

    return list(walk())[::-1]
