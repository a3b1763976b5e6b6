"""Find the cell body of a single neuron: the thickest place of the grey stack that few neurites leave, weighed by the soma map.

    least(x, r) = second smallest grey value, smoothed, on a sphere of radius r around x, and not more than on smaller ones
    room(x)     = sum over r of the share of  least(x, r)  between FAINTEST and 1 of the neuron's own light
    worth(x)    = room(x) / sqrt(neurites that cross a sphere around x)
    score(x)    = worth(x) * (1 + LIKELY * soma map around x)
    chance      = logistic(PLAIN_WEIGHT ln plain + LEAD_WEIGHT ln lead + MAP_WEIGHT logit(soma map around x) + OFFSET)

`plain` and `lead` are the worth and the score by those of the best other place; the chance is that of the best place to be a
soma (logistic regression, Cox 1958).

`room` is the distance to the background, averaged over all levels that could be its border: no threshold has to be right. A
network draws thin tubes through bodies, so the distance is that in the picture; APP2 (Xiao and Peng 2013) takes the largest
distance for the soma. A tuft or a crossing is as thick as a body, but many neurites leave it. The soma map of the network
counts beside the shape; without a map, the shape decides.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.stack import Volume
from neurorecon.tracing.light import BOX, grey_at
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.soma.find_soma import SURE_SOMA
from neurorecon.tracing.soma.map_pieces import piece_around

__all__ = ["SURE", "hung_on_bodies", "likely_around", "thickest_place"]

# LIKELY and CLEAR: chosen on 41 stacks of training neurons (docs/method.md). Where no line says more, a number was set by hand.
CLEAR = 1.05  # times the score of any other place: then the root is there; 36 of 41 right
# Without a soma map: times the worth of any other place, and the worth in voxels, of a body that is a soma; no place of 14
# real stacks without a soma reaches both.
PLAIN, LEAST_WORTH = 2.25, 2.5
LIKELY = 4.0  # weight of the soma map in `score`
SURE = SURE_SOMA / 255  # of the soma map: the root is there, however good another place is
# Of `chance`; fitted by benchmarks/fit_somata.py to 161 maps of training neurons and 14 of real stacks without a soma.
PLAIN_WEIGHT, LEAD_WEIGHT, MAP_WEIGHT, OFFSET = 1.76, 2.90, 0.10, -0.85
PLAIN_WITHIN, LEAD_WITHIN, MAP_WITHIN = (0.2, 4.0), (1.0, 6.0), (0.01, 0.99)  # beyond, a ratio or the map tells no more
# chance from which the place is a soma: in neurons left out of the fit, two of 104 such somata are wrong
SOMA_FROM = 0.7
LEAST_ROOM = 1.2  # voxels: a smaller one is a speck
CUT = 2  # voxels from a border of the stack: there a cut trunk looks like a cut body, as in one real stack
MAIN = 0.2  # of the longest tree's cable: a smaller one is a piece of another
FURTHEST = 16  # voxels: larger bodies are all as good
SPOKES = 48  # directions that are looked along
SECOND = 1  # rank of the smallest value: one dark voxel of noise is no border
FAINTEST = 0.25  # of the neuron's light: below that is glow
BRIGHT = 0.9  # of the nodes are less bright than the neuron's own light
SMOOTHED = 3  # voxels: a box mean of that width, taken twice, is nearly a Gaussian of 1.15
CANDIDATES, APART = 24, 6.0  # places that are looked at, and voxels between them
SAME = 3.0  # times its room: a nearer place is in the same body; with 2.0 noise makes two places of a large body
AT = 2  # voxels around a place at which the soma map is read: its middle is known to a quarter of the resolution
AT_ONCE = 4096  # voxels whose surroundings are read together: 12 MB of places
TINY = 1e-9  # avoids a division by 0; far below the worth of any place
CLIMBS = 12  # voxels from a node to the middle of its body
SURFACE = 3.0  # voxels beyond a body: a branch that ends nearer is none
AROUND = 2.0, 2.0  # shares of the room, and voxels, at which neurites that leave are counted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class Thickest:
    """The place of a tree that is most like a cell body.

    Attributes:
        node: the node nearest to its middle.
        zyx: (3,) its middle, in voxels.
        room: its radius in voxels, about.
        worth: see the head of this file.
        plain: how many times the worth of any other place that is.
        lead: the same of its score.
        likely: the soma map around its middle, 0 to 1.
        cut: whether its middle lies at a border of the stack.
        mapped: whether there is a soma map.
        solid: whether it is a solid piece of the soma map (`map_pieces.py`).
    """

    node: int
    zyx: Ints
    room: float
    worth: float
    plain: float
    lead: float
    likely: float
    cut: bool
    mapped: bool = False
    solid: bool = False

    @property
    def is_soma(self) -> bool:
        """Whether it is a cell body beyond doubt, by the soma map or by its shape."""
        if self.solid:
            return True
        if not self.mapped:
            return self.plain >= PLAIN and self.worth >= LEAST_WORTH and not self.cut
        return self.chance >= SOMA_FROM and self.room >= LEAST_ROOM and not self.cut

    @property
    def chance(self) -> float:
        """The probability that it is a soma, by the soma map and its shape; see the head of this file."""
        likely = min(max(self.likely, MAP_WITHIN[0]), MAP_WITHIN[1])
        shape = PLAIN_WEIGHT * log_within(self.plain, PLAIN_WITHIN) + LEAD_WEIGHT * log_within(self.lead, LEAD_WITHIN)
        return 1 / (1 + math.exp(-(shape + MAP_WEIGHT * math.log(likely / (1 - likely)) + OFFSET)))


class Place(NamedTuple):
    """A place of a tree: its middle (3,) in voxels, its room, worth and soma map; see the head of this file."""

    zyx: Ints
    room: float
    worth: float
    likely: float

    @property
    def score(self) -> float:
        """The value by which places are ranked."""
        return self.worth * (1 + LIKELY * self.likely)


def log_within(value: float, limits: tuple[float, float]) -> float:
    """Return the logarithm of a value that is moved into limits."""
    return math.log(min(max(value, limits[0]), limits[1]))


@cache
def spheres() -> Ints:
    """Return voxel offsets (FURTHEST, SPOKES, 3) on spheres of radius 1 to FURTHEST, evenly spread (a Fibonacci lattice)."""
    count = np.arange(SPOKES) + 0.5
    polar, turn = np.arccos(1 - 2 * count / SPOKES), np.pi * (1 + np.sqrt(5)) * count
    spokes = np.stack([np.cos(polar), np.sin(polar) * np.sin(turn), np.sin(polar) * np.cos(turn)], 1)
    return np.rint(spokes * np.arange(1, FURTHEST + 1)[:, None, None]).astype(np.int64)


def thickest_place(
    skeleton: Skeleton, data: Volume, soma: Volume | None = None, likely: Floats | None = None
) -> Thickest | None:
    """Return the place of a skeleton that is most like a body; None where the stack shows no light.

    Args:
        skeleton: one tree.
        data: the grey stack (Z, Y, X) on the skeleton's grid.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        likely: (N,) the map around the nodes (`likely_around`), where it was read before.
    """
    nodes = np.clip(np.rint(skeleton.zyx).astype(np.int64), 0, np.array(data.shape) - 1)
    least, ground = profiles(nodes, data)
    low = float(np.median(ground))
    light = float(np.quantile(least[:, 0], BRIGHT)) - low
    if light <= 0:
        return None
    room = room_of(least, low, light)
    if likely is None:
        likely = np.zeros(len(nodes)) if soma is None else likely_at(nodes, soma)
    found: list[Place] = []
    taken = np.zeros((0, 3))
    for node in np.argsort(-room * (1 + LIKELY * likely), kind="stable"):
        if len(found) == CANDIDATES:
            break
        if len(taken) and np.linalg.norm(taken - nodes[node], axis=1).min() < APART:
            continue
        taken = np.concatenate([taken, nodes[node][None]])
        middle, radius = climbed(nodes[node], float(room[node]), data, (low, light))
        leaving = max(1, crossings(skeleton, middle, AROUND[0] * radius + AROUND[1]))
        sure = max(float(likely[node]), 0.0 if soma is None else float(likely_at(middle[None], soma)[0]))
        found.append(Place(middle, radius, radius / math.sqrt(leaving), sure))
    found = found if soma is None else without_cut(found, soma)
    return best_of(found, skeleton, data.shape, mapped=soma is not None)


def without_cut(found: list[Place], soma: Volume) -> list[Place]:
    """Return the places without those in a body that a border of the stack cuts, if another one is whole and as large.

    Of two bodies that the map is sure of, the neuron of the whole one is in the stack.
    """
    best = max(found, key=lambda place: place.score)
    own = None if best.likely < SURE else piece_around(surest_near(best.zyx, soma), soma)
    if own is None or not own.cut:
        return found
    away = [place for place in found if not own.reaches(place.zyx, AT)]
    others = (piece_around(surest_near(place.zyx, soma), soma) for place in away if place.likely >= SURE)
    whole = any(other is not None and not other.cut and other.radius >= own.radius for other in others)
    return away if whole else found


def surest_near(voxel: Ints, soma: Volume) -> Ints:
    """Return the voxel (3,) within AT voxels of a voxel in which the soma map is largest."""
    low, high = np.maximum(voxel - AT, 0), np.minimum(voxel + AT + 1, soma.shape)
    near = np.asarray(soma[slices_between(low, high)])
    return np.asarray(low + np.unravel_index(int(near.argmax()), near.shape), np.int64)


def best_of(found: list[Place], skeleton: Skeleton, shape: tuple[int, ...], *, mapped: bool) -> Thickest:
    """Return the place with the best score beside the others, in a stack of `shape`; `mapped` as in `Thickest`."""
    best = max(found, key=lambda place: place.score)
    away = [place for place in found if np.linalg.norm(place.zyx - best.zyx) > max(APART, SAME * best.room)]
    plain = best.worth / max([TINY, *(place.worth for place in away)])
    lead = best.score / max([TINY, *(place.score for place in away)])
    node = int(np.linalg.norm(skeleton.zyx - best.zyx, axis=1).argmin())
    cut = bool((np.minimum(best.zyx, np.array(shape) - 1 - best.zyx) < CUT).any())
    return Thickest(
        node,
        best.zyx,
        best.room,
        best.worth,
        plain=plain,
        lead=lead,
        likely=best.likely,
        cut=cut,
        mapped=mapped,
    )


def solid_at(place: Thickest, soma: Volume) -> Thickest:
    """Return a place with the middle and the size of the solid piece of the soma map that holds it; as it is without one."""
    piece = piece_around(place.zyx, soma)
    if piece is None or not piece.solid:
        return place
    return replace(place, zyx=np.rint(piece.zyx).astype(np.int64), room=piece.radius, solid=True)


def likely_around(skeleton: Skeleton, soma: Volume) -> Floats:
    """Return the largest value of the soma map around each node of a skeleton, (N,), 0 to 1."""
    return likely_at(np.clip(np.rint(skeleton.zyx).astype(np.int64), 0, np.array(soma.shape) - 1), soma)


def likely_at(voxels: Ints, soma: Volume) -> Floats:
    """Return the largest value of the soma map within AT voxels of voxels (N, 3), 0 to 1."""
    steps = np.indices((2 * AT + 1,) * 3).reshape(3, -1).T - AT
    last = np.array(soma.shape) - 1
    out = np.zeros(len(voxels))
    for rows in np.array_split(np.arange(len(voxels)), -(-len(voxels) // AT_ONCE)):
        around = np.clip(voxels[rows, None] + steps, 0, last)
        out[rows] = grey_at(soma, around).max(1).astype(np.float64) / 255
    return out


def room_of(least: Floats, low: float, light: float) -> Floats:
    """Return the room (N,) around points of which the least light on spheres (N, 1 + FURTHEST) is known."""
    share = np.clip((least[:, 1:] - low) / light, FAINTEST, 1)
    return np.asarray(((share - FAINTEST) / (1 - FAINTEST)).sum(1))


def profiles(voxels: Ints, data: Volume) -> tuple[Floats, Floats]:
    """Return the least light on spheres around voxels (N, 3), (N, 1 + FURTHEST), and the usual grey value around each, (N,)."""
    least, ground = np.zeros((len(voxels), FURTHEST + 1)), np.zeros(len(voxels))
    for rows, low, grey in windows(voxels, data):
        least[rows] = least_around(voxels[rows] - low, grey)
        ground[rows] = np.median(grey)
    return least, ground


def windows(voxels: Ints, data: Volume) -> Iterator[tuple[Ints, Ints, NDArray[np.float32]]]:
    """Yield the rows of voxels that lie in one box of a stack, the first voxel of a window around it, and the window."""
    edges = np.array(BOX)
    boxes, box = np.unique(voxels // edges, axis=0, return_inverse=True)
    for number, first in enumerate(boxes * edges):
        yield np.flatnonzero(box.ravel() == number), *window(first, first + edges, FURTHEST, data)


def window(first: Ints, last: Ints, halo: int, data: Volume) -> tuple[Ints, NDArray[np.float32]]:
    """Return the first voxel of a box with a halo around it, clipped to the stack, and its smoothed grey values."""
    from scipy.ndimage import uniform_filter

    low, high = np.maximum(first - halo - SMOOTHED, 0), np.minimum(last + halo + SMOOTHED, data.shape)
    grey = np.asarray(data[slices_between(low, high)], np.float32)
    for _ in range(2):
        grey = uniform_filter(grey, SMOOTHED)
    return low, grey


def least_around(voxels: Ints, grey: NDArray[np.float32]) -> Floats:
    """Return the second smallest value on spheres around voxels (N, 3), never more than on smaller ones, (N, 1 + FURTHEST)."""
    last = np.array(grey.shape) - 1
    out = np.empty((len(voxels), FURTHEST + 1))
    out[:, 0] = grey[tuple(voxels.T)]
    for number, sphere in enumerate(spheres(), 1):
        places = np.clip(voxels[:, None] + sphere, 0, last)
        values = grey[tuple(np.moveaxis(places, -1, 0))]
        out[:, number] = np.partition(values, SECOND, axis=1)[:, SECOND]
    return np.minimum.accumulate(out, axis=1)


def climbed(voxel: Ints, room: float, data: Volume, scale: tuple[float, float]) -> tuple[Ints, float]:
    """Return the voxel with the most room near a voxel, going uphill, and its room."""
    low, grey = window(voxel, voxel + 1, CLIMBS + FURTHEST, data)
    here = voxel - low
    for _ in range(CLIMBS):
        around = np.clip(here + STEPS, 0, np.array(grey.shape) - 1)
        value = room_of(least_around(around, grey), *scale)
        best = int(value.argmax())
        if value[best] <= room:
            break
        here, room = around[best], float(value[best])
    return here + low, room


def crossings(skeleton: Skeleton, middle: Ints, radius: float) -> int:
    """Return how many edges of a skeleton cross a sphere."""
    outside = np.linalg.norm(skeleton.zyx - middle, axis=1) > radius
    child = np.flatnonzero(skeleton.parent >= 0)
    return int((outside[child] != outside[skeleton.parent[child]]).sum())


def hung_on_bodies(
    skeleton: Skeleton, data: Volume, soma: Volume | None = None, likely: Floats | None = None
) -> Skeleton:
    """Return a forest whose longer trees are rooted at the body in the stack; a clear one is a soma, one node of its radius.

    Args:
        skeleton: without somata; `p` is that of the edge from its parent to each node, and stays with the edge.
        data: the grey stack (Z, Y, X) on the skeleton's grid.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        likely: (N,) the map around the nodes (`likely_around`), where it was read before.
    """
    piece = skeleton.pieces()
    cable = np.bincount(piece, skeleton.edge_lengths(np.ones(3)), len(skeleton))
    number, places = np.full(len(skeleton), -1), list[Thickest]()
    for root in np.flatnonzero((cable >= MAIN * cable.max()) & (cable > 0)):
        own = piece == root
        rows = np.flatnonzero(own)
        place = thickest_place(skeleton.take(own), data, soma, None if likely is None else likely[own])
        if place is not None and (place.lead >= CLEAR or place.likely >= SURE):
            place = place if place.is_soma or soma is None else solid_at(place, soma)
            number[rows[place.node]] = len(places)
            places.append(place)
    hung = hung_on(replace(skeleton, soma=number), np.flatnonzero(number >= 0))
    for own, place in enumerate(places):
        hung = emptied(hung, own, place)
    plain = np.array([place.is_soma for place in places], bool)
    return replace(hung, soma=np.where(np.append(plain, False)[hung.soma], hung.soma, -1))


def emptied(skeleton: Skeleton, number: int, place: Thickest) -> Skeleton:
    """Return a forest with nothing but a root, in the middle, inside of body `number`; `skeleton.soma` has it at that root.

    Neurites that leave the body are attached to the root. Branches that end in the body or close to its surface are removed,
    unless all do.
    """
    root = int(np.flatnonzero(skeleton.soma == number)[0])
    own = skeleton.pieces() == root
    away = np.linalg.norm(skeleton.zyx - place.zyx, axis=1)
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


def hung_on(skeleton: Skeleton, nodes: Ints) -> Skeleton:
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
