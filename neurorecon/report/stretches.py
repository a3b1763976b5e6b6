"""A tree in parts: unbranched lines, and the stretches that a person looks at one at a time."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import runs, summed_below
from neurorecon.core.tree import Tree

__all__ = ["STEP_PX", "STRETCH_PX", "Floats", "Ints", "cable_behind", "lines_of", "pixel_of", "stretches_of"]

# Set by hand; not tuned, unless a line says more.
STEP_PX = 1.5  # the tracer's usual distance between neighbouring nodes (TraceSettings.step_px)
STRETCH_PX = 20.0  # 13 nodes: short enough to be judged at a glance

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pixel_of(tree: Tree) -> float:
    """Return the length of a pixel in the unit of the tree, estimated from its median edge: `step_px`, else 1.5 px, long."""
    length = tree.edge_length if len(tree) else np.zeros(0)
    length = length[length > 0]
    step = STEP_PX if tree.step_px is None else tree.step_px
    return float(np.median(length)) / step if len(length) else 1.0


def lines_of(tree: Tree) -> list[list[int]]:
    """Return the rows of unbranched lines, parents first; together they hold every edge once."""
    found = sorted(runs(tree.parent), key=lambda run: int(run[1]))
    return [run.tolist() for run in found]


def stretches_of(tree: Tree) -> list[Ints]:
    """Return the lower nodes of the edges of each stretch, parents first; together they hold every edge once.

    A stretch is a part of an unbranched line, at most `STRETCH_PX` long unless one edge alone is longer. A line that is
    longer is halved, and its halves again: so no crumb is left at an end.
    """
    length, limit = tree.edge_length if len(tree) else np.zeros(0), STRETCH_PX * pixel_of(tree)
    found: list[Ints] = []
    for line in lines_of(tree):
        left = [np.array(line[1:], np.int64)]
        while left:
            part = left.pop()
            end = np.cumsum(length[part])
            if len(part) == 1 or end[-1] <= limit:
                found.append(part)
                continue
            half = int(np.searchsorted(end - length[part] / 2, end[-1] / 2))  # the first edge of the second half
            half = min(max(half, 1), len(part) - 1)
            left += [part[half:], part[:half]]
    return found


def cable_behind(tree: Tree) -> Floats:
    """Return the length of all edges below each node, (N,): the cable of its subtree."""
    length = tree.edge_length if len(tree) else np.zeros(0)
    return summed_below(tree.parent, length) - length
