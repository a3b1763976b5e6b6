"""Formats other than TIFF, written by their own libraries: voxels, voxel size, channels, and what is refused."""

import gzip
import struct
import sys
import types

import h5py
import nibabel
import nrrd
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from v3dpy.loaders import PBD, Raw

from neurorecon.core.errors import FormatError, InputError, MissingExtraError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack
from neurorecon.io.formats.pbd_check import decoded_length

AXES = {"kinds": ["domain", "domain", "domain", "list"], "encoding": "raw"}


def chars(text):
    return np.array(list(text), dtype="S1")


def write_ims(path, channels, *, frames=1, extent=(1.75, 3.0, 5.0), padding=2):
    """An Imaris file of channels (C, Z, Y, X), padded as Imaris pads to chunks."""
    c, *zyx = channels.shape
    with h5py.File(path, "w") as file:
        for t in range(frames):
            for i in range(c):
                group = file.create_group(f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {i}")
                group.create_dataset("Data", data=np.pad(channels[i], [(0, padding)] * 3), compression="gzip")
                for axis, n in zip("ZYX", zyx, strict=True):
                    group.attrs[f"ImageSize{axis}"] = chars(str(n))
        image = file.create_group("DataSetInfo/Image")
        image.attrs["Unit"] = chars("um")
        for axis, length in zip("012", extent, strict=True):
            image.attrs[f"ExtMin{axis}"] = chars("-1.0")
            image.attrs[f"ExtMax{axis}"] = chars(str(length - 1))
        for i in range(c):
            file.create_group(f"DataSetInfo/Channel {i}").attrs["Name"] = chars(f"dye {i}")


def test_npy_is_zyx_in_either_order(tmp_path, stack, refusal):
    for order in "CF":
        np.save(tmp_path / "a.npy", np.asarray(stack.astype(">u2"), order=order))
        read = read_stack(tmp_path / "a.npy")
        np.testing.assert_array_equal(read.data, stack)
        assert read.data.dtype == np.uint16
        assert read.voxel_size is None
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-1])
    assert "damaged or incomplete" in refusal(tmp_path / "a.npy", FormatError)
    np.save(tmp_path / "four.npy", stack[None])
    assert "4 axes" in refusal(tmp_path / "four.npy")
    np.save(tmp_path / "none.npy", stack[:0])
    refusal(tmp_path / "none.npy")
    np.save(tmp_path / "object.npy", np.array([[[{}]]]), allow_pickle=True)
    refusal(tmp_path / "object.npy", FormatError)


def test_nrrd_gives_the_voxel_size_of_its_directions_or_spacings(tmp_path, stack):
    directions = np.diag([-0.25, 0.5, 1.0]) @ np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    header = {"space": "LPS", "space directions": directions, "space units": ["microns"] * 3}
    nrrd.write(str(tmp_path / "a.nrrd"), stack, header, index_order="C")
    read = read_stack(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(read.data, stack)
    np.testing.assert_allclose(read.voxel_size.zyx, [1, 0.5, 0.25])
    header = {"spacings": [250, 500, 1000], "units": ["nm"] * 3, "encoding": "raw"}
    nrrd.write(str(tmp_path / "b.nhdr"), stack.astype(">u2"), header, index_order="C")
    read = read_stack(tmp_path / "b.nhdr")
    np.testing.assert_array_equal(read.data, stack)
    np.testing.assert_allclose(read.voxel_size.zyx, [1, 0.5, 0.25])


def test_nrrd_without_units_has_no_voxel_size_and_says_so(tmp_path, stack, caplog):
    nrrd.write(str(tmp_path / "a.nrrd"), stack, {"spacings": [0.25, 0.5, 1.0]}, index_order="C")
    assert read_stack(tmp_path / "a.nrrd").voxel_size is None
    assert "no known unit" in caplog.text
    caplog.clear()
    nrrd.write(str(tmp_path / "b.nrrd"), stack, {}, index_order="C")
    assert read_stack(tmp_path / "b.nrrd").voxel_size is None
    assert not caplog.text


def test_nrrd_channels_time_and_damage(tmp_path, two, refusal):
    path = tmp_path / "a.nrrd"
    nrrd.write(str(path), two, AXES, index_order="C")
    assert "has 2 channels" in refusal(path)
    np.testing.assert_array_equal(read_stack(path, channel=1).data, two[1])
    path.write_bytes(path.read_bytes()[:-100])
    assert "is cut off" in refusal(path, FormatError)
    nrrd.write(str(path), two, {**AXES, "kinds": ["domain"] * 3 + ["time"]}, index_order="C")
    assert "time series of 2 frames" in refusal(path)
    nrrd.write(str(path), two, {"encoding": "raw"}, index_order="C")
    assert "further axes" in refusal(path)
    nrrd.write(str(path), two[0], {"encoding": "gzip"}, index_order="C")
    path.write_bytes(path.read_bytes()[:-100])
    refusal(path, FormatError)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("12 10 -6", "damaged"),
        ("12 10 0", "empty"),
        ("12 10", "2D image of 10 x 12"),
        ("999999 999999 999999", "cut off"),
    ],
)
def test_nrrd_sizes_that_cannot_be_are_refused(tmp_path, stack, refusal, sizes, message):
    nrrd.write(str(tmp_path / "a.nrrd"), stack, {"encoding": "raw"}, index_order="C")
    content = (tmp_path / "a.nrrd").read_bytes().replace(b"sizes: 12 10 6", f"sizes: {sizes}".encode())
    (tmp_path / "a.nrrd").write_bytes(content)
    assert message in refusal(tmp_path / "a.nrrd")


def test_packed_nrrd_that_claims_more_than_the_memory_is_refused(tmp_path, stack, refusal):
    nrrd.write(str(tmp_path / "a.nrrd"), stack, {"encoding": "gzip"}, index_order="C")
    content = (tmp_path / "a.nrrd").read_bytes().replace(b"sizes: 12 10 6", b"sizes: 99999 99999 99999")
    (tmp_path / "a.nrrd").write_bytes(content)
    assert "of memory are free" in refusal(tmp_path / "a.nrrd")


def test_detached_nrrd_names_the_file_that_is_missing(tmp_path, stack, refusal):
    nrrd.write(str(tmp_path / "a.nhdr"), stack, {"encoding": "raw"}, index_order="C")
    (tmp_path / "a.raw").unlink()
    assert "a.raw, which does not exist" in refusal(tmp_path / "a.nhdr")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_gives_voxels_and_voxel_size(tmp_path, stack, kind, name):
    image = kind(stack.T, np.diag([0.25e-3, 0.5e-3, 1e-3, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / name)
    read = read_stack(tmp_path / name)
    np.testing.assert_array_equal(read.data, stack)
    assert read.data.dtype == np.uint8
    np.testing.assert_allclose(read.voxel_size.zyx, [1, 0.5, 0.25], rtol=1e-6)


def test_nifti_scaling_is_applied(tmp_path, stack):
    nibabel.save(nibabel.Nifti1Image(stack.T, np.eye(4)), tmp_path / "a.nii")
    with open(tmp_path / "a.nii", "r+b") as file:  # nibabel recomputes them on saving
        file.seek(112)
        file.write(struct.pack("<ff", 0.5, 10))
    read = read_stack(tmp_path / "a.nii")
    np.testing.assert_allclose(read.data, stack * 0.5 + 10)
    assert read.data.dtype == np.float32


def test_nifti_that_is_no_single_whole_stack_is_refused(tmp_path, stack, two, refusal):
    nibabel.save(nibabel.Nifti1Image(two.T, np.eye(4)), tmp_path / "t.nii")
    assert "time series of 2 frames" in refusal(tmp_path / "t.nii")
    nibabel.save(nibabel.Nifti1Image(two.T[:, :, :, None], np.eye(4)), tmp_path / "c.nii")
    np.testing.assert_array_equal(read_stack(tmp_path / "c.nii", channel=1).data, two[1])
    nibabel.save(nibabel.Nifti1Image(stack.T, np.eye(4)), tmp_path / "cut.nii")
    (tmp_path / "cut.nii").write_bytes((tmp_path / "cut.nii").read_bytes()[:-9])
    assert "is cut off" in refusal(tmp_path / "cut.nii", FormatError)
    content = gzip.compress((tmp_path / "c.nii").read_bytes())
    (tmp_path / "cut.nii.gz").write_bytes(content[: len(content) // 2])
    refusal(tmp_path / "cut.nii.gz", FormatError, channel=0)
    nibabel.save(nibabel.Nifti1Pair(stack.T, np.eye(4)), tmp_path / "pair.img")
    assert "without its data" in refusal(tmp_path / "pair.hdr")
    colour = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "colour.nii")
    assert "in colour" in refusal(tmp_path / "colour.nii")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_vaa3d_files_keep_every_voxel(tmp_path, two, refusal, dtype):
    data = two.astype(dtype)
    for name, form in (("a.v3draw", Raw()), ("a.v3dpbd", PBD())):
        form.save(str(tmp_path / name), data)
        assert "has 2 channels" in refusal(tmp_path / name)
        read = read_stack(tmp_path / name, channel=1)
        np.testing.assert_array_equal(read.data, data[1])
        assert read.data.dtype == np.dtype(dtype)
        assert read.data.flags.writeable


def test_v3draw_in_its_old_and_foreign_forms(tmp_path, stack, refusal):
    key = b"raw_image_stack_by_hpeng"
    data = stack.astype(">f4")
    (tmp_path / "big.v3draw").write_bytes(key + b"B" + struct.pack(">hiiii", 4, 12, 10, 6, 1) + data.tobytes())
    np.testing.assert_array_equal(read_stack(tmp_path / "big.v3draw").data, stack)
    (tmp_path / "short.v3draw").write_bytes(key + b"L" + struct.pack("<hhhhh", 1, 12, 10, 6, 1) + stack.tobytes())
    np.testing.assert_array_equal(read_stack(tmp_path / "short.v3draw").data, stack)
    five = b"raw5image_stack_by_hpengL" + struct.pack("<hiiiii", 1, 12, 5, 2, 1, 6) + stack.tobytes()
    (tmp_path / "five.v3draw").write_bytes(five)
    assert "time series of 6 frames" in refusal(tmp_path / "five.v3draw")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"L" + struct.pack("<hiiii", 1, 12, 10, 7, 1), "bytes are due by its header"),
        (b"L" + struct.pack("<hiiii", 1, 12, -10, 6, 1), "damaged"),
        (b"L" + struct.pack("<hiiii", 1, 12, 10, 0, 1), "empty"),
        (b"L" + struct.pack("<hiiii", 3, 12, 10, 6, 1), "voxels of 3 bytes"),
        (b"X" + struct.pack("<hiiii", 1, 12, 10, 6, 1), "byte order"),
        (b"L", "byte order"),
    ],
)
def test_v3draw_headers_that_cannot_be_are_refused(tmp_path, stack, refusal, header, message):
    (tmp_path / "a.v3draw").write_bytes(b"raw_image_stack_by_hpeng" + header + (stack.tobytes() if header[1:] else b""))
    assert message in refusal(tmp_path / "a.v3draw")


def test_v3dpbd_that_holds_more_or_less_than_it_says_is_refused(tmp_path, stack, refusal):
    path = tmp_path / "a.v3dpbd"
    PBD().save(str(path), stack[None])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "720 voxels are due" in refusal(path, FormatError)
    path.write_bytes(whole[:35] + struct.pack("<i", 5) + whole[39:])
    assert "600 voxels are due by its header, its code gives 720" in refusal(path, FormatError)
    path.write_bytes(whole[:25] + struct.pack("<h", 4) + whole[27:])
    assert "compressed floats" in refusal(path)


PBD_STACKS = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]), st.tuples(*[st.integers(2, 9)] * 3), elements=st.integers(0, 90)
)


@given(PBD_STACKS)
def test_pbd_code_gives_what_its_decoder_gives(tmp_path, data):
    PBD().save(str(tmp_path / "a.v3dpbd"), data[None])
    code = np.fromfile(tmp_path / "a.v3dpbd", np.uint8, offset=43)
    assert decoded_length(code, data.dtype.itemsize) == data.size
    np.testing.assert_array_equal(PBD().load(str(tmp_path / "a.v3dpbd"))[0], data)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.v3dpbd").data, data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of one stack in every format whose decoder is asked to take anything."""
    folder = tmp_path_factory.mktemp("written")
    data = np.random.default_rng(5).integers(0, 256, (4, 6, 8)).astype(np.uint8)
    np.save(folder / "npy", data)
    (folder / "npy.npy").rename(folder / "npy")
    for encoding in ("raw", "gzip", "ascii"):
        nrrd.write(str(folder / f"{encoding}.nrrd"), data, {"encoding": encoding, "spacings": [1, 1, 2]})
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), folder / "a.nii")
    nibabel.save(nibabel.Nifti2Image(data, np.eye(4)), folder / "b.nii.gz")
    Raw().save(str(folder / "a.v3draw"), data[None])
    PBD().save(str(folder / "a.v3dpbd"), data[None])
    PBD().save(str(folder / "b.v3dpbd"), data[None].astype(np.uint16))
    return sorted(path.read_bytes() for path in folder.iterdir()), folder / "broken"


@given(st.data())
@settings(max_examples=200)
def test_flipped_and_missing_bytes_give_a_stack_or_one_line(written, data):
    files, path = written
    broken = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.one_of(st.integers(0, min(len(broken), 360) - 1), st.integers(0, len(broken) - 1)))
        broken[at] = data.draw(st.integers(0, 255))
    path.write_bytes(broken[: data.draw(st.sampled_from([len(broken), len(broken) - 1, len(broken) // 2, 30]))])
    try:
        read = read_stack(path)
    except InputError as error:
        message = str(error)
        assert message.startswith(str(path))  # there is nothing to raise where it is read
        assert "\n" not in message
    else:
        assert np.isfinite(read.data).all()


def test_compiled_count_of_pbd_equals_the_plain_one(monkeypatch, rng):
    code = rng.integers(0, 256, 5000).astype(np.uint8)
    plain = [decoded_length(code, n) for n in (1, 2)]
    monkeypatch.setattr("neurorecon.io.formats.pbd_check.COMPILE_BYTES", 0)
    assert [decoded_length(code, n) for n in (1, 2)] == plain


def test_imaris_gives_voxels_without_padding_names_and_voxel_size(tmp_path, two, refusal):
    path = tmp_path / "a.ims"
    write_ims(path, two, extent=(3.0, 5.0, 6.0))
    assert "0 (dye 0), 1 (dye 1)" in refusal(path)
    read = read_stack(path, channel=1)
    np.testing.assert_array_equal(read.data, two[1])
    assert read.voxel_size == VoxelSize(1, 0.5, 0.25)


def test_imaris_that_is_no_single_whole_stack_is_refused(tmp_path, two, refusal):
    path = tmp_path / "a.ims"
    write_ims(path, two[:1], frames=3)
    assert "time series of 3 frames" in refusal(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refusal(path, FormatError)
    write_ims(path, two[:1])
    with h5py.File(path, "r+") as file:
        file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"].attrs["ImageSizeZ"] = chars("99")
    assert "header says (99, 10, 12)" in refusal(path, FormatError)
    with h5py.File(path, "w") as file:
        file["data"] = two
    assert "no Imaris file" in refusal(path)
    with h5py.File(path, "w") as file:
        file.create_group("DataSet/ResolutionLevel 0")
        file.create_group("DataSetInfo/Image")
    assert "holds no channel" in refusal(path, FormatError)


@pytest.mark.parametrize(
    ("head", "package"),
    [(b"ZISRAWFILE", "bioio-czi"), (b"\xda\xce\xbe\x0a", "bioio-nd2"), (b"\x70\0\0\0\x10\0\0\0\x2a", "bioio-lif")],
)
def test_formats_of_the_extra_name_the_way_to_install_it(tmp_path, refusal, monkeypatch, head, package):
    monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)  # as if it were not installed
    (tmp_path / "a.bin").write_bytes(head + bytes(200))
    message = refusal(tmp_path / "a.bin", MissingExtraError)
    assert package in message
    assert 'pip install "neurorecon[formats]"' in message


class FakeReader:
    """Answers as a reader of bioio does."""

    scenes = ("first",)
    channel_names = ("GFP", "RFP")
    physical_pixel_sizes = types.SimpleNamespace(Z=1.0, Y=0.5, X=0.25)
    dims = types.SimpleNamespace(order="TCZYX")
    shape = (1, 2, 6, 10, 12)
    dtype = np.dtype(np.uint16)

    def __init__(self, path):
        self.path = path

    def get_image_dask_data(self, order, **picks):
        assert order == "ZYX"
        assert picks == {"C": 1, "T": 0}
        return np.arange(720, dtype=np.uint16).reshape(6, 10, 12)


def test_readers_of_bioio_are_asked_for_one_channel(tmp_path, refusal, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio_czi", types.SimpleNamespace(Reader=FakeReader))
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE" + bytes(99))
    assert "0 (GFP), 1 (RFP)" in refusal(tmp_path / "a.czi")
    read = read_stack(tmp_path / "a.czi", channel=1)
    assert read.shape == (6, 10, 12)
    assert read.voxel_size == VoxelSize(1, 0.5, 0.25)
    monkeypatch.setattr(FakeReader, "scenes", ("first", "second"))
    assert "holds 2 images (first, second)" in refusal(tmp_path / "a.czi")


def test_a_real_czi_is_read(tmp_path, two):
    pytest.importorskip("bioio_czi", reason="needs bioio-czi of the extra formats")
    from pylibCZIrw import czi

    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for c, z in np.ndindex(two.shape[:2]):
            file.write(data=two[c, z][..., None], plane={"C": c, "Z": z, "T": 0})
        file.write_metadata("a", scale_x=0.25e-6, scale_y=0.5e-6, scale_z=1e-6)
    read = read_stack(tmp_path / "a.czi", channel=1)
    np.testing.assert_array_equal(read.data, two[1])
    np.testing.assert_allclose(read.voxel_size.zyx, [1, 0.5, 0.25])


def test_too_little_memory_is_said_for_every_format(tmp_path, stack, monkeypatch):
    np.save(tmp_path / "a.npy", stack.astype(np.float64))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=stack.size * 11))
    with pytest.raises(InputError, match="memory are free"):
        read_stack(tmp_path / "a.npy")
