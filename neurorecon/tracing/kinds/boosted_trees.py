"""Probabilities of kinds by boosted decision trees (Friedman 2001), evaluated with numpy.

They are fitted by `benchmarks/fit_kinds.py` and stored beside this file. The probability of a kind is the softmax of the sums
of the leaves that a section falls into.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kinds.sections import Floats, Ints

__all__ = ["Forest", "KindModel", "kind_model"]

FILE = Path(__file__).with_name("kinds.npz")


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Decision trees, their nodes one after the other; node i goes left where its feature is at most its threshold.

    Attributes:
        feature: (N,) column that each node looks at, -1 in a leaf.
        threshold: (N,) float64.
        left, right: (N,) nodes that follow; a leaf's are its own.
        value: (N,) what a leaf adds.
        root: (R, K) first node of each tree, R rounds of K kinds.
        base: (K,) sum before the first tree.
        depth: steps from a root to the deepest leaf.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    root: Ints
    base: Floats
    depth: int

    def log_probability(self, features: Floats) -> Floats:
        """Return the logarithms (S, K) of the probabilities of the kinds, for features (S, F)."""
        row = np.arange(len(features))[:, None]
        total = np.repeat(self.base[None], len(features), 0)
        for roots in self.root:
            at = np.repeat(roots[None], len(features), 0)
            for _ in range(self.depth):
                column = self.feature[at]
                low = features[row, np.maximum(column, 0)] <= self.threshold[at]
                at = np.where(low, self.left[at], self.right[at])
            total += self.value[at]
        top = total.max(1, keepdims=True, initial=-np.inf)
        return np.asarray(total - top - np.log(np.exp(total - top).sum(1, keepdims=True)))


@dataclass(frozen=True, slots=True, eq=False)
class KindModel:
    """What is known of kinds: the forest of one section, and the numbers of the tree around it.

    Attributes:
        forest: gives the probabilities of a section seen by itself.
        kinds: (K,) SWC types of its columns; 0 is a neuron of no vertebrate.
        prior: (K,) share of each kind in what the forest was fitted to.
        trust: weight of a long section's evidence beside that of its neighbours.
        scale, shift: log probabilities are multiplied by, and shifted by (K,), until they are calibrated.
        features: names of the columns, to be compared with FEATURES.
    """

    forest: Forest
    kinds: Ints
    prior: Floats
    trust: float
    scale: float
    shift: Floats
    features: tuple[str, ...]

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays that are stored."""
        names = [field.name for field in fields(Forest)]
        found = {f"forest_{name}": np.asarray(getattr(self.forest, name)) for name in names}
        mine = [field.name for field in fields(KindModel) if field.name != "forest"]
        return found | {name: np.asarray(getattr(self, name)) for name in mine}


@cache
def kind_model(path: Path = FILE) -> KindModel:
    """Return the model that the package has, or that of another file."""
    with np.load(path) as stored:
        wide = {name: np.float64 if stored[name].dtype.kind == "f" else np.int64 for name in stored.files}
        table = {name: stored[name].astype(wide[name]) for name in stored.files if stored[name].dtype.kind != "U"}
        names = tuple(str(name) for name in stored["features"])
    parts = {name.removeprefix("forest_"): value for name, value in table.items() if name.startswith("forest_")}
    return KindModel(
        forest=Forest(**{**parts, "depth": int(parts["depth"])}),
        kinds=table["kinds"],
        prior=table["prior"],
        trust=float(table["trust"]),
        scale=float(table["scale"]),
        shift=table["shift"],
        features=names,
    )
