"""The stretches of OUT.review.csv, found again in the tree that they are of, and the looks that show them.

The order is that of `report.review_tree`, which wrote the list: the page, napari and the simulated person go through the same
looks, and within a look through the same stretches.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, one_line
from neurorecon.core.files import check_regular
from neurorecon.core.tree import Tree
from neurorecon.mend.change import stretch_rows
from neurorecon.mend.evidence import stems_of
from neurorecon.report import Entry, review_tree
from neurorecon.report.summary import as_path

__all__ = ["Listed", "Point", "list_of", "list_together", "looks_within", "read_listed"]

Point = tuple[float, float, float]
NEEDED = ("rank", "file", "node", "from_node", "to_node", "length", "doubt", "reason")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list: a stretch, or a way on that the tree lacks.

    Attributes:
        rows: lower nodes of its edges, the lowest first; none of a way on.
        top: the row of its upper end; of a way on the node that it leaves.
        node: the row to look at.
        length: of its cable, in the unit of the tree.
        doubt: what the list says of it.
        reasons: in words.
        confidence: mean of the stretch, 0 to 1; None where unknown.
        look: number of the look that shows it; what has one number is seen together.
        rank: its place in the list, from 1.
        way: points of a way on, xyz in the unit of the tree, without the node that it leaves.
        meets: row of the node of another tree in the file at which a way on arrives; None where there is none.
    """

    rows: tuple[int, ...]
    top: int
    node: int
    length: float
    doubt: float
    reasons: tuple[str, ...]
    confidence: float | None = None
    look: int = 0
    rank: int = 0
    way: tuple[Point, ...] = ()
    meets: int | None = None

    @property
    def low(self) -> int:
        """The row of its lower end; of a way on the node that it leaves."""
        return self.rows[0] if self.rows else self.top

    @property
    def tip(self) -> Point | None:
        """Where a way on leads; None of a stretch."""
        return self.way[-1] if self.way else None


def list_of(swc: Path) -> Path:
    """Return the review list of a tree: OUT.review.csv of OUT.swc, and of OUT_2.swc.

    Raises:
        InputError: if there is none.
    """
    places = [swc.with_name(f"{stem}.review.csv") for stem in stems_of(swc)]
    for path in places:
        if path.is_file():
            return path
    raise InputError(f"{places[0]}: no such file; `run`, `batch` and `trace` leave the review list beside the tree")


def read_listed(path: Path, swc: Path, tree: Tree, ids: NDArray[np.int64]) -> list[Listed]:
    """Return the lines of a list that are about one file, by their rank.

    Raises:
        InputError: `path:line: what`, if the list cannot be read, or is of another tree.
    """
    check_regular(path)
    name = as_path(one_line(swc.name))
    row_of = {node: row for row, node in enumerate(ids.tolist())}
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if missing := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
                raise InputError(f"{path}:1: has no column {missing[0]!r}; give the review list of the tree")
            found = [
                _listed(line, row_of, tree, f"{path}:{reader.line_num}") for line in reader if line["file"] == name
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a review list: {error}") from error
    if sum(len(one.rows) for one in found) != int((tree.parent >= 0).sum()):
        raise InputError(f"{path}: does not list every edge of {swc}; it is of another tree")
    return sorted(found, key=lambda one: one.rank)


def list_together(
    swcs: Sequence[Path], trees: Sequence[Tree], ids: Sequence[NDArray[np.int64]]
) -> list[tuple[int, Listed]]:
    """Return the list of the files of one result: each stretch with the number of its file, by rank.

    Where a file has no list beside it, that of them all is made by the checks of their shape.

    Args:
        swcs: the files.
        trees: of them.
        ids: (N,) of each tree, the ids in its file.

    Raises:
        InputError: if a list cannot be read, or is of another tree.
    """
    try:
        paths = [list_of(swc) for swc in swcs]
    except InputError:
        return _by_shape(trees)
    found = [
        (k, one)
        for k, (path, swc, tree, own) in enumerate(zip(paths, swcs, trees, ids, strict=True))
        for one in read_listed(path, swc, tree, own)
    ]
    return sorted(found, key=lambda pair: pair[1].rank)


def looks_within(listed: Sequence[Listed]) -> list[list[int]]:
    """Return the places in a list that each look shows, the looks in the order in which the list has them."""
    found: dict[int, list[int]] = {}
    for place, one in enumerate(listed):
        found.setdefault(one.look, []).append(place)
    return list(found.values())


def _by_shape(trees: Sequence[Tree]) -> list[tuple[int, Listed]]:
    """Return the list of trees without any."""
    forest = Tree.joined(trees)
    first = np.cumsum([0, *map(len, trees)])
    found = []
    for rank, entry in enumerate(review_tree(forest), start=1):
        file = int(np.searchsorted(first, entry.node, side="right")) - 1
        found.append((file, _of_entry(entry, forest, int(first[file]), rank)))
    return found


def _of_entry(entry: Entry, forest: Tree, first: int, rank: int) -> Listed:
    """Return a stretch of a forest with the rows of its own tree, which begins at row `first`."""
    rows = tuple(row - first for row in reversed(entry.rows))
    return Listed(
        rows,
        entry.top(forest) - first,
        node=entry.node - first,
        length=entry.length,
        doubt=entry.doubt,
        reasons=entry.reasons,
        confidence=entry.confidence,
        look=entry.look,
        rank=rank,
        way=() if entry.way is None else tuple((x, y, z) for x, y, z in entry.way.tolist()),
    )


def _listed(line: Mapping[str, str], row_of: Mapping[int, int], tree: Tree, where: str) -> Listed:
    """Return one line."""
    try:
        way = tuple(_point(text) for text in (line.get("way") or "").split("; ") if text)
        node, top = (row_of[int(line[key])] for key in ("node", "from_node"))
        to = top if way else row_of[int(line["to_node"])]
        meets = row_of.get(int(line["to_node"])) if way and line["to_node"] else None
        length, doubt = float(line["length"]), float(line["doubt"])
        confidence = float(line["confidence"]) if line.get("confidence") else None
        rank = int(line["rank"])
        look = int(line.get("look") or rank)  # a list of version 0.6 has no looks: each stretch is one
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: is no stretch of this tree; the list is of another one, or damaged") from error
    rows = stretch_rows(tree, top, to)
    if not (rows or way):
        raise InputError(f"{where}: no stretch leads from node {line['to_node']} up to {line['from_node']}")
    reasons = tuple(part for part in (line["reason"] or "").split("; ") if part)
    return Listed(
        tuple(rows or ()),
        top,
        node=node,
        length=length,
        doubt=doubt,
        reasons=reasons,
        confidence=confidence,
        look=look,
        rank=rank,
        way=way,
        meets=meets,
    )


def _point(text: str) -> Point:
    """Return a point of the column `way`."""
    x, y, z = map(float, text.split())
    return x, y, z
