"""How good a tree is likely to be, told without a truth."""

import numpy as np

from neurorecon.core.tree import Tree

__all__ = ["predicted_f1"]


def predicted_f1(tree: Tree) -> float | None:
    """Return the F1 (METRICS.md) that a tree is likely to reach, 0 to 1; None where its confidence is unknown.

    sum of length * confidence / sum of length: the share of the cable that is right, if confidence is the probability
    that an edge is. Cable that was missed is not in it, so it is a guess from above.
    """
    length = tree.edge_length if len(tree) else np.zeros(0)
    if tree.confidence is None or not length.any():
        return None
    return round(float((length * tree.confidence).sum() / length.sum()), 6)
