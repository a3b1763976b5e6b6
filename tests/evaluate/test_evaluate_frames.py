"""Trees that agree in another frame alone are said to, with the change; trees of two neurons are not."""

from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.evaluate import frame_hint, score_morphology, score_neurons, score_trees


def neuron(seed):
    """A tree of five crooked branches (300 nodes) that fills 200 x 120 x 60 um."""
    rng = np.random.default_rng(seed)
    xyz, parent = [np.array([100.0, 60.0, 30.0])], [-1]
    for _ in range(5):
        last, way = 0, rng.normal(0, 1, 3) * (1, 0.6, 0.3)
        for _ in range(60):
            way = way + rng.normal(0, 0.3, 3) * (1, 0.6, 0.3)
            xyz.append(np.clip(xyz[last] + 2 * way / np.linalg.norm(way), 0, (200, 120, 60)))
            parent.append(last)
            last = len(xyz) - 1
    return Tree(np.array(xyz), np.ones(len(xyz)), np.array(parent), np.full(len(xyz), 3), "um")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda xyz: xyz[:, ::-1], "axes are exchanged (z for x, x for z)"),
        (lambda xyz: xyz[:, [1, 0, 2]], "axes are exchanged (y for x, x for y)"),
        (lambda xyz: xyz + [30, -40, 15], "shifted by -30, 40, -15 (x, y, z)"),
        (lambda xyz: xyz * [1, -1, 1] + [0, 150, 0], "mirrored along y"),
        (lambda xyz: xyz / [0.5, 0.5, 2], "multiplied by 0.5, 0.5, 2 (voxels, or another unit?)"),
        (lambda xyz: xyz * 1000, "multiplied by 0.001, 0.001, 0.001"),
    ],
)
def test_a_tree_in_another_frame_is_said_with_the_change_that_brings_it_back(change, said):
    gold = neuron(1)
    pred = replace(
        gold, xyz=np.ascontiguousarray(change(gold.xyz + np.random.default_rng(2).normal(0, 0.2, gold.xyz.shape)))
    )
    assert said in frame_hint(pred, gold, 3.0)


def test_a_tree_in_its_place_and_one_of_another_neuron_give_no_hint():
    assert frame_hint(neuron(1), neuron(1), 3.0) == ""
    for seed in range(2, 8):
        assert frame_hint(neuron(seed), neuron(1), 3.0) == ""
    point = Tree(np.zeros((1, 3)), np.ones(1), np.array([-1]), np.array([1]), "um")
    assert frame_hint(point, neuron(1), 3.0) == ""


@pytest.mark.parametrize("factor", [1e7, 1e37])
def test_a_tree_longer_than_any_neuron_is_refused_by_every_score(factor):
    gold = neuron(1)
    pred = replace(gold, xyz=gold.xyz * factor)
    for score in (score_trees, score_morphology):
        with pytest.raises(InputError, match="look at its units"):
            score(pred, gold)
    with pytest.raises(InputError, match="look at its units"):
        score_neurons([pred], {"a": gold}, tolerance=3.0, merge=50.0)


def test_a_gold_standard_in_one_plane_is_called_a_tracing_of_a_projection():
    pred = neuron(1)
    flat = replace(pred, xyz=pred.xyz * [1, 1, 0])
    assert frame_hint(pred, flat, 3.0) == "GOLD lies in one plane (z = 0) and PRED does not: a tracing of a projection?"
    assert frame_hint(flat, pred, 3.0).startswith("PRED lies in one plane (z = 0)")
    assert frame_hint(flat, flat, 3.0) == ""
