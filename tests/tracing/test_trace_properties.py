"""Whatever the probability: a valid tree or a clear refusal, always the same one, and one that moves with its neuron."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.tree import NodeType
from neurorecon.swc import validate_swc, write_swc
from neurorecon.synth import random_tree
from neurorecon.tracing import TraceSettings, trace

SHAPE = (20, 44, 44)
WHOLE = TraceSettings(confidence=0.0)  # dim neurites of a few voxels promise little, and are asked for all the same
VOXELS = (None, VoxelSize(1.0, 1.0, 1.0), VoxelSize(2.0, 0.5, 0.5), VoxelSize(0.3, 0.3, 0.3))


def drawn(seed, neurites, dim, with_soma_map):
    """Maps of a random neuron: balls round its nodes, some of them dim, some cut away."""
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, (14.0, 38.0, 38.0), neurites=neurites, branchings=1, soma_radius=3.0)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    volume, soma = np.zeros(SHAPE), np.zeros(SHAPE)
    for k, (point, radius) in enumerate(zip(tree.xyz[:, ::-1] + np.array(SHAPE) / 2, tree.radius, strict=True)):
        if k and rng.random() < 0.05:
            continue
        low = np.clip(np.floor(point - radius - 2), 0, SHAPE).astype(int)
        high = np.clip(np.ceil(point + radius + 2), 0, SHAPE).astype(int)
        box = tuple(map(slice, low, high))
        ball = np.clip(radius + 0.5 - np.linalg.norm(grid[box] - point, axis=-1), 0, 1)
        volume[box] = np.maximum(volume[box], ball * (dim if rng.random() < 0.3 else 1.0))
        if tree.type[k] == NodeType.SOMA:
            soma[box] = ball
    volume = np.maximum(volume, 0.45 * rng.random(SHAPE) ** 8)  # haze
    soma_map = (255 * soma).astype(np.uint8) if with_soma_map else None
    return (255 * volume).astype(np.uint8), soma_map


neurons = st.builds(drawn, st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([0.3, 0.6, 0.9]), st.booleans())


def check(tree):
    """Hold the tree to what SWC and the Tree promise."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.swc"
        write_swc(tree, path)
        assert validate_swc(path) == []
    assert tree.confidence.min() >= 0
    assert tree.confidence.max() <= 1
    assert (tree.edge_length[tree.parent >= 0] > 0).all()
    assert (tree.type[tree.parent >= 0] != NodeType.SOMA).all()


@given(neurons, st.sampled_from(VOXELS))
@settings(max_examples=40)
def test_a_drawn_neuron_always_gives_a_valid_swc(maps, voxel_size):
    volume, soma = maps
    check(trace(Probability(volume, voxel_size, soma), WHOLE))


@given(st.integers(0, 10_000), st.floats(0.001, 0.6), st.sampled_from(VOXELS), st.booleans())
@settings(max_examples=40)
def test_noise_gives_a_valid_swc_or_no_neuron(seed, share, voxel_size, find_somata):
    rng = np.random.default_rng(seed)
    volume = np.where(rng.random((8, 14, 16)) < share, rng.integers(0, 256, (8, 14, 16)), 0).astype(np.uint8)
    try:
        tree = trace(Probability(volume, voxel_size), TraceSettings(find_somata=find_somata, fragments=0.0))
    except NoNeuronError:
        return
    check(tree)


@given(neurons, st.data())
@settings(max_examples=20)
def test_a_soma_anywhere_in_the_stack_gives_a_valid_swc(maps, data):
    point = st.tuples(*(st.floats(0, n - 1) for n in SHAPE))
    somata = tuple(data.draw(st.lists(point, min_size=1, max_size=3)))
    tree = trace(Probability(maps[0]), dataclasses.replace(WHOLE, soma=somata))
    check(tree)
    assert 1 <= (tree.type == NodeType.SOMA).sum() <= len(somata)


@given(neurons)
@settings(max_examples=10)
def test_the_same_map_gives_the_same_tree(maps):
    one, two = (trace(Probability(maps[0].copy(), soma=maps[1]), WHOLE) for _ in range(2))
    for column in ("xyz", "radius", "parent", "type", "confidence"):
        np.testing.assert_array_equal(getattr(one, column), getattr(two, column))


@given(neurons, st.tuples(*[st.integers(0, 6)] * 6))
@settings(max_examples=20)
def test_a_neuron_moved_by_whole_voxels_gives_the_tree_moved(maps, margin):
    pads = [(3 + margin[2 * k], 3 + margin[2 * k + 1]) for k in range(3)]
    at_home, moved = (
        trace(Probability(np.pad(maps[0], pad), soma=None if maps[1] is None else np.pad(maps[1], pad)), WHOLE)
        for pad in ([(3, 3)] * 3, pads)
    )
    shift = np.array([pads[2][0] - 3, pads[1][0] - 3, pads[0][0] - 3])
    np.testing.assert_array_equal(moved.parent, at_home.parent)
    np.testing.assert_allclose(moved.xyz - shift, at_home.xyz, atol=1e-6)
    np.testing.assert_allclose(moved.radius, at_home.radius, atol=1e-6)
    np.testing.assert_array_equal(moved.type, at_home.type)
