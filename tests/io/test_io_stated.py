"""Axes and voxel sizes that files state in ways of their own, and states that cannot be right."""

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack
from neurorecon.io.units import Scale, scale_findings

SHAPE = (12, 40, 48)


@pytest.fixture
def data():
    return np.random.default_rng(3).integers(5, 200, SHAPE).astype(np.uint8)


def names(stack):
    return [finding.name for finding in stack.findings]


def text(stack):
    return " ".join(str(finding) for finding in stack.findings)


def ome(path, data, **meta):
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, **meta})
    return read_stack(path)


def places(values, unit="\u00b5m"):
    return {"Plane": {"PositionZ": list(values), "PositionZUnit": [unit] * len(values)}}


def test_a_size_in_decimetres_is_converted(tmp_path, data):
    stack = ome(tmp_path / "a.ome.tif", data, PhysicalSizeZ=1e-5, PhysicalSizeZUnit="dm")
    assert (stack.voxel_size.z, stack.voxel_size.x) == pytest.approx((1.0, 0.5))


def test_the_distance_of_planes_is_compared_with_their_positions(tmp_path, data):
    z = np.arange(SHAPE[0])
    even = ome(tmp_path / "even.ome.tif", data, PhysicalSizeZ=2.0, **places(2.0 * z))
    assert even.findings == ()
    other = ome(tmp_path / "other.ome.tif", data, PhysicalSizeZ=1.0, **places(0.5 * z))
    assert other.voxel_size.z == 1
    assert "0.5 um apart by their positions, 1 um by PhysicalSizeZ" in text(other)
    uneven = ome(tmp_path / "uneven.ome.tif", data, PhysicalSizeZ=1.0, **places(z + 10 * (z > 5)))
    assert "unevenly" in text(uneven)
    unknown = ome(tmp_path / "unknown.ome.tif", data, **places(3000.0 * z, "nm"))
    assert unknown.voxel_size == VoxelSize(3, 0.5, 0.5)
    assert names(unknown) == ["voxel-size-doubtful"]
    for same in (places(0.0 * z), places(1.0 * z, "reference frame")):
        assert ome(tmp_path / "same.ome.tif", data, PhysicalSizeZ=2.0, **same).findings == ()


@pytest.mark.parametrize("order", ["Channel,Z", "Z,Channel"])
def test_scale_and_order_of_scifio_are_read(tmp_path, data, order):
    channels = np.stack([data, data // 3])
    z_first = order.startswith("Z")
    pages = channels if z_first else channels.swapaxes(0, 1)
    scales, units = ("1.5,1.0", "um,null") if z_first else ("1.0,1.5", "null,um")
    lines = ["SCIFIO=0.42.0", f"axes=X,Y,{order}", f"scales=0.5,0.4,{scales}", f"units=um,um,{units}"]
    about = "\n".join([*lines, f"images={2 * SHAPE[0]}", "channels=2", f"slices={SHAPE[0]}", "hyperstack=true", ""])
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for k, plane in enumerate(pages.reshape(-1, *SHAPE[1:])):
            file.write(plane, contiguous=False, description=about if k == 0 else None, metadata=None)
    stack = read_stack(tmp_path / "a.tif", channel=1)
    np.testing.assert_array_equal(stack.data, channels[1])
    assert stack.voxel_size == VoxelSize(1.5, 0.4, 0.5)
    assert stack.findings == ()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_bare_array_is_read_by_the_names_of_its_axes(tmp_path, data, zarr_format):
    more = {"dimension_names": ["c", "x", "y", "z"]} if zarr_format == 3 else {}
    stored = np.stack([data, data // 2]).transpose(0, 3, 2, 1)
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=stored.shape,
        dtype=np.uint8,
        chunks=(1, 16, 16, 16),
        zarr_format=zarr_format,
        **more,
    )
    array[:] = stored
    if zarr_format == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["c", "x", "y", "z"]
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr", channel=1).data[:, :, :], data // 2)


def test_axes_called_depth_height_and_width_are_known(tmp_path, data):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=SHAPE, dtype=np.uint8, chunks=(8, 16, 16))[:] = data
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in ("depth", "height", "width")]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2.0, 0.5, 0.25]}]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    stack = read_stack(tmp_path / "a.zarr")
    np.testing.assert_array_equal(stack.data[:, :, :], data)
    assert stack.voxel_size == VoxelSize(2, 0.5, 0.25)


def test_arrays_whose_planes_lie_along_another_axis_are_said(tmp_path, data):
    nrrd.write(str(tmp_path / "a.nrrd"), data)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    np.save(tmp_path / "a.npy", data.transpose(1, 0, 2))
    for name in ("a.nrrd", "a.nii", "a.npy"):
        assert "axes-order" in names(read_stack(tmp_path / name)), name
    nrrd.write(str(tmp_path / "b.nrrd"), data.transpose(2, 1, 0))
    np.save(tmp_path / "b.npy", data)
    for name in ("b.nrrd", "b.npy"):
        assert names(read_stack(tmp_path / name)) == ["voxel-size-unknown"], name


def test_planes_that_are_called_channels_are_said(tmp_path, data):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([data, data])[None], imagej=True, metadata={"axes": "TZCYX"})
    stack = read_stack(tmp_path / "a.tif", channel=3)
    assert "has 2 planes and 12 channels: are they exchanged?" in text(stack)


def test_an_imaris_file_whose_extents_count_voxels_is_said(tmp_path, data):
    with h5py.File(tmp_path / "a.ims", "w") as file:
        channel = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
        channel.create_dataset("Data", data=data)
        image = file.create_group("DataSetInfo/Image").attrs
        for k, n in enumerate(reversed(SHAPE)):
            image[f"ExtMin{k}"], image[f"ExtMax{k}"] = "0", str(n)
    stack = read_stack(tmp_path / "a.ims")
    assert stack.voxel_size == VoxelSize(1, 1, 1)
    assert names(stack) == ["voxel-size-doubtful"]


@pytest.mark.parametrize(
    ("extents", "said"),
    [((30, 20, 20), True), ((20, 20, 30), False), ((26, 20, 30), False), ((60, 20, 20), True), ((24, 16, 16), True)],
)
def test_imaris_extents_in_the_order_z_y_x_are_said(tmp_path, extents, said):
    """Of 30 planes of 40 x 40 pixels; `extents` in the order of the file, which is x, y, z."""
    with h5py.File(tmp_path / "a.ims", "w") as file:
        channel = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
        channel.create_dataset("Data", data=np.zeros((30, 40, 40), np.uint8))
        image = file.create_group("DataSetInfo/Image").attrs
        for k, length in enumerate(extents):
            image[f"ExtMin{k}"], image[f"ExtMax{k}"] = "0", str(length)
    stack = read_stack(tmp_path / "a.ims")
    assert bool({"voxel-size-doubtful", "voxel-size-order"} & set(names(stack))) is said


@pytest.mark.parametrize(("size", "said"), [((0.5, 1, 0.5), True), ((1, 0.5, 0.2), True), ((1, 0.5, 0.25), False)])
def test_pixels_that_are_no_squares_are_said(size, said):
    given = VoxelSize(*size)
    assert [finding.name for finding in scale_findings(Scale(), given)] == ["voxel-size-order"] * said


def test_a_folder_of_stacks_is_told_from_a_folder_of_planes(tmp_path, data):
    for name in ("cell.tif", "other one.tif", "third.tif"):
        tifffile.imwrite(tmp_path / name, data)
    with pytest.raises(InputError, match="holds stacks, not single planes"):
        read_stack(tmp_path)


COLD = [(0, 0, 0), (0, 0, 255), (0, 255, 255), (255, 255, 0), (255, 0, 0)]


def test_a_colour_map_is_said_and_a_tint_or_two_stains_are_none(tmp_path, data):
    ramp = np.linspace(0, 1, 256)
    table = np.stack([np.interp(ramp, np.linspace(0, 1, len(COLD)), [c[k] for c in COLD]) for k in range(3)], 1)
    grey, other = data, data[:, ::-1]
    none = np.zeros_like(grey)
    kinds = {
        "map": (table.astype(np.uint8)[grey], True),
        "grey": (np.stack([grey] * 3, -1), False),
        "green": (np.stack([none, grey, none], -1), False),
        "yellow": (np.stack([grey, grey, none], -1), False),
        "orange": (np.stack([grey, grey // 2, none], -1), False),
        "tint": (np.stack([grey, grey // 2, grey // 3], -1), False),
        "stains": (np.stack([grey, other, none], -1), False),
    }
    for name, (picture, said) in kinds.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", picture, photometric="rgb")
        assert ("palette" in names(read_stack(tmp_path / f"{name}.tif", channel=1))) is said, name


@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_stack_saved_in_colour_is_read_as_grey(tmp_path, data, alpha):
    more = [np.full_like(data, 255)] if alpha else []
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"] if alpha else None}
    tifffile.imwrite(tmp_path / "a.tif", np.stack([data] * 3 + more, -1), **options)
    (tmp_path / "planes").mkdir()
    for z, plane in enumerate(data):
        picture = np.stack([plane] * 3 + [part[z] for part in more], -1)
        tifffile.imwrite(tmp_path / "planes" / f"{z:02d}.tif", picture, **options)
    for name in ("a.tif", "planes"):
        stack = read_stack(tmp_path / name)
        np.testing.assert_array_equal(stack.data, data)
        assert "grey-colours" in names(stack)
        assert "grey-colours" not in names(read_stack(tmp_path / name, channel=1))
    coloured = np.stack([data, data, data // 2], -1)
    tifffile.imwrite(tmp_path / "b.tif", coloured, photometric="rgb")
    with pytest.raises(InputError, match="3 channels; choose one by --channel"):
        read_stack(tmp_path / "b.tif")
