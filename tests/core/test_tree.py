"""A tree checks itself when made, and its numbers are those of the drawing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree


def tree(parent, kind=None, xyz=None, radius=None, **more):
    n = len(parent)
    points = np.stack([np.arange(n) * 10.0, np.zeros(n), np.zeros(n)], axis=1) if xyz is None else np.array(xyz, float)
    return Tree(
        points,
        np.ones(n) if radius is None else np.array(radius),
        np.array(parent),
        None if kind is None else np.array(kind),
        **more,
    )


@st.composite
def forests(draw):
    n = draw(st.integers(1, 25))
    parent = [-1] + [draw(st.integers(-1, i - 1)) for i in range(1, n)]
    kind = [draw(st.sampled_from([0, 1, 2, 3])) for _ in range(n)]
    return tree(parent, kind)


def test_a_fork_has_one_branch_point_three_tips_and_the_drawn_length(y_tree):
    assert len(y_tree.branch_points) == 1
    assert len(y_tree.tips) == 3
    assert y_tree.cable_length == pytest.approx(15 + 2 * 12 * np.sqrt(2))


def test_the_type_is_undefined_unless_given():
    assert tree([-1, 0]).type.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"parent": [-1, 1]}, "parent"),
        ({"parent": [-1, 2, 1]}, "parent"),
        ({"parent": [-1, -2]}, "parent"),
        ({"parent": [-1, 0], "radius": [1.0, 0.0]}, "radius"),
        ({"parent": [-1, 0], "radius": [1.0, np.nan]}, "finite"),
        ({"parent": [-1, 0], "xyz": [[0, 0, 0], [0, np.inf, 0]]}, "finite"),
        ({"parent": [-1, 0], "radius": [1.0]}, "column"),
        ({"parent": [-1, 0], "unit": "nm"}, "unit"),
        ({"parent": [-1, 0], "confidence": np.ones(3)}, "column"),
        ({"parent": [-1, 0], "bridged": np.ones(3, bool)}, "column"),
    ],
)
def test_what_cannot_be_a_tree_is_refused(changes, what):
    with pytest.raises(InputError, match=what):
        tree(**changes)


@given(forests())
def test_split_gives_one_tree_a_root_and_loses_nothing(forest):
    parts = forest.split()
    assert len(parts) == len(forest.roots)
    assert all(len(part.roots) == 1 for part in parts)
    assert sum(map(len, parts)) == len(forest)
    assert sum(part.cable_length for part in parts) == pytest.approx(forest.cable_length)


@given(forests())
def test_neurons_lose_nothing_and_hold_at_most_one_soma_root_where_there_are_several(forest):
    neurons = forest.neurons()
    somata = (forest.type[forest.roots] == 1).sum()
    assert len(neurons) == max(1, somata)
    assert sum(map(len, neurons)) == len(forest)
    if somata > 1:
        assert all((part.type[part.roots] == 1).sum() == 1 for part in neurons)


def test_pieces_of_one_neuron_stay_in_one_file():
    assert len(tree([-1, 0, -1, 2], [1, 0, 0, 0]).neurons()) == 1


def test_a_piece_without_soma_goes_with_the_nearest_neuron():
    forest = tree([-1, 0, -1, 2, -1], [1, 0, 1, 0, 0])  # somata at x = 0 and 20, the piece at 40 beside node 30
    first, second = forest.neurons()
    assert len(first) == 2
    assert second.xyz[:, 0].tolist() == [20, 30, 40]


def test_taking_a_child_without_its_parent_makes_it_a_root():
    part = tree([-1, 0, 1, 2], confidence=np.array([1, 0.5, 0.25, 0.1]), bridged=[0, 0, 1, 0]).take(np.array([0, 2, 3]))
    assert part.parent.tolist() == [-1, -1, 1]
    assert part.confidence.tolist() == [1, 0.25, 0.1]
    assert part.bridged.tolist() == [False, True, False]


def test_navis_counts_the_same_tree(y_tree):
    navis = pytest.importorskip("navis")
    neuron = y_tree.to_navis(name="y")
    assert isinstance(neuron, navis.TreeNeuron)
    assert neuron.cable_length == pytest.approx(y_tree.cable_length)
    assert neuron.n_branches == 1


def test_a_forest_becomes_a_list_of_navis_neurons():
    navis = pytest.importorskip("navis")
    neurons = tree([-1, 0, -1, 2]).to_navis(name="n")
    assert isinstance(neurons, navis.NeuronList)
    assert [n.name for n in neurons] == ["n_1", "n_2"]


def test_an_empty_tree_has_no_length():
    empty = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, int))
    assert len(empty) == 0
    assert empty.cable_length == 0
    assert empty.split() == []
