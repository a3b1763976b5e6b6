"""A neurite that the tree lacks and a second tracing finds: where it leaves the tree, and its path."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LeftOut"]


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """A way on: the path of a neurite that leaves a tree and is not part of it.

    Attributes:
        row: the node of the tree that it leaves.
        xyz: (M, 3) its points, the nearest to that node first, in the unit of the tree.
        length: from that node to its tip.
        confidence: how likely it is right, 0 to 1: the mean by length.
        meets: the node of another tree at which it arrives; -1 if it ends free.
    """

    row: int
    xyz: NDArray[np.float64]
    length: float
    confidence: float
    meets: int = -1
