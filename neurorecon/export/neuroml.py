"""NeuroML 2: one cell a tree, in micrometres; a segment for each edge, with the id that its lower node has in the SWC file.

A segment goes from the end of its parent to its own end. A soma is a sphere: a segment whose ends are one point (the convention
of NeuroML for somata of a single point). A neurite begins in the middle of its soma with its own diameter, not with that of the
soma. A root that is no soma is the upper end of its first child, and its other children begin at that end. Groups name the
segments of each kind by the terms that NeuroML programs look for.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import groups
from neurorecon.core.tree import NodeType, Tree
from neurorecon.export.scale import Scale

__all__ = ["neuroml_of"]

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<neuroml xmlns="http://www.neuroml.org/schema/neuroml2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:schemaLocation="http://www.neuroml.org/schema/neuroml2'
    ' https://raw.github.com/NeuroML/NeuroML2/development/Schemas/NeuroML2/NeuroML_v2.3.xsd" id={id}>'
)
# Group of each kind, and its term of the Gene Ontology; undefined neurites count as dendrites, as in ASC.
KINDS: Mapping[int, str] = MappingProxyType({NodeType.SOMA: "soma_group", NodeType.AXON: "axon_group"})
TERMS: Mapping[str, str] = MappingProxyType(
    {"soma_group": "GO:0043025", "axon_group": "GO:0030424", "dendrite_group": "GO:0030425"}
)

Floats = NDArray[np.float64]


def neuroml_of(tree: Tree, scale: Scale, name: str) -> str:
    """Return a tree or a forest as the text of a NeuroML file.

    Raises:
        InputError: if the tree is in voxels, and their size is not known.
    """
    xyz, radius = scale.in_um(tree)
    points = np.column_stack([xyz, 2 * radius])
    lines = [HEAD.format(id=quoteattr(_id_of(name)))]
    trees = groups(tree.root_of(), tree.roots)
    for number, rows in enumerate(trees, start=1):
        cell = _id_of(name) if len(trees) == 1 else f"{_id_of(name)}_{number}"
        lines += [f" <cell id={quoteattr(cell)}>", f"  <notes>{escape(name)}</notes>"]
        lines += [f'  <morphology id="morphology_{number}">', *_segments(tree, rows, points), *_groups(tree, rows)]
        lines += ["  </morphology>", " </cell>"]
    return "\n".join([*lines, "</neuroml>"]) + "\n"


def _id_of(name: str) -> str:
    """Return a name as an identifier of NeuroML: letters of ASCII, figures and _, no figure first."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"


def _segments(tree: Tree, rows: NDArray[np.int64], points: Floats) -> list[str]:
    """Return the segments of one tree, parents first; `points` (N, 4) are x, y, z and diameter."""
    root = int(rows[0])
    sphere = tree.type[root] == NodeType.SOMA or len(rows) == 1
    lines = _segment(root, points[root], None, points[root]) if sphere else []
    first = -1
    for row in rows[1:].tolist():
        up = int(tree.parent[row])
        begin: Floats | None = None
        parent: tuple[int, float] | None = (up + 1, 1.0)
        if tree.type[up] == NodeType.SOMA:
            begin = np.append(points[up, :3], points[row, 3])
        elif up == root and not sphere:
            begin = points[up]
            parent = None if first < 0 else (first, 0.0)
            first = row + 1 if first < 0 else first
        lines += _segment(row, points[row], parent, begin)
    return lines


def _segment(row: int, end: Floats, parent: tuple[int, float] | None, begin: Floats | None) -> list[str]:
    """Return a segment; `parent` is the id of its parent with the place along it, `begin` is where it does not begin there."""
    lines = [f'   <segment id="{row + 1}" name="segment_{row + 1}">']
    if parent is not None:
        along = "" if parent[1] == 1 else ' fractionAlong="0"'
        lines.append(f'    <parent segment="{parent[0]}"{along}/>')
    for what, place in (("proximal", begin), ("distal", end)):
        if place is not None:
            x, y, z, across = place
            lines.append(f'    <{what} x="{x:.4f}" y="{y:.4f}" z="{z:.4f}" diameter="{across:.4f}"/>')
    return [*lines, "   </segment>"]


def _groups(tree: Tree, rows: NDArray[np.int64]) -> list[str]:
    """Return the groups of one tree: its segments by kind; an edge has the kind of its lower node."""
    of: dict[str, list[int]] = {}
    for row in rows.tolist():
        if tree.parent[row] >= 0 or tree.type[row] == NodeType.SOMA or len(rows) == 1:
            of.setdefault(KINDS.get(int(tree.type[row]), "dendrite_group"), []).append(row + 1)
    lines = []
    for group, ids in of.items():
        lines.append(f'   <segmentGroup id="{group}" neuroLexId="{TERMS[group]}">')
        lines += [f'    <member segment="{one}"/>' for one in ids]
        lines.append("   </segmentGroup>")
    return lines
