"""Padding is told from a background that was cut to zero, and has the ground in its place."""

import numpy as np
import pytest

from neurorecon.core.padding import padding_of, without_padding
from neurorecon.core.stack import Stack


@pytest.fixture
def tissue(rng):
    """A stack of noise around 500 with a bright tube, uint16."""
    data = rng.normal(500, 20, (20, 150, 160))
    data[8:12, 70:76] += 300
    return data.round().astype(np.uint16)


def padded(data, value, around=((2, 2), (90, 90), (60, 100))):
    return np.pad(data, around, constant_values=value)


@pytest.mark.parametrize("value", [0, 100, 65535])
def test_padding_of_any_value_is_found_and_the_ground_takes_its_place(tissue, value):
    stack = Stack(padded(tissue, value))
    found = padding_of(stack)
    assert found.value == value
    assert found.ground == pytest.approx(500, abs=3)
    clean = np.asarray(without_padding(stack, found).data[:, :, :])
    assert clean.dtype == np.uint16
    np.testing.assert_array_equal(clean[2:-2, 90:-90, 60:-100], tissue)
    outside = np.ones(clean.shape, bool)
    outside[2:-2, 90:-90, 60:-100] = False
    np.testing.assert_allclose(clean[outside], 500, atol=30)


@pytest.mark.parametrize(
    "part",
    [
        np.s_[3:9, 40:100, 30:70],
        np.s_[:, 85:86, :],
        np.s_[5:6],
        np.s_[..., 50:200:3],
        np.s_[0:1, :20, :20],
    ],
)
def test_the_ground_is_the_same_in_every_part_that_is_read(tissue, part):
    stack = Stack(padded(tissue, 0))
    clean = without_padding(stack, padding_of(stack)).data
    np.testing.assert_array_equal(clean[part], clean[:, :, :][part])


def test_a_deskewed_stack_is_padded_by_zeros_on_both_sides(tissue):
    sheared = np.zeros((20, 150, 160 + 19 * 6), np.uint16)
    for z, plane in enumerate(tissue):
        sheared[z, :, 6 * z : 6 * z + 160] = plane
    assert padding_of(Stack(sheared)).value == 0


def test_corners_of_a_mosaic_are_padding(tissue):
    mosaic = tissue.copy()
    mosaic[:, :40, :50] = 0
    mosaic[:, 110:, 100:] = 0
    assert padding_of(Stack(mosaic)).value == 0


def test_photon_noise_with_a_tenth_of_zeros_keeps_its_share_of_them(rng):
    data = rng.normal(12, 9, (20, 150, 160)).clip(0).round().astype(np.uint8)
    found = padding_of(Stack(padded(data, 0)))
    assert found.value == 0
    assert found.share == pytest.approx((data == 0).mean(), abs=0.01)


def test_floats_of_any_unit_have_the_same_padding(tissue):
    for unit in (1e-12, 1.0, 1e12):
        found = padding_of(Stack((padded(tissue, 0) * unit).astype(np.float32)))
        assert found.value == 0
        assert found.ground == pytest.approx(500 * unit, rel=0.01)


def test_a_background_cut_to_zero_is_no_padding(rng):
    blurred = np.zeros((20, 200, 200))
    blurred[8:12, 95:105] = 200
    blurred[4:16, 20:90, 20:90] = 150  # a soma
    for axis, reach in ((1, 4), (2, 4)):
        blurred = sum(np.roll(blurred, k, axis) for k in range(-reach, reach + 1)) / (2 * reach + 1)
    signal = blurred * rng.uniform(0.7, 1.3, blurred.shape) - 3
    speckle = (rng.random(blurred.shape) < 0.01) * rng.integers(1, 60, blurred.shape)
    assert padding_of(Stack(np.maximum(signal, speckle).clip(0, 255).astype(np.uint8))) is None


def test_a_saturated_body_is_no_padding(rng):
    z, y, x = np.ogrid[:20, :150, :160]
    body = 4000 * np.exp(-((y - 70) ** 2 + (x - 80) ** 2 + (4 * (z - 10)) ** 2) / 900)
    data = (body + rng.normal(100, 10, body.shape)).clip(0, 255).round().astype(np.uint8)
    assert (data == 255).mean() > 0.02
    assert padding_of(Stack(data)) is None


def test_plain_noise_and_constant_stacks_have_no_padding(tissue):
    assert padding_of(Stack(tissue)) is None
    assert padding_of(Stack(np.zeros((20, 100, 100), np.uint8))) is None
    assert padding_of(Stack(np.ones((2, 5, 6), np.float32))) is None


def test_a_drawing_without_noise_has_no_padding():
    drawn = np.zeros((3, 64, 64), np.uint8)
    drawn[:, :, 24:] = 50
    assert padding_of(Stack(drawn)) is None
    drawn[:, :, :24] = np.random.default_rng(0).integers(20, 30, (3, 64, 24))
    assert padding_of(Stack(drawn)).value == 50
