"""A large image written block by block: files as zarr itself writes them, a right pyramid, all that viewers ask for."""

import random

import numpy as np
import pytest
import zarr

from neurorecon.core.geometry import VoxelSize
from neurorecon.io import ShardedImage, read_stack

SIZE = VoxelSize(1.0, 0.5, 0.5)


@pytest.fixture
def image():
    return ShardedImage.of((70, 100, 130), SIZE, (32, 64, 64))


@pytest.fixture
def voxels(image, rng):
    """Smooth enough to compress, with a block of nothing."""
    data = rng.integers(0, 3, image.shape).astype(np.uint8) * 40
    data[image.box((1, 1, 1))] = 0
    return data


def write(image, folder, voxels, indices):
    folder.mkdir(exist_ok=True)
    for number, index in enumerate(indices):
        aside = folder / f"aside{number}"
        aside.mkdir()
        image.write_block(aside, index, voxels[image.box(index)])
        for path in [p for p in aside.rglob("*") if p.is_file()]:
            place = folder / path.relative_to(aside)
            place.parent.mkdir(parents=True, exist_ok=True)
            assert not place.exists(), "two blocks share a file"
            path.rename(place)
        for path in sorted(aside.rglob("*"), reverse=True):
            path.rmdir()
        aside.rmdir()
    image.write_metadata(folder, name="a map", about={"planes": 1})
    return folder


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_of_blocks_in_any_order_are_those_that_zarr_writes_for_the_whole(tmp_path, image, voxels):
    shuffled = list(image.indices)
    random.Random(3).shuffle(shuffled)
    parts = files(write(image, tmp_path / "parts", voxels, shuffled))
    folder = tmp_path / "whole"
    image.write_metadata(folder, name="a map", about={"planes": 1})
    zarr.open_array(folder / "0", mode="r+")[:] = voxels
    assert files(folder) == parts


def test_a_block_of_nothing_leaves_no_file(tmp_path, image, voxels):
    names = files(write(image, tmp_path / "p.ome.zarr", voxels, image.indices))
    assert sum(name.startswith("0/c/") for name in names) == 3 * 2 * 3 - 1
    assert "0/c/1/1/1" not in names
    np.testing.assert_array_equal(read_stack(tmp_path / "p.ome.zarr").data[:], voxels)


@pytest.mark.parametrize(
    ("size", "factors"),
    [
        (VoxelSize(1, 1, 1), [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        (None, [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        (VoxelSize(2, 0.5, 0.5), [(1, 1, 1), (1, 2, 2), (1, 4, 4)]),
        (VoxelSize(1, 0.5, 0.5), [(1, 1, 1), (1, 2, 2), (2, 4, 4)]),
    ],
)
def test_z_is_halved_once_its_voxels_are_no_taller_than_wide(size, factors):
    image = ShardedImage.of((40, 900, 1100), size, (32, 256, 256))
    assert [level.factor for level in image.levels] == factors


def test_levels_hold_the_largest_value_of_each_box_and_thin_neurites_stay(tmp_path, rng):
    image = ShardedImage.of((33, 70, 1030), VoxelSize(1, 1, 1), (32, 64, 512))
    voxels = np.zeros(image.shape, np.uint8)
    voxels[rng.integers(0, 33, 99), rng.integers(0, 70, 99), rng.integers(0, 1030, 99)] = rng.integers(1, 255, 99)
    folder = write(image, tmp_path / "p.ome.zarr", voxels, image.indices)
    assert [level.shape for level in image.levels] == [(33, 70, 1030), (17, 35, 515), (9, 18, 258)]
    for number, k in ((1, 2), (2, 4)):
        array = zarr.open_array(folder / str(number), mode="r")
        padded = np.pad(voxels, [(0, -n % k) for n in voxels.shape])
        z, y, x = (n // k for n in padded.shape)
        np.testing.assert_array_equal(array[:], padded.reshape(z, k, y, k, x, k).max((1, 3, 5)))


def test_metadata_say_axes_units_and_where_voxels_of_each_level_are(tmp_path):
    """As NGFF 0.5 wants it: a scale, then a translation; the middle of voxel 0 of level k is that of the voxels in it."""
    image = ShardedImage.of((64, 1200, 1200), SIZE, (32, 512, 512))
    image.write_metadata(tmp_path / "p.ome.zarr", name="neurites", about={"map": "neurite"})
    group = zarr.open_group(tmp_path / "p.ome.zarr", mode="r")
    assert group.attrs["neurorecon"] == {"map": "neurite"}
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert multiscale["axes"] == [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    assert [d["path"] for d in multiscale["datasets"]] == ["0", "1", "2"]
    moves = [d["coordinateTransformations"] for d in multiscale["datasets"]]
    assert [[m["type"] for m in move] for move in moves] == [["scale", "translation"]] * 3
    assert [move[0]["scale"] for move in moves] == [[1, 0.5, 0.5], [1, 1, 1], [2, 2, 2]]
    assert [move[1]["translation"] for move in moves] == [[0, 0, 0], [0, 0.25, 0.25], [0.5, 0.75, 0.75]]
    for path in "012":
        array = group[path]
        assert array.metadata.dimension_names == ("z", "y", "x")
        assert array.shards is not None
        assert all(s % c == 0 for s, c in zip(array.shards, array.chunks, strict=True))
    assert read_stack(tmp_path / "p.ome.zarr").voxel_size == SIZE


@pytest.mark.parametrize(
    ("shape", "block", "rounded"),
    [
        ((1, 40, 3000), (384, 768, 768), (1, 64, 768)),
        ((50, 106, 121), (384, 768, 768), (64, 128, 128)),
        ((200, 1000, 1000), (384, 768, 768), (224, 768, 768)),
        ((90, 1000, 1000), (50, 100, 100), (64, 128, 128)),
    ],
)
def test_blocks_of_short_axes_are_short_and_others_can_be_halved_five_times(shape, block, rounded):
    image = ShardedImage.of(shape, None, block)
    assert image.block == rounded
    covered = np.zeros(shape, np.uint8)
    for index in image.indices:
        covered[image.box(index)] += 1
    assert (covered == 1).all()


def test_one_plane_of_many_pixels_has_a_pyramid(tmp_path, rng):
    image = ShardedImage.of((1, 40, 1500), None, (384, 768, 768))
    voxels = rng.integers(0, 255, image.shape).astype(np.uint8)
    folder = write(image, tmp_path / "p.ome.zarr", voxels, image.indices)
    assert [level.shape for level in image.levels] == [(1, 40, 1500), (1, 20, 750), (1, 10, 375)]
    np.testing.assert_array_equal(zarr.open_array(folder / "0", mode="r")[:], voxels)


def test_ten_teravoxels_are_less_than_six_hundred_thousand_files():
    image = ShardedImage.of((10_000, 32_000, 32_000), VoxelSize(1, 1, 1))
    maps = 2
    assert maps * len(image.levels) * np.prod(image.counts) < 600_000
    assert max(image.levels[-1].shape) <= 1000
