"""The cell bodies that the soma map shows beyond doubt: large solid ones, and ones that shine.

    piece   = component of the soma map of 0.5 or more
    solid   = sure to its core, and compact (`map_pieces.py`)
    shine   = radius of the sphere on which the least grey value (`grey_body.py`) is 1.6 times the neurites' own light

Tufts, boutons and thick neurites appear in the map too, but not evenly: their core is less sure, or they spread. And they are
not far brighter than neurites, but for boutons, which are small. Through a large body the network draws a few thin tubes, and
grey values that are compared within some voxels do not tell its middle from its flank. Where there are two bodies, each makes
the other one doubtful. Here each piece is one body, and neurites begin at its surface. `grey_body.py` looks for what is not
beyond doubt.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.stack import Volume
from neurorecon.tracing.cost import largest_near
from neurorecon.tracing.foreground import Cloud, Float32s, bright_voxels
from neurorecon.tracing.soma.find_soma import NEARLY_LARGEST, SURE_SOMA, Soma, drop_overlaps
from neurorecon.tracing.soma.grey_body import BRIGHT, climbed, profiles, room_of
from neurorecon.tracing.soma.map_pieces import LARGE, Piece, piece_in

__all__ = ["sure_bodies"]

# Chosen on the stacks of map_pieces.py: all seven bodies within these limits are right; boutons of a real stack reach 2.9
# voxels of room and 2 of shine.
LEAST_PEAK = 0.85  # of the soma map
LEAST_ROOM, LEAST_SHINE, SHINING = 3.5, 3, 1.6  # voxels, voxels, and times the neurites' own light
CELL = 4  # voxels: the soma map is made at a quarter of the resolution
PIECES = 16  # the largest ones are looked at; set by hand, not tuned
RIM = 2  # voxels around the piece that are body too: its surface is known to half a voxel of the map; set by hand, not tuned
PLACES = 2000  # voxels on the middles of neurites at which their light is measured; set by hand, not tuned


def sure_bodies(cloud: Cloud, depth: Float32s, soma: Volume | None, grey: Volume) -> list[Soma]:
    """Return the bodies beyond doubt that hold voxels of the cloud: the largest solid one, and those that shine.

    Args:
        cloud: the foreground, N voxels.
        depth: (N,) distance to the background.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        grey: the grey stack (Z, Y, X) on the same grid.
    """
    if soma is None:
        return []
    flat, _ = bright_voxels(soma, SURE_SOMA)
    zyx = np.stack(np.unravel_index(flat, soma.shape), 1)
    pieces = [piece for box in boxes_of(zyx, soma.shape) if (piece := piece_in(box, soma, cloud.spacing)) is not None]
    pieces.sort(key=lambda piece: -piece.radius)
    bodies = [piece for piece in pieces if piece.solid and piece.radius >= LARGE][:1]
    asked = [piece for piece in pieces if piece not in bodies and piece.peak >= LEAST_PEAK]
    bodies = alike([*bodies, *shining(asked, cloud, depth, grey)]) or bodies
    somata = [Soma(piece.zyx, piece.radius, rows_in(cloud, piece)) for piece in bodies]
    return drop_overlaps(cloud, [body for body in somata if len(body.rows)])


def alike(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces, none where one is much smaller than another: a bright bulb beside a body would be a second neuron."""
    radii = [piece.radius for piece in pieces]
    return pieces if not pieces or min(radii) >= NEARLY_LARGEST * max(radii) else []


def shining(pieces: list[Piece], cloud: Cloud, depth: Float32s, grey: Volume) -> list[Piece]:
    """Return the pieces whose middle is far brighter than the neurites are, out to a radius that no bouton has."""
    if not pieces:
        return []
    middle = (depth >= largest_near(cloud, depth, 1)) & (depth > 1)
    for piece in pieces:
        middle[rows_in(cloud, piece)] = False  # their own light is not that of neurites
    ridge = np.flatnonzero(middle)
    if not len(ridge):
        return []
    nodes = cloud.zyx[ridge[:: -(-len(ridge) // PLACES)]].astype(np.int64)
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


def boxes_of(zyx: NDArray[np.int64], shape: tuple[int, ...]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the boxes, first voxel and the one after the last, around the largest pieces that voxels (N, 3) make."""
    from scipy.ndimage import find_objects, label

    if not len(zyx):
        return []
    cells = np.zeros([-(-n // CELL) for n in shape], bool)
    cells[tuple((zyx // CELL).T)] = True
    pieces, _ = label(cells, np.ones((3, 3, 3)))
    count = np.bincount(pieces[tuple((zyx // CELL).T)])
    boxes = find_objects(pieces)
    found = []
    for number in np.argsort(-count, kind="stable")[:PIECES].tolist():
        if count[number]:
            box = boxes[number - 1]
            low, high = np.array([side.start for side in box]) * CELL, np.array([side.stop for side in box]) * CELL
            found.append((low, np.minimum(high, shape)))
    return found


def rows_in(cloud: Cloud, piece: Piece) -> NDArray[np.int64]:
    """Return the rows of the cloud that lie in a piece without its hollows, or in its rim."""
    from scipy.ndimage import binary_dilation, binary_fill_holes

    body = binary_dilation(binary_fill_holes(np.pad(piece.inside, RIM)), np.ones((3, 3, 3)), RIM)
    place = cloud.zyx - (piece.low - RIM)
    near = np.flatnonzero(((place >= 0) & (place < body.shape)).all(1))
    return np.asarray(near[body[tuple(place[near].T)]], np.int64)
