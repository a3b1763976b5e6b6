"""Suspicious places of a tree, found from the tree alone, for a person to check first.

A finding need not be an error: neurites do cross, turn and swell. Lengths are in pixels, and the size of a pixel follows from
the distance between neighbouring nodes (`stretches.pixel_of`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import groups
from neurorecon.core.tree import NodeType, Tree
from neurorecon.report.contacts import Contact, contacts_of, near_soma
from neurorecon.report.stretches import STEP_PX, Floats, Ints, cable_behind, lines_of, pixel_of

__all__ = ["CHECKS", "Finding", "bridge_summary", "check_tree", "count_findings"]

# Set by hand; not tuned, unless a line says more.
TOUCH_PX = 1.5  # two centre lines this near to each other lie in one neurite, however thin
ALONGSIDE_PX = 10.0  # on a shared way longer than this, lines within 3 px do not merely cross at an angle
WINDOW = 3  # nodes, 4.5 px: over fewer the steps of the voxel grid are turns themselves

# How much of the cable within 5 px of a finding is wrong, on the stacks of the training neurons (benchmarks/README.md):
JUMP = 2.0  # 0.48; at a factor of 1.5 0.34, for twice as many findings
TURN_DEGREES = 100.0  # 0.47; at 85 degrees 0.41, at 70 0.34: right angles are real
ORPHAN_SHARE = 0.2  # of the longest tree, where no tree has a soma: below it a piece is no neuron of its own


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious place.

    Attributes:
        check: its name, one of `CHECKS`.
        node: the row of the node to look at.
        xyz: its place, in the unit of the tree.
        value: the measurement of the check.
        text: the finding in words.
        rows: the rows of all nodes that it is about, ascending; the edges above them are in doubt.
    """

    check: str
    node: int
    xyz: tuple[float, float, float]
    value: float
    text: str
    rows: tuple[int, ...]


class Checked:
    """A tree that is checked, with the measurements that several checks need: each is made once, when it is first asked for."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    @cached_property
    def px(self) -> float:
        """The length of a pixel in the unit of the tree."""
        return pixel_of(self.tree)

    @cached_property
    def contacts(self) -> Sequence[Contact]:
        """The places where the tree comes close to itself."""
        return contacts_of(self.tree)


def check_tree(tree: Tree) -> list[Finding]:
    """Return the findings of all checks, in the order of `CHECKS` and, within one, of the nodes."""
    checked = Checked(tree)
    return [finding for check in CHECKS.values() for finding in check(checked)]


def count_findings(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of findings by check, 0 included."""
    return {name: sum(finding.check == name for finding in findings) for name in CHECKS}


def bridge_summary(tree: Tree) -> dict[str, float] | None:
    """Return number and length of the bridged stretches; None where it is not known which edges are bridged."""
    if tree.bridged is None:
        return None
    edges = _bridged(tree)
    return {"count": len(_connected(tree, edges)), "length": round(float(tree.edge_length[edges].sum()), 4)}


def find_crossings(checked: Checked) -> list[Finding]:
    """Return the places where two stretches that are far apart along the tree cross or touch; value: their distance.

    |x_i - x_j| <= max(1.5 px, (r_i + r_j) / 2): one centre line lies within the other neurite. Sister neurites avoid each
    other (Grueber and Sagasti 2010), so here two neurites may have been swapped, or two neurons joined. Arms of one branch
    point are left out. Stretches that run on side by side are a `double-line`.
    """
    tree, px = checked.tree, checked.px
    found = []
    for contact in checked.contacts:
        near = contact.distance <= max(TOUCH_PX * px, contact.radii / 2)
        if near and not contact.forked and contact.length <= ALONGSIDE_PX * px:
            text = f"two neurites pass at {contact.distance:.3g} {tree.unit} from each other"
            found.append(
                _finding(
                    "self-crossing", tree, node=contact.pair[1], value=contact.distance, text=text, rows=contact.rows
                )
            )
    return found


def find_double_lines(checked: Checked) -> list[Finding]:
    """Return the places where two stretches run within 3 px for more than 10 px; value: the length of the shared way.

    They are two neurites side by side, or two lines along one neurite; after a branch point, a spur along its own trunk.
    """
    tree, px = checked.tree, checked.px
    found = []
    for contact in checked.contacts:
        if contact.length > ALONGSIDE_PX * px:
            text = f"two lines run side by side for {contact.length:.3g} {tree.unit}"
            found.append(
                _finding("double-line", tree, node=contact.pair[1], value=contact.length, text=text, rows=contact.rows)
            )
    return found


def find_radius_jumps(checked: Checked) -> list[Finding]:
    """Return the places where the radius at least doubles or halves within 4.5 px; value: the factor, above 1.

    exp |log median(r_k ... r_k+2) - log median(r_k-3 ... r_k-1)|, in the middle of unbranched lines: at somata, branch
    points and tips a radius changes by right. A jump is a blob on the way, or a line that went over to another neurite.
    """
    tree, px = checked.tree, checked.px
    soma = near_soma(tree)
    found = []
    for line in map(np.array, lines_of(tree)):
        if len(line) < 2 * WINDOW:
            continue
        middle = np.median(np.lib.stride_tricks.sliding_window_view(np.log(tree.radius[line]), WINDOW), axis=1)
        factor = np.exp(np.abs(middle[WINDOW:] - middle[:-WINDOW]))  # of the node `WINDOW` places further
        if factor.max() < JUMP:
            continue
        node = line[WINDOW : WINDOW + len(factor)]
        free = np.ones(len(node), np.bool_)
        for end in (line[0], line[-1]):
            room = tree.radius[end] + WINDOW * STEP_PX * px
            free &= np.linalg.norm(tree.xyz[node] - tree.xyz[end], axis=1) > room
        for k, rows in _peaks(np.where(free & ~soma[node], factor, 0.0), JUMP, node):
            text = f"the radius changes by a factor of {factor[k]:.2g}"
            found.append(_finding("radius-jump", tree, node=int(node[k]), value=float(factor[k]), text=text, rows=rows))
    return found


def find_sharp_turns(checked: Checked) -> list[Finding]:
    """Return the places where an unbranched line turns by 100 degrees or more within 9 px; value: the angle.

    The angle between x_k - x_k-3 and x_k+3 - x_k, every point the mean of itself and its two neighbours. Where a neurite
    seems to turn back, the line often goes over to another one that crosses it.
    """
    tree, found = checked.tree, []
    for line in map(np.array, lines_of(tree)):
        if len(line) <= 2 * WINDOW:
            continue
        point = tree.xyz[line]
        point[1:-1] = (point[2:] + point[1:-1] + point[:-2]) / 3
        before, after = point[WINDOW:-WINDOW] - point[: -2 * WINDOW], point[2 * WINDOW :] - point[WINDOW:-WINDOW]
        lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        cosine = (before * after).sum(1) / np.where(lengths > 0, lengths, 1.0)
        angle = np.where(lengths > 0, np.degrees(np.arccos(np.clip(cosine, -1, 1))), 0.0)
        for k, rows in _peaks(angle, TURN_DEGREES, line[WINDOW:-WINDOW]):
            text = f"the line turns by {angle[k]:.0f} degrees"
            found.append(
                _finding("sharp-turn", tree, node=int(line[WINDOW + k]), value=float(angle[k]), text=text, rows=rows)
            )
    return found


def find_orphans(checked: Checked) -> list[Finding]:
    """Return the trees that nothing joins to a neuron; value: the cable length of each.

    Where a tree has a soma: every tree without one. Where none has: every tree below a fifth of the longest.
    """
    tree = checked.tree
    root = tree.root_of()
    length = np.bincount(root, weights=tree.edge_length if len(tree) else [], minlength=len(tree))
    with_soma = np.unique(root[tree.type == NodeType.SOMA])
    if len(with_soma):
        orphans = tree.roots[~np.isin(tree.roots, with_soma)]
    else:
        orphans = tree.roots[length[tree.roots] < ORPHAN_SHARE * length.max(initial=0.0)]
    what = "no soma" if len(with_soma) else "much shorter than the longest"
    return [
        _finding("orphan", tree, node=int(row), value=float(length[row]), text=f"a piece apart: {what}", rows=rows)
        for row, rows in zip(orphans, groups(root, orphans), strict=True)
    ]


def find_bridges(checked: Checked) -> list[Finding]:
    """Return the stretches that span a gap; value: length of the cable below, which only the bridge attaches."""
    tree = checked.tree
    edges = _bridged(tree)
    if not edges.any():
        return []
    behind, length = cable_behind(tree), tree.edge_length
    found = []
    for rows in _connected(tree, edges):
        hanging = max(0.0, float(behind[rows[0]] - length[rows[1:]].sum()))
        text = f"a gap is bridged; {hanging:.3g} {tree.unit} of cable depend on it"
        found.append(_finding("thin-bridge", tree, node=int(rows[0]), value=hanging, text=text, rows=rows))
    return found


CHECKS: Mapping[str, Callable[[Checked], list[Finding]]] = MappingProxyType(
    {
        "thin-bridge": find_bridges,
        "orphan": find_orphans,
        "double-line": find_double_lines,
        "self-crossing": find_crossings,
        "radius-jump": find_radius_jumps,
        "sharp-turn": find_sharp_turns,
    }
)
"""Every check by its name."""


def _finding(check: str, tree: Tree, *, node: int, value: float, text: str, rows: Ints) -> Finding:
    x, y, z = tree.xyz[node].tolist()
    return Finding(check, node, xyz=(x, y, z), value=value, text=text, rows=tuple(rows.tolist()))


def _peaks(value: Floats, limit: float, node: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield the place of the largest of each group of neighbouring values of at least `limit`, and the group's nodes."""
    high = np.flatnonzero(value >= limit)
    for group in np.split(high, np.flatnonzero(np.diff(high) > 1) + 1):
        if len(group):
            yield int(group[value[group].argmax()]), np.sort(node[group])


def _bridged(tree: Tree) -> NDArray[np.bool_]:
    """Return which nodes have a bridge above them, (N,)."""
    if tree.bridged is None:
        return np.zeros(len(tree), np.bool_)
    return np.asarray(tree.bridged & (tree.parent >= 0), np.bool_)


def _connected(tree: Tree, edges: NDArray[np.bool_]) -> list[Ints]:
    """Return the lower nodes of the marked edges in connected groups, the topmost first."""
    groups: dict[int, list[int]] = {}
    group_of: dict[int, int] = {}
    for row in np.flatnonzero(edges).tolist():
        up = int(tree.parent[row])
        group_of[row] = group_of.get(up, row)
        groups.setdefault(group_of[row], []).append(row)
    return [np.array(rows) for rows in groups.values()]
