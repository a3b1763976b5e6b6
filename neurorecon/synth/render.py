"""Anti-aliased balls on a grid: many of them along a path make a tapered tube of sub-voxel accuracy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "draw_at", "draw_balls", "make_grid", "strokes"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
CHUNK = 1 << 20  # voxels touched at once: fits the cache better than more, and keeps memory flat
MASK_FLOOR_PX = 0.8  # thinner masks break into pieces that no longer touch
FINEST = 8  # sub-planes per plane at most


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid in px: voxel (i, j, k) has its centre at `origin + (i, j, k) * spacing`; `fold` sub-planes a plane."""

    shape: tuple[int, int, int]
    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]
    fold: int


def make_grid(shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> Grid:
    """Return the grid that a stack of `shape` is rendered on: planes are split until they lie about one px apart."""
    vz, vy, vx = voxel_size
    fold = int(np.clip(round(vz / vx), 1, FINEST))
    spacing = np.array([vz / vx / fold, vy / vx, 1.0])
    origin = np.array([0.5 * spacing[0] - 0.5 * vz / vx, 0.0, 0.0])
    return Grid((shape[0] * fold, shape[1], shape[2]), spacing, origin, fold)


def strokes(
    points: NDArray[np.float64], values: NDArray[np.float64], parent: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (M, 3) and values (M, C) with the middles of all edges added, so that thin tubes have no beads."""
    child = np.flatnonzero(parent >= 0)
    up = parent[child]
    between = 0.5 * (points[child] + points[up]), 0.5 * (values[child] + values[up])
    return np.concatenate([points, between[0]]), np.concatenate([values, between[1]])


def draw_balls(
    grid: Grid,
    points: NDArray[np.float64],
    radius: NDArray[np.float64],
    value: NDArray[np.float64],
    signal: NDArray[np.float32] | None,
    *,
    mask: NDArray[np.bool_] | None = None,
) -> None:
    """Draw balls into `signal` (the brightest wins) and, where given, into `mask`; both have the grid's shape.

    A voxel at distance d of a ball of radius r is covered by clip(r + 1/2 - d, 0, 1): exact for a flat border, and
    within a few per cent of the volume for balls of radius 1.
    """
    draw_at(grid, (points - grid.origin) / grid.spacing, radius, value, signal, mask=mask)


def draw_at(
    grid: Grid,
    at: NDArray[np.float64],
    radius: NDArray[np.float64],
    value: NDArray[np.float64],
    signal: NDArray[np.float32] | None,
    *,
    mask: NDArray[np.bool_] | None = None,
) -> None:
    """Draw balls as `draw_balls` does, around `at` (N, 3) in steps of the grid from its first voxel; radius in px."""
    base = np.rint(at).astype(np.int64)
    bucket = np.ceil(radius).astype(np.int64)
    for size in np.unique(bucket):
        reach = size + 0.5
        half = np.ceil((reach + 0.5) / grid.spacing).astype(np.int64)
        near = (bucket == size) & ((base >= -half) & (base < np.array(grid.shape) + half)).all(1)
        rows = np.flatnonzero(near)
        offsets = np.stack(np.meshgrid(*(np.arange(-h, h + 1) for h in half), indexing="ij"), -1).reshape(-1, 3)
        slack = 0.5 * np.linalg.norm(grid.spacing)
        offsets = offsets[np.linalg.norm(offsets * grid.spacing, axis=1) <= reach + slack]
        step = max(1, CHUNK // len(offsets))
        for k in range(0, len(rows), step):
            part = rows[k : k + step]
            _draw(
                grid,
                offsets,
                base=base[part],
                at=at[part],
                radius=radius[part],
                value=value[part],
                signal=signal,
                mask=mask,
            )


def _draw(
    grid: Grid,
    offsets: NDArray[np.int64],
    *,
    base: NDArray[np.int64],
    at: NDArray[np.float64],
    radius: NDArray[np.float64],
    value: NDArray[np.float64],
    signal: NDArray[np.float32] | None,
    mask: NDArray[np.bool_] | None,
) -> None:
    """Draw one chunk: offsets (M, 3) around every base voxel (N, 3) of balls at `at` (N, 3), in grid steps."""
    shift = ((base - at) * grid.spacing).astype(np.float32)
    squared = np.zeros((len(base), len(offsets)), np.float32)
    inside = np.ones((len(base), len(offsets)), bool)
    flat = np.zeros((len(base), len(offsets)), np.int64)
    for axis in range(3):
        squared += (shift[:, axis, None] + (offsets[:, axis] * grid.spacing[axis]).astype(np.float32)) ** 2
        where = base[:, axis, None] + offsets[:, axis]
        if where.min() < 0 or where.max() >= grid.shape[axis]:
            inside &= (where >= 0) & (where < grid.shape[axis])
        flat = flat * grid.shape[axis] + where
    distance = np.sqrt(squared)
    thick = radius.astype(np.float32)[:, None]
    if mask is not None:
        mask.reshape(-1)[flat[inside & (distance <= np.maximum(thick, MASK_FLOOR_PX))]] = True
    if signal is not None:
        cover = np.clip(thick + 0.5 - distance, 0, 1)
        keep = inside & (cover > 0)
        np.maximum.at(signal.reshape(-1), flat[keep], (cover * value.astype(np.float32)[:, None])[keep])
