"""Morphological scores of a tree against its gold standard, as METRICS.md defines them: root, paths, counts, Sholl.

F1 measures the position of the cable only. A root in the wrong place, a wrong link or a false branch point does not lower it.
Sholl 1953 for the crossings with spheres around the soma.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import ways_to_root
from neurorecon.core.tree import NodeType, Tree
from neurorecon.evaluate.trees import check_cable, matching_size, one_node_a_soma, pieces_of, ratio

__all__ = ["MorphologyScores", "path_agreement", "score_morphology"]

# All from METRICS.md, in the unit of the trees.
NEAR_SOMA, NEAR_SOMA_RADII = 10.0, 1.5  # a root is at the soma within the larger of 10 and 1.5 radii
NEAR = 3.0  # cable is found within this distance
WAY_SLACK, WAY_SHARE = 6.0, 0.05  # a way to the soma may differ by 6 + 5 %
SHELL = 10.0  # between two spheres

Points = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MorphologyScores:
    """How well root, ways and counts of a tree agree with its gold standard; a forest counts by its largest tree's root.

    Attributes:
        root_at_soma: 1 where the root lies within max(10, 1.5 radii) of gold's root.
        soma_found: 1 where a node of type soma lies there.
        false_somata: number of roots of type soma that lie elsewhere.
        path_agreement: share of gold's cable that is found within 3 and is as far from its root, along the tree, as in gold.
        path_rerooted: the same, from the node of the prediction that is nearest to gold's root.
        tips_ratio, branches_ratio: number of tips and of branch points, prediction by gold.
        tip_f1, branch_f1: harmonic mean of their recall and precision.
        sholl: agreement of the Sholl profiles, 0 to 1, each tree around its own root.
        pieces: number of trees in the prediction.
    """

    root_at_soma: float
    soma_found: float
    false_somata: float
    path_agreement: float
    path_rerooted: float
    tips_ratio: float
    branches_ratio: float
    tip_f1: float
    branch_f1: float
    sholl: float
    pieces: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by the keys of METRICS.md, in its order."""
        return asdict(self)


EMPTY = MorphologyScores(*[0.0] * 11)


def score_morphology(
    pred: Tree, gold: Tree, *, pred_rows: Ints | None = None, gold_rows: Ints | None = None
) -> MorphologyScores:
    """Score the morphology of a tree against its gold standard; both in one frame and one unit.

    A prediction of fewer than two nodes, or a gold standard without cable, scores 0 throughout.

    Args:
        pred: the prediction.
        gold: the gold standard.
        pred_rows: place of every node of `pred` in its file (`rows_in_file`), None for the tree's own order. Of two nodes at
            the same distance the order decides which is the nearest, so that other programs give the same scores.
        gold_rows: likewise of `gold`.

    Raises:
        InputError: if a tree is longer than any neuron.
    """
    check_cable(pred)
    check_cable(gold)
    a, b = _Side.of(pred, pred_rows), _Side.of(gold, gold_rows)
    pred, gold = a.tree, b.tree
    if len(pred) < 2 or not gold.cable_length:
        return EMPTY
    root, truth = main_root(pred), main_root(gold)
    centre = gold.xyz[truth]
    near = max(NEAR_SOMA, NEAR_SOMA_RADII * float(gold.radius[truth]))
    to_soma = np.linalg.norm(pred.xyz - centre, axis=1)
    soma = pred.type == NodeType.SOMA
    at_truth = int(a.nearest(centre[None])[1][0])
    return MorphologyScores(
        root_at_soma=float(to_soma[root] <= near),
        soma_found=float((to_soma[soma] <= near).any()),
        false_somata=float((soma & (pred.parent < 0) & (to_soma > near)).sum()),
        path_agreement=_agreement(a, root, b, truth),
        path_rerooted=_agreement(a, at_truth, b, truth),
        tips_ratio=ratio(len(pred.tips), len(gold.tips)),
        branches_ratio=ratio(len(pred.branch_points), len(gold.branch_points)),
        tip_f1=_matched_f1(pred.xyz[pred.tips], gold.xyz[gold.tips]),
        branch_f1=_matched_f1(pred.xyz[pred.branch_points], gold.xyz[gold.branch_points]),
        sholl=_same_profile(sholl_profile(pred, root), sholl_profile(gold, truth)),
        pieces=float(len(pred.roots)),
    )


def path_agreement(pred: Tree, gold: Tree) -> float:
    """Return the `path_agreement` of `score_morphology` alone, in a fifth of its time."""
    a, b = _Side.of(pred, None), _Side.of(gold, None)
    if len(a.tree) < 2 or not b.tree.cable_length:
        return 0.0
    return _agreement(a, main_root(a.tree), b, main_root(b.tree))


@dataclass(frozen=True, slots=True)
class _Side:
    """A tree with one node a soma, and the order (N,) that decides between nodes at equal distance."""

    tree: Tree
    order: Ints

    @staticmethod
    def of(tree: Tree, rows: Ints | None) -> "_Side":
        """Prepare a tree; `rows` are the places of its nodes in the file."""
        soma = tree.type == NodeType.SOMA
        kept = ~(soma & (tree.parent >= 0) & soma[tree.parent])
        place = np.arange(len(tree)) if rows is None else rows
        return _Side(one_node_a_soma(tree), np.argsort(place[kept]))

    def nearest(self, points: Points) -> tuple[Points, Ints]:
        """Return distance (M,) and row (M,) of the nodes nearest to points (M, 3)."""
        from scipy.spatial import cKDTree

        distance, place = cKDTree(self.tree.xyz[self.order]).query(points)
        return distance, self.order[place]


def _agreement(found: _Side, root: int, truth: _Side, true_root: int) -> float:
    """Return the share of the gold cable that is found, with a path to the root as long as in gold."""
    pieces, weight, _ = pieces_of(truth.tree)
    wanted = way_lengths(truth.tree, true_root)[truth.nearest(pieces)[1]]  # a piece has the way of its nearest node
    distance, row = found.nearest(pieces)
    way = way_lengths(found.tree, root)[row]
    right = (distance <= NEAR) & np.isfinite(way) & np.isfinite(wanted)
    right[right] = np.abs(way[right] - wanted[right]) <= WAY_SLACK + WAY_SHARE * wanted[right]
    return float(weight[right].sum() / weight.sum())


def main_root(tree: Tree) -> int:
    """Return the row of the root with the most cable."""
    cable = np.bincount(tree.root_of(), tree.edge_length, len(tree))
    return int(tree.roots[np.argmax(cable[tree.roots])])


def way_lengths(tree: Tree, source: int) -> Points:
    """Return the length of the way along the tree from node `source` to every node (N,); infinite in another tree.

    With h the way to the root and m the node where the ways of v and of the source meet: h(v) + h(source) - 2 h(m).
    """
    root, to_root = ways_to_root(tree.parent, tree.edge_length)
    on_way = np.zeros(len(tree), bool)
    node = source
    while node >= 0:
        on_way[node] = True
        node = int(tree.parent[node])
    meet = np.where(on_way | (tree.parent < 0), np.arange(len(tree)), tree.parent)
    while (meet[meet] != meet).any():
        meet = meet[meet]
    length = to_root + to_root[source] - 2 * to_root[meet]
    return np.where(root == root[source], length, math.inf)


def sholl_profile(tree: Tree, centre: int) -> Points:
    """Return how many edges meet the spheres of radius 0, 10, 20 ... around node `centre`, (S,).

    An edge counts by the distances of its two ends.
    """
    distance = np.linalg.norm(tree.xyz - tree.xyz[centre], axis=1) / SHELL
    child = np.flatnonzero(tree.parent >= 0)
    ends = np.stack([distance[child], distance[tree.parent[child]]])
    first, last = np.ceil(ends.min(0)).astype(np.int64), np.floor(ends.max(0)).astype(np.int64)
    met = last >= first
    size = int(distance.max()) + 2
    change = np.bincount(first[met], minlength=size + 1) - np.bincount(last[met] + 1, minlength=size + 1)
    return np.cumsum(change)[:size].astype(np.float64)


def _same_profile(a: Points, b: Points) -> float:
    """Return 1 - sum |a - b| / sum max(a, b); the shorter profile goes on with 0."""
    size = max(len(a), len(b))
    a, b = np.pad(a, (0, size - len(a))), np.pad(b, (0, size - len(b)))
    return 1.0 - float(np.abs(a - b).sum() / max(np.maximum(a, b).sum(), 1.0))


def _matched_f1(pred: Points, gold: Points) -> float:
    """Return the harmonic mean of recall and precision of points (n, 3): twice the matches by the number of all points."""
    return ratio(2 * matching_size(pred, gold), len(pred) + len(gold))
