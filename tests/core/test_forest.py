"""Forests: what fast code says is what the definition says, and thousands of trees cost no more each than one does."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurorecon.core.forest import (
    children,
    components,
    cut_edges,
    degree,
    edges_of,
    groups,
    heads,
    nearest,
    oriented,
    renumbered,
    root_of,
    rows_within,
    runs,
    summed_below,
)
from neurorecon.core.tree import Tree
from neurorecon.swc import format_swc, read_swc, write_swc


@st.composite
def forests(draw, largest=40):
    n = draw(st.integers(1, largest))
    parent = [-1] + [draw(st.integers(-1, i - 1)) for i in range(1, n)]
    kind = [draw(st.sampled_from([0, 1, 2, 3])) for _ in range(n)]
    xyz = draw(hnp.arrays(np.float64, (n, 3), elements=st.integers(-3, 3).map(float)))  # with many ties
    confidence = np.linspace(0, 1, n) if draw(st.booleans()) else None
    return Tree(xyz, np.arange(1.0, n + 1), np.array(parent), np.array(kind), confidence=confidence)


def root_by_walking(parent, row):
    while parent[row] >= 0:
        row = parent[row]
    return row


def owner_by_definition(forest):
    """The soma of each root: its own, or that of the nearest node that has one, the first of equals."""
    root = np.array([root_by_walking(forest.parent, row) for row in range(len(forest))])
    somata = [row for row in forest.roots if forest.type[row] == 1]
    whole = [row for row in range(len(forest)) if root[row] in somata]
    owner = {}
    for top in forest.roots:
        distance = [float(((forest.xyz[row] - forest.xyz[top]) ** 2).sum()) for row in whole]
        owner[top] = top if top in somata else root[whole[int(np.argmin(distance))]]
    return [np.array([row for row in range(len(forest)) if owner[root[row]] == soma]) for soma in somata]


@given(forests())
def test_roots_are_those_that_the_parents_lead_to(forest):
    want = [root_by_walking(forest.parent, row) for row in range(len(forest))]
    assert root_of(forest.parent).tolist() == want


def test_the_root_of_a_way_of_a_million_nodes_is_its_first():
    assert root_of(np.arange(-1, 999_999)).max() == 0


@given(forests())
def test_neurons_are_the_trees_with_a_soma_and_the_pieces_nearest_to_each(forest):
    rows = forest.neuron_rows()
    if (forest.type[forest.roots] == 1).sum() < 2:
        assert [part.tolist() for part in rows] == [list(range(len(forest)))]
    else:
        assert [part.tolist() for part in rows] == [part.tolist() for part in owner_by_definition(forest)]


@given(forests(), st.data())
def test_what_is_taken_keeps_its_parents_where_they_are_taken_too(forest, data):
    kept = sorted(data.draw(st.sets(st.integers(0, len(forest) - 1))))
    part = forest.take(np.array(kept, np.int64))
    want = [kept.index(p) if p in kept else -1 for p in forest.parent[kept].tolist()]
    assert part.parent.tolist() == want
    assert part.xyz.tolist() == forest.xyz[kept].tolist()


@given(hnp.arrays(np.int64, st.integers(0, 30), elements=st.integers(0, 9)))
def test_groups_hold_the_rows_of_their_label(label):
    names = np.arange(10)[::-1]
    assert [part.tolist() for part in groups(label, names)] == [np.flatnonzero(label == k).tolist() for k in names]


def test_the_nearest_of_equals_is_the_lowest_row(rng):
    points = rng.integers(0, 4, (200, 3)).astype(float)
    places = rng.integers(0, 8, (50, 3)) / 2
    want = [int(np.linalg.norm(points - place, axis=1).argmin()) for place in places]
    assert nearest(points, places).tolist() == want


def test_of_no_rows_nothing_is_found():
    assert rows_within(np.zeros(0, np.int64), np.array([3, -1])).tolist() == [-1, -1]


def test_runs_and_their_heads_of_a_small_tree():
    #                  0 root, 1-2 stem, then two daughters 3-4 and 5
    parent = np.array([-1, 0, 1, 2, 3, 2])
    assert heads(parent).tolist() == [0, 1, 1, 3, 3, 5]
    assert [run.tolist() for run in runs(parent)] == [[0, 1, 2], [2, 3, 4], [2, 5]]
    assert runs(np.full(3, -1)) == []


@given(forests())
def test_runs_hold_every_edge_once_between_roots_branch_points_and_ends(forest):
    parent, count = forest.parent, children(forest.parent)
    key = (count != 1) | (parent < 0)
    found = runs(parent)
    steps = [(int(a), int(b)) for run in found for a, b in itertools.pairwise(run)]
    assert sorted(steps) == sorted(map(tuple, edges_of(parent).tolist()))
    assert all(parent[b] == a for a, b in steps)
    for run in found:
        assert key[run[0]]
        assert key[run[-1]]
        assert not key[run[1:-1]].any()
        assert (heads(parent)[run[1:]] == run[1]).all()


@given(forests())
def test_sums_below_are_those_of_all_nodes_that_lead_to_one(forest):
    values = np.arange(1.0, len(forest) + 1)
    want = values.copy()
    for row in range(len(forest)):
        up = forest.parent[row]
        while up >= 0:
            want[up] += values[row]
            up = forest.parent[up]
    np.testing.assert_allclose(summed_below(forest.parent, values), want)


@given(forests())
def test_components_of_a_forest_are_its_trees(forest):
    edges = edges_of(forest.parent)
    count, label = components(len(forest), edges)
    assert count == len(forest.roots)
    assert len(np.unique(np.stack([label, root_of(forest.parent)]), axis=1).T) == count
    assert degree(forest.parent).tolist() == np.bincount(edges.ravel(), minlength=len(forest)).tolist()


@given(forests(), st.data())
def test_a_tree_that_is_hung_on_another_node_keeps_its_edges(forest, data):
    root = data.draw(st.integers(0, len(forest) - 1))
    order, parent = oriented(len(forest), edges_of(forest.parent), np.array([root]))
    tops = root_of(forest.parent)
    assert sorted(order.tolist()) == np.flatnonzero(tops == tops[root]).tolist()
    assert order[0] == root
    assert (parent < np.arange(len(parent))).all()
    want = {tuple(sorted(edge)) for edge in edges_of(forest.parent).tolist() if tops[edge[0]] == tops[root]}
    assert {tuple(sorted(order[edge].tolist())) for edge in edges_of(parent)} == want


def test_edges_are_cut_into_pieces_of_at_most_a_step():
    edge, number, count = cut_edges(np.array([0.0, 1.0, 1.2, 0.4]), 0.5)
    assert count.tolist() == [1, 2, 3, 1]
    assert edge.tolist() == [0, 1, 1, 2, 2, 2, 3]
    assert number.tolist() == [0, 0, 1, 0, 1, 2, 0]


@pytest.fixture(scope="module")
def many():
    """3,000 trees of 300 nodes, a fifth of them without a soma."""
    rng = np.random.default_rng(0)
    count, nodes = 3000, 300
    one = np.array([-1, *(rng.integers(max(0, k - 3), k) for k in range(1, nodes))])
    parent = np.where(one < 0, -1, one + nodes * np.arange(count)[:, None])
    xyz = np.cumsum(rng.normal(0, 1, (count, nodes, 3)), axis=1) + rng.uniform(0, 5000, (count, 1, 3))
    kind = np.full((count, nodes), 3)
    kind[:, 0] = np.where(np.arange(count) % 5 > 0, 1, 3)
    return Tree(xyz.reshape(-1, 3), rng.uniform(0.2, 2, count * nodes), parent.ravel(), kind.ravel())


def test_three_thousand_trees_are_told_apart_in_seconds_not_in_minutes(many):
    start = time.process_time()  # of this process: what else runs does not count
    parts, neurons = many.split(), many.neurons()
    took = time.process_time() - start
    assert (len(parts), len(neurons)) == (3000, 2400)
    assert sum(map(len, neurons)) == len(many)
    assert took < 5  # 0.5 s; at the square of the trees it was 20 s


def test_three_thousand_trees_are_written_as_the_lines_that_a_format_string_gives(many, tmp_path):
    start = time.process_time()
    texts = [format_swc(part) for part in many.split()]
    assert time.process_time() - start < 5  # 0.8 s
    part = many.split()[7]
    write_swc(part, tmp_path / "7.swc")
    assert (tmp_path / "7.swc").read_text() == texts[7]
    np.testing.assert_allclose(read_swc(tmp_path / "7.swc").xyz, part.xyz, atol=5.1e-5)


@given(data=st.data())
def test_rows_in_another_order_keep_their_parents(data):
    """Whatever the order, and even where rows are left out: the parent is the same row, or none."""
    count = data.draw(st.integers(1, 12))
    parent = np.array([data.draw(st.integers(-1, count - 1)) for _ in range(count)], np.int64)
    order = np.array(data.draw(st.permutations(range(count)))[: data.draw(st.integers(1, count))], np.int64)
    found = renumbered(parent, order)
    for row, place in zip(order.tolist(), found.tolist(), strict=True):
        above = int(parent[row])
        assert (order[place] if place >= 0 else -1) == (above if above in order.tolist() else -1)
