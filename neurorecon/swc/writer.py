"""Tree to SWC text that MorphIO, NeuroM and navis take: ids 1..n, parents first, seven columns, nothing behind them."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, expected, one_line
from neurorecon.core.files import write_text
from neurorecon.core.tree import Tree, Unit
from neurorecon.swc.rows import DECIMALS, rows_of
from neurorecon.swc.structure import coincident

__all__ = ["LARGEST_TYPE", "SMALLEST", "compact", "format_rows", "format_swc", "write_swc", "written_ids"]

# Facts of the format and of floats, or limits set by hand; not tuned.
SMALLEST = 10.0**-DECIMALS  # the smallest radius that is not written as 0
LARGEST_TYPE = 19  # 0 to 7 are SWC's, the rest is custom; MorphIO and NeuroM refuse 20 and more

log = logging.getLogger(__name__)


def write_swc(tree: Tree, path: str | Path, *, header: Sequence[str] = (), overwrite: bool = False) -> None:
    """Write a tree as an SWC file, whole or not at all. For the format see `format_swc`.

    Args:
        tree: one tree or a forest.
        path: the file; its folder must be there.
        header: lines that stand behind `# units: ...`, without "#"; control characters are escaped.
        overwrite: replace a file that is there.

    Raises:
        InputError: if the tree has no node.
        OutputError: if the file exists, or cannot be written.
    """
    tree = expected(tree, Tree, "write_swc takes a Tree, and a path", "neurorecon.reconstruct(stack).tree is one")
    write_text(Path(path), format_swc(tree, header=header), overwrite=overwrite)


def format_swc(tree: Tree, *, header: Sequence[str] = ()) -> str:
    """Return a tree as SWC text.

    Nodes stand in the tree's order, ids 1..n; coordinates and radii with four decimals, a radius at least 0.0001. What
    no valid file may hold is left out or set, without a change of shape: a node in the place of its parent or of a
    sibling goes into that one, a type outside 0 to 19 becomes 0. Confidence has no column in SWC and is not written.

    Raises:
        InputError: if the tree has no node.
    """
    return format_rows(tree, header=header, unit=tree.unit)


def format_rows(tree: Tree, *, header: Sequence[str] = (), unit: Unit | None) -> str:
    """Return SWC text as `format_swc` does, with `unit` stated, or no statement at all where it is None.

    Raises:
        InputError: if the tree has no node.
    """
    if not len(tree):
        raise InputError("a tree without nodes cannot be written as SWC; there is nothing in it")
    radius = np.maximum(np.round(tree.radius, DECIMALS), SMALLEST)
    kinds = np.where((tree.type < 0) | (tree.type > LARGEST_TYPE), 0, tree.type)
    if (kinds != tree.type).any():
        log.warning("%d nodes have a type outside 0 to %d; written as 0", (kinds != tree.type).sum(), LARGEST_TYPE)
    tree, _ = compact(Tree(_rounded(tree), radius, tree.parent, kinds, tree.unit))
    lines = [] if unit is None else [f"# units: {unit}"]
    lines += [f"# {one_line(text)}".rstrip() for text in header]
    lines.append("# id type x y z radius parent")
    values = np.column_stack([tree.xyz, tree.radius])
    parents = np.where(tree.parent < 0, -1, tree.parent + 1)
    return "\n".join(lines) + "\n" + rows_of(tree.type, values, parents)


def written_ids(tree: Tree) -> NDArray[np.int64]:
    """Return the id that each node has in the SWC file of `tree`, (N,): that of the node it went into, if it did."""
    target = coincident(_rounded(tree), tree.parent)
    ids: NDArray[np.int64] = np.cumsum(target == np.arange(len(tree)))[target]
    return ids


def _rounded(tree: Tree) -> NDArray[np.float64]:
    """Return the points as they are written."""
    return np.asarray(np.round(tree.xyz, DECIMALS) + 0.0, np.float64)  # + 0.0: no "-0"


def compact(tree: Tree) -> tuple[Tree, NDArray[np.int64]]:
    """Return the tree with nodes of one place merged, and the row that each old row went into, (N,), old numbering.

    See `structure.coincident`. The elder node stays; it takes the type and radius of a soma node that goes into it, and
    the type of any node where its own is 0 (undefined).
    """
    target = coincident(tree.xyz, tree.parent)
    rows = np.flatnonzero(target == np.arange(len(tree)))
    if len(rows) == len(tree):
        return tree, target
    kinds, radius = tree.type.copy(), tree.radius.copy()
    for row in np.flatnonzero(target != np.arange(len(tree))).tolist():
        into = int(target[row])
        if tree.type[row] == 1 and kinds[into] != 1:
            kinds[into], radius[into] = 1, tree.radius[row]
        elif kinds[into] == 0:
            kinds[into] = tree.type[row]
    new_row = np.full(len(tree) + 1, -1, np.int64)
    new_row[rows] = np.arange(len(rows))
    up = tree.parent[rows]
    parent = np.where(up < 0, -1, new_row[target[up]])
    confidence = None if tree.confidence is None else tree.confidence[rows]
    return Tree(
        tree.xyz[rows], radius[rows], parent=parent, type=kinds[rows], unit=tree.unit, confidence=confidence
    ), target
