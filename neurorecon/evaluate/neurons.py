"""Scores of many neurons in one volume: splits, merges, omissions and the expected run length.

Januszewski et al. 2018 for the expected run length; all as the package segmentation-skeleton-metrics defines it
(Grim et al., Allen Institute, version 5.9), whose label of a voxel is here the predicted tree that lies nearest:

    label of a node of gold  the predicted tree within the tolerance, 0 where there is none
    omitted edge             one of its ends has no label
    split edge               its ends have different labels
    merged edge              both ends have a label that holds another neuron as well
    run                      connected nodes with one label
    expected run length      sum of length(run)^2 of the runs that hold no other neuron / sum of length(run) of all runs

A stretch without a label between ends of one label is no omission: there the tree runs at a larger distance.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.forest import groups, root_of
from neurorecon.core.tree import Tree
from neurorecon.evaluate.trees import check_cable, one_node_a_soma, pieces_of, ratio

__all__ = ["MERGE", "NeuronScores", "SeveralScores", "score_neurons"]

# By convention those of segmentation-skeleton-metrics.
LONGEST_EDGE = 2.0  # of gold, in its unit: longer ones are cut, so that an edge is a place and not a neurite
MERGE = 50.0  # cable of a neuron that a tree follows at least (um); all lengths here are those of segmentation-skeleton-metrics
FAR, NEAR, SAME_SITE = 2.0, 0.2, 0.8  # times that: 100, 10 and 40 um there

Points = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NeuronScores:
    """Splits and merges of one neuron of the gold standard; shares are 0 to 1.

    Attributes:
        run_length: its cable, in the unit of the trees.
        splits: gaps between two labels, of any length.
        truncations: omitted stretches that reach a tip.
        merges: places where a tree leaves this neuron for other cable.
        split_edges, omitted_edges, merged_edges: shares of its edges.
        edge_accuracy: share of its edges without any of the three faults.
        erl: expected run length, in the unit of the trees.
        erl_share: the same by `run_length`.
    """

    run_length: float
    splits: float
    truncations: float
    merges: float
    split_edges: float
    omitted_edges: float
    merged_edges: float
    edge_accuracy: float
    erl: float
    erl_share: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return asdict(self)


NOTHING = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64))

COUNTS = ("run_length", "splits", "truncations", "merges")  # summed over neurons; all others are means by run length


@dataclass(frozen=True, slots=True)
class SeveralScores:
    """Scores of many neurons.

    Attributes:
        neurons: those of each neuron of the gold standard, by its name.
        all: sums of lengths and counts, and means of all else, weighted by run length.
    """

    neurons: dict[str, NeuronScores]
    all: NeuronScores

    def as_dict(self) -> dict[str, object]:
        """Return {"all": scores, "neurons": {name: scores}}."""
        return {"all": self.all.as_dict(), "neurons": {name: one.as_dict() for name, one in self.neurons.items()}}


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A neuron of the gold standard, its edges cut, and the predicted tree (N,) at each node, -1 where there is none."""

    tree: Tree
    label: Ints

    def runs(self) -> tuple[Ints, Points]:
        """Return the run (N,) of each node, named by its first node, and the length (N,) of each run at that node."""
        parent, length = self.tree.parent, self.tree.edge_length
        same = (parent >= 0) & (self.label[parent] == self.label)
        run = root_of(np.where(same, parent, -1))
        return run, np.bincount(run, np.where(same, length, 0.0), len(run)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Site:
    """A place where a predicted tree leaves a neuron."""

    neuron: str
    label: int
    xyz: Points


def score_neurons(
    pred: Sequence[Tree], gold: Mapping[str, Tree], *, tolerance: float = 3.0, merge: float = MERGE
) -> SeveralScores:
    """Score a reconstruction of many neurons against their gold standard; all in one frame and one unit.

    Nodes of type soma that are joined to each other count as one node in their middle: a soma is no cable.

    Args:
        pred: the prediction; every tree of every forest is a piece of its own.
        gold: the neurons of the gold standard by name.
        tolerance: distance up to which cable counts as found.
        merge: cable of a neuron that a tree follows at least to hold it. A tree merges where it holds two neurons, or where
            it leaves one and reaches further than twice this from it.

    Raises:
        InputError: if there is no neuron in `gold`, a length is not above 0, or a tree is longer than any neuron.
    """
    if not gold:
        raise InputError("no neuron is in the gold standard; give one tree or more")
    if not (np.isfinite([tolerance, merge]).all() and tolerance >= 0 and merge > 0):
        raise InputError(
            f"tolerance is {tolerance} and merge {merge}; a length of 0 or more and one above 0 are needed"
        )
    whole = Tree.joined([NOTHING, *(one_node_a_soma(tree) for tree in pred)])
    labelled = _labelled(whole, {name: _cut(one_node_a_soma(tree)) for name, tree in gold.items()}, tolerance)
    rows = dict(zip(whole.roots.tolist(), groups(whole.root_of(), whole.roots), strict=True))
    left = {name: _sites(name, one, whole, rows, merge) for name, one in labelled.items()}
    merges = Counter(site.neuron for site in _distinct([site for seen in left.values() for site in seen], merge))
    shared = _shared_labels(labelled, merge)
    scores = {
        name: _scores(one, merges[name], shared | {site.label for site in left[name]}) for name, one in labelled.items()
    }
    return SeveralScores(scores, _together(list(scores.values())))


def _cut(tree: Tree) -> Tree:
    """Return a tree whose edges are at most LONGEST_EDGE long, with new nodes evenly along them, type and radius left out."""
    check_cable(tree)
    length = tree.edge_length
    count = np.maximum(np.ceil(length / LONGEST_EDGE), 1).astype(np.int64)
    last = np.cumsum(count) - 1  # place of each node; those before it lie between its parent and it
    node = np.repeat(np.arange(len(tree)), count)
    step = np.arange(len(node)) - last[node] + count[node]
    parent = tree.parent[node]
    start = np.where((parent >= 0)[:, None], tree.xyz[parent], tree.xyz[node])
    xyz = start + (step / count[node])[:, None] * (tree.xyz[node] - start)
    before = np.where(step > 1, np.arange(len(node)) - 1, np.where(parent >= 0, last[parent], -1))
    return Tree(xyz, np.ones(len(node)), before, unit=tree.unit)


def _labelled(whole: Tree, gold: Mapping[str, Tree], tolerance: float) -> dict[str, _Labelled]:
    """Return every neuron with the predicted tree at each of its nodes, named by the row of its root in `whole`."""
    from scipy.spatial import cKDTree

    pieces, _, node = pieces_of(whole)
    if not len(pieces):
        return {name: _Labelled(tree, np.full(len(tree), -1)) for name, tree in gold.items()}
    search, owner = cKDTree(pieces), root_of(whole.parent)[node]
    found = {}
    for name, tree in gold.items():
        distance, row = search.query(tree.xyz)
        found[name] = _mended(_Labelled(tree, np.where(distance <= tolerance, owner[row], -1)))
    return found


def _mended(one: _Labelled) -> _Labelled:
    """Return a neuron whose stretches without a label have that of their ends, where all ends agree and none is a tip."""
    tree, label = one.tree, one.label
    run, _ = one.runs()
    child = np.flatnonzero(tree.parent >= 0)
    a, b = np.concatenate([child, tree.parent[child]]), np.concatenate([tree.parent[child], child])
    border = (label[a] < 0) & (label[b] >= 0)
    lowest, highest = np.full(len(tree), len(tree) + label.max(initial=0)), np.full(len(tree), -1)
    np.minimum.at(lowest, run[a[border]], label[b[border]])
    np.maximum.at(highest, run[a[border]], label[b[border]])
    open_end = np.zeros(len(tree), bool)
    open_end[run[tree.tips]] = True
    mends = (lowest == highest) & ~open_end
    return replace(one, label=np.where((label < 0) & mends[run], highest[run], label))


def _shared_labels(labelled: Mapping[str, _Labelled], merge: float) -> set[int]:
    """Return the predicted trees that hold at least `merge` of the cable of two neurons."""
    holds: dict[int, int] = {}
    for one in labelled.values():
        run, length = one.runs()
        own = one.label >= 0
        cable = np.bincount(one.label[own], np.where(run == np.arange(len(run)), length, 0.0)[own])
        for label in np.flatnonzero(cable >= merge).tolist():
            holds[label] = holds.get(label, 0) + 1
    return {label for label, neurons in holds.items() if neurons > 1}


def _sites(name: str, one: _Labelled, whole: Tree, rows: Mapping[int, Ints], merge: float) -> list[_Site]:
    """Return where the predicted trees that follow a neuron leave it for cable that reaches further than FAR from it.

    `rows` are the nodes of each tree of `whole`, by its root.
    """
    from scipy.spatial import cKDTree

    found = []
    for label in np.unique(one.label[one.label >= 0]).tolist():
        piece = whole.take(rows[label])
        away = cKDTree(one.tree.xyz[one.label == label]).query(piece.xyz)[0]
        far = _without_brushes(piece, away > NEAR * merge, merge)
        group = root_of(np.where((piece.parent >= 0) & (far[piece.parent] == far), piece.parent, -1))
        reaches = np.zeros(len(piece), bool)
        tips = piece.tips
        reaches[group[tips[far[tips] & (away[tips] > FAR * merge)]]] = True
        child = np.flatnonzero((piece.parent >= 0) & (far[piece.parent] != far))
        ends = np.stack([child, piece.parent[child]], 1)
        outside = np.where(far[ends[:, 0]], ends[:, 0], ends[:, 1])
        inside = ends.sum(1) - outside
        for number in np.unique(group[outside][reaches[group[outside]]]).tolist():
            rows_inside = inside[group[outside] == number]
            found.append(_Site(name, label, piece.xyz[rows_inside[away[rows_inside].argmin()]]))
    return found


def _without_brushes(piece: Tree, far: Mask, merge: float) -> Mask:
    """Return which nodes are far from a neuron, with those near it that follow it for less than `merge`."""
    same = (piece.parent >= 0) & (far[piece.parent] == far)
    group = root_of(np.where(same, piece.parent, -1))
    cable = np.bincount(group, np.where(same, piece.edge_length, 0.0), len(piece))
    return far | (cable[group] < merge)


def _distinct(sites: list[_Site], merge: float) -> list[_Site]:
    """Return the sites without those that lie on the same tree beside one before: two neurons see one merge."""
    kept: list[_Site] = []
    for site in sites:
        near = (
            one for one in kept if one.label == site.label and np.linalg.norm(one.xyz - site.xyz) <= SAME_SITE * merge
        )
        if next(near, None) is None:
            kept.append(site)
    return kept


def _scores(one: _Labelled, merges: int, with_merge: set[int]) -> NeuronScores:
    """Return the scores of a neuron of which some predicted trees hold other cable as well."""
    tree, label = one.tree, one.label
    bad = np.isin(label, sorted(with_merge))
    run, length = one.runs()
    first = np.flatnonzero((run == np.arange(len(run))) & (label >= 0))
    child = np.flatnonzero(tree.parent >= 0)
    a, b = label[child], label[tree.parent[child]]
    omitted, split = (a < 0) | (b < 0), (a >= 0) & (b >= 0) & (a != b)
    merged = (a >= 0) & (a == b) & bad[child]
    gaps = np.unique(run[label < 0])
    at_tip = np.unique(run[tree.tips[label[tree.tips] < 0]])
    runs = length[first]
    expected = ratio(float((runs**2 * ~bad[first]).sum()), float(runs.sum()))
    shares = [ratio(float(kind.sum()), len(child)) for kind in (split, omitted, merged)]
    return NeuronScores(
        run_length=tree.cable_length,
        splits=float(len(gaps) - len(at_tip) + split.sum()),
        truncations=float(len(at_tip)),
        merges=float(merges),
        split_edges=shares[0],
        omitted_edges=shares[1],
        merged_edges=shares[2],
        edge_accuracy=1 - sum(shares) if len(child) else 0.0,
        erl=expected,
        erl_share=ratio(expected, tree.cable_length),
    )


def _together(scores: list[NeuronScores]) -> NeuronScores:
    """Return sums of counts, and means weighted by run length of all else."""
    rows = [one.as_dict() for one in scores]
    weight = np.array([one.run_length for one in scores])

    def mean(key: str) -> float:
        return ratio(float(np.dot(weight, [row[key] for row in rows])), float(weight.sum()))

    return NeuronScores(**{key: sum(row[key] for row in rows) if key in COUNTS else mean(key) for key in rows[0]})
