"""What of the foreground a growing tree has covered: a ball of SCALE times the depth and MARGIN voxels round every node.

After TEASAR (Sato et al. 2000, section 4.4), with a ball instead of a cube, and without the centre lines of others.
"""

import math

import numpy as np
from numpy.typing import NDArray

from neurorecon.trace.cloud import PAD, Cloud, Floats
from neurorecon.trace.cost import centrality_of

__all__ = ["Cover"]

SCALE, MARGIN = 1.2, 1.5  # of the covering ball
RIDGE = 0.85  # centrality of a voxel that has a centre line of its own, and is not covered by that of another neurite


class Cover:
    """Marks the voxels within a ball as covered, (N,) `covered`."""

    def __init__(self, cloud: Cloud, depth: Floats, evidence: Floats) -> None:
        """Start with nothing covered; find where each line of voxels along x begins."""
        from neurorecon.trace.cover_kernels import line_starts

        self.cloud = cloud
        self.ridge = centrality_of(cloud, depth, evidence, 2) > RIDGE
        self.covered = np.zeros(len(cloud), bool)
        largest = math.ceil(2 * SCALE * float(depth.max()))
        self.half_px = np.ceil(2 * SCALE * depth).astype(np.int64)  # (N,) of the ball of every voxel
        self.half_axes = np.arange(largest + 1)[:, None] / 2 / cloud.spacing + MARGIN  # (H, 3), voxels
        width = int(cloud.strides[1])
        self.shape = int(cloud.strides[0]) // width, width, PAD - 1
        self.starts = np.empty(int(cloud.key[-1]) // width + PAD * (self.shape[0] + 1), np.int32)
        line_starts(cloud.key, width, self.starts)
        self.balls: dict[int, NDArray[np.int64]] = {}

    def ball(self, half_px: int) -> NDArray[np.int64]:
        """Return the key offsets of a ball of half `half_px` units, and MARGIN voxels more along every axis."""
        if half_px not in self.balls:
            axes_voxels = half_px / 2 / self.cloud.spacing + MARGIN
            reach = np.minimum(axes_voxels, PAD - 1).astype(int)
            axes = [np.arange(-r, r + 1) for r in reach]
            offsets = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
            offsets = offsets[np.linalg.norm(offsets / axes_voxels, axis=1) <= 1]
            self.balls[half_px] = offsets @ self.cloud.strides
        return self.balls[half_px]

    def add(self, rows: NDArray[np.int64]) -> None:
        """Cover a ball around every row, and the rows beside."""
        from neurorecon.trace.cover_kernels import cover_balls

        cloud = self.cloud.key, self.cloud.near, self.starts
        way = np.stack([rows, self.half_px[rows]])
        cover_balls(cloud, self.shape, way, self.half_axes, self.ridge, self.covered)
