"""Inputs of working people that are odd: read with the right voxels and voxel size, or said, each by its name."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import find_stacks, read_stack

UNIT = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1.0}


def names(stack):
    return [finding.name for finding in stack.findings if finding.level == "warning"]


def scanimage(path, pages, header):
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(pages):
            file.write(page, contiguous=False, photometric="minisblack", software=header, metadata=None,
                       description=f"frameNumbers = {number + 1}")  # fmt: skip


HEADER = (
    "SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = {channels}\nSI.hStackManager.actualNumSlices = {slices}\n"
    "SI.hStackManager.framesPerSlice = {frames}\nSI.hStackManager.stackZStepSize = 2"
)


def test_channels_that_scanimage_stores_in_turn_are_channels(tmp_path, two, refusal):
    turns = two.transpose(1, 0, 2, 3).reshape(-1, 10, 12).astype(np.int16)
    scanimage(tmp_path / "a.tif", turns, HEADER.format(channels="[1;2]", slices=6, frames=1))
    assert "has 2 channels" in refusal(tmp_path / "a.tif")
    for channel in (0, 1):
        np.testing.assert_array_equal(read_stack(tmp_path / "a.tif", channel=channel).data, two[channel])


def test_a_scanimage_header_gives_the_voxel_size_where_it_has_the_field(tmp_path, stack):
    header = HEADER.format(channels=1, slices=6, frames=1)
    scanimage(tmp_path / "a.tif", stack, header)
    assert names(read_stack(tmp_path / "a.tif")) == ["voxel-size-doubtful"]
    scanimage(tmp_path / "b.tif", stack, f"{header}\nSI.hRoiManager.imagingFovUm = [-3 -5;3 -5;3 5;-3 5]")
    assert read_stack(tmp_path / "b.tif").voxel_size == VoxelSize(2, 1, 0.5)


def test_frames_of_the_way_back_of_scanimage_are_said_and_several_volumes_of_them_refused(tmp_path, stack, refusal):
    header = HEADER.format(channels=1, slices=4, frames=1) + "\nSI.hFastZ.numDiscardFlybackFrames = 2"
    scanimage(tmp_path / "a.tif", stack, header)
    read = read_stack(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.data, stack)
    said = next(finding.text for finding in read.findings if finding.name == "scanimage-planes")
    assert said == "its ScanImage header counts 4 slices, 6 planes are there: the last 2 were taken on the way back"
    scanimage(tmp_path / "b.tif", np.concatenate([stack, stack]), header.replace("Slices = 4", "Slices = 5"))
    assert "counts 5 slices, 12 planes are there" in str(read_stack(tmp_path / "b.tif").findings)
    scanimage(tmp_path / "c.tif", np.concatenate([stack, stack, stack]), header)
    assert "holds 3 volumes of 4 slices, and 2 frames of the way back behind each" in refusal(tmp_path / "c.tif")


@pytest.mark.parametrize(("rois", "said"), [(3, "3 fields (mROI)"), (1, None)])
def test_several_fields_in_a_frame_of_scanimage_are_said(tmp_path, stack, rois, said):
    header = HEADER.format(channels=1, slices=6, frames=1) + "\nSI.hRoiManager.mroiEnable = 1"
    about = json.dumps({"RoiGroups": {"imagingRoiGroup": {"rois": [{}] * rois}}})
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=True) as file:
        for plane in stack:
            tags = [(315, "s", 0, about, True)]
            file.write(plane, contiguous=False, software=header, metadata=None, extratags=tags)
    found = [
        str(finding) for finding in read_stack(tmp_path / "a.tif").findings if finding.name == "views-side-by-side"
    ]
    assert len(found) == (said is not None)
    assert all(said in text for text in found)


@pytest.mark.parametrize(
    ("channels", "slices", "frames", "said"),
    [
        ("[1;2]", 3, 2, "time series"),
        ("[1;2;3;4]", 6, 1, "4 channels, which 6 pages do not divide"),
        (1, 4, 2, "slices of"),
        (1, 2, 2, "a series of volumes with frames in turn"),
    ],
)
def test_scanimage_files_of_several_frames_or_cut_off_are_refused(
    tmp_path, stack, refusal, channels, slices, frames, said
):
    pages = np.concatenate([stack, stack]) if "series" in said else stack
    scanimage(tmp_path / "a.tif", pages, HEADER.format(channels=channels, slices=slices, frames=frames))
    assert said in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize(("frames", "order"), [(2, (1, 0, 2, 3, 4)), (1, (0, 1, 2, 3, 4))])
def test_scanimage_stores_frames_of_a_slice_in_turn_and_volumes_one_after_the_other(tmp_path, rng, frames, order):
    film = rng.integers(0, 255, (2, 3, 2, 10, 12)).astype(np.int16)  # time, slices, channels
    scanimage(
        tmp_path / "a.tif",
        film.transpose(order).reshape(-1, 10, 12),
        HEADER.format(channels="[1;2]", slices=3, frames=frames),
    )
    for time in (0, 1):
        np.testing.assert_array_equal(read_stack(tmp_path / "a.tif", channel=1, time=time).data, film[time, :, 1])


def test_planes_that_differ_in_their_packing_alone_are_one_stack(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, plane in enumerate(stack):
            packing = ("lzw", None, "zlib")[number % 3]
            file.write(plane, metadata=None, contiguous=False, compression=packing, photometric="minisblack")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data, stack)


def edited_ome(path, stack, *changes):
    tifffile.imwrite(path, stack, metadata=UNIT)
    text = tifffile.tiffcomment(path)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    tifffile.tiffcomment(path, text.encode())
    return path


@pytest.mark.parametrize(
    "changes",
    [
        [('PhysicalSizeZ="1.0"', 'PhysicalSizeZ="1,0"')],
        [(' SizeT="1"', "")],
        [('"XYCZT"', '"XYCZ"'), (' SizeT="1"', "")],
    ],
)
def test_ome_xml_that_is_odd_but_harmless_is_read(tmp_path, stack, changes):
    read = read_stack(edited_ome(tmp_path / "a.ome.tif", stack, *changes))
    np.testing.assert_array_equal(read.data, stack)
    assert read.voxel_size == VoxelSize(1, 0.5, 0.5)


def test_a_voxel_size_that_is_no_number_does_not_refuse_the_voxels(tmp_path, stack):
    path = edited_ome(tmp_path / "a.ome.tif", stack, ('PhysicalSizeZ="1.0"', 'PhysicalSizeZ="one"'))
    read = read_stack(path)
    assert read.voxel_size is None
    assert names(read) == ["voxel-size-doubtful"]
    assert read_stack(path, voxel_size=VoxelSize(1, 2, 3)).voxel_size == VoxelSize(1, 2, 3)


def test_planes_of_an_ome_set_whose_metadata_lie_elsewhere_are_read(tmp_path, stack):
    text = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">'
    text += '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:2"/></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata=None, description=text, photometric="minisblack")
    read = read_stack(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(read.data, stack)
    assert "metadata-elsewhere" in names(read)


@pytest.mark.parametrize("master", ["a.companion.ome", "other.ome.tif"])
def test_metadata_that_lie_in_a_file_beside_it_are_read_from_there(tmp_path, stack, two, refusal, master):
    planes = "".join(
        f'<TiffData FirstC="{c}" FirstZ="{z}" IFD="{2 * z + c}" PlaneCount="1">'
        '<UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
        for c in (0, 1)
        for z in range(len(stack))
    )
    scale = 'PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="2"'
    space = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    lengths = 'SizeX="12" SizeY="10" SizeZ="6" SizeC="2" SizeT="1"'
    text = (
        f'<OME {space} UUID="urn:uuid:2"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" {lengths} {scale}>'
        f'<Channel ID="Channel:0:0" Name="DAPI"/><Channel ID="Channel:0:1" Name="GFP"/>{planes}</Pixels></Image></OME>'
    )
    if master.endswith(".tif"):
        tifffile.imwrite(tmp_path / master, stack[0], metadata=None, description=text)
    else:
        (tmp_path / master).write_text(text)
    part = f'<OME {space} UUID="urn:uuid:1"><BinaryOnly MetadataFile="{master}"/></OME>'
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        for k, plane in enumerate(two.swapaxes(0, 1).reshape(-1, *stack.shape[1:])):
            file.write(plane, contiguous=False, description=part if k == 0 else None, metadata=None)
    assert "0 (DAPI), 1 (GFP)" in refusal(tmp_path / "a.ome.tif")
    read = read_stack(tmp_path / "a.ome.tif", channel=1)
    np.testing.assert_array_equal(read.data, two[1])
    assert read.voxel_size == VoxelSize(2, 0.5, 0.5)


def write_ome_planes(folder, stack, missing=()):
    entries = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="p_{9 - z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(len(stack))
    )
    for z, plane in enumerate(stack):
        text = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="12" SizeY="10" SizeZ="6"'
            f' SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{entries}</Pixels></Image></OME>'
        )
        if z not in missing:
            tifffile.imwrite(folder / f"p_{9 - z}.ome.tif", plane, metadata=None, description=text)


def test_ome_xml_decides_the_order_of_planes_and_names_what_is_missing(tmp_path, stack, refusal):
    (tmp_path / "a").mkdir()
    write_ome_planes(tmp_path / "a", stack)  # the names count down
    np.testing.assert_array_equal(read_stack(tmp_path / "a").data, stack)
    (tmp_path / "b").mkdir()
    write_ome_planes(tmp_path / "b", stack, missing=[2])
    assert "names 6 planes, of which 1 are not there: p_7.ome.tif" in refusal(tmp_path / "b", FormatError)


def test_a_folder_of_colour_planes_takes_a_channel(tmp_path, stack, refusal):
    for z, plane in enumerate(stack):
        colours = np.stack([plane // 2, plane, 255 - plane], -1)
        tifffile.imwrite(tmp_path / f"z{z}.tif", colours, photometric="rgb")
    assert "0 (red), 1 (green), 2 (blue)" in refusal(tmp_path)
    np.testing.assert_array_equal(read_stack(tmp_path, channel=1).data, stack)
    np.testing.assert_array_equal(read_stack(tmp_path, channel=2).data, 255 - stack)


@pytest.mark.parametrize(
    ("metadata", "size", "finding"),
    [
        ({"spacing": 1.0}, None, "voxel-size-doubtful"),
        ({"spacing": 1.0, "unit": "um"}, VoxelSize(1, 0.5, 0.5), "voxel-size-doubtful"),
        ({"spacing": 1e-4, "unit": "cm"}, VoxelSize(1, 0.5, 0.5), None),
    ],
)
def test_resolution_per_centimetre_in_an_imagej_file(tmp_path, stack, metadata, size, finding):
    options = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER", "metadata": {"axes": "ZYX", **metadata}}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, **options)
    read = read_stack(tmp_path / "a.tif")
    if size is None:
        assert read.voxel_size is None
    else:
        np.testing.assert_allclose(read.voxel_size.zyx, size.zyx)
    assert names(read) == ([finding] if finding else [])


@pytest.mark.parametrize(
    ("size", "finding"),
    [
        (VoxelSize(1e-6, 5e-7, 5e-7), "voxel-size-odd"),
        (VoxelSize(1000, 500, 500), "voxel-size-odd"),
        (VoxelSize(90, 0.5, 0.5), "voxel-size-odd"),
        (VoxelSize(0.5, 0.5, 1), "voxel-size-order"),
        (VoxelSize(0.004, 0.004, 0.004), None),
        (VoxelSize(1, 0.5, 0.51), None),
    ],
)
def test_voxels_that_no_microscope_has_are_said(tmp_path, stack, caplog, size, finding):
    np.save(tmp_path / "a.npy", stack)
    assert names(read_stack(tmp_path / "a.npy", voxel_size=size)) == ([finding] if finding else [])
    assert bool(caplog.text) == bool(finding)


def test_an_array_whose_planes_come_last_is_said(tmp_path, stack):
    np.save(tmp_path / "a.npy", np.moveaxis(np.tile(stack, (1, 2, 2)), 0, -1))
    assert names(read_stack(tmp_path / "a.npy")) == ["axes-order", "voxel-size-unknown"]


def write_levels(path, arrays, datasets, **options):
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    for name, data in arrays.items():
        array = group.create_array(name, shape=data.shape, chunks=(6, 5, 6), dtype=data.dtype)
        array[...] = data
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    levels = [{"path": p, "coordinateTransformations": [{"type": "scale", "scale": s}]} for p, s in datasets]
    group.attrs.update({"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}], **options})
    return path


def test_the_largest_level_of_a_pyramid_is_read_wherever_it_stands(tmp_path, stack):
    arrays = {"0": stack, "1": stack[:, ::2, ::2]}
    path = write_levels(tmp_path / "a.ome.zarr", arrays, [("1", [1, 1, 1]), ("0", [1, 0.5, 0.5])])
    read = read_stack(path)
    np.testing.assert_array_equal(read.data, stack)
    assert read.voxel_size == VoxelSize(1, 0.5, 0.5)


def test_a_level_that_is_given_by_its_path_has_its_own_voxel_size(tmp_path, stack):
    arrays = {"0": stack, "1": stack[:, ::2, ::2]}
    path = write_levels(tmp_path / "a.ome.zarr", arrays, [("0", [1, 0.5, 0.5]), ("1", [1, 1, 1])])
    full, half = read_stack(path / "0"), read_stack(path / "1")
    assert (full.voxel_size, names(full)) == (VoxelSize(1, 0.5, 0.5), [])
    assert (half.voxel_size, names(half)) == (VoxelSize(1, 1, 1), ["pyramid-level"])
    np.testing.assert_array_equal(half.data, stack[:, ::2, ::2])


def test_chunks_that_are_not_there_are_counted(tmp_path, stack, refusal, caplog):
    path = write_levels(tmp_path / "a.ome.zarr", {"0": stack}, [("0", [1, 0.5, 0.5])])
    chunks = sorted(file for file in (path / "0").rglob("*") if file.is_file() and not file.name.startswith("."))
    assert len(chunks) == 4
    chunks[0].unlink()
    assert names(read_stack(path)) == ["missing-chunks"]
    assert "1 of its 4 chunks are not there" in caplog.text
    described = json.loads((path / "0/.zarray").read_text())
    other = "/" if described.get("dimension_separator", ".") == "." else "."
    (path / "0/.zarray").write_text(json.dumps({**described, "dimension_separator": other}))
    assert "none of its 4 chunks is there; its metadata look for them elsewhere" in refusal(path, FormatError)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.org/cell.tif", "https://example.org/cell.tif: is an address, not a file; copy it"),
        ("gs://bucket/cell.ome.zarr", "has an address of https as well"),
        ("s3://bucket/cell.ome.zarr", "aws s3 cp --recursive s3://bucket/cell.ome.zarr ."),
        ("file:///tmp/cell.tif", "give the path: /tmp/cell.tif"),
    ],
)
def test_addresses_are_told_from_files(address, said):
    for given in (address, Path(address)):
        with pytest.raises(InputError) as caught:
            read_stack(given)
        assert said in str(caught.value)
    with pytest.raises(InputError, match="is an address"):
        find_stacks(address)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.zip", "unpack it"),
        ("a.tif.gz", "gunzip"),
        ("a.oib", "Bio-Formats"),
        ("a.npz", "numpy.save"),
        ("a.swc", "is a tree"),
        ("a.h5.xml", "BigStitcher"),
        ("a.companion.ome", "OME metadata without planes"),
        ("no_suffix", "is a ZIP archive"),
        ("a.xlif", "Leica project"),
        ("a.dcimg", "Hamamatsu"),
        ("a.hdr", "header without its voxels"),
        ("a.tif.crdownload", "unfinished download"),
        ("a.am", "Amira"),
        ("a.obj", "a mesh, not a stack"),
    ],
)
def test_files_in_formats_that_are_not_read_get_a_way_out(tmp_path, refusal, name, said):
    (tmp_path / name).write_bytes(b"PK\x03\x04 and more")
    assert said in refusal(tmp_path / name)


def test_a_folder_without_planes_says_what_it_holds_instead(tmp_path, stack, refusal):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").touch()
    assert "it holds .png files: save them as TIFF" in refusal(tmp_path / "a")
    for k, plane in enumerate(stack):
        (tmp_path / f"b/ZStep_{k}").mkdir(parents=True)
        tifffile.imwrite(tmp_path / f"b/ZStep_{k}/x.tif", plane)
    assert "put the planes of one stack into one folder" in refusal(tmp_path / "b")


def test_folders_of_systems_hold_no_stacks(tmp_path, stack):
    for name in ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", "System Volume Information", "kept"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    assert [path.parent.name for path in find_stacks(tmp_path, recursive=True)] == ["kept"]


@pytest.mark.parametrize(("value", "said"), [(1, None), (4, "mirrored top to bottom"), (6, "turned by 90"), (0, None)])
def test_an_orientation_tag_is_said_and_the_voxels_are_read_as_they_are_stored(tmp_path, stack, value, said):
    tags = [(274, "H", 1, value, True)]
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", extratags=tags)
    (tmp_path / "planes").mkdir()
    for z, plane in enumerate(stack):
        tifffile.imwrite(tmp_path / "planes" / f"{z}.tif", plane, photometric="minisblack", extratags=tags)
    for name in ("a.tif", "planes"):
        read = read_stack(tmp_path / name)
        np.testing.assert_array_equal(read.data, stack)
        words = [finding.text for finding in read.findings if finding.name == "orientation"]
        assert len(words) == (said is not None), name
        assert all(said in text for text in words)


def positions(folder, stacks, edges):
    """Write a file a position, as Micro-Manager does: each has the OME-XML of all positions; return the paths."""
    paths = [folder / f"cell_MMStack_Pos{k}.ome.tif" for k in range(len(stacks))]
    images = ""
    for k, (data, edge) in enumerate(zip(stacks, edges, strict=True)):
        z, y, x = data.shape
        sizes = f'SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="1" SizeT="1"'
        scale = f'PhysicalSizeX="{edge}" PhysicalSizeY="{edge}" PhysicalSizeZ="2.0"'
        planes = "".join(
            f'<TiffData FirstZ="{n}" IFD="{n}" PlaneCount="1">'
            f'<UUID FileName="{paths[k].name}">urn:uuid:{k:08d}-0000-0000-0000-000000000000</UUID></TiffData>'
            for n in range(z)
        )
        pixels = f'<Pixels ID="Pixels:{k}" DimensionOrder="XYCZT" Type="uint8" {sizes} {scale}>'
        channel = f'<Channel ID="Channel:{k}:0" Name="dye{k}"/>'
        images += f'<Image ID="Image:{k}" Name="Pos{k}">{pixels}{channel}{planes}</Pixels></Image>'
    for k, (path, data) in enumerate(zip(paths, stacks, strict=True)):
        space = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
        xml = f'<OME {space} UUID="urn:uuid:{k:08d}-0000-0000-0000-000000000000">{images}</OME>'
        with tifffile.TiffWriter(path) as file:
            for z, plane in enumerate(data):
                file.write(plane, contiguous=False, description=xml if z == 0 else None, metadata=None)
    return paths


def test_the_file_of_one_position_of_micro_manager_gives_that_position_with_its_voxel_size(tmp_path, stack):
    stacks = [stack, stack[::-1] // 2]
    paths = positions(tmp_path, stacks, (0.5, 0.25))
    for path, data, edge in zip(paths, stacks, (0.5, 0.25), strict=True):
        read = read_stack(path)
        np.testing.assert_array_equal(read.data, data)
        assert read.voxel_size == VoxelSize(2, edge, edge)
    paths[0].unlink()
    np.testing.assert_array_equal(read_stack(paths[1]).data, stacks[1])


@pytest.mark.parametrize("unit", ["\\u00B5m", "\u00b5m", "\u00c2\u00b5m", "\\xb5m", "\u00b5", "Microns", '"um"'])
def test_the_micrometre_is_known_in_every_spelling(tmp_path, stack, unit):
    about = f"ImageJ=1.53t\nimages={len(stack)}\nslices={len(stack)}\nunit={unit}\nspacing=2,0\nloop=false\n"
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for z, plane in enumerate(stack):
            text = about.encode("latin-1") if z == 0 else None
            file.write(plane, contiguous=False, description=text, metadata=None, resolution=(2, 2), resolutionunit=1)
    assert read_stack(tmp_path / "a.tif").voxel_size == VoxelSize(2, 0.5, 0.5)


@pytest.mark.parametrize(
    ("channels", "said"), [(("GFP", "RFP"), "holds channels in turn (GFP, RFP)"), (("GFP",), None)]
)
def test_channels_in_turn_by_the_tags_of_micro_manager_are_refused(tmp_path, stack, refusal, channels, said):
    with tifffile.TiffWriter(tmp_path / "x_NDTiffStack.tif") as file:
        for z, plane in enumerate(stack):
            for channel in channels:
                about = json.dumps({"Axes": {"z": z, "channel": channel}, "PixelSizeUm": 0.5}).encode() + b"\0"
                tags = [(51123, "s", len(about), about, True)]
                file.write(plane, photometric="minisblack", contiguous=False, metadata=None, extratags=tags)
    if said:
        assert said in refusal(tmp_path / "x_NDTiffStack.tif")
    else:
        np.testing.assert_array_equal(read_stack(tmp_path / "x_NDTiffStack.tif").data, stack)
