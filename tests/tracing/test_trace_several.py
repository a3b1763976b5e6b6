"""Among several neurons: which bodies are somata, and which trees stay, however unlike they are in length and light."""

import itertools

import numpy as np
import pytest

from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType
from neurorecon.tracing import Box, TraceSettings, trace, trace_in_parts
from neurorecon.tracing.chain import without_fragments
from neurorecon.tracing.confidence import confidence_of, cut_doubtful
from neurorecon.tracing.cost import depth_of
from neurorecon.tracing.foreground import make_cloud
from neurorecon.tracing.light import Light
from neurorecon.tracing.prune import drop_fragments
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.find_soma import find_somata

ONES = np.ones(3)
SHAPE = (24, 80, 220)
BODIES = [(12, 40, 35), (12, 40, 105), (12, 40, 180)]  # zyx; the map is sure of the first two, or of none
THIRD = np.array(BODIES[2])
VOXEL = TraceSettings(units="voxel")
SPECKS = {
    "in the middle": [(0, 0, 0)],
    "at the rim": [(0, 6, 0)],
    "at both rims": [(0, 0, -6), (0, 0, 6)],
    "at three rims": [(0, 0, -6), (0, 6, 0), (0, -4, 4)],
}


def cells(canvas, specks, sure=True, third=7.0):
    """Three balls, each with two neurites; the soma map holds two of them, and specks (offsets, zyx) of the third."""
    drawn = canvas(SHAPE)
    for (z, y, x), radius in zip(BODIES, (7, 7, third), strict=True):
        drawn.ball((z, y, x), radius).tube([(z, y, x), (z, 4, x - 20)]).tube([(z, y, x), (z, 76, x + 20)])
        if sure and (z, y, x) != BODIES[2]:
            drawn.soma_map((z, y, x), 6, 1.0)
    for offset in specks:
        drawn.soma_map(THIRD + offset, 1.5, 0.8)
    return drawn


def neurites(drawn):
    """Four long neurites, so that what is drawn besides is not most of what there is."""
    for z, y in ((4, 6), (20, 6), (4, 74), (20, 74)):
        drawn.tube([(z, y, 4), (z, y, 216)], 2.5)
    return drawn


def somata_in(probability):
    cloud = make_cloud(probability, 0.5, 0.25)
    return find_somata(cloud, depth_of(cloud), probability, VOXEL)


def near(points, truth, within=2.0):
    """Whether there are as many points as there should be, each near to its own."""
    if len(points) != len(truth):
        return False
    gap = np.linalg.norm(np.array(points)[:, None] - np.array(truth, float)[None], axis=2)
    return sorted(gap.argmin(1)) == list(range(len(truth))) and gap.min(1).max() <= within


# bodies of which the soma map shows but a speck


@pytest.mark.parametrize("specks", SPECKS.values(), ids=SPECKS)
def test_beside_two_sure_bodies_a_ball_that_the_map_hardly_shows_is_one_soma(canvas, specks):
    found = somata_in(cells(canvas, specks).probability())
    assert near([soma.zyx for soma in found], BODIES)


def test_a_ball_that_the_map_shows_nothing_of_is_none(canvas):
    found = somata_in(cells(canvas, []).probability())
    assert near([soma.zyx for soma in found], BODIES[:2])


def test_a_body_of_two_bulges_with_a_speck_in_each_is_one_soma(canvas):
    drawn = cells(canvas, [(0, 0, -7), (0, 0, 7)], third=4.0).ball(THIRD - (0, 0, 7), 6).ball(THIRD + (0, 0, 7), 9)
    found = somata_in(neurites(drawn).probability())
    assert near([soma.zyx for soma in found], BODIES, within=8)


@pytest.mark.parametrize("specks", [SPECKS["in the middle"], SPECKS["at both rims"]], ids=["one speck", "two specks"])
def test_a_thick_long_rod_with_specks_is_no_soma(canvas, specks):
    drawn = canvas(SHAPE)
    for z, y, x in BODIES[:2]:
        drawn.ball((z, y, x), 7).soma_map((z, y, x), 6, 1.0).tube([(z, y, x), (z, 4, x - 20)])
    drawn.tube([THIRD - (0, 24, 0), THIRD + (0, 24, 0)], 6)
    for offset in specks:
        drawn.soma_map(THIRD + offset, 1.5, 0.8)
    assert near([soma.zyx for soma in somata_in(neurites(drawn).probability())], BODIES[:2])


@pytest.mark.parametrize("half", [8, 10, 12], ids=lambda half: f"radius {half}")
def test_a_body_of_which_the_foreground_shows_parts_of_the_rim_is_one_soma(canvas, half):
    middle, drawn = np.array((20, 60, 60)), canvas((40, 120, 120))
    drawn.soma_map(middle, half, 1.0).tube([(20, 60 + half, 60), (20, 118, 60)], 1.5).tube(
        [(20, 60 - half, 60), (20, 2, 60)], 1.5
    )
    for y, x in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        drawn.ball(middle + (half - 4) * np.array((0, y, x)), 3.5)
    found = somata_in(drawn.probability())
    assert len(found) == 1
    assert np.linalg.norm(found[0].zyx - middle) <= 2


def test_specks_on_a_thin_neurite_are_no_soma(canvas):
    drawn = cells(canvas, []).soma_map((12, 4, 160), 1.5, 0.8).soma_map((12, 20, 25), 1.5, 0.8)
    assert near([soma.zyx for soma in somata_in(drawn.probability())], BODIES[:2])


def test_a_swelling_with_specks_is_no_soma(canvas):
    drawn = neurites(cells(canvas, SPECKS["in the middle"], third=4.5))
    assert near([soma.zyx for soma in somata_in(drawn.probability())], BODIES[:2])


def test_beside_one_sure_body_specks_change_nothing(canvas):
    drawn = cells(canvas, SPECKS["at the rim"], sure=False).soma_map(BODIES[0], 6, 1.0)
    assert near([soma.zyx for soma in somata_in(drawn.probability())], BODIES[:1])


@pytest.mark.parametrize("specks", [SPECKS["at the rim"], SPECKS["at three rims"]], ids=["one speck", "three specks"])
def test_without_a_sure_body_specks_change_nothing(canvas, specks):
    with_specks = somata_in(cells(canvas, specks, sure=False, third=6.0).probability())
    without = somata_in(cells(canvas, [], sure=False, third=6.0).probability())
    assert len(with_specks) == len(without) == 1
    np.testing.assert_array_equal(with_specks[0].zyx, without[0].zyx)
    np.testing.assert_array_equal(with_specks[0].rows, without[0].rows)


@pytest.mark.parametrize(
    ("cuts", "specks"),
    [
        (([], [40], [180]), SPECKS["at both rims"]),
        (([12], [], [70, 176]), SPECKS["at the rim"]),
        (([], [36, 46], [105, 186]), SPECKS["at both rims"]),
    ],
)
def test_blocks_find_the_same_somata_where_a_border_runs_through_a_body(canvas, cuts, specks):
    found = cells(canvas, specks).probability()
    z, y, x = (itertools.pairwise([0, *cut, n]) for cut, n in zip(cuts, SHAPE, strict=True))
    boxes = [Box(*zip(*sides, strict=True)) for sides in itertools.product(z, y, x)]
    for tree in (trace(found, VOXEL), trace_in_parts(found, boxes, VOXEL)):
        somata = tree.xyz[tree.type == NodeType.SOMA, ::-1]
        assert near(somata, BODIES)
        assert len(tree.neurons()) == 3


# which trees stay


def rows(*lengths, somata=(), p=1.0):
    """Straight pieces of these lengths, 50 apart, those numbered in `somata` with a soma at their beginning."""
    points, parents, roots = [], [], []
    for k, length in enumerate(lengths):
        roots.append(len(points))
        parents += [-1, *range(len(points), len(points) + length)]
        points += [(5.0, 50.0 * k, float(x)) for x in range(length + 1)]
    n = len(points)
    soma = np.full(n, -1)
    soma[[roots[k] for k in somata]] = np.arange(len(somata))
    return Skeleton(np.array(points), np.array(parents), np.full(n, p), np.full(n, 2.0), soma)


def left(skeleton):
    """The numbers of the pieces that are left."""
    return sorted({int(y / 50) for y in skeleton.zyx[:, 1]})


@pytest.mark.parametrize("longest", [400, 1000, 3000])
def test_among_several_neurons_a_long_piece_is_kept_beside_a_much_longer_tree(longest):
    lengths = (200, longest, 220, 80, 20)
    assert left(drop_fragments(rows(*lengths, somata=(0, 1, 2)), ONES, None)) == [0, 1, 2, 3]


def test_around_one_neuron_the_same_piece_goes():
    lengths = (1000, 80, 20)
    assert left(drop_fragments(rows(*lengths, somata=(0,)), ONES, None)) == [0]
    assert left(drop_fragments(rows(*lengths), ONES, None)) == [0]


def test_beside_a_neuron_of_a_whole_brain_a_piece_as_long_as_a_usual_neuron_is_kept():
    assert left(drop_fragments(rows(9000, 1500, somata=(0,)), ONES, None)) == [0, 1]


def test_a_piece_is_as_sure_beside_a_long_neuron_as_beside_a_short_one():
    short, long = (rows(200, length, 220, 80, somata=(0, 1, 2)) for length in (230, 3000))
    piece = [confidence_of(skeleton, ONES, None)[skeleton.zyx[:, 1] == 150][1:] for skeleton in (short, long)]
    np.testing.assert_allclose(piece[0], piece[1])
    alone = rows(3000, 80, somata=(0,))
    assert (confidence_of(alone, ONES, None)[alone.zyx[:, 1] == 50][1:] < piece[0]).all()


def test_a_small_neuron_with_a_soma_is_as_sure_as_it_is_alone():
    among, alone = rows(60, 3000, 3000, somata=(0, 1, 2)), rows(60, somata=(0,))
    own = among.zyx[:, 1] == 0
    np.testing.assert_allclose(confidence_of(among, ONES, None)[own], confidence_of(alone, ONES, None))


def test_a_soma_with_a_stub_goes_among_filled_neurons_only():
    assert left(drop_fragments(rows(200, 150, 20, somata=(0, 1, 2)), ONES, None)) == [0, 1]
    assert left(drop_fragments(rows(200, 20, somata=(0, 1)), ONES, None)) == [0, 1]
    assert left(drop_fragments(rows(20, somata=(0,)), ONES, None)) == [0]
    assert left(drop_fragments(rows(20, 15, somata=(0, 1)), ONES, None)) == [0, 1]


def test_a_soma_given_by_hand_keeps_its_stub():
    skeleton = rows(200, 150, 20, somata=(0, 1, 2))
    given = TraceSettings(soma=((5, 0, 0), (5, 50, 0), (5, 100, 0)))
    assert left(without_fragments(skeleton, ONES, given, ONES)) == [0, 1, 2]
    assert left(without_fragments(skeleton, ONES, TraceSettings(), ONES)) == [0, 1]


@pytest.mark.parametrize("um", [0.1, 1.0, 4.0])
def test_a_soma_keeps_its_neurites_by_their_pixels_whatever_limit_of_fragments_is_given(um):
    skeleton = rows(600, 500, 60, 20, somata=(0, 1, 2, 3))
    edges = np.full(3, um)
    for fragments in (None, 400 * um):  # in micrometres; neither 60 nor 20 px are a piece of its own
        assert left(without_fragments(skeleton, ONES, TraceSettings(fragments=fragments), edges)) == [0, 1, 2]


def with_stub(canvas, bodies=BODIES):
    """Balls that the map is sure of, each with two neurites, but the third one, which has a stub."""
    drawn = canvas(SHAPE)
    for z, y, x in bodies:
        drawn.ball((z, y, x), 7).soma_map((z, y, x), 6, 1.0)
        if (z, y, x) == BODIES[2]:
            drawn.tube([(z, y, x), (z, y + 22, x)])
        else:
            drawn.tube([(z, y, x), (z, 4, x - 20)]).tube([(z, y, x), (z, 76, x + 20)])
    return drawn.probability()


def test_a_traced_soma_with_a_stub_is_left_out_among_filled_neurons(canvas):
    tree = trace(with_stub(canvas), VOXEL)
    assert near(tree.xyz[tree.type == NodeType.SOMA, ::-1], BODIES[:2])


def test_a_traced_soma_with_a_stub_is_kept_where_it_is_given_by_hand(canvas):
    tree = trace(with_stub(canvas), TraceSettings(units="voxel", soma=tuple(BODIES)))
    assert near(tree.xyz[tree.type == NodeType.SOMA, ::-1], BODIES)


def test_a_traced_soma_with_a_stub_is_kept_where_it_is_alone(canvas):
    tree = trace(with_stub(canvas, BODIES[2:]), VOXEL)
    assert near(tree.xyz[tree.type == NodeType.SOMA, ::-1], BODIES[2:])


def test_a_short_dim_neuron_is_as_good_as_a_long_bright_one():
    skeleton = rows(60, 3000, 3000, somata=(0, 1, 2))
    light = Light(np.where(skeleton.zyx[:, 1] == 0, 30.0, 100.0), *np.full((2, len(skeleton)), 5.0))
    assert left(cut_doubtful(skeleton, ONES, light, 0.6)[0]) == [0, 1, 2]


def test_a_dimmer_neuron_is_not_cut_away_for_a_longer_one(canvas, rng):
    drawn, grey = canvas(SHAPE), np.zeros(SHAPE)
    for (z, y, x), level in zip(BODIES[:2], (0.3, 1.0), strict=True):
        one = canvas(SHAPE).ball((z, y, x), 7).tube([(z, y, x), (z, 4, x - 20)]).tube([(z, y, x), (z, 76, x + 15)])
        if level == 1.0:  # the longer one
            one.tube([(z, y, x), (z, 20, 150), (z, 20, 215)]).tube([(z, 20, 150), (z, 60, 215)])
        drawn.map, grey = np.maximum(drawn.map, one.map), np.maximum(grey, level * one.map)
        drawn.soma_map((z, y, x), 6, 1.0)
    stack = Stack((50 + 150 * grey + rng.normal(0, 3, SHAPE)).clip(0, 255).astype(np.uint8), None)
    tree = trace(drawn.probability(), VOXEL, stack=stack)
    assert near(tree.xyz[tree.type == NodeType.SOMA, ::-1], BODIES[:2])
    for tip in ((4, 15), (76, 50)):  # of the dim one, y and x
        assert np.linalg.norm(tree.xyz[:, 1::-1] - tip, axis=1).min() < 4
