"""The voxels that a neurite covers, compiled: balls round the nodes of a path, searched line by line."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kernels.compiled import compiled

__all__ = ["cover_balls", "line_starts"]

Array = NDArray[Any]
Shape = tuple[int, int, int]  # lines a plane, keys a line, most voxels of a half axis


@compiled
def line_starts(key: Array, width: int, starts: Array) -> None:
    """starts[l] = first row whose key is at least l * width: where each line along x begins, and one end more."""
    row = 0
    for line in range(len(starts)):
        while row < len(key) and key[row] < line * width:
            row += 1
        starts[line] = row


@compiled
def cover_line(key: Array, rows: tuple[int, int], keys: tuple[int, int], kept: Array, covered: Array) -> None:
    """Cover those of `rows` (first, after the last) whose keys lie in `keys` (first, last), but for those `kept`."""
    low, high = rows
    while low < high:
        middle = (low + high) >> 1
        if key[middle] < keys[0]:
            low = middle + 1
        else:
            high = middle
    while low < rows[1] and key[low] <= keys[1]:
        if not kept[low]:
            covered[low] = True
        low += 1


@compiled
def cover_ball(key: Array, starts: Array, shape: Shape, axes: Array, home: int, kept: Array, covered: Array) -> None:
    """Cover the voxels within an ellipsoid of half `axes` (3,) round the key `home`, but for those `kept`.

    |offset / axes| <= 1. A line of the ball is a
    range of keys, so each takes one search: 3 times as quick as a search for every voxel of the ball.
    """
    lines, width, most = shape
    reach_z, reach_y, reach_x = int(min(axes[0], most)), int(min(axes[1], most)), int(min(axes[2], most))
    for z in range(-reach_z, reach_z + 1):
        for y in range(-reach_y, reach_y + 1):
            across = (z / axes[0]) ** 2 + (y / axes[1]) ** 2
            if np.sqrt(across) > 1:
                continue
            x = min(reach_x, int(axes[2] * np.sqrt(max(0.0, 1 - across))) + 1)
            while np.sqrt(across + (x / axes[2]) ** 2) > 1:  # not more than twice
                x -= 1
            middle = home + (z * lines + y) * width
            line = middle // width
            cover_line(key, (starts[line], starts[line + 1]), (middle - x, middle + x), kept, covered)


@compiled
def cover_balls(
    key: Array, near: Array, starts: Array, shape: Shape, way: Array, half_axes: Array, kept: Array, covered: Array
) -> None:
    """Cover a ball round the rows of a way and what is beside them.

    half_axes[h] (H, 3) are the half axes of a ball of radius h / 2; half_px[i] says which one row i of the way has:
    `way` (2, M) holds rows and half_px. Wide balls overlap, so every h // 8th node of a radius is enough.
    """
    seen = np.zeros(len(half_axes), np.int64)
    for i in range(way.shape[1]):
        row, half_px = way[0, i], way[1, i]
        covered[row] = True
        for k in range(near.shape[1]):
            if near[row, k] < len(near):
                covered[near[row, k]] = True
        if seen[half_px] % max(1, half_px // 8) == 0:
            cover_ball(key, starts, shape, half_axes[half_px], key[row], kept, covered)
        seen[half_px] += 1
