"""Find the cell body of a single neuron: the thickest place of the grey stack that few neurites leave, weighed by the soma map.

    worth(x)    = room(x) / sqrt(neurites that cross a sphere around x)
    score(x)    = worth(x) * (1 + LIKELY * soma map around x)
    chance      = logistic(PLAIN_WEIGHT ln plain + LEAD_WEIGHT ln lead + MAP_WEIGHT logit(soma map around x) + OFFSET)

`room` is the distance to the background in the grey stack (`room.py`). `plain` is the worth divided by that of the best other
place, and `lead` the score divided by the best other score. The chance is the probability that the best place is a soma
(logistic regression, Cox 1958).

APP2 (Xiao and Peng 2013) places the soma where the distance to the background is largest. The network draws thin tubes through
bodies, so the distance is measured in the grey stack. A tuft or a crossing is as thick as a body, but many neurites leave it.
The soma map of the network is weighed together with the shape; without a map the shape decides.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.stack import Volume
from neurorecon.tracing.light import grey_at
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.body import NEARLY_LARGEST, SURE_SOMA
from neurorecon.tracing.soma.map_pieces import MOST_SPREAD, Piece, piece_around, piece_near
from neurorecon.tracing.soma.room import BRIGHT, FURTHEST, climbed, profiles, room_of

__all__ = ["CLEAR", "SURE", "Thickest", "likely_around", "solid_at", "thickest_place"]

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
WALL = 0.6  # of the radius of a body: more room is no wall; set by hand, not tuned
NUCLEUS = 0.75  # of the light of the wall: a dark nucleus has less; set by hand, not tuned
LEAST_ROOM = 1.2  # voxels: a smaller one is a speck
CUT = 2  # voxels from a border of the stack: there a cut trunk looks like a cut body, as in one real stack
CANDIDATES, APART = 24, 6.0  # places that are looked at, and voxels between them
SAME = 3.0  # times its room: a nearer place is in the same body; with 2.0 noise makes two places of a large body
AT = 2  # voxels around a place at which the soma map is read: its middle is known to a quarter of the resolution
AT_ONCE = 4096  # voxels whose surroundings are read together: 12 MB of places
TINY = 1e-9  # avoids a division by 0; far below the worth of any place
AROUND = 2.0, 2.0  # shares of the room, and voxels, at which neurites that leave are counted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


def thickest_place(
    skeleton: Skeleton, data: Volume, soma: Volume | None = None, likely: Floats | None = None, *, spacing: Floats
) -> Thickest | None:
    """Return the place of a skeleton that is most like a body; None where the stack shows no light.

    Args:
        skeleton: one tree.
        data: the grey stack (Z, Y, X) on the skeleton's grid.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        likely: (N,) the map around the nodes (`likely_around`), where it was read before.
        spacing: (3,) edges of a voxel in shortest edges (`body.body_metric`).
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
        leaving = max(1, neurites_leaving(skeleton, middle, AROUND[0] * radius + AROUND[1]))
        sure = max(float(likely[node]), 0.0 if soma is None else float(likely_at(middle[None], soma)[0]))
        found.append(Place(middle, radius, radius / math.sqrt(leaving), sure))
    if soma is None:
        return best_of(found, skeleton, data.shape, mapped=False)
    best = best_of(without_cut(found, soma, spacing), skeleton, data.shape, mapped=True)
    if best.is_soma:  # the light knows its middle best, as a rule
        own = piece_near(best.zyx, soma, spacing, AT)
        own = own if own is not None and own.is_round and is_better_known(own, best, data, low) else None
    else:
        own = only_one(bodies_at(found, soma, spacing))
    if own is None:
        return best
    return replace(at_piece(best, own), node=nearest_node(skeleton, own.zyx))


def bodies_at(found: list[Place], soma: Volume, spacing: Floats) -> list[Piece]:
    """Return the compact pieces of the soma map that hold one of the places."""
    pieces: list[Piece] = []
    for place in found:
        if place.likely >= SURE and not any(piece.reaches(place.zyx, AT) for piece in pieces):
            piece = piece_near(place.zyx, soma, spacing, AT)
            pieces += [] if piece is None else [piece]
    return [piece for piece in pieces if piece.spread <= MOST_SPREAD]


def only_one(bodies: list[Piece]) -> Piece | None:
    """Return the round piece among compact ones, if there is one alone and none is much larger: it may be a bulb."""
    round_ones = [piece for piece in bodies if piece.is_round]
    if len(round_ones) != 1:
        return None
    return round_ones[0] if round_ones[0].radius >= NEARLY_LARGEST * max(piece.radius for piece in bodies) else None


def is_better_known(body: Piece, place: Thickest, data: Volume, low: float) -> bool:
    """Say whether the soma map shows the body of a place better than the light does; `low` is the grey value of the ground.

    It does so if the body is larger than all spheres on which the light is looked at, or if the place lies in its wall: then
    its middle is darker, because the nucleus is.
    """
    if place.room >= WALL * body.radius:
        return False
    (middle, wall), _ = profiles(np.stack([np.rint(body.zyx).astype(np.int64), place.zyx]), data)
    return bool(body.radius > FURTHEST or middle[0] - low < NUCLEUS * (wall[0] - low))


def without_cut(found: list[Place], soma: Volume, spacing: Floats) -> list[Place]:
    """Return the places without those in a body that a border of the stack cuts, if another one is whole and as large.

    Of two bodies that the map is sure of, the neuron of the whole one is in the stack. A tuft is no body: it spreads.
    """
    best = max(found, key=lambda place: place.score)
    own = None if best.likely < SURE else piece_near(best.zyx, soma, spacing, AT)
    if own is None or not own.is_cut(soma.shape):
        return found
    away = [place for place in found if not own.reaches(place.zyx, AT)]
    others = [piece_near(place.zyx, soma, spacing, AT) for place in away if place.likely >= SURE]
    bodies = [body for body in others if body is not None and body.spread <= MOST_SPREAD and body.radius >= own.radius]
    return found if all(body.is_cut(soma.shape) for body in bodies) else away


def best_of(found: list[Place], skeleton: Skeleton, shape: tuple[int, ...], *, mapped: bool) -> Thickest:
    """Return the place with the best score, compared with the others, in a stack of `shape`; `mapped` as in `Thickest`."""
    best = max(found, key=lambda place: place.score)
    away = [place for place in found if np.linalg.norm(place.zyx - best.zyx) > max(APART, SAME * best.room)]
    plain = best.worth / max([TINY, *(place.worth for place in away)])
    lead = best.score / max([TINY, *(place.score for place in away)])
    node = nearest_node(skeleton, best.zyx)
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


def nearest_node(skeleton: Skeleton, zyx: NDArray[np.number]) -> int:
    """Return the node of a skeleton that is nearest to a place (3,) in voxels."""
    return int(np.linalg.norm(skeleton.zyx - zyx, axis=1).argmin())


def solid_at(place: Thickest, soma: Volume, spacing: Floats) -> Thickest:
    """Return a place with the middle and the size of the solid piece of the soma map that holds it; as it is without one."""
    piece = piece_around(place.zyx, soma, spacing)
    if piece is None or not piece.solid:
        return place
    return at_piece(place, piece)


def at_piece(place: Thickest, piece: Piece) -> Thickest:
    """Return a place with the middle and the size of a piece of the soma map, which is a body."""
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


def neurites_leaving(skeleton: Skeleton, middle: Ints, radius: float) -> int:
    """Return how many edges of a skeleton cross a sphere."""
    outside = np.linalg.norm(skeleton.zyx - middle, axis=1) > radius
    child = np.flatnonzero(skeleton.parent >= 0)
    return int((outside[child] != outside[skeleton.parent[child]]).sum())
