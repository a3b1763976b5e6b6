"""How good a tree is likely to be, told without a truth."""

import math

import numpy as np

from neurorecon.core.tree import Tree

__all__ = ["predicted_f1", "signs_of_error"]

SURE = 0.8  # confidence from which on an edge speaks for the tree
# benchmarks/fit_quality.py, on the 39 training neurons of lifted, hard and dim
DOUBT, BRIDGED = 3.351, 1.196


def predicted_f1(tree: Tree) -> float | None:
    """Return the F1 (METRICS.md) that a tree is likely to reach, 0 to 1; None where its confidence is unknown.

        F1 = exp(-(DOUBT * doubt + BRIDGED * sqrt(bridged)))

    with the signs of `signs_of_error`. A tree with gaps, even small ones, is one of a stack in which other cable is missed:
    that is what its confidence alone does not tell, and why the root. Best for the ranking of a batch; of one tree the
    error is 0.04 on average, and a neurite that left no trace in the tree is in no figure that is made from it.
    """
    signs = signs_of_error(tree)
    if signs is None:
        return None
    doubt, bridged = signs
    return round(math.exp(-(DOUBT * doubt + BRIDGED * math.sqrt(bridged))), 6)


def signs_of_error(tree: Tree) -> tuple[float, float] | None:
    """Return (doubt, bridged), 0 for a tree without fault; None without cable or where its confidence is unknown.

        doubt   = sum of length * max(0, SURE - confidence) / sum of length
        bridged = length of the edges that span a gap / sum of length

    Both are shares, so that the unit of the tree is without effect. Where bridges are unknown none is counted.
    """
    length = tree.edge_length if len(tree) else np.zeros(0)
    if tree.confidence is None or not length.any():
        return None
    share = length / length.sum()
    doubt = float((share * np.maximum(0.0, SURE - tree.confidence)).sum())
    return doubt, 0.0 if tree.bridged is None else float(share[tree.bridged].sum())
