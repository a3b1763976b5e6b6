"""TIFFs of every dialect, written by tifffile, come back as zyx with their voxel size."""

import struct

import numpy as np
import pytest
import tifffile

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_plain_tiff_keeps_every_voxel(tmp_path, stack, dtype, byteorder):
    data = stack.astype(dtype) * dtype(3)
    tifffile.imwrite(tmp_path / "a.tif", data, byteorder=byteorder, metadata=None)
    read = read_stack(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.data, data)
    assert read.data.dtype == np.dtype(dtype)
    assert read.data.dtype.isnative
    assert read.voxel_size is None
    assert read.channel is None


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": 2},
        {"compression": "zstd"},
        {"compression": "jpeg2000", "compressionargs": {"reversible": True}},
        {"compression": "deflate", "tile": (16, 16)},
        {"volumetric": True, "tile": (16, 16, 16)},
        {"rowsperstrip": 3},
    ],
    ids=str,
)
def test_lossless_codecs_and_layouts_keep_every_voxel(tmp_path, stack, options):
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data, stack)


@pytest.mark.parametrize("planes", [2, 3, 4, 20])
@pytest.mark.parametrize("metadata", [None, {}])
def test_few_planes_are_planes_and_not_colours(tmp_path, planes, metadata):
    data = np.arange(planes * 30, dtype=np.uint8).reshape(planes, 5, 6)
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=metadata, photometric="minisblack")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data, data)


@pytest.mark.parametrize("metadata", [None, {}])
def test_three_planes_that_a_writer_took_for_rgb_are_planes(tmp_path, metadata):
    data = np.arange(90, dtype=np.uint8).reshape(3, 5, 6)  # what tifffile.imwrite(path, data) makes of them by default
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=metadata, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data, data)


@pytest.mark.parametrize("imagej", [True, False])
def test_colours_count_as_channels(tmp_path, stack, refusal, imagej):
    colours = np.stack([stack, stack // 2, stack // 3], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", imagej=imagej, metadata={"axes": "ZYXS"})
    assert "has 3 channels" in refusal(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif", channel=1).data, stack // 2)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_imagej_hyperstack_gives_the_channel_asked_for(tmp_path, two, refusal, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, two.swapaxes(0, 1), imagej=True, metadata={"axes": "ZCYX"}, compression=compression)
    assert refusal(path) == f"{path}: has 2 channels; choose one by --channel: 0, 1"
    assert refusal(path, channel=2) == f"{path}: has no channel 2; channels: 0, 1"
    refusal(path, channel=-1)
    for channel in (0, 1):
        read = read_stack(path, channel=channel)
        np.testing.assert_array_equal(read.data, two[channel])
        assert read.channel == channel


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_tiff_gives_channels_names_and_voxel_size(tmp_path, two, refusal, axes, compression):
    metadata = {
        "axes": axes, "Channel": {"Name": ["GFP", "Zn\nT"]},
        "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.001, "PhysicalSizeZUnit": "mm",
    }  # fmt: skip
    data = two if axes == "CZYX" else two.swapaxes(0, 1)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, metadata=metadata, compression=compression, photometric="minisblack")
    assert "0 (GFP), 1 (Zn" in refusal(path)
    read = read_stack(path, channel=1)
    np.testing.assert_array_equal(read.data, two[1])
    np.testing.assert_allclose(read.voxel_size.zyx, [1, 0.5, 0.25])


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "microns"])
def test_imagej_spacing_unit_and_resolution_give_the_voxel_size(tmp_path, stack, unit):
    metadata = {"axes": "ZYX", "spacing": 0.7, "unit": unit}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, resolution=(4.0, 2.0), metadata=metadata)
    np.testing.assert_allclose(read_stack(tmp_path / "a.tif").voxel_size.zyx, [0.7, 0.5, 0.25])


@pytest.mark.parametrize("unit", ["\u00b5m", "\u03bcm"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_imagej_units_in_greek_letters_are_micrometres(tmp_path, stack, unit, encoding):
    text = f"ImageJ=1.54f\nimages=6\nslices=6\nspacing=2.0\nunit={unit}\n".encode(encoding, "backslashreplace")
    options = {"resolution": (4.0, 2.0), "metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", stack, description=text, **options)
    assert read_stack(tmp_path / "a.tif").voxel_size == VoxelSize(2, 0.5, 0.25)


def test_imagej_without_spacing_means_one_unit_and_says_so(tmp_path, stack, caplog):
    metadata = {"axes": "ZYX", "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    np.testing.assert_allclose(read_stack(tmp_path / "a.tif").voxel_size.zyx, [1, 0.5, 0.5])
    assert "--voxel-size" in caplog.text


@pytest.mark.parametrize(
    ("metadata", "options", "said"),
    [
        ({"axes": "ZYX"}, {}, ""),
        ({"axes": "ZYX", "spacing": 0.7, "unit": "pixel"}, {"resolution": (4, 4)}, "no known unit"),
        ({"axes": "ZYX", "spacing": 0.7}, {"resolution": (72, 72), "resolutionunit": "INCH"}, ""),
        ({"axes": "ZYX", "spacing": -2e9, "unit": "um"}, {"resolution": (4, 4)}, "at most 10000"),
        ({"axes": "ZYX", "spacing": 0.0, "unit": "um"}, {"resolution": (4, 4)}, "cannot be right"),
    ],
)
def test_unknown_voxel_size_is_none_and_what_looks_like_one_is_said(tmp_path, stack, caplog, metadata, options, said):
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata=metadata, **options)
    assert read_stack(tmp_path / "a.tif").voxel_size is None
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_resolution_alone_gives_no_voxel_size(tmp_path, stack):
    tifffile.imwrite(tmp_path / "a.tif", stack, resolution=(20000, 20000), resolutionunit="CENTIMETER")
    assert read_stack(tmp_path / "a.tif").voxel_size is None


def test_spacing_in_the_description_of_tifffile_counts(tmp_path, stack):
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"spacing_um_zyx": [1.0, 0.5, 0.25]})
    assert read_stack(tmp_path / "a.tif").voxel_size == VoxelSize(1, 0.5, 0.25)
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "b.tif", stack, metadata=metadata, resolution=(4.0, 2.0))
    assert read_stack(tmp_path / "b.tif").voxel_size == VoxelSize(2, 0.5, 0.25)


def test_a_voxel_size_that_is_given_wins_and_silences_doubts(tmp_path, stack, caplog):
    metadata = {"axes": "ZYX", "spacing": 0.7, "unit": "pixel"}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata=metadata)
    assert read_stack(tmp_path / "a.tif", voxel_size=VoxelSize(3, 2, 1)).voxel_size == VoxelSize(3, 2, 1)
    assert not caplog.text


def test_time_series_are_refused_with_advice(tmp_path, stack, two, refusal):
    tifffile.imwrite(tmp_path / "t.tif", stack, imagej=True, metadata={"axes": "TYX"})
    assert "time series of 6 frames" in refusal(tmp_path / "t.tif")
    assert "declare them as z" in refusal(tmp_path / "t.tif")
    tifffile.imwrite(tmp_path / "tz.ome.tif", two, metadata={"axes": "TZYX"}, photometric="minisblack")
    assert "one time point" in refusal(tmp_path / "tz.ome.tif")


def test_flat_and_manifold_images_are_refused(tmp_path, stack, refusal):
    tifffile.imwrite(tmp_path / "flat.tif", stack[0])
    assert "is a 2D image of 10 x 12 pixels" in refusal(tmp_path / "flat.tif")
    tifffile.imwrite(tmp_path / "channels.tif", stack, imagej=True, metadata={"axes": "CYX"})
    assert "in 6 channels (planes? then declare them as z" in refusal(tmp_path / "channels.tif")
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as tif:
        tif.write(stack, photometric="minisblack", metadata={"axes": "ZYX"})
        tif.write(stack[:4], photometric="minisblack", metadata={"axes": "ZYX"})
    assert "holds 2 images" in refusal(tmp_path / "two.ome.tif")
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as tif:
        tif.write(stack[0], metadata=None)
        tif.write(stack[0, :4], metadata=None)
    assert "10 x 12 and 4 x 12" in refusal(tmp_path / "mixed.tif")


def test_pyramids_give_their_largest_level(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(stack, subifds=1, metadata={"axes": "ZYX"}, photometric="minisblack")
        tif.write(stack[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.ome.tif").data, stack)


def lsm_info(shape: tuple[int, ...]) -> bytes:
    """The head of a CZ_LSMINFO of (Z, C, Y, X), voxels of 0.25, 0.5, 1 um, as Zeiss lays it out."""
    z, c, y, x = shape
    start = struct.pack("<Ii5i", 0x0400494C, 512, x, y, z, c, 1) + struct.pack("<iii", 1, 128, 128)
    return (start + struct.pack("<ddd", 0.25e-6, 0.5e-6, 1e-6)).ljust(512, b"\0")


def test_lsm_gives_channels_and_voxel_size(tmp_path, stack):
    path = tmp_path / "a.lsm"
    three = np.stack([stack, stack[::-1], stack[:, ::-1]])
    info = lsm_info((6, 3, 10, 12))
    with tifffile.TiffWriter(path, byteorder="<") as tif:
        for z in range(6):
            extra = [(34412, 1, len(info), info, True)] if z == 0 else []
            tif.write(three[:, z], photometric="minisblack", planarconfig="separate", metadata=None, extratags=extra)
            tif.write(three[:, z, ::4, ::4], photometric="rgb", planarconfig="separate", subfiletype=1, metadata=None)
    read = read_stack(path, channel=1)
    np.testing.assert_array_equal(read.data, three[1])
    np.testing.assert_allclose(read.voxel_size.zyx, [1, 0.5, 0.25])


def test_the_type_decides_what_is_converted(tmp_path, stack):
    tifffile.imwrite(tmp_path / "i16.tif", stack.astype(np.int16))
    assert read_stack(tmp_path / "i16.tif").data.dtype == np.uint16
    tifffile.imwrite(tmp_path / "bool.tif", stack > 99)
    np.testing.assert_array_equal(read_stack(tmp_path / "bool.tif").data, (stack > 99).astype(np.uint8))
    tifffile.imwrite(tmp_path / "f64.tif", stack / 3)
    read = read_stack(tmp_path / "f64.tif").data
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, stack / 3, rtol=1e-7)
    tifffile.imwrite(tmp_path / "neg.tif", stack.astype(np.int16) - 300)
    read = read_stack(tmp_path / "neg.tif").data
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, stack.astype(np.int16) - 300)
    tifffile.imwrite(tmp_path / "u32.tif", stack.astype(np.uint32) * 1000)
    np.testing.assert_array_equal(read_stack(tmp_path / "u32.tif").data, stack.astype(np.float32) * 1000)
    tifffile.imwrite(tmp_path / "c.tif", stack.astype(np.complex64))
    with pytest.raises(InputError, match="complex64"):
        read_stack(tmp_path / "c.tif")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named_with_their_place(tmp_path, stack, refusal, value):
    data = stack.astype(np.float32)
    data[4, 3, 2] = value
    tifffile.imwrite(tmp_path / "a.tif", data)
    assert f"holds {value} at z=4, y=3, x=2" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("folder", [False, True])
def test_white_is_zero_is_inverted_on_reading_unless_asked_otherwise(tmp_path, folder, rng):
    data = rng.integers(0, 256, (4, 20, 30)).astype(np.uint8)
    path = tmp_path / ("planes" if folder else "stack.tif")
    if folder:
        path.mkdir()
        for z, plane in enumerate(data):
            tifffile.imwrite(path / f"z{z:02d}.tif", 255 - plane, photometric="miniswhite")
    else:
        tifffile.imwrite(path, 255 - data, photometric="miniswhite")
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.data, data)
    assert stack.inverted
    stored = read_stack(path, invert=False)
    np.testing.assert_array_equal(stored.data, 255 - data)
    assert stored.inverted is False


def test_invert_exchanges_bright_and_dark_of_any_file(tmp_path, rng):
    data = rng.integers(0, 65536, (4, 20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", data, photometric="minisblack")
    assert read_stack(tmp_path / "stack.tif").inverted is None
    np.testing.assert_array_equal(read_stack(tmp_path / "stack.tif", invert=True).data, 65535 - data)


def test_a_tile_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "a.tif"
    made = {"tile": (16, 16), "compression": "zstd", "byteorder": "<", "photometric": "minisblack"}
    tifffile.imwrite(path, np.zeros((3, 20, 20), np.uint16), **made)
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].tags["TileLength"].valueoffset
    raw = bytearray(path.read_bytes())
    raw[at - 6], raw[at : at + 4] = 4, struct.pack("<I", 2**32 - 1)  # type LONG, value
    path.write_bytes(raw)
    with pytest.raises(FormatError, match="a tile of plane 1 of 3 claims"):
        read_stack(path)
