"""Measure height and width of neurites in voxels, from the light of those that run within a plane.

At the voxels of neurites along x (along y), with I the grey values above the background and e one voxel along an axis,

    R_e(l) = mean of I(v) I(v + l e),    width_e = sqrt(2 / log(R_e(1) / R_e(3))),

e along z, or across the neurite in the plane. For a profile exp(-t^2 / 2 s^2), R(l) ~ exp(-l^2 / 4 s^2), so the width is s, and
white noise does not change it, as no voxel is multiplied with itself. R_e(1) / R_e(0) is the share of light in the squares.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["profile_products", "seen_widths"]

# Set by hand; not tuned, unless a line says more.
LAGS = (0, 1, 3)  # voxels
STRAIGHT = 2  # times as long along its axis as along each other: a stretch that tells
FEWEST = 1000  # products from which a mean is taken
TINY = 1e-3  # share by which two correlations differ at least, so that their logarithm is finite


def seen_widths(products: Iterable[NDArray[np.float64]], *, least_light: float = 0.0) -> tuple[float, float] | None:
    """Return height and width of neurites, as standard deviations in voxels, from the `profile_products` of some places.

    None if there are too few products, or the share of light in their squares is below `least_light`.
    """
    total, count = sum(products, np.zeros((2, 2, len(LAGS))))
    if count.min() < FEWEST:
        return None
    own, near, far = (total / count).T
    if (near <= least_light * own).any():
        return None
    fall = np.log(near / np.clip(far, TINY * near, near * (1 - TINY)))
    height, width = np.sqrt((LAGS[2] ** 2 - LAGS[1] ** 2) / 4 / fall)
    return float(height), float(width)


def profile_products(grey: NDArray[np.floating], neurite: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return sums and numbers of the products in a block, (2, 2, lags): [sum, number], [along z, across in the plane].

    Args:
        grey: (Z, Y, X), 0 at the background.
        neurite: (Z, Y, X), where neurites are.
    """
    found = np.zeros((2, 2, len(LAGS)))
    points = np.stack(np.unravel_index(np.flatnonzero(neurite), neurite.shape), axis=1)
    z, y, x = (chords(points, neurite.shape, axis) for axis in range(3))
    for along, other, across in ((x, y, 1), (y, x, 2)):
        straight = points[(along >= STRAIGHT * other) & (along >= STRAIGHT * z)]
        for direction, axis in enumerate((0, across)):
            for k, lag in enumerate(LAGS):
                for step in (-lag, lag):
                    there = straight.copy()
                    there[:, axis] += step
                    inside = (there[:, axis] >= 0) & (there[:, axis] < grey.shape[axis])
                    here, there = straight[inside], there[inside]
                    found[0, direction, k] += np.dot(grey[tuple(here.T)], grey[tuple(there.T)])
                    found[1, direction, k] += len(here)
    return found


def chords(points: NDArray[np.integer], shape: tuple[int, ...], axis: int) -> NDArray[np.int64]:
    """Return, for every voxel of a mask, `points` (N, 3), the length of the unbroken line of them through it along an axis."""
    a, b = (other for other in range(3) if other != axis)
    lines = points[:, a] * shape[b] + points[:, b]
    place = lines * (shape[axis] + 1) + points[:, axis]  # one further at the end, so that no line goes on in the next
    order = np.argsort(place, kind="stable")
    run = np.cumsum(np.diff(place[order], prepend=-2) != 1) - 1
    length = np.empty(len(points), np.int64)
    length[order] = np.bincount(run)[run] if len(points) else 0
    return length
