"""Numbers that ran over their range or lost their sign, and every second line aside: found by what a picture looks like."""

import re

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.inspect import examined

SHAPE = (24, 120, 128)


@pytest.fixture
def light():
    """Three bright neurites in noise as a camera of many bits has them (Z, Y, X), floats of 12 to 900."""
    rng = np.random.default_rng(5)
    data = np.zeros(SHAPE)
    x = np.arange(SHAPE[2])
    for start in (20, 60, 100):
        y = start + np.cumsum(rng.normal(0, 0.6, len(x)))
        z = np.linspace(*rng.uniform(2, SHAPE[0] - 2, 2), len(x))
        data[np.rint(z).astype(int), np.clip(np.rint(y), 0, SHAPE[1] - 1).astype(int), x] = 9000
    return ndimage.gaussian_filter(data, (1, 1.5, 1.5)) + rng.normal(30, 4, SHAPE)


def found(data):
    stack = examined(Stack(data, VoxelSize(1, 0.5, 0.5)))
    return [finding.name for finding in stack.findings if finding.level == "warning"]


@pytest.mark.parametrize("gain", [0.5, 1, 4])
def test_values_that_ran_over_8_bit_are_said_and_cut_off_ones_are_not(light, gain):
    assert "overflow" in found((light * gain).astype(np.int64).astype(np.uint8))
    assert "overflow" not in found(np.clip(light * gain, 0, 255).astype(np.uint8))
    assert "overflow" not in found((light * 255 / light.max()).astype(np.uint8))


def test_the_lower_8_of_12_bits_are_said(light):
    twelve = np.clip(light / light.max() * 255, 0, 255).astype(np.uint16) * 16  # from 8 bit, so that 240 is the highest
    assert "overflow" in found((twelve % 256).astype(np.uint8))
    assert "overflow" not in found(twelve)


def test_values_that_ran_over_16_bit_are_said(light):
    high = light / light.max() * 100_000
    assert "overflow" in found(high.astype(np.int64).astype(np.uint16))
    assert "overflow" not in found(np.clip(high, 0, 65535).astype(np.uint16))


def test_a_word_in_all_planes_is_a_drawing_and_no_overflow(light):
    data = np.clip(light / 4, 0, 200).astype(np.uint8)
    for k in range(6):
        data[:, 6:18, 6 + 12 * k : 16 + 12 * k] = 255
        data[:, 9:15, 9 + 12 * k : 13 + 12 * k] = 0
    assert "drawn-in" in (names := found(data))
    assert "overflow" not in names


@pytest.mark.parametrize("bits", [8, 16])
def test_numbers_that_lost_their_sign_are_said_and_those_that_have_it_are_not(light, bits):
    noisy = light - 30 + np.random.default_rng(1).normal(0, 12, SHAPE)
    signed = np.rint(noisy / (noisy.max() / 120)).astype(f"i{bits // 8}")
    assert "overflow" in found(signed.view(f"u{bits // 8}"))
    assert "overflow" not in found(signed.astype(np.float32))
    assert "overflow" not in found((signed.astype(np.int32) + 2 ** (bits - 1)).astype(f"u{bits // 8}"))


def test_hot_pixels_and_light_that_is_cut_off_at_both_ends_are_no_lost_sign(light):
    rng = np.random.default_rng(1)
    hot = np.clip(light / 4, 0, 200).astype(np.uint8)
    hot[rng.random(SHAPE) < 0.05] = 255
    assert "overflow" not in found(hot)
    assert "overflow" not in found(np.clip(rng.normal(128, 200, SHAPE), 0, 255).astype(np.uint8))


def test_numbers_with_a_sign_whose_bytes_are_exchanged_are_said(light):
    signed = np.rint(light * 20 - 600).astype(np.int16)
    assert "byte-order" in found(signed.byteswap().astype(np.float32))
    assert "byte-order" not in found(signed.astype(np.float32))


@pytest.mark.parametrize(("step", "said"), [(1, "1"), (-1, "1"), (2, "2"), (5, "5")])
def test_every_second_line_aside_by_a_pixel_or_more_is_said_with_the_step(light, caplog, step, said):
    light[:, 1::2] = np.roll(light[:, 1::2], step, axis=2)
    assert "shifted-lines" in found(light.astype(np.float32))
    assert re.search(rf"every second line lies {said}(\.0)? pixels? aside", caplog.text)


def test_neurites_aslant_and_lines_aside_by_a_little_are_no_shifted_lines():
    rng = np.random.default_rng(2)
    y, x = np.indices(SHAPE[1:])
    aslant = 200 * np.exp(-(((y - x + 20 * np.sin(x / 30)) / 1.5) ** 2))  # of 45 degrees: each row a pixel further
    data = rng.normal(30, 4, SHAPE) + aslant * np.exp(-((np.arange(SHAPE[0]) - 12) ** 2) / 60)[:, None, None]
    assert "shifted-lines" not in found(data.astype(np.float32))
    data[:, 1::2] = ndimage.shift(data[:, 1::2], (0, 0, 0.3), order=1, mode="nearest")
    assert "shifted-lines" not in found(data.astype(np.float32))


@pytest.mark.parametrize("value", [-9999, -1, 65535])
def test_planes_beside_padding_of_any_value_do_not_look_alike(light, value):
    padded = np.concatenate([np.full((SHAPE[0], SHAPE[1], 30), value), light], axis=2)
    assert "planes-alike" not in found(padded.astype(np.float32))
    film = np.repeat(light[12:13], SHAPE[0], 0) + np.random.default_rng(1).normal(0, 1, SHAPE)
    assert "planes-alike" in found(film.astype(np.float32))
    padded = np.concatenate([np.full((SHAPE[0], SHAPE[1], 30), value), film], axis=2)
    assert "planes-alike" in found(padded.astype(np.float32))


@pytest.mark.parametrize(("gain", "offset"), [(1.6, 0), (0.5, 0), (1.25, 0), (1, 40)])
def test_a_background_that_steps_at_one_plane_is_said_with_the_plane(light, caplog, gain, offset):
    light[10:] = light[10:] * gain + offset
    assert "brightness-step" in found(light.astype(np.uint16))
    after = 30 * gain + offset
    said = re.search(r"from plane 10 on the background is ([\d.]+), before it ([\d.]+)", caplog.text)
    assert (float(said[1]), float(said[2])) == pytest.approx((after, 30), abs=1)


def test_light_that_fades_with_depth_and_one_bright_plane_are_no_step(light):
    fading = light * np.exp(-np.arange(SHAPE[0]) / 8)[:, None, None]
    assert "brightness-step" not in found(fading.astype(np.float32))
    light[10] *= 3
    assert "brightness-step" not in found(light.astype(np.float32))
