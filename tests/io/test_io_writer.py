"""What is written comes back by other libraries; slab by slab, flat in memory, whole or not at all."""

import json
import tracemalloc
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neurorecon.core.errors import InputError, OutputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import open_writer, read_stack, write_stack

SIZE = VoxelSize(1.0, 0.5, 0.25)
STACKS = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.tuples(st.integers(2, 5), st.integers(1, 8), st.integers(1, 8)),
)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tiff", "A.TIF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tifffile_reads_what_is_written_as_ome(tmp_path, stack, name, dtype):
    data = stack.astype(dtype)
    write_stack(data, tmp_path / name, voxel_size=SIZE)
    with tifffile.TiffFile(tmp_path / name) as tif:
        assert tif.is_ome
        assert not tif.is_bigtiff
        assert (tif.series[0].axes, tif.series[0].kind) == ("ZYX", "ome")
        assert len(tif.pages) == 6
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        np.testing.assert_array_equal(tif.asarray(), data)
        root = ET.fromstring(tif.ome_metadata)
    pixels = root[0][0]
    sizes = [pixels.get(f"PhysicalSize{axis}") for axis in "ZYX"]
    assert sizes == ["1.0", "0.5", "0.25"]
    assert pixels.get("PhysicalSizeZUnit") == "µm"
    assert [pixels.get(f"Size{axis}") for axis in "XYZCT"] == ["12", "10", "6", "1", "1"]
    assert root.tag == "{http://www.openmicroscopy.org/Schemas/OME/2016-06}OME"


def test_zarr_reads_what_is_written_as_ome_zarr(tmp_path, stack):
    write_stack(stack, tmp_path / "a.ome.zarr", voxel_size=SIZE)
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    np.testing.assert_array_equal(group["0"][:], stack)
    table = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())
    assert table["zarr_format"] == 3
    ome = table["attributes"]["ome"]
    assert ome["version"] == "0.5"
    assert [(a["name"], a["type"], a["unit"]) for a in ome["multiscales"][0]["axes"]] == [
        (axis, "space", "micrometer") for axis in "zyx"
    ]
    level = ome["multiscales"][0]["datasets"][0]
    assert level == {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 0.5, 0.25]}]}
    assert group["0"].metadata.dimension_names == ("z", "y", "x")


@given(STACKS, st.sampled_from([".tif", ".ome.zarr"]), st.booleans())
def test_round_trip_keeps_voxels_type_and_voxel_size(tmp_path, data, suffix, sized):
    data = np.nan_to_num(data, posinf=1, neginf=0)
    size = VoxelSize(0.1 + 0.2, 1e-3, 1e4) if sized else None
    write_stack(data, tmp_path / f"a{suffix}", voxel_size=size, overwrite=True)
    read = read_stack(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(np.asarray(read.data), data)
    assert read.data.dtype == data.dtype
    assert read.voxel_size == size


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
@pytest.mark.parametrize("cuts", [[1, 2, 3, 4, 5], [2, 5], [4], []])
def test_any_slabs_give_the_same_stack(tmp_path, stack, suffix, cuts, monkeypatch):
    monkeypatch.setattr("neurorecon.io.formats.zarr.write_zarr.CHUNK", (4, 4, 4))
    path = tmp_path / f"a{suffix}"
    with open_writer(path, stack.shape) as writer:
        for start, stop in zip([0, *cuts], [*cuts, 6], strict=True):
            block = stack[start:stop].copy()
            writer.write(start, block)
            block[:] = 0  # the caller may use its buffer again
        assert not path.exists()
    np.testing.assert_array_equal(np.asarray(read_stack(path).data), stack)


def test_same_voxels_give_the_same_bytes(tmp_path, stack):
    write_stack(stack, tmp_path / "a.tif", voxel_size=SIZE)
    write_stack(stack, tmp_path / "b.tif", voxel_size=SIZE)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_large_stacks_become_bigtiff(tmp_path, stack, monkeypatch):
    monkeypatch.setattr("neurorecon.io.formats.tiff.write_tiff.CLASSIC_BYTES", stack.nbytes - 1)
    write_stack(stack, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data, stack)


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_memory_does_not_grow_with_the_number_of_planes(tmp_path, suffix, rng):
    plane = rng.integers(0, 256, (1, 256, 256)).astype(np.uint8)

    def peak(planes):
        tracemalloc.start()
        with open_writer(tmp_path / f"{planes}{suffix}", (planes, 256, 256)) as writer:
            for z in range(planes):
                writer.write(z, plane)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(2)  # imports
    # Of 600 more planes a fifth may be in memory: how many chunks are encoded at a time depends on the machine and its load,
    # and a chunk is 32 planes.
    assert peak(640) < peak(40) + 120 * plane.nbytes


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_nothing_stays_of_a_writing_that_failed(tmp_path, stack, suffix):
    path = tmp_path / f"a{suffix}"

    def fail():
        with open_writer(path, stack.shape) as writer:
            writer.write(0, stack[:2])
            raise KeyError("elsewhere")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="2 of 6 planes came"), open_writer(path, stack.shape) as writer:
        writer.write(0, stack[:2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_what_is_there_is_kept_unless_overwritten(tmp_path, stack, suffix):
    path = tmp_path / f"a{suffix}"
    write_stack(stack, path)
    with pytest.raises(OutputError, match="exists already"):
        open_writer(path, (2, 2, 2))
    write_stack(stack[:3], path, overwrite=True)
    assert read_stack(path).shape == (3, 10, 12)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_written_is_said_at_the_call(tmp_path, stack):
    for name in ("a.nrrd", "a", "a.zarr.tmp"):
        with pytest.raises(InputError, match="change the suffix"):
            open_writer(tmp_path / name, (2, 2, 2))
    with pytest.raises(OutputError, match="does not exist"):
        open_writer(tmp_path / "no" / "a.tif", (2, 2, 2))
    with pytest.raises(InputError, match="above 0"):
        open_writer(tmp_path / "a.tif", (2, 0, 2))
    with pytest.raises(InputError, match="int64 cannot"):
        open_writer(tmp_path / "a.tif", (2, 2, 2), dtype=np.int64)
    with pytest.raises(InputError, match="2 axes"):
        write_stack(stack[0], tmp_path / "a.tif")
    with pytest.raises(InputError, match="above 0"):
        write_stack(stack[:0], tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("z0", "block"),
    [
        (1, np.zeros((1, 3, 4), np.uint8)),
        (0, np.zeros((9, 3, 4), np.uint8)),
        (0, np.zeros((1, 4, 3), np.uint8)),
        (0, np.zeros((3, 4), np.uint8)),
        (0, np.zeros((1, 3, 4), np.float32)),
    ],
)
def test_blocks_that_do_not_fit_are_refused(tmp_path, z0, block):
    with pytest.raises(InputError, match="due"), open_writer(tmp_path / "a.tif", (5, 3, 4)) as writer:
        writer.write(z0, block)


def test_masks_and_lazy_stacks_can_be_written(tmp_path, stack, monkeypatch):
    monkeypatch.setattr("neurorecon.io.stack_writer.SLAB_BYTES", 2 * stack[0].nbytes)
    write_stack(stack > 99, tmp_path / "mask.tif")
    np.testing.assert_array_equal(read_stack(tmp_path / "mask.tif").data, stack > 99)
    write_stack(stack, tmp_path / "a.ome.zarr", voxel_size=SIZE)
    lazy = read_stack(tmp_path / "a.ome.zarr")
    write_stack(lazy.data, tmp_path / "b.tif", voxel_size=lazy.voxel_size)
    np.testing.assert_array_equal(read_stack(tmp_path / "b.tif").data, stack)


@pytest.mark.parametrize(
    "name", ["a b.tif", "<script>'\"&.tif", "line\nbreak.ome.zarr", "нейрон 神経.ome.tif", "ü%s{0}.zarr"]
)
def test_any_file_name_comes_through(tmp_path, stack, name):
    write_stack(stack, tmp_path / name, voxel_size=SIZE)
    read = read_stack(tmp_path / name)
    np.testing.assert_array_equal(np.asarray(read.data), stack)
    assert read.source == str(tmp_path / name)
    with pytest.raises(OutputError) as caught:
        write_stack(stack, tmp_path / name)
    assert "\n" not in str(caught.value)
