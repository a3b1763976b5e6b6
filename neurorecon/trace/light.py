"""How much brighter than its surroundings the stack is at the nodes of a tree.

    contrast = mean of the node's voxel and its 4 neighbours in the plane - median of a ring around it
    spread   = 1.4826 * median absolute deviation of the ring

The ring lies in the node's plane and the two beside it, at RING times the neurite's depth and some voxels more. The network
answers "neurite" for a neighbour's faint neurite as surely as for the neuron's own: their light tells them apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import by_box, whole_chunks
from neurorecon.core.errors import InputError
from neurorecon.core.stack import Volume
from neurorecon.trace.skeleton import Skeleton

__all__ = ["KnownLight", "Light", "LightOf", "light_at"]

RING, BEYOND = 2.0, 4.0  # px: the ring's radius is RING * depth + BEYOND,
NEAREST, FURTHEST = 6.0, 20.0  # within these limits
SPOKES = 12
CROSS = np.array([(0, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
BOX = 32, 128, 128  # voxels (z, y, x) read at a time, more where chunks are larger
AT_ONCE = 50_000  # nodes, whose voxels are looked up at a time: 1 kB each


Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Light:
    """The light at the N nodes of a tree, in grey values of the stack.

    Attributes:
        contrast: (N,) how much brighter than the ring.
        spread: (N,) how far the ring's values lie apart.
    """

    contrast: NDArray[np.float64]
    spread: NDArray[np.float64]

    def take(self, rows: NDArray[Any]) -> "Light":
        """Return the light at some nodes, by a mask (N,) or their rows."""
        return Light(self.contrast[rows], self.spread[rows])


LightOf = Callable[[Skeleton], Light]


class KnownLight:
    """Light that is known at some nodes, and is looked for in the stack at all others.

    Args:
        data: the grey stack (Z, Y, X).
        spacing: (3,) edges of a voxel.
        zyx: (N, 3) voxels of the nodes that are known.
        light: theirs.
    """

    def __init__(self, data: Volume, spacing: NDArray[np.float64], zyx: NDArray[np.integer], light: Light) -> None:
        place = np.ravel_multi_index(tuple(np.asarray(zyx, np.int64).T), data.shape)
        self._place, rows = np.unique(place, return_index=True)
        self._light = light.take(rows)
        self._data, self._spacing = data, spacing

    def __call__(self, skeleton: Skeleton) -> Light:
        """Return the light at every node of a skeleton; see `light_at`."""
        place = np.ravel_multi_index(tuple(skeleton.zyx.round().astype(np.int64).T), self._data.shape)
        row = np.minimum(np.searchsorted(self._place, place), max(0, len(self._place) - 1))
        new = self._place[row] != place if len(self._place) else np.ones(len(place), bool)
        found = light_at(self._data, skeleton.take(new), self._spacing)
        contrast, spread = np.zeros(len(place)), np.ones(len(place))
        contrast[new], spread[new] = found.contrast, found.spread
        contrast[~new], spread[~new] = self._light.contrast[row[~new]], self._light.spread[row[~new]]
        return Light(contrast, spread)


def grey_at(data: Volume, zyx: NDArray[np.int64]) -> Grey:
    """Return the grey values at voxels (..., 3); no box of the stack is read twice."""
    voxels = zyx.reshape(-1, 3)
    values = np.empty(len(voxels), np.float32)
    for low, own, block in by_box(data, voxels, whole_chunks(data, BOX)):
        values[own] = block[tuple((voxels[own] - low).T)]
    return values.reshape(zyx.shape[:-1])


def light_at(data: Volume, skeleton: Skeleton, spacing: NDArray[np.float64]) -> Light:
    """Return the light at every node; `data` is the grey stack (Z, Y, X).

    Raises:
        InputError: if the stack holds NaN or infinite values at a node or around it.
    """
    angle = 2 * np.pi * np.arange(SPOKES) / SPOKES
    circle = np.stack([np.sin(angle), np.cos(angle)], 1)
    spokes = np.concatenate([np.insert(circle, 0, plane, axis=1) for plane in (-1, 0, 1)])  # (3 * SPOKES, 3)
    reach = np.clip(RING * skeleton.depth + BEYOND, NEAREST, FURTHEST)
    contrast, spread = np.zeros(len(skeleton)), np.ones(len(skeleton))
    nodes = skeleton.zyx.round().astype(np.int64)
    last = np.array(data.shape, np.int64) - 1
    for start in range(0, len(skeleton), AT_ONCE):
        own = slice(start, start + AT_ONCE)
        around = np.repeat(spokes[None], len(nodes[own]), axis=0)
        around[..., 1:] *= reach[own, None, None] / spacing[1:]
        zyx = nodes[own, None] + np.concatenate(
            [np.broadcast_to(CROSS, (len(around), *CROSS.shape)), around.round()], 1
        )
        mirrored = np.clip(
            last - np.abs(last - np.abs(zyx.astype(np.int64))), 0, last
        )  # held at a border, the ring lay on it
        values = grey_at(data, mirrored)
        ring = values[:, len(CROSS) :]
        level = np.median(ring, axis=1)
        contrast[own] = values[:, : len(CROSS)].mean(1) - level
        spread[own] = 1.4826 * np.median(np.abs(ring - level[:, None]), axis=1)
    if not (np.isfinite(contrast).all() and np.isfinite(spread).all()):
        raise InputError("the stack holds NaN or infinite values; replace them first")
    return Light(contrast, spread)
