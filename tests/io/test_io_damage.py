"""Damaged files are refused in one line, whatever the decoder says; no file ever gives a silent part of a stack."""

import os
import struct
import types

import numpy as np
import psutil
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io import read_stack

WRITERS = {
    "plain": {"metadata": None},
    "shaped": {},
    "shaped zlib": {"compression": "zlib"},
    "plain lzw": {"compression": "lzw", "metadata": None},
    "zstd": {"compression": "zstd"},
    "jpeg2000": {"compression": "jpeg2000"},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "imagej zlib": {"imagej": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome zlib": {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
    "one directory": {"truncate": True},
    "imagej one directory": {"imagej": True, "metadata": {"axes": "ZYX"}, "truncate": True},
    "big": {"bigtiff": True, "compression": "zlib"},
    "contiguous": {"bigtiff": True, "metadata": None, "contiguous": True},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of one stack of (12, 16, 18) in every flavour."""
    data = np.random.default_rng(3).integers(0, 256, (12, 16, 18)).astype(np.uint8)
    folder = tmp_path_factory.mktemp("written")
    for name, options in WRITERS.items():
        tifffile.imwrite(folder / f"{name}.tif", data, photometric="minisblack", **options)
    return data, {name: (folder / f"{name}.tif").read_bytes() for name in WRITERS}, folder / "broken.tif"


def outcome(path):
    """The stack, or the one line that refuses it; anything else fails."""
    try:
        return read_stack(path)
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.005, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
def test_a_tiff_that_is_cut_off_is_refused(written, name, share):
    data, files, path = written
    whole = files[name]
    path.write_bytes(whole[: int(len(whole) * share)])
    read = outcome(path)
    if not isinstance(read, str):  # nothing that matters was cut away
        np.testing.assert_array_equal(read.data, data)


@given(st.sampled_from(sorted(WRITERS)), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_give_a_stack_or_one_line(written, name, random):
    _, files, path = written
    broken = bytearray(files[name])
    for _ in range(random.randint(1, 4)):
        within = min(len(broken), 600) if random.random() < 0.7 else len(broken)  # mostly in the header
        broken[random.randrange(within)] = random.randrange(256)
    path.write_bytes(broken)
    outcome(path)


def test_imagej_that_claims_more_planes_than_it_holds_is_refused(tmp_path, stack, refusal):
    text = "ImageJ=1.54f\nimages=40\nslices=40\nhyperstack=true\n"
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", description=text, metadata=None)
    assert "says 40 planes, 6 are there" in refusal(tmp_path / "a.tif", FormatError)


def test_ome_that_claims_more_planes_than_it_holds_is_refused(tmp_path, stack, refusal):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, compression="zlib", photometric="minisblack")
    path.write_bytes(path.read_bytes().replace(b'SizeZ="6"', b'SizeZ="9"').replace(b'="6"', b'="9"'))
    assert "plane 7 of 9 is missing" in refusal(path, FormatError)


def test_metadata_that_do_not_fit_the_planes_are_refused(tmp_path, stack, refusal):
    path = tmp_path / "a.tif"
    options = {"metadata": None, "photometric": "minisblack", "description": '{"shape": [9, 10, 12]}'}
    tifffile.imwrite(path, stack[:3], **options)
    assert "its header claims" in refusal(path, FormatError)
    tifffile.imwrite(path, stack[:3], compression="zlib", **options)
    assert "its header says 9 x 10 x 12" in refusal(path, FormatError)
    tifffile.imwrite(path, stack[:3], metadata=None, photometric="minisblack", description="<OME></OME>")
    refusal(path, FormatError)


@pytest.mark.parametrize("at", [1 << 20, 9])
def test_a_directory_that_is_none_is_refused(tmp_path, stack, refusal, at):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((2, 64, 64), np.uint8), metadata=None, photometric="minisblack")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 4, at)
    path.write_bytes(content)
    refusal(path, FormatError)


def test_a_circle_of_directories_is_refused(tmp_path, stack, refusal):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack[:2], metadata=None, photometric="minisblack")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        at = [page.offset for page in tif.pages]
    count = struct.unpack_from("<H", content, at[1])[0]
    struct.pack_into("<I", content, at[1] + 2 + 12 * count, at[0])
    path.write_bytes(content)
    assert "leads back" in refusal(path, FormatError)


def test_planes_that_were_never_written_are_refused(tmp_path, stack, refusal):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, metadata=None, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[3].tags["StripByteCounts"].overwrite(0)
    assert "plane 4 of 6 holds no data" in refusal(path, FormatError)


def test_more_voxels_than_memory_are_refused_before_they_are_read(tmp_path, stack, refusal, monkeypatch):
    np.save(tmp_path / "a.npy", stack)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=stack.nbytes - 1))
    assert "claims 720 bytes of voxels, 719 bytes of memory are free" in refusal(tmp_path / "a.npy")


def test_what_is_no_stack_is_refused(tmp_path, refusal):
    assert refusal(tmp_path / "none.tif") == f"{tmp_path / 'none.tif'}: no such file"
    (tmp_path / "dir.tif").mkdir()
    assert "is a directory without TIFFs" in refusal(tmp_path / "dir.tif")
    (tmp_path / "empty.tif").touch()
    assert "0 bytes" in refusal(tmp_path / "empty.tif", FormatError)
    (tmp_path / "text.tif").write_text("hello")
    assert "is no .tif file" in refusal(tmp_path / "text.tif", FormatError)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "save them as TIFF" in refusal(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.tif")
    assert "not a regular file" in refusal(tmp_path / "pipe.tif")


def test_content_goes_before_suffix(tmp_path, stack):
    tifffile.imwrite(tmp_path / "a.tif", stack)
    for name in ("a.nrrd", "a", "a.dat"):
        (tmp_path / name).write_bytes((tmp_path / "a.tif").read_bytes())
        np.testing.assert_array_equal(read_stack(tmp_path / name).data, stack)


def test_foreign_loggers_stay_silent(tmp_path, stack, capfd, refusal):
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    refusal(tmp_path / "a.tif", FormatError)
    assert capfd.readouterr() == ("", "")
