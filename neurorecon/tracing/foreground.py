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
from neurorecon.core.forest import rows_within
from neurorecon.core.geometry import VoxelSize, relative_edges
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Volume
from neurorecon.tracing.cavities import with_cavities

__all__ = ["OFFSETS", "Cloud", "Float32s", "make_cloud"]

Float32s = NDArray[np.float32]
Rows = NDArray[np.int32]

OFFSETS = np.array(
    [o for o in itertools.product((-1, 0, 1), repeat=3) if o != (0, 0, 0)]
)  # (26, 3), ascending keys; k and 25 - k are opposite
# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
PAD = 64  # voxels of virtual margin: a ball of that radius never wraps round to the other side
SLAB_VOXELS = 1 << 25  # read at a time: 32 MB of a map
MOST_VOXELS = 6_000_000  # about 2 GB; a neuron is a few percent of its stack, noise is not
SMALL, LARGEST_SHARE = (
    1_000_000,
    0.3,
)  # more foreground than that is no neurite, and takes long to be found out otherwise
ELONGATION = 3.0  # axial by lateral width of a confocal or two-photon focus (NA 0.8 to 1.0)
SMALLEST = 4  # voxels of the smallest component that is kept

Cut = NDArray[np.bool_]
UNCUT: Cut = np.zeros((3, 2), bool)

log = logging.getLogger(__name__)


class FloodedError(NoNeuronError):
    """The foreground is too large a part of the map to be a neuron."""


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
    p: Float32s
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
        return rows_within(self.key, keys)

    def keys_of(self, zyx: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the keys of voxel indices (..., 3)."""
        return np.asarray((np.asarray(zyx, np.int64) + PAD) @ self.strides)

    def take(self, keep: NDArray[np.bool_]) -> "Cloud":
        """Return the voxels that `keep` (N,) marks, with their neighbours renamed."""
        from neurorecon.tracing.kernels.voxel_kernels import renamed

        rows = np.flatnonzero(keep)
        name = np.full(len(self) + 1, len(rows), np.int32)
        name[rows] = np.arange(len(rows), dtype=np.int32)
        near = np.empty((len(rows), len(OFFSETS)), np.int32)
        renamed(self.near, rows, name, near)
        return Cloud(
            self.key[rows],
            self.zyx[rows],
            p=self.p[rows],
            near=near,
            spacing=self.spacing,
            strides=self.strides,
            low=self.low,
            edges=self.edges,
        )

    def labels(self) -> tuple[int, Rows]:
        """Return the number of 26-connected components, and the component of every voxel, (N,), numbered by first rows."""
        return find_components(self.key, self.strides)

    def best_rows(self, worth: Float32s) -> tuple[Rows, Rows]:
        """Return the row of the largest worth (N,) in every component, the first of equals, and `labels`' components."""
        from neurorecon.tracing.kernels.voxel_kernels import best_rows

        count, label = self.labels()
        best = np.full(count, -1, np.int32)
        best_rows(label, worth, best)
        return best, label


def shape_metric(voxel_size: VoxelSize | None) -> NDArray[np.float64]:
    """Return the edges of a voxel (3,) zyx in the metric in which the cross-section of a neurite is round.

    Images are elongated along z, and so are the maps of a network trained on them. Planes up to ELONGATION times as far
    apart as pixels match the axial resolution of the microscope, so only the distance beyond that counts.
    """
    if voxel_size is None:
        return np.ones(3)
    edges = voxel_size.relative_zyx
    return np.asarray(edges / np.clip(edges, 1, ELONGATION))


def bright_voxels(volume: Volume, at_least: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the flat indices and the values of the voxels that reach `at_least`, slab by slab."""
    from neurorecon.tracing.kernels.voxel_kernels import collect_bright, count_bright

    planes, height, width = (int(n) for n in volume.shape)
    slab = max(1, SLAB_VOXELS // (height * width))
    index, value = [], []
    for z in range(0, planes, slab):
        block = np.ascontiguousarray(volume[z : z + slab]).reshape(-1)
        count = count_bright(block, at_least)
        index.append(np.empty(count, np.int64))
        value.append(np.empty(count, np.uint8))
        collect_bright(block, at_least, index[-1], value[-1])
        index[-1] += z * height * width
    return np.concatenate(index), np.concatenate(value)


def later_lines(strides: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the steps to the four lines of three neighbours each that come later in the order of keys, (4,)."""
    return np.asarray(OFFSETS[[14, 17, 20, 23]] @ strides, np.int64)


def find_neighbours(key: NDArray[np.int64], strides: NDArray[np.int64]) -> Rows:
    """Return (N, 26) rows of the neighbours, N where there is none."""
    from neurorecon.tracing.kernels.voxel_kernels import neighbour_rows

    near = np.full((len(key), len(OFFSETS)), len(key), np.int32)
    neighbour_rows(key, later_lines(strides), near)
    return near


def find_components(key: NDArray[np.int64], strides: NDArray[np.int64]) -> tuple[int, Rows]:
    """Return the number of 26-connected components, and the component of every key, (N,), numbered by first rows."""
    from neurorecon.tracing.kernels.voxel_kernels import component_of

    label = np.empty(len(key), np.int32)
    return component_of(key, later_lines(strides), label), label


def make_cloud(probability: Probability, high: float, low: float, cut: Cut = UNCUT) -> Cloud:
    """Return the voxels of at least `low` that are connected to one of at least `high` (both 0 to 1).

    Where the map is a part of a larger one, `cut` marks its cut sides (3, 2): components that touch them are kept, as they may
    be connected to a sure voxel beyond.

    Raises:
        NoNeuronError: if no voxel reaches `high`.
    """
    from neurorecon.tracing.kernels.voxel_kernels import place

    what = probability.source or "the stack"
    flat, value, level_low, level_high = foreground(probability, levels_of(high, low), alone=not cut.any())
    if not (value >= level_high).any() and not cut.any():
        raise NoNeuronError(
            f"{what}: no neuron found: no voxel reaches probability {high:.2f}; try a lower --threshold"
        )
    shape = np.array(probability.shape, np.int64)
    strides = strides_of(probability.shape)
    zyx, key = np.empty((len(flat), 3), np.int32), np.empty_like(flat)
    place(flat, *probability.shape[1:], PAD, zyx, key)
    count, label = find_components(key, strides)
    sure = np.zeros(count, bool)
    sure[label[value >= level_high]] = True
    sure &= np.bincount(label, minlength=count) >= SMALLEST
    sure[label[at_cut(zyx, shape, cut)]] = True
    if not sure.any():
        raise NoNeuronError(f"{what}: no neuron found: only specks of fewer than {SMALLEST} voxels pass the threshold")
    keep, size = sure[label], probability.voxel_size
    zyx, key, value = with_cavities(zyx[keep], key[keep], value[keep], strides=strides, spacing=shape_metric(size))
    return assemble(key, zyx, value=value, strides=strides, voxel_size=size, low=level_low / 255)


def strides_of(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return the key strides (3,) of a map of `shape` (Z, Y, X)."""
    height, width = shape[1] + 2 * PAD, shape[2] + 2 * PAD
    return np.array([height * width, width, 1], np.int64)


def levels_of(high: float, low: float) -> tuple[int, int]:
    """Return the grey levels (low, high) of two probabilities."""
    return max(1, math.ceil(low * 255)), max(1, math.ceil(high * 255))


def at_cut(zyx: Rows, shape: NDArray[np.int64], cut: Cut) -> NDArray[np.bool_]:
    """Return which voxels (N, 3) lie on the sides `cut` (3, 2) of a map of `shape`."""
    found = np.zeros(len(zyx), bool)
    for axis in range(3):
        found |= (cut[axis, 0] & (zyx[:, axis] == 0)) | (cut[axis, 1] & (zyx[:, axis] == shape[axis] - 1))
    return found


def foreground(
    probability: Probability, levels: tuple[int, int], *, alone: bool
) -> tuple[NDArray[np.int64], NDArray[np.uint8], int, int]:
    """Return places and values of the voxels of at least the first of two `levels`, and both levels.

    Where there are too many, the levels are raised.

    Raises:
        FloodedError: if so much of the map is foreground that it is none.
    """
    what, (level_low, level_high) = probability.source or "the stack", levels
    flat, value = bright_voxels(probability.neurite, level_low)
    share = len(flat) / math.prod(probability.shape)
    if len(flat) > SMALL and share > LARGEST_SHARE and (not alone or (value >= level_high).any()):
        raise FloodedError(
            f"{what}: no neuron found: {share:.0%} of the stack pass the threshold; try a higher --threshold, and --raw "
            "for a stack that is no probability"
        )
    if len(flat) <= MOST_VOXELS:
        return flat, value, level_low, level_high
    counts = np.cumsum(np.bincount(value, minlength=256)[::-1])[::-1]  # voxels of at least a level
    if counts[255] > MOST_VOXELS:
        raise FloodedError(f"{what}: no neuron found: {counts[255]} voxels have the highest probability there is")
    level_low = int(np.argmax(counts <= MOST_VOXELS))
    log.warning(
        "%s: %d voxels pass the threshold, more than a neuron has; only those of probability %.2f and more are traced",
        what, len(flat), level_low / 255,
    )  # fmt: skip
    keep = value >= level_low
    return flat[keep], value[keep], level_low, max(level_high, level_low)


def assemble(
    key: NDArray[np.int64], zyx: Rows, *, value: NDArray[np.uint8], strides: NDArray[np.int64],
    voxel_size: VoxelSize | None, low: float,
) -> Cloud:  # fmt: skip
    """Return N foreground voxels as a cloud.

    Args:
        key: (N,) int64, ascending, index in the padded volume.
        zyx: (N, 3) int32 voxel indices.
        value: (N,) uint8 probability, 0 to 255.
        strides: (3,) int64 key strides.
        voxel_size: of the map, micrometres, or None where unknown.
        low: probability (0 to 1) above which voxels were taken.
    """
    edges = relative_edges(voxel_size)
    p = (value / np.float32(255)).astype(np.float32)
    return Cloud(
        key,
        zyx,
        p=p,
        near=find_neighbours(key, strides),
        spacing=shape_metric(voxel_size),
        strides=strides,
        low=low,
        edges=edges,
    )
