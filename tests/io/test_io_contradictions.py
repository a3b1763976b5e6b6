"""Files whose parts contradict each other: read where one meaning is left, refused in one line where not."""

import h5py
import nrrd
import numpy as np
import pytest
import tifffile

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack
from neurorecon.io.accept import stack_of
from neurorecon.io.formats.tiff.plane_names import order_planes
from neurorecon.io.formats.tiff.plane_ome import ome_order

# An OME-XML that names planes by file


def ome_xml(places, channels=("",)):
    """An OME-XML that names files by (channel, time, plane)."""
    named = "".join(f'<Channel ID="Channel:0:{k}" Name="{name}"/>' for k, name in enumerate(channels))
    planes = "".join(
        f'<TiffData FirstC="{c}" FirstT="{t}" FirstZ="{z}" IFD="0"><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>'
        for name, (c, t, z) in places.items()
    )
    return f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Pixels>{named}{planes}</Pixels></OME>'


def ordered(folder, places, more=(), channels=("",)):
    return ome_order(folder, [folder / name for name in [*places, *more]], ome_xml(places, channels))


def test_files_that_the_ome_xml_does_not_name_are_left_out_with_a_word(tmp_path):
    places = {f"p{z}.tif": (0, 0, z) for z in range(8)}
    found = ordered(tmp_path, places, ["x.tif", "y.tif"])
    assert [path.name for path in found.series[""]] == [f"p{z}.tif" for z in range(8)]
    assert [finding.name for finding in found.findings] == ["left-out-files"]
    assert "left out x.tif and others" in found.findings[0].text


def test_files_of_other_images_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds 3 TIFFs that the OME-XML of p0.tif does not name, x0.tif say"):
        ordered(tmp_path, {f"p{z}.tif": (0, 0, z) for z in range(8)}, [f"x{k}.tif" for k in range(3)])


@pytest.mark.parametrize(
    ("short", "kinds"), [((1, 0, 3), "channels of unequal"), ((0, 1, 3), "channels or time points of unequal")]
)
def test_channels_and_times_of_unequal_numbers_of_planes_are_refused(tmp_path, short, kinds):
    c, t, planes = short
    places = {f"a{z}.tif": (0, 0, z) for z in range(4)} | {f"b{z}.tif": (c, t, z) for z in range(planes)}
    with pytest.raises(FormatError, match=kinds):
        ordered(tmp_path, places)


def test_an_ome_xml_that_names_no_planes_one_a_file_says_nothing_of_their_order(tmp_path):
    assert ordered(tmp_path, {"a.tif": (0, 0, 0)}) is None
    assert ordered(tmp_path, {"../a.tif": (0, 0, 0), "b.tif": (0, 0, 1)}) is None
    assert ordered(tmp_path, {"a.tif": (0, 0, 0), "b.tif": (0, 0, 0)}) is None


def test_channels_go_by_their_names_unless_two_have_one_name(tmp_path):
    places = {f"c{c}z{z}.tif": (c, 0, z) for c in range(2) for z in range(3)}
    assert list(ordered(tmp_path, places, channels=("GFP", "DAPI")).series) == ["GFP", "DAPI"]
    assert list(ordered(tmp_path, places, channels=("dye", "dye")).series) == ["C0", "C1"]


# Names of planes


def names_in_order(folder, names):
    return order_planes(folder, [folder / name for name in sorted(names)])


def test_one_series_with_more_words_in_its_names_goes_by_its_whole_name(tmp_path):
    found = names_in_order(tmp_path, [f"cell_{z}.tif" for z in range(9)] + [f"dye-cell_{z}.tif" for z in range(9)])
    assert {len(planes) for planes in found.series.values()} == {9}
    assert not found.channels


def test_a_file_that_repeats_the_number_of_another_is_left_out_with_a_word(tmp_path):
    found = names_in_order(tmp_path, [f"z{z:02d}.tif" for z in range(9)] + ["z4.tif"])
    assert len(found.series[""]) == 9
    assert [finding.name for finding in found.findings] == ["left-out-files"]


# Imaris


@pytest.fixture
def imaris(tmp_path, stack):
    """A small Imaris file, and a way to change it."""

    def write(change=lambda file: None, frames=1, dtype="u1"):
        path = tmp_path / "a.ims"
        with h5py.File(path, "w") as file:
            for t in range(frames):
                for c in range(2):
                    group = file.create_group(f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}")
                    group.create_dataset("Data", data=stack.astype(dtype), chunks=(3, 5, 6), compression="gzip")
                    for axis, n in zip("ZYX", stack.shape, strict=True):
                        group.attrs[f"ImageSize{axis}"] = np.bytes_(str(n))  # as other writers do: one text
            image = file.create_group("DataSetInfo/Image")
            for axis, length in zip("012", (12, 10, 6), strict=True):
                image.attrs[f"ExtMin{axis}"], image.attrs[f"ExtMax{axis}"] = "0", str(length)
            image.attrs["Unit"] = "um"
            change(file)
        return path

    return write


def first(file, t=0, c=0):
    return file[f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}"]


def test_attributes_that_are_one_text_are_read_as_those_of_single_characters(imaris, stack):
    read = read_stack(imaris(), channel=1)
    np.testing.assert_array_equal(read.data, stack)
    assert read.voxel_size == VoxelSize(1, 1, 1)


def without_a_channel(file):
    del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 1"]


def smaller(file, t=0):
    first(file, t, 1).attrs["ImageSizeX"] = "11"


def flat(file):
    del first(file)["Data"]
    first(file)["Data"] = np.zeros((10, 12), np.uint8)


def empty(file):
    first(file).attrs["ImageSizeZ"] = "0"


@pytest.mark.parametrize(
    ("change", "frames", "kind", "message"),
    [
        (without_a_channel, 2, FormatError, "time points differ in their number of channels"),
        (smaller, 1, FormatError, "its channels differ in size"),
        (lambda file: smaller(file, 1), 2, FormatError, "its channels or time points differ in size"),
        (flat, 1, FormatError, "its voxels are uint8 of 2 axes"),
        (empty, 1, InputError, "is empty: its size is 0 x 10 x 12"),
    ],
)
def test_an_imaris_file_that_contradicts_itself_is_refused(imaris, refusal, change, frames, kind, message):
    assert message in refusal(imaris(change, frames), kind, channel=0, time=0)


def test_a_packed_chunk_that_is_larger_than_its_voxels_is_refused(imaris, refusal):
    def swollen(file):
        first(file)["Data"].id.write_direct_chunk((0, 0, 0), bytes(100_000))

    assert "a packed chunk is larger than (3, 5, 6) voxels" in refusal(imaris(swollen), FormatError, channel=0)


# NRRD


def packed(path, voxels, **header):
    nrrd.write(str(path), voxels, {"encoding": "gzip", **header}, index_order="C")
    return path


@pytest.mark.parametrize("order", ["little", "big"])
def test_wide_voxels_of_a_packed_nrrd_are_read_in_either_order_of_bytes(tmp_path, stack, order):
    wide = stack.astype(np.uint16) * 257 + 1
    swapped = wide.astype(np.dtype("u2").newbyteorder(">" if order == "big" else "<"))
    path = packed(tmp_path / "a.nrrd", swapped)
    assert f"endian: {order}" in path.read_bytes().split(b"\n\n")[0].decode()
    np.testing.assert_array_equal(read_stack(path).data, wide)


def test_a_packed_nrrd_that_holds_less_than_its_header_says_is_refused(tmp_path, stack, refusal):
    path = packed(tmp_path / "a.nrrd", stack)
    path.write_bytes(path.read_bytes().replace(b"sizes: 12 10 6", b"sizes: 12 10 7"))
    assert "840 bytes are due by its header, 720 are there" in refusal(path, FormatError)


def test_lines_before_the_packed_data_of_another_file_are_skipped(tmp_path, stack):
    packed(tmp_path / "a.nrrd", stack)
    head, data = (tmp_path / "a.nrrd").read_bytes().split(b"\n\n", 1)
    (tmp_path / "other.bin").write_bytes(b"a line\nand one more\n" + data)
    (tmp_path / "a.nhdr").write_bytes(head + b"\nline skip: 2\ndata file: other.bin\n\n")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.nhdr").data, stack)


# Arrays


class Typed:
    """An array of a library whose types numpy does not know by name, as torch has them."""

    def __init__(self, voxels):
        self.voxels, self.shape, self.ndim, self.dtype = voxels, voxels.shape, voxels.ndim, "torch.uint8"

    def __getitem__(self, key):
        return self.voxels[key]

    def __len__(self):
        return len(self.voxels)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.voxels, dtype)


def test_an_array_of_a_type_with_another_name_is_taken_by_its_voxels(stack):
    np.testing.assert_array_equal(stack_of(Typed(stack), "segment").data, stack)


@pytest.mark.parametrize("option", ["channel", "time"])
def test_channel_and_time_are_for_paths(stack, option):
    with pytest.raises(InputError, match=f"segment: {option} is for a path; take the {option} out of an array"):
        stack_of(stack, "segment", **{option: 0})


@pytest.mark.parametrize("given", [3, {"stack": 1}, object()])
def test_what_is_no_stack_is_called_by_its_type(given):
    with pytest.raises(InputError, match=f"not {type(given).__name__}; neurorecon.read_stack"):
        stack_of(given, "segment")


def test_a_tiff_plane_of_further_axes_is_no_plane(tmp_path, stack, refusal):
    for k in range(3):
        tifffile.imwrite(tmp_path / f"z{k}.tif", np.zeros((2, 10, 12), np.uint8), metadata=None, planarconfig="separate",
                         photometric="minisblack")  # fmt: skip
    refusal(tmp_path)
