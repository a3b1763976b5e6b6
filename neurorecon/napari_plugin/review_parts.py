"""The trees of a file under review as its verdicts leave them: which nodes are of one tree, and whether it has a soma."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import components
from neurorecon.core.tree import NodeType
from neurorecon.mend import Verdict
from neurorecon.napari_plugin.review_file import ReviewFile

__all__ = ["has_soma", "parts_of"]

Ints = NDArray[np.int64]


def parts_of(about: ReviewFile, verdicts: Sequence[Verdict], *, gone: NDArray[np.bool_]) -> Ints:
    """Return the number of the tree that holds each node, (N,).

    Args:
        about: the file.
        verdicts: those on it.
        gone: (N,) whether the edge above each node was dropped or cut.
    """
    parent = about.tree.parent
    low = np.flatnonzero((parent >= 0) & ~gone)
    joins = [v for v in verdicts if v.do in ("join", "extend") and v.to is not None]
    links = [(about.row(v.node), about.row(v.to)) for v in joins]
    edges = np.concatenate([np.stack([low, parent[low]], 1), np.array(links, np.int64).reshape(-1, 2)])
    return components(len(about.tree), edges[(edges >= 0).all(axis=1)])[1]


def has_soma(about: ReviewFile, verdicts: Sequence[Verdict], part: Ints, row: int) -> bool:
    """Say whether the tree of a node has a soma by now; one that was rooted elsewhere has none any more.

    `part` is what `parts_of` gives.
    """
    kind = about.tree.type.copy()
    for verdict in verdicts:
        node = about.row(verdict.node)
        if node < 0:
            continue
        if verdict.kind is not None and NodeType.SOMA in (kind[node], verdict.kind):
            kind[node] = verdict.kind
        elif verdict.do == "root" and kind[node] != NodeType.SOMA:
            kind[(part == part[node]) & (kind == NodeType.SOMA)] = NodeType.UNDEFINED
    return bool((kind[part == part[row]] == NodeType.SOMA).any())
