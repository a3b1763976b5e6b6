"""Stacks from strangers: nothing runs, nothing outside is read, nothing waits, and nothing small becomes large."""

import bz2
import gzip
import json
import os
import pickle
import struct
import zlib

import h5py
import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from neurorecon.core.errors import InputError
from neurorecon.core.files import hash_path
from neurorecon.io import find_stacks, read_stack
from neurorecon.io.formats.zarr.zarr_bounds import zstd_size

ZEROS = 60_000_000  # bytes that some kilobytes unpack to: enough to be seen, and to be made in a moment


def read_some(path):
    """Read a corner of a stack: a lazy one decodes there."""
    return np.asarray(read_stack(path).data[:3, :4, :4])


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


# ---------------------------------------------------------------- nothing runs


def test_an_array_of_objects_is_not_unpickled(tmp_path, refused):
    data = np.empty((1, 1, 1), object)
    data[0, 0, 0] = Runs(tmp_path / "ran")
    np.save(tmp_path / "a.npy", data, allow_pickle=True)
    refused(read_some, tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["filters", "compressor"])
@pytest.mark.parametrize("dtype", ["|u1", "|O"])
def test_a_zarr_that_asks_for_pickle_is_refused(corpus, tmp_path, refused, monkeypatch, key, dtype):
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)  # as older ones do
    path = corpus.zarr(tmp_path, "0.4", compressors=None)
    about = json.loads((path / "0" / ".zarray").read_text())
    entry = {"id": "pickle"}
    about |= {key: [entry] if key == "filters" else entry, "dtype": dtype, "fill_value": 0}
    (path / "0" / ".zarray").write_text(json.dumps(about))
    for chunk in (path / "0").glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    refused(read_some, path)
    assert not (tmp_path / "ran").exists()


def test_a_codec_that_nobody_knows_is_refused_by_name(corpus, tmp_path, refused):
    path = corpus.zarr(tmp_path, "0.4", compressors=None, filters=[numcodecs.Base64()])
    assert "packed by 'base64'" in refused(read_some, path)


# ---------------------------------------------------------------- nothing outside is read


@pytest.mark.parametrize("inside", ["../other.ome.zarr/0", "0/../../other.ome.zarr/0", "/other.ome.zarr/0"])
def test_the_path_of_a_zarr_level_does_not_leave_its_folder(corpus, tmp_path, refused, inside):
    corpus.zarr(tmp_path, "0.5").rename(tmp_path / "other.ome.zarr")
    multiscale = {"axes": [{"name": axis} for axis in "zyx"], "datasets": [{"path": inside}]}
    zarr.create_group(tmp_path / "a.zarr", attributes={"ome": {"version": "0.5", "multiscales": [multiscale]}})
    refused(read_some, tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["../p1.ome.tif", "/etc/passwd", "sub/p1.ome.tif"])
def test_an_ome_tiff_does_not_open_files_of_other_folders(corpus, tmp_path, refused, name):
    path = corpus.split_ome(tmp_path)
    with tifffile.TiffFile(path) as tif:
        xml, data = tif.pages.first.description, tif.asarray(key=[0, 1])
    xml = xml.replace('FileName="p1.ome.tif"', f'FileName="{name}"').encode()
    tifffile.imwrite(path, data, photometric="minisblack", description=xml, metadata=None)
    assert "outside of its folder" in refused(read_some, path)


def test_the_voxels_of_an_imaris_file_stand_in_it(corpus, tmp_path, refused):
    path = corpus.ims(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(5000))
    where = "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"
    with h5py.File(path, "r+") as file:
        del file[where]["Data"]
        external = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        file[where].create_dataset("Data", (8, 12, 14), "u1", external=external)
    assert "in another file" in refused(read_some, path)
    (tmp_path / "b").mkdir()
    other = corpus.ims(tmp_path / "b")
    with h5py.File(path, "r+") as file:
        del file[where]["Data"]
        file[where]["Data"] = h5py.ExternalLink(str(other), f"{where}/Data")
    assert "in another file" in refused(read_some, path)


XML = """<?xml version="1.0"?><!DOCTYPE OME [{entities}]><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="P" DimensionOrder="XYZCT" Type="uint8" SizeX="12" SizeY="10" SizeZ="6" SizeC="1" SizeT="1">
<Channel ID="C" Name="&last;"/><TiffData/></Pixels></Image></OME>"""


@pytest.mark.parametrize(
    "entities",
    [
        '<!ENTITY l0 "lol">'
        + "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
        + f'<!ENTITY last "{"&l9;" * 10}">',
        f'<!ENTITY big "{"A" * 40_000}"><!ENTITY last "{"&big;" * 4000}">',
        '<!ENTITY last SYSTEM "file:///etc/passwd">',
        '<!ENTITY last SYSTEM "http://127.0.0.1:9/x">',
    ],
    ids=["billion laughs", "quadratic", "a file", "the net"],
)
@pytest.mark.parametrize("kind", ["file", "folder of planes"])
def test_entities_of_an_ome_xml_are_neither_expanded_nor_fetched(corpus, tmp_path, refused, entities, kind):
    xml = XML.format(entities=entities).encode()
    path = tmp_path / "a.ome.tif" if kind == "file" else tmp_path
    for number in range(1 if kind == "file" else 3):
        plane = corpus.stack() if kind == "file" else corpus.stack()[number]
        name = tmp_path / (f"{number}.tif" if kind != "file" else "a.ome.tif")
        tifffile.imwrite(name, plane, photometric="minisblack", description=xml, metadata=None)
    assert "entities" in refused(read_some, path)


def test_other_descriptions_are_text_and_no_xml(corpus, tmp_path):
    for text in (
        XML.format(entities='<!ENTITY last "x">').replace("OME", "EMO"),
        '{"shape": [6, 10, 12], "a": "&last;"}',
    ):
        tifffile.imwrite(tmp_path / "a.tif", corpus.stack(), photometric="minisblack", description=text, metadata=None)
        np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data, corpus.stack())


# ---------------------------------------------------------------- nothing small becomes large


def chunks_of(path):
    return [file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "z"))]


@pytest.mark.parametrize(
    ("version", "codec", "pack"),
    [
        ("0.4", numcodecs.Zlib(), zlib.compress),
        ("0.4", numcodecs.GZip(), gzip.compress),
        ("0.4", numcodecs.BZ2(), bz2.compress),
        ("0.4", numcodecs.LZ4(), numcodecs.LZ4().encode),
        ("0.4", numcodecs.Zstd(), numcodecs.Zstd().encode),
        ("0.4", numcodecs.Blosc(), numcodecs.Blosc().encode),
        ("0.5", GzipCodec(), gzip.compress),
        ("0.5", ZstdCodec(), numcodecs.Zstd().encode),
        ("0.5", BloscCodec(), numcodecs.Blosc().encode),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_chunk_that_unpacks_to_more_than_a_chunk_is_refused(corpus, tmp_path, refused, version, codec, pack):
    path = corpus.zarr(tmp_path, version, compressors=codec)
    np.testing.assert_array_equal(read_stack(path).data[:], corpus.stack())
    bomb = pack(bytes(ZEROS))
    for chunk in chunks_of(path):
        chunk.write_bytes(bomb)
    assert "cannot be decoded" in refused(read_some, path)


def test_a_chunk_inside_a_shard_is_bounded_as_well(corpus, tmp_path, refused):
    path = corpus.zarr(tmp_path, "0.5", shards=(6, 10, 12), compressors=GzipCodec())
    np.testing.assert_array_equal(read_stack(path).data[:], corpus.stack())
    (shard,) = chunks_of(path)
    content, bomb = shard.read_bytes(), gzip.compress(bytes(ZEROS))
    index = bytearray(content[-(8 * 16 + 4) : -4])  # offset and length of 8 chunks, then a checksum
    struct.pack_into("<QQ", index, 0, 0, len(bomb))
    checksum = numcodecs.checksum32.CRC32C().encode(bytes(index))[-4:]
    shard.write_bytes(bomb + bytes(index) + bytes(checksum))
    assert "unpacks to more" in refused(read_some, path)


def test_zstandard_frames_say_how_much_they_hold():
    for size in (0, 1, 255, 256, 70_000, 3_000_000):
        assert zstd_size(numcodecs.Zstd().encode(bytes(size))) == size
    assert zstd_size(b"\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00") is None  # a frame of a stream: RFC 8878, 3.1.1.1.1


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_a_packed_nrrd_unpacks_to_what_its_header_says_and_no_further(tmp_path, refused, encoding, pack):
    head = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 12 10 6\nencoding: {encoding}\n\n".encode()
    (tmp_path / "a.nrrd").write_bytes(head + pack(bytes(ZEROS)))
    assert "more than the 720 bytes" in refused(read_some, tmp_path / "a.nrrd")


def test_a_packed_nifti_that_claims_gigabytes_is_refused(corpus, tmp_path, refused):
    path = corpus.nifti(tmp_path, name="a.nii.gz")
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<3h", content, 42, 1500, 1500, 1500)
    path.write_bytes(gzip.compress(bytes(content)))
    assert "6.8 GB are due" in refused(read_some, path)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits"])
def test_a_tiff_whose_planes_claim_gigabytes_is_refused(tmp_path, refused, compression):
    path = tmp_path / "a.tif"
    options = {"compression": compression, "photometric": "minisblack", "metadata": None, "rowsperstrip": 64}
    tifffile.imwrite(path, np.zeros((6, 64, 64), np.uint8), **options)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            for name in ("ImageLength", "ImageWidth", "RowsPerStrip"):
                page.tags[name].overwrite(40_000)
    refused(read_some, path)


def test_an_imaris_file_that_claims_voxels_never_written_is_refused(corpus, tmp_path, refused):
    path = corpus.ims(tmp_path)
    with h5py.File(path, "r+") as file:
        group = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
        del group["Data"]
        group.create_dataset("Data", (1500, 1500, 2000), "u1", chunks=(8, 64, 64), compression="gzip")
        for axis, length in zip("ZYX", ("1500", "1500", "2000"), strict=True):
            group.attrs[f"ImageSize{axis}"] = np.array(list(length), "S1")
    assert "4.5 GB are due" in refused(read_some, path)


def test_a_pbd_that_claims_gigabytes_or_millions_of_channels_is_refused(corpus, tmp_path, refused):
    path = corpus.v3dpbd(tmp_path)
    for at, value in ((27, 1 << 30), (39, 1 << 24)):
        content = bytearray(corpus.v3dpbd(tmp_path).read_bytes())
        struct.pack_into("<i", content, at, value)
        path.write_bytes(content)
        assert len(refused(read_some, path)) < 1000


def test_an_ome_xml_that_claims_billions_of_planes_is_refused(corpus, tmp_path, refused):
    for change in ('SizeZ="2147483647"', 'SizeZ="6" SizeT="999999999"', 'SizeZ="-6"'):
        xml = XML.replace("<!DOCTYPE OME [{entities}]>", "").replace("&last;", "x")
        xml = xml.replace('SizeT="1"', "").replace('SizeZ="6"', change).encode()
        tifffile.imwrite(
            tmp_path / "a.ome.tif", corpus.stack(), photometric="minisblack", description=xml, metadata=None
        )
        assert "claims" in refused(read_some, tmp_path / "a.ome.tif")


def test_lines_to_skip_without_end_are_refused(tmp_path, refused):
    head = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 12 10 6\nline skip: 9999999999\nencoding: gzip\n\n"
    (tmp_path / "a.nrrd").write_bytes(head.encode() + gzip.compress(bytes(720)))
    assert "lines to skip" in refused(read_some, tmp_path / "a.nrrd")


# ---------------------------------------------------------------- nothing waits


def in_place_of(path, what):
    """Put a pipe or a link to a device where a file was."""
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("suffix", ["tif", "npy", "nrrd", "nii", "ims", "v3draw", "v3dpbd"])
def test_a_pipe_or_a_device_is_no_stack(tmp_path, refused, what, suffix):
    in_place_of(tmp_path / f"a.{suffix}", what)
    assert "not a regular file" in refused(read_some, tmp_path / f"a.{suffix}")
    assert find_stacks(tmp_path) == []


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize(("version", "name"), [("0.4", ".zattrs"), ("0.4", "0/.zarray"), ("0.5", "0/zarr.json")])
def test_a_pipe_or_a_device_inside_a_zarr_is_refused(corpus, tmp_path, refused, what, version, name):
    path = corpus.zarr(tmp_path, version)
    in_place_of(path / name, what)
    assert "not a regular file" in refused(read_some, path)


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("options", [{}, {"shards": (6, 10, 12)}])
def test_a_pipe_or_a_device_as_a_chunk_is_refused(corpus, tmp_path, refused, what, options):
    path = corpus.zarr(tmp_path, "0.5", **options)
    for chunk in chunks_of(path):
        in_place_of(chunk, what)
    assert "not a regular file" in refused(read_some, path)


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_a_pipe_or_a_device_that_a_header_names_is_refused(corpus, tmp_path, refused, what):
    path = corpus.nrrd(tmp_path, name="a.nhdr", encoding="raw")
    in_place_of(tmp_path / "a.raw", what)
    assert "not a regular file" in refused(read_some, path)
    path = corpus.split_ome(tmp_path)
    in_place_of(tmp_path / "p1.ome.tif", what)
    assert "not a regular file" in refused(read_some, path, named=tmp_path)


def test_circles_of_links_end(corpus, tmp_path, refused):
    (tmp_path / "a.tif").symlink_to("a.tif")
    assert "is a link to a.tif" in refused(read_some, tmp_path / "a.tif")
    zarr.create_group(tmp_path / "b.zarr", attributes={"ome": {"bioformats2raw.layout": 3}})
    (tmp_path / "b.zarr" / "0").symlink_to(".", target_is_directory=True)
    assert "without multiscales" in refused(read_some, tmp_path / "b.zarr")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to("..", target_is_directory=True)
    corpus.v3draw(tmp_path / "sub")
    assert find_stacks(tmp_path, recursive=True) == [tmp_path / "b.zarr", tmp_path / "sub" / "a.v3draw"]
    before = hash_path(tmp_path / "sub")
    (tmp_path / "sub" / "self").symlink_to("self")
    assert hash_path(tmp_path / "sub") == before


def test_a_deep_nest_of_collections_ends(tmp_path, refused):
    path = tmp_path / "a.zarr"
    for depth in range(60):
        zarr.create_group(path.joinpath(*["0"] * depth))
    assert "without multiscales" in refused(read_some, path)


def test_a_pipe_has_no_hash(tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(InputError, match="not a regular file"):
        hash_path(tmp_path / "a")


# ---------------------------------------------------------------- and what is honest is read


def test_samples_of_all_formats_are_read(corpus, tmp_path):
    for sample in corpus.make_corpus(tmp_path, tuple(set(corpus.KINDS) - {"SWC", "model", "settings"})):
        data = np.asarray(read_stack(sample.target).data[:])
        due = corpus.stack()
        if sample.kind == "v3dpbd":
            due[-1] = 7
        np.testing.assert_array_equal(data, due, err_msg=f"{sample.kind}, {sample.name}")


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "packbits"])
def test_a_large_plane_of_nothing_is_packed_well_and_read(tmp_path, compression):
    data = np.zeros((2, 1500, 1500), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression, photometric="minisblack", metadata=None)
    assert not read_stack(tmp_path / "a.tif").data.any()


def nifti_of_zeros(corpus, folder):
    """Return a NIfTI of 64 x 256 x 256 zeros, to be packed."""
    content = bytearray(corpus.nifti(folder).read_bytes()[:352]) + bytes(64 * 256 * 256 * 2)
    struct.pack_into("<3h", content, 42, 256, 256, 64)
    return bytes(content)


def test_an_empty_imaris_stack_and_a_nifti_of_zeros_are_packed_well_and_read(corpus, tmp_path):
    path = corpus.ims(tmp_path)
    with h5py.File(path, "r+") as file:
        group = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
        del group["Data"]
        data = np.zeros((64, 512, 512), np.uint8)
        group.create_dataset("Data", data=data, chunks=(16, 256, 256), compression="gzip", compression_opts=9)
        for axis, length in zip("ZYX", ("64", "512", "512"), strict=True):
            group.attrs[f"ImageSize{axis}"] = np.array(list(length), "S1")
    assert not np.asarray(read_stack(path).data).any()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(nifti_of_zeros(corpus, tmp_path)))
    assert not read_stack(tmp_path / "b.nii.gz").data.any()
