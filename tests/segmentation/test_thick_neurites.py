"""How thick neurites look, how many voxels become one for that, and that the map comes back to all voxels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import zoom

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.nets import load_model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.adapt.thick_neurites import WIDEST, voxels_to_join, widths_of
from neurorecon.segmentation.writers import FinerWriter

SETTINGS = SegmentSettings(device="cpu", precision="fp32", core=(48, 96, 96), halo=(4, 8, 8))


def grey_stack(grey, **kwargs):
    return Stack((20 + 200 * grey).clip(0, 255).astype(np.uint8), **kwargs)


@pytest.mark.parametrize("haze", [0.0, 0.5])
def test_thin_and_thick_neurites_are_told_apart_without_a_network_and_through_haze(rods, haze):
    seen = [widths_of([rods(1.0, 0.1, width, side=180, haze=haze)], 0.29)[1] for width in (1.0, 3.0, 6.0, 8.0)]
    assert seen == sorted(seen)
    assert seen[1] < WIDEST < seen[2]


def test_noise_and_haze_alone_have_no_width(rods):
    haze = 0.5 * rods(1.0, noise=0.3, width=1.5, side=180, haze=1.0) - 0.5 * rods(1.0, width=1.5, side=180)
    assert widths_of([haze], 0.1) is None


def test_only_thick_neurites_are_made_thinner_and_flat_ones_not_flatter():
    assert voxels_to_join(None) == voxels_to_join((2.0, 2.0)) == (1, 1, 1)
    assert voxels_to_join((4.0, 4.0)) == (2, 2, 2)
    assert voxels_to_join((2.0, 4.0)) == (1, 2, 2)


@pytest.mark.parametrize("step", [(1, 2, 2), (2, 2, 2), (3, 4, 4), (8, 8, 8)])
def test_a_coarse_map_comes_back_on_straight_lines(rng, planes, step):
    shape = (21, 18, 30)
    coarse = rng.integers(0, 256, [-(-n // k) for n, k in zip(shape, step, strict=True)]).astype(np.uint8)
    writer = FinerWriter(planes, step, shape)
    for z in range(0, len(coarse), 2):
        writer.write(z, coarse[z : z + 2])
    fine = np.concatenate(planes.blocks)
    whole = [n * k for n, k in zip(coarse.shape, step, strict=True)]
    truth = zoom(coarse.astype(float), step, order=1, mode="nearest", grid_mode=True)
    assert list(truth.shape) == whole
    assert fine.shape == shape
    assert np.abs(fine - truth[tuple(map(slice, shape))]).max() <= 0.51


def test_a_thick_neurite_is_seen_coarse_and_the_map_lies_on_the_stack(rods, planes, bright_model):
    model = load_model(str(bright_model))
    stack = grey_stack(rods(1.0, 0.02, 6.0, side=180), voxel_size=VoxelSize(0.1, 0.1, 0.1))
    seen = segment(stack, SETTINGS, model=model)
    assert seen.voxels_as_one == (2, 2, 2)
    assert (seen.shape, seen.voxel_size, seen.planes) == (stack.shape, stack.voxel_size, 1)
    given = segment(stack, replace(SETTINGS, fit_voxels=False), model=model)
    assert given.voxels_as_one == (1, 1, 1)
    both = [p.neurite >= 128 for p in (seen, given)]
    assert 2 * (both[0] & both[1]).sum() / (both[0].sum() + both[1].sum()) > 0.95
    segment(stack, SETTINGS, model=model, out=planes)
    assert np.array_equal(np.concatenate(planes.blocks), seen.neurite)


@pytest.mark.parametrize("depth", [63, 64])  # the deepest neurites lie around plane 60
def test_thick_neurites_between_planes_far_apart_come_back_to_every_plane(rods, bright_model, depth):
    stack = grey_stack(rods(1.0, 0.0, 6.0, side=180)[:depth], voxel_size=VoxelSize(1, 0.5, 0.5))
    model = load_model(str(bright_model))
    seen = segment(stack, SETTINGS, model=model)
    assert (seen.planes, seen.voxels_as_one, seen.shape[0]) == (2, (2, 2, 2), 2 * depth - 1)
    given = segment(stack, replace(SETTINGS, fit_voxels=False), model=model)
    both = [p.on_stack.neurite >= 64 for p in (seen, given)]
    assert 2 * (both[0] & both[1]).sum() / (both[0].sum() + both[1].sum()) > 0.95
    assert (seen.neurite[-2:] >= 128).any(axis=(1, 2)).all()
    middle = [np.average(np.arange(depth), weights=p.on_stack.neurite.sum(axis=(1, 2))) for p in (seen, given)]
    assert middle[0] == pytest.approx(middle[1], abs=0.05)


def test_what_is_still_thick_is_halved_again(rods, bright_model):
    stack = grey_stack(rods(1.0, width=12.0, side=300))
    assert segment(stack, SETTINGS, model=load_model(str(bright_model))).voxels_as_one == (4, 4, 4)


def test_thin_neurites_are_seen_as_they_are(rods, bright_model):
    assert segment(grey_stack(rods(1.0)), SETTINGS, model=load_model(str(bright_model))).voxels_as_one == (1, 1, 1)
