"""Folders: of single planes, which are one stack, and of stacks, which a batch works on."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import SUFFIXES, find_stacks, read_stack, write_stack
from neurorecon.io.sorting import natural_key


def write_planes(folder, stack, pattern="p{}.tif", **options):
    folder.mkdir(exist_ok=True)
    for z, plane in enumerate(stack):
        tifffile.imwrite(folder / pattern.format(z + 7), plane, **options)
    return folder


def names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_planes_come_in_natural_order(tmp_path, stack):
    folder = write_planes(tmp_path / "a", stack)  # p7 ... p12
    (folder / ".hidden.tif").touch()
    (folder / "notes.txt").touch()
    read = read_stack(folder)
    np.testing.assert_array_equal(read.data, stack)
    assert read.voxel_size is None


def test_planes_give_the_voxel_size_of_their_header(tmp_path, stack):
    metadata = {"spacing": 1.0, "unit": "um"}
    folder = write_planes(tmp_path / "a", stack, imagej=True, resolution=(4.0, 2.0), metadata=metadata)
    assert read_stack(folder).voxel_size == VoxelSize(1, 0.5, 0.25)


def test_planes_of_several_channels_are_told_apart_by_name(tmp_path, stack, refusal):
    folder = tmp_path / "a"
    write_planes(folder, stack, "cell_Z{:03}_C01.tif")
    write_planes(folder, stack[::-1], "cell_Z{:03}_C02.tif")
    assert "0 (C01), 1 (C02)" in refusal(folder)
    np.testing.assert_array_equal(read_stack(folder, channel=1).data, stack[::-1])
    (folder / "cell_Z009_C02.tif").unlink()
    assert "unequal numbers of planes (6 of C01, 5 of C02)" in refusal(folder)


def test_a_number_of_planes_that_looks_like_a_channel_is_none(tmp_path, stack):
    np.testing.assert_array_equal(read_stack(write_planes(tmp_path / "a", stack, "cell_c{}.tif")).data, stack)


def test_planes_of_a_time_series_are_refused(tmp_path, stack, refusal):
    folder = write_planes(tmp_path / "a", stack, "cell_z1_t{}.tif")
    assert "time series of 6 frames" in refusal(folder)


def test_planes_that_differ_or_are_none_are_refused(tmp_path, stack, refusal):
    folder = write_planes(tmp_path / "a", stack)
    tifffile.imwrite(folder / "p9.tif", stack[0, :5])
    assert "p9.tif: is 5 x 12 uint8, p7.tif is 10 x 12 uint8" in refusal(folder, FormatError)
    tifffile.imwrite(folder / "p9.tif", stack[0].astype(np.uint16))
    assert "uint16" in refusal(folder, FormatError)
    tifffile.imwrite(folder / "p9.tif", stack)
    assert "p9.tif: holds 6 planes" in refusal(folder)
    tifffile.imwrite(folder / "p9.tif", np.dstack([stack[0]] * 3), photometric="rgb")
    assert "in colour, p7.tif is 10 x 12 uint8" in refusal(folder)
    content = (folder / "p8.tif").read_bytes()
    (folder / "p8.tif").write_bytes(content[: len(content) // 2])
    assert "p8.tif: is cut off" in refusal(folder, FormatError)


def write_ome_set(folder, stack):
    """An OME-TIFF whose planes are spread over files, as microscopes write it."""
    folder.mkdir()
    z, y, x = stack.shape
    start = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{}">'
    image = (
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="{x}" SizeY="{y}" '
        f'SizeZ="{z}" SizeC="1" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="0.5" PhysicalSizeZ="1">'
    )
    parts = "".join(
        f'<TiffData FirstZ="{i}" IFD="0" PlaneCount="1"><UUID FileName="z{i}.ome.tif">urn:uuid:{i}</UUID></TiffData>'
        for i in range(z)
    )
    for i, plane in enumerate(stack):
        text = f"{start.format(i)}{image}{parts}</Pixels></Image></OME>"
        tifffile.imwrite(folder / f"z{i}.ome.tif", plane, description=text, metadata=None, ome=False)
    return folder


def test_an_ome_set_of_files_is_one_stack_by_its_folder_and_by_any_of_its_files(tmp_path, stack, refusal):
    folder = write_ome_set(tmp_path / "a", stack)
    for path in (folder, folder / "z0.ome.tif", folder / "z3.ome.tif"):
        read = read_stack(path)
        np.testing.assert_array_equal(read.data, stack)
        assert read.voxel_size == VoxelSize(1, 0.5, 0.25)
    assert find_stacks(tmp_path) == [folder]
    (folder / "z4.ome.tif").unlink()
    assert "plane 5 of 6 is missing, or is in a file that does not exist" in refusal(folder / "z0.ome.tif", FormatError)


def test_one_plane_alone_is_a_2d_image(tmp_path, stack, refusal):
    assert "2D image" in refusal(write_planes(tmp_path / "a", stack[:1]))


def test_every_stack_of_a_folder_is_found_in_natural_order(tmp_path, stack):
    for name in ("s10.tif", "s9.TIF", "s1.nrrd", "readme.txt", ".hidden.tif", "x.part.tif", "y.tif.part", "a.swc"):
        (tmp_path / name).write_bytes(b"II*\0")
    write_planes(tmp_path / "s2", stack)
    write_stack(stack, tmp_path / "s3.ome.zarr")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write_stack(stack, tmp_path / "deep" / "er" / "z.tif")
    (tmp_path / "deep" / ".git").mkdir()
    write_stack(stack, tmp_path / "deep" / ".git" / "z.tif")
    flat = ["s1.nrrd", "s2", "s3.ome.zarr", "s9.TIF", "s10.tif"]
    assert names(find_stacks(tmp_path), tmp_path) == flat
    assert names(find_stacks(tmp_path, pattern=None, recursive=True), tmp_path) == ["deep/er/z.tif", *flat]


def test_a_pattern_chooses_by_name_or_path_and_by_content(tmp_path, stack):
    (tmp_path / "sub").mkdir()
    for name in ("a.tif", "b.tif", "sub/a.tif"):
        write_stack(stack, tmp_path / name)
    (tmp_path / "a.dat").write_bytes((tmp_path / "a.tif").read_bytes())
    (tmp_path / "b.dat").write_text("no stack")

    def found(pattern, *, recursive=True):
        return names(find_stacks(tmp_path, pattern=pattern, recursive=recursive), tmp_path)

    assert found("a.tif") == ["a.tif", "sub/a.tif"]
    assert found("a.*", recursive=False) == ["a.dat", "a.tif"]
    assert found("sub/*") == ["sub/a.tif"]
    assert found("*.dat") == ["a.dat"]
    assert found("nothing") == []


def test_folders_of_volumes_are_no_stack_of_planes(tmp_path, stack):
    (tmp_path / "v").mkdir()
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / "v" / name, stack, imagej=True, metadata={"axes": "ZYX"})
    assert find_stacks(tmp_path) == []
    assert names(find_stacks(tmp_path, recursive=True), tmp_path) == ["v/a.tif", "v/b.tif"]


def test_a_folder_that_is_itself_one_stack_is_refused(tmp_path, stack):
    write_planes(tmp_path / "a", stack)
    write_stack(stack, tmp_path / "b.zarr")
    for path, what in ((tmp_path / "a", "6 single-plane TIFFs"), (tmp_path / "b.zarr", "an OME-Zarr")):
        with pytest.raises(InputError, match=rf"itself one stack \({what}\)"):
            find_stacks(path)


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_stacks(tmp_path / "none")
    (tmp_path / "a.tif").touch()
    with pytest.raises(InputError, match="is a file"):
        find_stacks(tmp_path / "a.tif")


def test_a_folder_that_cannot_be_read_is_left_out_and_said(tmp_path, stack, monkeypatch, caplog):
    write_stack(stack, tmp_path / "a.tif")
    (tmp_path / "locked").mkdir()
    listing = os.scandir

    def deny(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(os, "scandir", deny)
    with caplog.at_level(logging.WARNING):
        assert names(find_stacks(tmp_path, recursive=True), tmp_path) == ["a.tif"]
    assert "locked: is left out" in caplog.text


def test_links_to_folders_do_not_lead_in_circles(tmp_path, stack):
    (tmp_path / "sub").mkdir()
    write_stack(stack, tmp_path / "sub" / "a.tif")
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert names(find_stacks(tmp_path, recursive=True), tmp_path) == ["sub/a.tif"]


def test_known_suffixes_are_those_of_the_formats():
    for suffix in (".tif", ".tiff", ".lsm", ".zarr", ".v3draw", ".v3dpbd", ".ims", ".nrrd", ".nii", ".nii.gz", ".npy"):
        assert suffix in SUFFIXES
    assert {".czi", ".nd2", ".lif"} <= set(SUFFIXES)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=6))
def test_natural_order_is_that_of_the_numbers(numbers):
    ordered = sorted((f"img{n}.tif" for n in numbers), key=natural_key)
    assert ordered == [f"img{n}.tif" for n in sorted(numbers)]


@given(st.lists(st.text(max_size=8), max_size=6, unique=True))
def test_natural_order_does_not_depend_on_the_order_of_listing(texts):
    backwards = texts[::-1]
    assert sorted(texts, key=natural_key) == sorted(backwards, key=natural_key)
