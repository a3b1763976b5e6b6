"""Grey levels of a stack: found once, robust, the same for every type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core import blocks
from neurorecon.core.padding import padding_of
from neurorecon.core.stack import Stack
from neurorecon.segmentation import normalise as intensity
from neurorecon.segmentation.normalise import (
    Levels,
    compress,
    levels_of_histogram,
    levels_of_stack,
    normalise,
    without_bodies,
)


def noisy(seed=0, shape=(12, 60, 50)):
    return np.random.default_rng(seed).normal(100, 10, shape)


def test_levels_are_the_median_and_the_brightest_two_in_a_thousand():
    data = noisy().round().astype(np.uint16)
    levels = levels_of_stack(Stack(data))
    assert levels.low == np.median(data)
    assert levels.high == pytest.approx(np.percentile(data, 99.8), abs=1)


def test_levels_of_float_and_integer_stacks_agree():
    data = noisy(1).round()
    assert levels_of_stack(Stack(data.astype(np.uint16))) == levels_of_stack(Stack(data.astype(np.float32)))


def test_a_sparse_stack_with_background_zero_is_scaled_by_its_own_bright_voxels():
    data = np.zeros((20, 50, 50), np.uint8)
    data[10, 25, :20] = np.arange(100, 120)
    levels = levels_of_stack(Stack(data))
    assert levels.low == 0
    assert 110 <= levels.high <= 119


def test_a_single_bright_voxel_still_gives_levels():
    data = np.zeros((4, 10, 10), np.uint8)
    data[2, 5, 5] = 7
    assert levels_of_stack(Stack(data)) == Levels(0.0, 7.0)


@given(st.integers(0, 255))
def test_a_constant_stack_is_flat(value):
    counts = np.zeros(256, int)
    counts[value] = 1000
    assert levels_of_histogram(np.arange(256.0), counts).flat


def test_a_large_stack_is_sampled_and_gives_nearly_the_same_levels(monkeypatch):
    stack = Stack(noisy(2, (30, 100, 100)).round().astype(np.uint16))
    whole = levels_of_stack(stack)
    monkeypatch.setattr(intensity, "SAMPLED_VOXELS", 100_000)
    sampled = levels_of_stack(stack)
    assert sampled.low == pytest.approx(whole.low, abs=0.5)
    assert sampled.high == pytest.approx(whole.high, abs=1.5)


def test_levels_do_not_depend_on_how_slabs_are_read(monkeypatch):
    stack = Stack(noisy(3).round().astype(np.uint16))
    whole = levels_of_stack(stack)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    assert levels_of_stack(stack) == whole


def test_normalised_values_have_background_at_zero_bright_at_one_and_are_clipped():
    block = np.array([[[100, 200, 500, 65535]]], np.uint16)
    zero, one, top, over = normalise(block, Levels(100.0, 200.0)).ravel()
    assert zero == 0
    assert one == pytest.approx(1)
    assert top == over == pytest.approx(np.arcsinh(20) / np.arcsinh(5))


def test_the_scale_is_straight_near_the_background_and_logarithmic_above():
    low, double = compress(np.array([0.01, 0.02], np.float32))
    assert double / low == pytest.approx(2, rel=0.01)
    a, b, c = compress(np.array([1, 2, 4], np.float32))
    assert c - b == pytest.approx(b - a, rel=0.1)


def test_the_grey_value_of_a_normalised_one_is_the_way_back():
    levels = Levels(30.0, 170.0)
    grey = levels.grey(0.25)
    assert normalise(np.array([grey]), levels)[0] == pytest.approx(0.25)


def test_the_bright_level_of_a_volume_that_holds_little_is_that_of_its_neurites(rng):
    grey = rng.normal(20, 1, 4_000_000).round()
    grey[:3000] = rng.integers(60, 101, 3000)  # 0.075 % of the voxels
    counts = np.bincount(grey.astype(int), minlength=256)
    levels = levels_of_histogram(np.arange(256.0), counts)
    assert levels.low == 20
    assert 90 <= levels.high <= 100


def test_the_bright_level_of_mere_noise_stays_that_of_its_brightest_voxels(rng):
    counts = np.bincount(rng.normal(20, 1, 4_000_000).round().astype(int), minlength=256)
    assert levels_of_histogram(np.arange(256.0), counts).high <= 24


@pytest.mark.parametrize(("bright", "told"), [(500, False), (1500, True)])
def test_a_few_bright_voxels_alone_tell_no_level(rng, bright, told):
    grey = rng.normal(20, 1, 4_000_000).round()
    grey[:bright] = 80
    levels = levels_of_histogram(np.arange(256.0), np.bincount(grey.astype(int), minlength=256))
    assert (levels.high == 80) == told


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_padding_does_not_count(dtype, rng):
    data = noisy(4, (12, 120, 100)).round()
    data[5:8, 50:56] += 80
    whole = levels_of_stack(Stack(data.astype(dtype)))
    padded = Stack(np.pad(data, ((0, 0), (80, 80), (90, 20))).astype(dtype))
    levels = levels_of_stack(padded, padding_of(padded))
    assert levels.low == pytest.approx(whole.low, abs=0.5)
    assert levels.high == pytest.approx(whole.high, abs=1)


def test_photon_noise_that_is_padded_by_its_own_zeros_keeps_its_levels(rng):
    data = rng.normal(12, 9, (12, 120, 100)).clip(0).round().astype(np.uint8)
    data[5:8, 50:56] += 80
    padded = Stack(np.pad(data, ((0, 0), (80, 80), (90, 20))))
    levels, whole = levels_of_stack(padded, padding_of(padded)), levels_of_stack(Stack(data))
    assert levels.low == pytest.approx(whole.low, abs=1)
    assert levels.high == pytest.approx(whole.high, abs=2)


def test_a_huge_bright_body_does_not_decide_how_bright_neurites_are(rng):
    data = rng.normal(500, 20, (30, 200, 200))
    data[13:16, 20:24] += 700
    data[5:8, 60:64] += 700
    plain = levels_of_stack(Stack(data.round().astype(np.uint16)))
    z, y, x = np.ogrid[:30, :200, :200]
    data += 60000 * np.exp(-((((y - 140) ** 2 + (x - 120) ** 2 + (3 * (z - 15)) ** 2) / 900.0) ** 3))
    stack = Stack(data.clip(0, 65535).round().astype(np.uint16))
    blinded = levels_of_stack(stack)
    assert blinded.high > 20000
    levels = without_bodies(stack, blinded)
    assert levels.low == pytest.approx(plain.low, abs=10)
    assert levels.high == pytest.approx(plain.high, rel=0.15)


def test_a_soma_a_few_times_as_bright_as_neurites_leaves_the_levels_as_they_are(rng):
    data = rng.normal(500, 20, (30, 200, 200))
    data[13:16, 20:24] += 700
    data[13:16, 50:60] += 700
    data[10:20, 120:170, 100:150] += 3000
    stack = Stack(data.round().astype(np.uint16))
    levels = levels_of_stack(stack)
    assert without_bodies(stack, levels) == levels
