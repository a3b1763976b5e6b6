"""Packed chunks of zarr state their size before it is believed; truth: what the libraries packed, and RFC 8878."""

import asyncio
import bz2
import gzip
import lzma
import os
import zipfile

import imagecodecs
import numcodecs
import numpy as np
import pytest
from zarr.codecs import GzipCodec
from zarr.core.buffer import default_buffer_prototype

from neurorecon.core.errors import FormatError
from neurorecon.io.formats.zarr.zarr_bounds import BoundedCodec, BoundedFilter, PlainFiles, check_promise, promise
from neurorecon.io.formats.zarr.zarr_zip import ZipFiles
from neurorecon.io.unpack import unpacked

PACKERS = {"blosc": numcodecs.Blosc(), "lz4": numcodecs.LZ4(), "zstd": numcodecs.Zstd()}


def unsized_frame(content):
    """A Zstandard frame of one raw block that does not state its size: RFC 8878, 3.1.1."""
    return b"\x28\xb5\x2f\xfd" + b"\0\0" + (len(content) << 3 | 1).to_bytes(3, "little") + content


@pytest.mark.parametrize("size", [100, 255, 256, 300, 65_791, 65_792, 70_000])
@pytest.mark.parametrize("kind", PACKERS)
def test_the_size_that_a_chunk_states_is_the_size_that_was_packed(kind, size, rng):
    packed = PACKERS[kind].encode(rng.integers(0, 4, size).astype(np.uint8))
    assert promise(bytes(packed), kind) == size
    check_promise(bytes(packed), kind, size)
    with pytest.raises(ValueError, match=f"promises {size} bytes, its metadata at most {size - 1}"):
        check_promise(bytes(packed), kind, size - 1)


@pytest.mark.parametrize(("kind", "raw"), [("blosc", b"\2\1\1"), ("lz4", b"\1"), ("zstd", b"\x28\xb5\x2f\xfd")])
def test_a_header_that_breaks_off_is_said(kind, raw):
    with pytest.raises(ValueError, match="cut off"):
        promise(raw, kind)


def test_what_is_no_zstandard_frame_is_said():
    with pytest.raises(ValueError, match="no Zstandard frame"):
        promise(b"PK\3\4" + bytes(20), "zstd")


def test_a_frame_without_a_size_is_unpacked_no_further_than_the_limit():
    frame = unsized_frame(b"grey values")
    assert numcodecs.Zstd().decode(frame) == b"grey values"
    assert promise(frame, "zstd") is None
    check_promise(frame, "zstd", 11)
    with pytest.raises((ValueError, imagecodecs.ZstdError)):
        check_promise(frame, "zstd", 10)


@pytest.mark.parametrize("codec", [numcodecs.Zlib(), numcodecs.GZip(), numcodecs.LZ4(), numcodecs.Blosc()])
def test_a_bounded_codec_packs_and_describes_itself_as_the_codec_does(codec, rng):
    voxels = rng.integers(0, 9, 500).astype(np.uint8)
    bounded = BoundedFilter(codec, 500)
    assert bounded.get_config() == codec.get_config()
    assert bytes(bounded.decode(bounded.encode(voxels))) == voxels.tobytes()
    with pytest.raises(ValueError, match=r"more than|promises"):
        BoundedFilter(codec, 499).decode(codec.encode(voxels))


def test_a_bounded_codec_of_version_3_describes_itself_as_the_codec_does():
    inner = GzipCodec(level=3)
    assert BoundedCodec(inner, "gzip", 10).to_dict() == inner.to_dict()


def test_a_folder_is_read_without_its_pipes(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "chunk").write_bytes(b"12345678")
    os.mkfifo(tmp_path / "0" / "pipe")
    store = PlainFiles(tmp_path)
    assert sorted(store.children("0")) == ["chunk", "pipe"]
    assert store.has("0/chunk")
    assert not store.has("0/pipe")
    buffers = asyncio.run(store.get_partial_values(default_buffer_prototype(), [("0/chunk", None)]))
    assert buffers[0].to_bytes() == b"12345678"
    for read in (
        lambda: asyncio.run(store.get("0/pipe", default_buffer_prototype())),
        lambda: asyncio.run(store.get_partial_values(default_buffer_prototype(), [("0/pipe", None)])),
        lambda: store.check_below("0"),
    ):
        with pytest.raises(FormatError, match="pipe or a device"):
            read()


@pytest.mark.parametrize(("kind", "pack"), [("gzip", gzip.compress), ("bz2", bz2.compress), ("lzma", lzma.compress)])
def test_streams_one_behind_the_other_and_padded_with_zeros_are_one(kind, pack):
    packed = pack(b"grey ") + pack(b"values") + bytes(16)
    for pieces in ([packed], [packed[:-16], packed[-16:]]):
        assert b"".join(unpacked(pieces, kind, 11)) == b"grey values"
    with pytest.raises(ValueError, match="more than the 10 bytes"):
        list(unpacked([packed], kind, 10))


def test_an_archive_tells_what_lies_in_its_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("zarr.json", "0/zarr.json", "0/c/0/0/0", "1/zarr.json"):
            archive.writestr(name, "{}")
    files = ZipFiles(tmp_path / "a.zip")
    assert sorted(files.children("")) == ["0", "1", "zarr.json"]
    assert sorted(files.children("0")) == ["c", "zarr.json"]
    files.close()
