"""The pieces of the soma map, and which of them are solid: sure to their core, and compact.

    piece   = component of the soma map of 0.5 or more
    depth   = distance of its voxels to its surface
    core    = mean of the map where the depth is half of the largest one or more
    spread  = root mean square distance from its middle by the radius of a ball of its volume (ball 0.77, rod 1.2 and more)

`sure_body.py` and `grey_body.py` decide which of them are bodies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.geometry import ball_radius
from neurorecon.core.stack import Volume
from neurorecon.tracing.soma.body import SURE_SOMA

__all__ = ["LARGE", "MOST_SPREAD", "Piece", "piece_around", "piece_in", "piece_near"]

# Chosen on 58 soma maps of training stacks by heads that had not seen them, 15 real stacks without a body and four with one.
# The largest piece within these limits is the body in the five training stacks that have one, and in two of the four; no other
# stack has one. From a radius of 8 on more are found, but the tree is better with the smaller ones as grey_body.py finds them.
LARGE = 12.0  # radius in shortest edges of a voxel
SURE_CORE, LEAST_DEPTH = 0.96, 5.5  # the second in shortest edges of a voxel
HUGE = 15.0  # radius from which less is asked, for nothing but a body is as large ...
SURE_HUGE, LEAST_HUGE = 0.93, 4.0  # ... of the core, and of the depth: planes may be few
# Radius, core, depth and spread of what is larger than any tuft. The network is less sure of the middle of such a body, which
# fills what it sees. In synthetic bodies of 50 to 92 voxels the core is 0.73 to 0.91; none of 131 maps (117 of training
# neurons, 14 real stacks) has such a piece; the largest of textures and neuropil has a radius of 15 and a spread of 1.7.
VAST, SURE_VAST, LEAST_VAST, VAST_SPREAD = 18.0, 0.7, 7.0, 1.3
# Least radius, most spread and least core of a round body. In 78 maps of training stacks all 30 such pieces on a neurite are
# bodies but one (a tuft of 12 voxels, core 0.96, spread 0.95); bulbs reach a radius of 7.7 and a core of 0.94. In stacks that
# the network has not seen a tuft of 8 voxels has a core of 0.957: one such piece tells a body, and two tell none.
ROUND = ((9.0, 0.87, 0.85), (4.2, 0.87, 0.95), (4.2, 1.0, 0.97))
MOST_SPREAD = 1.35  # a ball has 0.77; a body with the stems of its dendrites has more
STEM = 0.5  # of the largest depth of a body: thinner is a stem; set by hand, not tuned
ROOMY = 6.0  # times the radius of a body: on a shorter axis of a stack most bodies are cut; set by hand, not tuned
FEWEST = 100  # voxels of a piece: a smaller one is a speck; set by hand, not tuned
LARGEST_BOX = 1 << 26  # voxels around a piece: a larger one is an arbour, taken for a body; set by hand, not tuned
AROUND = 80  # voxels from a place to the sides of the box in which its piece lies: bodies have up to 60; set by hand, not tuned


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of the soma map.

    Attributes:
        low: (3,) first voxel of its box.
        inside: its voxels in that box; of a solid one without the stems of its dendrites.
        zyx: (3,) its middle.
        deepest: (3,) its deepest voxel.
        radius: of a ball of its volume, in shortest edges of a voxel.
        peak: largest value of the map, 0 to 1.
        core: mean of the map where it is deep, 0 to 1; see the head of this file.
        spread: see the head of this file.
        solid: whether it is deep, sure to its core and compact, and no border of the stack cuts it.
    """

    low: NDArray[np.int64]
    inside: NDArray[np.bool_]
    zyx: NDArray[np.float64]
    deepest: NDArray[np.int64]
    radius: float
    peak: float
    core: float
    spread: float
    solid: bool

    @property
    def is_round(self) -> bool:
        """Whether it is as round and sure as hardly anything but a body is; a border may cut it."""
        return any(
            self.radius >= radius and self.spread <= spread and self.core >= core for radius, spread, core in ROUND
        )

    def is_cut(self, shape: tuple[int, ...]) -> bool:
        """Say whether a border of a stack of `shape` cuts it, along an axis on which the stack has room for whole bodies.

        Of a stack with few planes the first or the last one cuts nearly every body.
        """
        at_border = touches(np.argwhere(self.inside) + self.low, shape)
        return bool((at_border & (np.array(shape) >= ROOMY * self.radius)).any())

    def reaches(self, voxel: NDArray[np.int64], within: int) -> bool:
        """Say whether a voxel (3,) of the stack lies in the piece, or within so many voxels of it along each axis."""
        first = voxel - self.low - within
        return bool(self.inside[slices_between(np.maximum(first, 0), np.maximum(first + 2 * within + 1, 0))].any())


def touches(zyx: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return along which axes (3,) voxels (N, 3) lie at the first or the last plane of a stack of `shape`."""
    return np.asarray((zyx.min(0) == 0) | (zyx.max(0) == np.array(shape) - 1))


def piece_in(
    box: tuple[NDArray[np.int64], NDArray[np.int64]],
    soma: Volume,
    spacing: NDArray[np.float64],
    at: NDArray[np.int64] | None = None,
) -> Piece | None:
    """Return the largest piece of the soma map in a box, or the one that holds the voxel `at`; None if it is no body at all.

    The box is its first voxel and the one after its last. A speck, or an arbour that was taken for a body, is none. `spacing`
    (3,) are the edges of a voxel in shortest edges (`body.body_metric`).
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, find_objects, label

    low, high = box
    if np.prod(high - low) > LARGEST_BOX:
        return None
    sure = np.asarray(soma[slices_between(low, high)])
    pieces, _ = label(sure >= SURE_SOMA, np.ones((3, 3, 3)))
    number = int(np.bincount(pieces.ravel())[1:].argmax()) + 1 if at is None else int(pieces[tuple(at - low)])
    if not number:
        return None
    own = find_objects(pieces, number)[-1]
    shown, sure, low = pieces[own] == number, sure[own], low + [side.start for side in own]
    inside = np.asarray(binary_fill_holes(shown))
    zyx = np.argwhere(inside)
    if len(zyx) < FEWEST:
        return None
    depth = distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    deepest = np.array(np.unravel_index(int(depth.argmax()), depth.shape))
    radius = ball_radius(len(zyx) * float(np.prod(spacing)))
    deep = shown & (depth >= depth.max() / 2)
    core = float(sure[deep if deep.any() else shown].mean()) / 255
    spread = float(np.sqrt((zyx * spacing).var(0).sum())) / radius
    sure_from, deep_from = (SURE_HUGE, LEAST_HUGE) if radius >= HUGE else (SURE_CORE, LEAST_DEPTH)
    cut = touches(zyx + low, soma.shape).any()
    solid = depth.max() >= deep_from and spread <= MOST_SPREAD and core >= sure_from
    vast = radius >= VAST and depth.max() >= LEAST_VAST and spread <= VAST_SPREAD and core >= SURE_VAST
    solid = bool((solid or vast) and not cut)
    peak = float(sure[inside].max()) / 255
    if solid:
        inside = without_stems(inside, depth, spacing)
        zyx = np.argwhere(inside)
        radius = ball_radius(len(zyx) * float(np.prod(spacing)))
    return Piece(
        low, inside, zyx.mean(0) + low, deepest + low, radius=radius, peak=peak, core=core, spread=spread, solid=solid
    )


def without_stems(
    inside: NDArray[np.bool_], depth: NDArray[np.float64], spacing: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return a body without the thick stems of its dendrites, which the soma map shows as well: what a large ball fills.

    This is an opening by a ball of STEM of the largest depth.
    """
    from scipy.ndimage import distance_transform_edt

    reach = STEM * float(depth.max())
    return np.asarray(inside & (distance_transform_edt(depth < reach, sampling=spacing) <= reach))


def piece_around(zyx: NDArray[np.int64], soma: Volume, spacing: NDArray[np.float64]) -> Piece | None:
    """Return the piece of the soma map that holds a voxel (3,), if all of it lies near; `spacing` as of `piece_in`."""
    low, high = np.maximum(zyx - AROUND, 0), np.minimum(zyx + AROUND + 1, soma.shape)
    piece = piece_in((low, high), soma, spacing, zyx)
    if piece is None:
        return None
    last = piece.low + piece.inside.shape
    whole = ((piece.low > low) | (low == 0)) & ((last < high) | (high == soma.shape))
    return piece if whole.all() else None


def piece_near(zyx: NDArray[np.int64], soma: Volume, spacing: NDArray[np.float64], within: int) -> Piece | None:
    """Return the piece of the soma map that holds the surest voxel within so many voxels of a voxel (3,) along each axis."""
    low, high = np.maximum(zyx - within, 0), np.minimum(zyx + within + 1, soma.shape)
    near = np.asarray(soma[slices_between(low, high)])
    return piece_around(low + np.array(np.unravel_index(int(near.argmax()), near.shape)), soma, spacing)
