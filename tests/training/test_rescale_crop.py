"""Crops at another scale: grey values and labels land where the geometry says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, label

from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, NEURITE, SOMA, UNSURE_SOMA
from neurorecon.training.sources.rescale_crop import SAME, Window, cut_image, cut_labels, draw_steps

FULL = (40, 50, 60)
TABLE = np.arange(256, dtype=np.float32)


def ramp(axis, full=FULL):
    """A stack whose grey value is the index along one axis."""
    return np.broadcast_to(
        np.arange(full[axis], dtype=np.uint8).reshape([-1 if a == axis else 1 for a in range(3)]), full
    )


def rod(way, full=FULL):
    """Labels of a straight line through the middle of a stack, with its tube, rim and a cell body at its middle."""
    middle = np.array(full) // 2
    line = np.ones(full, bool)
    steps = np.arange(-15, 16)[:, None] * np.array(way) + middle
    line[tuple(steps.T)] = False
    away = distance_transform_edt(line)
    labels = np.where(away <= 1.5, NEURITE, np.where(away <= 2.9, IGNORE, BACKGROUND)).astype(np.uint8)
    labels[~line] = CENTRE
    labels[tuple(slice(m - 2, m + 3) for m in middle)] |= SOMA
    return labels, np.flatnonzero((labels.ravel() & 3) == CENTRE)


def window(step=SAME, shape=(16, 24, 24), full=FULL, seed=0, point=None):
    point = np.array(full) // 2 if point is None else np.array(point)
    return Window.around(point, shape, full, np.random.default_rng(seed), step=step)


@given(
    st.tuples(*[st.integers(0, n - 1) for n in FULL]),
    st.tuples(st.floats(0.5, 6), st.floats(0.5, 2), st.floats(0.5, 2)),
    st.integers(0, 2**31),
)
def test_the_point_of_a_window_lies_on_one_of_its_voxels_and_nothing_hangs_over_without_need(point, step, seed):
    w = window(step, seed=seed, point=point)
    for axis in range(3):
        at = w.positions(axis)
        assert np.abs(at - point[axis]).min() < 1e-6
        assert at[0] > -1e-6
        if step[axis] * (len(at) + 1) <= FULL[axis] - 1:
            assert at[-1] < FULL[axis] - 1 + step[axis]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [(2.0, 1.0, 1.0), (1.0, 2.0, 2.0), (0.5, 0.5, 0.5), (1.0, 0.7, 0.7)])
def test_a_ramp_stays_a_ramp_of_the_steps_asked_for(axis, step):
    w = window(step, shape=(12, 16, 16))
    cut = cut_image(ramp(axis), TABLE, w)
    want = w.positions(axis).reshape([-1 if a == axis else 1 for a in range(3)])
    inner = (slice(2, -2),) * 3
    assert np.abs((cut - want)[inner]).max() < 0.06


def test_planes_far_apart_are_left_out_and_not_averaged():
    stack = np.zeros(FULL, np.uint8)
    stack[::2] = 100
    cut = cut_image(stack, TABLE, window((2.0, 1.0, 1.0)))
    assert set(np.unique(cut)) == {100.0}


def test_larger_pixels_average_noise_and_magnified_noise_shows_no_grid():
    noise = np.random.default_rng(0).integers(0, 256, (24, 96, 96)).astype(np.uint8)
    coarse = cut_image(noise, TABLE, window((1.0, 2.0, 2.0), full=noise.shape, shape=(16, 32, 32)))
    assert coarse.std() < 0.45 * noise.std()
    fine = cut_image(noise, TABLE, window((0.5, 0.5, 0.5), full=noise.shape, shape=(24, 64, 64)))
    spread = np.array([fine[..., k::2].std() for k in range(2)])
    assert spread.min() > 0.85 * spread.max()


@pytest.mark.parametrize("way", [(0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("step", [(0.5, 0.5, 0.5), (1.0, 0.6, 0.6), (2.0, 1.0, 1.0), (1.5, 1.5, 1.5)])
def test_the_tube_keeps_its_thickness_and_its_line_is_whole_at_every_scale(way, step):
    labels, centre = rod(way)
    w = window(step)
    low = cut_labels(labels, centre, w) & 3
    steps = (np.linspace(-15, 15, 1201)[:, None] * np.array(way) + np.array(FULL) // 2 - w.start) / np.array(step)
    dense = np.ones([n + 12 for n in w.shape], bool)
    at = np.rint(steps).astype(int) + 6
    at = at[((at >= 0) & (at < dense.shape)).all(1)]
    dense[tuple(at.T)] = False
    away = distance_transform_edt(dense)[6:-6, 6:-6, 6:-6]
    tube = (low == NEURITE) | (low == CENTRE)
    assert tube[away <= 0.5].all()
    assert away[tube].max() <= 2.7
    assert label(tube, np.ones((3, 3, 3)))[1] == 1
    assert (low[(away > 2.7) & (away <= 3.2)] != NEURITE).all()


def test_the_soma_goes_with_the_voxels():
    labels, centre = rod((0, 0, 1))
    whole = (labels & SOMA > 0).sum()
    assert (cut_labels(labels, centre, window((0.5, 0.5, 0.5))) & SOMA > 0).sum() == pytest.approx(8 * whole, rel=0.4)


def test_labels_without_a_centre_line_go_to_the_nearest_voxel():
    labels = np.full(FULL, IGNORE | UNSURE_SOMA, np.uint8)
    labels[20] = np.where(np.arange(60) % 7 < 3, NEURITE, BACKGROUND)
    asked = np.flatnonzero((labels.ravel() & 3) != IGNORE)
    for seed in range(10):
        w = window((3.0, 1.0, 1.0), shape=(8, 16, 16), seed=seed, point=(20, 25, 30))
        low = cut_labels(labels, asked, w) & 3
        planes = np.flatnonzero((low != IGNORE).any((1, 2)))
        assert len(planes) == 1
        assert np.array_equal(low[planes[0]], labels[np.ix_([20], w.nearest(1)[0], w.nearest(2)[0])][0] & 3)


def test_nothing_is_asked_beyond_the_stack():
    labels, centre = rod((0, 0, 1))
    w = window((4.0, 1.0, 1.0), shape=(16, 24, 24))
    cut = cut_labels(labels, centre, w)
    outside = ~w.nearest(0)[1]
    assert outside.any()
    assert (cut[outside] == IGNORE | UNSURE_SOMA).all()
    assert np.isfinite(cut_image(ramp(0), TABLE, w)).all()


def test_a_stack_of_one_plane_is_mirrored():
    stack = np.full((1, 30, 30), 7, np.uint8)
    assert (cut_image(stack, TABLE, window(full=stack.shape)) == 7).all()


@given(st.integers(0, 2**31), st.tuples(st.integers(1, 200), st.integers(20, 500), st.integers(20, 500)))
def test_steps_lie_in_their_range_and_most_of_the_crop_in_the_stack(seed, full):
    crop = (32, 96, 96)
    z, y, x = draw_steps(np.random.default_rng(seed), crop, full)
    assert 0.5 <= y == x <= 2
    assert 0.5 <= z <= 12
    assert z <= max(1.0, full[0] / (0.7 * crop[0])) + 1e-9
    assert y <= max(1.0, min(full[1:]) / (0.7 * crop[1])) + 1e-9
