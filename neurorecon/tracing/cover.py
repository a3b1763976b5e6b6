"""The foreground that a growing tree has covered: a ball of SCALE times the depth plus MARGIN voxels round every node.

After TEASAR (Sato et al. 2000, section 4.4), with a ball instead of a cube, and without the centre lines of others.

    half axis along z = max(SCALE, height) * depth + MARGIN

Images are elongated along z, and the depth is half the width of a neurite, not half its height. Voxels that stick out of a
round ball above and below would get side branches, like the teeth of a comb. The height is measured (`mean_height`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.cost import ALONG_X, ALONG_Y, ALONG_Z, centrality_of
from neurorecon.tracing.criteria import SAME_NEURITE
from neurorecon.tracing.foreground import ELONGATION, PAD, Cloud, Float32s

__all__ = ["Cover", "Heights", "mean_height", "measured_heights", "ridge_of"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
SCALE, MARGIN = SAME_NEURITE  # of the covering ball
RIDGE = 0.85  # centrality of a voxel that has a centre line of its own, and is not covered by that of another neurite


class Heights(NamedTuple):
    """How tall neurites are by their width, from some voxels: the sum of the logarithms, and their number."""

    total: float
    number: int


def mean_height(heights: Sequence[Heights]) -> float:
    """Return the height of neurites along z by their width, 1 to ELONGATION, from measurements at several places."""
    number = sum(one.number for one in heights)
    if not number:
        return 1.0
    return float(np.clip(np.exp(sum(one.total for one in heights) / number), 1.0, ELONGATION))


def measured_heights(cloud: Cloud, rows: NDArray[np.bool_]) -> Heights:
    """Measure the height of neurites along z by their width at the voxels that `rows` (N,) marks.

        height = geometric mean of chord(z) / min(chord(x), chord(y)), where chord(z) is not the longest of the three

    chord: the length of the unbroken line of foreground through a voxel. The longest one goes along the neurite, the
    two others across it: round neurites of all directions have height 1, because z then does not differ from x and y.
    """
    from neurorecon.tracing.kernels.voxel_kernels import chord_voxels

    count, chords = np.empty(len(cloud), np.int32), []
    for along, edge in zip((ALONG_Z, ALONG_Y, ALONG_X), cloud.spacing, strict=True):
        chord_voxels(cloud.near, along, count)
        chords.append(count[rows] * edge)
    z, y, x = chords
    across = z <= np.maximum(y, x)
    return Heights(float(np.log(z[across] / np.minimum(y, x)[across]).sum()), int(across.sum()))


def ridge_of(cloud: Cloud, depth: Float32s, evidence: Float32s) -> NDArray[np.bool_]:
    """Return which voxels (N,) have a centre line of their own, and are not covered by that of another neurite."""
    return centrality_of(cloud, depth, evidence, 2) > RIDGE


class Cover:
    """Marks the voxels within a ball as covered, (N,) `covered`."""

    def __init__(self, cloud: Cloud, depth: Float32s, evidence: Float32s, height: float | None = None) -> None:
        """Start with nothing covered; `height` is the height of neurites by their width, None measures it in the cloud."""
        from neurorecon.tracing.kernels.cover_kernels import line_starts

        self.cloud = cloud
        self.ridge = ridge_of(cloud, depth, evidence)
        height = mean_height([measured_heights(cloud, self.ridge)]) if height is None else height
        self.covered = np.zeros(len(cloud), bool)
        self.tall = np.array([max(1.0, height / SCALE), 1.0, 1.0])  # zyx, of SCALE depths
        largest = math.ceil(2 * SCALE * float(depth.max()))
        self.half_px = np.ceil(2 * SCALE * depth).astype(np.int64)  # (N,) of the ball of every voxel
        self.half_axes = self.axes_of(np.arange(largest + 1)[:, None])  # (H, 3)
        width = int(cloud.strides[1])
        self.shape = int(cloud.strides[0]) // width, width, PAD - 1
        self.starts = np.empty(int(cloud.key[-1]) // width + PAD * (self.shape[0] + 1), np.int32)
        line_starts(cloud.key, width, self.starts)
        self.balls: dict[int, NDArray[np.int64]] = {}

    def axes_of(self, half_px: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the half axes (..., 3) zyx, in voxels, of a ball of half `half_px` units."""
        axes = half_px / 2 / self.cloud.spacing
        return np.asarray(axes * self.tall + MARGIN, np.float64)

    def ball(self, half_px: int) -> NDArray[np.int64]:
        """Return the key offsets of a ball of half `half_px` units, and MARGIN voxels more along every axis."""
        if half_px not in self.balls:
            axes_voxels = self.axes_of(half_px)
            reach = np.minimum(axes_voxels, PAD - 1).astype(int)
            axes = [np.arange(-r, r + 1) for r in reach]
            offsets = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
            offsets = offsets[np.linalg.norm(offsets / axes_voxels, axis=1) <= 1]
            self.balls[half_px] = offsets @ self.cloud.strides
        return self.balls[half_px]

    def add(self, rows: NDArray[np.int64]) -> None:
        """Cover a ball around every row, and the rows beside."""
        from neurorecon.tracing.kernels.cover_kernels import cover_balls

        cloud, way = self.cloud, np.stack([rows, self.half_px[rows]])
        cover_balls(cloud.key, cloud.near, self.starts, self.shape, way, self.half_axes, self.ridge, self.covered)
