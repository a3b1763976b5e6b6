"""Files that working people have and that were read wrongly, or refused with words that mislead."""

import sys
import types

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.inspect import examined
from neurorecon.io import read_probability, read_stack, write_stack

UM = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
SCALE = {"type": "scale", "scale": [1.0, 0.5, 0.25]}


def names(stack):
    return [finding.name for finding in stack.findings]


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"photometric": "palette", "colormap": "grey"}])
def test_planes_that_were_written_one_by_one_are_one_stack(tmp_path, stack, options):
    data = stack.astype(np.uint8)
    if "colormap" in options:
        options["colormap"] = np.stack([np.arange(256, dtype=np.uint16) * 257] * 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for plane in data:
            file.write(plane, contiguous=False, **options)
    read = read_stack(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.data, data)
    assert "palette" not in names(read)


def test_two_stacks_that_were_written_one_after_the_other_are_not_one(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(2):
            file.write(stack, contiguous=False)
    with pytest.raises(InputError):
        read_stack(tmp_path / "a.tif")


def test_colours_that_do_not_grow_with_their_numbers_are_said(tmp_path, stack):
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for plane in stack.astype(np.uint8):
            file.write(plane, photometric="palette", colormap=colours, contiguous=False)
    assert "palette" in names(read_stack(tmp_path / "a.tif"))


def test_colours_of_the_planes_of_a_folder_are_said_too(tmp_path, stack):
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16)
    for z, plane in enumerate(stack.astype(np.uint8)):
        tifffile.imwrite(tmp_path / f"p{z:02d}.tif", plane, photometric="palette", colormap=colours)
    assert "palette" in names(read_stack(tmp_path))


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_planes_that_the_header_does_not_count_are_said(tmp_path, kind):
    data = np.zeros((12, 20, 24), np.uint8)
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    tifffile.imwrite(path, data, **{kind: True}, metadata={"axes": "ZYX"})
    assert "uncounted-planes" not in names(read_stack(path))
    content = path.read_bytes()
    for old, new in ((b"images=12", b"images=08"), (b"slices=12", b"slices=08"), (b'SizeZ="12"', b'SizeZ="08"')):
        content = content.replace(old, new)
    path.write_bytes(content)
    read = read_stack(path)
    assert read.shape == (8, 20, 24)
    assert "uncounted-planes" in names(read)


def test_series_of_two_sizes_in_a_folder_name_the_file_that_differs(tmp_path, refusal):
    for z in range(4):
        tifffile.imwrite(tmp_path / f"a_{z}.tif", np.zeros((20, 24), np.uint8))
        tifffile.imwrite(tmp_path / f"b_{z}.tif", np.zeros((18, 24), np.uint8))
    assert "b_0.tif: is 18 x 24 uint8, a_0.tif is 20 x 24 uint8" in refusal(tmp_path, channel=1)


def test_a_plain_tiff_whose_planes_come_last_is_said(tmp_path):
    data = np.zeros((40, 44, 12), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=None)
    assert "axes-order" in names(read_stack(tmp_path / "a.tif"))
    tifffile.imwrite(tmp_path / "b.tif", data, imagej=True, metadata={"axes": "ZYX"})
    assert "axes-order" not in names(read_stack(tmp_path / "b.tif"))


@pytest.mark.parametrize("name", ["map.tif", "map.ome.zarr"])
def test_a_map_of_neurorecon_is_said_where_a_grey_stack_is_asked_for_and_nowhere_else(tmp_path, caplog, name):
    data = np.random.default_rng(0).integers(0, 255, (6, 20, 24), np.uint8)
    write_stack(Probability(data, VoxelSize(1, 1, 1)), tmp_path / name)
    read_probability(tmp_path / name)
    assert not caplog.text
    examined(read_stack(tmp_path / name))
    assert "is a probability that neurorecon wrote, no grey stack; give the stack that it was made from" in caplog.text


def image(path, data, *, transforms=(SCALE,), more=None):
    """An OME-Zarr 0.4 image of one level (Z, Y, X)."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=data)
    level = {"path": "0", "coordinateTransformations": list(transforms)}
    group.attrs.update({"multiscales": [{"version": "0.4", "axes": UM, "datasets": [level]}], **(more or {})})
    return path


def test_a_translation_moves_nothing(tmp_path, stack):
    moved = {"type": "translation", "translation": [100, 20, 30]}
    read = read_stack(image(tmp_path / "a.zarr", stack, transforms=(SCALE, moved)))
    assert read.voxel_size == VoxelSize(1, 0.5, 0.25)
    assert read.findings == ()


@pytest.mark.parametrize(
    "transform", [{"type": "affine", "affine": []}, {"type": "scale", "scale": [1, 1]}, {"type": "scale"}]
)
def test_a_transformation_that_is_not_read_leaves_the_voxel_size_unknown_with_a_word(tmp_path, stack, transform):
    read = read_stack(image(tmp_path / "a.zarr", stack, transforms=(transform,)))
    np.testing.assert_array_equal(read.data, stack)
    assert read.voxel_size is None
    assert names(read) == ["voxel-size-doubtful"]


def test_a_label_image_and_several_images_in_one_group_are_said(tmp_path, stack):
    assert names(read_stack(image(tmp_path / "a.zarr", stack, more={"image-label": {"version": "0.4"}}))) == ["labels"]
    path = image(tmp_path / "b.zarr", stack)
    group = zarr.open_group(str(path), mode="a")
    group.attrs["multiscales"] = [*group.attrs["multiscales"], *group.attrs["multiscales"]]
    assert names(read_stack(path)) == ["several-images"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "pointer of Git LFS"),
        (b"/annex/objects/SHA256E-s1--aa.tif\n", "pointer of git-annex"),
        (b"\n<!DOCTYPE html>\n<html>Sign in</html>", "is a page of the web"),
        (b"%PDF-1.7\n", "is a document"),
    ],
)
def test_what_stands_in_for_a_file_is_called_so(tmp_path, refusal, content, said):
    (tmp_path / "a.tif").write_bytes(content)
    assert said in refusal(tmp_path / "a.tif")


def test_links_that_lead_nowhere_are_called_so(tmp_path, refusal):
    (tmp_path / "a.tif").symlink_to(tmp_path / "b.tif")
    (tmp_path / "b.tif").symlink_to(tmp_path / "a.tif")
    (tmp_path / "c.tif").symlink_to("/nowhere/x.tif")
    assert f"is a link to {tmp_path / 'b.tif'}, where nothing is" in refusal(tmp_path / "a.tif")
    assert "is a link to /nowhere/x.tif" in refusal(tmp_path / "c.tif")
    assert "no such file" in refusal(tmp_path / "d.tif")


@pytest.mark.parametrize(
    ("name", "said"),
    [("t00000/s00/0/cells", "of BigDataViewer or BigStitcher"), ("exported_data", "with exported_data of 4 x 5 x 6")],
)
def test_hdf5_of_others_is_called_by_what_is_in_it(tmp_path, refusal, name, said):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = np.zeros((4, 5, 6), np.uint8)
    assert f"is HDF5 {said}" in refusal(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("in/a.czi", "it holds .czi files: give one of them, or the folder to `neurorecon batch`"),
        ("in/a.dcm", "it holds DICOM files"),
        ("in/info", "a Neuroglancer precomputed volume"),
        ("in/000000/000000_000000/000000.tif", "as tiles of TeraStitcher do"),
    ],
)
def test_a_folder_without_planes_says_what_it_holds(tmp_path, refusal, path, said):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(b"")
    assert said in refusal(tmp_path / "in")


class Unscaled:
    """A reader of bioio for a CZI without a voxel size: it raises, as that of bioio-czi does."""

    scenes = ("only",)
    shape = (1, 2, 6, 10, 12)
    dims = types.SimpleNamespace(order="TCZYX")
    dtype = np.uint8

    def __init__(self, path):
        pass

    @property
    def physical_pixel_sizes(self):
        raise RuntimeError("Expected 1 distance scale for dimension 'Y' but found 0.")

    @property
    def channel_names(self):
        return self.physical_pixel_sizes

    def get_image_dask_data(self, axes, **picks):
        return np.zeros((6, 10, 12), np.uint8)


def test_a_czi_without_a_voxel_size_is_not_called_damaged(tmp_path, monkeypatch, refusal):
    monkeypatch.setitem(sys.modules, "bioio_czi", types.SimpleNamespace(Reader=Unscaled))
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE" + bytes(100))
    read = read_stack(tmp_path / "a.czi", channel=1)
    assert read.voxel_size is None
    assert names(read) == ["voxel-size-unknown"]
    monkeypatch.setattr(Unscaled, "get_image_dask_data", lambda self, axes, **picks: self.channel_names)
    assert "states no voxel size, without which its reader gives no voxels" in refusal(tmp_path / "a.czi", channel=1)
    monkeypatch.setattr(Unscaled, "shape", (1, 2, 1, 10, 12))
    with pytest.raises(InputError, match="is a 2D image of 10 x 12 pixels") as caught:
        read_stack(tmp_path / "a.czi")
    assert not isinstance(caught.value, FormatError)
