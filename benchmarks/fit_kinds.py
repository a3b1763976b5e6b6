"""Fit the kinds of neurites (`neurorecon/tracing/kinds/kinds.npz`) to a corpus of morphologies.

    python benchmarks/fit_kinds.py CORPUS.zip [--out kinds.npz] [--copies 5]

One neuron in KEPT is kept back for benchmarks/kinds.py, with all others of its animal or series: fit and calibration never
see them. Every other neuron is there whole, and `--copies` times as a tracer might have left it (kind_cases.py). All trees
weigh the same, and a section weighs by its length. Boosted trees (scikit-learn) are fitted to sections. With FOLDS folds of
animals each neuron is told by trees that have not seen it. On those the trust in one section (along_tree.py), the scale and
the shifts of the logarithms are chosen by the mean log loss by length. Then the trees are fitted to all.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from kind_cases import UNKNOWN, Harm, Neuron, degraded, folds_of, read_corpus, section_truth
from maps import say
from numpy.typing import NDArray
from scipy.optimize import minimize

from neurorecon.core.tree import NodeType
from neurorecon.tracing.kinds.along_tree import smoothed
from neurorecon.tracing.kinds.boosted_trees import FILE, Forest, KindModel
from neurorecon.tracing.kinds.section_features import FEATURES, features_of
from neurorecon.tracing.kinds.sections import Sections, sections_of
from neurorecon.tracing.kinds.tell import calibrated

Floats = NDArray[np.float64]

KINDS = np.array([NodeType.UNDEFINED, NodeType.AXON, NodeType.DENDRITE, NodeType.APICAL])
KEPT, KEPT_SEED = 4, 7  # one neuron in 4 is kept back; the first seed that was tried
FOLDS, FOLD_SEED = 4, 3
MOST = 50  # sections of one tree that the boosted trees are fitted to, drawn by length
TRUST = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0)
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


def fit_forest(seen: list[Seen]) -> tuple[Forest, Floats]:
    """Return boosted trees fitted to the sections of some trees, and the share (K,) of each kind among them."""
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
    prior = np.array([w[y == kind].sum() for kind in KINDS]) / w.sum()
    return forest_of(model), prior


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


@dataclass(frozen=True, slots=True)
class Unseen:
    """What trees that have not seen a neuron say of its sections: log probabilities (S, K), and their shares behind it."""

    seen: Seen
    log_p: Floats
    prior: Floats


def out_of_fold(seen: list[Seen], corpus: list[Neuron]) -> list[Unseen]:
    """Return what is said of each neuron by trees fitted to the other folds of animals."""
    fold = folds_of([neuron.animal for neuron in corpus], FOLDS, FOLD_SEED)
    found = []
    for number in range(FOLDS):
        forest, prior = fit_forest([one for one in seen if fold[one.neuron] != number])
        found += [
            Unseen(one, forest.log_probability(one.features), prior) for one in seen if fold[one.neuron] == number
        ]
        say(f"fold {number + 1} of {FOLDS}")
    return found


def calibrate(unseen: list[Unseen], model: KindModel) -> KindModel:
    """Return the model with trust, scale and shift chosen on neurons that its forest has not seen."""
    best, least = model, np.inf
    truth = np.concatenate([np.searchsorted(KINDS, one.seen.truth) for one in unseen])
    weight = np.concatenate([one.seen.length / max(one.seen.length.sum(), 1e-9) for one in unseen])
    for trust in TRUST:
        told = [smoothed(one.log_p, one.seen.sections, KINDS, one.prior, trust) for one in unseen]
        values = np.concatenate(told)

        def loss(numbers: Floats, values: Floats = values) -> float:
            p = calibrated(values, replace(model, scale=float(np.exp(numbers[0])), shift=np.r_[0.0, numbers[1:]]))
            right = p[np.arange(len(p)), np.minimum(truth, len(KINDS) - 1)]
            return float(-(weight * np.log(np.maximum(right, 1e-12)))[weight > 0].sum() / weight.sum())

        fine = {"maxiter": 150, "xatol": 0.02, "fatol": 1e-4}
        found = minimize(loss, np.zeros(len(KINDS)), method="Nelder-Mead", options=fine)
        numbers = f"scale {np.exp(found.x[0]):.2f}, shifts {np.round(found.x[1:], 2)}"
        say(f"trust {trust:g}: log loss {found.fun:.4f}, {numbers}")
        if found.fun < least:
            least = float(found.fun)
            best = replace(model, trust=trust, scale=float(np.exp(found.x[0])), shift=np.r_[0.0, found.x[1:]])
    return best


def fit(seen: list[Seen], corpus: list[Neuron]) -> tuple[KindModel, list[Unseen]]:
    """Return a model fitted to and calibrated on the trees, and what was said of each by trees that had not seen it."""
    unseen = out_of_fold(seen, corpus)
    forest, prior = fit_forest(seen)
    model = KindModel(forest, KINDS, prior, TRUST[0], 1.0, np.zeros(len(KINDS)), FEATURES)
    return calibrate(unseen, model), unseen


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
    parser.add_argument("--copies", type=int, default=5)
    args = parser.parse_args()
    corpus = read_corpus(args.corpus)
    kept = kept_back(corpus)
    seen = [one for k, neuron in enumerate(corpus) if not kept[k] for one in observe(k, neuron, args.copies)]
    say(f"{(~kept).sum()} neurons, {len(seen)} trees, {sum(len(one.truth) for one in seen)} sections")
    model, _ = fit(seen, corpus)
    store(model, args.out)
    say(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
