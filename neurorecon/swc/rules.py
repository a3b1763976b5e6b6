"""The rules of a valid SWC file, one function each: every reader accepts it, and in the same meaning.

The format is that of Cannon et al. 1998 with the types of INCF SWC+; where it leaves a question open, the answer is the
one that MorphIO, NeuroM and navis all load without a complaint. Allowed: several roots (each its own tree), several
type-1 nodes for one soma, types 0 to 19 (8 and above are custom), crossings of distant branches in one place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurorecon.core.forest import renumbered
from neurorecon.core.tree import NodeType
from neurorecon.swc.cut_off import cut_off
from neurorecon.swc.scan import Finding, Rows, scan
from neurorecon.swc.structure import MISSING, Ints, coincident, loops, order_parents_first, parent_rows
from neurorecon.swc.writer import LARGEST_TYPE

__all__ = ["judge", "judge_shape", "validate_swc"]

# A jump is an edge that stands out from its tree, not a long one: sparse tracings have edges of any length. Over 494
# real morphologies, thinned by Douglas-Peucker at 0 to 2 um as well, the longest edge is at most 90 medians and 18
# times the 95th percentile of its file; a node that fell to the origin is thousands of either.
JUMP_MEDIANS = 100.0  # ... and how many medians
JUMP_PERCENTILE, JUMP_PERCENTILES = 95.0, 20.0  # the percentile, and how many times it an edge has to be
JUMP_EDGES = 20  # fewer edges have no typical length


@dataclass(frozen=True, slots=True)
class _Layout:
    """The nodes of a file and their edges; `order` lists the rows that roots reach, parents first."""

    rows: Rows
    parent: Ints
    order: Ints


Rule = Callable[[_Layout], Iterator[tuple[int, str]]]


def validate_swc(path: str | Path) -> list[Finding]:
    """Judge an SWC file by every rule.

    Returns:
        The findings in the order of their lines; an empty list for a valid file.

    Raises:
        InputError: if there is no such file, or it cannot be read.
    """
    return judge(scan(path))


def judge(rows: Rows) -> list[Finding]:
    """Return all findings on the lines of a file, in their order."""
    findings = [*rows.faults, *rows.oddities, *_apply(RULES, rows)]
    if not len(rows) and not rows.faults:
        findings.append(Finding(rows.path, 1, "the file holds no node"))
    return sorted(findings, key=lambda finding: finding.line)


def judge_shape(rows: Rows) -> list[Finding]:
    """Return the findings whose repair needs another shape: loops, jumps, somata away from a root, a cut end."""
    return sorted(
        _apply((_no_loops, _no_jumps, _somata_are_roots, _last_line_is_whole), rows), key=lambda finding: finding.line
    )


def _apply(rules: tuple[Rule, ...], rows: Rows) -> list[Finding]:
    parent = parent_rows(rows.id, rows.parent_id)
    layout = _Layout(rows, parent, order_parents_first(parent))
    return [Finding(rows.path, int(rows.line[row]), what) for rule in rules for row, what in rule(layout)]


def _ids_are_unique(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows = layout.rows
    by_id = np.argsort(rows.id, kind="stable")
    ids = rows.id[by_id]
    for place in (np.flatnonzero(ids[1:] == ids[:-1]) + 1).tolist():
        row, first = int(by_id[place]), int(by_id[np.searchsorted(ids, ids[place])])
        yield row, f"node {rows.id[row]} occurs twice; line {rows.line[first]} has it already"


def _ids_are_consecutive(layout: _Layout) -> Iterator[tuple[int, str]]:
    """Yield the first deviation only, as the others follow from it; the id of an unreadable line is not reported."""
    rows = layout.rows
    wrong = np.flatnonzero(rows.id != np.arange(1, len(rows) + 1))
    if len(wrong) and not rows.faults:
        row = int(wrong[0])
        yield row, f"node id {rows.id[row]} where {row + 1} is due; ids run 1, 2, 3 in the order of the lines"


def _parents_are_there(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows = layout.rows
    for row in np.flatnonzero(layout.parent == MISSING).tolist():
        if int(rows.parent_id[row]) not in rows.lost_ids:
            yield row, f"node {rows.id[row]} names parent {rows.parent_id[row]}, which is not in the file"


def _parents_come_first(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows, parent = layout.rows, layout.parent
    for row in np.flatnonzero(parent > np.arange(len(rows))).tolist():
        yield row, f"node {rows.id[row]} comes before its parent {rows.parent_id[row]} (line {rows.line[parent[row]]})"


def _no_loops(layout: _Layout) -> Iterator[tuple[int, str]]:
    for ring in loops(layout.parent, layout.order):
        names = ", ".join(str(layout.rows.id[row]) for row in ring[:5])
        more = f" and {len(ring) - 5} more" if len(ring) > 5 else ""
        what = f"nodes {names}{more} run in a loop" if len(ring) > 1 else f"node {names} is its own parent"
        yield ring[0], f"{what}; no root leads to them" if len(ring) > 1 else f"{what}; a root has parent -1"


def _radii_are_above_zero(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows = layout.rows
    for row in np.flatnonzero(~(np.isfinite(rows.radius) & (rows.radius > 0))).tolist():
        yield row, f"node {rows.id[row]} has radius {rows.radius[row]:g}; a finite number above 0 is due"


def _types_are_known(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows = layout.rows
    for row in np.flatnonzero((rows.type < 0) | (rows.type > LARGEST_TYPE)).tolist():
        yield row, f"node {rows.id[row]} has type {rows.type[row]}; 0 to 7 are known, 8 to {LARGEST_TYPE} custom"


def _no_coincident_nodes(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows, order = layout.rows, layout.order
    parent = renumbered(np.maximum(layout.parent, -1), order)  # one that is not there is -2
    target = coincident(rows.xyz[order], parent)
    for k in np.flatnonzero(target != np.arange(len(order))).tolist():
        row, other = int(order[k]), int(order[target[k]])
        if rows.id[row] == rows.id[other]:
            continue  # a doubled line: reported already
        if parent[k] >= 0 and target[parent[k]] == target[k]:
            yield row, f"node {rows.id[row]} stands in the place of its parent {rows.id[order[parent[k]]]}; length zero"
        else:
            yield row, f"node {rows.id[row]} is a duplicate of node {rows.id[other]}: the same place on the same branch"


def _no_jumps(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows = layout.rows
    child = np.flatnonzero(layout.parent >= 0)
    up = layout.parent[child]
    edge = np.linalg.norm(rows.xyz[child] - rows.xyz[up], axis=1)
    if (edge > 0).sum() < JUMP_EDGES:
        return
    median = float(np.median(edge[edge > 0]))
    usual = float(np.percentile(edge[edge > 0], JUMP_PERCENTILE, method="lower"))
    inside = np.nan_to_num(np.maximum(rows.radius, 0), posinf=0.0)  # an edge out of a soma starts at its surface
    gap = edge - inside[child] - inside[up]
    for k in np.flatnonzero((gap > JUMP_MEDIANS * median) & (gap > JUMP_PERCENTILES * usual)).tolist():
        row = int(child[k])
        where = f"node {rows.id[row]} is {edge[k]:g} away from its parent {rows.parent_id[row]}"
        yield row, f"{where}; a jump, as half of the edges are at most {median:g} long"


def _somata_are_roots(layout: _Layout) -> Iterator[tuple[int, str]]:
    rows, parent = layout.rows, layout.parent
    soma = rows.type == NodeType.SOMA
    for row in np.flatnonzero(soma & (parent >= 0) & ~soma[np.maximum(parent, 0)]).tolist():
        where = (
            f"node {rows.id[row]} is soma but its parent, node {rows.parent_id[row]}, has type {rows.type[parent[row]]}"
        )
        yield row, f"{where}; a tree starts at its soma"
    inner = soma & (parent >= 0)
    branching = np.bincount(parent[inner], minlength=len(rows)) >= 2
    for row in np.flatnonzero(branching & inner).tolist():
        yield row, f"the soma branches at node {rows.id[row]}; a soma is one node, three, or an unbranched outline"


def _last_line_is_whole(layout: _Layout) -> Iterator[tuple[int, str]]:
    what = cut_off(layout.rows)
    if what:
        yield len(layout.rows) - 1, what


RULES: tuple[Rule, ...] = (
    _ids_are_unique,
    _ids_are_consecutive,
    _parents_are_there,
    _parents_come_first,
    _no_loops,
    _radii_are_above_zero,
    _types_are_known,
    _no_coincident_nodes,
    _no_jumps,
    _somata_are_roots,
    _last_line_is_whole,
)
