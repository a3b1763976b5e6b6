"""Fill the cavities of the foreground: the dark inside of a thick neurite, and the dark nucleus of a body.

A network that learned thin neurites marks the walls of thick ones, and the light of a membrane comes from the wall alone. A
path through such a shell has no middle to follow: it runs along the wall, several times, and its turns become false branches.

    candidate = background with foreground on both sides, at most REACH_PX apart, along ENCLOSED of the 13 lines through a voxel
    cavity    = candidates that touch each other (6 neighbours), of whose surface at most LEAK is open background

A cavity in the strict sense has no opening at all, but walls have holes, and a long tube is open along its axis. Between
neurites that are near each other there are candidates as well; but most of their surface is open. A cavity is as certain as
its wall: its voxels get the mean value of the middle of the wall around it.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import components, cuts_between, rows_within

__all__ = ["with_cavities"]

# Set by hand on synthetic neurites of 3 to 8 voxels of radius (docs/method.md); not tuned. In maps of 19 training stacks and of
# 15 real ones no voxel is in a cavity by them.
REACH_PX = 32  # from wall to wall: a body of 16 px of radius; halos of blocks are 48 voxels wide
ENCLOSED = 10  # of 13 lines: one runs along a tube, and two may meet holes of its wall
FLAT = 2  # ... and of the four lines in a plane, which are looked at first
LEAK = 0.4  # of the surface
LEAST = 8  # voxels: a smaller hole turns no path aside; a real crop and a real stack have such of one and two voxels
WALL = 3  # voxels into the wall, whose largest value is that of the wall: its rim is less certain than its middle
DENSE = 8  # voxels of its box by those of the foreground, below which the box is looked at voxel by voxel
AT_ONCE = 200_000  # voxels of the foreground whose lines in their planes are looked at together

LINES = np.array([(0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1), *((1, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))])

Ints = NDArray[np.int64]
Places = NDArray[np.int32]


def with_cavities(
    zyx: Places, key: Ints, value: NDArray[np.uint8], *, strides: Ints, spacing: NDArray[np.float64]
) -> tuple[Places, Ints, NDArray[np.uint8]]:
    """Return the foreground with its cavities: places, keys and values (N + M, ...), by ascending key.

    Args:
        zyx: (N, 3) voxels.
        key: (N,) theirs, ascending: a step along an axis adds its stride.
        value: (N,) probability, 0 to 255.
        strides: (3,) of the keys, zyx.
        spacing: (3,) edges of a voxel, zyx, by the shortest one.
    """
    if not len(key):
        return zyx, key, value
    reach = np.maximum(REACH_PX / np.linalg.norm(LINES * spacing, axis=1), 1).astype(np.int64)
    low = zyx.min(0)
    box = zyx.max(0) - low + 1
    if int(np.prod(box, dtype=np.int64)) <= DENSE * len(key) and value.min() > 0:
        return dense(zyx, key, value, strides=strides, reach=reach)
    steps, flat = LINES @ strides, LINES[:, 0] == 0
    found, times = enclosed_in_planes(zyx, key, steps[flat], reach[flat])
    at = places_of(found, zyx[0], int(key[0]), strides)
    for left, line in enumerate(np.flatnonzero(~flat).tolist()):
        times = times + lies_between(at[:, 0], found, zyx[:, 0], key, step=int(steps[line]), longest=int(reach[line]))
        able = times + (np.count_nonzero(~flat) - left - 1) >= ENCLOSED
        at, found, times = at[able], found[able], times[able]
    if not len(found):
        return zyx, key, value
    inside, level = cavities_among(found, key, value, strides)
    if not inside.any():
        return zyx, key, value
    keys, values = np.concatenate([key, found[inside]]), np.concatenate([value, level[inside]])
    order = np.argsort(keys, kind="stable")
    return np.concatenate([zyx, at[inside]])[order], keys[order], values[order]


def dense(
    zyx: Places, key: Ints, value: NDArray[np.uint8], *, strides: Ints, reach: Ints
) -> tuple[Places, Ints, NDArray[np.uint8]]:
    """Return what `with_cavities` does, by arrays of the whole box of the foreground: texture has as many candidates as voxels.

    `reach` (13,) is that of each line. The random texture of 2.3 million voxels takes 2.1 s of a processor instead of 21.
    """
    from scipy.ndimage import label

    from neurorecon.tracing.kernels.cavity_kernels import count_between, weigh_walls
    from neurorecon.tracing.kernels.voxel_kernels import place

    low = zyx.min(0)
    grid = np.zeros(tuple(zyx.max(0) - low + 1), np.uint8)
    grid[tuple((zyx - low).T)] = value
    times = np.zeros_like(grid)
    flat = LINES[:, 0] == 0
    for line in np.flatnonzero(flat):
        count_between(grid, LINES[line], reach[line], True, times)
    times[times < FLAT] = 0
    for line in np.flatnonzero(~flat):
        count_between(grid, LINES[line], reach[line], False, times)
    number, count = label(times >= ENCLOSED)
    weights = np.zeros((count + 1, 4), np.int64)
    weigh_walls(grid, number, WALL, weights)
    size, wall, light, free = weights.T
    closed = (free <= LEAK * (wall + free)) & (wall > 0) & (size >= LEAST)
    if not closed.any():
        return zyx, key, value
    level = np.rint(light / np.maximum(wall, 1)).astype(np.uint8)
    np.copyto(grid, (level * closed)[number], where=number > 0)
    places = np.flatnonzero(grid)
    filled, keys = np.empty((len(places), 3), np.int32), np.empty(len(places), np.int64)
    place(places, grid.shape[1], grid.shape[2], 0, filled, keys)
    filled += low
    keys[:] = int(key[0]) - int(zyx[0].astype(np.int64) @ strides)
    for axis, stride in enumerate(strides):
        keys += filled[:, axis] * stride
    return filled, keys, grid.ravel()[places]


def enclosed_in_planes(zyx: Places, key: Ints, steps: Ints, reach: Ints) -> tuple[Ints, Ints]:
    """Return the ascending keys (M,) of the background between foreground along FLAT lines of its plane, and of how many."""
    planes = np.flatnonzero(np.diff(zyx[:, 0], prepend=-1))
    found, times = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for rows in np.split(np.arange(len(key)), cuts_between(planes, len(key), AT_ONCE)):
        gaps = [
            gaps_along(zyx[rows, 1 if k else 2], key[rows], step=int(step), longest=int(reach[k]))
            for k, step in enumerate(steps)
        ]
        gap, count = np.unique(np.concatenate(gaps), return_counts=True)
        found.append(gap[count >= FLAT])
        times.append(count[count >= FLAT])
    return np.concatenate(found), np.concatenate(times)


def gaps_along(along: Places, key: Ints, *, step: int, longest: int) -> Ints:
    """Return the keys of the background between two voxels of a line, at most `longest` steps apart; each once.

    `along` (N,) is a coordinate of the voxels that grows by one with a step.
    """
    line = key - along.astype(np.int64) * step
    order = np.lexsort((along, line))
    start, gap = order[:-1], np.diff(along[order].astype(np.int64)) - 1
    is_gap = (line[order[1:]] == line[start]) & (gap > 0) & (gap <= longest)
    start, gap = start[is_gap], gap[is_gap]
    nth = np.arange(gap.sum()) - np.repeat(np.cumsum(gap) - gap, gap) + 1
    return np.asarray(np.repeat(key[start], gap) + nth * step, np.int64)


def lies_between(along: Places, found: Ints, z: Places, key: Ints, *, step: int, longest: int) -> Ints:
    """Return for each candidate (M,) 1 if a line through it meets foreground on both sides, at most `longest` apart, else 0.

    `along` (M,) and `z` (N,) are the planes of candidates and of foreground; a step leads to the next plane.
    """
    lines, rank = np.unique(found - along.astype(np.int64) * step, return_inverse=True)
    line = key - z.astype(np.int64) * step
    row = np.minimum(np.searchsorted(lines, line), max(0, len(lines) - 1))
    own = lines[row] == line if len(lines) else np.zeros(len(line), bool)
    deep = int(max(z.max(initial=0), along.max(initial=0))) + 1
    place = np.sort(row[own] * deep + z[own])
    wanted = rank * deep + along
    after = np.searchsorted(place, wanted)
    ends = np.concatenate([[-1], place, [len(lines) * deep]])  # beyond all lines
    before, behind = ends[after], ends[after + 1]
    same = (before >= 0) & (before // deep == rank) & (behind // deep == rank)
    return np.asarray(same & (behind - before - 1 <= longest), np.int64)


def cavities_among(
    found: Ints, key: Ints, value: NDArray[np.uint8], strides: Ints
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return which candidates (M,), given by ascending keys, lie in cavities, and the mean value of the walls of each."""
    number = np.arange(len(found))
    touching = [
        np.stack([number[row >= 0], row[row >= 0]], 1) for row in (rows_within(found, found + s) for s in strides)
    ]
    count, label = components(len(found), np.concatenate(touching))
    wall, light, free = np.zeros(count), np.zeros(count), np.zeros(count)
    for step in np.concatenate([strides, -strides]):
        beside, own = rows_within(key, found + step) >= 0, rows_within(found, found + step) >= 0
        best = np.zeros(len(found), np.uint8)
        for depth in range(1, WALL + 1):
            row = rows_within(key, found + depth * step)
            best = np.maximum(best, np.where(row >= 0, value[row], 0))
        wall += np.bincount(label, beside, count)
        light += np.bincount(label, np.where(beside, best, 0), count)
        free += np.bincount(label, ~beside & ~own, count)
    closed = (free <= LEAK * (wall + free)) & (wall > 0) & (np.bincount(label, minlength=count) >= LEAST)
    level = np.rint(light / np.maximum(wall, 1)).astype(np.uint8)
    return closed[label], level[label]


def places_of(key: Ints, zyx: Places, own: int, strides: Ints) -> Places:
    """Return the voxels (N, 3) of keys, with one voxel and its `own` key known."""
    rest = key - (own - int(zyx.astype(np.int64) @ strides))
    z, rest = np.divmod(rest, strides[0])
    y, x = np.divmod(rest, strides[1])
    return np.stack([z, y, x], 1).astype(np.int32)
