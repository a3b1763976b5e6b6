"""Loops over a box of voxels for its cavities, compiled: backgrounds between foreground, and the walls around them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kernels.compiled import compiled

__all__ = ["count_between", "weigh_walls"]

Array = NDArray[Any]


@compiled
def count_between(value: Array, line: Array, longest: int, first: bool, times: Array) -> None:
    """Add 1 to `times` (Z, Y, X) of each dark voxel between two lit ones on a line of steps `line` (3,), in `value` (Z, Y, X).

    At most `longest` dark voxels lie between. Where `first` is false, only voxels count that have some already. Each lit
    voxel looks ahead to the next one, so that nothing is sorted or copied.
    """
    deep, high, wide = value.shape
    dz, dy, dx = line[0], line[1], line[2]
    for z in range(deep):
        for y in range(high):
            for x in range(wide):
                if value[z, y, x] == 0:
                    continue
                a, b, c, gap = z + dz, y + dy, x + dx, 0
                while gap <= longest and 0 <= a < deep and 0 <= b < high and 0 <= c < wide and value[a, b, c] == 0:
                    a, b, c, gap = a + dz, b + dy, c + dx, gap + 1
                if gap == 0 or gap > longest or not (0 <= a < deep and 0 <= b < high and 0 <= c < wide):
                    continue
                for _ in range(gap):
                    a, b, c = a - dz, b - dy, c - dx
                    if first or times[a, b, c] > 0:
                        times[a, b, c] += 1


@compiled
def weigh_walls(value: Array, label: Array, depth: int, weights: Array) -> None:
    """Add up what surrounds each label (Z, Y, X; 0 is none) in `weights` (L, 4).

    They are: its voxels, its faces to lit voxels of `value` (Z, Y, X), the sum of the largest values within `depth` voxels
    behind these, and its faces to voxels that are neither lit nor labelled.
    """
    size = np.array(value.shape)
    at, place = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for z in range(size[0]):
        for y in range(size[1]):
            for x in range(size[2]):
                own = label[z, y, x]
                if own == 0:
                    continue
                weights[own, 0] += 1
                at[0], at[1], at[2] = z, y, x
                for side in range(6):
                    axis, step = side // 2, 2 * (side % 2) - 1
                    place[:] = at
                    best, beside, free = 0, False, True
                    for nth in range(depth):
                        place[axis] += step
                        if not 0 <= place[axis] < size[axis]:
                            break
                        here = value[place[0], place[1], place[2]]
                        if nth == 0:
                            beside = here > 0
                            free = not beside and label[place[0], place[1], place[2]] == 0
                            if not beside:
                                break
                        best = max(best, here)
                    weights[own, 1] += beside
                    weights[own, 2] += best
                    weights[own, 3] += free
