"""Remove end branches that stay inside of another neurite: teeth in the map of a thick one, and its second lines.

The map of a thick neurite may be a flat ribbon, ragged or torn, and thinner than the neurite. Then the depth does not tell
where the surface of the neurite is. The radius measured in the light does (`calibre.py`). An end branch is cut if each of its
nodes lies well within the radius of a node of another branch.

    inside(x) = some thick node q of another branch has  |x - q| <= SURE * radius(q)

A twig or a spine goes beyond the surface, so its tip is outside.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import children, runs
from neurorecon.core.tree import Tree

__all__ = ["without_teeth"]

# Set by hand on synthetic neurites of 3 to 7 px of radius (docs/method.md); not tuned.
THICK_PX = 2.5  # least radius: the surface of a thinner neurite is nearer to its line than two lines can be told apart
# of the radius: light of a neighbour, haze and saturation make radii up to a third too large. Of 32 branches within the whole
# radius in 10 real stacks and 4 of training neurons 24 are false, and the true ones reach 0.8 of it and more
SURE = 0.75


def without_teeth(tree: Tree, pixel: float, points: NDArray[np.float64] | None = None) -> Tree:
    """Return a tree without the end branches that stay inside of another neurite.

    Shortest first, repeated until nothing is cut: where two branches leave one place, the other is judged as it then is.

    Args:
        tree: with its final radii.
        pixel: the shortest edge of a voxel in the unit of the radii.
        points: (N, 3) places of the nodes in which all axes have the unit of the radii; None takes `tree.xyz`.
    """
    points = tree.xyz if points is None else points
    while True:
        teeth = teeth_of(points, tree.radius, tree.parent, THICK_PX * pixel)
        if not teeth:
            return tree
        keep = np.ones(len(tree), bool)
        keep[np.concatenate(teeth)] = False
        tree, points = tree.take(np.flatnonzero(keep)), points[keep]


def teeth_of(
    points: NDArray[np.float64], radius: NDArray[np.float64], parent: NDArray[np.int64], thick: float
) -> Sequence[NDArray[np.int64]]:
    """Return the rows of teeth; at a branch point only the shortest, because the others are judged again without it."""
    from scipy.spatial import cKDTree

    own = np.flatnonzero(radius >= thick)
    if not len(own):
        return []
    near, furthest = cKDTree(points[own]), SURE * float(radius[own].max())
    count, found, spared = children(parent), [], set[int]()
    for run in sorted(runs(parent), key=len):
        base, branch = int(run[0]), run[1:]
        if count[run[-1]] or base in spared or (parent[base] < 0 and count[base] < 2):
            continue
        branches = set(branch.tolist())
        for node in branch[::-1].tolist():  # from the tip, which shows it soonest
            beside = own[near.query_ball_point(points[node], furthest)]
            beside = beside[[row not in branches for row in beside.tolist()]]
            if not (np.linalg.norm(points[beside] - points[node], axis=1) <= SURE * radius[beside]).any():
                break
        else:
            found.append(branch)
            spared.add(base)
    return found
