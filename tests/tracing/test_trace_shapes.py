"""Drawn neurites of known course: what the tracer has to make of each."""

import dataclasses

import numpy as np
import pytest

from neurorecon.core.errors import InputError, NoNeuronError, SettingsError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType
from neurorecon.tracing import TraceSettings, trace


def length_of(points):
    return float(np.linalg.norm(np.diff(np.asarray(points, float), axis=0), axis=1).sum())


def furthest(points_zyx, tree):
    """The largest distance from one of the points to the nearest node, in the tree's unit."""
    points = np.atleast_2d(np.asarray(points_zyx, float))[:, ::-1]
    return float(np.linalg.norm(points[:, None] - tree.xyz, axis=2).min(1).max())


def along(a, b, count=30):
    return np.linspace(a, b, count)


def circle(turns=1.0, rise=0.0, radius=16.0, start=(8.0, 30.0, 30.0)):
    angle = np.linspace(0, 2 * np.pi * turns, 161)
    return np.stack([rise * angle / angle[-1], radius * np.sin(angle), radius * np.cos(angle)], 1) + start


def star(canvas, neurites=8, level=1.0):
    """A soma of radius 6 in the middle of (30, 60, 60), and the tips of the neurites that leave it."""
    drawing, tips = canvas((30, 60, 60)).ball((15, 30, 30), 6, level), []
    for k in range(neurites):
        angle = 2 * np.pi * k / neurites
        tips.append(np.array([15 + 4 * (-1) ** k, 30 + 25 * np.sin(angle), 30 + 25 * np.cos(angle)]))
        drawing.tube([(15, 30, 30), tips[-1]], level=level)
    return drawing, np.array(tips)


def two_cells(canvas):
    """Two balls of radius 5, a neurite from one to the other and one outwards from each: one connected component."""
    drawing = canvas((20, 30, 160)).tube([(10, 15, 3), (10, 15, 156)], 1.2)
    return drawing.ball((10, 15, 16), 5).ball((10, 15, 44), 5)


# one neurite


def test_a_straight_rod_is_one_run_of_its_length(canvas):
    tree = trace(canvas((20, 20, 60)).tube([(10, 10, 8), (10, 10, 52)]).probability())
    assert (len(tree.roots), len(tree.tips), len(tree.branch_points)) == (1, 2, 0)
    assert tree.cable_length == pytest.approx(44, abs=1.5)
    assert furthest(along((10, 10, 9), (10, 10, 51)), tree) <= 1.3
    assert np.abs(tree.xyz[2:-2, 1:] - 10).max() <= 0.5


@pytest.mark.parametrize(("radius", "error"), [(1.25, 0.02), (1.5, 0.015), (2.0, 0.01)])
def test_helix_length_within_one_or_two_percent(canvas, radius, error):
    helix = circle(turns=1.5, rise=28, radius=12, start=(6, 30, 30))
    tree = trace(canvas((40, 60, 60)).tube(helix, radius).probability())
    assert (len(tree.roots), len(tree.tips)) == (1, 2)
    assert tree.cable_length == pytest.approx(length_of(helix), rel=error)
    assert furthest(helix, tree) <= 2


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6])
def test_a_square_rod_of_any_width_is_traced_from_end_to_end(width):
    volume = np.zeros((16, 16, 60), np.uint8)
    volume[5 : 5 + width, 5 : 5 + width, 5:55] = 255
    tree = trace(Probability(volume))
    assert (len(tree.roots), len(tree.tips)) == (1, 2)
    assert tree.cable_length == pytest.approx(49, rel=0.06)
    assert np.abs(np.sort(tree.xyz[tree.tips, 0]) - [5, 54]).max() <= 2


def test_tips_reach_the_ends_of_an_oblique_neurite(canvas):
    ends = np.array([(6, 8, 8), (14, 30, 50)])
    tree = trace(canvas((20, 40, 60)).tube(ends, 2).probability())
    assert len(tree.tips) == 2
    assert furthest(ends, tree) <= 2
    assert max(np.linalg.norm(ends[:, ::-1] - tip, axis=1).min() for tip in tree.xyz[tree.tips]) <= 2.5


@pytest.mark.parametrize("radius", [2.0, 3.0, 4.0])
def test_the_radius_of_a_tube_is_right_within_a_quarter(canvas, radius):
    tree = trace(canvas((24, 24, 60)).tube([(12, 12, 6), (12, 12, 54)], radius).probability())
    middle = np.abs(tree.xyz[:, 0] - 30) < 15
    assert np.median(tree.radius[middle]) == pytest.approx(radius, rel=0.25)


@pytest.mark.parametrize("ends", [[(12, 15, 5), (12, 15, 55)], [(2, 15, 30), (21, 15, 30)]])
def test_the_radius_is_physical_where_planes_lie_three_times_as_far_apart(canvas, ends):
    tree = trace(canvas((24, 30, 60), (3.0, 1.0, 1.0)).tube(ends, 3).probability())
    assert np.median(tree.radius) == pytest.approx(3, rel=0.25)


def test_a_ring_is_opened_once_and_covered_all_round(canvas):
    ring = circle()
    tree = trace(canvas((16, 60, 60)).tube(ring).probability())
    assert len(tree.roots) == 1
    assert furthest(ring, tree) <= 3
    assert 0.9 * length_of(ring) <= tree.cable_length <= 1.02 * length_of(ring)


def test_a_ring_with_a_stalk_is_covered_on_both_sides(canvas):
    ring = circle(radius=12)
    tree = trace(canvas((16, 60, 60)).tube(ring).tube([(8, 30, 42), (8, 30, 56)]).probability())
    assert len(tree.roots) == 1
    assert furthest(ring, tree) <= 3
    assert furthest((8, 30, 55), tree) <= 2


# branches


def test_a_fork_is_found_where_it_is(canvas):
    arms = [(8, 20, 5), (8, 8, 52), (8, 32, 52)]
    drawing = canvas((16, 40, 60))
    for arm in arms:
        drawing.tube([(8, 20, 30), arm])
    tree = trace(drawing.probability())
    assert (len(tree.roots), len(tree.tips), len(tree.branch_points)) == (1, 3, 1)
    assert np.linalg.norm(tree.xyz[tree.branch_points[0]] - (30, 20, 8)) <= 3
    assert furthest(arms, tree) <= 2
    assert tree.cable_length == pytest.approx(25 + 2 * np.hypot(22, 12), rel=0.05)


def test_confidence_is_a_share_and_lower_on_a_branch_of_little_light(canvas):
    drawing = canvas((16, 50, 60)).tube([(8, 24, 5), (8, 24, 55)])
    drawing.tube([(8, 24, 30), (8, 42, 48)], level=0.45).tube([(8, 24, 30), (8, 6, 48)])  # alike but for that
    grey = Stack(np.round(20 + 200 * drawing.map**4).astype(np.uint8), None)
    tree = trace(drawing.probability(), TraceSettings(confidence=0), stack=grey)
    dim, bright = tree.xyz[:, 1] > 28, tree.xyz[:, 1] < 20
    assert dim.sum() > 4
    assert bright.sum() > 4
    assert tree.confidence.min() >= 0
    assert tree.confidence.max() <= 1
    assert tree.confidence[dim].max() < tree.confidence[bright].min()


def test_eight_dendrites_leave_the_soma_as_eight_neurites(canvas):
    drawing, tips = star(canvas)
    tree = trace(drawing.probability())
    assert list(tree.roots) == [0]
    assert tree.type[0] == NodeType.SOMA
    assert (tree.type[1:] != NodeType.SOMA).all()
    assert np.linalg.norm(tree.xyz[0] - (30, 30, 15)) <= 1.5
    assert tree.radius[0] == pytest.approx(6, rel=0.25)
    assert tree.children_count[0] == len(tree.tips) == 8
    assert furthest(tips, tree) <= 2


def test_min_length_decides_which_side_branch_stays(canvas):
    drawing = canvas((16, 40, 60)).tube([(8, 12, 5), (8, 12, 55)]).tube([(8, 12, 30), (8, 24, 30)])
    assert len(trace(drawing.probability()).tips) == 3
    assert len(trace(drawing.probability(), TraceSettings(min_length=6)).tips) == 3
    assert len(trace(drawing.probability(), TraceSettings(min_length=18)).tips) == 2


def test_min_length_is_in_micrometres_where_they_are_known(canvas):
    drawing = canvas((16, 40, 60), (0.5, 0.5, 0.5)).tube([(8, 12, 5), (8, 12, 55)]).tube([(8, 12, 30), (8, 24, 30)])
    assert len(trace(drawing.probability(), TraceSettings(min_length=3)).tips) == 3
    assert len(trace(drawing.probability(), TraceSettings(min_length=9)).tips) == 2


def test_limits_are_physical_lengths_where_planes_lie_further_apart(canvas):
    drawing = canvas((20, 30, 60), (3.0, 1.0, 1.0)).tube([(8, 8, 5), (8, 8, 55)]).tube([(8, 8, 30), (15, 8, 30)])
    drawing.tube([(4, 24, 30), (14, 24, 30)])  # a branch of 21 um, a piece of 30 um, both along z
    tree = trace(drawing.probability(), TraceSettings(min_length=12, fragments=20, gap_px=0, confidence=0))
    assert (len(tree.roots), len(tree.tips)) == (2, 5)
    tree = trace(drawing.probability(), TraceSettings(min_length=30, fragments=45, gap_px=0, confidence=0))
    assert (len(tree.roots), len(tree.tips)) == (1, 2)


def test_a_bump_on_a_neurite_is_no_branch(canvas):
    drawing = canvas((16, 30, 60)).tube([(8, 15, 5), (8, 15, 55)], 2).ball((8, 18, 30), 2)
    assert len(trace(drawing.probability()).tips) == 2


# neighbours


@pytest.mark.parametrize("apart", [4, 5, 6])
def test_two_parallel_neurites_with_a_valley_stay_apart(canvas, apart):
    lines = [[(8, y, 5), (8, y, 55)] for y in (10, 10 + apart)]
    tree = trace(canvas((16, 30, 60)).tube(lines[0], 1.0).tube(lines[1], 1.0).probability())
    assert (len(tree.roots), len(tree.tips), len(tree.branch_points)) == (2, 4, 0)
    for one, line in zip(tree.split(), lines, strict=True):
        assert one.cable_length == pytest.approx(50, rel=0.04)
        assert furthest(along(*line), one) <= 2


def test_two_neurites_that_touch_keep_their_courses(canvas):
    lines = [[(8, 8, 4), (8, 14, 30), (8, 8, 56)], [(8, 24, 4), (8, 18, 30), (8, 24, 56)]]
    drawing = canvas((16, 32, 60)).tube(lines[0]).tube(lines[1])
    drawing.map[8, 14:19, 29:32] = np.maximum(drawing.map[8, 14:19, 29:32], 0.4)
    tree = trace(drawing.probability())
    assert len(tree.roots) == 1  # they do touch
    assert len(tree.tips) == 4
    assert tree.cable_length == pytest.approx(sum(map(length_of, lines)) + 4, rel=0.05)
    assert furthest(np.concatenate(lines), tree) <= 2.5


def test_touching_neurites_of_two_cells_go_to_their_own_somata(canvas):
    lines = [[(8, 8, 4), (8, 14, 30), (8, 8, 56)], [(8, 24, 4), (8, 18, 30), (8, 24, 56)]]
    drawing = canvas((16, 32, 60)).tube(lines[0]).tube(lines[1])
    drawing.map[8, 14:19, 29:32] = np.maximum(drawing.map[8, 14:19, 29:32], 0.4)
    tree = trace(drawing.probability(), TraceSettings(soma=((8, 8, 4), (8, 24, 4))))
    assert list(tree.type[tree.roots]) == [NodeType.SOMA] * 2
    for one, line in zip(tree.split(), lines, strict=True):
        assert furthest(line, one) <= 2.5
        assert one.cable_length == pytest.approx(length_of(line), rel=0.06)


# gaps and pieces


def test_a_cut_neurite_is_bridged_into_one_tree(canvas):
    tree = trace(canvas((16, 20, 70)).tube([(8, 10, 3), (8, 10, 31)]).tube([(8, 10, 40), (8, 10, 66)]).probability())
    assert (len(tree.roots), len(tree.tips)) == (1, 2)
    assert tree.cable_length == pytest.approx(63, abs=2)
    assert furthest(along((8, 10, 4), (8, 10, 65)), tree) <= 1.5


def test_a_gap_that_is_far_too_long_is_not_bridged(canvas):
    drawing = canvas((16, 20, 120)).tube([(8, 10, 3), (8, 10, 40)]).tube([(8, 10, 80), (8, 10, 116)])
    tree = trace(drawing.probability(), TraceSettings(reach_px=30))
    assert len(tree.roots) == 2
    assert not ((tree.xyz[:, 0] > 45) & (tree.xyz[:, 0] < 75)).any()


def test_gap_px_and_reach_px_of_nothing_bridge_nothing(canvas):
    drawing = canvas((16, 20, 80)).tube([(8, 10, 3), (8, 10, 36)]).tube([(8, 10, 44), (8, 10, 76)])
    assert len(trace(drawing.probability()).roots) == 1
    assert len(trace(drawing.probability(), TraceSettings(gap_px=0, reach_px=0)).roots) == 2


def test_no_bridge_runs_between_two_somata(canvas):
    drawing = canvas((16, 20, 80)).tube([(8, 10, 3), (8, 10, 36)]).tube([(8, 10, 44), (8, 10, 76)])
    tree = trace(drawing.probability(), TraceSettings(soma=((8, 10, 4), (8, 10, 75))))
    assert len(tree.roots) == 2
    assert len(tree.neurons()) == 2


def test_a_short_piece_stands_alone_only_if_fragments_allows_it(canvas):
    drawing = canvas((16, 50, 60)).tube([(8, 8, 4), (8, 8, 56)]).tube([(8, 42, 20), (8, 42, 34)])
    probability = drawing.probability()
    assert len(trace(probability).roots) == 1
    assert len(trace(probability, TraceSettings(fragments=8, confidence=0)).roots) == 2
    assert len(trace(probability, TraceSettings(fragments=40, confidence=0)).roots) == 1


def test_a_piece_that_is_asked_for_by_length_has_to_be_likely_as_well(canvas):
    drawing = canvas((16, 50, 60)).tube([(8, 8, 4), (8, 8, 56)]).tube([(8, 42, 20), (8, 42, 34)], level=0.6)
    sure, all_of_it = (trace(drawing.probability(), TraceSettings(fragments=8, confidence=c)) for c in (0.7, 0))
    assert len(sure.roots) == 1
    assert all_of_it.confidence[all_of_it.xyz[:, 1] > 30].max() < 0.7


def test_where_nothing_is_likely_the_way_out_is_named(canvas):
    probability = canvas((16, 40, 60)).tube([(8, 12, 5), (8, 12, 55)]).probability()
    with pytest.raises(NoNeuronError, match="--confidence"):
        trace(probability, TraceSettings(confidence=1.0))


def test_a_piece_is_kept_without_soma_however_short_if_there_is_nothing_else(canvas):
    tree = trace(canvas((16, 16, 40)).tube([(8, 8, 8), (8, 8, 30)]).probability(), TraceSettings(fragments=500))
    assert tree.cable_length == pytest.approx(22, abs=1.5)


# threshold


def test_threshold_decides_whether_a_dim_neurite_is_one(canvas):
    probability = canvas((16, 20, 60)).tube([(8, 10, 5), (8, 10, 55)], level=0.4).probability()
    with pytest.raises(NoNeuronError, match="--threshold"):
        trace(probability)
    assert trace(probability, TraceSettings(threshold=0.3, confidence=0)).cable_length == pytest.approx(50, abs=2)


def test_a_neurite_is_followed_down_to_the_faint_share_of_the_threshold(canvas):
    drawing = canvas((16, 20, 60)).tube([(8, 10, 5), (8, 10, 30)]).tube([(8, 10, 30), (8, 10, 55)], level=0.38)
    probability = drawing.probability()
    told = dataclasses.replace(probability, faint=1.0)
    every = TraceSettings(confidence=0)  # the map alone, however unsure of the faint half
    assert trace(probability, every).cable_length == pytest.approx(50, abs=2)
    assert trace(told, dataclasses.replace(every, gap_px=0)).cable_length == pytest.approx(25, abs=3)
    assert trace(probability, dataclasses.replace(every, faint=1.0, gap_px=0)).cable_length == pytest.approx(25, abs=3)
    assert trace(told, dataclasses.replace(every, faint=0.7)).cable_length == pytest.approx(50, abs=2)


def test_the_more_confidence_is_asked_for_the_less_of_a_faint_side_branch_stays(canvas):
    drawing = canvas((16, 40, 60)).tube([(8, 12, 5), (8, 12, 55)]).tube([(8, 12, 30), (8, 34, 30)], level=0.45)
    assert len(trace(drawing.probability()).tips) == 3
    assert len(trace(drawing.probability(), TraceSettings(confidence=0.9)).tips) == 2


def test_step_px_is_the_distance_between_nodes(canvas):
    probability = canvas((16, 20, 60)).tube([(8, 10, 5), (8, 10, 55)]).probability()
    for step in (1.0, 2.0, 5.0):
        tree = trace(probability, TraceSettings(step_px=step))
        assert np.median(tree.edge_length[1:]) == pytest.approx(step, rel=0.15)


# units


@pytest.mark.parametrize("ends", [[(3, 10, 8), (16, 10, 8)], [(10, 10, 8), (10, 10, 52)], [(4, 10, 8), (16, 20, 50)]])
def test_length_is_right_in_micrometres_where_planes_lie_three_times_as_far_apart(canvas, ends):
    tree = trace(canvas((20, 30, 60), (3.0, 1.0, 1.0)).tube(ends).probability())
    truth = np.array(ends) * (3, 1, 1)
    assert tree.unit == "um"
    assert (len(tree.roots), len(tree.tips)) == (1, 2)
    assert tree.cable_length == pytest.approx(length_of(truth), abs=3.5)
    assert furthest(truth, tree) < 3.01  # a plane


def test_units_choose_between_micrometres_and_voxels(canvas):
    ends = [(10, 10, 8), (10, 10, 52)]
    probability = canvas((20, 20, 60), (0.5, 0.25, 0.25)).tube(ends).probability()
    default, um = trace(probability), trace(probability, TraceSettings(units="um"))
    voxel = trace(probability, TraceSettings(units="voxel"))
    assert (default.unit, um.unit, voxel.unit) == ("um", "um", "voxel")
    np.testing.assert_allclose(default.xyz, um.xyz)
    np.testing.assert_allclose(um.xyz, voxel.xyz * (0.25, 0.25, 0.5))
    np.testing.assert_allclose(um.radius, voxel.radius * 0.25)
    assert um.cable_length == pytest.approx(11, abs=0.5)


def test_without_a_voxel_size_the_unit_is_the_voxel(canvas):
    probability = canvas((20, 20, 60)).tube([(10, 10, 8), (10, 10, 52)]).probability()
    assert trace(probability).unit == "voxel"


# somata


def test_a_soma_given_by_hand_is_the_root(canvas):
    drawing, _ = star(canvas, neurites=4)
    tree = trace(drawing.probability(), TraceSettings(soma=((13, 32, 28),)))
    assert list(tree.roots) == [0]
    assert tree.type[0] == NodeType.SOMA
    assert np.linalg.norm(tree.xyz[0] - (30, 30, 15)) <= 2  # the middle of the body that holds the point


def test_a_soma_given_on_a_thin_neurite_roots_the_tree_there(canvas):
    probability = canvas((16, 20, 60)).tube([(8, 10, 5), (8, 10, 55)]).probability()
    tree = trace(probability, TraceSettings(soma=((8, 10, 20),)))
    assert len(tree.roots) == 1
    assert tree.type[0] == NodeType.SOMA
    assert np.linalg.norm(tree.xyz[0] - (20, 10, 8)) <= 1.5
    assert tree.children_count[0] == 2
    assert tree.cable_length == pytest.approx(50, abs=2)


def test_two_somata_on_one_component_give_two_trees(canvas):
    tree = trace(two_cells(canvas).probability(), TraceSettings(soma=((10, 15, 16), (10, 15, 44))))
    assert len(tree.roots) == len(tree.neurons()) == 2
    assert (tree.type[tree.roots] == NodeType.SOMA).all()
    ordered = tree.xyz[tree.roots][np.argsort(tree.xyz[tree.roots, 0])]
    assert np.linalg.norm(ordered - [(16, 15, 10), (44, 15, 10)], axis=1).max() <= 2


def test_the_same_soma_given_twice_gives_one_tree(canvas):
    drawing, _ = star(canvas, neurites=4)
    tree = trace(drawing.probability(), TraceSettings(soma=((15, 30, 30), (15, 30, 30))))
    assert len(tree.roots) == 1


@pytest.mark.parametrize("point", [(-1, 5, 5), (5, 5, 60), (16, 5, 5)])
def test_a_soma_outside_the_stack_is_refused(canvas, point):
    probability = canvas((16, 20, 60)).tube([(8, 10, 5), (8, 10, 55)]).probability()
    with pytest.raises(InputError, match="outside the stack"):
        trace(probability, TraceSettings(soma=(point,)))


def test_find_somata_off_leaves_no_soma(canvas):
    drawing, tips = star(canvas)
    tree = trace(drawing.soma_map((15, 30, 30), 6, 0.9).probability(), TraceSettings(find_somata=False))
    assert len(tree.roots) == 1
    assert (tree.type != NodeType.SOMA).all()
    assert furthest(tips, tree) <= 2.5


def test_a_likely_body_of_the_soma_map_is_the_only_soma(canvas):
    drawing = two_cells(canvas).soma_map((10, 15, 16), 5, 0.35)
    tree = trace(drawing.probability())
    assert list(tree.type[tree.roots]) == [NodeType.SOMA]
    assert np.linalg.norm(tree.xyz[0] - (16, 15, 10)) <= 1.5


def test_of_two_likely_bodies_the_larger_is_the_soma(canvas):
    drawing = two_cells(canvas).soma_map((10, 15, 16), 4.3, 0.35).soma_map((10, 15, 44), 5.3, 0.35)
    tree = trace(drawing.probability())
    assert (tree.type == NodeType.SOMA).sum() == 1
    assert np.linalg.norm(tree.xyz[0] - (44, 15, 10)) <= 1.5


def test_a_likely_body_that_is_thin_is_no_soma(canvas):
    drawing = canvas((16, 20, 60)).tube([(8, 10, 5), (8, 10, 55)], 2).soma_map((8, 10, 30), 2.4, 0.35)
    assert (trace(drawing.probability()).type != NodeType.SOMA).all()


def test_two_sure_bodies_of_the_soma_map_are_two_somata(canvas):
    drawing = two_cells(canvas).soma_map((10, 15, 16), 5, 0.6).soma_map((10, 15, 44), 5, 0.6)
    tree = trace(drawing.probability())
    assert list(tree.type[tree.roots]) == [NodeType.SOMA] * 2
    assert len(tree.neurons()) == 2


def test_a_soma_map_away_from_the_neurites_is_ignored(canvas):
    drawing = canvas((20, 40, 60)).tube([(10, 10, 5), (10, 10, 55)]).soma_map((10, 32, 30), 5, 0.9)
    assert (trace(drawing.probability()).type != NodeType.SOMA).all()


def test_a_crossing_of_thick_neurites_is_no_soma_however_many_thin_ones_there_are(canvas):
    drawing = canvas((30, 120, 120)).tube([(15, 60, 5), (15, 60, 115)], 4).tube([(15, 5, 60), (15, 115, 60)], 4)
    for at in (12, 24, 36, 84, 96, 108):
        drawing.tube([(15, at, 5), (15, at, 50)], 1.2).tube([(15, at, 70), (15, at, 115)], 1.2)
    drawing.soma_map((15, 60, 60), 3, 0.6)
    assert (trace(drawing.probability()).type != NodeType.SOMA).all()


def test_a_thick_long_rod_is_no_soma(canvas):
    drawing = canvas((24, 24, 60)).tube([(12, 12, 4), (12, 12, 56)], 5)
    assert (trace(drawing.probability()).type != NodeType.SOMA).all()


# little or nothing


def test_an_empty_map_holds_no_neuron(canvas):
    with pytest.raises(NoNeuronError, match="no neuron found"):
        trace(canvas((8, 9, 10)).probability())


def test_specks_are_no_neuron():
    volume = np.zeros((8, 9, 10), np.uint8)
    volume[2, 3, 4] = volume[6, 6, 6] = 255
    with pytest.raises(NoNeuronError, match="specks"):
        trace(Probability(volume, source="a.tif"))


@pytest.mark.parametrize("radius", [2, 5, 8])
def test_a_single_blob_is_a_valid_small_tree(canvas, radius):
    tree = trace(canvas((20, 20, 20)).ball((10, 10, 10), radius).probability(), TraceSettings(min_length=0.0))
    assert len(tree) >= 2
    assert len(tree.roots) == 1
    assert tree.cable_length <= 3 * radius
    assert np.linalg.norm(tree.xyz - 10, axis=1).max() <= radius + 1


def test_a_full_stack_is_one_neurite_within_its_borders():
    tree = trace(Probability(np.full((12, 12, 40), 255, np.uint8)))
    assert len(tree.roots) == 1
    assert tree.xyz.min() >= -1e-6
    assert (tree.xyz <= np.array([39, 11, 11]) + 1e-6).all()


def test_a_neurite_that_lies_in_a_stack_of_one_plane_is_traced():
    volume = np.zeros((1, 20, 40), np.uint8)
    volume[0, 9:12, 4:36] = 255
    assert trace(Probability(volume)).cable_length == pytest.approx(31, abs=2)


# settings


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"units": "mm"}, "units"),
        ({"min_length": -1.0}, "min_length"),
        ({"fragments": float("inf")}, "fragments"),
        ({"gap_px": -2.0}, "gap_px"),
        ({"step_px": 0.0}, "step_px"),
        ({"faint": 1.5}, "faint"),
        ({"confidence": -0.1}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"soma": ((1.0, 2.0, float("nan")),)}, "soma"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(setting, word):
    with pytest.raises(SettingsError, match=word):
        TraceSettings(**setting)


def test_specks_alone_are_no_neuron_unless_a_length_is_asked_for(canvas):
    drawn = canvas((20, 30, 30)).tube([(10, 10, 10), (10, 10, 19)], 1.0)
    with pytest.raises(NoNeuronError, match="long"):
        trace(drawn.probability())
    assert trace(drawn.probability(), TraceSettings(min_length=2.0)).cable_length == pytest.approx(9, abs=2.5)


def test_a_soma_of_two_numbers_is_refused():
    with pytest.raises(SettingsError, match=r"z, y, x"):
        TraceSettings(soma=((1.0, 2.0),))


def test_a_soma_map_that_holds_the_whole_arbour_does_not_cost_the_arbour(canvas):
    drawing = canvas((16, 40, 60)).tube([(8, 20, 5), (8, 20, 55)]).tube([(8, 20, 30), (8, 36, 45)])
    drawing.soma = np.where(drawing.map > 0.5, 0.9, 0.0)
    plain = trace(Probability(np.round(255 * drawing.map).astype(np.uint8)))
    assert trace(drawing.probability()).cable_length == pytest.approx(plain.cable_length, rel=0.02)
