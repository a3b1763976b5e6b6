"""The way of a join: the cheapest one through the probability, as the tracer bridges gaps (tracing/bridge.py).

A step of unit length costs 1 / (DARK + p), so that a bright detour goes before a short cut through the dark.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize, xyz_to_zyx, zyx_to_xyz
from neurorecon.core.tree import Unit
from neurorecon.report.stretches import STEP_PX
from neurorecon.tracing.bridge import DARK
from neurorecon.tracing.foreground import shape_metric

__all__ = ["Ground", "cheapest_way", "straight_way"]

# Set by hand; not tuned, unless a line says more.
MARGIN_PX, MARGIN_SHARE = (
    8,
    0.5,
)  # of the distance: how far a way may leave the box around both ends; a half circle does not
MOST_VOXELS = 50_000_000  # of that box: 600 MB, and some seconds; 300 voxels along each axis hold three times as little
OUTSIDE_PX = 1.0  # that an end may lie beside the map, by rounding

Floats = NDArray[np.float64]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Ground:
    """A probability that is read where it is needed.

    Attributes:
        shape: (Z, Y, X) of the map.
        read: returns the map, uint8, in a box of its voxels.
        voxel_size: of the map, micrometres, or None.
        planes: of the map for one of the stack.
        unit: of the tree.
        name: how an outcome calls it.
    """

    shape: tuple[int, int, int]
    read: Callable[[Box], NDArray[np.uint8]]
    voxel_size: VoxelSize | None
    planes: int
    unit: Unit
    name: str

    def to_zyx(self, xyz: Floats) -> Floats:
        """Return points of the tree (..., 3) in voxels of the map."""
        return xyz_to_zyx(xyz, self.voxel_size) if self.unit == "um" else xyz_to_zyx(xyz) * (self.planes, 1, 1)

    def to_xyz(self, zyx: Floats) -> Floats:
        """Return voxels of the map (..., 3) as points of the tree."""
        return zyx_to_xyz(zyx, self.voxel_size) if self.unit == "um" else zyx_to_xyz(zyx / (self.planes, 1, 1))


def cheapest_way(ground: Ground, start: Floats, end: Floats) -> Floats | None:
    """Return the points (M, 3) between two points, xyz, 1.5 px apart; None if the map lacks one, or the box is too large."""
    import dijkstra3d

    shape, spacing = np.array(ground.shape), shape_metric(ground.voxel_size)
    ends = np.stack([ground.to_zyx(start), ground.to_zyx(end)])
    voxels = np.clip(np.rint(ends).astype(np.int64), 0, shape - 1)
    if (np.abs(voxels - ends) > OUTSIDE_PX).any():
        return None
    distance = float(np.linalg.norm((ends[1] - ends[0]) * spacing))
    margin = np.ceil((MARGIN_PX + MARGIN_SHARE * distance) / spacing).astype(np.int64)
    low, high = np.maximum(voxels.min(0) - margin, 0), np.minimum(voxels.max(0) + margin + 1, shape)
    if np.prod(high - low) > MOST_VOXELS:
        return None
    p = np.asarray(ground.read((slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))), np.float32)
    cost = np.asfortranarray(1 / (DARK + p / 255))
    first, last = (tuple(int(v) for v in row - low) for row in voxels)
    found = dijkstra3d.dijkstra(cost, first, last, connectivity=26, anisotropy=tuple(spacing.tolist())).astype(np.int64)
    if len(found) and tuple(found[0].tolist()) != first:
        found = found[::-1]
    path = found + low.astype(np.float64)
    path = np.concatenate([ends[:1], path[1:-1], ends[1:]])
    return ground.to_xyz(_even(_smooth(path), spacing))


def straight_way(start: Floats, end: Floats, step: float) -> Floats:
    """Return the points (M, 3) between two points on a straight line, at most `step` apart."""
    count = max(1, int(np.ceil(float(np.linalg.norm(end - start)) / step)))
    return start + (end - start) * (np.arange(1, count) / count)[:, None]


def _smooth(path: Floats) -> Floats:
    """Return a voxel path (N, 3) without its stairs: each point the mean of itself and its neighbours, twice; ends stay."""
    for _ in range(2):
        path = path.copy()
        path[1:-1] = (path[:-2] + path[1:-1] + path[2:]) / 3
    return path


def _even(path: Floats, spacing: Floats) -> Floats:
    """Return the points between the ends of a path (N, 3), zyx, at even steps of about 1.5 px."""
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(path, axis=0) * spacing, axis=1))]
    count = max(1, round(along[-1] / STEP_PX))
    at = np.linspace(0, along[-1], count + 1)[1:-1]
    return np.stack([np.interp(at, along, axis) for axis in path.T], axis=1).reshape(-1, 3)
