"""Morphometrics of a tree, counted as navis does; crossings with spheres around the root after Sholl 1953."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import expected
from neurorecon.core.forest import root_of, ways_to_root
from neurorecon.core.tree import NodeType, Tree, Unit
from neurorecon.report.stretches import Floats, lines_of
from neurorecon.swc import read_swc

__all__ = ["Morphometrics", "morphometrics"]

SHELL = 10.0  # between two spheres, in the unit of the tree: METRICS.md and most of the literature


@dataclass(frozen=True, slots=True)
class Morphometrics:
    """Measures of a morphology; for a forest the sum over its trees, unless said.

    Attributes:
        trees: number of trees.
        nodes: number of nodes.
        cable_length: length of all edges, in `unit`.
        tips: nodes without children; a root counts as the start of its tree, not as a tip.
        branch_points: nodes with two or more children, roots left out.
        strahler: largest Strahler index of all trees (Strahler 1952); 0 without nodes.
        tortuosity: path by distance, mean over the unbranched stretches of all trees (Stepanyants et al. 2004);
            None where there is no stretch.
        unit: "um" or "voxel".
        path_length: longest way along a tree from its root to a tip, in `unit`.
        sholl_maximum: most edges that cross one of the spheres every 10 around the root of the tree with the most cable.
        sholl_radius: radius of the smallest sphere with that many, in `unit`; 0 where none is crossed.
        extent: longest edge of the box, along the axes, that holds all trees, in `unit`.
        soma_radius: radius of the largest soma, in `unit`; None without one.
    """

    trees: int
    nodes: int
    cable_length: float
    tips: int
    branch_points: int
    strahler: int
    tortuosity: float | None
    unit: Unit
    path_length: float
    sholl_maximum: int
    sholl_radius: float
    extent: float
    soma_radius: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, in the order of the fields."""
        return dataclasses.asdict(self)


def morphometrics(tree: Tree | str | Path) -> Morphometrics:
    """Measure a tree, or a forest, or an SWC file.

    The figures up to tortuosity are those of navis 1.12 (tests/report/test_morphometry.py compares), whose import alone takes
    1.7 s.

    Raises:
        InputError: if it is none of them.
    """
    found = read_swc(tree) if isinstance(tree, str | Path) else tree
    tree = expected(found, Tree, "morphometrics takes a Tree or the path of an SWC file")
    inner, children = tree.parent >= 0, tree.children_count
    ratios = _tortuosities(tree)
    most, shell = _sholl(tree)
    somata = tree.radius[tree.type == NodeType.SOMA]
    return Morphometrics(
        trees=len(tree.roots),
        nodes=len(tree),
        cable_length=tree.cable_length,
        tips=int((inner & (children == 0)).sum()),
        branch_points=int((inner & (children >= 2)).sum()),
        strahler=_strahler(tree),
        tortuosity=float(ratios.mean()) if len(ratios) else None,
        unit=tree.unit,
        path_length=_longest_way(tree),
        sholl_maximum=most,
        sholl_radius=shell,
        extent=float(np.ptp(tree.xyz, axis=0).max()) if len(tree) else 0.0,
        soma_radius=float(somata.max()) if len(somata) else None,
    )


def _longest_way(tree: Tree) -> float:
    """Return the longest way from a root to a tip."""
    length = tree.edge_length if len(tree) else np.zeros(0)
    return float(ways_to_root(tree.parent, length)[1].max(initial=0.0))


def _sholl(tree: Tree) -> tuple[int, float]:
    """Return the most edges that cross one of the spheres of radius 10, 20 ... around the main root, and its radius.

    An edge counts by its ends. Of several such spheres it is the smallest; 0, 0 where none is crossed. Only spheres at which
    the number rises are looked at, so that a node that lies far off costs nothing.
    """
    child = np.flatnonzero(tree.parent >= 0)
    if not len(child):
        return 0, 0.0
    cable = np.bincount(root_of(tree.parent), tree.edge_length, len(tree))
    away = np.linalg.norm(tree.xyz - tree.xyz[int(cable.argmax())], axis=1) / SHELL
    ends = np.sort(np.stack([away[child], away[tree.parent[child]]]), axis=0)
    first, last = np.sort(np.floor(ends), axis=1)  # spheres first + 1 to last are crossed
    begun = np.searchsorted(first, first, side="right")  # edges that begin below sphere first + 1
    crossed = begun - np.searchsorted(last, first, side="right")
    most = int(crossed.max())
    return most, SHELL * float(first[crossed.argmax()] + 1) if most else 0.0


def _strahler(tree: Tree) -> int:
    """Return the largest Strahler index: 1 at a tip; where two of the largest below meet, one more, but not at a root."""
    index, highest = [1] * len(tree), 0
    meeting = [0] * len(tree)  # children that have the index
    for row, up in zip(range(len(tree) - 1, -1, -1), tree.parent[::-1].tolist(), strict=True):
        if up >= 0 and meeting[row] > 1:
            index[row] += 1
        highest = max(highest, index[row])
        if up < 0:
            continue
        if not meeting[up] or index[row] > index[up]:
            index[up], meeting[up] = index[row], 1
        elif index[row] == index[up]:
            meeting[up] += 1
    return highest


def _tortuosities(tree: Tree) -> Floats:
    """Return the path length of each unbranched line by the distance of its ends, where these do not coincide."""
    lines = lines_of(tree)
    if not lines:
        return np.zeros(0)
    first, last = np.array([(line[0], line[-1]) for line in lines]).T
    lower = np.concatenate([line[1:] for line in lines])
    starts = np.cumsum([0, *(len(line) - 1 for line in lines[:-1])])
    path = np.add.reduceat(tree.edge_length[lower], starts)
    apart = np.linalg.norm(tree.xyz[last] - tree.xyz[first], axis=1)
    return np.asarray(path[apart > 0] / apart[apart > 0])
