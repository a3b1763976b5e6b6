"""Many neurons in one volume: drawn cases with known answers, and the package segmentation-skeleton-metrics as the oracle."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.tree import NodeType, Tree
from neurorecon.evaluate import score_neurons

LONG = 241  # nodes of a line, 1 apart: 240 of cable


def line(y, first=0, last=LONG - 1, *, z=0):
    """Return a straight line along x at height y, a node at every whole number."""
    x = np.arange(first, last + 1)
    return Tree(np.c_[x, np.full(len(x), y), np.full(len(x), z)], np.ones(len(x)), np.arange(len(x)) - 1)


def linked(a, b, at_a, at_b):
    """Return two trees as one: the root of b turned to hang, by a straight way of whole steps, on node `at_a` of a."""
    steps = int(abs(a.xyz[at_a] - b.xyz[at_b]).max())
    way = a.xyz[at_a] + np.arange(1, steps)[:, None] / steps * (b.xyz[at_b] - a.xyz[at_a])
    first = len(a)
    parent_way = np.r_[at_a, np.arange(first, first + steps - 2)]
    base = first + steps - 1
    parent_b = np.where(b.parent < 0, base - 1, b.parent + base)
    xyz = np.concatenate([a.xyz, way, b.xyz])
    return Tree(xyz, np.ones(len(xyz)), np.concatenate([a.parent, parent_way, parent_b]))


def test_what_is_traced_as_it_is_has_the_run_length_of_the_whole_neuron():
    gold = {"a": line(0), "b": line(60)}
    scores = score_neurons(list(gold.values()), gold)
    assert scores.neurons["a"].as_dict() == {
        "run_length": 240, "splits": 0, "truncations": 0, "merges": 0, "split_edges": 0, "omitted_edges": 0,
        "merged_edges": 0, "edge_accuracy": 1, "erl": 240, "erl_share": 1,
    }  # fmt: skip
    assert (scores.all.run_length, scores.all.erl) == (480, 240)


def test_a_split_in_the_middle_halves_the_expected_run_length():
    scores = score_neurons([line(0, 0, 119), line(0, 120, 240)], {"a": line(0)}, tolerance=0.4).all
    assert (scores.splits, scores.truncations, scores.merges) == (1, 0, 0)
    assert scores.split_edges == pytest.approx(1 / 240)
    assert scores.erl == pytest.approx((119**2 + 120**2) / 239)


def test_a_gap_is_a_split_and_what_lacks_at_the_end_a_truncation():
    scores = score_neurons([line(0, 0, 99), line(0, 141, 200)], {"a": line(0)}, tolerance=0.4).all
    assert (scores.splits, scores.truncations) == (1, 1)
    assert scores.omitted_edges == pytest.approx((42 + 40) / 240)
    assert scores.erl == pytest.approx((99**2 + 59**2) / (99 + 59))


def test_a_detour_of_one_tree_is_no_omission():
    x = np.arange(LONG)
    away = np.where((x > 100) & (x < 110), 5, 0)
    detour = Tree(np.c_[x, away, 0 * x], np.ones(LONG), x - 1)
    scores = score_neurons([detour], {"a": line(0)}).all
    assert (scores.splits, scores.omitted_edges, scores.erl) == (0, 0, 240)


def test_two_neurons_in_one_tree_are_a_merge_with_no_run_length():
    gold = {"a": line(0), "b": line(60, z=9), "c": line(300)}
    scores = score_neurons([linked(gold["a"], gold["b"], 240, 0), gold["c"]], gold, merge=20)
    assert scores.all.merges >= 1
    assert scores.neurons["a"].erl == scores.neurons["b"].erl == 0
    assert scores.neurons["a"].merged_edges == 1
    assert (scores.neurons["c"].merges, scores.neurons["c"].erl) == (0, 240)
    assert scores.all.erl == pytest.approx(80)


@pytest.mark.parametrize(("apart", "merges"), [(40, 1), (120, 2)])
def test_a_merge_that_two_neurons_see_in_one_place_counts_once(apart, merges):
    gold = {"a": line(0), "b": line(apart, 240, 480)}
    assert score_neurons([linked(gold["a"], gold["b"], 240, 0)], gold).all.merges == merges


def test_false_cable_that_goes_far_from_all_neurons_is_a_merge_and_a_short_twig_is_none():
    gold = {"a": line(0)}
    far = linked(gold["a"], line(150, 100, 200), 100, 0)
    assert score_neurons([far], gold).all.merges == 1
    assert score_neurons([linked(gold["a"], line(40, 100, 102), 100, 0)], gold).all.merges == 0


def test_nodes_of_gold_that_lie_apart_count_as_many_edges():
    sparse = Tree(np.array([[0, 0, 0], [240, 0, 0]]), np.ones(2), np.array([-1, 0]))
    scores = score_neurons([line(0, 0, 120)], {"a": sparse}).all
    assert scores.omitted_edges == pytest.approx(0.5, abs=0.02)


def test_the_outline_of_a_soma_is_no_cable():
    soma = Tree(
        np.array([[0, 0, 0], [0, 9, 0], [0, -9, 0], [1, 0, 0], [2, 0, 0]]),
        np.ones(5),
        np.array([-1, 0, 0, 0, 3]),
        np.array([NodeType.SOMA] * 3 + [0] * 2),
    )
    assert score_neurons([soma], {"a": soma}).all.run_length == 2


def test_nothing_found_is_all_omitted():
    scores = score_neurons([], {"a": line(0)}).all
    assert (scores.omitted_edges, scores.erl, scores.truncations, scores.splits) == (1, 0, 1, 0)


@pytest.mark.parametrize("wrong", [{"tolerance": -1}, {"tolerance": float("nan")}, {"merge": 0}])
def test_lengths_that_are_none_are_refused(wrong):
    with pytest.raises(InputError, match="a length of 0 or more"):
        score_neurons([], {"a": line(0)}, **wrong)


def test_a_gold_standard_without_neurons_is_refused():
    with pytest.raises(InputError, match="no neuron"):
        score_neurons([line(0)], {})


# --- the oracle -------------------------------------------------------------------------------------------------------


def cases():
    """Name predictions and gold standards whose lengths are far from every limit."""
    a, b, c = line(20), line(80, z=30), line(200)
    three = {"a": a, "b": b, "c": c}
    return {
        "whole": ([a, b, c], three, True),
        "split": ([line(20, 0, 119), line(20, 120, 240), b, c], three, True),
        "gaps": ([line(20, 0, 99), line(20, 110, 240), line(80, 0, 240, z=30), c], three, True),
        "cut off": ([line(20, 10, 200), b, line(200, 0, 150)], three, False),
        "merged": ([linked(a, b, 240, 240), c], three, True),
        "two merges": ([linked(linked(a, b, 240, 240), c, 240 + 60 + 241 - 1, 0)], three, True),
        "false cable": ([linked(a, line(180, 0, 100), 0, 0), b, c], three, True),
    }


def volume_of(pred):
    """Return labels (X, Y, Z): each tree's number at its nodes, which stand at every whole number of a line."""
    labels = np.zeros((LONG, 240, 40), np.int64)
    for number, tree in enumerate(pred, 1):
        labels[tuple(tree.xyz.astype(int).T)] = number
    return labels


class Labels:
    """A volume of labels as the oracle reads it; its axes are those of the coordinates."""

    def __init__(self, labels):
        self.labels = labels

    def read_with_bbox(self, box):
        return self.labels[tuple(slice(a, b) for a, b in zip(box["min"], box["max"], strict=True))]


def graph_of(loader, tree, name):
    """Return a tree as the oracle's graph; its own reader of folders is broken in 5.9.14."""
    ids = np.arange(len(tree))
    parents = np.where(tree.parent < 0, -1, tree.parent)
    voxels = tree.xyz.astype(np.int32)
    return loader.to_graph({"id": ids, "pid": parents, "voxel": voxels, "swc_name": name})


def the_oracle_says(pred, gold, *, mended):
    """Return the table of segmentation-skeleton-metrics, a row a neuron."""
    from segmentation_skeleton_metrics import skeleton_metrics as metrics
    from segmentation_skeleton_metrics.datamodules.graph_loading import GraphLoader

    loader = GraphLoader(is_groundtruth=True, segmentation=Labels(volume_of(pred)), verbose=False)
    graphs, fragments = {}, {}
    for name, tree in gold.items():
        graphs |= graph_of(loader, tree, name)
        loader._label_graph(graphs[name])
        if mended:
            graphs[name].fix_label_misalignments()
    pieces = GraphLoader(is_groundtruth=False, verbose=False)
    for number, tree in enumerate(pred, 1):
        fragments |= graph_of(pieces, tree, str(number))
    omitted = metrics.OmitLengthsMetric(verbose=False)(graphs)
    merges = metrics.MergeCountMetric(verbose=False)(graphs, fragments)
    others = [
        kind(verbose=False)(graphs) for kind in
        (metrics.OmitEdgePercentMetric, metrics.SplitEdgePercentMetric, metrics.MergedEdgePercentMetric, metrics.ERLMetric)
    ]  # fmt: skip
    table = omitted.join([merges, *others])
    table["length"] = [graphs[name].run_length for name in table.index]
    return table


@pytest.mark.filterwarnings("default")  # of the packages that the oracle imports
@pytest.mark.parametrize("case", list(cases()))
def test_neurons_score_as_segmentation_skeleton_metrics_says(case):
    pytest.importorskip(
        "segmentation_skeleton_metrics", reason="needs the oracle: pip install segmentation-skeleton-metrics tqdm"
    )
    pred, gold, mended = cases()[case]
    due = the_oracle_says(pred, gold, mended=mended)
    ours = score_neurons(pred, gold, tolerance=0.4)
    for name, found in ours.neurons.items():
        row = due.loc[name]
        assert found.run_length == pytest.approx(row["length"])
        assert (found.splits, found.truncations) == (row["# Splits"], row["# Truncations"])
        assert 100 * found.omitted_edges == pytest.approx(row["% Omit Edges"])
        assert 100 * found.merged_edges == pytest.approx(row["% Merged Edges"])
        assert found.erl == pytest.approx(row["ERL"], abs=0.01)
        if not found.omitted_edges:  # there the oracle counts the border of an omission as a split edge too
            assert 100 * found.split_edges == pytest.approx(row["% Split Edges"])
    assert ours.all.merges == due["# Merges"].sum()
