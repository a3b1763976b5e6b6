"""Find the change of frame by which two trees would agree: axes exchanged, mirrored, shifted or scaled."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.tree import Tree

__all__ = ["frame_hint"]

Points = NDArray[np.float64]

# Set by hand; not tuned.
SAMPLED = 2000  # points along the cable of a tree
FITS, BETTER = (
    0.7,
    0.3,
)  # share of the points of both that are found, at least, and how much it is above that without a change
ROUNDS = 6  # of bringing a change to the nearest points
ENDS = (5, 95)  # percentiles between which a tree reaches
WHOLE = 10  # from which a number is said without decimals: it is an estimate
SAME_SCALE = 1.1  # factors below it are no other unit


def frame_hint(pred: Tree, gold: Tree, tolerance: float) -> str:
    """Return a sentence on the change of `pred` by which both trees agree, "" if none makes them.

    Points along the cable are compared. A change is an exchange of axes, a mirror, a shift, or a factor for each axis; a mirror
    and a shift are found by the medians, factors by the extents, and then brought to the nearest points (Besl and McKay 1992).

    Args:
        pred: the tree to be scored.
        gold: its gold standard, in the same unit.
        tolerance: distance within which points are found.
    """
    a, b = _points(pred), _points(gold)
    if not len(a) or not len(b):
        return ""
    base = _agreement(a, b, tolerance)
    flat = [[axis for axis in range(3) if np.ptp(points[:, axis]) == 0] for points in (a, b)]
    for name, other, own, others in (("GOLD", "PRED", flat[1], flat[0]), ("PRED", "GOLD", flat[0], flat[1])):
        if own and not others:
            axis = own[0]
            place = float((b if name == "GOLD" else a)[0, axis])
            return (
                f"{name} lies in one plane ({'xyz'[axis]} = {place:g}) and {other} does not: a tracing of a projection?"
            )
    best, hint = max(FITS, base + BETTER), ""
    for words, moved in _changes(a, b):
        if (share := _agreement(moved, b, tolerance)) > best:
            best, hint = share, words
    return f"{hint}: then {best:.0%} of both agree, as they are {base:.0%}" if hint else ""


def _points(tree: Tree) -> Points:
    """Return points (n, 3) at even distances along the cable."""
    length = tree.edge_length
    ends = np.cumsum(length)
    if not len(ends) or ends[-1] <= 0:
        return np.zeros((0, 3))
    at = (np.arange(SAMPLED) + 0.5) / SAMPLED * ends[-1]
    node = np.searchsorted(ends, at)
    share = (ends[node] - at) / length[node]
    here, parent = tree.xyz[node], tree.xyz[tree.parent[node]]
    return np.asarray(here + share[:, None] * (parent - here), np.float64)


def _agreement(a: Points, b: Points, tolerance: float) -> float:
    """Return the harmonic mean of the shares of the points of both that are found in the other one."""
    from scipy.spatial import cKDTree

    found, there = ((cKDTree(y).query(x)[0] <= tolerance).mean() for x, y in ((a, b), (b, a)))
    return float(2 * found * there / (found + there)) if found + there else 0.0


def _changes(a: Points, b: Points) -> Iterator[tuple[str, Points]]:
    """Give every change in words, and the points (n, 3) after it."""
    for order in permutations(range(3)):
        moved = [f"{'xyz'[old]} for {'xyz'[new]}" for new, old in enumerate(order) if new != old]
        if moved:
            yield f"PRED fits GOLD if its axes are exchanged ({', '.join(moved)})", a[:, order]
    shifted, by = _shifted(a, b)
    yield f"PRED fits GOLD if it is shifted by {_three(by)} (x, y, z)", shifted
    for axis in range(3):
        signs = np.where(np.arange(3) == axis, -1.0, 1.0)
        moved_back, _ = _shifted(a * signs, b)
        yield f"PRED fits GOLD if it is mirrored along {'xyz'[axis]}", moved_back
    scaled, factors = _scaled(a, b)
    if max(factors.max(), 1 / factors.min()) > SAME_SCALE:
        yield f"PRED fits GOLD if x, y, z are multiplied by {_three(factors)} (voxels, or another unit?)", scaled


def _shifted(a: Points, b: Points) -> tuple[Points, Points]:
    """Return points that are shifted onto others, and by how much (3,)."""
    from scipy.spatial import cKDTree

    tree, by = cKDTree(b), np.asarray(np.median(b, axis=0) - np.median(a, axis=0), np.float64)
    for _ in range(ROUNDS):
        by = by + np.median(b[tree.query(a + by)[1]] - (a + by), axis=0)
    return a + by, by


def _scaled(a: Points, b: Points) -> tuple[Points, Points]:
    """Return points that are multiplied along each axis so that they lie on others, and the factors (3,)."""
    from scipy.spatial import cKDTree

    reach = [np.maximum(np.ptp(np.percentile(points, ENDS, axis=0), axis=0), 1e-9) for points in (a, b)]
    tree, factors = cKDTree(b), np.asarray(reach[1] / reach[0], np.float64)
    size: Any = np.maximum((a * a).sum(0), 1e-12)
    for _ in range(ROUNDS):
        factors = np.maximum(np.abs((b[tree.query(a * factors)[1]] * a).sum(0) / size), 1e-9)
    return a * factors, factors


def _three(values: Points) -> str:
    return ", ".join(f"{value:.0f}" if abs(value) >= WHOLE else f"{value:.2g}" for value in values)
