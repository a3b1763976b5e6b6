"""Looks: the stretches of a review list that one close-up shows together, and the order in which they are worth a visit.

A look is a cube around the middle of a stretch. Its worth is the false cable to be expected in it,

    worth(look) = sum over the stretches within, that no earlier look showed, of length * doubt

and the next look is the one of the largest worth (the greedy rule for the largest cover: Nemhauser, Wolsey and Fisher
1978). The worth of a look only falls while others are taken, so a look that is still the best after it was counted
anew is the best of all.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOOK_PX", "looks_of"]

# Set by hand; not tuned, unless a line says more.
LOOK_PX = (
    20.0  # from the middle of a look to each side: a stretch, and what the close-up of the page shows (page/crops.py)
)

Floats = NDArray[np.float64]


def looks_of(low: Floats, high: Floats, stake: Floats, reach: float) -> list[list[int]]:
    """Return the stretches of each look, ascending, the look of the largest worth first; each stretch is in one look.

    Args:
        low: (K, 3) the least coordinates of each stretch.
        high: (K, 3) the largest ones.
        stake: (K,) length times doubt.
        reach: from the middle of a look to each side, in the unit of the coordinates.
    """
    if not len(stake):
        return []
    near = _within(low, high, reach)
    seen = np.zeros(len(stake), bool)
    ahead = [(-float(stake[rows].sum()), k) for k, rows in enumerate(near)]
    heapq.heapify(ahead)
    looks: list[list[int]] = []
    while ahead:
        known, k = heapq.heappop(ahead)
        rows = near[k][~seen[near[k]]]
        if not len(rows):
            continue
        now = -float(stake[rows].sum())
        if now > known and ahead and (now, k) > ahead[0]:
            heapq.heappush(ahead, (now, k))
            continue
        seen[rows] = True
        looks.append(rows.tolist())
    return looks


def _within(low: Floats, high: Floats, reach: float) -> list[NDArray[np.int64]]:
    """Return the stretches that lie wholly in the cube around each stretch's middle, itself always, ascending."""
    from scipy.spatial import cKDTree

    middle = (low + high) / 2
    found = cKDTree(middle).query_ball_point(middle, reach, p=np.inf)
    near = []
    for k, others in enumerate(found):
        rows = np.array(sorted({*others, k}), np.int64)
        inside = (low[rows] >= middle[k] - reach).all(axis=1) & (high[rows] <= middle[k] + reach).all(axis=1)
        near.append(rows[inside | (rows == k)])
    return near
