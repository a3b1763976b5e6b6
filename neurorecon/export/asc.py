"""ASC of Neurolucida: branches as nested lists of (x y z diameter), in micrometres; a soma as a contour around its node.

Types that the format does not name (undefined, custom) become dendrites: it has no other neurite. A neurite has one kind there
from the soma to its tips, that of its first node. Of a soma of several nodes the one at the root is outlined.
"""

import logging
import math

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.tree import NodeType, Tree
from neurorecon.export.scale import Scale

__all__ = ["asc_of"]

log = logging.getLogger(__name__)

NAMES = {NodeType.AXON: "Axon", NodeType.DENDRITE: "Dendrite", NodeType.APICAL: "Apical"}
# Set by hand; not tuned, unless a line says more.
CORNERS = 16  # of a soma's contour
Floats = NDArray[np.float64]


def asc_of(tree: Tree, scale: Scale, name: str) -> str:
    """Return a tree or a forest as the text of an ASC file.

    Raises:
        InputError: if the tree is in voxels, and their size is not known.
    """
    xyz, radius = scale.in_um(tree)
    children: list[list[int]] = [[] for _ in range(len(tree))]
    for row, up in enumerate(tree.parent.tolist()):
        if up >= 0:
            children[up].append(row)
    plain = name.replace('"', "'").encode("ascii", "replace").decode()
    lines = [f'; V3 text file; "{plain}", micrometres']
    for root in tree.roots.tolist():
        soma = tree.type[root] == NodeType.SOMA
        if soma:
            lines += _contour(xyz[root], float(radius[root]))
        for first in _starts(root, children, tree) if soma else [root]:
            lines.append(f"( ({_name_of(tree, first)})")
            lines += _branch(first, children, xyz, radius)
            lines.append(")")
    _say_mixed(tree)
    return "\n".join(lines) + "\n"


def _name_of(tree: Tree, row: int) -> str:
    """Return what the format calls the neurite of a node."""
    return NAMES.get(int(tree.type[row]), "Dendrite")


def _starts(root: int, children: list[list[int]], tree: Tree) -> list[int]:
    """Return the rows in which the neurites of a soma begin; the soma may have several nodes."""
    starts: list[int] = []
    ahead = [root]
    while ahead:
        for child in children[ahead.pop()]:
            (ahead if tree.type[child] == NodeType.SOMA else starts).append(child)
    return sorted(starts)


def _say_mixed(tree: Tree) -> None:
    """Warn of neurites that change their kind, such as an axon that leaves a dendrite: the format cannot hold that."""
    child = np.flatnonzero(tree.parent >= 0)
    names = np.array([_name_of(tree, row) for row in range(len(tree))])
    within = child[tree.type[tree.parent[child]] != NodeType.SOMA]
    changes = int((names[within] != names[tree.parent[within]]).sum())
    if changes:
        log.warning(
            "ASC gives a neurite the kind of its first node: changes of the kind along it are lost (%d)", changes
        )


def _contour(centre: Floats, radius: float) -> list[str]:
    """Return the outline of a soma: a circle across z."""
    turns = [2 * math.pi * k / CORNERS for k in range(CORNERS)]
    ring = [(centre[0] + radius * math.cos(t), centre[1] + radius * math.sin(t), centre[2]) for t in turns]
    return ['("CellBody" (CellBody)', *(f"  ({x:.4f} {y:.4f} {z:.4f} 0.0)" for x, y, z in ring), ")"]


def _branch(start: int, children: list[list[int]], xyz: Floats, radius: Floats) -> list[str]:
    """Return the points from a node on, forks as lists within: without recursion, for trees of any depth."""
    lines: list[str] = []
    ahead: list[int | str] = [start]
    while ahead:
        item = ahead.pop()
        if isinstance(item, str):
            lines.append(item)
            continue
        x, y, z = xyz[item]
        lines.append(f"  ({x:.4f} {y:.4f} {z:.4f} {2 * radius[item]:.4f})")
        below = children[item]
        if len(below) == 1:
            ahead.append(below[0])
        elif below:
            ahead.append("  )")
            for number, child in enumerate(reversed(below)):
                ahead.append(child)
                if number < len(below) - 1:
                    ahead.append("  |")
            ahead.append("  (")
    return lines
