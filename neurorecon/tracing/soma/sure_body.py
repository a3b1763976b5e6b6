"""The cell bodies that the soma map shows beyond doubt: large solid ones, and ones that shine.

    piece   = component of the soma map of 0.5 or more
    solid   = sure to its core, and compact (`map_pieces.py`)
    shine   = radius of the sphere on which the least grey value (`grey_body.py`) is 1.6 times the neurites' own light

Tufts, boutons and thick neurites appear in the soma map too, but their core is less sure, or they spread. None of them is far
brighter than neurites, except boutons, which are small.

`grey_body.py` finds other bodies, and fails in two cases that this file covers. In a large body the network draws a few thin
tubes, and grey values compared within some voxels do not distinguish its middle from its flank. Of two bodies each makes the
other one doubtful. Here each piece is one body, and neurites begin at its surface.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.stack import Volume
from neurorecon.tracing.cost import largest_near
from neurorecon.tracing.foreground import PAD, Cloud, Float32s, bright_voxels, find_components, strides_of
from neurorecon.tracing.soma.body import NEARLY_LARGEST, SURE_SOMA, Soma
from neurorecon.tracing.soma.find_soma import drop_overlaps
from neurorecon.tracing.soma.map_pieces import LARGE, Piece, piece_in
from neurorecon.tracing.soma.room import BRIGHT, climbed, profiles, room_of

__all__ = ["cells_of", "counted", "holds", "sure_bodies", "sure_pieces", "voxels_around"]

# Chosen on the stacks of map_pieces.py: all seven bodies within these limits are right; boutons of a real stack reach 2.9
# voxels of room and 2 of shine.
LEAST_PEAK = 0.85  # of the soma map
LEAST_ROOM, LEAST_SHINE, SHINING = 3.5, 3, 1.6  # voxels, voxels, and times the neurites' own light
CELL = 4  # voxels: the soma map is made at a quarter of the resolution
PIECES = 16  # the largest ones are looked at; set by hand, not tuned
# Voxels around the piece that are body too: its surface is known to half a voxel of the map, and synthetic bodies of 18 to 30
# voxels are 5 to 18 % larger than their pieces.
RIM, RIM_SHARE = 2, 0.15
BESIDE = 3  # voxels beyond the rim: there the neurites of a body begin; set by hand, not tuned
PLACES = 2000  # voxels on the middles of neurites at which their light is measured; set by hand, not tuned

Ints = NDArray[np.int64]


def sure_bodies(
    cloud: Cloud, depth: Float32s, soma: Volume | None, grey: Volume, spacing: NDArray[np.float64]
) -> list[Soma]:
    """Return the bodies beyond doubt that hold voxels of the cloud: the largest solid one, and those that shine.

    Args:
        cloud: the foreground, N voxels.
        depth: (N,) distance to the background.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        grey: the grey stack (Z, Y, X) on the same grid.
        spacing: (3,) edges of a voxel in shortest edges (`body.body_metric`).
    """
    if soma is None:
        return []

    def middles(candidates: list[Piece]) -> Ints:
        middle = (depth >= largest_near(cloud, depth, 1)) & (depth > 1)
        for piece in candidates:
            middle[holds(piece, cloud.zyx)] = False
        return cloud.zyx[middle].astype(np.int64)

    bodies = sure_pieces(cells_of(soma), soma, grey, spacing=spacing, middles=middles)
    somata = [Soma(piece.zyx, piece.radius, np.flatnonzero(holds(piece, cloud.zyx))) for piece in bodies]
    return drop_overlaps(cloud, [body for body in somata if len(body.rows)])


def sure_pieces(
    cells: Ints, soma: Volume, grey: Volume, *, spacing: NDArray[np.float64], middles: Callable[[list[Piece]], Ints]
) -> list[Piece]:
    """Return the pieces of the soma map that are bodies beyond doubt.

    Args:
        cells: (C, 4) of the soma map (`cells_of`).
        soma: the soma map (Z, Y, X) uint8.
        grey: the grey stack (Z, Y, X) on the same grid.
        spacing: (3,) edges of a voxel in shortest edges (`body.body_metric`).
        middles: returns voxels (N, 3) on the middles of neurites outside of pieces, whose light is not that of neurites.
    """
    found = [piece_in(box, soma, spacing) for box in boxes_of(cells, soma.shape)]
    pieces = sorted((piece for piece in found if piece is not None), key=lambda piece: -piece.radius)
    bodies = [piece for piece in pieces if piece.solid and piece.radius >= LARGE][:1]
    candidates = [piece for piece in pieces if piece not in bodies and piece.peak >= LEAST_PEAK]
    if not candidates:
        return bodies
    nodes = middles(candidates)
    bright = shining(candidates, nodes, grey)
    if bright:
        limit = max(piece.radius for piece in bright) / NEARLY_LARGEST
        larger = (piece for piece in candidates if piece.is_round and piece.radius > limit)
        if any(holds(piece, nodes, BESIDE).any() for piece in larger):
            return bodies  # bulbs of a neuron whose body is no brighter than neurites
    return alike([*bodies, *bright]) or bodies


def alike(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces, none where one is much smaller than another: a bright bulb beside a body would be a second neuron."""
    radii = [piece.radius for piece in pieces]
    return pieces if not pieces or min(radii) >= NEARLY_LARGEST * max(radii) else []


def shining(pieces: list[Piece], nodes: Ints, grey: Volume) -> list[Piece]:
    """Return the pieces whose middle is far brighter than the neurites are, out to a radius that no bouton has.

    `nodes` (N, 3) are voxels on the middles of neurites outside of the pieces.
    """
    if not len(nodes):
        return []
    nodes = nodes[:: -(-len(nodes) // PLACES)]
    least, ground = profiles(nodes, grey)
    low = float(np.median(ground))
    light = float(np.quantile(least[:, 0], BRIGHT)) - low
    if light <= 0:
        return []
    found = []
    for piece in pieces:
        top, room = climbed(piece.deepest, 0.0, grey, (low, light))
        own, _ = profiles(top[None], grey)
        shine = int(np.count_nonzero(own[0] >= low + SHINING * light))
        if max(room, float(room_of(own, low, light)[0])) >= LEAST_ROOM and shine >= LEAST_SHINE:
            found.append(piece)
    return found


def cells_of(soma: Volume, first: tuple[int, int, int] = (0, 0, 0)) -> Ints:
    """Return the cells in which a soma map is 0.5 or more, and how many such voxels each has: (C, 4) z, y, x, number.

    The map may be a part of a volume, which begins at the voxel `first` of it; cells are those of the volume.
    """
    flat, _ = bright_voxels(soma, SURE_SOMA)
    zyx = np.stack(np.unravel_index(flat, soma.shape), 1) + first
    return counted(zyx // CELL, np.ones(len(zyx), np.int64))


def counted(cells: Ints, number: Ints) -> Ints:
    """Return cells (N, 3), each once and in their order, with the sums of `number` (N,): (C, 4)."""
    if not len(cells):
        return np.zeros((0, 4), np.int64)
    grid = tuple((cells.max(0) + 1).tolist())
    place, row = np.unique(np.ravel_multi_index(tuple(cells.T), grid), return_inverse=True)
    total = np.bincount(row, number).astype(np.int64)
    return np.stack([*np.unravel_index(place, grid), total], 1)


def boxes_of(cells: Ints, shape: tuple[int, ...]) -> list[tuple[Ints, Ints]]:
    """Return the boxes, first voxel and the one after the last, around the largest pieces that cells (C, 4) make."""
    if not len(cells):
        return []
    depth, height, width = (-(-n // CELL) for n in shape)
    strides = strides_of((depth, height, width))
    pieces, label = find_components((cells[:, :3] + PAD) @ strides, strides)
    low, high = np.full((pieces, 3), max(shape)), np.zeros((pieces, 3), np.int64)
    np.minimum.at(low, label, cells[:, :3] * CELL)
    np.maximum.at(high, label, (cells[:, :3] + 1) * CELL)
    largest = np.argsort(-np.bincount(label, cells[:, 3]), kind="stable")[:PIECES]
    return [(low[number], np.minimum(high[number], shape)) for number in largest]


def holds(piece: Piece, zyx: NDArray[np.integer], more: int = 0) -> NDArray[np.bool_]:
    """Return which voxels (N, 3) lie in a piece, or in its rim, or up to `more` voxels beyond it."""
    from scipy.ndimage import binary_dilation

    rim = rim_of(piece) + more
    body = binary_dilation(np.pad(piece.inside, rim), np.ones((3, 3, 3)), rim)
    place = zyx - (piece.low - rim)
    near = np.flatnonzero(((place >= 0) & (place < body.shape)).all(1))
    found = np.zeros(len(zyx), bool)
    found[near] = body[tuple(place[near].T)]
    return found


def rim_of(piece: Piece) -> int:
    """Return how many voxels around a piece are body too."""
    return max(RIM, round(RIM_SHARE * piece.radius))


def voxels_around(piece: Piece, shape: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Return the box, first voxel and the one after the last, around a piece with its rim, in a volume of `shape`."""
    rim = rim_of(piece)
    return np.maximum(piece.low - rim, 0), np.minimum(piece.low + piece.inside.shape + rim, shape)
