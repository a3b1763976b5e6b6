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
PLANES = 32  # read at a time: a lazy stack is never whole in memory


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
    for first in range(0, data.shape[0], PLANES):
        own = np.flatnonzero((nodes[:, 0] >= first) & (nodes[:, 0] < first + PLANES))
        if not len(own):
            continue
        start = max(0, first - 1)
        block = np.asarray(data[start : first + PLANES + 1])

        def grey(zyx: NDArray[np.int64], block: NDArray[np.generic] = block, start: int = start) -> NDArray[np.float32]:
            inside = np.clip(
                last - np.abs(last - np.abs(zyx)), 0, last
            )  # mirrored: held at a border, the ring lay on it
            z = np.clip(inside[..., 0] - start, 0, len(block) - 1)
            return block[z, inside[..., 1], inside[..., 2]].astype(np.float32)

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
