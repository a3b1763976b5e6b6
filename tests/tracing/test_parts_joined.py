"""A volume traced in parts is the volume traced in one piece, wherever the borders lie."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core.errors import FormatError, InputError, NoNeuronError
from neurorecon.core.findings import StackFinding
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.evaluate import score_trees
from neurorecon.report.stretches import pixel_of
from neurorecon.tracing import (
    Box,
    TraceSettings,
    cut_volume,
    grey_of,
    height_in,
    trace,
    trace_in_parts,
    trace_part,
    trace_parts,
)
from neurorecon.tracing.parts import part as part_module
from neurorecon.tracing.parts.part_file import load_part, save_part

SHAPE = (40, 150, 160)
VOXEL = TraceSettings(units="voxel")


@pytest.fixture(scope="module")
def neuron(canvas):
    """A soma with three neurites, one of which forks, and a neurite that runs along y = 75 from end to end."""
    drawn = canvas(SHAPE).ball((20, 60, 60), 9).soma_map((20, 60, 60), 8, 1.0)
    drawn.tube([(20, 60, 60), (20, 60, 150)]).tube([(20, 60, 60), (10, 10, 20)])
    drawn.tube([(20, 60, 110), (30, 140, 150)], radius=2).tube([(34, 75, 2), (34, 75, 100)], radius=1.5)
    return drawn.probability()


def boxes(cuts, shape=SHAPE):
    """Return the boxes between the borders `cuts` (one list an axis)."""
    edges = [[0, *sorted(set(c) - {0, n}), n] for c, n in zip(cuts, shape, strict=True)]
    return [
        Box((z0, y0, x0), (z1, y1, x1))
        for z0, z1 in zip(edges[0][:-1], edges[0][1:], strict=True)
        for y0, y1 in zip(edges[1][:-1], edges[1][1:], strict=True)
        for x0, x1 in zip(edges[2][:-1], edges[2][1:], strict=True)
    ]


def border(n):
    return st.lists(st.integers(1, n - 1), max_size=3)


@given(cuts=st.tuples(border(SHAPE[0]), border(SHAPE[1]), border(SHAPE[2])))
@settings(max_examples=25)
def test_the_tree_is_the_same_wherever_the_borders_of_the_blocks_lie(neuron, cuts):
    whole, cut = trace(neuron, VOXEL), trace_in_parts(neuron, boxes(cuts), VOXEL)
    scores = score_trees(cut, whole, tolerance=1.5)
    assert scores.f1 > 0.99
    assert cut.cable_length == pytest.approx(whole.cable_length, rel=0.02)
    assert len(cut.roots) == len(whole.roots)
    assert len(cut.branch_points) == len(whole.branch_points)
    assert (cut.type == 1).sum() == 1


@pytest.mark.parametrize("y", [74, 75, 76])
def test_a_neurite_that_runs_along_a_border_has_one_line(canvas, y):
    map_ = canvas((24, 150, 120)).tube([(12, 75, 3), (12, 75, 116)], radius=2).probability()
    tree = trace_in_parts(map_, boxes(([], [y], [40, 80]), (24, 150, 120)), VOXEL)
    assert len(tree.tips) == 2
    assert len(tree.branch_points) == 0
    assert tree.cable_length == pytest.approx(113, abs=4)


def test_a_soma_on_a_corner_of_eight_blocks_is_one_root(neuron):
    tree = trace_in_parts(neuron, boxes(([20], [60], [60])), VOXEL)
    root = int(np.flatnonzero(tree.type == 1)[0])
    assert (tree.type == 1).sum() == 1
    assert tree.parent[root] == -1
    assert np.linalg.norm(tree.xyz[root] - (60, 60, 20)) < 1.5
    assert tree.radius[root] == pytest.approx(trace(neuron, VOXEL).radius[0], rel=0.05)


def test_two_neurons_of_a_volume_are_two_trees(canvas):
    drawn = canvas((30, 100, 200))
    for x in (40, 150):
        drawn.ball((15, 50, x), 8).soma_map((15, 50, x), 7, 1.0).tube([(15, 50, x), (15, 90, x + 20)])
        drawn.tube([(15, 50, x), (10, 8, x - 10)])
    tree = trace_in_parts(drawn.probability(), cut_volume((30, 100, 200), (30, 50, 50)), VOXEL)
    assert len(tree.neurons()) == 2
    assert sorted(tree.xyz[tree.roots, 0].round().tolist()) == [40, 150]


def test_a_neurite_that_is_sure_in_one_block_alone_is_followed_into_the_others(canvas):
    drawn = canvas((20, 30, 200)).tube([(10, 15, 5), (10, 15, 60)]).tube([(10, 15, 60), (10, 15, 195)], level=0.45)
    found = drawn.probability()
    tree = trace_in_parts(found, cut_volume((20, 30, 200), (20, 30, 50)), TraceSettings(units="voxel", confidence=0))
    assert tree.cable_length == pytest.approx(
        trace(found, TraceSettings(units="voxel", confidence=0)).cable_length, rel=0.03
    )


def test_what_is_nowhere_sure_is_no_neurite_even_where_it_touches_a_border(canvas):
    drawn = canvas((20, 60, 200)).tube([(10, 15, 5), (10, 15, 195)]).tube([(10, 45, 5), (10, 45, 195)], level=0.45)
    tree = trace_in_parts(drawn.probability(), cut_volume((20, 60, 200), (20, 60, 50)), VOXEL)
    assert tree.xyz[:, 1].max() < 20


def test_a_given_soma_is_the_root_also_where_its_block_is_empty(neuron):
    point = (20.0, 60.0, 100.0)
    given_there = TraceSettings(units="voxel", soma=(point,))
    for cores in (boxes(([], [75], [80])), cut_volume(SHAPE, (40, 40, 40))):
        tree = trace_in_parts(neuron, cores, given_there)
        assert np.linalg.norm(tree.xyz[tree.roots[0]] - point[::-1]) < 3


def test_a_given_soma_far_from_any_neurite_is_left_out_with_a_word(canvas, caplog):
    drawn = canvas((20, 30, 300)).tube([(10, 15, 5), (10, 15, 60)]).probability()
    given_far = TraceSettings(units="voxel", soma=((10.0, 15.0, 280.0),))
    tree = trace_in_parts(drawn, cut_volume((20, 30, 300), (20, 30, 100)), given_far)
    assert not (tree.type == 1).any()
    assert "1 of 1 given somata have no neurite near by" in caplog.text


def test_a_tree_says_how_far_its_nodes_lie_apart(neuron):
    far = TraceSettings(units="voxel", step_px=6.0)
    for tree in (trace(neuron, far), trace_in_parts(neuron, boxes(([], [75], [80])), far)):
        assert tree.step_px == 6
        assert pixel_of(tree) == pytest.approx(1, abs=0.1)


def test_an_empty_volume_holds_no_neuron():
    empty = Probability(np.zeros((8, 40, 40), np.uint8))
    with pytest.raises(NoNeuronError, match="no neuron found"):
        trace_in_parts(empty, cut_volume((8, 40, 40), (8, 20, 20)), VOXEL)


def test_a_part_comes_back_from_its_file_as_it_was(neuron, tmp_path):
    cores = cut_volume(SHAPE, (40, 80, 80))
    height = height_in(neuron, cores, VOXEL)
    parts = [trace_part(neuron, core, VOXEL, height) for core in cores]
    for k, one in enumerate(parts):
        save_part(one, tmp_path / f"{k}.npz")
    again = [load_part(tmp_path / f"{k}.npz") for k in range(len(parts))]
    direct, read = (trace_parts(neuron, found, VOXEL) for found in (parts, again))
    np.testing.assert_array_equal(direct.xyz, read.xyz)
    np.testing.assert_array_equal(direct.parent, read.parent)
    save_part(again[0], tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "0.npz").read_bytes()


def test_a_damaged_part_is_named_whatever_byte_is_wrong(neuron, tmp_path):
    core = cut_volume(SHAPE, (40, 80, 80))[0]
    path = tmp_path / "part.npz"
    save_part(trace_part(neuron, core, VOXEL, 1.0), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    flipped = []
    for place in rng.integers(0, len(whole), 60):
        one = bytearray(whole)
        one[place] ^= 1 << int(rng.integers(8))
        flipped.append(bytes(one))
    refused = []
    for data in [b"", whole[:100], whole[: len(whole) // 2], whole[:-1], *flipped]:
        path.write_bytes(data)
        try:
            load_part(path)
        except FormatError as error:  # anything else would be a traceback for the user
            refused.append(str(error))
    assert len(refused) > 30
    assert all(text.startswith(f"{path}: is damaged") for text in refused)


class Counted:
    """A volume that counts the voxels that are read."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.ndim, self.chunks, self.read = (
            data,
            data.shape,
            data.dtype,
            3,
            (8, 8, 8),
            0,
        )

    def __getitem__(self, key):
        found = self.data[key]
        self.read += found.size
        return found


def test_the_light_that_the_parts_found_is_that_of_the_stack_and_little_of_it_is_read_again(neuron, monkeypatch):
    module = sys.modules["neurorecon.tracing.parts.finish"]
    completed = sys.modules["neurorecon.tracing.finished_tree"]
    for place, name in ((module, "rooted_at_somata"), (completed, "with_calibre")):  # these read the stack once more
        monkeypatch.setattr(place, name, lambda made, *_: made)
    monkeypatch.setattr(module, "sure_pieces", lambda *_, **__: [])  # and whether bodies shine
    rng = np.random.default_rng(5)
    dim = np.where(np.arange(SHAPE[1])[:, None] > 70, 0.4, 1.0)  # the neurite along y = 75 is dimmer
    grey = rng.poisson(10 + dim * neuron.neurite).astype(np.uint16)
    cores = cut_volume(SHAPE, (40, 40, 40))
    height = height_in(neuron, cores, VOXEL)
    dark, lit = ([trace_part(neuron, core, VOXEL, height, light) for core in cores] for light in (None, grey))
    counted = Counted(grey)
    grey_of(Stack(counted), neuron)
    looked, counted.read = counted.read, 0  # for padding, at places that are few in a large stack
    late = trace_parts(neuron, dark, VOXEL, stack=Stack(counted))
    before, counted.read = counted.read, 0
    early = trace_parts(neuron, lit, VOXEL, stack=Stack(counted))
    np.testing.assert_array_equal(early.confidence, late.confidence)
    np.testing.assert_array_equal(early.xyz, late.xyz)
    assert counted.read - looked < (before - looked) / 4
    assert not np.array_equal(early.confidence, trace_parts(neuron, lit, VOXEL).confidence)


def test_a_part_that_sees_neurites_in_its_halo_alone_has_no_light(canvas):
    found = canvas((20, 20, 120)).tube([(10, 10, 5), (10, 10, 50)]).probability()
    part = trace_part(found, Box((0, 0, 90), (20, 20, 120)), VOXEL, 1.0, np.ones((20, 20, 120), np.uint8))
    assert len(part) == 0
    assert part.light is None or not len(part.light.contrast)


def test_a_stack_of_another_shape_is_refused_by_the_parts(neuron):
    parts = [trace_part(neuron, core, VOXEL, 1.0) for core in boxes(([], [], [80]))]
    with pytest.raises(InputError, match=r"has shape \(40, 150, 159\), its probability \(40, 150, 160\)"):
        trace_parts(neuron, parts, VOXEL, stack=Stack(np.zeros((40, 150, 159), np.uint8)))


def test_only_what_is_near_a_block_is_read(neuron):
    class Watched:
        shape, dtype, read = neuron.neurite.shape, neuron.neurite.dtype, 0

        def __getitem__(self, key):
            block = neuron.neurite[key]
            Watched.read = max(Watched.read, block.size)
            return block

    lazy = Probability(Watched(), soma=neuron.soma)
    core = Box((0, 0, 0), (40, 20, 20))
    trace_part(lazy, core, VOXEL, 1.0)
    assert Watched.read <= 40 * (20 + part_module.HALO) ** 2


def two_bodies(canvas):
    """Two neurons: the soma map is sure of one body, and finds the other likely; a bright blob has no neurite."""
    drawn = canvas((30, 100, 260))
    for x, level in ((40, 1.0), (150, 0.4), (215, 1.0)):
        drawn.ball((15, 50, x), 8).soma_map((15, 50, x), 7, level)
    for x in (40, 150):
        drawn.tube([(15, 50, x), (15, 90, x + 20)]).tube([(15, 50, x), (10, 8, x - 10)])
    return drawn.tube([(15, 50, 40), (15, 50, 150)]).probability()


def test_among_several_neurons_a_body_that_is_only_likely_keeps_its_own(canvas):
    found = two_bodies(canvas)
    for tree in (trace(found, VOXEL), trace_in_parts(found, cut_volume(found.shape, (30, 50, 65)), VOXEL)):
        assert len(tree.neurons()) == 2
        assert sorted(tree.xyz[tree.roots, 0].round().tolist()) == [40, 150]


def test_a_body_without_neurites_is_no_neuron_among_others(canvas):
    tree = trace(two_bodies(canvas), VOXEL)
    assert 215 not in tree.xyz[:, 0].round()
    assert (tree.type == 1).sum() == 2


def test_a_saturated_stack_has_the_same_somata_in_blocks_as_in_one_piece(canvas):
    drawn = canvas(SHAPE).ball((20, 60, 40), 10).soma_map((20, 60, 40), 9, 1.0)
    drawn.ball((20, 60, 120), 5).soma_map((20, 60, 120), 5, 1.0).tube([(20, 60, 40), (20, 60, 120), (30, 140, 150)])
    map_ = drawn.probability()
    cut_off = StackFinding("saturated", "warning", "2.3% of the voxels stand at the highest value")
    plain = Stack(np.asarray(map_.neurite), findings=())
    saturated = Stack(np.asarray(map_.neurite), findings=(cut_off,))
    blocks = boxes(([], [], [80]))
    for stack, count in ((plain, 2), (saturated, 1)):
        assert (trace(map_, VOXEL, stack=stack).type == 1).sum() == count
        assert (trace_in_parts(map_, blocks, VOXEL, stack=stack).type == 1).sum() == count
