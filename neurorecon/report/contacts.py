"""Places where a tree comes close to itself, or to another tree, although the way along the tree is long."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import components
from neurorecon.core.tree import NodeType, Tree
from neurorecon.report.stretches import Ints, pixel_of

__all__ = ["Contact", "contacts_of", "near_soma"]

# Set by hand; not tuned, unless a line says more.
REACH_PX = 3.0  # METRICS.md: nearer than this one line cannot be told from two
APART_PX = 10.0  # along the tree: neighbours on one line are no contact, and two arms of a fork diverge by then
SOMA_ROOM = 1.5  # times its radius: all neurites meet at a soma


@dataclass(frozen=True, slots=True)
class Contact:
    """One place where two stretches lie side by side, or cross.

    Attributes:
        rows: the nodes on both sides, ascending.
        pair: the two nodes that are nearest to each other.
        distance: between them, in the unit of the tree.
        radii: sum of their radii.
        length: of the shared way, in the unit of the tree: half of the cable on both sides.
        forked: the two sides start from one fork, or from one turn.
    """

    rows: Ints
    pair: tuple[int, int]
    distance: float
    radii: float
    length: float
    forked: bool


def contacts_of(tree: Tree) -> list[Contact]:
    """Return the contacts of a tree or a forest, in the order of their first rows.

    Nodes i, j are in contact where |x_i - x_j| <= 3 px and the way between them along the tree is longer than 10 px.
    Contacts that are connected, along the tree or across, are one. One whose nearest pair along the tree is less than
    20 px apart began at a fork or a turn: there, a way of 10 px and a gap of 3 px is where the arms come apart.
    """
    if len(tree) < 2:
        return []
    from scipy.spatial import cKDTree

    px = pixel_of(tree)
    rows = np.flatnonzero(~near_soma(tree))
    if not len(rows):
        return []
    pairs = rows[cKDTree(tree.xyz[rows]).query_pairs(REACH_PX * px, output_type="ndarray")]
    pairs = pairs[is_apart(tree, pairs, APART_PX * px)]
    if not len(pairs):
        return []
    return _gathered(tree, pairs, ~is_apart(tree, pairs, 2 * APART_PX * px))


def near_soma(tree: Tree) -> NDArray[np.bool_]:
    """Return which nodes lie within 1.5 radii of the nearest node of a soma, (N,)."""
    soma = np.flatnonzero(tree.type == NodeType.SOMA)
    if not len(soma):
        return np.zeros(len(tree), np.bool_)
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(tree.xyz[soma]).query(tree.xyz)
    return np.asarray(distance <= SOMA_ROOM * tree.radius[soma[nearest]], np.bool_)


def is_apart(tree: Tree, pairs: Ints, limit: float) -> NDArray[np.bool_]:
    """Return for pairs of rows (P, 2) whether the way between them is longer than `limit`; trees are far apart.

    The lower row of two is never below the other, so the higher one goes up until both meet.
    """
    length, parent = tree.edge_length, tree.parent
    apart = np.zeros(len(pairs), np.bool_)
    here, way = np.sort(pairs, axis=1), np.zeros(len(pairs))
    walking = np.arange(len(pairs))
    while len(walking):
        low, high = here.T
        up = parent[high]
        way = way + length[high]
        gone = (up < 0) | (way > limit)
        apart[walking[gone]] = True
        on = ~gone & (up != low)
        here = np.sort(np.stack([low, up], 1)[on], axis=1)
        way, walking = way[on], walking[on]
    return apart


def _gathered(tree: Tree, pairs: Ints, near: NDArray[np.bool_]) -> list[Contact]:
    """Return the contacts that pairs of nodes (P, 2) make; `near` says which pairs are near along the tree."""
    label = _labels(tree, pairs)
    distance = np.linalg.norm(tree.xyz[pairs[:, 0]] - tree.xyz[pairs[:, 1]], axis=1)
    order = np.lexsort((distance, label[pairs[:, 0]]))
    cuts = np.flatnonzero(np.diff(label[pairs[order, 0]])) + 1
    length = tree.edge_length
    found = []
    for group in np.split(order, cuts):
        rows = np.unique(pairs[group])
        a, b = sorted(pairs[group[0]].tolist())
        found.append(
            Contact(
                rows,
                (a, b),
                distance=float(distance[group[0]]),
                radii=float(tree.radius[a] + tree.radius[b]),
                length=float(length[rows].sum()) / 2,
                forked=bool(near[group].any()),
            )
        )
    return sorted(found, key=lambda contact: contact.rows.tolist())


def _labels(tree: Tree, pairs: Ints) -> Ints:
    """Return the number of the contact that each node belongs to, (N,)."""
    involved = np.zeros(len(tree) + 1, np.bool_)  # the last entry is for parent -1
    involved[pairs] = True
    child = np.flatnonzero(involved[:-1] & involved[tree.parent])
    edges = np.concatenate([pairs, np.stack([tree.parent[child], child], 1)])
    return components(len(tree), edges)[1]
