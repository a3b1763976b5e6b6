"""A tree under review: its file, the stretches of its list, and what was saved beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.mend import Verdict, read_verdicts
from neurorecon.mend.change import stretch_rows
from neurorecon.mend.listed import Listed
from neurorecon.napari_plugin.verdict_history import FileState

__all__ = ["ReviewFile", "Stretch", "mended_path", "of_sample", "saved_beside", "stretch_of", "verdicts_path"]


@dataclass(frozen=True, slots=True, eq=False)
class ReviewFile:
    """A tree under review.

    Attributes:
        swc: its file.
        sha256: of its bytes.
        tree: the tree.
        ids: (N,) id in the file of each node.
    """

    swc: Path
    sha256: str
    tree: Tree
    ids: NDArray[np.int64]

    def row(self, node: int | None) -> int:
        """Return the row of the node with an id; -1 if there is none."""
        found = np.flatnonzero(self.ids == (-1 if node is None else node))
        return int(found[0]) if len(found) else -1


@dataclass(frozen=True, slots=True)
class Stretch:
    """A line of the list.

    Attributes:
        file: number of its file.
        listed: rows, ends, length, doubt, confidence and reasons.
    """

    file: int
    listed: Listed

    @property
    def reason(self) -> str:
        """Why it is listed, in words."""
        return "; ".join(self.listed.reasons) or "no reason but its confidence"


def verdicts_path(swc: Path) -> Path:
    """Return OUT.verdicts.json of OUT.swc, as the page names it."""
    return swc.with_suffix(".verdicts.json")


def mended_path(swc: Path) -> Path:
    """Return where the mended tree goes: OUT_mended.swc."""
    return swc.with_name(f"{swc.stem}_mended.swc")


def stretch_of(about: ReviewFile, verdict: Verdict) -> list[int]:
    """Return the rows of the stretch that a verdict names; empty if there is none."""
    top, to = about.row(verdict.top), about.row(verdict.to)
    return [] if min(top, to) < 0 else stretch_rows(about.tree, top, to) or []


def saved_beside(file: ReviewFile) -> FileState:
    """Return the verdicts that were saved beside a tree."""
    path = verdicts_path(file.swc)
    if not path.exists():
        return ()
    saved = read_verdicts(path)
    if saved.tree_sha256 != file.sha256:
        raise InputError(f"{path}: is about another tree than {file.swc.name}; move it away, or open the tree it is of")
    return saved.verdicts


def of_sample(about: ReviewFile, top: int, to: int, node: int, known: Mapping[tuple[int, int], Listed]) -> Listed:
    """Return a stretch of a sample: as the review list has it, else with no more than its length; ends are ids."""
    high, low = about.row(top), about.row(to)
    if (high, low) in known:
        return known[high, low]
    rows = stretch_rows(about.tree, high, low) or []
    length = float(about.tree.edge_length[rows].sum())
    return Listed(tuple(rows), high, node=about.row(node), length=length, doubt=0.0, reasons=())
