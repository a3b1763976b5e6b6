"""OUT.review.csv: all of the cable in stretches, by looks: first the place with the most false cable to be expected.

A look shows the stretches of one close-up together (`looks`). Within a look the least certain stretch comes first.
The doubt of a stretch is the probability of at least one fault, if all signs of faults are independent:

    doubt = 1 - confidence * product over its reasons of (1 - weight)

A way on that the tree lacks (`Tree.left_out`) is a line as well, with the reason MISSING. Its doubt is the confidence that the
neurite exists: so likely is the tree wrong there.

`confidence` is the mean of the stretch by length, 1 where it is unknown. The weight of a reason is what it adds to the
confidence: among the cable with that reason that the confidence took for right, the share further than 3 px from the expert's
tracing, on 117 stacks of 39 training neurons (benchmarks/README.md).
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import one_line
from neurorecon.core.files import write_text
from neurorecon.core.tree import Tree
from neurorecon.report.checks import Finding, check_tree
from neurorecon.report.looks import LOOK_PX, looks_of
from neurorecon.report.stretches import Ints, pixel_of, stretches_of
from neurorecon.report.summary import as_path
from neurorecon.swc import written_ids

__all__ = ["COLUMNS", "MISSING", "Entry", "looks_for", "review_path", "review_tree", "write_review"]

COLUMNS = (
    "rank", "file", "node", "x", "y", "z", "from_node", "to_node",
    "length", "confidence", "doubt", "reason", "cumulative_share", "look", "way",
)  # fmt: skip

# Set by hand; not tuned, unless a line says more.
LOW = 0.5  # confidence below which that alone is a reason: more likely wrong than right
LOW_CONFIDENCE, OPEN_END, MISSING = "low confidence", "open end", "missing"

# Check -> the reason in words, and its weight. Crossings and turns add nothing to the confidence: they only break ties.
REASONS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "thin-bridge": ("bridge", 0.25),
        "orphan": ("piece apart", 0.25),
        "double-line": ("double line", 0.2),
        "self-crossing": ("self-crossing", 0.02),
        "radius-jump": ("radius jump", 0.1),
        "sharp-turn": ("sharp turn", 0.02),
    }
)
# Set by hand; not tuned, unless a line says more.
END_WEIGHT = 0.02  # an end adds no doubt either; but missed cable continues from ends


@dataclass(frozen=True, slots=True)
class Entry:
    """One stretch of the review list, or a way on that the tree lacks.

    Attributes:
        rows: lower nodes of its edges, parents first; none of a way on.
        node: the row to look at: that of its gravest finding, else its least certain edge, else its middle; of a way on the
            node that it leaves.
        length: cable length, in the unit of the tree.
        confidence: mean by length; None where unknown.
        doubt: 0 to 1.
        reasons: in words, gravest first.
        look: number of the look that shows it, from 1.
        way: (M, 3) the points of a way on, without the node that it leaves; None of a stretch.
        meets: row of the node of another tree at which a way on arrives; -1 where there is none.
    """

    rows: tuple[int, ...]
    node: int
    length: float
    confidence: float | None
    doubt: float
    reasons: tuple[str, ...]
    look: int = 1
    way: NDArray[np.float64] | None = None
    meets: int = -1

    def top(self, tree: Tree) -> int:
        """Return the row of its upper end."""
        return int(tree.parent[self.rows[0]]) if self.rows else self.node

    def points(self, tree: Tree) -> NDArray[np.float64]:
        """Return its points (M, 3), the upper end first."""
        own = tree.xyz[[self.top(tree), *self.rows]]
        return own if self.way is None else np.concatenate([own, self.way])


def review_path(swc: Path) -> Path:
    """Return OUT.review.csv of OUT.swc."""
    return swc.with_suffix(".review.csv")


def review_tree(tree: Tree, findings: Sequence[Finding] | None = None) -> list[Entry]:
    """Return every stretch of a tree or a forest, and every way on that it lacks, look by look.

    Looks are ordered by the false cable to be expected in them. Within one the least certain stretch comes first; of
    equals, the one nearer to the root.

    Args:
        tree: one tree or a forest.
        findings: those of `check_tree`, if they are known already.
    """
    at: dict[int, list[Finding]] = {}
    for finding in check_tree(tree) if findings is None else findings:
        for row in finding.rows:
            at.setdefault(row, []).append(finding)
    ends, edges = tree.children_count == 0, tree.edge_length if len(tree) else np.zeros(0)
    entries = []
    for rows in stretches_of(tree):
        found = {id(finding): finding for row in rows.tolist() for finding in at.get(row, ())}
        by_weight = sorted(found.values(), key=lambda finding: -REASONS[finding.check][1])
        entries.append(_entry(tree, rows, edges[rows], by_weight, is_end=bool(ends[rows[-1]])))
    entries += [
        Entry(
            (),
            way.row,
            way.length,
            way.confidence,
            round(way.confidence, 9),
            reasons=(MISSING,),
            way=way.xyz,
            meets=way.meets,
        )
        for way in tree.left_out
    ]
    entries.sort(key=lambda entry: (-entry.doubt, entry.rows))
    return _by_looks(tree, entries)


def _by_looks(tree: Tree, entries: Sequence[Entry]) -> list[Entry]:
    """Return entries, the least certain first, in the order of looks."""
    points, pixel = [entry.points(tree) for entry in entries], pixel_of(tree)
    low = np.array([place.min(axis=0) for place in points]).reshape(-1, 3)
    high = np.array([place.max(axis=0) for place in points]).reshape(-1, 3)
    stake = [e.length * e.doubt / (1 if e.way is None else looks_for(e.length, pixel)) for e in entries]
    looks = looks_of(low, high, np.array(stake), LOOK_PX * pixel)
    return [replace(entries[k], look=number) for number, rows in enumerate(looks, start=1) for k in rows]


def looks_for(length: float, pixel: float) -> int:
    """Return how many close-ups a person needs for a way of a length."""
    return max(1, math.ceil(length / (2 * LOOK_PX * pixel)))


def _entry(tree: Tree, rows: Ints, length: NDArray[np.float64], findings: Sequence[Finding], *, is_end: bool) -> Entry:
    """Return a stretch of edges of some lengths, with its reasons of doubt; `findings` are those on it, the gravest first."""
    weight = dict(REASONS[finding.check] for finding in findings)  # one reason a check, however often it was found
    if is_end:
        weight[OPEN_END] = END_WEIGHT
    confidence = None if tree.confidence is None else _mean(tree.confidence[rows], length)
    known = 1.0 if confidence is None else confidence
    doubt = min(max(1 - known * math.prod(1 - w for w in weight.values()), 0.0), 1.0)
    reasons = (*([LOW_CONFIDENCE] if known < LOW else []), *weight)
    node = _place(tree, rows, findings)
    return Entry(
        tuple(rows.tolist()),
        node,
        length=float(length.sum()),
        confidence=confidence,
        doubt=round(doubt, 9),
        reasons=reasons,
    )


def _mean(value: NDArray[np.float64], length: NDArray[np.float64]) -> float:
    whole = length.sum()  # as np.average, whose checks take ten times as long
    return float((value * length).sum() / whole if whole > 0 else value.mean())


def _place(tree: Tree, rows: Ints, findings: Sequence[Finding]) -> int:
    """Return the row of a stretch that a person should look at."""
    own = set(rows.tolist())
    for finding in findings:
        if finding.node in own:
            return finding.node
    value = None if tree.confidence is None else tree.confidence[rows]
    if value is None or value.min() == value.max():
        return int(rows[len(rows) // 2])
    return int(rows[value.argmin()])


def write_review(
    tree: Tree,
    files: Sequence[tuple[Path, NDArray[np.int64]]],
    path: Path,
    *,
    findings: Sequence[Finding] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the review list of a tree; one without an edge gives a header alone.

    `node`, `from_node` and `to_node` are ids in the SWC file that `file` names; a stretch is all edges on the way from
    `to_node` up to `from_node`. x, y, z are those of `node`, in the unit of the tree. `cumulative_share` is the share of
    the whole cable that is listed up to this line and with it. `look` counts the looks: lines of one number are seen together.
    Of a way on that the tree lacks, `to_node` is the node of another tree at which it arrives, if it does; `way` has its points
    "x y z; x y z", and x, y, z are those of its tip.

    Args:
        tree: one tree or a forest.
        files: each SWC file, and the rows of `tree` that went into it, ascending.
        path: OUT.review.csv.
        findings: those of `check_tree`, if they are known already.
        overwrite: take the place of a file that exists.

    Raises:
        OutputError: if the file cannot be written.
    """
    entries = review_tree(tree, findings)
    file_of, ids = np.zeros(len(tree), np.int64), np.zeros(len(tree), np.int64)
    for k, (_, rows) in enumerate(files):
        file_of[rows], ids[rows] = k, written_ids(tree.take(rows))
    whole, listed = sum(entry.length for entry in entries if entry.rows), 0.0
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, entry in enumerate(entries, start=1):
        listed += entry.length if entry.rows else 0.0
        top, node, way = entry.top(tree), entry.node, [] if entry.way is None else entry.way.tolist()
        place = way[-1] if way else tree.xyz[node]
        end = entry.rows[-1] if entry.rows else entry.meets
        writer.writerow((
            rank,
            as_path(one_line(files[file_of[node]][0].name)),
            *(ids[node], *(_number(v) for v in place), ids[top], ids[end] if end >= 0 and file_of[end] == file_of[top] else ""),
            _number(entry.length),
            "" if entry.confidence is None else _number(entry.confidence),
            _number(entry.doubt),
            "; ".join(entry.reasons),
            _number(min(listed / whole, 1.0) if whole and rank < len(entries) else 1.0),
            entry.look,
            "; ".join(" ".join(map(_number, point)) for point in way),
        ))  # fmt: skip
    write_text(path, text.getvalue(), overwrite=overwrite)


def _number(value: float) -> str:
    """Return a number with four decimals at most, as in the SWC file."""
    return f"{round(float(value), 4) + 0.0:.10g}"
