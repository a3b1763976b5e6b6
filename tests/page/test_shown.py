"""What a page shows of a stack, against maxima taken by hand."""

import numpy as np
import pytest

from neurorecon.core import blocks
from neurorecon.core.geometry import VoxelSize
from neurorecon.page import crops as crops_module
from neurorecon.page import shown as module
from neurorecon.page.crops import crops_at
from neurorecon.page.shown import shown

NOWHERE = np.zeros((0, 3), np.int64)


def boxes(volume, factor):
    """Maxima of boxes, by brute force."""
    grid = tuple(-(-n // f) for n, f in zip(volume.shape, factor, strict=True))
    made = np.zeros(grid, volume.dtype)
    for place in np.ndindex(grid):
        made[place] = volume[tuple(slice(k * f, (k + 1) * f) for k, f in zip(place, factor, strict=True))].max()
    return made


@pytest.fixture
def small_blocks(monkeypatch):
    """Read in many blocks, whose ends fall within the boxes."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3000)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_small_volume_holds_the_maximum_of_each_box(rng, monkeypatch, small_blocks, kind):
    monkeypatch.setattr(module, "LONGEST", 8)
    volume = rng.integers(0, 200, (13, 29, 23)).astype(kind)
    volume = volume - 50 if kind is np.float32 else volume
    seen = shown(volume, NOWHERE)
    assert seen.factor == (2, 4, 3)
    expected = module._as_bytes(module._levels(boxes(volume, seen.factor)), module.GREYS[0])
    np.testing.assert_array_equal(seen.volume, expected)


def test_projections_are_those_of_the_picture(rng, small_blocks):
    from neurorecon.report import stretch
    from neurorecon.report.picture import projections

    volume = rng.integers(0, 60000, (7, 20, 30)).astype(np.uint16)
    seen = shown(volume, NOWHERE)
    for view, image in zip(seen.views, projections(volume), strict=True):
        np.testing.assert_allclose(
            view / 255, stretch(image), atol=0.0105
        )  # half of one of 64 levels, and of one of 256
    assert seen.shrunk == ((1, 1),) * 3


def test_projections_of_a_large_stack_are_shrunk_to_fit(rng, monkeypatch):
    monkeypatch.setattr(module, "PIXELS", 300)
    volume = rng.integers(0, 255, (1, 31, 40)).astype(np.uint8)
    seen = shown(volume, NOWHERE)
    assert sum(view.size for view in seen.views) <= 300
    assert seen.shrunk == ((3, 3), (3, 1), (1, 3))


def test_noise_is_given_in_fewer_levels_and_larger_voxels_until_it_packs(rng, monkeypatch):
    monkeypatch.setattr(module, "VOLUME_BYTES", 4000)
    noise = rng.integers(0, 255, (12, 40, 40)).astype(np.uint8)
    seen = shown(noise, NOWHERE)
    assert len(np.unique(seen.volume)) <= 32 or seen.factor != (1, 1, 1)
    assert seen.volume.shape == tuple(-(-n // f) for n, f in zip(noise.shape, seen.factor, strict=True))


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_stack_is_black(value):
    seen = shown(np.full((5, 6, 7), value, np.uint16), np.array([[2, 3, 3]]), VoxelSize(1, 1, 1))
    assert not seen.volume.any()
    assert not any(view.any() for view in seen.views)


def test_crops_are_maxima_of_slabs_around_their_places(rng, monkeypatch, small_blocks):
    monkeypatch.setattr(crops_module, "HALF", 6)
    monkeypatch.setattr(crops_module, "DEEP", 2)
    volume = rng.integers(1, 60000, (11, 40, 30)).astype(np.uint16)
    places = np.array([[5, 20, 15], [0, 0, 0], [10, 39, 29], [3, 2, 28]])
    crops = crops_at(places, VoxelSize(2.0, 1.0, 1.0), volume.dtype)
    assert crops.half.tolist() == [3, 6, 6]
    assert crops.deep.tolist() == [1, 2, 2]
    for planes, rows, block in blocks.read_blocks(volume):
        crops.add(planes, rows, block)
    wide = np.pad(volume, 10)
    for k, (z, y, x) in enumerate(places + 10):
        along_z = wide[z - 1 : z + 2, y - 6 : y + 7, x - 6 : x + 7].max(axis=0)
        along_x = wide[z - 3 : z + 4, y - 6 : y + 7, x - 2 : x + 3].max(axis=2).T
        along_y = wide[z - 3 : z + 4, y - 2 : y + 3, x - 6 : x + 7].max(axis=1)
        for view, expected in zip(crops.views, (along_z, along_x, along_y), strict=True):
            np.testing.assert_array_equal(view[k], expected)


def test_first_places_are_those_that_get_a_crop(monkeypatch):
    monkeypatch.setattr(crops_module, "CROP_BYTES", 20_000)
    crops = crops_at(np.arange(300).reshape(100, 3), None, np.dtype(np.uint8))
    assert 1 <= len(crops.centre) < 100
    assert crops.centre[0].tolist() == [0, 1, 2]
