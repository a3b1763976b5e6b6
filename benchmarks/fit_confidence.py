"""Fit the confidence of `neurorecon/tracing/confidence.py`, and measure what it is worth.

    python benchmarks/fit_confidence.py SETS --ids FILE --work FOLDER [--model NAME] [--most MVOXELS]
        [--real STACKS --real-maps DIR --flood MODEL] [--check FILE] [--picture PNG] [--jobs 2]

SETS holds the folders lifted, hard and dim with ID.tif and its truth ID.swc, in voxels; `--most` leaves out larger stacks.
STACKS is a folder for real.py, DIR the maps that its `--work` kept, and MODEL a network that floods on them. `cases.py` says
which stacks are traced from which map; `--work` keeps the maps that are made. The tree is taken as it stands before it is cut
for its confidence. The regression is weighted,

    loss = sum over stretches of weight * (log(1 + exp(s)) - right * s) + sum of RIDGE * (w - PRIOR) ** 2,   s = w . z + w0

with z the features by their standard deviation, `right` the share of a stretch's length that is right, and `weight` its length
by that of its tracing or of its tree, whichever is longer, so that neither large neurons nor floods outweigh the rest, times
SHARE of its group; all weights add up to 1. RIDGE is KEPT for features in PRIOR; features in RISING have a w of at least 0.
An edge is right where its middle lies within 3 voxels of the tracing. Of the
sets' trees by a network more is asked, for there twigs are what is wrong most: an end branch of up to 20 voxels is right
only if its tip is within 3 voxels of the tracing, too, and no other branch is as near to the place on the tracing that the
tip is nearest to. A stack itself does not place tips that well, nor do experts on real stacks.

Printed are the constants as they stand in confidence.py, and the reliability: how much of the cable of which something
is said is right. Of `--ids` and of the real stacks every specimen is judged by a fit on the others; of `--check` by the fit,
once before cutting and once in the finished tree, the latter by nothing but the distance of 3 voxels, as F1 counts.
"""

import argparse
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cases import GROUPS, SETTINGS, Case, add_arguments, cases_of, real_cases
from maps import SETS, line_points, say
from numpy.typing import NDArray
from real import outside
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.files import read_ids
from neurorecon.core.tree import Tree
from neurorecon.evaluate import pieces_of
from neurorecon.tracing import chain, confidence
from neurorecon.tracing.light import Light
from neurorecon.tracing.skeleton import Skeleton

Floats = NDArray[np.float64]

TOLERANCE_PX = 3.0
TWIG_PX = 20.0  # end branches up to here have to end where the expert's do
DRAWN = 0.002  # share of the cable that a bin of the picture has at least
RIDGE = 5e-3  # of features without PRIOR; 1e-3 is worse on specimens that were left out, 2e-2 on floods
KEPT = 0.5  # of the others; with less the light of few neurons speaks for all (real stacks are worse), with more floods are
PRIOR = {  # what 29,042 stretches of the 39 training neurons said, lifted, hard, dim and raw, by the network of version 0.3.0
    "length": 0.3483, "below": 0.2677, "end": -0.9496, "weakest": 2.5188, "thickness": 1.3857, "share": 1.221,
    "end_length": 0.0539, "end_depth": 0.2575, "detour": -0.5232, "light": 0.5113, "light_left": -0.2315,
    "light_below": -0.3417, "light_below_much": 0.2058, "clear": 0.0428,
}  # fmt: skip
RISING = (
    "length",
    "weakest",
    "share",
    "sure",
    "piece_sure",
    "light",
    "clear",
    "risen",
)  # with more of it none is doubted more
# Weight of a stack of a group: users have fewer of these than the fit has. With 0.3 for texture and 0.08 for unlike 3 of 28
# scrambled stacks of null.py have cable, with 1 for texture, as here, 1 of 28.
SHARE = {"flood": 0.25, "unlike": 0.15}
POOLS = {"network": ("lifted", "hard", "dim", "real"), "real + lifted": ("lifted", "real")}
BORDERS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one stack tells.

    Attributes:
        group: of cases.py.
        neuron: its specimen.
        skeleton: as it was before cutting, in voxels of the map.
        spacing: (3,) edges of a voxel of the map.
        light: at its nodes.
        right: (N,) whether the edge above each node is right.
        counts: (N,) whether it counts at all.
        tree: the finished tree, None where nothing was left; without what does not count.
        truth: the tracing.
    """

    group: str
    neuron: str
    skeleton: Skeleton
    spacing: Floats
    light: Light
    right: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    tree: Tree | None
    truth: Tree


def right_edges(skeleton: Skeleton, spacing: Floats, gold: Tree, *, strict: bool) -> NDArray[np.bool_]:
    """Return whether the edge above each node is right, (N,)."""
    if not len(gold):
        return np.zeros(len(skeleton), bool)
    points = line_points(gold)
    tracing, line = cKDTree(points), cKDTree(skeleton.zyx)
    right = tracing.query((skeleton.zyx + skeleton.zyx[np.maximum(skeleton.parent, 0)]) / 2)[0] <= TOLERANCE_PX
    if not strict:
        return right
    distance, place = tracing.query(skeleton.zyx)
    found, length, children = skeleton.runs(), skeleton.edge_lengths(spacing), skeleton.children
    run_of = np.full(len(skeleton), -1)
    for k, run in enumerate(found):
        run_of[run[1:]] = k
    for k, run in enumerate(found):
        tip = run[-1]
        if children[tip] or length[run[1:]].sum() > TWIG_PX:
            continue
        as_near = line.query_ball_point(points[place[tip]], distance[tip] + 1e-9)
        if distance[tip] > TOLERANCE_PX or (run_of[as_near] != k).any():
            right[run[1:]] = False
    return right


def observe(case: Case) -> Seen | None:
    """Trace one stack, and return what it tells; None where nothing was traced."""
    stack, truth = case.open()
    seen: list[tuple[Skeleton, Floats, Light]] = []

    def watched(
        skeleton: Skeleton, spacing: Floats, light: Light, least: float, *, raw: bool
    ) -> tuple[Skeleton, Floats]:
        seen.append((skeleton, spacing, light))
        return confidence.cut_doubtful(skeleton, spacing, light, least, raw=raw)

    tree = None
    try:
        probability = case.probability(stack)
        with patch.object(chain, "cut_doubtful", watched):
            tree = outside(chain.trace(probability, SETTINGS, stack=stack), case.ignore)
    except NoNeuronError:
        if not seen:
            return None
    skeleton, spacing, light = seen[0]
    placed = replace(skeleton, zyx=skeleton.zyx / (probability.planes, 1, 1))  # where the tracing is: in the stack
    right = right_edges(placed, spacing, truth, strict=case.group in SETS)
    zyx = placed.zyx[:, None]
    ignored = ((zyx >= case.ignore[None, :, :, 0]) & (zyx < case.ignore[None, :, :, 1])).all(2).any(1)
    return Seen(case.group, case.neuron, skeleton, spacing, light, right, ~ignored, tree, truth)


def observe_all(cases: list[Case], args: argparse.Namespace) -> list[Seen]:
    """Return what the cases tell, in their order; those without a tree left out."""
    for case in cases:
        case.make_map()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers: there are as many as cores
    found = []
    with get_context("spawn").Pool(args.jobs, quiet) as pool:
        for case, seen in zip(cases, pool.imap(observe, cases), strict=True):
            say(f"{case.group} {case.neuron} {case.kind}: {'no tree' if seen is None else len(seen.skeleton)}")
            if seen is not None:
                found.append(seen)
    return found


def quiet() -> None:
    """Silence the warnings of the package in a worker."""
    logging.disable(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Table:
    """Stretches of many stacks, one below the other: `group` and `neuron` (K,) say of which."""

    group: NDArray[np.str_]
    neuron: NDArray[np.str_]
    features: Floats
    right: Floats
    weight: Floats


def table_of(seen: list[Seen]) -> Table:
    """Return the stretches of all stacks, each weighted by its share of its tracing's or its tree's length."""
    features, right, weight = zip(*(stretches_seen(tells) for tells in seen), strict=True)
    count = [len(values) for values in right]
    return Table(
        np.repeat([tells.group for tells in seen], count),
        np.repeat([tells.neuron for tells in seen], count),
        np.concatenate(features),
        np.concatenate(right),
        np.concatenate(weight),
    )


def stretches_seen(tells: Seen) -> tuple[Floats, Floats, Floats]:
    """Return features (K, F), share of right length (K,) and weight (K,) of the stretches of one stack."""
    stretches = confidence.stretches_of(tells.skeleton, tells.spacing, tells.light)
    count = len(stretches.features)
    own = np.flatnonzero((stretches.of >= 0) & tells.counts)
    of, length = stretches.of[own], tells.skeleton.edge_lengths(tells.spacing)[own]
    total = np.bincount(of, length, count)
    share = np.bincount(of, length * tells.right[own], count) / np.maximum(total, 1e-9)
    whole = max(tells.truth.cable_length, float(total.sum()), 1.0)
    return stretches.features, share.clip(0, 1), SHARE.get(tells.group, 1.0) * total / whole


def fit(features: Floats, right: Floats, weight: Floats) -> Floats:
    """Return the bias and the weights of the features, (1 + F,): the least loss, by L-BFGS within bounds."""
    middle, spread = features.mean(0), features.std(0) + 1e-9
    z = np.column_stack([(features - middle) / spread, np.ones(len(features))])
    share = weight / weight.sum()
    names = (*confidence.FEATURES, *confidence.LIGHT_FEATURES)[: features.shape[1]]
    prior = np.array([PRIOR.get(name, 0.0) for name in names]) * spread
    ridge = np.array([KEPT if name in PRIOR else RIDGE for name in names] + [0.0])

    def loss(w: Floats) -> tuple[float, Floats]:
        score, away = z @ w, np.append(w[:-1] - prior, 0.0)
        value = (share * (np.logaddexp(0, score) - right * score)).sum() + (ridge * away**2).sum()
        return float(value), z.T @ (share * (sigmoid(score) - right)) + 2 * ridge * away

    bounds = [(0.0 if name in RISING else None, None) for name in (*names, "bias")]
    best = minimize(loss, np.append(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = best[:-1] / spread
    return np.append(best[-1] - weights @ middle, weights)


def sigmoid(score: Floats) -> Floats:
    """Return 1 / (1 + exp(-score))."""
    return 1 / (1 + np.exp(-score))


def said_by(weights: Floats, features: Floats) -> Floats:
    """Return the confidence of stretches (K,)."""
    return sigmoid(weights[0] + features[:, : len(weights) - 1] @ weights[1:])


def left_out(table: Table, columns: int) -> Floats:
    """Return the confidence of all stretches (K,), those of each specimen by a fit on all the other ones.

    Trees of a stack itself (raw) have a fit of their own.
    """
    said, raw = np.zeros(len(table.right)), table.group == "raw"
    for neuron in np.unique(table.neuron):
        own = table.neuron == neuron
        for kind in (raw, ~raw):
            if (own & kind).any():
                others = kind & ~own
                weights = fit(table.features[others, :columns], table.right[others], table.weight[others])
                said[own & kind] = said_by(weights, table.features[own & kind])
    return said


@dataclass(frozen=True, slots=True)
class Judged:
    """Cable with what is said of it: all (M,)."""

    group: NDArray[np.str_]
    said: Floats
    right: Floats
    weight: Floats


def pieces(seen: list[Seen]) -> Judged:
    """Return the pieces of the finished trees, with the confidence that stands in them."""
    parts, groups = [], []
    for tells in seen:
        if tells.tree is None or not tells.tree.cable_length:
            continue
        middle, length, node = pieces_of(tells.tree)
        near = np.full(len(middle), np.inf)
        if len(tells.truth):
            near = cKDTree(pieces_of(tells.truth)[0]).query(middle)[0]
        whole = max(tells.truth.cable_length, tells.tree.cable_length)
        parts.append((tells.tree.confidence[node], (near <= TOLERANCE_PX).astype(np.float64), length / whole))
        groups.append(np.repeat(tells.group, len(middle)))
    return Judged(np.concatenate(groups), *(np.concatenate(column) for column in zip(*parts, strict=True)))


def reliability(judged: Judged, group: str) -> Iterator[tuple[float, float, float]]:
    """Yield for every bin: confidence said, share of the cable that is right, share of all cable."""
    own = judged.group == group if group in GROUPS else np.isin(judged.group, POOLS[group])
    said, right, weight = judged.said[own], judged.right[own], judged.weight[own]
    which = np.digitize(said, BORDERS[1:-1])
    for k in range(len(BORDERS) - 1):
        here = which == k
        total = weight[here].sum()
        means = [float((weight * value)[here].sum() / max(total, 1e-12)) for value in (said, right)]
        yield means[0], means[1], float(total / weight.sum())


def gap_of(judged: Judged, group: str) -> float:
    """Return the expected calibration error: sum over bins of share * |said - right|."""
    return sum(share * abs(said - right) for said, right, share in reliability(judged, group) if share)


def auc(judged: Judged, group: str) -> float:
    """Return the probability that a right piece of cable has more confidence than a wrong one; nan without one of both."""
    own = np.flatnonzero(judged.group == group if group in GROUPS else np.isin(judged.group, POOLS[group]))
    order = own[np.argsort(judged.said[own], kind="stable")]
    right, wrong = judged.weight[order] * judged.right[order], judged.weight[order] * (1 - judged.right[order])
    if not (right.any() and wrong.any()):
        return float("nan")
    return float((np.cumsum(wrong) * right).sum() / (right.sum() * wrong.sum()))


def print_reliability(title: str, judged: Judged) -> None:
    """Print a table, as markdown: a column a bin, in it said / right (share of the cable)."""
    heads = [f"{low:g} to {high:g}" for low, high in pairwise(BORDERS)]
    print(f"\n{title}: said / right (share of cable)\n\n| | " + " | ".join(heads) + " | error | AUC |")
    print("|---" * (len(heads) + 3) + "|")
    for group in (*GROUPS, *POOLS):
        if np.isin(judged.group, POOLS.get(group, group)).any():
            cells = [f"{s:.2f} / {r:.2f} ({w:.3f})" if w else "-" for s, r, w in reliability(judged, group)]
            print(f"| {group} | {' | '.join(cells)} | {gap_of(judged, group):.3f} | {auc(judged, group):.3f} |")


def print_constants(name: str, weights: Floats) -> None:
    """Print weights as they stand in confidence.py."""
    words = [f"{round(float(w), 4)}" for w in weights]
    rows = [", ".join(words[k : k + 8]) for k in range(0, len(words), 8)]
    print(f"{name} = (\n    " + ",\n    ".join(rows) + ",\n)  # fmt: skip")


def draw(path: Path, panels: dict[str, Judged]) -> None:
    """Draw a reliability diagram for each of `panels`: a mark a bin, its area the share of the cable."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(panels), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, judged) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for group, colour in zip(
            ("lifted", "hard", "dim", "real"), ("#0072b2", "#e69f00", "#009e73", "#cc79a7"), strict=True
        ):
            if (judged.group == group).any():
                said, right, share = np.array([row for row in reliability(judged, group) if row[2] >= DRAWN]).T
                axes.plot(said, right, color=colour, linewidth=1.2, label=group)
                axes.scatter(said, right, s=10 + 250 * share, color=colour, alpha=0.7, linewidths=0)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), aspect="equal", xlabel="confidence said", title=title)
        axes.title.set_fontsize(10)
    figure.axes[0].set_ylabel("share of the cable that is right")
    figure.axes[0].legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=110)


def parser_of(text: str) -> argparse.ArgumentParser:
    """Return a parser with what both fits ask for."""
    parser = argparse.ArgumentParser(description=text.split("\n")[0])
    add_arguments(parser)
    return parser


def read_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the arguments; an id that is fitted on must not be checked."""
    args = parser.parse_args()
    if args.check and (both := read_ids(args.ids) & read_ids(args.check)):
        parser.error(f"{', '.join(sorted(both))} stand in both lists; a neuron is fitted on or checked")
    return args


def main() -> None:
    """Print the constants and the reliability."""
    parser = parser_of(__doc__)
    parser.add_argument("--picture", type=Path, help="draw the reliability here")
    args = read_arguments(parser)
    seen = observe_all([*cases_of(args.ids, args), *real_cases(args)], args)
    table = table_of(seen)
    few, every = len(confidence.FEATURES), table.features.shape[1]
    network, raw = table.group != "raw", table.group == "raw"
    print(f"{len(table.right)} stretches of {len(np.unique(table.neuron))} specimens")
    fits = {}
    for name, own, columns in (
        ("WITHOUT", network, few),
        ("WITH", network, every),
        ("RAW_WITHOUT", raw, few),
        ("RAW_WITH", raw, every),
    ):
        if own.any():
            fits[name] = fit(table.features[own, :columns], table.right[own], table.weight[own])
            print_constants(name, fits[name])

    panels = {}
    for name, columns in (("without light", few), ("with light", every)):
        judged = Judged(table.group, left_out(table, columns), table.right, table.weight)
        print_reliability(f"{name}, each specimen left out of its fit", judged)
    panels["each specimen left out of its fit, before cutting"] = judged
    if args.check:
        seen = observe_all(cases_of(args.check, args), args)
        other = table_of(seen)
        for name, words in (("without light", ("WITHOUT", "RAW_WITHOUT")), ("with light", ("WITH", "RAW_WITH"))):
            said = np.zeros(len(other.right))
            for own, word in zip((other.group != "raw", other.group == "raw"), words, strict=True):
                said[own] = said_by(fits[word], other.features[own])
            judged = Judged(other.group, said, other.right, other.weight)
            print_reliability(f"{name}, other neurons, before cutting", judged)
        panels["other neurons, before cutting"] = judged
        panels["other neurons, the finished tree"] = pieces(seen)
        print_reliability("other neurons, the finished tree", panels["other neurons, the finished tree"])
    if args.picture:
        draw(args.picture, panels)


if __name__ == "__main__":
    main()
