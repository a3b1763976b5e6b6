"""Scores of a tree against its gold standard, as METRICS.md defines them; distances after Peng et al. 2010."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.forest import cut_edges
from neurorecon.core.tree import NodeType, Tree

__all__ = ["TreeScores", "check_cable", "one_node_a_soma", "pieces_of", "ratio", "score_trees"]

# From METRICS.md, but for MOST_PIECES, which was set by hand.
STEP = 0.5  # longest piece an edge is cut into
DIFFERENT = 2.0  # distance from which a piece counts as different
NODE_RADIUS = 4.0  # a branch point or a tip is found within this distance
MOST_PIECES = 100_000_000  # 3 GB; 50 m of cable in um: more is a wrong unit

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TreeScores:
    """How well a tree agrees with its gold standard; lengths and distances in the unit of the trees.

    Attributes:
        precision: share of the predicted length within the tolerance of gold.
        recall: share of the gold length within the tolerance of the prediction.
        f1: harmonic mean of the two.
        esa: entire structure average, the mean distance both ways.
        dsa: different structure average, the same over pieces that are 2 or more away.
        pds: share of length that is 2 or more away, both ways, 0 to 1.
        length_ratio: predicted by gold cable length.
        branch_recall, branch_precision: branch points matched one to one within 4.
        tip_recall, tip_precision: tips likewise.
    """

    precision: float
    recall: float
    f1: float
    esa: float
    dsa: float
    pds: float
    length_ratio: float
    branch_recall: float
    branch_precision: float
    tip_recall: float
    tip_precision: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by the keys of METRICS.md, in its order."""
        return asdict(self)


EMPTY = TreeScores(
    0.0,
    0.0,
    f1=0.0,
    esa=math.inf,
    dsa=math.inf,
    pds=1.0,
    length_ratio=0.0,
    branch_recall=0.0,
    branch_precision=0.0,
    tip_recall=0.0,
    tip_precision=0.0,
)


def score_trees(pred: Tree, gold: Tree, *, tolerance: float = 3.0) -> TreeScores:
    """Score a tree against its gold standard; both in one frame and one unit.

    Every edge is cut into pieces of at most 0.5. A piece stands for its length, and its middle is compared with the
    nearest middle of the other tree; averages are weighted by length. A side without cable scores 0, infinite and 1.
    Nodes of type soma that are joined to each other count as one node in their middle.

    Raises:
        InputError: if the tolerance is negative or not finite, or a tree is longer than any neuron.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"the tolerance is {tolerance}; a finite number, 0 or more, is needed")
    pred, gold = one_node_a_soma(pred), one_node_a_soma(gold)
    p, weight_p, _ = pieces_of(pred)
    g, weight_g, _ = pieces_of(gold)
    if not len(p) or not len(g):
        return EMPTY
    to_gold, to_pred = _distances(p, g)
    far_p, far_g = to_gold >= DIFFERENT, to_pred >= DIFFERENT
    precision = _share(to_gold <= tolerance, weight_p)
    recall = _share(to_pred <= tolerance, weight_g)
    branches = matching_size(pred.xyz[pred.branch_points], gold.xyz[gold.branch_points])
    tips = matching_size(pred.xyz[pred.tips], gold.xyz[gold.tips])
    return TreeScores(
        precision=precision,
        recall=recall,
        f1=ratio(2 * precision * recall, precision + recall),
        esa=(_mean(to_gold, weight_p) + _mean(to_pred, weight_g)) / 2,
        dsa=(_mean(to_gold[far_p], weight_p[far_p]) + _mean(to_pred[far_g], weight_g[far_g])) / 2,
        pds=(_share(far_p, weight_p) + _share(far_g, weight_g)) / 2,
        length_ratio=float(weight_p.sum() / weight_g.sum()),
        branch_recall=ratio(branches, len(gold.branch_points)),
        branch_precision=ratio(branches, len(pred.branch_points)),
        tip_recall=ratio(tips, len(gold.tips)),
        tip_precision=ratio(tips, len(pred.tips)),
    )


def one_node_a_soma(tree: Tree) -> Tree:
    """Return a tree with one node, in the middle, for all soma nodes that are joined: the outline of a soma is no cable.

    The node keeps the radius and the parent of the first of them.
    """
    soma = tree.type == NodeType.SOMA
    first = np.where(soma & (tree.parent >= 0) & soma[tree.parent], tree.parent, np.arange(len(tree)))
    kept = np.flatnonzero(first == np.arange(len(tree)))
    if len(kept) == len(tree):
        return tree
    while (first[first] != first).any():
        first = first[first]
    count = np.bincount(first, minlength=len(tree))[kept]
    middle = np.stack([np.bincount(first, tree.xyz[:, axis], len(tree))[kept] / count for axis in range(3)], axis=1)
    row = np.full(len(tree), -1)
    row[kept] = np.arange(len(kept))
    merged = tree.take(kept)
    parent = tree.parent[kept]
    return replace(merged, xyz=middle, parent=np.where(parent >= 0, row[first[parent]], -1))


def check_cable(tree: Tree) -> None:
    """Raise InputError if a tree is longer than any neuron, in nanometres say: its pieces would fill the memory."""
    if not tree.cable_length <= MOST_PIECES * STEP:
        raise InputError(f"a tree with {tree.cable_length:g} of cable is longer than any neuron; look at its units")


def pieces_of(tree: Tree) -> tuple[Points, Points, NDArray[np.int64]]:
    """Return middle (M, 3), length (M,) and lower node (M,) of the pieces of at most 0.5 that all edges are cut into."""
    length = tree.edge_length
    child = np.flatnonzero(length > 0)
    length = length[child]
    check_cable(tree)
    edge, number, count = cut_edges(length, STEP)
    along = (number + 0.5) / count[edge]
    start = tree.xyz[child]
    step = tree.xyz[tree.parent[child]] - start
    return start[edge] + along[:, None] * step[edge], (length / count)[edge], child[edge]


def _distances(a: Points, b: Points) -> tuple[Points, Points]:
    """Return the distance of every point of `a` to the nearest of `b`, and the other way."""
    from scipy.spatial import cKDTree

    return cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]


def matching_size(a: Points, b: Points) -> int:
    """Return the size of the largest one-to-one matching of points (n, 3) and (m, 3) that lie within NODE_RADIUS.

    Hopcroft and Karp 1973 on the graph of near pairs, which holds few of the n x m.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching
    from scipy.spatial import cKDTree

    if not len(a) or not len(b):
        return 0
    near = cKDTree(a).query_ball_tree(cKDTree(b), NODE_RADIUS)
    starts = np.concatenate([[0], np.cumsum([len(partners) for partners in near])])
    partners = np.array([partner for row in near for partner in row], dtype=np.int32)
    graph = csr_array((np.ones(len(partners), np.int8), partners, starts), shape=(len(a), len(b)))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _share(chosen: NDArray[np.bool_], weight: Points) -> float:
    return float(weight[chosen].sum() / weight.sum())


def _mean(distance: Points, weight: Points) -> float:
    return float(np.average(distance, weights=weight)) if len(distance) else 0.0


def ratio(part: float, whole: float) -> float:
    """Return a share, 0 of nothing."""
    return part / whole if whole else 0.0
