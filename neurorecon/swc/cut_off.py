"""An SWC file that ends within its last line, as a download or a copy that broke off leaves it.

Many programs write no line break at the end, so its absence alone says nothing. The last number of a node is the id of its
parent; where that was cut, 1234 became 123 or 12, and the node hangs on one far away. So a node is cut off where

    a node whose id begins with the stated parent's is near: its distance is below 1 / NEARER of that to the stated parent
    the edge to the stated parent is longer than LONGER times the 95th percentile of all edges
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.swc.scan import Rows
from neurorecon.swc.structure import Ints

__all__ = ["cut_off"]

# Chosen on 461 tracings, each ended after 30 of its nodes at random: by these limits none of 14,169 whole ends is cut off, and
# 29,133 of 30,622 ends without one digit or more of the parent are (95 %; the others hang on a node that is near, too).
NEARER, LONGER = 3.0, 2.0
PERCENTILE = 95.0  # of the edges of the file
FEWEST = 10  # nodes: fewer have no usual edge
WAY_OUT = "download or copy the file again, or delete that line"


def cut_off(rows: Rows) -> str:
    """Return that the last line of a file is not whole, and the way out; "" where nothing tells it."""
    if rows.end == "fewer":
        return f"the file ends within its last line, which has fewer columns than the lines before; {WAY_OUT}"
    parent = int(rows.parent_id[-1]) if len(rows) else -1
    if rows.end != "open" or len(rows) < FEWEST or parent < 0:
        return ""
    by_id = np.argsort(rows.id, kind="stable")
    ids = rows.id[by_id]
    place = np.minimum(np.searchsorted(ids, rows.parent_id), len(ids) - 1)
    up, known = by_id[place], ids[place] == rows.parent_id
    edges = np.linalg.norm(rows.xyz - rows.xyz[up], axis=1)
    others = edges[:-1][known[:-1]]
    begins = np.flatnonzero(_begin_with(rows.id[:-1], parent))
    if not (known[-1] and len(others) and len(begins)):
        return ""
    apart = np.linalg.norm(rows.xyz[begins] - rows.xyz[-1], axis=1)
    usual = float(np.percentile(others, PERCENTILE))
    if edges[-1] <= max(NEARER * float(apart.min()), LONGER * usual):
        return ""
    near = int(rows.id[begins[int(np.argmin(apart))]])
    node = f"node {rows.id[-1]} names parent {parent}, which is far away; node {near} is near"
    return f"the file ends within its last number, it seems: {node}; {WAY_OUT}"


def _begin_with(ids: Ints, parent: int) -> NDArray[np.bool_]:
    """Tell which ids (N,) have the digits of `parent`, and more behind them."""
    found, low, high = np.zeros(len(ids), bool), parent, parent + 1
    largest = int(ids.max(initial=0))
    while parent and low <= largest:
        low, high = 10 * low, 10 * high
        found |= (ids >= low) & (ids < high)
    return found
