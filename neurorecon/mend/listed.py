"""The stretches of OUT.review.csv, found again in the tree that they are of."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, one_line
from neurorecon.core.files import check_regular
from neurorecon.core.tree import Tree
from neurorecon.mend.change import stretch_rows
from neurorecon.mend.evidence import stems_of
from neurorecon.report.summary import as_path

__all__ = ["Listed", "list_of", "read_listed"]

NEEDED = ("rank", "file", "node", "from_node", "to_node", "length", "doubt", "reason")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list.

    Attributes:
        rows: lower nodes of its edges, the lowest first.
        top: the row of its upper end.
        node: the row to look at.
        length: of its cable, in the unit of the tree.
        doubt: what the list says of it.
        reasons: in words.
        confidence: mean of the stretch, 0 to 1; None where unknown.
        look: number of the look that shows it; what has one number is seen together.
    """

    rows: tuple[int, ...]
    top: int
    node: int
    length: float
    doubt: float
    reasons: tuple[str, ...]
    confidence: float | None = None
    look: int = 0


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
    """Return the lines of a list that are about one file, in their order.

    Raises:
        InputError: `path:line: what`, if the list cannot be read, or is of another tree.
    """
    check_regular(path)
    name = as_path(one_line(swc.name))
    row_of = {node: row for row, node in enumerate(ids.tolist())}
    try:
        with open(path, newline="", encoding="utf-8") as handle:
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
    return found


def _listed(line: Mapping[str, str], row_of: Mapping[int, int], tree: Tree, where: str) -> Listed:
    """Return one line."""
    try:
        node, top, to = (row_of[int(line[key])] for key in ("node", "from_node", "to_node"))
        length, doubt = float(line["length"]), float(line["doubt"])
        confidence = float(line["confidence"]) if line.get("confidence") else None
        look = int(line.get("look") or line["rank"])  # a list of version 0.6 has no looks: each stretch is one
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: is no stretch of this tree; the list is of another one, or damaged") from error
    rows = stretch_rows(tree, top, to)
    if not rows:
        raise InputError(f"{where}: no stretch leads from node {line['to_node']} up to {line['from_node']}")
    reasons = tuple(part for part in (line["reason"] or "").split("; ") if part)
    return Listed(
        tuple(rows),
        top,
        node=node,
        length=length,
        doubt=doubt,
        reasons=reasons,
        confidence=confidence,
        look=look,
    )
