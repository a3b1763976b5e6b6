"""SWC file to Tree: tolerant where that is harmless, `path:line: what` where it is not."""

import logging
from pathlib import Path

import numpy as np

from neurorecon.core.errors import FormatError
from neurorecon.core.forest import renumbered
from neurorecon.core.tree import Tree, Unit
from neurorecon.swc.cut_off import cut_off
from neurorecon.swc.other_kinds import odd_size
from neurorecon.swc.scan import Finding, Rows, scan
from neurorecon.swc.structure import MISSING, Floats, Ints, filled_radius, order_parents_first, parent_rows

__all__ = ["header_notes", "ids_in_file", "read_swc", "rows_in_file", "stated_unit"]

# Set by hand; not tuned, unless a line says more.
NO_RADIUS = 1.0  # for a tree without any radius; most tracers write 1 when they do not measure

REPAIR = "; `neurorecon validate --repair` mends it if it can be mended"

log = logging.getLogger(__name__)


def read_swc(path: str | Path, *, allow_empty: bool = False) -> Tree:
    """Read an SWC file.

    Commas, tabs, blank lines, CRLF, a byte order mark, further columns, any order of the lines and any numbering are
    taken as they come; nodes are re-ordered parents first where they are not. A radius that is 0, negative or NaN means
    "not measured": the radius of the nearest ancestor is used, and a warning is logged.

    Args:
        path: the file.
        allow_empty: give a Tree without nodes for a file that holds none, instead of an error.

    Returns:
        One Tree, a forest where the file has several roots, in um or in voxels, as the header states ("um" where it is
        silent). Points are xyz, radii in the same unit. Another unit, an offset or another order of the columns in
        the header is converted, and a warning is logged (see `swc/frame.py`).

    Raises:
        InputError: if there is no such file, or it cannot be read.
        FormatError: `path:line: what`, if a line is no node, an id stands twice, a parent is not in the file, nodes run
            in a loop, or the file holds no node.
    """
    rows = _whole(path)
    if not len(rows) and not allow_empty:
        raise FormatError(f"{path}:1: the file holds no node; an SWC line is: id type x y z radius parent")
    frame = rows.frame
    for note in filter(None, (*notes_of(rows), cut_off(rows))):
        log.warning("%s: %s", path, note)
    parent = _parents(rows)
    order = order_parents_first(parent)
    if len(order) < len(rows):
        row = int(np.setdiff1d(np.arange(len(rows)), order)[0])
        raise _error(rows, row, f"node {rows.id[row]} is on or below a loop; no root can be reached from it")
    parent = renumbered(parent, order)
    radius = _radii(rows, order, parent) * frame.radius_factor
    return Tree(_points(rows)[order], radius, parent, rows.type[order], frame.unit or "um")


def rows_in_file(path: str | Path) -> Ints:
    """Return the place in the file, counted in nodes from 0, of every node of the Tree that `read_swc` gives, (N,).

    Raises:
        InputError, FormatError: as `read_swc`.
    """
    return order_parents_first(_parents(_whole(path)))


def ids_in_file(path: str | Path) -> Ints:
    """Return the id in the file of every node of the Tree that `read_swc` gives, (N,).

    Raises:
        InputError, FormatError: as `read_swc`.
    """
    rows = _whole(path)
    return rows.id[order_parents_first(_parents(rows))]


def stated_unit(path: str | Path) -> Unit | None:
    """Return the unit that `read_swc` gives by the header of an SWC file, None where it states none that is known.

    Raises:
        InputError: if the file cannot be read.
    """
    return scan(path).frame.unit


def header_notes(path: str | Path) -> tuple[str, ...]:
    """Return notes on an SWC file that affect its numbers: another unit or an offset in its header, an impossible size.

    Raises:
        InputError: if the file cannot be read.
    """
    return notes_of(scan(path))


def notes_of(rows: Rows) -> tuple[str, ...]:
    """Return the notes of a frame, that its unit is not known, and that the tree has an impossible size in it."""
    frame = rows.frame
    unknown = (f"states units {frame.word!r}, which are not known; read as um",)
    size = odd_size(_points(rows), rows.radius * frame.radius_factor, frame.unit)
    return frame.notes + (unknown if frame.word and frame.unit is None else ()) + ((size,) if size else ())


def _points(rows: Rows) -> Floats:
    """Return the points (N, 3), xyz, in the unit of the tree."""
    frame = rows.frame
    points: Floats = (rows.xyz[:, list(frame.order)] + frame.offset) * frame.factor
    return points


def _whole(path: str | Path) -> Rows:
    """Return the rows of a file without faults."""
    rows = scan(path)
    if rows.faults:
        raise FormatError(f"{rows.faults[0]}{'' if rows.foreign else REPAIR}")
    return rows


def _error(rows: Rows, row: int, what: str) -> FormatError:
    return FormatError(f"{Finding(rows.path, int(rows.line[row]), what)}{REPAIR}")


def _parents(rows: Rows) -> Ints:
    """Return parents by row, or raise at a doubled id or a parent that is not there."""
    by_id = np.argsort(rows.id, kind="stable")
    again = by_id[1:][rows.id[by_id][1:] == rows.id[by_id][:-1]]
    if len(again):
        row = int(again.min())
        first = int(rows.line[np.flatnonzero(rows.id == rows.id[row])[0]])
        raise _error(rows, row, f"node {rows.id[row]} occurs twice; line {first} has it already")
    parent = parent_rows(rows.id, rows.parent_id)
    if (parent == MISSING).any():
        row = int(np.flatnonzero(parent == MISSING)[0])
        raise _error(rows, row, f"node {rows.id[row]} names parent {rows.parent_id[row]}, which is not in the file")
    return parent


def _radii(rows: Rows, order: Ints, parent: Ints) -> Floats:
    """Return a usable radius for every node, and log a warning if some are not those of the file."""
    found = rows.radius[order]
    useless = int((~(found > 0)).sum())
    if not useless:
        return found
    radius = filled_radius(found, parent)
    log.warning("%s: %d radii are not above 0; the nearest node's are taken, %g where no node has one",
                rows.path, useless, NO_RADIUS)  # fmt: skip
    return np.where(np.isnan(radius), NO_RADIUS, radius)
