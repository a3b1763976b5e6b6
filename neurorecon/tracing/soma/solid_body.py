"""The large cell body that the soma map shows beyond doubt: one solid piece of it, sure to its core.

    piece   = component of the soma map of 0.5 or more
    depth   = distance of its voxels to its surface
    core    = mean of the map where the depth is half of the largest one or more
    spread  = root mean square distance from its middle by the radius of a ball of its volume (ball 0.77, rod 1.2 and more)

Tufts, boutons and thick neurites shine in the map too, but not evenly: their core is less sure, or they spread. Through a large
body the network draws a few thin tubes. Grey values that are compared within some voxels do not tell its middle from its flank
(`grey_body.py`, which is better for smaller bodies). Here all of it is one body, and neurites begin at its surface.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.stack import Volume
from neurorecon.tracing.foreground import Cloud, bright_voxels
from neurorecon.tracing.soma.find_soma import SURE_SOMA, Soma

__all__ = ["solid_body"]

# Chosen on 58 soma maps of training stacks by heads that had not seen them, 15 real stacks without a body and three with one.
# The largest piece within these limits is the body in the five training stacks that have one, and in two of the three; no other
# stack has one. From a radius of 8 on more are found, but the tree is better with the smaller ones as grey_body.py finds them.
LARGE = 12.0  # radius in shortest edges of a voxel
SURE_CORE, LEAST_DEPTH = 0.96, 5.5  # the second in shortest edges of a voxel
HUGE = 15.0  # radius from which less is asked, for nothing but a body is as large ...
SURE_HUGE, LEAST_HUGE = 0.93, 4.0  # ... of the core, and of the depth: planes may be few
MOST_SPREAD = 1.35  # a ball has 0.77; a body with the stems of its dendrites has more
CELL = 4  # voxels: the soma map is made at a quarter of the resolution
PIECES = 6  # the largest ones are looked at; set by hand, not tuned
LARGEST_BOX = (
    1 << 26
)  # voxels around a piece: a larger one is an arbour that was taken for a body; set by hand, not tuned
RIM = 2  # voxels around the piece that are body too: its surface is known to half a voxel of the map; set by hand, not tuned


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the soma map: the first voxel of its box, the box, and its middle (3,) and radius in shortest edges."""

    low: NDArray[np.int64]
    inside: NDArray[np.bool_]
    zyx: NDArray[np.float64]
    radius: float


def solid_body(cloud: Cloud, soma: Volume | None) -> Soma | None:
    """Return the largest solid body of a soma map (Z, Y, X) uint8 that holds voxels of the cloud; None if there is none."""
    if soma is None:
        return None
    flat, _ = bright_voxels(soma, SURE_SOMA)
    zyx = np.stack(np.unravel_index(flat, soma.shape), 1)
    found = [piece for box in boxes_of(zyx, soma.shape) if (piece := piece_in(box, soma, cloud.spacing)) is not None]
    for piece in sorted(found, key=lambda piece: -piece.radius):
        rows = rows_in(cloud, piece)
        if len(rows):
            return Soma(piece.zyx, piece.radius, rows)
    return None


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
            low, high = (
                np.array([getattr(side, end) for side in boxes[number - 1]]) * CELL for end in ("start", "stop")
            )
            found.append((low, np.minimum(high, shape)))
    return found


def piece_in(
    box: tuple[NDArray[np.int64], NDArray[np.int64]], soma: Volume, spacing: NDArray[np.float64]
) -> Piece | None:
    """Return the largest piece of the soma map in a box, if it is a large, solid body that no border of the stack cuts."""
    from scipy.ndimage import distance_transform_edt, label

    low, high = box
    if np.prod(high - low) > LARGEST_BOX:
        return None
    sure = np.asarray(soma[slices_between(low, high)])
    pieces, count = label(sure >= SURE_SOMA, np.ones((3, 3, 3)))
    if not count:
        return None
    inside = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    zyx = np.argwhere(inside)
    if (zyx.min(0) + low == 0).any() or (zyx.max(0) + low == np.array(soma.shape) - 1).any():
        return None
    depth = distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    radius = float((3 * len(zyx) * np.prod(spacing) / (4 * np.pi)) ** (1 / 3))
    core = float(sure[depth >= depth.max() / 2].mean()) / 255
    spread = float(np.sqrt((zyx * spacing).var(0).sum())) / radius
    sure_from, deep_from = (SURE_HUGE, LEAST_HUGE) if radius >= HUGE else (SURE_CORE, LEAST_DEPTH)
    solid = radius >= LARGE and depth.max() >= deep_from and spread <= MOST_SPREAD and core >= sure_from
    return Piece(low, inside, zyx.mean(0) + low, radius) if solid else None


def rows_in(cloud: Cloud, piece: Piece) -> NDArray[np.int64]:
    """Return the rows of the cloud that lie in a piece without its hollows, or in its rim."""
    from scipy.ndimage import binary_dilation, binary_fill_holes

    body = binary_dilation(binary_fill_holes(np.pad(piece.inside, RIM)), np.ones((3, 3, 3)), RIM)
    place = cloud.zyx - (piece.low - RIM)
    near = np.flatnonzero(((place >= 0) & (place < body.shape)).all(1))
    return np.asarray(near[body[tuple(place[near].T)]], np.int64)
