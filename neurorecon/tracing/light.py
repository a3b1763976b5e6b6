"""How much brighter than its surroundings the stack is at the nodes of a tree.

    contrast = mean of the node's voxel and its 4 neighbours in the plane - median of a ring around it
    spread   = 1.4826 * median absolute deviation of the ring
    grain    = 1.4826 * median absolute deviation of the same mean over 5 voxels, at the places of the ring in the node's plane

The ring lies in the plane of the node and the two planes beside it. Its radius is RING times the depth of the neurite and
BEYOND voxels more. The network is as sure of a faint neurite of a neighbour as of one of the neuron; their light tells them
apart.

The grain is the contrast that the background reaches by chance: spread / sqrt(5) in white noise, nearly the spread in
textured tissue. So contrast / grain is low in texture, and grain / spread measures the texture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import by_box, whole_chunks
from neurorecon.core.errors import InputError
from neurorecon.core.stack import Volume
from neurorecon.tracing.skeleton import Skeleton

__all__ = ["KnownLight", "Light", "LightOf", "light_at"]

# Set by hand; not tuned. The weights of the confidence were fitted with them (benchmarks/fit_confidence.py).
RING, BEYOND = 2.0, 4.0  # px: the ring's radius is RING * depth + BEYOND,
NEAREST, FURTHEST = 6.0, 20.0  # within these limits
SPOKES = 12  # places on a ring
CROSS = np.array([(0, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
BOX = 32, 128, 128  # voxels (z, y, x) read at a time, more where chunks are larger
AT_ONCE = 20_000  # nodes, whose voxels are looked up at a time: 2.5 kB each


Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Light:
    """The light at the N nodes of a tree, in grey values of the stack.

    Attributes:
        contrast: (N,) how much brighter than the ring.
        spread: (N,) spread of the values on the ring.
        grain: (N,) spread of the means over 5 voxels on the ring.
    """

    contrast: NDArray[np.float64]
    spread: NDArray[np.float64]
    grain: NDArray[np.float64]

    @staticmethod
    def blank(size: int) -> "Light":
        """Return the light of `size` nodes, to be filled in: no contrast, a spread and a grain of 1."""
        return Light(np.zeros(size), np.ones(size), np.ones(size))

    def put(self, rows: NDArray[Any] | slice, light: "Light") -> None:
        """Set the light of some nodes, by a mask (N,), their rows or a slice."""
        self.contrast[rows], self.spread[rows], self.grain[rows] = light.contrast, light.spread, light.grain

    def take(self, rows: NDArray[Any]) -> "Light":
        """Return the light at some nodes, by a mask (N,) or their rows."""
        return Light(self.contrast[rows], self.spread[rows], self.grain[rows])

    @staticmethod
    def joined(lights: "Sequence[Light]") -> "Light":
        """Return the light of several sets of nodes, one after the other."""
        parts = [(light.contrast, light.spread, light.grain) for light in (Light.blank(0), *lights)]
        return Light(*(np.concatenate(column) for column in zip(*parts, strict=True)))


LightOf = Callable[[Skeleton], Light]


class KnownLight:
    """Light that is known at some nodes, and is measured in the stack at all others.

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
        light = Light.blank(len(place))
        light.put(new, light_at(self._data, skeleton.take(new), self._spacing))
        light.put(~new, self._light.take(row[~new]))
        return light


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
    light = Light.blank(len(skeleton))
    nodes = skeleton.zyx.round().astype(np.int64)
    for start in range(0, len(skeleton), AT_ONCE):
        own = slice(start, start + AT_ONCE)
        around = np.repeat(spokes[None], len(nodes[own]), axis=0)
        around[..., 1:] *= reach[own, None, None] / spacing[1:]
        ring = nodes[own, None] + around.round().astype(np.int64)  # (n, 3 * SPOKES, 3)
        crosses = np.concatenate([nodes[own, None], ring[:, SPOKES : 2 * SPOKES]], axis=1)[:, :, None] + CROSS
        values = mirrored_at(data, np.concatenate([ring, crosses.reshape(len(ring), -1, 3)], axis=1))
        light.put(own, measured(values[:, : 3 * SPOKES], values[:, 3 * SPOKES :].reshape(len(ring), -1, len(CROSS))))
    if not all(np.isfinite(column).all() for column in (light.contrast, light.spread, light.grain)):
        raise InputError("the stack holds NaN or infinite values; replace them first")
    return light


def mirrored_at(data: Volume, zyx: NDArray[np.int64]) -> Grey:
    """Return the grey values at voxels (..., 3); voxels beyond a border are mirrored, because clipped ones would lie on it."""
    last = np.array(data.shape, np.int64) - 1
    return grey_at(data, np.clip(last - np.abs(last - np.abs(zyx)), 0, last))


def measured(ring: Grey, crosses: Grey) -> Light:
    """Return the light of nodes from the values of their rings (n, R) and of crosses (n, 1 + S, 5).

    The first cross lies at the node, the others on its ring.
    """
    level, means = np.median(ring, axis=1), crosses.mean(2)
    return Light((means[:, 0] - level).astype(np.float64), deviation(ring), deviation(means[:, 1:]))


def deviation(values: Grey) -> NDArray[np.float64]:
    """Return 1.4826 times the median absolute deviation of each row of (n, m), (n,)."""
    middle = np.median(values, axis=1)[:, None]
    return np.asarray(1.4826 * np.median(np.abs(values - middle), axis=1), np.float64)
