"""Repair of SWC files: the repaired file differs in form, never in shape.

Nodes are re-ordered, renumbered and attached to their soma; doubled lines and coincident nodes are removed; a radius that
was not measured becomes that of the nearest node; types that no reader knows become 0. A file with a line that
cannot be read, an id of two nodes, a loop, or a jump is refused as a whole, because its repair would be a guess.
"""

from pathlib import Path

import numpy as np

from neurorecon.core.errors import FormatError
from neurorecon.core.files import check_output, write_text
from neurorecon.core.forest import renumbered
from neurorecon.core.tree import NodeType, Tree
from neurorecon.swc.rows import DECIMALS
from neurorecon.swc.rules import judge, judge_shape
from neurorecon.swc.scan import UNITS, Finding, Rows, read_bytes, scan_bytes
from neurorecon.swc.structure import MISSING, Floats, Ints, filled_radius, order_parents_first, parent_rows, rerooted
from neurorecon.swc.writer import LARGEST_TYPE, SMALLEST, compact, format_rows

__all__ = ["repair_swc"]

COLUMN_NAMES = "id type x y z radius parent"


def repair_swc(path: str | Path, out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write a valid SWC file with the shape of `path`, whole or not at all.

    Header comments are kept, and the statement of units is neither added nor changed.

    Args:
        path: the file to repair.
        out: the file to write; may be `path` itself with `overwrite`.
        overwrite: replace a file that is there.

    Returns:
        The repairs, one sentence each; an empty list if none was needed.

    Raises:
        InputError: if `path` cannot be read.
        FormatError: `path:line: what`, if a finding cannot be repaired without inventing something.
        OutputError: if `out` exists or cannot be written.
    """
    check_output(Path(out), overwrite=overwrite)
    raw = read_bytes(path)
    rows = scan_bytes(raw, str(path))
    if rows.foreign:
        raise FormatError(str(rows.faults[0]))
    did: list[str] = []
    text = raw.decode("utf-8", errors="replace")
    if judge(rows):
        tree = _tree(rows, did)
        text = format_rows(tree, header=_header(rows, did), unit=rows.unit)
    left = judge(scan_bytes(text.encode(), rows.path))
    if left:
        raise _refusal(judge_shape(rows) or left)
    write_text(Path(out), text, overwrite=overwrite)
    return did


def _refusal(findings: "tuple[Finding, ...] | list[Finding]") -> FormatError:
    """Return the error that names the first finding, and the number of the others."""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return FormatError(f"{findings[0]}{more}: this cannot be repaired without inventing something; correct it by hand")


def _refuse(rows: Rows, row: int, what: str) -> FormatError:
    return _refusal([Finding(rows.path, int(rows.line[row]), what)])


def _header(rows: Rows, did: list[str]) -> list[str]:
    """Return the comments to keep: all but those that the writer writes itself."""
    if rows.later_comments:
        did.append(f"left out {rows.later_comments} comments that stood between the nodes; the header's are kept")
    stated = rows.unit is not None
    keep = [text for text in rows.comments if not (stated and UNITS.match(text)) and text.lower() != COLUMN_NAMES]
    return [text for text in keep if text]


def _tree(rows: Rows, did: list[str]) -> Tree:
    """Return the nodes as a tree that can be written, and note each step in `did`."""
    if rows.faults:
        raise _refusal(rows.faults)
    if not len(rows):
        raise FormatError(f"{rows.path}:1: the file holds no node; there is nothing to repair")
    did.extend(f"line {odd.line}: {odd.what}: written plainly" for odd in rows.oddities[:1])
    kept = _without_doubled_lines(rows, did)
    ids, parent_ids = rows.id[kept], rows.parent_id[kept]
    parent = _closed(rows, kept, parent_rows(ids, parent_ids), did)
    order = order_parents_first(parent)
    if len(order) < len(kept):
        raise _refusal(judge_shape(rows))
    if (order != np.arange(len(order))).any():
        did.append("ordered the nodes, parents first")
    if (ids != np.arange(1, len(ids) + 1)).any() or len(kept) < len(rows):
        did.append("numbered the nodes 1, 2, 3")
    kept, parent = kept[order], renumbered(parent, order)
    tree = Tree(
        np.round(rows.xyz[kept], DECIMALS), _radii(rows, kept, parent, did), parent, _types(rows, kept, did), "um"
    )
    if not np.array_equal(tree.xyz, rows.xyz[kept]):
        did.append(f"rounded the coordinates to {DECIMALS} decimals")
    merged, _ = compact(tree)
    if len(merged) < len(tree):
        did.append(f"merged {len(tree) - len(merged)} nodes into the parent or sibling in whose place they stood")
    return _rooted_at_soma(merged, did)


def _without_doubled_lines(rows: Rows, did: list[str]) -> Ints:
    """Return the rows without those that repeat another; one that gives an id a second meaning is refused."""
    seen: dict[int, int] = {}
    kept = []
    for row, node in enumerate(rows.id.tolist()):
        first = seen.setdefault(node, row)
        if first == row:
            kept.append(row)
        elif not _same(rows, first, row):
            raise _refuse(rows, row, f"node {node} occurs twice, and differs from line {rows.line[first]}")
    if len(kept) < len(rows):
        did.append(f"dropped {len(rows) - len(kept)} lines that repeat a node")
    return np.array(kept, dtype=np.int64)


def _same(rows: Rows, a: int, b: int) -> bool:
    columns = (rows.type, rows.parent_id, rows.xyz, rows.radius)
    return all(np.array_equal(column[a], column[b], equal_nan=column.dtype.kind == "f") for column in columns)


def _closed(rows: Rows, kept: Ints, parent: Ints, did: list[str]) -> Ints:
    """Return the parents with a root for every node whose parent is not there: the tree was cut already."""
    did.extend(
        f"line {rows.line[row]}: made node {rows.id[row]} a root, its parent {rows.parent_id[row]} is not there"
        for row in kept[parent == MISSING].tolist()
    )
    return np.maximum(parent, -1)


def _radii(rows: Rows, kept: Ints, parent: Ints, did: list[str]) -> Floats:
    """Return radii above 0: the file's, or the nearest node's in the same tree."""
    found = rows.radius[kept]
    useless = ~(np.isfinite(found) & (found > 0))
    radius = filled_radius(found, parent)
    if np.isnan(radius).any():
        row = int(kept[np.flatnonzero(np.isnan(radius))[0]])
        raise _refuse(
            rows, row, f"node {rows.id[row]} has radius {rows.radius[row]:g}, and no node of its tree has one"
        )
    if useless.any():
        did.append(f"took the radius of {useless.sum()} nodes, which had none above 0, from the nearest node")
    if (radius < SMALLEST).any():
        did.append(f"set {(radius < SMALLEST).sum()} radii below {SMALLEST:g} to {SMALLEST:g}")
    return radius


def _types(rows: Rows, kept: Ints, did: list[str]) -> Ints:
    """Return the types with unknown ones set to 0, undefined."""
    found = rows.type[kept]
    unknown = (found < 0) | (found > LARGEST_TYPE)
    if unknown.any():
        names = sorted(set(found[unknown].tolist()))
        listed = ", ".join(map(str, names[:5])) + (" ..." if len(names) > 5 else "")
        did.append(f"set the type of {unknown.sum()} nodes to 0 (undefined); it was {listed}")
    return np.where(unknown, NodeType.UNDEFINED, found)


def _rooted_at_soma(tree: Tree, did: list[str]) -> Tree:
    """Return the same edges with the root of every tree at its soma, if it has exactly one away from its root."""
    soma = tree.type == NodeType.SOMA
    tops = np.flatnonzero(soma & ((tree.parent < 0) | ~soma[tree.parent]))
    root_of = tree.root_of()
    parent, somata = tree.parent, np.bincount(root_of[tops], minlength=len(tree))
    for row in tops.tolist():
        if tree.parent[row] >= 0 and somata[root_of[row]] == 1:
            parent = rerooted(parent, row)
            did.append(f"rooted a tree at its soma at {_place(tree, row)}; the edges are the same")
    if parent is tree.parent:
        return tree
    order = order_parents_first(parent)
    return Tree(tree.xyz[order], tree.radius[order], renumbered(parent, order), tree.type[order], tree.unit)


def _place(tree: Tree, row: int) -> str:
    return ", ".join(f"{value:g}" for value in tree.xyz[row])
