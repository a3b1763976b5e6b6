"""Root the trees of a forest at the cell bodies of the grey stack (`grey_body.py`), without nodes inside of the bodies."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.stack import Volume
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.soma.grey_body import CLEAR, SURE, Thickest, solid_at, thickest_place

__all__ = ["rooted_at_bodies"]

# Set by hand; not tuned.
MAIN = 0.2  # of the longest tree's cable: a smaller one is a piece of another
SURFACE = 3.0  # voxels beyond a body: a branch that ends nearer is none

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rooted_at_bodies(
    skeleton: Skeleton, data: Volume, soma: Volume | None = None, likely: Floats | None = None, *, spacing: Floats
) -> Skeleton:
    """Return a forest whose longer trees are rooted at the body in the stack; a clear one is a soma, one node of its radius.

    Args:
        skeleton: without somata; `p` is that of the edge from its parent to each node, and stays with the edge.
        data: the grey stack (Z, Y, X) on the skeleton's grid.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        likely: (N,) the map around the nodes (`likely_around`), where it was read before.
        spacing: (3,) edges of a voxel in shortest edges (`body.body_metric`).
    """
    piece = skeleton.pieces()
    cable = skeleton.cable_of_pieces(np.ones(3))
    number, places = np.full(len(skeleton), -1), list[Thickest]()
    for root in np.flatnonzero((cable >= MAIN * cable.max()) & (cable > 0)):
        own = piece == root
        rows = np.flatnonzero(own)
        place = thickest_place(skeleton.take(own), data, soma, None if likely is None else likely[own], spacing=spacing)
        if place is not None and (place.lead >= CLEAR or place.likely >= SURE):
            place = place if place.is_soma or soma is None else solid_at(place, soma, spacing)
            number[rows[place.node]] = len(places)
            places.append(place)
    rooted = rerooted(replace(skeleton, soma=number), np.flatnonzero(number >= 0))
    for own, place in enumerate(places):
        rooted = with_empty_body(rooted, own, place, spacing)
    plain = np.array([place.is_soma for place in places], bool)
    return replace(rooted, soma=np.where(np.append(plain, False)[rooted.soma], rooted.soma, -1))


def with_empty_body(skeleton: Skeleton, number: int, place: Thickest, spacing: Floats) -> Skeleton:
    """Return a forest with no node inside of body `number` but its root, which moves to the middle of the body.

    `skeleton.soma` is `number` at that root. Neurites that leave the body are attached to the root. Branches that end in the
    body or close to its surface are removed, unless all branches do.
    """
    root = int(np.flatnonzero(skeleton.soma == number)[0])
    own = skeleton.pieces() == root
    edges = spacing if place.solid else np.ones(3)  # the room is in voxels
    away = np.linalg.norm((skeleton.zyx - place.zyx) * edges, axis=1)
    furthest = away.copy()  # of the nodes behind each
    for node in np.flatnonzero(own)[:0:-1].tolist():  # all but the root
        above = skeleton.parent[node]
        furthest[above] = max(furthest[above], furthest[node])
    inside = own & (away <= place.room)
    stub = own & (furthest <= place.room + SURFACE)
    goes = inside | stub if (own & ~inside & ~stub).any() else inside & False
    goes[root] = False
    parent = np.where((skeleton.parent >= 0) & goes[skeleton.parent], root, skeleton.parent)
    zyx, depth = skeleton.zyx.copy(), skeleton.depth.copy()
    zyx[root], depth[root] = place.zyx, place.room
    return replace(skeleton, zyx=zyx, parent=parent, depth=depth).take(~goes)


def rerooted(skeleton: Skeleton, nodes: Ints) -> Skeleton:
    """Return a forest in which some trees have another root; `p` stays with its edges."""
    parent, p = skeleton.parent, skeleton.p.copy()
    roots = np.flatnonzero(parent < 0)
    for node in nodes.tolist():
        way = node
        while parent[way] >= 0:  # the edges of the old way to the root are turned round
            p[parent[way]] = skeleton.p[way]
            way = int(parent[way])
        p[node] = 1.0
        roots = np.where(roots == way, node, roots)
    child = np.flatnonzero(parent >= 0)
    edges = np.stack([child, parent[child]], 1)
    return orient(Skeleton(skeleton.zyx, parent, p, skeleton.depth, skeleton.soma), edges, roots)
