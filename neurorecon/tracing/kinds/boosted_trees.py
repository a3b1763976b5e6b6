"""Probabilities of kinds by boosted decision trees (Friedman 2001), evaluated with numpy.

They are fitted by `benchmarks/fit_kinds.py` and stored beside this file. The probability of a kind is the softmax of the sums
of the leaves that a section falls into.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kinds.pooled import Pool
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
    """What is known of kinds.

    Attributes:
        forest: gives the probabilities of a section seen by itself.
        pool: joins it with what its neighbours say.
        kinds: (K,) SWC types of the columns; 0 is a neuron of no vertebrate.
        features: names of the columns that the forest looks at, to be compared with FEATURES.
    """

    forest: Forest
    pool: Pool
    kinds: Ints
    features: tuple[str, ...]

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays that are stored."""
        found: dict[str, NDArray[np.generic]] = {"kinds": self.kinds, "features": np.array(self.features)}
        for part in (self.forest, self.pool):
            names = [field.name for field in fields(part)]
            found |= {f"{type(part).__name__.lower()}_{name}": np.asarray(getattr(part, name)) for name in names}
        return found


@cache
def kind_model() -> KindModel:
    """Return the model that the package has."""
    with np.load(FILE) as stored:
        table = {name: stored[name] for name in stored.files}

    def part(prefix: str) -> dict[str, Any]:
        own = {name.removeprefix(prefix): values for name, values in table.items() if name.startswith(prefix)}
        return {
            name: values.astype(np.float64 if values.dtype.kind == "f" else np.int64) for name, values in own.items()
        }

    trees = part("forest_")
    forest = Forest(**{**trees, "depth": int(trees["depth"])})
    names = tuple(str(name) for name in table["features"])
    return KindModel(forest, Pool(**part("pool_")), table["kinds"].astype(np.int64), names)
