"""Fit the kinds of neurites (`neurorecon/tracing/kinds/kinds.npz`) to a corpus of morphologies.

    python benchmarks/fit_kinds.py CORPUS.zip [--out kinds.npz] [--copies 4]

One neuron in KEPT is kept back for benchmarks/kinds.py, with all others of its animal or series: fit and calibration never
see them. Every other neuron is there whole, and `--copies` times as a tracer might have left it (kind_cases.py). All trees
weigh the same, and a section weighs by its length. Boosted trees (scikit-learn) are fitted to sections.

Calibration is for known and for new cell types alike, which come with laboratories. In FOLDS folds each neuron is told by
boosted trees that have seen no neuron of its laboratory (in the two of LARGE none of its animal or series), and once more by
some that have seen none of its animal or series. On both answers the numbers of the pool (pooled.py) are fitted by the mean
log loss by length. Then the boosted trees are fitted to all.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kind_cases import UNKNOWN, Harm, Neuron, degraded, folds_of, read_corpus, section_truth
from maps import say
from numpy.typing import NDArray
from scipy.optimize import minimize

from neurorecon.core.tree import NodeType
from neurorecon.tracing.kinds.boosted_trees import FILE, Forest, KindModel
from neurorecon.tracing.kinds.pooled import Pool, Views, views_of
from neurorecon.tracing.kinds.section_features import FEATURES, features_of
from neurorecon.tracing.kinds.sections import Sections, sections_of

Floats = NDArray[np.float64]

KINDS = np.array([NodeType.UNDEFINED, NodeType.AXON, NodeType.DENDRITE, NodeType.APICAL])
KEPT, KEPT_SEED = 4, 7  # one neuron in 4 is kept back; the first seed that was tried
FOLDS, FOLD_SEED = 4, 3
LARGE = ("Markram", "fly")  # without the first half of the neurons is gone, without the other all insects
MOST = 50  # sections of one tree that the boosted trees are fitted to, drawn by length
ROUNDS = 30  # of the calibration: the log loss falls by less than 0.0001 in the last ten
BOOST = {
    "max_iter": 60, "learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 60, "l2_regularization": 5.0,
    "max_bins": 48, "early_stopping": False, "random_state": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One tree of one neuron: its sections, their features (S, F), truth (S,) and counted length (S,)."""

    neuron: int
    copy: int
    sections: Sections
    features: Floats
    truth: NDArray[np.int64]
    length: Floats


def kept_back(corpus: list[Neuron]) -> NDArray[np.bool_]:
    """Return which neurons neither fit nor calibration sees, (N,)."""
    return folds_of([neuron.animal for neuron in corpus], KEPT, KEPT_SEED) == 0


def observe(number: int, neuron: Neuron, copies: int, seed: int = 0) -> list[Seen]:
    """Return a neuron whole, as copy 0, and degraded copies."""
    rng = np.random.default_rng([number, seed])
    found = []
    for copy in range(copies + 1):
        tree, truth = (neuron.tree, neuron.truth) if copy == 0 else degraded(neuron, rng, Harm(hard=rng.random()))
        sections = sections_of(tree)
        own, length = section_truth(sections.of_node, len(sections), tree, truth)
        found.append(Seen(number, copy, sections, features_of(sections), own, length))
    return found


def fit_forest(seen: list[Seen]) -> Forest:
    """Return boosted trees fitted to the sections of some trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    columns, truth, weight = [], [], []
    for one in seen:
        rows = np.flatnonzero((one.truth != UNKNOWN) & (one.length > 0))
        if not len(rows):
            continue
        share = one.length[rows] / one.length[rows].sum()
        if len(rows) > MOST:
            chosen = rng.choice(len(rows), MOST, replace=False, p=share)
            rows, share = rows[chosen], np.full(MOST, 1 / MOST)
        columns.append(one.features[rows])
        truth.append(one.truth[rows])
        weight.append(share)
    y, w = np.concatenate(truth), np.concatenate(weight)
    model = HistGradientBoostingClassifier(**BOOST)
    model.fit(np.concatenate(columns), y, sample_weight=w / w.mean())
    return forest_of(model)


def forest_of(model: Any) -> Forest:
    """Return scikit-learn's boosted trees as arrays."""
    tables, roots, size = [], [], 0
    for stage in model._predictors:
        roots.append([])
        for predictor in stage:
            roots[-1].append(size)
            tables.append(predictor.nodes)
            size += len(predictor.nodes)
    first = np.repeat([root for row in roots for root in row], [len(table) for table in tables])
    nodes = np.concatenate(tables)
    leaf, own = nodes["is_leaf"].astype(bool), np.arange(size)
    return Forest(
        feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, own, first + nodes["left"]),
        right=np.where(leaf, own, first + nodes["right"]),
        value=np.where(leaf, nodes["value"], 0.0),
        root=np.array(roots, np.int64),
        base=np.ravel(model._baseline_prediction).astype(np.float64),
        depth=int(nodes["depth"].max()),
    )


def out_of_fold(seen: list[Seen], corpus: list[Neuron]) -> list[tuple[Seen, Floats]]:
    """Return each tree twice with the log probabilities (S, K) of its sections: laboratory left out, and animal left out."""
    found = []
    for names in (
        [neuron.animal if neuron.lab in LARGE else neuron.lab for neuron in corpus],
        [neuron.animal for neuron in corpus],
    ):
        found += told_apart(seen, folds_of(names, FOLDS, FOLD_SEED))
    return found


def told_apart(seen: list[Seen], fold: NDArray[np.int64]) -> list[tuple[Seen, Floats]]:
    """Return each tree with the log probabilities of its sections by boosted trees fitted to the other folds (N,)."""
    found = []
    for number in range(FOLDS):
        forest = fit_forest([one for one in seen if fold[one.neuron] != number])
        found += [(one, forest.log_probability(one.features)) for one in seen if fold[one.neuron] == number]
        say(f"fold {number + 1} of {FOLDS}")
    return found


def pool_of(numbers: Floats) -> Pool:
    """Return the pool of numbers in a row; the shift of no kind is 0."""
    return Pool(numbers[:5], numbers[5:8], np.r_[0.0, numbers[8:11]], np.r_[0.0, numbers[11:14]])


def calibrate(unseen: list[tuple[Seen, Floats]]) -> Pool:
    """Return the pool with the least log loss on neurons that the boosted trees have not seen, each tree weighing the same."""
    parts = [views_of(log_p, one.sections) for one, log_p in unseen]
    views = Views(
        np.concatenate([view.log_p for view in parts], 1),
        np.concatenate([view.soma for view in parts]),
        np.concatenate([view.cable for view in parts]),
    )
    truth = np.concatenate([np.searchsorted(KINDS, one.truth) for one, _ in unseen])
    weight = np.concatenate([one.length / max(one.length.sum(), 1e-9) for one, _ in unseen])

    def loss(numbers: Floats) -> float:
        right = pool_of(numbers).probability(views)[np.arange(len(truth)), np.minimum(truth, len(KINDS) - 1)]
        return float(-(weight * np.log(np.maximum(right, 1e-12))).sum() / weight.sum())

    start = np.r_[0.6, 0.1, 0.1, 0.1, 0.1, np.zeros(9)]
    found = minimize(loss, start, method="L-BFGS-B", options={"maxiter": ROUNDS})
    say(f"log loss {found.fun:.4f}; weights, certainty, shifts: {np.round(found.x, 2).tolist()}")
    return pool_of(found.x)


def store(model: KindModel, path: Path) -> None:
    """Write a model as small as it may be: what is compared is float32, what points is int16 or int32."""
    narrow = {}
    for name, values in model.columns().items():
        if values.dtype.kind == "f":
            values = values.astype(np.float64 if values.ndim == 0 or name == "forest_threshold" else np.float32)
        elif values.dtype.kind == "i" and name == "forest_feature":
            values = values.astype(np.int8)
        elif values.dtype.kind == "i":
            values = values.astype(np.int32)
        narrow[name] = values
    np.savez_compressed(path, **narrow)


def main() -> None:
    """Fit, calibrate and store the model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--copies", type=int, default=4)
    args = parser.parse_args()
    corpus = read_corpus(args.corpus)
    kept = kept_back(corpus)
    seen = [one for k, neuron in enumerate(corpus) if not kept[k] for one in observe(k, neuron, args.copies)]
    say(f"{(~kept).sum()} neurons, {len(seen)} trees, {sum(len(one.truth) for one in seen)} sections")
    pool = calibrate(out_of_fold(seen, corpus))
    store(KindModel(fit_forest(seen), pool, KINDS, FEATURES), args.out)
    say(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
