"""Kinds of input that look like a stack and are not one as it is: drawings, montages, labels, exchanged bytes."""

import re

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.inspect import examined
from neurorecon.synth import SynthSettings, demo_tree, synthesize

SHAPE = (24, 120, 128)


@pytest.fixture
def grey():
    """Noise of a camera with three bright neurites that wander through the planes (Z, Y, X), 8 bit."""
    return made(5)


def made(seed):
    rng = np.random.default_rng(seed)
    data = np.zeros(SHAPE)
    x = np.arange(SHAPE[2])
    for start in (20, 60, 100):
        y = start + np.cumsum(rng.normal(0, 0.6, len(x)))
        z = np.linspace(*rng.uniform(2, SHAPE[0] - 2, 2), len(x))
        data[np.rint(z).astype(int), np.clip(np.rint(y), 0, SHAPE[1] - 1).astype(int), x] = 3000
    return np.clip(ndimage.gaussian_filter(data, (1, 1.5, 1.5)) + rng.normal(30, 4, SHAPE), 0, 250).astype(np.uint8)


def found(data, level="warning"):
    stack = examined(Stack(data, VoxelSize(1, 0.5, 0.5)))
    return [finding.name for finding in stack.findings if finding.level == level]


def test_stacks_as_they_are_give_no_warning(grey):
    assert found(grey) == []
    assert found(grey.astype(np.uint16) * 16) == []
    assert found(grey.astype(np.float32) / 7) == []
    assert found(grey.astype(np.float32) * 1e30) == []
    assert found(np.maximum(grey, 40) - 40) == []  # a background that was cut off


@pytest.mark.parametrize("value", [140, 90])
def test_a_text_in_one_plane_is_said_with_its_place(grey, value, caplog):
    for k in range(6):
        grey[15, 8:18, 10 + 6 * k : 13 + 6 * k] = value
    assert "drawn-in-plane" in found(grey)
    said = re.search(rf"plane 15 alone has (\d+) pixels of one value, {value}, at y=8 to 17, x=10 to 42", caplog.text)
    assert 160 < int(said[1]) <= 180  # some are as bright as the noise of a neighbour


def test_a_grey_bar_in_one_plane_of_16_bit_is_said(grey):
    deep = grey.astype(np.uint16) * 16 + np.random.default_rng(1).integers(0, 16, SHAPE).astype(np.uint16)
    deep[9, 100:104, 60:100] = 1500
    assert found(deep) == ["drawn-in-plane"]


def test_a_mask_that_was_burnt_into_one_plane_is_said(grey):
    y, x = np.indices(SHAPE[1:])
    grey[15][(y - 60) ** 2 + (x - 60) ** 2 < 200] = 255
    assert found(grey) == ["drawn-in-plane"]


def test_a_neurite_that_is_cut_off_in_one_plane_is_no_drawing():
    data = np.full(SHAPE, 20, np.uint8) + np.random.default_rng(0).integers(0, 9, SHAPE).astype(np.uint8)
    lit = np.zeros(SHAPE[1:])
    lit[np.arange(120), np.arange(120)] = 1500
    data[12] = np.clip(data[12] + ndimage.gaussian_filter(lit, 1.2), 0, 255).astype(np.uint8)  # planes far apart
    assert (data[12] == 255).sum() > 200
    assert "drawn-in-plane" not in found(data)


@pytest.mark.parametrize(
    ("planes", "said"), [(slice(15, 16), "plane 15 holds"), (slice(10, 14), "4 planes, from 10 on, hold")]
)
def test_a_tile_that_is_missing_inside_of_the_field_is_said(grey, planes, said, caplog):
    grey[planes, 40:72, 48:96] = 0
    assert found(grey) == ["missing-tile"]
    assert f"{said} 0 alone in a box at y=40 to 71, x=48 to 95" in caplog.text


def test_a_corner_without_a_tile_and_padding_are_no_missing_tile(grey):
    grey[:, :40, :40] = 0
    grey[:, 100:] = 0
    assert "missing-tile" not in found(grey)


@pytest.mark.parametrize("axis", [1, 2])
def test_two_channels_of_one_field_side_by_side_are_said(grey, axis):
    rng = np.random.default_rng(1)
    other = np.clip(np.roll(grey, (1, 2), (1, 2)) * 0.6 + rng.normal(8, 3, SHAPE), 0, 255).astype(np.uint8)
    assert found(np.concatenate([grey, other], axis)) == ["views-side-by-side"]


def test_two_views_with_a_gap_or_another_brightness_are_said(grey, caplog):
    other = made(6)
    gap = np.zeros((*SHAPE[:2], 4), np.uint8)
    assert found(np.concatenate([grey, gap, other], 2)) == ["views-side-by-side"]
    assert "columns 128 to 131 hold one value in all planes" in caplog.text
    assert found(np.concatenate([grey, np.minimum(other, 230) + 25], 2)) == ["views-side-by-side"]
    assert "steps at column 128" in caplog.text


def test_two_fields_of_one_brightness_break_where_they_meet(grey, caplog):
    assert found(np.concatenate([grey, made(6)], 2)) == ["seam"]
    assert f"breaks at column {SHAPE[2]} " in caplog.text


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_labels_of_many_bodies_are_no_grey_stack(grey, dtype):
    rows = np.arange(SHAPE[1])[:, None] // 10 * 13
    assert found(((grey > 80) * (1 + rows)).astype(dtype)) == ["labels"]


def test_bytes_in_the_other_order_are_said(grey):
    deep = grey.astype(np.uint16) * 16 + np.random.default_rng(1).integers(0, 16, SHAPE).astype(np.uint16)
    assert found(deep.byteswap()) == ["byte-order"]
    assert found(deep) == []
    assert found(deep << 4) == []


def test_counted_photons_do_not_flicker_and_much_light_that_is_cut_off_is_no_time_stamp(grey):
    counts = np.random.default_rng(0).poisson(np.where(np.arange(SHAPE[0]) > 18, 2.0, 1.0)[:, None, None] + grey / 60)
    assert "flickering-planes" not in found(counts.astype(np.uint8))
    assert found(np.clip(grey.astype(int) * 7, 0, 255).astype(np.uint8)) == ["saturated"]


def test_a_saturated_soma_with_a_noisy_rim_is_no_time_stamp(grey):
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    soma = 400 * np.exp(-((y - SHAPE[1] / 2) ** 2 + (x - SHAPE[2] / 2) ** 2) / 60) * (z < SHAPE[0] - 3)
    noisy = np.random.default_rng(3).normal(grey.astype(float) / 4 + soma, 25)
    assert "drawn-in" not in found(np.clip(noisy, 0, 255).astype(np.uint8))


def test_a_bright_blob_of_one_plane_of_a_saturated_stack_is_light(grey):
    saturated = np.clip(grey.astype(int) * 5, 0, 255).astype(np.uint8)
    saturated[9, 10:16, 10:22] = 255
    assert "drawn-in-plane" not in found(saturated)


@pytest.mark.parametrize("seed", [0, 5])
def test_a_cell_whose_planes_lie_far_apart_gives_no_warning(seed):
    """Its body is in one plane alone, and its neurites lie aside in the next one."""
    stack = synthesize(demo_tree(seed), SynthSettings(seed=seed, voxel_size=(5, 0.5, 0.5))).stack
    assert [finding for finding in examined(stack).findings if finding.level == "warning"] == []
