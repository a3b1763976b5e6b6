"""How tall neurites look, and how many planes that makes missing; then the same through `segment`."""

import math
from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.nets import load_model
from neurorecon.segment import SegmentSettings, segment
from neurorecon.segment.flat import missing_planes, profile_products, seen_height

SETTINGS = SegmentSettings(device="cpu", precision="fp32", core=(16, 48, 48), halo=(4, 8, 8))


def rods(height, noise=0.0, width=1.5):
    """Neurites along x and along y, (40, 90, 90), with Gaussian profiles, `height` times as tall as wide."""
    z, y, x = np.ogrid[:40, :90, :90]
    tall, grey = height * width, np.zeros((40, 90, 90))
    for k, depth in ((15, 10), (45, 20), (75, 30)):
        for across, here in ((y, x), (x, y)):
            grey += np.exp(-((across - k) ** 2) / (2 * width**2) - (z - depth) ** 2 / (2 * tall**2)) * (here >= 0)
    grey += noise * np.random.default_rng(0).standard_normal(grey.shape)
    return grey.astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("height", [0.5, 0.75, 1.0, 1.5])
def test_the_height_of_neurites_is_seen_through_noise(height, noise):
    neurite = rods(height) > 0.4
    assert seen_height([profile_products(rods(height, noise), neurite)]) == pytest.approx(height, rel=0.12)


def test_what_is_too_little_to_tell_is_not_flat():
    nothing = np.zeros((40, 90, 90), np.float32)
    assert seen_height([]) == math.inf
    assert seen_height([profile_products(nothing, nothing > 0)]) == math.inf
    assert seen_height([profile_products(nothing, rods(1) > 0.4)]) == math.inf  # neurites without light


def test_planes_are_missing_only_where_the_voxel_size_says_they_lie_apart():
    apart, close = VoxelSize(1, 0.4, 0.4), VoxelSize(0.5, 0.4, 0.4)
    assert [missing_planes(height, apart) for height in (math.inf, 1.2, 0.9, 0.6, 0.4, 0.01)] == [1, 1, 2, 2, 3, 4]
    assert missing_planes(0.5, close) == missing_planes(0.5, None) == 1


@pytest.fixture
def flat():
    return Stack((30 + 200 * rods(1.0).clip(0, 1)[::2]).astype(np.uint8), VoxelSize(1, 0.5, 0.5), "flat.tif")


def test_a_flat_stack_is_filled_and_the_map_says_so(flat, bright_model):
    model = load_model(str(bright_model))
    filled = segment(flat, SETTINGS, model=model)
    assert (filled.planes, filled.shape) == (2, (39, 90, 90))
    assert filled.voxel_size == VoxelSize(0.5, 0.5, 0.5)
    given = segment(flat, replace(SETTINGS, fill_planes=False), model=model)
    assert (given.planes, given.shape, given.voxel_size) == (1, flat.shape, flat.voxel_size)
    assert np.mean((filled.on_stack.neurite >= 128) == (given.neurite >= 128)) > 0.99


def test_a_stack_of_unknown_voxel_size_or_with_enough_planes_is_left_alone(flat, bright_model):
    model = load_model(str(bright_model))
    whole = Stack((30 + 200 * rods(1.2).clip(0, 1)).astype(np.uint8), flat.voxel_size)
    assert segment(whole, SETTINGS, model=model).planes == 1
    assert segment(Stack(flat.data), SETTINGS, model=model).planes == 1


def test_a_writer_gets_the_planes_of_the_stack(flat, bright_model, planes):
    model = load_model(str(bright_model))
    segment(flat, SETTINGS, model=model, out=planes)
    assert np.array_equal(np.concatenate(planes.blocks), segment(flat, SETTINGS, model=model).on_stack.neurite)
