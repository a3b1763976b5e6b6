"""The steps of the tracer one by one, each against numbers that do not come from it."""

import dataclasses
from importlib import import_module  # `neurorecon.trace` is the function, not the package

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label

from neurorecon.core.errors import InputError, NoNeuronError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.tracing import TraceSettings, evidence_of, trace
from neurorecon.tracing.bridge import Ground, bridge
from neurorecon.tracing.cost import depth_of, largest_near, smooth_evidence, travel_cost
from neurorecon.tracing.cover import Cover, mean_height, measured_heights
from neurorecon.tracing.foreground import OFFSETS, bright_voxels, make_cloud
from neurorecon.tracing.geodesic import find_ways
from neurorecon.tracing.grow import grow
from neurorecon.tracing.prune import Limits, choose_roots, cut_spurs, drop_fragments
from neurorecon.tracing.radius import radius_at
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.smooth import Line, centre, even_steps, smooth, smooth_run
from neurorecon.tracing.soma.find_soma import find_somata

ONES = np.ones(3)
CUBE = np.ones((3, 3, 3), int)


def blobs(rng, shape=(12, 14, 16), share=0.3):
    """Random uint8 volume, `share` of it foreground (128 or more)."""
    return np.where(rng.random(shape) < share, rng.integers(128, 256, shape), 0).astype(np.uint8)


def cloud_of(volume, voxel_size=None, high=0.5, low=0.25):
    return make_cloud(Probability(volume, voxel_size), high, low)


def skeleton_of(lines, parents, p=1.0, depth=1.0, somata=()):
    """A skeleton from points and parents; `somata` are the nodes that are somata."""
    zyx = np.array(lines, float)
    n = len(zyx)
    soma = np.full(n, -1)
    soma[list(somata)] = np.arange(len(somata))
    return Skeleton(zyx, np.array(parents), np.full(n, float(p)), np.full(n, float(depth)), soma)


def line_of(zyx, parent):
    """A finished line from points and parents."""
    n = len(zyx)
    return Line(np.array(zyx, float), np.array(parent), np.ones(n), np.full(n, -1))


def row_along_x(start, stop, y=5, z=5):
    return [(z, y, x) for x in range(start, stop)]


# cloud


def test_the_cloud_holds_the_foreground_in_the_order_of_the_volume(rng):
    volume = blobs(rng)
    cloud = cloud_of(volume)
    names, count = label(volume > 0, CUBE)
    large = np.flatnonzero(np.bincount(names.ravel())[1:] >= 4) + 1
    np.testing.assert_array_equal(cloud.zyx, np.argwhere(np.isin(names, large)))
    np.testing.assert_allclose(cloud.p, volume[tuple(cloud.zyx.T)] / 255, rtol=1e-6)
    assert cloud.labels()[0] == len(large) <= count


def test_neighbours_are_those_of_the_volume(rng):
    volume = blobs(rng)
    cloud = cloud_of(volume)
    rows = np.pad(np.full(volume.shape, len(cloud)), 1, constant_values=len(cloud))
    rows[tuple(cloud.zyx.T + 1)] = np.arange(len(cloud))
    for k, offset in enumerate(OFFSETS):
        np.testing.assert_array_equal(cloud.near[:, k], rows[tuple((cloud.zyx + 1 + offset).T)])


def test_no_neighbour_wraps_round_the_border_of_the_volume():
    volume = np.zeros((6, 6, 6), np.uint8)
    volume[2, :, 5] = volume[3, :, 0] = 255
    assert cloud_of(volume).labels()[0] == 2


def test_hysteresis_keeps_the_faint_only_where_it_hangs_on_the_sure():
    volume = np.zeros((5, 12, 30), np.uint8)
    volume[2, 3, 2:20] = 80
    volume[2, 3, 10] = 200
    volume[2, 9, 2:20] = 80
    cloud = cloud_of(volume)
    assert set(cloud.zyx[:, 1]) == {3}
    assert len(cloud) == 18


def test_taken_voxels_keep_their_neighbours(rng):
    cloud = cloud_of(blobs(rng))
    part = cloud.take(rng.random(len(cloud)) < 0.5)
    for k, offset in enumerate(OFFSETS):
        linked = part.near[:, k] < len(part)
        np.testing.assert_array_equal(part.zyx[part.near[linked, k]], part.zyx[linked] + offset)


def test_finding_a_key_gives_its_row_and_minus_one_where_there_is_none(rng):
    volume = blobs(rng)
    cloud = cloud_of(volume)
    np.testing.assert_array_equal(cloud.find(cloud.keys_of(cloud.zyx)), np.arange(len(cloud)))
    empty = np.argwhere(volume == 0)
    assert (cloud.find(cloud.keys_of(empty)) == -1).all()


def test_reading_slab_by_slab_finds_the_same_voxels(rng, monkeypatch):
    volume = blobs(rng)
    index, value = bright_voxels(volume, 150)
    monkeypatch.setattr(import_module("neurorecon.tracing.foreground"), "SLAB_VOXELS", 3 * 14 * 16)
    slab_index, slab_value = bright_voxels(volume, 150)
    np.testing.assert_array_equal(index, np.flatnonzero(volume >= 150))
    np.testing.assert_array_equal(slab_index, index)
    np.testing.assert_array_equal(slab_value, value)


def test_more_voxels_than_a_neuron_has_are_cut_to_the_brightest_with_a_warning(rng, monkeypatch, caplog):
    volume = rng.integers(0, 256, (10, 20, 20)).astype(np.uint8)
    monkeypatch.setattr(import_module("neurorecon.tracing.foreground"), "MOST_VOXELS", 1000)
    cloud = cloud_of(volume)
    assert 800 < len(cloud) <= 1000
    assert cloud.p.min() > 0.7
    assert "more than a neuron has" in caplog.text


# cost


@pytest.mark.parametrize("voxel_size", [None, VoxelSize(9.0, 1.0, 1.0), VoxelSize(1.0, 0.5, 0.5)])
def test_depth_is_the_distance_transform(rng, voxel_size):
    volume = np.zeros((16, 24, 24), np.uint8)
    for point in rng.integers(5, 11, (6, 3)):
        volume[tuple(slice(c - 3, c + 4) for c in point)] = 255
    cloud = cloud_of(volume, voxel_size)
    truth = distance_transform_edt(volume > 0, sampling=cloud.spacing)
    np.testing.assert_allclose(depth_of(cloud), truth[tuple(cloud.zyx.T)], rtol=1e-5)


def test_smooth_evidence_is_highest_in_the_middle_and_never_above_the_probability_near_by(canvas):
    cloud = cloud_of(canvas((16, 16, 30)).tube([(8, 8, 4), (8, 8, 26)], 2).probability().neurite)
    evidence = smooth_evidence(cloud)
    middle = cloud.zyx[:, 2] == 15
    assert tuple(cloud.zyx[middle][evidence[middle].argmax()]) == (8, 8, 15)
    assert (evidence <= largest_near(cloud, cloud.p, 1) + 1e-6).all()


def test_the_largest_value_near_by_reaches_as_many_steps_as_said():
    volume = np.zeros((5, 5, 20), np.uint8)
    volume[2, 2, :] = 255
    cloud = cloud_of(volume)
    value = np.zeros(20, np.float32)
    value[10] = 7
    np.testing.assert_array_equal(np.flatnonzero(largest_near(cloud, value, 3)), np.arange(7, 14))


def test_travel_is_cheapest_on_the_centre_line_and_dearer_where_evidence_is_faint(canvas):
    drawing = canvas((16, 16, 60)).tube([(8, 8, 4), (8, 8, 30)], 2).tube([(8, 8, 30), (8, 8, 56)], 2, level=0.5)
    cloud = cloud_of(drawing.probability().neurite)
    cost = travel_cost(cloud, depth_of(cloud), smooth_evidence(cloud))
    assert cost.min() >= 1 - 1e-6
    at = {tuple(zyx): value for zyx, value in zip(cloud.zyx.tolist(), cost, strict=True)}
    assert at[8, 8, 15] < at[8, 9, 15] < at[8, 10, 15]
    assert at[8, 8, 45] > 4 * at[8, 8, 15]


# ways


@pytest.mark.parametrize("voxel_size", [None, VoxelSize(9.0, 1.0, 1.0)])
def test_ways_cost_what_skimage_says_they_cost(rng, voxel_size):
    from skimage.graph import MCP_Geometric

    volume = blobs(rng, (7, 9, 10), 0.6)
    cloud = cloud_of(volume, voxel_size)
    cost = rng.uniform(1, 9, len(cloud))
    ways = find_ways(cloud, cost, np.array([0]))
    field = np.full(volume.shape, -1.0)
    field[tuple(cloud.zyx.T)] = cost
    truth, _ = MCP_Geometric(field, sampling=tuple(cloud.spacing)).find_costs([tuple(cloud.zyx[0])])
    for row in range(len(cloud)):
        total, here = 0.0, row
        while ways.before[here] >= 0:
            ahead = ways.before[here]
            total += np.linalg.norm(cloud.points[here] - cloud.points[ahead]) * (cost[here] + cost[ahead]) / 2
            here = ahead
        if np.isfinite(truth[tuple(cloud.zyx[row])]):
            assert here == 0
            assert total == pytest.approx(truth[tuple(cloud.zyx[row])])


def test_the_length_of_a_way_is_the_sum_of_its_steps_and_its_source_is_the_nearest():
    volume = np.zeros((3, 3, 30), np.uint8)
    volume[1, 1, :] = 255
    ways = find_ways(cloud_of(volume), np.ones(30), np.array([0, 29]))
    np.testing.assert_allclose(ways.length, np.minimum(np.arange(30), 29 - np.arange(30)))
    np.testing.assert_array_equal(ways.source, np.where(np.arange(30) < 15, 0, 29))
    np.testing.assert_array_equal(np.flatnonzero(ways.before < 0), [0, 29])


def test_ways_from_two_sources_of_one_voxel_chain_hold_no_loop(rng):
    cloud = cloud_of(blobs(rng, share=0.5))
    ways = find_ways(cloud, rng.uniform(1, 5, len(cloud)), np.array([0, len(cloud) - 1]))
    reached = np.arange(len(cloud))
    for _ in range(len(cloud)):
        reached = np.where(ways.before[reached] >= 0, ways.before[reached], reached)
    assert (ways.before[reached] < 0).all()


# growing


def test_growing_covers_the_cloud_longest_way_first(canvas):
    drawing = canvas((16, 30, 60)).tube([(8, 8, 4), (8, 8, 56)]).tube([(8, 8, 30), (8, 24, 30)])
    probability = drawing.probability()
    cloud = make_cloud(probability, 0.5, 0.25)
    depth = depth_of(cloud)
    start = int(np.linalg.norm(cloud.zyx - (8, 8, 4), axis=1).argmin())
    ways = find_ways(cloud, travel_cost(cloud, depth, smooth_evidence(cloud)), np.array([start]))
    skeleton = grow(Cover(cloud, depth, smooth_evidence(cloud)), depth, ways, [], 3.0)
    assert (skeleton.parent < np.arange(len(skeleton))).all()
    assert (skeleton.parent < 0).sum() == 1
    assert (skeleton.degree == 1).sum() == 3
    first = skeleton.zyx[: int(np.flatnonzero(np.diff(skeleton.parent) != 1)[0]) + 1]
    assert first[-1, 2] >= 53  # the first way runs to the far end, not into the side branch
    assert np.linalg.norm(skeleton.zyx[:, None] - cloud.zyx, axis=2).min(0).max() <= 4


def tall(canvas, ends, height, seed=1):
    """A neurite `height` times as tall along z as wide (7 px), of uneven light, in cubic voxels."""
    drawing = canvas((40, 50, 110), (1.0 / height, 1.0, 1.0)).tube(ends, 3.5 * height)
    rough = gaussian_filter(np.random.default_rng(seed).normal(0, 1, drawing.map.shape), 1)
    return Probability((255 * drawing.map * np.clip(0.85 + 0.8 * rough, 0, 1)).astype(np.uint8), VoxelSize(1, 1, 1))


def rows_in_the_middle(cloud):
    return Cover(cloud, depth_of(cloud), smooth_evidence(cloud)).ridge


@pytest.mark.parametrize("far", [(20, 5, 104), (20, 45, 20), (35, 45, 100), (38, 25, 12)], ids=str)
def test_round_neurites_of_any_direction_are_as_tall_as_wide(canvas, far):
    cloud = cloud_of(canvas((40, 50, 110)).tube([(4, 5, 5), far], 3).probability().neurite)
    assert mean_height([measured_heights(cloud, rows_in_the_middle(cloud))]) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("height", [1.5, 2.0, 2.5])
def test_the_height_of_a_neurite_drawn_along_z_is_found(canvas, height):
    cloud = make_cloud(tall(canvas, [(20, 25, 5), (20, 30, 104)], height), 0.5, 0.25)
    assert mean_height([measured_heights(cloud, rows_in_the_middle(cloud))]) == pytest.approx(height, rel=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_a_neurite_drawn_along_z_gets_a_line_with_hardly_a_tooth(canvas, seed):
    tree = trace(tall(canvas, [(20, 25, 5), (20, 30, 104)], 2.0, seed), TraceSettings(confidence=0))
    ends = (np.bincount(tree.parent[tree.parent >= 0], minlength=len(tree.parent)) == 0).sum()
    assert ends <= 3  # 18 teeth where the ball is round
    assert 90 < tree.cable_length < 125


def test_nothing_to_measure_counts_as_round(canvas):
    cloud = cloud_of(canvas((16, 30, 60)).tube([(8, 8, 4), (8, 8, 56)]).probability().neurite)
    assert mean_height([measured_heights(cloud, np.zeros(len(cloud), bool))]) == 1


def test_growing_from_a_soma_hangs_every_way_on_its_centre(canvas):
    drawing = canvas((24, 30, 60)).ball((12, 15, 30), 6).tube([(12, 15, 4), (12, 15, 56)])
    probability = drawing.probability()
    cloud = make_cloud(probability, 0.5, 0.25)
    depth = depth_of(cloud)
    somata = find_somata(cloud, depth, probability, TraceSettings())
    assert len(somata) == 1
    ways = find_ways(cloud, travel_cost(cloud, depth, smooth_evidence(cloud)), somata[0].rows)
    skeleton = grow(Cover(cloud, depth, smooth_evidence(cloud)), depth, ways, somata, 3.0)
    assert skeleton.soma[0] == 0
    assert (skeleton.soma[1:] == -1).all()
    assert skeleton.children[0] == 2
    assert np.linalg.norm(skeleton.zyx[0] - (12, 15, 30)) <= 1


# bridging


def cut_line(gap, volume_shape=(11, 11, 110), half=40):
    """A line along x with a gap of `gap` steps, and its probability."""
    volume = np.zeros(volume_shape, np.uint8)
    left, right = row_along_x(3, 3 + half), row_along_x(2 + half + gap, 2 + 2 * half + gap)
    for point in left + right:
        volume[point] = 255
    parents = [-1, *range(half - 1), -1, *range(half, 2 * half - 1)]
    return skeleton_of(left + right, parents), Ground(volume, ONES, 0.25, ONES)


@pytest.mark.parametrize(("gap", "joined"), [(2, True), (6, True), (9, True), (14, False), (25, False)])
def test_a_gap_is_bridged_up_to_the_limit(gap, joined):
    skeleton, ground = cut_line(gap)
    bridged, edges = bridge(skeleton, ground, 10.0)
    assert len(edges) == len(bridged) - (1 if joined else 2)
    assert len(bridged) == len(skeleton) + (gap - 1 if joined else 0)


def test_evidence_below_the_threshold_lets_a_bridge_reach_further():
    skeleton, ground = cut_line(14)
    ground.volume[5, 5, 42:57] = np.maximum(ground.volume[5, 5, 42:57], 50)
    bridged, edges = bridge(skeleton, ground, 10.0)
    assert len(edges) == len(bridged) - 1


def test_bridging_is_off_at_a_limit_of_nothing():
    skeleton, ground = cut_line(3)
    bridged, edges = bridge(skeleton, ground, 0.0)
    assert len(bridged) == len(skeleton)
    assert len(edges) == len(skeleton) - 2


def test_no_bridge_joins_two_somata():
    skeleton, ground = cut_line(4)
    soma = np.full(len(skeleton), -1)
    soma[[0, -1]] = 0, 1
    skeleton = Skeleton(skeleton.zyx, skeleton.parent, skeleton.p, skeleton.depth, soma)
    assert len(bridge(skeleton, ground, 10.0)[1]) == len(skeleton) - 2


def test_an_end_that_points_elsewhere_is_not_bridged():
    volume = np.zeros((11, 60, 60), np.uint8)
    one, two = row_along_x(3, 30, y=10), row_along_x(3, 30, y=18)
    skeleton = skeleton_of(one + two, [-1, *range(26), -1, *range(27, 53)])
    assert len(bridge(skeleton, Ground(volume, ONES, 0.25, ONES), 10.0)[1]) == 52


# pruning


def fork(side, depth=1.0, soma=()):
    """A line of 30 nodes along x and a side branch of `side` nodes at its middle."""
    stem, branch = row_along_x(0, 30), [(5, 6 + k, 15) for k in range(side)]
    return skeleton_of(stem + branch, [-1, *range(29), 15, *range(30, 29 + side)][: 30 + side], 1.0, depth, soma)


def test_runs_are_the_pieces_between_branch_points():
    found = fork(8).runs()
    assert sorted(len(run) for run in found) == [9, 15, 16]
    assert {int(run[0]) for run in found} == {0, 15}


def test_a_branch_shorter_than_the_limit_beyond_the_surface_is_cut():
    assert len(cut_spurs(fork(8), ONES, Limits(0.0, 4.0))) == 38
    assert len(cut_spurs(fork(8), ONES, Limits(0.0, 9.0))) == 30
    assert len(cut_spurs(fork(8), ONES, Limits(6.0, 0.0))) == 38
    assert len(cut_spurs(fork(8), ONES, Limits(9.0, 0.0))) == 30
    assert len(cut_spurs(fork(8, depth=5.5), ONES, Limits(0.0, 4.0))) == 30


def test_the_ends_of_a_lone_line_are_not_cut():
    line = skeleton_of(row_along_x(0, 5), [-1, 0, 1, 2, 3])
    assert len(cut_spurs(line, ONES, Limits(0.0, 50.0))) == 5


def test_small_pieces_go_but_not_those_of_a_soma():
    lines = row_along_x(0, 40) + row_along_x(0, 10, y=15) + row_along_x(0, 6, y=25)
    parents = [-1, *range(39), -1, *range(40, 49), -1, *range(50, 55)]
    assert len(drop_fragments(skeleton_of(lines, parents), ONES, None)) == 40
    assert len(drop_fragments(skeleton_of(lines, parents), ONES, 8.0)) == 50
    assert len(drop_fragments(skeleton_of(lines, parents), ONES, 0.0)) == 56
    with_soma = drop_fragments(skeleton_of(lines, parents, somata=[50]), ONES, 60.0)
    np.testing.assert_array_equal(np.unique(with_soma.zyx[:, 1]), [25])


def test_the_root_is_the_soma_else_the_thickest_end():
    line = skeleton_of(row_along_x(0, 20), [-1, *range(19)])
    edges = np.stack([np.arange(19), np.arange(1, 20)], 1)
    line.depth[15:] = 3.0
    np.testing.assert_array_equal(choose_roots(line, edges), [19])
    line.soma[8] = 0
    np.testing.assert_array_equal(choose_roots(line, edges), [8])


def test_orienting_hangs_all_nodes_on_the_root_parents_first():
    made = fork(8)
    child = np.flatnonzero(made.parent >= 0)
    edges = np.stack([made.parent[child], child], 1)
    turned = orient(made, edges, np.array([37]))
    np.testing.assert_array_equal(turned.zyx[0], made.zyx[37])
    assert (turned.parent < np.arange(38)).all()
    assert turned.edge_lengths(ONES).sum() == pytest.approx(made.edge_lengths(ONES).sum())
    assert (turned.pieces() == 0).all()


# centre line and radius


def test_centring_moves_a_line_towards_the_middle_of_the_neurite(canvas):
    cloud = cloud_of(canvas((16, 16, 40)).tube([(8, 8, 3), (8, 8, 37)], 2.5).probability().neurite)
    beside = skeleton_of(row_along_x(5, 35, y=9, z=8), [-1, *range(29)])
    moved = centre(beside, cloud, smooth_evidence(cloud))
    assert (moved.zyx[:, 1] < 8.95).all()  # the tips as well
    assert np.abs(moved.zyx[:, 2] - beside.zyx[:, 2]).max() < 0.02  # across, not along


@pytest.mark.parametrize("step", [0.7, 1.5, 4.0])
def test_even_steps_are_even_and_keep_both_ends(step):
    points = np.array([(0, 0, 0), (0, 0, 10), (0, 3, 10), (0, 3, 30)], float)
    even = even_steps(points, step)
    np.testing.assert_allclose(even[[0, -1]], points[[0, -1]])
    straight = even_steps(points[:2], step)
    assert np.diff(straight[:, 2]) == pytest.approx(np.full(len(straight) - 1, 10 / round(10 / step)))


def test_smoothing_removes_a_staircase_and_keeps_ends_and_straight_lines():
    steps = np.array([(0, k // 2, k) for k in range(40)], float)
    true_length = np.linalg.norm(steps[-1] - steps[0])
    smoothed = smooth_run(steps, 2.0, 1.0)
    length = np.linalg.norm(np.diff(smoothed, axis=0), axis=1).sum()
    assert length == pytest.approx(true_length, rel=0.01)
    np.testing.assert_allclose(smoothed[[0, -1]], steps[[0, -1]])
    straight = np.array([(0, 0, 0), (0, 0, 20)], float)
    np.testing.assert_allclose(smooth_run(straight, 2.0, 1.0)[:, :2], 0, atol=1e-9)


def test_smoothing_keeps_roots_tips_and_the_branch_points_of_straight_arms_in_their_places():
    made = fork(10)
    line = smooth(made, ONES, 2.0, 1.5)
    assert (line.parent < np.arange(len(line.parent))).all()
    for node in (0, 15, 29, 39):
        assert np.linalg.norm(line.zyx - made.zyx[node], axis=1).min() < 1e-9
    assert (np.bincount(line.parent[line.parent >= 0], minlength=len(line.parent)) == 2).sum() == 1


def test_a_certain_neurite_is_followed_closer_than_a_doubtful_one():
    bends = np.array([(0, 2 * np.sin(k / 3), k) for k in range(60)])

    def strayed(p):
        made = dataclasses.replace(
            skeleton_of(bends.tolist(), [-1, *range(59)]), p=np.full(60, p), depth=np.full(60, 1.5)
        )
        line = smooth(made, ONES, 2.0, 1.0).zyx
        return np.linalg.norm(line[:, None] - bends, axis=2).min(1).mean()

    certain, middle, doubtful = (strayed(p) for p in (0.97, 0.8, 0.5))
    assert certain < 0.35
    assert certain < middle < doubtful
    assert strayed(0.6) == pytest.approx(doubtful)


@pytest.mark.parametrize("radius", [2.0, 3.0, 5.0])
def test_radius_of_a_sharp_tube_is_its_own(radius):
    grid = np.stack(np.meshgrid(*map(np.arange, (21, 21, 30)), indexing="ij"), -1)
    volume = np.where(np.linalg.norm(grid[..., :2] - 10, axis=-1) <= radius, 255, 0).astype(np.uint8)
    found = radius_at(cloud_of(volume), line_of([(10.0, 10.0, 15.0)], [-1]), ONES, 1.0)
    assert found[0] == pytest.approx(radius, abs=0.75)


def two_rods(radii=(4.0, 2.0), gap=(20, 40)):
    """Sharp rods along x, (10, 10, x), with a gap between them."""
    grid = np.stack(np.meshgrid(*map(np.arange, (21, 21, 60)), indexing="ij"), -1)
    away, x = np.linalg.norm(grid[..., :2] - 10, axis=-1), grid[..., 2]
    inside = ((away <= radii[0]) & (x <= gap[0])) | ((away <= radii[1]) & (x >= gap[1]))
    return np.where(inside, 255, 0).astype(np.uint8)


def test_the_radius_in_a_gap_goes_evenly_from_one_end_to_the_other():
    line = line_of([(10, 10, x) for x in range(60)], range(-1, 59))
    found = radius_at(cloud_of(two_rods()), line, ONES, 1.0)
    np.testing.assert_allclose(found[20:41], np.linspace(found[20], found[40], 21))
    assert found[20:41].max() <= 4


def test_the_radius_beyond_the_last_voxel_is_that_of_the_last_voxel():
    line = line_of([(10, 10, x) for x in range(40, 16, -1)], range(-1, 23))  # starts and ends in the dark
    found = radius_at(cloud_of(two_rods(gap=(20, 99))), line, ONES, 1.0)
    np.testing.assert_array_equal(found[:20], np.full(20, found[20]))


def test_the_radius_at_a_fork_in_a_gap_looks_down_to_the_nearer_end():
    volume = two_rods()
    volume[10, 16:, 30] = 255  # a third end, 6 voxels from the middle of the gap
    stem, arm = [(10, 10, x) for x in range(15, 46)], [(10, y, 30) for y in range(11, 20)]
    found = radius_at(cloud_of(volume), line_of(stem + arm, [*range(-1, 30), 15, *range(31, 39)]), ONES, 1.0)
    np.testing.assert_allclose(found[15], (found[5] * 6 + found[36] * 10) / 16)


# somata


def test_a_ball_on_a_thin_neurite_is_a_soma_and_a_swelling_is_not(canvas):
    for size, count in ((7, 1), (3, 0)):
        probability = canvas((24, 30, 60)).tube([(12, 15, 3), (12, 15, 57)]).ball((12, 15, 30), size).probability()
        cloud = make_cloud(probability, 0.5, 0.25)
        assert len(find_somata(cloud, depth_of(cloud), probability, TraceSettings())) == count


def test_the_body_of_a_soma_does_not_reach_into_its_neurites(canvas):
    probability = canvas((24, 30, 60)).tube([(12, 15, 3), (12, 15, 57)]).ball((12, 15, 30), 6).probability()
    cloud = make_cloud(probability, 0.5, 0.25)
    (soma,) = find_somata(cloud, depth_of(cloud), probability, TraceSettings())
    distance = np.linalg.norm(cloud.zyx[soma.rows] - (12, 15, 30), axis=1)
    assert distance.max() <= 10
    assert len(soma.rows) >= 0.8 * (np.linalg.norm(cloud.zyx - (12, 15, 30), axis=1) <= 6).sum()


# evidence of a grey stack


def noisy_rod(canvas, rng, voxel_size=None, dtype=np.uint16):
    """A grey stack of a rod, and the voxels more than 3 away from it."""
    drawing = canvas((20, 40, 60), voxel_size).tube([(10, 20, 5), (10, 20, 55)], 1.5)
    grey = 200 + 600 * drawing.map + rng.normal(0, 30, drawing.map.shape)
    far = ~binary_dilation(drawing.map > 0, CUBE, iterations=3)
    return Stack(grey.clip(0).astype(dtype), drawing.voxel_size, source="rod.tif"), far


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_evidence_is_high_on_a_noisy_rod_and_low_elsewhere(canvas, rng, dtype):
    stack, far = noisy_rod(canvas, rng, dtype=dtype)
    found = evidence_of(stack)
    assert found.neurite.shape == stack.shape
    assert found.neurite.dtype == np.uint8
    assert found.source == "rod.tif"
    assert found.soma is None
    assert np.percentile(found.neurite[10, 20, 8:52], 5) > 150
    assert np.percentile(found.neurite[far], 99) < 128
    assert np.median(found.neurite[far]) < 25


def test_evidence_does_not_depend_on_offset_and_gain(canvas, rng):
    stack, _ = noisy_rod(canvas, rng, dtype=np.float32)
    moved = Stack(stack.data * np.float32(7) + np.float32(1000), None)
    difference = evidence_of(stack).neurite.astype(int) - evidence_of(moved).neurite
    assert np.abs(difference).max() <= 2


def test_a_slow_background_is_taken_off(canvas, rng):
    stack, far = noisy_rod(canvas, rng, dtype=np.float32)
    slope = np.linspace(0, 600, stack.shape[2], dtype=np.float32)
    found = evidence_of(Stack(stack.data + slope, None)).neurite
    assert np.percentile(found[10, 20, 15:45], 5) > 128
    assert np.median(found[far]) < 64


def test_evidence_slab_by_slab_equals_the_whole(canvas, rng, monkeypatch):
    drawing = canvas((70, 24, 30)).tube([(3, 12, 4), (66, 12, 26)], 1.5)
    grey = (200 + 600 * drawing.map + rng.normal(0, 30, drawing.map.shape)).astype(np.float32)
    whole = evidence_of(Stack(grey, None)).neurite.astype(int)
    monkeypatch.setattr(import_module("neurorecon.tracing.grey_evidence"), "SLAB_VOXELS", 16 * 24 * 30)
    assert np.abs(evidence_of(Stack(grey, None)).neurite - whole).max() <= 1


def test_evidence_of_planes_that_lie_apart_is_high_on_the_rod(canvas, rng):
    stack, far = noisy_rod(canvas, rng, (3.0, 1.0, 1.0))
    found = evidence_of(stack).neurite
    assert np.percentile(found[10, 20, 8:52], 5) > 128
    assert np.percentile(found[far], 95) < 100


def test_a_constant_stack_holds_no_neuron():
    with pytest.raises(NoNeuronError, match="every voxel has the value 7"):
        evidence_of(Stack(np.full((6, 8, 8), 7, np.uint8), None))


def test_a_stack_with_nan_is_refused():
    data = np.zeros((6, 8, 8), np.float32)
    data[1, 2, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        evidence_of(Stack(data, None))
