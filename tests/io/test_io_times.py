"""Time series: one time point is read by its number, from every format that knows the axis; truth is numpy's slice."""

import numpy as np
import pytest

from neurorecon import read_stack
from neurorecon.core.errors import InputError
from neurorecon.inspect import describe_input
from neurorecon.io import why_incomplete


@pytest.fixture
def film() -> np.ndarray:
    """(T, C, Z, Y, X) of 3 time points and 2 channels, no two stacks alike."""
    return np.random.default_rng(3).integers(0, 256, (3, 2, 5, 8, 9)).astype(np.uint8)


def write_ome_tiff(path, film, **options):
    import tifffile

    tifffile.imwrite(path, film, ome=True, metadata={"axes": "TCZYX"}, photometric="minisblack", **options)
    return path


def write_imagej(path, film):
    import tifffile

    tifffile.imwrite(path, film.transpose(0, 2, 1, 3, 4), imagej=True, metadata={"axes": "TZCYX"})
    return path


def write_ome_zarr(path, film):
    import zarr

    group = zarr.create_group(path, zarr_format=2)
    group.create_array("0", shape=film.shape, chunks=(1, 1, 2, 4, 4), dtype=film.dtype)[...] = film
    axes = [
        {"name": name, "type": kind} for name, kind in zip("tczyx", ("time", "channel", *["space"] * 3), strict=True)
    ]
    scale = [{"type": "scale", "scale": [1.0] * 5}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return path


def write_ims(path, film):
    import h5py

    with h5py.File(path, "w") as file:
        for t, frame in enumerate(film):
            for c, stack in enumerate(frame):
                group = file.create_group(f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}")
                for axis, n in zip("ZYX", stack.shape, strict=True):
                    group.attrs[f"ImageSize{axis}"] = np.array(list(str(n)), "S1")
                group.create_dataset("Data", data=stack)
        file.create_group("DataSetInfo/Image")
    return path


def write_nrrd(path, film):
    import nrrd

    header = {"kinds": ["space"] * 3 + ["list", "time"]}
    nrrd.write(str(path), film.transpose(4, 3, 2, 1, 0), header)
    return path


def write_nifti(path, film):
    import nibabel

    image = nibabel.Nifti1Image(film.transpose(4, 3, 2, 0, 1), np.eye(4))  # x, y, z, t, and a fifth axis
    nibabel.save(image, path)
    return path


def write_v3draw(path, film):
    lengths = np.array(film.shape[::-1], "<i4").tobytes()
    path.write_bytes(b"raw5image_stack_by_hpeng" + b"L" + np.array(1, "<i2").tobytes() + lengths + film.tobytes())
    return path


def write_planes(folder, film, name):
    import tifffile

    folder.mkdir()
    for t, c, z in np.ndindex(film.shape[:3]):
        tifffile.imwrite(folder / name.format(t=t, c=c, z=z), film[t, c, z])


WRITERS = {
    "a.ome.tif": write_ome_tiff,
    "a.tif": write_imagej,
    "a.ome.zarr": write_ome_zarr,
    "a.ims": write_ims,
    "a.nrrd": write_nrrd,
    "a.nii": write_nifti,
    "a.v3draw": write_v3draw,
}


@pytest.mark.parametrize("name", WRITERS)
def test_one_time_point_and_channel_are_those_of_numpy(tmp_path, film, name):
    path = WRITERS[name](tmp_path / name, film)
    for t in range(3):
        for c in range(2):
            stack = read_stack(path, time=t, channel=c)
            np.testing.assert_array_equal(np.asarray(stack.data[:]), film[t, c])
            assert (stack.time, stack.channel) == (t, c)


@pytest.mark.parametrize("name", WRITERS)
def test_without_a_number_a_time_series_is_refused_with_both_ways_out(tmp_path, film, refusal, name):
    path = WRITERS[name](tmp_path / name, film)
    message = refusal(path, channel=0)
    assert "time series of 3 frames" in message
    assert "--time, from 0 to 2" in message
    assert "--time all" in message
    assert "has no time point 3; they go from 0 to 2" in refusal(path, channel=0, time=3)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16), "compression": "zlib"}])
def test_a_time_point_of_a_large_tiff_is_read_block_by_block(tmp_path, film, monkeypatch, options):
    monkeypatch.setattr("neurorecon.io.formats.tiff.tiff.is_large", lambda _bytes: True)
    path = write_ome_tiff(tmp_path / "a.ome.tif", film, **options)
    stack = read_stack(path, time=2, channel=1)
    assert not isinstance(stack.data, np.ndarray)
    np.testing.assert_array_equal(stack.data[1:4, 2:7, 3:], film[2, 1, 1:4, 2:7, 3:])


def test_one_channel_of_a_series_needs_its_time_only(tmp_path, film):
    path = write_ome_tiff(tmp_path / "a.ome.tif", film[:, :1])
    stack = read_stack(path, time=1)
    np.testing.assert_array_equal(stack.data, film[1, 0])
    assert stack.channel is None


def test_a_stack_that_is_no_series_is_its_own_first_time_point(tmp_path, film, refusal):
    path = write_ome_tiff(tmp_path / "a.ome.tif", film[:1, :1])
    np.testing.assert_array_equal(read_stack(path, time=0).data, film[0, 0])
    assert read_stack(path, time=0).time is None
    assert "it is one stack" in refusal(path, time=1)


def test_a_series_of_single_planes_is_refused_whatever_the_time(tmp_path, film, refusal):
    path = write_ome_tiff(tmp_path / "a.ome.tif", film[:, :1, :1])
    for time in (None, 0):
        assert "time series of 3 frames of one plane" in refusal(path, time=time)
        assert "declare them as z" in refusal(path, time=time)


def test_all_time_points_are_looked_at_before_a_stack_counts_as_complete(tmp_path, film):
    path = write_ome_zarr(tmp_path / "a.ome.zarr", film)
    assert why_incomplete(path) is None
    (path / "0" / "2.1.0.0.0").write_bytes(b"no chunk")
    assert "damaged" in str(why_incomplete(path).reason)


def test_doctor_tells_of_the_time_points(tmp_path, film):
    path = write_ome_tiff(tmp_path / "a.ome.tif", film)
    lines, _ = describe_input(path, time=1, channel=0)
    assert dict(lines)["time points"] == "3, of which one is read"
    with pytest.raises(InputError, match="choose one time point by --time"):
        describe_input(path, channel=0)


@pytest.mark.parametrize(
    "name", ["s_t{t}_c{c}_z{z:02d}.tif", "img_{z:03d}_ch{c}_time{t:03d}.tif", "T{t:04d}Z{z:02d}C{c:02d}.tif"]
)
@pytest.mark.parametrize("large", [False, True])
def test_of_a_folder_of_planes_over_time_one_time_point_is_read(tmp_path, film, refusal, monkeypatch, name, large):
    monkeypatch.setattr("neurorecon.io.formats.tiff.plane_folder.is_large", lambda _bytes: large)
    write_planes(tmp_path / "a", film, name)
    assert "time series of 3 frames" in refusal(tmp_path / "a", channel=0)
    for t in range(3):
        for c in range(2):
            np.testing.assert_array_equal(read_stack(tmp_path / "a", time=t, channel=c).data[:], film[t, c])


def test_time_points_of_unequal_numbers_of_planes_are_refused(tmp_path, film, refusal):
    write_planes(tmp_path / "a", film[:, :1], "s_t{t}_z{z}.tif")
    (tmp_path / "a" / "s_t2_z4.tif").unlink()
    assert "time point 2 has 4 planes, the first one 5" in refusal(tmp_path / "a", time=0)


def test_an_ome_xml_that_names_planes_over_time_is_followed(tmp_path, film):
    import tifffile

    folder = tmp_path / "a"
    folder.mkdir()
    places = [(t, c, z) for t in range(3) for c in range(2) for z in range(5)]
    data = "".join(
        f'<TiffData FirstT="{t}" FirstC="{c}" FirstZ="{z}" IFD="0"><UUID FileName="p{n}.ome.tif">urn:uuid:{n}</UUID></TiffData>'
        for n, (t, c, z) in enumerate(places)
    )
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="9" SizeY="8" SizeZ="5" SizeC="2" SizeT="3">'
        f'<Channel ID="Channel:0:0" Name="GFP"/><Channel ID="Channel:0:1" Name="RFP"/>{data}</Pixels></Image></OME>'
    )
    for n, place in enumerate(places):
        tifffile.imwrite(folder / f"p{n}.ome.tif", film[place], description=text, metadata=None, ome=False)
    for t in range(3):
        found = read_stack(folder, time=t, channel=1)
        np.testing.assert_array_equal(found.data, film[t, 1])
        assert found.channel_name == "RFP"
