"""Loops over a cloud's voxels and their 26 neighbours, compiled: each walks its arrays once, and none makes a copy.

Row N stands for a missing voxel; arrays called `padded` have N + 1 values, 0 for that one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kernels.compiled import compiled

__all__ = [
    "best_rows",
    "chord_voxels",
    "collect_bright",
    "component_of",
    "count_bright",
    "largest_beside",
    "nearest_along_a_row",
    "nearest_along_columns",
    "neighbour_rows",
    "place",
    "renamed",
    "weighted_beside",
]

Array = NDArray[Any]
# Conventions of the arrays; nothing to tune.
CHUNK = 256  # voxels that are skipped at once where all are dark; 3 times as quick as 64
HALF = 13  # neighbours 0 to 12 come earlier in the order of keys, 13 to 25 later


@compiled
def holds_bright(chunk: Array, at_least: int) -> bool:
    """Return whether a value of a uint8 chunk reaches `at_least`. Without a way out of the loop it takes 32 at once."""
    level, found = np.uint8(at_least), False
    for i in range(len(chunk)):
        found |= chunk[i] >= level
    return found


@compiled
def count_bright(block: Array, at_least: int) -> int:
    """Return how many values of a flat uint8 block reach `at_least`."""
    count = 0
    for start in range(0, len(block), CHUNK):
        chunk = block[start : start + CHUNK]
        if holds_bright(chunk, at_least):
            for value in chunk:
                count += value >= at_least
    return count


@compiled
def collect_bright(block: Array, at_least: int, index: Array, value: Array) -> None:
    """Write index and value of all that reach `at_least`, in order."""
    found = 0
    for start in range(0, len(block), CHUNK):
        chunk = block[start : start + CHUNK]
        if holds_bright(chunk, at_least):
            for k in range(len(chunk)):
                if chunk[k] >= at_least:
                    index[found] = start + k
                    value[found] = chunk[k]
                    found += 1


@compiled
def place(flat: Array, height: int, width: int, pad: int, zyx: Array, key: Array) -> None:
    """Write the voxel indices (N, 3) of flat indices into a volume, and their keys in one with `pad` voxels around."""
    for i in range(len(flat)):
        line = flat[i] // width
        zyx[i, 0], zyx[i, 1], zyx[i, 2] = line // height, line % height, flat[i] % width
        lines = (zyx[i, 0] + pad) * (height + 2 * pad) + zyx[i, 1] + pad
        key[i] = lines * (width + 2 * pad) + zyx[i, 2] + pad


@compiled
def neighbour_rows(key: Array, lines: Array, near: Array) -> None:
    """Write the rows of the neighbours to `near` (N, 26), which is filled with N.

    near[i, k] = row of key[i] + step[k]. Keys ascend, so five cursors that only move forward find all later
    neighbours, three at a time: `lines` (4,) are the steps to the first of each three, (0, 1, -1), (1, -1, -1),
    (1, 0, -1), (1, 1, -1). The earlier ones are their mirror images. 7 to 9 times as quick as 13 binary searches.
    """
    n = len(key)
    finger = np.zeros(4, np.int64)
    for i in range(n):
        if i + 1 < n and key[i + 1] == key[i] + 1:
            near[i, HALF] = i + 1
            near[i + 1, HALF - 1] = i
        for line in range(4):
            first, j = key[i] + lines[line], finger[line]
            while j < n and key[j] < first:
                j += 1
            finger[line] = j
            while j < n and key[j] <= first + 2:
                k = HALF + 1 + 3 * line + key[j] - first
                near[i, k] = j
                near[j, 2 * HALF - 1 - k] = i
                j += 1


@compiled
def root_of(above: Array, row: int) -> int:
    """Return the root of a row, and halve its way there."""
    while above[row] != row:
        above[row] = above[above[row]]
        row = above[row]
    return row


@compiled
def join(above: Array, a: int, b: int) -> None:
    """Join the sets of two rows; the lower root stays."""
    a, b = root_of(above, a), root_of(above, b)
    if a < b:
        above[b] = a
    else:
        above[a] = b


@compiled
def component_of(key: Array, lines: Array, label: Array) -> int:
    """Write the 26-connected component of every row to `label` and return their number; numbered by their first rows.

    Disjoint sets (Tarjan 1975) over the same five fingers as in `neighbour_rows`, so that no table is needed.
    """
    n = len(key)
    finger = np.zeros(4, np.int64)
    for i in range(n):
        label[i] = i
    for i in range(n):
        if i + 1 < n and key[i + 1] == key[i] + 1:
            join(label, i, i + 1)
        for line in range(4):
            first, j = key[i] + lines[line], finger[line]
            while j < n and key[j] < first:
                j += 1
            finger[line] = j
            last = first - 2
            while j < n and key[j] <= first + 2:
                if key[j] != last + 1:  # else it is joined to the one before, which is joined to i
                    join(label, i, j)
                last = key[j]
                j += 1
    count = 0
    for i in range(n):  # roots come before their children, so their numbers are known when they are needed
        if label[i] == i:
            label[i] = count
            count += 1
        else:
            label[i] = label[label[i]]
    return count


@compiled
def renamed(near: Array, rows: Array, name: Array, out: Array) -> None:
    """out[i, k] = name[near[rows[i], k]]: the table of the voxels `rows` with the names that they get."""
    for i in range(len(rows)):
        for k in range(2 * HALF):
            out[i, k] = name[near[rows[i], k]]


@compiled
def largest_beside(near: Array, padded: Array, out: Array) -> None:
    """out[i] = max(padded[i], padded[near[i, k]] over k). 7 to 10 times as quick as 26 passes of numpy."""
    for i in range(len(near)):
        best = padded[i]
        for k in range(2 * HALF):
            best = max(best, padded[near[i, k]])
        out[i] = best


@compiled
def weighted_beside(near: Array, padded: Array, weights: Array, out: Array) -> None:
    """out[i] = padded[i] + sum over k of weights[k] * padded[near[i, k]], in the order of k."""
    for i in range(len(near)):
        total = padded[i]
        for k in range(2 * HALF):
            total += weights[k] * padded[near[i, k]]
        out[i] = total


@compiled
def nearest_along_a_row(near: Array, edge: float, square: Array) -> None:
    """square[i] = (edge * steps to the nearest background along x) ** 2. Neighbours along x are neighbouring rows."""
    n = len(near)
    steps = 0
    for i in range(n):
        steps = 1 if near[i, HALF - 1] == n else steps + 1
        square[i] = steps
    for i in range(n - 1, -1, -1):
        steps = 1 if near[i, HALF] == n else steps + 1
        square[i] = (edge * min(square[i], steps)) ** 2


@compiled
def nearest_along_columns(near: Array, step: int, edge: float, square: Array, out: Array) -> None:
    """out[i] = min over d of square[d steps away] + (edge * d) ** 2, along `step` of the 26 and its opposite.

    The second and third pass of the exact distance transform of Saito and Toriwaki (1994). A column ends at the
    background, where `square` is 0, and a walk where its own length exceeds the best: after about `depth` steps.
    """
    n = len(near)
    for i in range(n):
        best = square[i]
        for way in (step, 2 * HALF - 1 - step):
            j, d = i, 0
            while True:
                j, d = near[j, way], d + 1
                along = (edge * d) ** 2
                if along >= best:
                    break
                if j == n:
                    best = along
                    break
                best = min(best, along + square[j])
        out[i] = best


@compiled
def best_rows(label: Array, worth: Array, best: Array) -> None:
    """best[c] = first row of the largest worth among those of label c; `best` comes filled with -1."""
    for i in range(len(label)):
        c = label[i]
        if best[c] < 0 or worth[i] > worth[best[c]]:
            best[c] = i


@compiled
def chord_voxels(near: Array, after: int, count: Array) -> None:
    """count[v] = voxels of the unbroken line through v along the step `after`, one to a later key."""
    before = near.shape[1] - 1 - after
    for v in range(len(near)):
        count[v] = 1 if near[v, before] == len(near) else count[near[v, before]] + 1
    for v in range(len(near) - 1, -1, -1):
        if near[v, after] < len(near):
            count[v] = count[near[v, after]]
