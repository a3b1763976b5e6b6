"""Morphometrics: known shapes, and navis itself as the oracle."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core.tree import Tree
from neurorecon.report import Morphometrics, morphometrics


def tree_of(points, parents, unit="um", **kwargs):
    points = np.asarray(points, float)
    return Tree(points, np.ones(len(points)), np.asarray(parents), kwargs.pop("type", None), unit, **kwargs)


def y_shape(offset=0.0):
    """A stem of 10, then two arms of 5 at right angles."""
    points = [[0, 0, 0], [10, 0, 0], [10, 5, 0], [10, -5, 0]]
    return np.add(points, [0, 0, offset]), np.array([-1, 0, 1, 1])


def test_a_fork_has_two_tips_one_branch_point_and_strahler_two():
    measured = morphometrics(tree_of(*y_shape()))
    assert measured == Morphometrics(1, 4, 20.0, 2, 1, 2, 1.0, "um", 15.0, 1, 10.0, 10.0, None)


def test_a_star_of_eight_arms_crosses_each_sphere_eight_times_around_its_soma():
    angle = np.arange(8) * np.pi / 4
    rays = np.c_[np.cos(angle), np.sin(angle), 0 * angle]
    points = np.vstack([[[0, 0, 0]], *(reach * rays for reach in (5, 15, 25, 35))])
    parents = [-1, *([0] * 8), *range(1, 25)]
    tree = Tree(points, np.r_[6.0, np.ones(32)], np.array(parents), np.r_[1, np.full(32, 3)])
    measured = morphometrics(tree)
    assert (measured.sholl_maximum, measured.sholl_radius) == (8, 10)
    assert (measured.path_length, measured.extent, measured.soma_radius) == (pytest.approx(35), pytest.approx(70), 6)


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-90, 90), st.integers(0, 10**6)), min_size=1, max_size=30))
def test_the_sholl_maximum_is_that_of_all_spheres_one_by_one(nodes):
    points = np.array([(0.0, 0.0, 0.0), *((x, y, 0.0) for x, y, _ in nodes)])
    parents = np.array([-1, *(pick % (k + 1) for k, (_, _, pick) in enumerate(nodes))])
    away = np.linalg.norm(points, axis=1)
    ends = np.sort(np.stack([away[1:], away[parents[1:]]]), axis=0)
    counts = [int(((ends[0] < radius) & (radius <= ends[1])).sum()) for radius in range(10, 300, 10)]
    measured = morphometrics(tree_of(points, parents))
    assert measured.sholl_maximum == max(counts)
    assert measured.sholl_radius == (10 * (counts.index(max(counts)) + 1) if max(counts) else 0)


def test_a_node_that_lies_at_the_end_of_the_world_is_measured_too():
    points = np.array([(0, 0, 0), (15, 0, 0), (0, 15, 0), (1e30, 0, 0)])
    measured = morphometrics(tree_of(points, [-1, 0, 0, 1]))
    assert (measured.sholl_maximum, measured.sholl_radius, measured.extent) == (2, 10, 1e30)


def test_spheres_lie_around_the_root_of_the_tree_with_the_most_cable():
    long = np.c_[np.arange(0, 101, 5), np.zeros((21, 2))]
    points = np.vstack([[[500, 0, 0], [501, 0, 0]], long])
    measured = morphometrics(tree_of(points, [-1, 0, -1, *range(2, 22)]))
    assert (measured.sholl_maximum, measured.sholl_radius) == (1, 10)


def test_a_forest_is_the_sum_of_its_trees():
    points, parents = y_shape()
    again, parents_again = y_shape(50)
    both = tree_of(np.vstack([points, again]), np.r_[parents, np.where(parents_again < 0, -1, parents_again + 4)])
    measured = morphometrics(both)
    assert (measured.trees, measured.cable_length, measured.tips, measured.branch_points) == (2, 40.0, 4, 2)
    assert (measured.strahler, measured.tortuosity) == (2, 1.0)


def test_a_half_circle_is_pi_halves_tortuous():
    angle = np.linspace(0, np.pi, 2000)
    points = np.c_[np.cos(angle), np.sin(angle), 0 * angle]
    measured = morphometrics(tree_of(points, np.arange(2000) - 1, unit="voxel"))
    assert measured.tortuosity == pytest.approx(math.pi / 2, rel=1e-5)
    assert measured.unit == "voxel"


@pytest.mark.parametrize("nodes", [0, 1])
def test_a_tree_without_cable_has_no_tortuosity(nodes):
    measured = morphometrics(tree_of(np.zeros((nodes, 3)), -np.ones(nodes, int)))
    assert measured.tortuosity is None
    assert (measured.nodes, measured.cable_length, measured.tips) == (nodes, 0.0, 0)


def test_a_lone_soma_beside_a_tree_changes_no_mean():
    points, parents = y_shape()
    measured = morphometrics(tree_of(np.vstack([points, [[99, 0, 0]]]), np.r_[parents, -1]))
    assert (measured.trees, measured.tortuosity, measured.strahler) == (2, 1.0, 2)


def test_a_branch_that_ends_where_it_began_does_not_make_the_mean_infinite():
    points = [[0, 0, 0], [10, 0, 0], [20, 0, 0], [12, 0, 0], [14, 3, 0], [10, 0, 0]]
    measured = morphometrics(tree_of(points, [-1, 0, 1, 1, 3, 4]))
    assert measured.tortuosity == pytest.approx(1.0)


def test_a_soma_with_eight_dendrites_has_eight_tips():
    angle = np.arange(8) * np.pi / 4
    points = np.vstack([[0, 0, 0], 5 * np.c_[np.cos(angle), np.sin(angle), 0 * angle]])
    measured = morphometrics(tree_of(points, [-1] + [0] * 8))
    assert (measured.tips, measured.strahler, measured.cable_length) == (8, 1, pytest.approx(40))


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_figures_of_any_tree_are_those_of_navis(nodes, seed):
    navis = pytest.importorskip("navis")
    draw = np.random.default_rng(seed)
    parents = [-1] + [int(draw.integers(0, i)) for i in range(1, nodes)]
    tree = tree_of(draw.normal(size=(nodes, 3)) * 20, parents)
    measured = morphometrics(tree)
    with warnings.catch_warnings():  # navis uses what pandas deprecates
        warnings.simplefilter("ignore")
        neuron = tree.to_navis()
        navis.strahler_index(neuron)
        tortuosity = navis.tortuosity(neuron)
    assert measured.cable_length == pytest.approx(neuron.cable_length, rel=1e-6)
    assert measured.cable_length == pytest.approx(tree.cable_length, rel=1e-6)
    assert (measured.tips, measured.branch_points) == (neuron.n_leafs, neuron.n_branches)
    assert measured.strahler == neuron.nodes.strahler_index.max()
    assert measured.tortuosity == pytest.approx(tortuosity, rel=1e-6)


def test_figures_are_taken_without_navis_which_takes_long_to_import():
    code = (
        "import sys, numpy as np; from neurorecon import Tree; from neurorecon.report import morphometrics;"
        "morphometrics(Tree(np.eye(3), np.ones(3), np.array([-1, 0, 1]))); print('navis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_dictionary_is_plain_json():
    import json

    table = morphometrics(tree_of(*y_shape())).as_dict()
    assert json.loads(json.dumps(table)) == table
    assert list(table)[:3] == ["trees", "nodes", "cable_length"]
