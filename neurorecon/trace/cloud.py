"""The foreground of a probability as a sparse cloud of voxels, so that time and memory follow the neuron, not the volume.

A voxel belongs to the cloud if its probability reaches the low threshold and it is connected (26 neighbours) to one that
reaches the high threshold (hysteresis, Canny 1986). Voxels are named by the sorted key they have in a padded volume, so
a neighbour is found by adding a constant to the key and searching: no array of the volume's size is made.
"""

import itertools
import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Volume

__all__ = ["HALF_OFFSETS", "OFFSETS", "Cloud", "make_cloud"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]

OFFSETS = np.array([o for o in itertools.product((-1, 0, 1), repeat=3) if o != (0, 0, 0)])  # (26, 3), ascending keys
HALF_OFFSETS = 13  # OFFSETS[k] and OFFSETS[25 - k] are opposite
PAD = 64  # voxels of virtual margin: a ball of that radius never wraps round to the other side
SLAB_VOXELS = 1 << 25
MOST_VOXELS = 6_000_000  # about 3 GB of graph; a neuron is a few percent of its stack, noise is not
ELONGATION = 3.0  # axial by lateral width of a confocal or two-photon focus (NA 0.8 to 1.0)
SMALLEST = 4  # voxels of a component that is looked at at all

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cloud:
    """N foreground voxels.

    Attributes:
        key: (N,) int64, ascending, index in the padded volume.
        zyx: (N, 3) int32 voxel indices.
        p: (N,) float32 probability, 0 to 1.
        near: (N, 26) int32 rows of the neighbours in the order of OFFSETS, N where there is none.
        spacing: (3,) edges of a voxel, zyx, in the metric of `shape_metric`: 1 is the shortest edge.
        strides: (3,) int64 key strides.
        low: probability above which voxels were taken.
        edges: (3,) edges of a voxel, zyx, by the shortest one: as they are, not as `spacing` counts them.
    """

    key: NDArray[np.int64]
    zyx: Rows
    p: Floats
    near: Rows
    spacing: NDArray[np.float64]
    strides: NDArray[np.int64]
    low: float
    edges: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of voxels."""
        return len(self.key)

    @property
    def points(self) -> NDArray[np.float64]:
        """Voxel centres, (N, 3) zyx, in units of the shortest edge."""
        return self.zyx * self.spacing

    @property
    def step_lengths(self) -> NDArray[np.float64]:
        """Lengths of the 26 steps, in units of the shortest edge."""
        return np.asarray(np.linalg.norm(OFFSETS * self.spacing, axis=1), np.float64)

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of voxels by key, -1 where the cloud has none."""
        rows = np.searchsorted(self.key, keys)
        rows[rows == len(self.key)] = 0
        return np.where(self.key[rows] == keys, rows, -1)

    def keys_of(self, zyx: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the keys of voxel indices (..., 3)."""
        return np.asarray((np.asarray(zyx, np.int64) + PAD) @ self.strides)

    def take(self, keep: NDArray[np.bool_]) -> "Cloud":
        """Return the voxels that `keep` (N,) marks, with their neighbours renamed."""
        rename = np.full(len(self) + 1, keep.sum(), np.int32)
        rename[:-1][keep] = np.arange(keep.sum(), dtype=np.int32)
        near = rename[self.near[keep]]
        return Cloud(
            self.key[keep], self.zyx[keep], self.p[keep], near, self.spacing, self.strides, self.low, self.edges
        )

    def labels(self) -> tuple[int, Rows]:
        """Return the number of 26-connected components, and the component of every voxel, (N,)."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        linked = self.near < len(self)
        indptr = np.concatenate([[0], np.cumsum(linked.sum(1))])
        columns = self.near[linked]
        graph = csr_array((np.ones(len(columns), np.int8), columns, indptr), shape=(len(self), len(self)))
        count, label = connected_components(graph, directed=False)
        return int(count), label.astype(np.int32)


def shape_metric(voxel_size: VoxelSize | None) -> NDArray[np.float64]:
    """Return the edges of a voxel (3,) zyx in the metric in which the cross-section of a neurite is round.

    Light comes out drawn along z, and so does what a network learns from it: planes up to ELONGATION times as far apart
    as pixels are sampled about as finely, by the microscope's resolution. Only what goes beyond counts.
    """
    if voxel_size is None:
        return np.ones(3)
    edges = voxel_size.relative_zyx
    return np.asarray(edges / np.clip(edges, 1, ELONGATION))


def bright_voxels(volume: Volume, at_least: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the flat indices and the values of the voxels that reach `at_least`, slab by slab."""
    planes, height, width = (int(n) for n in volume.shape)
    slab = max(1, SLAB_VOXELS // (height * width))
    index, value = [], []
    for z in range(0, planes, slab):
        block = np.asarray(volume[z : z + slab]).reshape(-1)
        hits = np.flatnonzero(block >= at_least)
        index.append(hits + z * height * width)
        value.append(block[hits])
    return np.concatenate(index), np.concatenate(value)


def find_neighbours(key: NDArray[np.int64], strides: NDArray[np.int64]) -> Rows:
    """Return (N, 26) rows of the neighbours, N where there is none."""
    n = len(key)
    near = np.full((n, len(OFFSETS)), n, np.int32)
    for k in range(HALF_OFFSETS, len(OFFSETS)):  # the steps to later keys; the others are their mirror images
        wanted = key + OFFSETS[k] @ strides
        rows = np.searchsorted(key, wanted)
        rows[rows == n] = 0
        here = np.flatnonzero(key[rows] == wanted)
        near[here, k] = rows[here]
        near[rows[here], len(OFFSETS) - 1 - k] = here
    return near


def make_cloud(probability: Probability, high: float, low: float) -> Cloud:
    """Return the voxels of at least `low` that hang together with one of at least `high` (both 0 to 1).

    Raises:
        NoNeuronError: if no voxel reaches `high`.
    """
    what = probability.source or "the stack"
    level_low, level_high = max(1, math.ceil(low * 255)), max(1, math.ceil(high * 255))
    flat, value = bright_voxels(probability.neurite, level_low)
    if not (value >= level_high).any():
        raise NoNeuronError(
            f"{what}: no neuron found: no voxel reaches probability {high:.2f}; try a lower --threshold"
        )
    if len(flat) > MOST_VOXELS:
        counts = np.cumsum(np.bincount(value, minlength=256)[::-1])[::-1]  # voxels of at least a level
        level_low = int(np.argmax(counts <= MOST_VOXELS)) if (counts <= MOST_VOXELS).any() else 255
        log.warning(
            "%s: %d voxels pass the threshold, more than a neuron has; only those of probability %.2f and more are traced",
            what, len(flat), level_low / 255,
        )  # fmt: skip
        level_high = max(level_high, level_low)
        flat, value = flat[value >= level_low], value[value >= level_low]
    shape = np.array(probability.shape, np.int64)
    strides = np.array([(shape[1] + 2 * PAD) * (shape[2] + 2 * PAD), shape[2] + 2 * PAD, 1])
    zyx = np.stack(np.unravel_index(flat, probability.shape), 1)
    key = (zyx + PAD) @ strides
    edges = np.ones(3) if probability.voxel_size is None else probability.voxel_size.relative_zyx
    spacing = shape_metric(probability.voxel_size)
    p = (value / np.float32(255)).astype(np.float32)
    whole = Cloud(key, zyx.astype(np.int32), p, find_neighbours(key, strides), spacing, strides, level_low / 255, edges)
    count, label = whole.labels()
    sure = np.bincount(label[value >= level_high], minlength=count) > 0
    sure &= np.bincount(label, minlength=count) >= SMALLEST
    if not sure.any():
        raise NoNeuronError(f"{what}: no neuron found: only specks of fewer than {SMALLEST} voxels pass the threshold")
    return whole.take(sure[label])
