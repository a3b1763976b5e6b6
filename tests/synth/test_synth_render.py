"""Balls and tubes on a grid: volumes and places with known answers."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from neurorecon.synth.render import draw_balls, make_grid, strokes


def drawn(points, radius, shape=(24, 24, 24), voxel_size=(1.0, 1.0, 1.0), value=1.0):
    grid = make_grid(shape, voxel_size)
    signal, mask = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, bool)
    points = np.atleast_2d(np.asarray(points, float))
    size = np.broadcast_to(np.asarray(radius, float), len(points))
    draw_balls(grid, points, size, np.full(len(points), value), signal, mask=mask)
    return signal, mask


@pytest.mark.parametrize("radius", [2.0, 3.5, 6.0])
def test_a_ball_has_the_volume_of_a_ball(radius):
    signal, mask = drawn((11.3, 12.1, 11.8), radius)
    volume = 4 / 3 * np.pi * radius**3
    # the linear border adds the second moment of a box one voxel wide: (4/3) pi r * 3/12
    assert signal.sum() == pytest.approx(volume + np.pi * radius / 3, rel=0.01)
    assert mask.sum() == pytest.approx(volume, rel=0.06)


@given(st.tuples(*[st.floats(9, 15)] * 3), st.floats(1.0, 4.0))
def test_a_ball_lies_where_it_was_put_to_a_tenth_of_a_voxel(centre, radius):
    signal, _ = drawn(centre, radius)
    index = np.indices(signal.shape).reshape(3, -1)
    found = (index * signal.reshape(-1)).sum(1) / signal.sum()
    np.testing.assert_allclose(found, centre, atol=0.1)


def test_a_tube_has_the_volume_of_a_cylinder():
    points = np.c_[np.full(200, 12.2), np.full(200, 11.7), np.arange(-20, 180)]
    tube, _ = drawn(points, 3.0, shape=(24, 24, 60))
    assert tube.sum() == pytest.approx(np.pi * 3.0**2 * 60, rel=0.03)


def test_a_thin_tube_has_no_beads():
    points = np.c_[np.full(40, 8.0), np.full(40, 8.0), np.arange(40.0)]
    parent = np.arange(-1, 39)
    points, values = strokes(points, np.ones((40, 1)), parent)
    tube, mask = drawn(points, 0.6, shape=(16, 16, 40))
    assert len(points) == len(values) == 79
    profile = tube.sum((0, 1))[2:-2]
    assert np.ptp(profile) < 1e-4
    assert mask[8, 8].all()


def test_planes_that_lie_far_apart_are_split_and_volume_stays_physical():
    grid = make_grid((12, 24, 24), (4.0, 1.0, 1.0))
    assert grid.shape == (48, 24, 24)
    assert grid.fold == 4
    assert grid.origin[0] + 1.5 * grid.spacing[0] == pytest.approx(0.0)  # the first plane's centre
    signal, _ = drawn((20.0, 12.0, 12.0), 5.0, shape=(12, 24, 24), voxel_size=(4.0, 1.0, 1.0))
    assert signal.sum() == pytest.approx(4 / 3 * np.pi * 125, rel=0.03)


def test_rows_wider_than_columns_keep_the_ball_round_in_space():
    signal, _ = drawn((12.0, 12.0, 12.0), 5.0, shape=(24, 12, 24), voxel_size=(1.0, 2.0, 1.0))
    covered = signal > 0.5
    assert np.flatnonzero(covered.any((0, 2))).size * 2 == pytest.approx(10, abs=2)
    assert np.flatnonzero(covered.any((0, 1))).size == pytest.approx(10, abs=2)


def test_the_brightest_wins_where_balls_overlap():
    grid = make_grid((12, 12, 12), (1.0, 1.0, 1.0))
    signal = np.zeros(grid.shape, np.float32)
    draw_balls(grid, np.full((2, 3), 6.0), np.array([3.0, 3.0]), np.array([0.4, 0.9]), signal)
    assert signal.max() == np.float32(0.9)
    assert signal[6, 6, 6] == np.float32(0.9)


@given(st.tuples(*[st.floats(-30, 40)] * 3), st.floats(0.5, 9.0))
def test_a_ball_at_the_border_is_cut_there_and_nothing_wraps_around(centre, radius):
    small, _ = drawn(centre, radius, shape=(10, 10, 10))
    moved = np.asarray(centre) + 40
    large, _ = drawn(moved, radius, shape=(90, 90, 90))
    np.testing.assert_allclose(small, large[40:50, 40:50, 40:50], atol=1e-5)
