"""Morphologies grown from a seed."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from neurorecon.core.tree import NodeType
from neurorecon.synth import demo_tree, random_tree


def test_the_demo_tree_is_always_the_same_and_another_seed_gives_another():
    first, second = demo_tree(), demo_tree()
    np.testing.assert_array_equal(first.xyz, second.xyz)
    assert len(demo_tree(1)) != len(first) or not np.array_equal(demo_tree(1).xyz, first.xyz)


def test_the_demo_tree_is_a_soma_with_six_branching_neurites():
    tree = demo_tree()
    assert tree.unit == "um"
    assert tree.roots.tolist() == [0]
    assert tree.type[0] == NodeType.SOMA
    assert tree.children_count[0] == 6
    assert len(tree.branch_points) > 12
    assert 500 < tree.cable_length < 2000


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(0, 3), st.floats(15, 60))
def test_a_random_tree_stays_in_its_box_and_tapers(seed, neurites, branchings, width):
    extent = (0.5 * width, width, width)
    tree = random_tree(np.random.default_rng(seed), extent, neurites=neurites, branchings=branchings)
    assert (np.abs(tree.xyz[:, ::-1]) <= 0.5 * np.array(extent) + 1e-9).all()
    assert len(tree.roots) == 1
    child = np.flatnonzero(tree.parent > 0)
    assert (tree.radius[child] <= tree.radius[tree.parent[child]] + 1e-12).all()
    step = tree.edge_length[1:]
    assert step.min() > 0
    assert step.max() <= 1.0 + 1e-9
