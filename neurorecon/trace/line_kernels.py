"""Loops along centre lines, compiled: even steps, smoothing, and the way to the nearest voxel outside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.trace.compiled import compiled

__all__ = ["distance_to_outside", "distance_to_rim", "evenly", "smoothed"]

Array = NDArray[Any]
LAST = 25  # steps k and LAST - k are opposite
ALONG_Z, ALONG_Y, ALONG_X = 21, 15, 13  # of the 26 steps: one voxel on


@compiled
def evenly(points: Array, step: float) -> Array:
    """Return points (M, 3) at even distances of about `step` along a polyline (N, 3), both ends kept."""
    n = len(points)
    along = np.zeros(n)
    for i in range(1, n):
        a, b, c = points[i] - points[i - 1]
        along[i] = along[i - 1] + np.sqrt(a * a + b * b + c * c)
    count = max(2, round(along[-1] / step) + 1)
    out = np.empty((count, 3))
    out[-1] = points[-1]
    j = 0
    for m in range(count - 1):
        at = m * (along[-1] / (count - 1))
        while j < n - 2 and along[j + 1] <= at:
            j += 1
        ahead = min(j + 1, n - 1)
        gap = along[ahead] - along[j]
        for k in range(3):
            rise = (points[ahead, k] - points[j, k]) / gap if at > along[j] else 0.0
            out[m, k] = rise * (at - along[j]) + points[j, k]
    return out


@compiled
def smoothed(fine: Array, weights: Array, reach: int) -> Array:
    """Return a polyline (N, 3) weighted by `weights` (2 * R + 1,), which are symmetric, along its points.

    It is mirrored through its two end points for `reach` points, and stays at the last of them beyond.
    """
    n, half = len(fine), len(weights) // 2
    padded = np.empty((n + 2 * reach, 3))
    for i in range(reach):
        padded[i] = 2 * fine[0] - fine[reach - i]
        padded[n + reach + i] = 2 * fine[-1] - fine[n - 2 - i]
    padded[reach : n + reach] = fine
    out = np.empty((n, 3))
    last = len(padded) - 1
    for i in range(n):
        for k in range(3):
            total = padded[i + reach, k] * weights[half]
            for d in range(half, 0, -1):
                total += (padded[max(i + reach - d, 0), k] + padded[min(i + reach + d, last), k]) * weights[half - d]
            out[i, k] = total
    return out


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


@compiled
def square_to_rim(near: Array, inside: Array, zyx: Array, rows: tuple[int, int], at: Array, edges: Array) -> float:
    """Return the least square from a point to what lies outside at the voxels `rows` (first, after the last).

    That is a voxel itself where it is not `inside`, and the background behind the faces of one that is.
    """
    best = np.inf
    for j in range(rows[0], rows[1]):
        z, y, x = zyx[j, 0] - at[0], zyx[j, 1] - at[1], zyx[j, 2] - at[2]
        if not inside[j]:
            best = min(best, (edges[0] * z) ** 2 + (edges[1] * y) ** 2 + (edges[2] * x) ** 2)
            continue
        for side in (-1, 1):
            step_z, step_y, step_x = (ALONG_Z, ALONG_Y, ALONG_X) if side > 0 else (LAST - ALONG_Z, LAST - ALONG_Y, LAST - ALONG_X)
            if near[j, step_z] == len(near):
                best = min(best, (edges[0] * (z + side)) ** 2 + (edges[1] * y) ** 2 + (edges[2] * x) ** 2)
            if near[j, step_y] == len(near):
                best = min(best, (edges[0] * z) ** 2 + (edges[1] * (y + side)) ** 2 + (edges[2] * x) ** 2)
            if near[j, step_x] == len(near):
                best = min(best, (edges[0] * z) ** 2 + (edges[1] * y) ** 2 + (edges[2] * (x + side)) ** 2)
    return best


@compiled
def distance_to_rim(key: Array, home: int, strides: Array, near: Array, inside: Array, zyx: Array, at: Array, edges: Array) -> float:
    """Return the distance from a point in the background to the nearest voxel outside that a voxel of the cloud touches.

    Looks in boxes of growing reach around `home`, the key of the point's voxel; in the whole cloud at last.
    """
    for reach in (3, 6, 12, 24, 48):
        best = np.inf
        for z in range(-reach - 1, reach + 2):
            for y in range(-reach - 1, reach + 2):
                line = home + z * strides[0] + y * strides[1]
                first = np.searchsorted(key, line - reach - 1)
                last = first
                while last < len(key) and key[last] <= line + reach + 1:
                    last += 1
                best = min(best, square_to_rim(near, inside, zyx, (first, last), at, edges))
        if best <= (reach * edges.min()) ** 2:
            return np.sqrt(best)
    return np.sqrt(square_to_rim(near, inside, zyx, (0, len(key)), at, edges))
