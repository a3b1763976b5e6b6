"""Put every branch point where the lines of its arms meet.

Cheapest ways merge where that saves cost: too early if two neurites run side by side in one foreground, or around a corner.
Further away the arms lie apart. The branch point x, found at x0, is placed where the lines of its arms meet:

    minimise  sum over arms of |(1 - u u') (x - m)| ** 2  +  OWN * |x - x0| ** 2

with m the mean and u the direction of an arm from MERGED_PX to ARM_PX beyond x0: least squares of the distances to lines,
solved by three equations. The arms are moved along, less and less with the distance from x. On 39 training neurons branch
points come 2 to 3 % nearer to those of the tracing, in perfect maps and in three sets of the network's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.criteria import ARM_PX, MERGED_PX, MERGED_SHARE

__all__ = ["settle_forks"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
OWN = 1.0  # x0 counts as much as an arm does across its direction; 0.2 to 2 are as good
FURTHEST = 3.0  # px that a branch point moves at most: half of ARM_PX, so that no arm turns back

Points = NDArray[np.float64]


def settle_forks(
    forks: NDArray[np.int64], ends: NDArray[np.int64], lines: Sequence[Points], step: float
) -> list[Points]:
    """Return the lines between nodes with the branch points where they meet; all other ends of lines stay in place.

    Args:
        forks: (F,) nodes that are branch points, ascending.
        ends: (R, 2) nodes at the start and the end of every line.
        lines: (N, 3) points of each in px, in steps of about `step`.
        step: px.
    """
    if not len(forks):
        return list(lines)
    points, count = np.concatenate(lines), np.array([len(line) for line in lines])
    border = np.cumsum(count)
    # every line is an arm of the node at its start and, read backwards, of the node at its end
    node, size = ends.T.ravel(), np.tile(count, 2)
    begin, ahead = np.concatenate([border - count, border - 1]), np.repeat([1, -1], len(count))
    fork = np.searchsorted(forks, node).clip(max=len(forks) - 1)
    of_fork = forks[fork] == node
    fork, size, begin, ahead = fork[of_fork], size[of_fork], begin[of_fork], ahead[of_fork]
    k = np.arange(round(ARM_PX / step) + 1)
    last = np.minimum(size - 1, k[-1])  # of an arm that ends before ARM_PX, all but its beginning counts
    rows = begin[:, None] + ahead[:, None] * np.minimum(k, last[:, None])
    shift = shifts(points[rows], last, fork, round(MERGED_PX / step))
    share = np.maximum(0, 1 - k / last[:, None])
    np.add.at(points, rows, share[:, :, None] * shift[fork][:, None])
    return np.split(points, border[:-1])


def shifts(arms: Points, last: NDArray[np.int64], fork: NDArray[np.int64], near: int) -> Points:
    """Return the ways from the branch points to where the lines of their arms meet, (F, 3), FURTHEST long at most.

    Args:
        arms: (A, K, 3) points of every arm from its branch point on.
        last: (A,) the last of them that counts.
        fork: (A,) number of its branch point; each of the F has an arm.
        near: the first of them that counts, where the arm is long.
    """
    k, first = np.arange(arms.shape[1]), np.minimum(near, (MERGED_SHARE * last).astype(np.int64))
    counts = (k >= first[:, None]) & (k <= last[:, None])
    middle = (arms * counts[:, :, None]).sum(1) / counts.sum(1)[:, None] - arms[:, 0]
    which = np.arange(len(arms))
    along = arms[which, last] - arms[which, first]
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    across = np.eye(3) - along[:, :, None] * along[:, None, :]  # leaves what lies across an arm
    left, right = np.tile(OWN * np.eye(3), (fork.max() + 1, 1, 1)), np.zeros((fork.max() + 1, 3, 1))
    np.add.at(left, fork, across)
    np.add.at(right, fork, across @ middle[:, :, None])
    shift = np.linalg.solve(left, right)[:, :, 0]
    size = np.linalg.norm(shift, axis=1)
    return np.asarray(shift * (np.minimum(size, FURTHEST) / np.maximum(size, 1e-9))[:, None])
