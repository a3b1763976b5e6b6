"""Light and camera: widths, means and variances with known answers."""

import numpy as np
import pytest

from neurorecon.synth import SynthSettings
from neurorecon.synth.optics import background, blur, digitise, expose, fold_planes, smooth_field
from neurorecon.synth.render import make_grid

STILL = {"flicker": 0.0, "stripes": 0.0}
NOISELESS = {"photons": 1e6, "read_noise": 0.0}  # the full scale leaves no room for noise


def spread(profile):
    at = np.arange(len(profile))
    mean = (at * profile).sum() / profile.sum()
    return np.sqrt(((at - mean) ** 2 * profile).sum() / profile.sum())


@pytest.mark.parametrize("axial_voxel", [1.0, 2.0, 4.0])
def test_the_point_spread_has_the_stated_widths_whatever_the_sampling(axial_voxel):
    grid = make_grid((41, 31, 31), (axial_voxel, 1.0, 1.0))
    point = np.zeros(grid.shape, np.float32)
    point[grid.shape[0] // 2, 15, 15] = 1.0
    seen = blur(point, grid, SynthSettings(psf_lateral_px=1.5, psf_axial_px=3.0, blur_growth=1.0))
    assert spread(seen.sum((0, 1))) == pytest.approx(1.5, rel=0.06)
    assert spread(seen.sum((1, 2))) * grid.spacing[0] == pytest.approx(3.0, rel=0.06)
    assert seen.sum() == pytest.approx(1.0, rel=1e-3)


def test_the_point_spread_widens_with_depth():
    grid = make_grid((40, 31, 31), (1.0, 1.0, 1.0))
    points = np.zeros(grid.shape, np.float32)
    points[[4, 36], 15, 15] = 1.0
    seen = blur(points, grid, SynthSettings(psf_lateral_px=1.0, psf_axial_px=1.0, blur_growth=2.5))
    assert spread(seen[36, 15]) > 1.2 * spread(seen[4, 15])


def test_a_focal_plane_is_the_middle_of_its_sub_planes():
    ramp = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    np.testing.assert_array_equal(fold_planes(ramp, 1)[:, 0, 0], np.arange(12))
    np.testing.assert_array_equal(fold_planes(ramp, 3)[:, 0, 0], [1, 4, 7, 10])
    np.testing.assert_array_equal(fold_planes(ramp, 2)[:, 0, 0], np.arange(6) * 2 + 0.5)


def test_counts_have_the_mean_and_the_variance_of_shot_and_read_noise(rng):
    counts = expose(np.full((4, 200, 200), 0.5, np.float32), rng, SynthSettings(photons=40, read_noise=3, **STILL))
    assert counts.mean() == pytest.approx(0.5, rel=0.01)
    assert counts.var() * 40**2 == pytest.approx(20 + 9, rel=0.03)


def test_stripes_are_rows_and_flicker_is_planes(rng):
    flat = np.ones((6, 50, 50), np.float32)
    calm = {"photons": 1e6, "read_noise": 0.0}
    rows = expose(flat, rng, SynthSettings(stripes=0.1, flicker=0.0, **calm))
    assert rows.mean(2).std() > 10 * (rows - rows.mean(2, keepdims=True)).std()
    planes = expose(flat, rng, SynthSettings(stripes=0.0, flicker=0.1, **calm))
    assert planes.mean((1, 2)).std() > 10 * (planes - planes.mean((1, 2), keepdims=True)).std()


def test_a_filtered_stack_has_less_noise(rng):
    flat = np.ones((6, 50, 50), np.float32)
    raw = expose(flat, rng, SynthSettings(photons=10, **STILL))
    filtered = expose(flat, rng, SynthSettings(photons=10, resample_blur_px=1.0, **STILL))
    assert filtered.std() < 0.5 * raw.std()


def test_a_field_has_unit_variance_and_varies_slowly(rng):
    field = np.stack([smooth_field(rng, (30, 60, 60), (8, 15, 15)) for _ in range(12)])
    assert field.std() == pytest.approx(1, abs=0.2)
    assert np.abs(np.diff(field, axis=2)).mean() < 0.15


def test_background_keeps_its_level_and_its_slope(rng):
    light = background(rng, (10, 40, 40), SynthSettings(background=0.2, gradient=0.5, haze=0.0))
    assert light.mean() == pytest.approx(0.2, rel=0.05)
    assert 0.25 < np.ptp(light) / 0.2 < 1.1
    hazy = background(rng, (10, 40, 40), SynthSettings(background=0.2, gradient=0.0, haze=0.3))
    assert hazy.min() >= 0.2
    assert hazy.mean() > 0.25


@pytest.mark.parametrize(("depth", "kind", "top"), [(8, np.uint8, 255), (12, np.uint16, 4095), (16, np.uint16, 65535)])
def test_grey_values_fill_the_bit_depth_and_saturate_at_its_top(depth, kind, top):
    image = np.array([-1.0, 0.0, 0.5, 1.0, 9.0], np.float32).reshape(1, 1, 5)
    grey = digitise(image, np.zeros_like(image), SynthSettings(bit_depth=depth, exposure=0.5, offset=10, **NOISELESS))
    assert grey.dtype == kind
    np.testing.assert_allclose(grey.ravel(), [0, 10, 10 + 0.25 * top, 10 + 0.5 * top, top], atol=1, rtol=0.004)
    assert grey.max() == top


def test_clipping_makes_the_background_exactly_zero_and_keeps_what_is_bright():
    image = np.full((9, 9, 9), 0.3, np.float32)
    image[3:6, 3:6, 3:6] = 1.3
    grey = digitise(image, np.full_like(image, 0.25), SynthSettings(clip=0.2, exposure=0.5, offset=20, **NOISELESS))
    assert grey[0].max() == 0
    assert grey[4, 4, 4] == pytest.approx(1.05 * 0.5 * 255, abs=1)


def test_few_photons_leave_room_for_their_noise():
    rate = np.ones((1, 1, 1), np.float32)
    grey = digitise(rate, np.zeros_like(rate), SynthSettings(photons=4, read_noise=0, exposure=1.0, offset=0))
    assert grey[0, 0, 0] == round(255 / 2.5)  # 4 counts of the 4 + 3 * sqrt(4) that the scale holds


def test_gamma_below_one_raises_the_dim():
    image = np.array([0.25, 1.0], np.float32).reshape(1, 1, 2)
    grey = digitise(image, np.zeros_like(image), SynthSettings(gamma=0.5, exposure=0.8, offset=0, **NOISELESS))
    assert grey.ravel().tolist() == pytest.approx([102, 204], abs=1)
