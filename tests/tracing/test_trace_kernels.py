"""Every compiled loop of the tracer against its plain form in numpy or scipy, on random clouds."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.tracing.cost import ALONG_X, ALONG_Y, ALONG_Z, depth_of, largest_near, smooth_evidence
from neurorecon.tracing.cover import MARGIN, RIDGE, SCALE, Cover
from neurorecon.tracing.foreground import OFFSETS, bright_voxels, make_cloud
from neurorecon.tracing.geodesic import find_ways
from neurorecon.tracing.kernels.voxel_kernels import chord_voxels
from neurorecon.tracing.radius import radius_at
from neurorecon.tracing.smooth import Line, even_steps, smooth_run

SIZES = (None, VoxelSize(9.0, 1.0, 1.0), VoxelSize(1.0, 0.5, 0.7))
SEEDS = range(4)


@pytest.fixture(params=[(seed, size) for seed in SEEDS for size in SIZES], ids=str)
def cloud(request):
    """Lumps of several sizes, some of them faint, and specks, that fill a fifth of a small volume."""
    seed, size = request.param
    rng = np.random.default_rng(seed)
    volume = rng.random((14, 30, 34)) < (0.002, 0.02, 0.08, 0.3)[seed]
    volume = binary_dilation(volume, iterations=(4, 2, 1, 0)[seed] or 1)
    values = np.where(volume, rng.integers(64, 256, volume.shape), 0).astype(np.uint8)
    return make_cloud(Probability(values, size), 0.5, 0.25)


def graph_of(cloud, weight=None):
    """The cloud's graph for scipy; `weight(rows, columns, k)` gives its edges."""
    rows, k = np.nonzero(cloud.near < len(cloud))
    columns = cloud.near[rows, k]
    data = np.ones(len(rows)) if weight is None else weight(rows, columns, k)
    return csr_array((data, (rows, columns)), shape=(len(cloud), len(cloud)))


def volume_of(cloud):
    volume = np.zeros(cloud.zyx.max(0) + 2, bool)
    volume[tuple(cloud.zyx.T)] = True
    return np.pad(volume, 1)


def test_components_are_those_of_scipy_in_the_order_of_their_first_voxels(cloud):
    count, label = cloud.labels()
    truth_count, truth = connected_components(graph_of(cloud), directed=False)
    assert count == truth_count
    _, first = np.unique(truth, return_index=True)
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(label, truth)


def test_the_best_row_of_a_component_is_the_first_of_its_largest_values(cloud, rng):
    worth = rng.integers(0, 4, len(cloud)).astype(np.float32)
    best, label = cloud.best_rows(worth)
    order = np.lexsort((-worth, label))
    np.testing.assert_array_equal(best, order[np.searchsorted(label[order], np.arange(len(best)))])


def test_depth_is_the_distance_transform_to_the_last_digit(cloud):
    truth = distance_transform_edt(volume_of(cloud), sampling=cloud.spacing)
    np.testing.assert_allclose(depth_of(cloud), truth[tuple(cloud.zyx.T + 1)].astype(np.float32), rtol=2e-7)


def test_the_largest_value_near_by_is_that_of_the_26_neighbours_again_and_again(cloud, rng):
    value = rng.random(len(cloud)).astype(np.float32)
    truth = value
    for reach in (1, 2, 3):
        padded = np.append(truth, np.float32(0))
        truth = np.maximum(truth, padded[cloud.near].max(1))
        np.testing.assert_array_equal(largest_near(cloud, value, reach), truth)


def test_smooth_evidence_is_the_weighted_mean_of_27(cloud):
    weights = np.exp(-(cloud.step_lengths**2) / 2)
    truth = (cloud.p + np.append(cloud.p, 0)[cloud.near] @ weights) / (1 + weights.sum())
    np.testing.assert_allclose(smooth_evidence(cloud), truth, rtol=1e-6)


def test_ways_cost_what_scipy_says_and_are_as_long_as_their_steps(cloud, rng):
    cost = rng.uniform(1, 9, len(cloud)) ** 4
    _, label = cloud.labels()
    sources = np.concatenate([np.unique(label, return_index=True)[1], rng.integers(0, len(cloud), 3)])
    ways = find_ways(cloud, cost, sources)
    steps = cloud.step_lengths
    graph = graph_of(cloud, lambda rows, columns, k: steps[k] * (cost[rows] + cost[columns]) / 2)
    truth, before, source = dijkstra(graph, indices=np.unique(sources), return_predecessors=True, min_only=True)
    np.testing.assert_array_equal(ways.before, np.where(before < 0, -1, before))
    np.testing.assert_array_equal(ways.source, source)
    total, length = np.zeros(len(cloud)), np.zeros(len(cloud))
    for row in np.argsort(truth, kind="stable"):
        ahead = ways.before[row]
        if ahead >= 0:
            step = np.linalg.norm((cloud.zyx[row] - cloud.zyx[ahead]) * cloud.spacing)
            length[row] = length[ahead] + step
            total[row] = total[ahead] + step * (cost[row] + cost[ahead]) / 2
    np.testing.assert_allclose(total, truth, rtol=1e-12)
    np.testing.assert_allclose(ways.length, length, rtol=1e-12)


def test_of_ways_that_cost_the_same_the_one_over_the_lower_row_is_taken():
    volume = np.zeros((3, 5, 5), np.uint8)
    volume[1, 1, 1:4] = volume[1, 3, 1:4] = volume[1, 2, 1] = volume[1, 2, 3] = 255
    cloud = make_cloud(Probability(volume), 0.5, 0.25)  # a ring: row 3 is opposite row 4
    ways = find_ways(cloud, np.ones(8), np.array([3]))
    np.testing.assert_array_equal(ways.before, [3, 3, 1, -1, 1, 3, 3, 6])


def test_sources_of_the_same_voxel_count_once_and_each_is_its_own_source(cloud):
    ways = find_ways(cloud, np.ones(len(cloud)), np.repeat(np.arange(len(cloud)), 2))
    assert (ways.before == -1).all()
    np.testing.assert_array_equal(ways.source, np.arange(len(cloud)))
    assert not ways.length.any()


def test_a_radius_is_the_distance_to_the_nearest_voxel_outside(cloud, rng):
    edges = np.array([1.5, 0.4, 0.5])
    points = cloud.zyx[rng.integers(0, len(cloud), 300)] + rng.uniform(-0.49, 0.49, (300, 3))
    line = Line(points, np.full(300, -1), np.ones(300), np.full(300, -1))
    usual = 0.9
    inside = cloud.p >= usual / 2
    faces = np.flatnonzero(np.abs(OFFSETS).sum(1) == 1)
    behind = [cloud.zyx[inside & (cloud.near[:, k] == len(cloud))] + OFFSETS[k] for k in faces]
    truth, _ = cKDTree(np.concatenate([cloud.zyx[~inside], *behind]) * edges).query(points * edges)
    np.testing.assert_allclose(radius_at(cloud, line, edges, usual), np.maximum(truth - 0.2, 0.2), rtol=1e-12)


def test_what_is_covered_are_the_balls_but_for_the_ridges_and_what_lies_beside(cloud, rng):
    depth, evidence = depth_of(cloud), smooth_evidence(cloud)
    depth = depth * rng.choice([1, 1, 4], len(cloud)).astype(np.float32)  # some wide balls
    cover = Cover(cloud, depth, evidence)
    way = rng.permutation(len(cloud))[:40]
    cover.add(way)
    truth = np.zeros(len(cloud), bool)
    truth[way] = True
    seen = {}
    for row in way:
        half_px = int(np.ceil(2 * SCALE * depth[row]))
        beside = cloud.near[row]
        truth[beside[beside < len(cloud)]] = True
        seen[half_px] = seen.get(half_px, -1) + 1
        if seen[half_px] % max(1, half_px // 8) == 0:
            axes = half_px / 2 / cloud.spacing
            axes = axes * cover.tall + MARGIN
            within = np.linalg.norm((cloud.zyx - cloud.zyx[row]) / axes, axis=1) <= 1
            truth |= within & ~cover.ridge
    np.testing.assert_array_equal(cover.covered, truth)
    assert cover.ridge.any()
    assert 0.5 < RIDGE < 1


def test_the_offsets_of_a_ball_are_the_voxels_of_a_ball(cloud):
    cover = Cover(cloud, depth_of(cloud), smooth_evidence(cloud))
    axes = 3.5 * cover.tall / cloud.spacing + MARGIN
    found = cloud.find(cloud.key[5] + cover.ball(7))
    within = np.flatnonzero(np.linalg.norm((cloud.zyx - cloud.zyx[5]) / axes, axis=1) <= 1)
    np.testing.assert_array_equal(np.sort(found[found >= 0]), within)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_chords_are_the_unbroken_lines_through_the_voxels(cloud, axis):
    count = np.empty(len(cloud), np.int32)
    chord_voxels(cloud.near, (ALONG_Z, ALONG_Y, ALONG_X)[axis], count)
    lines = np.moveaxis(volume_of(cloud), axis, -1)
    number = np.cumsum(~lines).reshape(lines.shape)  # each gap begins another line
    truth = np.bincount(number[lines], minlength=number.max() + 1)[number]
    np.testing.assert_array_equal(count, np.moveaxis(truth, -1, axis)[tuple(cloud.zyx.T + 1)])


@pytest.mark.parametrize("count", [2, 3, 7, 60])
@pytest.mark.parametrize("step", [0.5, 1.5, 30.0])
def test_even_steps_are_those_of_numpy(rng, count, step):
    points = np.cumsum(rng.normal(0, 1, (count, 3)), 0)
    points[-1] = points[-2] if count == 7 else points[-1]  # a step of no length
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    wanted = np.linspace(0, along[-1], max(2, round(along[-1] / step) + 1))
    truth = np.stack([np.interp(wanted, along, points[:, k]) for k in range(3)], 1)
    np.testing.assert_allclose(even_steps(points, step), truth, rtol=1e-13, atol=1e-13)


def test_even_steps_of_a_single_point_are_that_point():
    np.testing.assert_array_equal(even_steps(np.array([[1.0, 2.0, 3.0]]), 1.0), [[1, 2, 3], [1, 2, 3]])


@pytest.mark.parametrize("count", [2, 4, 60])
@pytest.mark.parametrize("sigma", [0.3, 2.0, 9.0])
def test_a_smooth_run_is_the_gaussian_of_scipy_on_the_mirrored_line(rng, count, sigma):
    points = np.cumsum(rng.normal(0, 0.6, (count, 3)), 0)
    fine = even_steps(points, 0.5)
    reach = min(len(fine) - 1, int(np.ceil(8 * sigma)))
    mirrored = np.concatenate([2 * fine[0] - fine[reach:0:-1], fine, 2 * fine[-1] - fine[-2 : -2 - reach : -1]])
    smoothed = gaussian_filter1d(mirrored, min(2 * sigma, reach / 2), axis=0, mode="nearest")[reach:-reach]
    np.testing.assert_allclose(smooth_run(points, sigma, 1.5), even_steps(smoothed, 1.5), rtol=1e-12, atol=1e-12)


def test_repeats_hang_their_children_on_what_they_repeat():
    from neurorecon.tracing.kernels.line_kernels import find_repeats

    points = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0.01], [0, 0, 1], [0, 0, 1.2]], float)
    parent, keep = np.array([-1, 0, 1, 2, 3]), np.ones(5, bool)
    find_repeats(points, parent, 0.05, keep)
    np.testing.assert_array_equal(keep, [True, False, False, True, True])
    np.testing.assert_array_equal(parent[keep], [-1, 0, 3])


def test_bright_voxels_of_maps_on_disk_and_of_views_are_those_of_numpy(rng, tmp_path):
    volume = rng.integers(0, 256, (6, 40, 50)).astype(np.uint8)
    volume[2:5] = 0
    np.save(tmp_path / "map.npy", volume)
    for view in (np.load(tmp_path / "map.npy", mmap_mode="r"), np.asfortranarray(volume), volume[::-1, 3:, ::2]):
        index, value = bright_voxels(view, 200)
        truth = np.flatnonzero(np.asarray(view).ravel() >= 200)
        np.testing.assert_array_equal(index, truth)
        np.testing.assert_array_equal(value, np.asarray(view).ravel()[truth])


def test_without_a_folder_to_write_to_kernels_compile_for_themselves(monkeypatch):
    import numba

    from neurorecon.tracing.kernels.compiled import compiled

    def njit(**options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda kernel: SimpleNamespace(kernel=kernel, **options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(abs).kernel is abs


def test_importing_the_tracer_loads_no_compiler():
    code = "import sys, neurorecon.tracing; sys.exit('numba' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
