"""The confidence that a stretch of the tree is right: a logistic regression on features of the stretch.

    confidence = 1 / (1 + exp(-(bias + sum over features of weight * feature)))

A stretch is right where it lies within 3 voxels of an expert's tracing. The weights were fitted on the training neurons
(`benchmarks/fit_confidence.py`), where stretches of confidence 0.9 are right nine times in ten; docs/method.md shows the
reliability on neurons that were not in the fit. The regression is that of Cox 1958. In bright stacks the strongest feature is
the light of a branch relative to the whole neuron, in dim ones the probability.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import summed_below
from neurorecon.tracing.light import Light
from neurorecon.tracing.prune import usual_neuron
from neurorecon.tracing.skeleton import Skeleton

__all__ = [
    "MOST_RIGHT",
    "Stretches",
    "confidence_of",
    "cut_doubtful",
    "cut_doubtful_by_own_level",
    "least_confidence",
    "stretches_of",
]

# Set by hand; not tuned, unless a line says more. The weights below were fitted with them (benchmarks/fit_confidence.py).
STRETCH_PX = 30.0  # longest stretch that is judged as one: 20 nodes
THIN = 0.6  # of the usual depth: whole voxels cannot show thinner twigs, so thinner ones lose no more confidence
FEATURES = (
    "length", "below", "end", "weakest", "thickness", "share", "end_length", "end_depth", "detour",
    "sure", "piece_sure", "crowd",
)  # fmt: skip
LIGHT_FEATURES = (
    "light", "light_left", "light_below", "light_below_much", "clear", "risen", "texture", "uneven",
)  # fmt: skip
CROWD_PX = 40.0  # round the middle of a stretch; 15 is worse on specimens that were left out of the fit
LEAST_TEXTURE = 0.35  # grain by spread; white noise has 0.45, and less is a background of a few grey values
# By its own level 0.61 to 0.94 of the cable of a mask that was blurred by 1 voxel is expected to be right, and 0.01 to 0.20 of
# that of smoothed noise (4 synthetic neurons, 18 maps of noise); by the level of a network 0.14 to 0.58, and 0.00 to 0.01.
CLEAREST = 0.9  # of the cable is fainter than what counts as certain by the own level of a map
MOST_RIGHT = 0.5  # of the cable: texture promises 0.03 to 0.40, 14 real stacks 0.58 and more, see `least_confidence`
LEAST_NOISE = 0.02  # of the usual contrast: on a background of one value a neurite rises by 50 times the noise


@dataclass(frozen=True, slots=True)
class Stretches:
    """Pieces of unbranched runs, of at most STRETCH_PX.

    Attributes:
        of: (N,) the stretch of the edge from its parent to each node, -1 for a root.
        features: (K, F) in the order of FEATURES, and of LIGHT_FEATURES where the stack is known.
    """

    of: NDArray[np.int64]
    features: NDArray[np.float64]


def log(values: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return the logarithm of values, each raised to `least` if it is lower."""
    return np.log(np.maximum(values, least))


def cut_runs(
    skeleton: Skeleton, length: NDArray[np.float64]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], NDArray[np.int64]]:
    """Return all runs, the run of every node (N,) and the stretch of every node (N,); -1 for roots."""
    found = skeleton.runs()
    run_of, stretch_of = np.full(len(skeleton), -1), np.full(len(skeleton), -1)
    count = 0
    for k, run in enumerate(found):
        way = np.cumsum(length[run[1:]])
        pieces = max(1, int(np.ceil(way[-1] / STRETCH_PX)))
        run_of[run[1:]] = k
        part = np.minimum((way - 1e-9) * pieces // max(float(way[-1]), 1e-9), pieces - 1).astype(np.int64)
        _, part = np.unique(part, return_inverse=True)
        stretch_of[run[1:]] = count + part
        count += int(part.max()) + 1
    return found, run_of, stretch_of


def stretches_of(skeleton: Skeleton, spacing: NDArray[np.float64], light: Light | None) -> Stretches:
    """Return the stretches of a tree and their features; `light` is that of its nodes, if the stack is at hand."""
    length = skeleton.edge_lengths(spacing)
    found, run_of, of = cut_runs(skeleton, length)
    count = int(of.max(initial=-1)) + 1
    if not count:
        return Stretches(of, np.zeros((0, len(FEATURES) + (len(LIGHT_FEATURES) if light is not None else 0))))
    run, first = np.zeros(count, np.int64), np.full(count, len(skeleton))
    has = of >= 0
    run[of[has]] = run_of[has]
    np.minimum.at(first, of[has], np.flatnonzero(has))
    cuts = _Cuts(
        skeleton,
        spacing,
        length=length,
        runs=found,
        of=of,
        run=run,
        first=first,
        pieces=_Pieces.of_skeleton(skeleton, spacing),
    )
    features = shape_features(cuts)
    if light is not None:
        features += light_features(cuts, run_of, light)
    return Stretches(of, np.stack(features, 1))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The pieces of a skeleton: of every node (N,), and by the name of the piece (N,) its cable and whether it has a soma."""

    of: NDArray[np.int64]
    cable: NDArray[np.float64]
    with_soma: NDArray[np.bool_]

    @staticmethod
    def of_skeleton(skeleton: Skeleton, spacing: NDArray[np.float64]) -> "_Pieces":
        """Find them."""
        return _Pieces(skeleton.pieces(), skeleton.cable_of_pieces(spacing), skeleton.pieces_with_soma())


@dataclass(frozen=True, slots=True)
class _Cuts:
    """A skeleton cut into K stretches.

    Attributes:
        skeleton, spacing: the skeleton, and the edges of a voxel (3,).
        length: (N,) of the edge above each node.
        runs: all runs, as node rows.
        of: (N,) stretch of each node, -1 for a root.
        run: (K,) run of each stretch.
        first: (K,) first node of each stretch.
        pieces: the trees.
    """

    skeleton: Skeleton
    spacing: NDArray[np.float64]
    length: NDArray[np.float64]
    runs: list[NDArray[np.int64]]
    of: NDArray[np.int64]
    run: NDArray[np.int64]
    first: NDArray[np.int64]
    pieces: _Pieces

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of node values (N,) over each stretch by length, (K,)."""
        has = self.of >= 0
        own, weight, count = self.of[has], np.maximum(self.length[has], 1e-6), len(self.run)
        return np.bincount(own, values[has] * weight, count) / np.bincount(own, weight, count)

    @property
    def piece(self) -> NDArray[np.int64]:
        """Return the piece of each stretch, (K,)."""
        return self.pieces.of[self.first]


def shape_features(cuts: _Cuts) -> list[NDArray[np.float64]]:
    """Return the columns (K,) of FEATURES."""
    skeleton, spacing, length, run = cuts.skeleton, cuts.spacing, cuts.length, cuts.run
    has, pieces, children = cuts.of >= 0, cuts.pieces, cuts.skeleton.children
    run_length = np.array([length[rows[1:]].sum() for rows in cuts.runs])
    chord = np.array([np.linalg.norm((skeleton.zyx[r[-1]] - skeleton.zyx[r[0]]) * spacing) for r in cuts.runs])
    ends = np.array([float(children[rows[-1]] == 0) for rows in cuts.runs])
    base_depth = np.array([0.0 if skeleton.soma[r[0]] >= 0 else skeleton.depth[r[0]] for r in cuts.runs])
    share = np.minimum(pieces.cable / usual_neuron(pieces.cable, pieces.with_soma), 1.0)
    share[pieces.with_soma] = 1.0  # a piece with a soma is a neuron, however small
    weakest = np.ones(len(run))
    np.minimum.at(weakest, cuts.of[has], skeleton.p[has])
    thick = float(np.median(skeleton.depth[has]))
    below = summed_below(skeleton.parent, length)
    sure = np.bincount(pieces.of, length * skeleton.p, len(skeleton)) / np.maximum(pieces.cable, 1e-6)
    return [
        log(run_length[run], 1.0),
        log(below[cuts.first], 1.0),
        ends[run],
        weakest,
        log(cuts.mean(skeleton.depth) / thick, THIN),
        log(share[cuts.piece], 0.003),
        ends[run] * log(run_length[run], 1.0),
        ends[run] * base_depth[run] / thick,
        log(run_length[run] / np.maximum(chord[run], 1.0), 0.1),
        cuts.mean(skeleton.p),
        sure[cuts.piece],
        log(crowd(cuts), 0.1),
    ]


def crowd(cuts: _Cuts) -> NDArray[np.float64]:
    """Return how much cable lies within CROWD_PX of the middle of each stretch, by that of one straight neurite, (K,)."""
    from scipy.spatial import cKDTree

    rows = np.flatnonzero(cuts.of >= 0)
    rows = rows[np.argsort(cuts.of[rows], kind="stable")]
    end = np.cumsum(np.bincount(cuts.of[rows], minlength=len(cuts.run)))
    start = np.concatenate([[0], end[:-1]])
    places = cuts.skeleton.zyx * cuts.spacing
    near = cKDTree(places).query_ball_point(places[rows[(start + end) // 2]], CROWD_PX, return_length=True)
    return np.asarray(near / (2 * CROWD_PX), np.float64)


def light_features(cuts: _Cuts, run_of: NDArray[np.int64], light: Light) -> list[NDArray[np.float64]]:
    """Return the columns (K,) of LIGHT_FEATURES."""
    skeleton, length, run, pieces = cuts.skeleton, cuts.length, cuts.run, cuts.pieces
    contrast, longest = light.contrast, int(pieces.cable.argmax())
    usual = usual_light(contrast, length, np.where(cuts.of >= 0, pieces.of, -1), pieces.with_soma, longest)
    above = np.array([-1 if skeleton.parent[r[0]] < 0 else run_of[r[0]] for r in cuts.runs])
    run_light = np.array([np.average(contrast[r[1:]], weights=length[r[1:]] + 1e-6) for r in cuts.runs])
    own_usual, own = usual[cuts.piece], cuts.mean(contrast)
    left = np.where(above >= 0, run_light[above], usual[pieces.of[[r[0] for r in cuts.runs]]])
    below = np.maximum(summed_below(skeleton.parent, length)[cuts.first], 1e-6)
    behind = summed_below(skeleton.parent, contrast * length)[cuts.first] / below / own_usual
    spread = np.maximum(cuts.mean(light.spread), LEAST_NOISE * own_usual)
    grain = np.maximum(cuts.mean(light.grain), LEAST_NOISE * own_usual)
    off = contrast - np.append(own, 0.0)[cuts.of]
    return [
        log(own / own_usual, 0.02),
        log(own / np.maximum(left[run], 1e-6), 0.02).clip(-4, 4),
        log(behind, 0.02),
        log(behind, 0.02) * log(below, 1.0),
        log(own / spread, 0.1),
        log(own / grain, 0.1),
        log(grain / spread, LEAST_TEXTURE),
        log(np.sqrt(cuts.mean(off**2)) / np.maximum(own, LEAST_NOISE * own_usual), 0.05),
    ]


def usual_light(
    contrast: NDArray[np.float64],
    length: NDArray[np.float64],
    piece: NDArray[np.int64],
    with_soma: NDArray[np.bool_],
    longest: int,
) -> NDArray[np.float64]:
    """Return the usual contrast of the neuron that each piece is compared with, by the name of the piece, (N,).

    A piece is compared with the longest piece. If several pieces have a soma, each of them is compared with itself, because
    neurons differ in light, and the pieces without a soma are compared with all of them. `piece` (N,) is -1 for roots.
    """
    in_soma_tree = (piece >= 0) & with_soma[piece]
    somata = np.unique(piece[in_soma_tree])
    main = in_soma_tree if len(somata) > 1 else piece == longest
    usual = np.full(len(piece), weighted_median(contrast[main], length[main]))
    if len(somata) > 1:
        rows = np.flatnonzero(in_soma_tree)
        rows = rows[np.lexsort((contrast[rows], piece[rows]))]
        total = np.cumsum(length[rows])
        end = np.searchsorted(piece[rows], somata, side="right") - 1
        before = np.concatenate([[0.0], total[end[:-1]]])
        middle = np.searchsorted(total, (before + total[end]) / 2)
        usual[somata] = contrast[rows[np.minimum(middle, end)]]
    return np.asarray(np.maximum(usual, 1e-6))


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the value that half of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


# benchmarks/fit_confidence.py: bias, FEATURES, LIGHT_FEATURES; without and with the stack, by a network's map and by none
WITHOUT = (
    -18.414, 0.3596, 0.2639, -0.9256, 2.4438, 1.3079, 1.1241, 0.0663,
    0.2696, -0.5258, 0.8089, 18.254, 0.1048,
)  # fmt: skip
WITH = (
    -18.2686, 0.3577, 0.2634, -0.9267, 2.4458, 1.3043, 1.135, 0.0656,
    0.2681, -0.5191, 0.0, 18.4151, 0.1794, 0.4879, -0.2468, -0.3654,
    0.1985, 0.0418, 0.0638, -0.818, -0.0086,
)  # fmt: skip
RAW_WITHOUT = (
    -7.7517, 0.3553, 0.2669, -0.9401, 2.5354, 1.336, 0.8961, 0.059,
    0.2556, -0.5072, 1.0422, 10.7948, 0.3932,
)  # fmt: skip
RAW_WITH = (
    -7.0481, 0.3551, 0.2681, -0.9444, 2.5439, 1.3197, 0.9248, 0.0584,
    0.2517, -0.4984, 0.0, 9.9378, 0.5222, 0.4837, -0.2488, -0.3723,
    0.1998, 0.0427, 0.114, -0.7319, 0.1646,
)  # fmt: skip


def confidence_of(
    skeleton: Skeleton, spacing: NDArray[np.float64], light: Light | None, *, raw: bool = False
) -> NDArray[np.float64]:
    """Return the confidence of the edge from its parent to each node, (N,) in 0 to 1; 1 for a root.

    `raw` marks a map made without a network (`Probability.graded`): its values are weaker evidence.
    """
    stretches = stretches_of(skeleton, spacing, light)
    without, with_light = (RAW_WITHOUT, RAW_WITH) if raw else (WITHOUT, WITH)
    weights = np.array(without if light is None else with_light)
    score = weights[0] + stretches.features @ weights[1:]
    return np.where(stretches.of < 0, 1.0, np.append(1 / (1 + np.exp(-score)), 1.0)[stretches.of])


def cut_doubtful(
    skeleton: Skeleton, spacing: NDArray[np.float64], light: Light | None, least: float, *, raw: bool = False
) -> tuple[Skeleton, NDArray[np.float64], float]:
    """Remove doubtful stretches; return the skeleton and the confidence of its nodes, (N,).

    A stretch is removed if its confidence is below `least_confidence(least, promise)`. Each stretch is then judged again
    without the removed ones, until nothing is removed. The last value is the promise: the mean confidence by length before the
    first removal. It estimates how much of the traced cable is neurite.
    """
    confidence, length = confidence_of(skeleton, spacing, light, raw=raw), skeleton.edge_lengths(spacing)
    promise = float((confidence * length).sum() / max(float(length.sum()), 1e-9))
    limit = least_confidence(least, promise)
    while not (keep := kept(skeleton, length * (confidence - limit))).all():
        skeleton, light = skeleton.take(keep), None if light is None else light.take(keep)
        confidence, length = confidence_of(skeleton, spacing, light, raw=raw), skeleton.edge_lengths(spacing)
    return skeleton, confidence, promise


def cut_doubtful_by_own_level(
    skeleton: Skeleton, spacing: NDArray[np.float64], light: Light | None, least: float
) -> tuple[Skeleton, NDArray[np.float64], float] | None:
    """Return the same as `cut_doubtful`, with values by the level of the clearest neurites; None if most would be wrong.

    The weights were fitted to maps in which nearly all of a neurite is above 0.9. Maps of other programs, and blurred
    masks, have lower values in their surest neurites as well:

        p by own level = min(1, p / level),  CLEAREST of the cable has a p below the level

    Noise has no such level: its values vary from voxel to voxel.
    """
    length = skeleton.edge_lengths(spacing)
    order = np.argsort(skeleton.p, kind="stable")
    total = np.cumsum(length[order])
    level = float(skeleton.p[order][min(np.searchsorted(total, CLEAREST * total[-1]), len(order) - 1)])
    levelled = replace(skeleton, p=np.minimum(skeleton.p / max(level, 1e-9), 1.0).astype(skeleton.p.dtype))
    cut = cut_doubtful(levelled, spacing, light, least)
    return cut if cut[2] >= MOST_RIGHT else None


def least_confidence(least: float, promise: float) -> float:
    """Return the least confidence of a stretch in a map of which `promise` (0 to 1) of the cable is expected to be right.

        limit / (1 - limit) = least / (1 - least) * max(1, (1 - promise) / promise)

    Where most of the cable is false, a stretch that looks right is more often false as well: the required odds grow by
    the odds against the whole (Bayes). Texture promises 0.03 to 0.40, 14 real stacks 0.58 and more (benchmarks/null.py,
    benchmarks/real.py).
    """
    if not 0 < least < 1:
        return least
    odds = least / (1 - least) * max(1.0, (1 - promise) / max(promise, 1e-9))
    return odds / (1 + odds)


def kept(skeleton: Skeleton, gain: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which nodes stay, (N,): those of the subtree with the largest sum of `gain` (N,), one for every edge.

        worth(node) = gain(node) + sum over children of max(0, worth(child))

    An edge is removed with all beyond it if its worth is below 0. The best tree keeps its root, and so does the
    tree of the only soma.
    """
    parent = skeleton.parent
    worth = gain.copy()
    for node in range(len(skeleton) - 1, -1, -1):
        if parent[node] >= 0 and worth[node] > 0:
            worth[parent[node]] += worth[node]
    stays = worth >= 0
    piece = skeleton.pieces()
    roots = np.flatnonzero(parent < 0)
    best = roots[np.bincount(piece, gain, len(skeleton))[roots].argmax()]
    only = int((skeleton.soma >= 0).sum()) == 1
    for node in range(len(skeleton)):
        if parent[node] >= 0:
            stays[node] &= stays[parent[node]]
        else:
            stays[node] = worth[node] > 0 or node == best or (only and skeleton.soma[node] >= 0)
    return stays
