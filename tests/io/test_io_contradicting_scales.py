"""Voxel sizes that levels, extents or units contradict, and headers in other words: read as they are meant, or said."""

import json

import h5py
import nrrd
import numpy as np
import pytest
import tifffile
import zarr

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack

UM = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]


def warnings(stack):
    return {finding.name: finding.text for finding in stack.findings if finding.level == "warning"}


def scale(*zyx):
    return [{"type": "scale", "scale": list(zyx)}]


def image(path, arrays, datasets, *, axes=UM, version="0.4", **more):
    """An OME-Zarr of some levels (Z, Y, X): arrays by their paths, and transformations by theirs."""
    new = version != "0.4"
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if new else 2)
    for name, data in arrays.items():
        group.create_array(name, data=data)
    levels = [{"path": name, "coordinateTransformations": steps} for name, steps in datasets]
    about = {"version": version, "axes": axes, "datasets": levels, **more}
    tables = {"multiscales": [{key: value for key, value in about.items() if value is not None}]}
    group.attrs.update({"ome": tables} if new else tables)
    return path


@pytest.fixture
def levels():
    """Two levels (20, 40, 48) and (20, 20, 24)."""
    data = np.random.default_rng(0).integers(1, 255, (20, 40, 48)).astype(np.uint8)
    return {"0": data, "1": np.ascontiguousarray(data[:, ::2, ::2])}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (scale(1, 0.5, 0.5), scale(1, 1, 1), None),
        (scale(-1, 0.5, 0.5), scale(-1, 1, 1), None),
        (scale(1, 1, 1), scale(1, 0.5, 0.5), "along y level 0 is 40 long and level 1 is 10 long by its scale"),
        (scale(1, 0.5, 0.5), scale(1, 0.5, 0.5), "along y level 0 is 20 long and level 1 is 10 long by its scale"),
        (scale(1, 0.5, 0.5) * 2, scale(1, 1, 1), "state the scale 1,0.5,0.5 twice"),
    ],
)
def test_scales_that_contradict_the_levels_or_stand_twice_are_said(tmp_path, levels, first, second, said):
    read = read_stack(image(tmp_path / "a.ome.zarr", levels, [("0", first), ("1", second)]))
    np.testing.assert_array_equal(read.data[:, :, :], levels["0"])
    found = warnings(read)
    assert list(found) == (["voxel-size-doubtful"] if said else [])
    assert said is None or said in found["voxel-size-doubtful"]


def test_a_scale_of_the_whole_times_that_of_the_level_is_the_voxel_size(tmp_path, levels):
    steps = [("0", scale(1, 1, 1)), ("1", scale(1, 2, 2))]
    read = read_stack(image(tmp_path / "a.ome.zarr", levels, steps, coordinateTransformations=scale(2, 0.5, 0.25)))
    assert (read.voxel_size, warnings(read)) == (VoxelSize(2, 0.5, 0.25), {})
    both = image(
        tmp_path / "b.ome.zarr", levels, [("0", scale(2, 0.5, 0.5))], coordinateTransformations=scale(2, 0.5, 0.5)
    )
    assert "twice" in warnings(read_stack(both))["voxel-size-doubtful"]


def test_short_axes_of_a_pyramid_contradict_nothing(tmp_path):
    arrays = {"0": np.ones((5, 40, 40), np.uint8), "1": np.ones((3, 20, 20), np.uint8)}
    read = read_stack(image(tmp_path / "a.ome.zarr", arrays, [("0", scale(1, 0.5, 0.5)), ("1", scale(2.5, 1, 1))]))
    assert warnings(read) == {}


def test_a_level_that_is_not_there_is_called_so(tmp_path, levels, refusal):
    path = image(tmp_path / "a.ome.zarr", {"0": levels["0"]}, [("0", scale(1, 1, 1)), ("1", scale(1, 2, 2))])
    assert "its metadata name 2 levels, of which 1 is not there; copy it again" in refusal(path, FormatError)


def test_axes_and_sequences_of_ome_zarr_0_6_are_read(tmp_path, levels):
    axes = [dict(axis, name=name) for axis, name in zip(UM, "xyz", strict=True)]
    steps = [{"type": "sequence", "transformations": scale(0.25, 0.5, 2)}]
    systems = [{"name": "physical", "axes": axes}]
    arrays = {"0": np.ascontiguousarray(levels["0"].T)}
    read = read_stack(
        image(tmp_path / "a.ome.zarr", arrays, [("0", steps)], axes=None, version="0.6", coordinateSystems=systems)
    )
    np.testing.assert_array_equal(read.data[:, :, :], levels["0"])
    assert (read.voxel_size, warnings(read)) == (VoxelSize(2, 0.5, 0.25), {})


def test_axes_called_z_axis_are_those_of_space(tmp_path, levels):
    axes = [dict(axis, name=name) for axis, name in zip(UM, ("Z-axis", "y axis", "x_dim"), strict=True)]
    read = read_stack(image(tmp_path / "a.ome.zarr", {"0": levels["0"]}, [("0", scale(2, 0.5, 0.25))], axes=axes))
    assert read.voxel_size == VoxelSize(2, 0.5, 0.25)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((65, 65, 65), "too wide for neurites"),
        ((51, 94, 98), "too wide for neurites"),
        ((25, 25, 25), None),
        ((0.02, 0.5, 0.5), "lie far nearer than pixels"),
        ((0.2, 0.9, 0.9), None),
        ((40, 1, 1), None),
    ],
)
def test_pixels_too_wide_for_neurites_and_planes_far_nearer_than_pixels_are_said(tmp_path, stack, size, said):
    np.save(tmp_path / "a.npy", stack)
    found = warnings(read_stack(tmp_path / "a.npy", voxel_size=VoxelSize(*size)))
    assert list(found) == (["voxel-size-odd"] if said else [])
    assert said is None or said in found["voxel-size-odd"]


def imaris(path, data, ends, *, unit="um", size=True):
    """An Imaris file, padded; the size of the picture at the channel, or at the image alone; extents of x, y and z."""

    def chars(text):
        return np.frombuffer(text.encode("latin-1"), "S1")

    with h5py.File(path, "w") as file:
        channel = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
        channel.create_dataset("Data", data=np.pad(data, [(0, 3)] * 3))
        about = file.create_group("DataSetInfo/Image")
        about.attrs["Unit"] = chars(unit)
        for axis, letter, end, count in zip("012", "XYZ", ends, data.shape[::-1], strict=True):
            about.attrs[f"ExtMin{axis}"], about.attrs[f"ExtMax{axis}"] = chars("0"), chars(end)
            about.attrs[letter] = chars(str(count))
            if size:
                channel.attrs[f"ImageSize{letter}"] = chars(str(count))
    return path


@pytest.mark.parametrize("options", [{"size": False}, {"unit": "\u00b5m"}])
def test_an_imaris_file_is_read_by_the_size_of_its_image_and_with_the_micro_sign(tmp_path, stack, options):
    read = read_stack(imaris(tmp_path / "a.ims", stack, ("6,0", "5.0", "12"), **options))  # a decimal comma, too
    np.testing.assert_array_equal(read.data, stack)
    assert (read.voxel_size, warnings(read)) == (VoxelSize(2, 0.5, 0.5), {})


def test_extents_of_one_along_each_axis_are_no_voxel_size(tmp_path, stack):
    read = read_stack(imaris(tmp_path / "a.ims", stack, ("1", "1", "1")))
    assert read.voxel_size is None
    assert "are 1 along each axis" in warnings(read)["voxel-size-doubtful"]


@pytest.mark.parametrize("micro", [b"\xb5m", b"\xc2\xb5m"])
def test_the_micro_sign_in_a_nrrd_is_no_metre(tmp_path, stack, micro):
    nrrd.write(str(tmp_path / "a.nrrd"), stack, {"spacings": [0.5, 0.5, 2], "units": ["um"] * 3}, index_order="C")
    content = (tmp_path / "a.nrrd").read_bytes()
    assert content.count(b'"um"') == 3
    (tmp_path / "b.nrrd").write_bytes(content.replace(b'"um"', b'"' + micro + b'"'))
    read = read_stack(tmp_path / "b.nrrd")
    np.testing.assert_array_equal(read.data, stack)
    assert read.voxel_size == VoxelSize(2, 0.5, 0.5)


@pytest.mark.parametrize("named", ["p%03d.raw 0 5 1", "LIST\np000.raw\np001.raw"])
def test_a_nrrd_whose_voxels_stand_in_several_files_is_called_so(tmp_path, refusal, named):
    head = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 12 10 6\nencoding: raw\ndata file: "
    (tmp_path / "a.nhdr").write_text(head + named + "\n\n")
    assert "its voxels stand in several files, which are not read" in refusal(tmp_path / "a.nhdr")


def test_python_objects_in_a_npy_are_called_so(tmp_path, stack, refusal):
    np.save(tmp_path / "a.npy", stack.astype(object), allow_pickle=True)
    assert "holds Python objects, which are never loaded; save numbers" in refusal(tmp_path / "a.npy", FormatError)


def test_colours_that_stand_apart_in_each_page_are_channels(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for plane in stack:
            apart = np.stack([plane // 2, plane, 255 - plane])
            file.write(apart, photometric="rgb", planarconfig="separate", contiguous=False, metadata=None)
    for channel, due in enumerate((stack // 2, stack, 255 - stack)):
        np.testing.assert_array_equal(read_stack(tmp_path / "a.tif", channel=channel).data, due)


def test_planes_of_a_folder_of_which_one_is_stored_inverted_are_refused(tmp_path, stack, refusal):
    for z, plane in enumerate(stack):
        white = z == 3
        tifffile.imwrite(
            tmp_path / f"z{z}.tif", 255 - plane if white else plane, photometric="miniswhite" if white else "minisblack"
        )
    assert "z3.tif: stores white as its lowest value, z0.tif black" in refusal(tmp_path, FormatError)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Experiment.xml", "Image_0001_0001.raw"], "Image_0001_0001.raw, bare voxels without a header"),
        (["dataset.xml", "dataset.h5"], "dataset.h5, HDF5, perhaps of BigDataViewer or BigStitcher"),
        (["z000.tif.gz"], "z000.tif.gz, packed by gzip"),
        (["Cycle1.xml"], "Cycle1.xml, a list of files"),
        (["README"], "is a directory without TIFFs; give a file"),
    ],
)
def test_a_folder_of_files_that_are_not_read_names_one_with_the_way_out(tmp_path, refusal, names, said):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert said in refusal(tmp_path, InputError)


def test_metadata_that_claim_far_more_chunks_than_there_are_files_are_refused(tmp_path, refusal):
    """Eleven million empty chunks were read one after the other, for minutes."""
    data = np.ones((6, 10, 12), np.uint8)
    zarr.create_array(str(tmp_path / "a.zarr"), data=data, chunks=(3, 5, 6), zarr_format=2)
    about = json.loads((tmp_path / "a.zarr/.zarray").read_text())
    (tmp_path / "a.zarr/.zarray").write_text(json.dumps({**about, "shape": [6, 10, 1 << 24]}))
    assert "its metadata claim 11184812 chunks, 10 files are there" in refusal(tmp_path / "a.zarr", FormatError)
    (tmp_path / "a.zarr/.zarray").write_text(json.dumps({**about, "shape": [6, 10, 24]}))
    assert "missing-chunks" in warnings(read_stack(tmp_path / "a.zarr"))
