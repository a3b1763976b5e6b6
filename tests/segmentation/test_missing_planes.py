"""How tall neurites look, and how many planes that makes missing; then the same through `segment`."""

from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.nets import load_model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.adapt.missing_planes import missing_planes
from neurorecon.segmentation.writers import ArrayWriter, EveryWriter

SETTINGS = SegmentSettings(device="cpu", precision="fp32", core=(16, 48, 48), halo=(4, 8, 8))


def test_planes_are_missing_only_where_the_voxel_size_says_they_lie_apart():
    apart, close = VoxelSize(1, 0.4, 0.4), VoxelSize(0.5, 0.4, 0.4)
    assert [missing_planes((height, 2.0), apart) for height in (2.4, 1.8, 1.2, 0.8, 0.02)] == [1, 2, 2, 3, 4]
    assert missing_planes((2.0, 2.0), apart) == 2  # a focus is taller than wide, so what looks round is too flat
    assert missing_planes(None, apart) == missing_planes((1.0, 2.0), close) == missing_planes((1.0, 2.0), None) == 1


@pytest.fixture
def flat(rods):
    return Stack((30 + 200 * rods(1.0).clip(0, 1)[::2]).astype(np.uint8), VoxelSize(1, 0.5, 0.5), "flat.tif")


def test_a_flat_stack_is_filled_and_the_map_says_so(flat, bright_model):
    model = load_model(str(bright_model))
    filled = segment(flat, SETTINGS, model=model)
    assert (filled.planes, filled.shape) == (2, (39, 90, 90))
    assert filled.voxel_size == VoxelSize(0.5, 0.5, 0.5)
    given = segment(flat, replace(SETTINGS, fit_voxels=False), model=model)
    assert (given.planes, given.shape, given.voxel_size) == (1, flat.shape, flat.voxel_size)
    assert np.mean((filled.on_stack.neurite >= 128) == (given.neurite >= 128)) > 0.99


def test_a_stack_of_unknown_voxel_size_or_with_enough_planes_is_left_alone(flat, rods, bright_model):
    model = load_model(str(bright_model))
    whole = Stack((30 + 200 * rods(1.2).clip(0, 1)).astype(np.uint8), flat.voxel_size)
    assert segment(whole, SETTINGS, model=model).planes == 1
    assert segment(Stack(flat.data), SETTINGS, model=model).planes == 1


def test_a_writer_gets_the_planes_of_the_stack(flat, bright_model, planes):
    model = load_model(str(bright_model))
    segment(flat, SETTINGS, model=model, out=planes)
    assert np.array_equal(np.concatenate(planes.blocks), segment(flat, SETTINGS, model=model).on_stack.neurite)


def test_planes_are_not_put_between_those_of_a_textured_stack(grounds, bright_model):
    model = load_model(str(bright_model))
    noisy, textured = (
        Stack((100 + grounds(sigma, 25)).clip(0, 400).astype(np.uint16), VoxelSize(1, 0.5, 0.5))
        for sigma in ((0, 0, 0), (1, 1, 1))
    )
    assert segment(noisy, SETTINGS, model=model).planes > 1
    assert segment(textured, SETTINGS, model=model).planes == 1


@pytest.mark.parametrize("sizes", [(10,), (4, 1, 5), (1, 1, 1, 1, 1, 5), (3, 3, 4)])
def test_of_the_planes_of_a_filled_map_those_of_the_stack_are_written_however_they_come(sizes):
    planes = np.arange(10, dtype=np.uint8)[:, None, None]
    kept, start = np.zeros((4, 1, 1), np.uint8), 0
    writer = EveryWriter(ArrayWriter(kept), 3)
    for size in sizes:
        writer.write(start, planes[start : start + size])
        start += size
    np.testing.assert_array_equal(kept[:, 0, 0], [0, 3, 6, 9])
