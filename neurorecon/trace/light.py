"""How much brighter than its surroundings the stack is at the nodes of a tree.

    contrast = mean of the node's voxel and its 4 neighbours in the plane - median of a ring around it
    spread   = 1.4826 * median absolute deviation of the ring

The ring lies in the node's plane and the two beside it, at RING times the neurite's depth and some voxels more. The network
answers "neurite" for a neighbour's faint neurite as surely as for the neuron's own: their light tells them apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.stack import Volume
from neurorecon.trace.skeleton import Skeleton

__all__ = ["Light", "light_at"]

RING, BEYOND = 2.0, 4.0  # px: the ring's radius is RING * depth + BEYOND,
NEAREST, FURTHEST = 6.0, 20.0  # within these limits
SPOKES = 12
CROSS = np.array([(0, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
BOX = np.array([32, 512, 512])  # voxels (z, y, x) read at a time, and a rim: a lazy stack is never whole in memory


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

    def take(self, keep: NDArray[np.bool_]) -> "Light":
        """Return the light at the nodes that `keep` (N,) marks."""
        return Light(self.contrast[keep], self.spread[keep])


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
    cells, cell_of = np.unique(nodes // BOX, axis=0, return_inverse=True)
    by_cell = np.split(np.argsort(cell_of.ravel(), kind="stable"), np.cumsum(np.bincount(cell_of.ravel()))[:-1])
    rim = np.array([1, *np.ceil(FURTHEST / spacing[1:]).astype(int) + 1])
    for cell, own in zip(cells, by_cell, strict=True):
        low = np.maximum(cell * BOX - rim, 0)
        high = np.minimum((cell + 1) * BOX + rim, last + 1)
        block = np.asarray(data[tuple(slice(int(i), int(j)) for i, j in zip(low, high, strict=True))])

        def grey(zyx: NDArray[np.int64], block: NDArray[np.generic] = block, low: NDArray[np.int64] = low) -> Grey:
            inside = (
                np.clip(last - np.abs(last - np.abs(zyx)), 0, last) - low
            )  # mirrored: held at a border, the ring lay on it
            z, y, x = np.moveaxis(np.clip(inside, 0, np.array(block.shape) - 1), -1, 0)
            return np.asarray(block[z, y, x], np.float32)

        middle = grey(nodes[own, None] + CROSS).mean(1)
        around = np.repeat(spokes[None], len(own), axis=0)
        around[..., 1:] *= reach[own, None, None] / spacing[1:]
        values = grey(nodes[own, None] + around.round().astype(np.int64))
        level = np.median(values, axis=1)
        contrast[own] = middle - level
        spread[own] = 1.4826 * np.median(np.abs(values - level[:, None]), axis=1)
    if not (np.isfinite(contrast).all() and np.isfinite(spread).all()):
        raise InputError("the stack holds NaN or infinite values; replace them first")
    return Light(contrast, spread)
