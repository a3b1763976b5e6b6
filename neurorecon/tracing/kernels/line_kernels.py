"""Loops along centre lines, compiled: even steps, smoothing, and the way to the nearest voxel outside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kernels.compiled import compiled

__all__ = ["distance_to_outside", "evenly", "find_repeats", "smoothed"]

Array = NDArray[Any]
# Conventions of the arrays; nothing to tune.
LAST = 25  # steps k and LAST - k are opposite
ALONG_Z, ALONG_Y, ALONG_X = 21, 15, 13  # of the 26 steps: one voxel on


@compiled
def gap(points: Array, i: int, j: int) -> float:
    """Return the distance between two of (N, 3) points."""
    z, y, x = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
    return float(np.sqrt(z * z + y * y + x * x))


@compiled
def evenly(points: Array, step: float) -> Array:
    """Return points (M, 3) at even distances of about `step` along a polyline (N, 3), both ends kept."""
    n = len(points)
    along = np.zeros(n)
    for i in range(1, n):
        along[i] = along[i - 1] + gap(points, i, i - 1)
    count = max(2, round(along[-1] / step) + 1)
    out = np.empty((count, 3))
    j = 0
    for m in range(count - 1):
        at = m * (along[-1] / (count - 1))
        while j < n - 2 and along[j + 1] <= at:
            j += 1
        ahead = min(j + 1, n - 1)
        for k in range(3):
            rise = (points[ahead, k] - points[j, k]) / (along[ahead] - along[j]) if at > along[j] else 0.0
            out[m, k] = rise * (at - along[j]) + points[j, k]
    for k in range(3):
        out[-1, k] = points[-1, k]
    return out


@compiled
def smoothed(fine: Array, weights: Array, reach: int) -> Array:
    """Return a polyline (N, 3) weighted by `weights` (2 * R + 1,), which are symmetric, along its points.

    It is mirrored through its two end points for `reach` points, and stays at the last of them beyond.
    """
    n, half = len(fine), len(weights) // 2
    last = n + 2 * reach - 1
    padded, out = np.empty((last + 1, 3)), np.empty((n, 3))
    for k in range(3):
        for i in range(reach):
            padded[i, k] = 2 * fine[0, k] - fine[reach - i, k]
            padded[n + reach + i, k] = 2 * fine[n - 1, k] - fine[n - 2 - i, k]
        for i in range(n):
            padded[i + reach, k] = fine[i, k]
        for i in range(n):
            total = padded[i + reach, k] * weights[half]
            for d in range(half, 0, -1):
                total += (padded[max(i + reach - d, 0), k] + padded[min(i + reach + d, last), k]) * weights[half - d]
            out[i, k] = total
    return out


@compiled
def find_repeats(points: Array, parent: Array, least: float, keep: Array) -> None:
    """Unmark in `keep` the nodes nearer than `least` to their parent, and attach their children to the parent."""
    for node in range(len(parent)):
        if parent[node] < 0:
            continue
        if not keep[parent[node]]:
            parent[node] = parent[parent[node]]
        keep[node] = gap(points, node, parent[node]) >= least


@compiled
def along_x(near: Array, inside: Array, row: int, square: float, x: float, edge: float, best: float) -> float:
    """Return the least of `best` and the squares to the first voxels outside on both sides along x.

    `row` lies `x` voxels along x from the point; `square` is what the line's distance adds.
    """
    for way in (ALONG_X, LAST - ALONG_X):
        j, at = row, x
        while True:
            total = square + (edge * at) ** 2
            if total >= best:
                break
            if j == len(near) or not inside[j]:
                best = total
                break
            j = near[j, way]
            at += 1.0 if way == ALONG_X else -1.0
    return best


@compiled
def along_plane(near: Array, inside: Array, row: int, square: float, at: Array, edges: Array, best: float) -> float:
    """Return the least of `best` and the squares to voxels outside in a plane, searched line by line along y."""
    for way in (ALONG_Y, LAST - ALONG_Y):
        j, y = row, at[1]
        while True:
            total = square + (edges[1] * y) ** 2
            if total >= best:
                break
            if j == len(near) or not inside[j]:
                best = min(best, total + (edges[2] * at[2]) ** 2)
                break
            best = along_x(near, inside, j, total, at[2], edges[2], best)
            j = near[j, way]
            y += 1.0 if way == ALONG_Y else -1.0
    return best


@compiled
def distance_to_outside(near: Array, inside: Array, rows: Array, offset: Array, edges: Array, out: Array) -> None:
    """out[i] = distance to the nearest voxel that is not in the cloud, or not `inside`, from a point in voxel rows[i].

    `offset` (M, 3) runs from the points to the centres of their voxels, half a voxel at most; rows below 0 are left
    out. Nothing beyond the first voxel outside along an axis can be nearer than that one, so the walks go no further.
    """
    for i in range(len(rows)):
        if rows[i] < 0:
            continue
        best = np.inf
        at = offset[i]
        for way in (ALONG_Z, LAST - ALONG_Z):
            j, z = rows[i], at[0]
            while True:
                square = (edges[0] * z) ** 2
                if square >= best:
                    break
                if j == len(near) or not inside[j]:
                    best = min(best, square + (edges[1] * at[1]) ** 2 + (edges[2] * at[2]) ** 2)
                    break
                best = along_plane(near, inside, j, square, at, edges, best)
                j = near[j, way]
                z += 1.0 if way == ALONG_Z else -1.0
        out[i] = np.sqrt(best)
