"""Remove branches that are the axial tail of a neurite: its light falls off slowly along z, often on one side alone.

The light of a tail comes from the whole neurite, so other places of the neurite have the same light at the same displacement. A
twig has it at its base alone. For a node x of an end branch with its base at b, and places q of the neurites around it,

    due = (largest contrast around b) * median over q of  contrast(q + x - b) / contrast(q)

is the contrast that a tail would have there. A branch is cut if at every tested node at least SHARE of its contrast is due, and
its light has faded at the tip. It is also cut if at least MOST of its contrast is due: such a tooth lies inside the blur of its
neurite. Length, side and tilt of the point spread function need not be known, nor the voxel size. Places q are nearly as bright
as the base, and q + x - b lies beside all neurites. The probability does not show tails, because the network answers "neurite"
only to the tails of the brightest places. So nothing is cut without the grey stack.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.light import LightOf
from neurorecon.tracing.skeleton import Skeleton

__all__ = ["cut_tails"]

# SHARE and FADED were chosen on two real stacks, and checked on 41 of training neurons (docs/method.md); others set by hand.
LONGEST = 40.0  # voxels from base to tip; light falls to nothing within 25 planes in the stacks of real_3d
LEAST_RISE = 3.0  # planes: less is the height of the neurite itself
STEEP = 0.3  # of that distance is along z: tails are tilted where the stage or the cover slip is
AROUND = 4.0  # voxels from the base: where its largest contrast is looked for; and from neurites: beside them
BESIDE_TOOTH = 2.0  # voxels from neurites, for a branch that has not faded: it is short, and so are its distances
APART = 6.0  # voxels from the base: places that do not see the branch itself
BRIGHT = 0.3  # of the contrast of the base: dimmer places show noise rather than a tail
CANDIDATES, PLACES, FEWEST = 400, 24, 8  # nodes around a base: candidates, used at most, needed at least
NODES = (0.4, 0.7, 1.0)  # of a branch, as shares of its way: nearer to the base is the neurite
LEAST_TESTED = 2  # of these nodes must have enough places
SHARE = 0.05  # ... of its contrast at every node is due; chosen with FADED on OP_5 and OP_7
FADED = 0.3  # of the contrast of the base at most is left at the tip: most z twigs of four larval stacks keep more
# of its contrast is due: no light of its own is needed to explain it. Chosen on real_3d with networks of the folds: 0.5 and 0.6
# cost more recall than they add precision; lifted and hard do not change
MOST = 0.7
DOUBT = 1.1  # two standard errors of a median of contrasts, each the mean of five voxels: 2 * 1.25 / sqrt(5)
ROUNDS = 2  # a tail may fork
FAINTEST = 1e-3  # of the largest contrast: places with less are ignored

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Probe(NamedTuple):
    """A node of an end branch, and the places that would have the light of a tail there.

    Attributes:
        branch: number of the end branch.
        node: row of the node.
        places: (P,) rows of nodes q of other neurites.
        there: (P, 3) voxels q + x - b, at which the light of the stack is measured.
    """

    branch: int
    node: int
    places: Ints
    there: Floats


def cut_tails(skeleton: Skeleton, light_of: LightOf, shape: tuple[int, ...], planes: int = 1) -> Skeleton:
    """Return the skeleton without end branches that are tails.

    Args:
        skeleton: nodes in voxels of the map.
        light_of: gives the light at the nodes of a skeleton.
        shape: (Z, Y, X) of the map.
        planes: of the map for one of the stack.
    """
    for _ in range(ROUNDS):
        found = steep_ends(skeleton, planes)
        if not found:
            break
        contrast = light_of(skeleton).contrast
        tails = [run[1:] for run in tails_among(found, skeleton, contrast, light_of, shape)]
        if not tails:
            break
        keep = np.ones(len(skeleton), bool)
        keep[np.concatenate(tails)] = False
        skeleton = skeleton.take(keep)
    return skeleton


def steep_ends(skeleton: Skeleton, planes: int) -> list[Ints]:
    """Return the end branches (rows of nodes, base first) that may be tails by their length and direction."""
    children, found = skeleton.children, []
    for run in skeleton.runs():
        base, tip = int(run[0]), int(run[-1])
        if children[tip] or skeleton.soma[base] >= 0 or (skeleton.parent[base] < 0 and children[base] < 2):
            continue
        way = (skeleton.zyx[tip] - skeleton.zyx[base]) / (planes, 1, 1)
        far = float(np.linalg.norm(way))
        if abs(way[0]) >= LEAST_RISE and abs(way[0]) >= STEEP * far and far <= LONGEST:
            found.append(run)
    return found


def tails_among(
    ends: Sequence[Ints], skeleton: Skeleton, contrast: Floats, light_of: LightOf, shape: tuple[int, ...]
) -> list[Ints]:
    """Return the end branches whose light other places of the neurites have as well, at the same displacement."""
    from scipy.spatial import cKDTree

    stays = np.ones(len(skeleton), bool)
    stays[np.concatenate([run[1:] for run in ends])] = False
    main = np.flatnonzero(stays)
    near = cKDTree(skeleton.zyx[main])
    last = np.array(shape, np.float64) - 1
    tested: list[Probe] = []
    brightest, faded = np.zeros(len(ends)), np.zeros(len(ends), bool)
    for number, run in enumerate(ends):
        base = skeleton.zyx[run[0]]
        distance, rows = near.query(base, min(CANDIDATES, len(main)))
        distance, rows = np.atleast_1d(distance), main[np.atleast_1d(rows)]
        brightest[number] = contrast[rows[distance <= AROUND]].max(initial=contrast[run[0]])
        faded[number] = contrast[run[-2:]].mean() <= FADED * brightest[number]
        apart = AROUND if faded[number] else BESIDE_TOOTH
        rows = rows[(distance > APART) & (contrast[rows] > max(BRIGHT * brightest[number], 0.0))]
        for node in run[np.unique(np.rint(np.array(NODES) * (len(run) - 1)).astype(np.int64))].tolist():
            there = skeleton.zyx[rows] + (skeleton.zyx[node] - base)
            inside = ((there >= 0) & (there <= last)).all(1)
            beside = np.zeros(len(rows), bool)
            beside[inside] = near.query(there[inside])[0] > apart
            own = np.flatnonzero(beside)[:PLACES]
            if len(own) >= FEWEST:
                tested.append(Probe(number, node, rows[own], there[own]))
    share = shares_due(tested, skeleton, contrast, light_of, brightest)
    return [run for run, part, least in zip(ends, share, np.where(faded, SHARE, MOST), strict=True) if part >= least]


def shares_due(
    tested: Sequence[Probe],
    skeleton: Skeleton,
    contrast: Floats,
    light_of: LightOf,
    brightest: Floats,
) -> Floats:
    """Return for each branch the least share of contrast at its nodes that is due to a tail; 0 if few nodes can be tested."""
    share, known = np.ones(len(brightest)), np.zeros(len(brightest), np.int64)
    if not tested:
        return np.zeros(len(brightest))
    there, places = np.concatenate([one.there for one in tested]), np.concatenate([one.places for one in tested])
    nothing = np.full(len(there), -1, np.int64)
    seen = light_of(Skeleton(there, nothing, np.ones(len(there)), skeleton.depth[places], nothing))
    usual = np.maximum(contrast[places], FAINTEST * contrast.max())
    ratio, noise = seen.contrast / usual, seen.spread / usual
    ends = np.cumsum([len(one.places) for one in tested])[:-1]
    for (number, node, _, _), part, doubt in zip(tested, *(np.split(v, ends) for v in (ratio, noise)), strict=True):
        sure = float(np.median(part)) - DOUBT * float(np.median(doubt)) / math.sqrt(len(part))
        due = max(0.0, brightest[number]) * max(0.0, sure)
        share[number] = min(share[number], due / max(contrast[node], due, math.ulp(0.0)))
        known[number] += 1
    return np.where(known >= LEAST_TESTED, share, 0.0)
