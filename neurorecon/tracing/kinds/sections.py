"""A tree as its sections: what lies between two branch points, with points at even steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import children, heads, root_of, rows_within, runs
from neurorecon.core.tree import NodeType, Tree

__all__ = ["Floats", "Ints", "Sections", "sections_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Set by hand; not tuned, unless a line says more.
STEP_UM = (
    4.0  # between two points of a section: the jitter of a traced centre line is below 1 um, and turns short edges
)
TWIG_UM = 3.0  # a shorter end is a spine, a bouton or noise: 2 of 3 false twigs of the tracer are shorter


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """The S sections of a forest, parents first, and the M points along them, from the top of each to its end.

    Attributes:
        of_node: (N,) section of each node of the tree; -1 for a root, and for what belongs to its body.
        parent: (S,) section that each begins at, -1 for one at a root.
        tree: (S,) number of the tree that each belongs to, from 0.
        start: (S,) first of the points of each; they are `start[k]` to `start[k + 1] - 1`.
        xyz: (M, 3) points in um.
        radius: (M,) in um.
        length: (S,) along each section, in um.
        root: (T, 3) roots of the trees, in um.
        body: (T,) radius of the soma at the root, in um; 0 where there is none.
    """

    of_node: Ints
    parent: Ints
    tree: Ints
    start: Ints
    xyz: Floats
    radius: Floats
    length: Floats
    root: Floats
    body: Floats

    def __len__(self) -> int:
        """Return the number of sections."""
        return len(self.parent)


def sections_of(tree: Tree) -> Sections:
    """Return the sections of a forest in um; twigs are left out, and their nodes belong to the section of their base."""
    parent, alive = _without_bodies(tree)
    alive &= ~_twigs(tree, parent, alive)
    rows = np.flatnonzero(alive)
    kept = rows_within(rows, parent[rows])
    lines = sorted(runs(kept), key=lambda line: int(line[1]))  # in the order of their first nodes: parents first
    of_kept = np.full(len(rows), -1, np.int64)
    for number, line in enumerate(lines):
        of_kept[line[1:]] = number
    above = np.array([of_kept[line[0]] for line in lines], np.int64)
    roots = np.flatnonzero(kept < 0)
    number_of_root = np.full(len(rows), -1, np.int64)
    number_of_root[roots] = np.arange(len(roots))
    trees = number_of_root[root_of(kept)] if len(rows) else np.zeros(0, np.int64)
    first = np.array([line[1] for line in lines], np.int64)
    xyz, radius = tree.xyz[rows], tree.radius[rows]
    soma = tree.type[rows][roots] == NodeType.SOMA
    start, points, widths, length = _resampled(lines, xyz, radius)
    return Sections(
        of_node=_of_all(tree, parent, rows, of_kept),
        parent=above,
        tree=trees[first],
        start=start,
        xyz=points,
        radius=widths,
        length=length,
        root=xyz[roots],
        body=np.where(soma, radius[roots], 0.0),
    )


def _without_bodies(tree: Tree) -> tuple[Ints, NDArray[np.bool_]]:
    """Return parents (N,) with the neurites of each body attached to its root, and which nodes are no other node of a body."""
    top = tree.root_of()
    body = tree.type == NodeType.SOMA
    inner = body & (tree.parent >= 0) & body[top]
    return np.where((tree.parent >= 0) & inner[tree.parent], top, tree.parent), ~inner


def _twigs(tree: Tree, parent: Ints, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nodes (N,) belong to an end branch of a neurite that is shorter than TWIG_UM."""
    rows = np.flatnonzero(alive)
    kept = rows_within(rows, parent[rows])
    length = np.where(kept < 0, 0.0, np.linalg.norm(tree.xyz[rows] - tree.xyz[rows][kept], axis=1))
    head = heads(kept)
    run = np.bincount(head, length, len(rows))
    ends = np.bincount(head, children(kept) == 0, len(rows)) > 0
    on_neurite = (kept >= 0) & (kept[kept] >= 0)
    found = np.zeros(len(alive), bool)
    found[rows] = (ends & on_neurite & (run < TWIG_UM))[head]
    return found


def _of_all(tree: Tree, parent: Ints, rows: Ints, of_kept: Ints) -> Ints:
    """Return the section of every node of the tree (N,): a twig has that of its base."""
    found = np.full(len(tree), -1, np.int64)
    found[rows] = of_kept
    left = np.ones(len(tree), bool)
    left[rows] = False
    for row in np.flatnonzero(left).tolist():  # parents first
        if tree.parent[row] >= 0:
            found[row] = found[parent[row]]
    return found


def _resampled(lines: list[Ints], xyz: Floats, radius: Floats) -> tuple[Ints, Floats, Floats, Floats]:
    """Return where the points of each line begin (S,), points (M, 3) and radii (M,) at even steps, and lengths (S,).

    At its top a line has its own calibre, not that of the soma or of the neurite that it leaves.
    """
    if not lines:
        return np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0), np.zeros(0)
    sizes = np.array([len(line) for line in lines])
    rows, number = np.concatenate(lines), np.repeat(np.arange(len(lines)), sizes)
    step = np.r_[0.0, np.linalg.norm(np.diff(xyz[rows], axis=0), axis=1)]
    step[np.r_[True, number[1:] != number[:-1]]] = 0.0
    along = np.cumsum(step) + number  # 1 apart, so that the lines do not touch
    top = np.cumsum(sizes) - sizes
    widths = radius[rows]
    widths[top] = widths[top + 1]
    begin = along[top]
    length = along[np.cumsum(sizes) - 1] - begin
    count = np.maximum(np.rint(length / STEP_UM).astype(np.int64), 1) + 1
    line = np.repeat(np.arange(len(lines)), count)
    start = np.cumsum(count) - count
    share = (np.arange(len(line)) - start[line]) / (count[line] - 1)
    at = np.clip(begin[line] + share * length[line], begin[line], begin[line] + length[line])
    points = np.stack([np.interp(at, along, xyz[rows, axis]) for axis in range(3)], 1)
    return start, points, np.interp(at, along, widths), length
