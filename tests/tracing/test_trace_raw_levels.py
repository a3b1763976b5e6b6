"""The evidence of a grey stack holds where its grey levels are odd: padding, huge bright bodies, any unit, dark on bright."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.evaluate import score_trees
from neurorecon.synth import SynthSettings, synthesize
from neurorecon.synth.demo import demo_tree
from neurorecon.tracing import TraceSettings, evidence_of, trace

SIZE = VoxelSize(1.0, 0.5, 0.5)


@pytest.fixture(scope="module")
def demo():
    """A synthetic neuron: its stack as 16 bit values of a camera, and its truth in voxels."""
    made = synthesize(demo_tree(1), SynthSettings(seed=1))
    noise = np.random.default_rng(0).normal(400, 10, made.stack.shape)
    return (8.0 * np.asarray(made.stack.data) + noise).clip(0).round().astype(np.uint16), made.truth


def traced(data):
    stack = Stack(data, SIZE)
    return trace(evidence_of(stack), TraceSettings(units="voxel"), stack=stack)


@pytest.fixture(scope="module")
def plain(demo):
    return traced(demo[0])


@pytest.mark.parametrize("value", [0, 100, 65535])
def test_padding_counts_neither_as_ground_nor_as_a_neurite(demo, plain, value):
    data, truth = demo
    tree = traced(np.pad(data, ((0, 0), (90, 90), (90, 90)), constant_values=value))
    tree.xyz[:, :2] -= 90
    assert score_trees(tree, truth).f1 > score_trees(plain, truth).f1 - 0.005
    assert tree.cable_length == pytest.approx(plain.cable_length, rel=0.02)


def test_neurites_beside_a_huge_bright_body_are_found(demo):
    data, truth = demo
    z, y, x = np.ogrid[: data.shape[0], : data.shape[1], : data.shape[2]]
    away = ((z - 25) * 2.0) ** 2 + (y - 30) ** 2 + (x - 170) ** 2
    body = data + 60000 * np.exp(-((away / 625) ** 4))
    assert score_trees(traced(body.clip(0, 65535).astype(np.uint16)), truth).recall > 0.9


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e9])
def test_floats_of_any_unit_give_the_same_tree(demo, unit):
    floats = demo[0].astype(np.float32)
    one, other = traced(floats), traced(floats * np.float32(unit))
    assert other.cable_length == pytest.approx(one.cable_length, rel=0.01)
    assert score_trees(other, one).f1 > 0.99


def test_dark_neurites_on_a_bright_ground_are_refused_and_the_way_out_is_named(demo):
    with pytest.raises(InputError, match=r"looks inverted.*--invert"):
        evidence_of(Stack(65535 - demo[0], SIZE))
