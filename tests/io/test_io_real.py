"""The real stacks: shape, type and voxel size as their notes say, and every voxel as tifffile reads it."""

import json

import numpy as np
import pytest
import tifffile

from neurorecon.io import find_stacks, read_stack

pytestmark = pytest.mark.data
NOTED = {"gold166_3d/g166_245": "g166_245", "snt_spotspine/spotspine": "spotspine"}


@pytest.mark.parametrize("name", NOTED)
def test_noted_stacks_come_as_their_notes_say(data_root, name):
    note = json.loads((data_root / f"{name}.json").read_text())
    read = read_stack(data_root / f"{name}.tif")
    assert list(read.shape) == note["shape_zyx"]
    assert str(read.data.dtype) == note["dtype"]
    assert list(read.voxel_size.zyx) == note["voxel_size_um_zyx"]
    np.testing.assert_array_equal(read.data, tifffile.imread(data_root / f"{name}.tif"))


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("trailmap/train_volume", (101, 120, 120), "uint16"),
        ("trailmap/unlabelled_chunk_z120-149", (30, 303, 303), "uint16"),
        ("unlabelled_3d/rivulet_fly", (119, 415, 409), "uint8"),
    ],
)
def test_stacks_of_unknown_voxel_size_say_none(data_root, name, shape, dtype):
    read = read_stack(data_root / f"{name}.tif")
    assert (read.shape, str(read.data.dtype), read.voxel_size) == (shape, dtype, None)


def test_a_batch_finds_all_stacks_and_nothing_else(data_root):
    found = {path.relative_to(data_root).as_posix() for path in find_stacks(data_root, recursive=True)}
    stacks = {path for path in data_root.rglob("*") if path.suffix in (".tif", ".v3draw", ".czi", ".lif")}
    assert found == {path.relative_to(data_root).as_posix() for path in stacks}  # neither pictures nor trees
    assert found > {
        "gold166_3d/g166_245.tif", "gold166_3d/g166_258.tif", "snt_spotspine/spotspine.tif", "trailmap/train_label.tif",
        "trailmap/train_volume.tif", "trailmap/unlabelled_chunk_z120-149.tif", "unlabelled_3d/rivulet_fly.tif",
    }  # fmt: skip
