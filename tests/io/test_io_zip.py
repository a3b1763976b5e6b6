"""OME-Zarr in ZIP archives: the same stack as from the folder; damaged, encrypted and foreign archives in one line."""

import shutil
import struct
import zipfile

import numpy as np
import pytest
import zarr

from neurorecon import VoxelSize, read_probability, read_stack, write_stack
from neurorecon.batch.items import plan
from neurorecon.core.errors import FormatError, InputError
from neurorecon.io import find_stacks, why_incomplete

SIZE = VoxelSize(0.5, 0.2, 0.2)


@pytest.fixture
def folder(tmp_path, stack):
    """An OME-Zarr 0.5 of `stack`."""
    path = tmp_path / "cell.ome.zarr"
    write_stack(stack, path, voxel_size=SIZE)
    return path


def zipped(folder, path, *, inside="", packing=zipfile.ZIP_STORED, without=()):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            name = file.relative_to(folder).as_posix()
            if name not in without:
                archive.write(file, f"{inside}{name}")
    return path


def patched(path, place, value):
    """Change two bytes of every entry of the list of members, at `place` from its start (APPNOTE 4.3.12)."""
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + place : at + place + 2] = struct.pack("<H", value)
        at = content.find(b"PK\x01\x02", at + 4)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("inside", ["", "cell.ome.zarr/", "data/cell.ome.zarr/"])
@pytest.mark.parametrize("name", ["cell.ome.zarr.zip", "cell.ozx", "cell.zip"])
def test_an_archive_is_read_like_its_folder(tmp_path, folder, stack, name, inside, packing):
    found = read_stack(zipped(folder, tmp_path / name, inside=inside, packing=packing))
    np.testing.assert_array_equal(np.asarray(found.data[:]), stack)
    assert found.voxel_size == SIZE
    assert not isinstance(found.data, np.ndarray)
    np.testing.assert_array_equal(found.data[2:5, 3:, ::2], stack[2:5, 3:, ::2])
    assert found.source == str(tmp_path / name)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zarr cannot replace a member, and writes it again
def test_an_archive_that_zarr_wrote_itself_is_read(tmp_path, two):
    with zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w") as store:
        group = zarr.create_group(store, zarr_format=2)
        axes = [{"name": name, "type": kind} for name, kind in zip("czyx", ("channel", *["space"] * 3), strict=True)]
        scale = [{"type": "scale", "scale": [1.0, 2.0, 0.5, 0.5]}]
        level = {"path": "0", "coordinateTransformations": scale}
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
        group.create_array("0", shape=two.shape, chunks=(1, 2, 4, 4), dtype=two.dtype)[...] = two
    found = read_stack(tmp_path / "a.zarr.zip", channel=1)
    np.testing.assert_array_equal(np.asarray(found.data[:]), two[1])


def test_sharded_maps_and_what_is_written_beside_them_are_read(tmp_path, stack, write_map):
    path = write_map(tmp_path / "map.ome.zarr", stack, SIZE)
    found = read_probability(zipped(path, tmp_path / "map.ome.zarr.zip"))
    np.testing.assert_array_equal(np.asarray(found.neurite[:]), stack)
    np.testing.assert_array_equal(np.asarray(found.soma[:]), stack[::-1])
    assert found.certain == 0.6


def test_chunks_that_are_not_in_the_archive_are_warned_of(tmp_path, stack):
    folder = tmp_path / "array.zarr"
    zarr.create_array(folder, shape=stack.shape, chunks=(2, 5, 6), dtype=stack.dtype)[...] = stack + 1
    chunks = [f"c/{z}/{y}/{x}" for z in range(3) for y in range(2) for x in range(2)]
    found = read_stack(zipped(folder, tmp_path / "a.zarr.zip", without=chunks[:2]))
    texts = {finding.name: finding.text for finding in found.findings}
    assert texts["missing-chunks"] == "2 of its 12 chunks are not there and count as empty"
    with pytest.raises(FormatError, match="none of its 12 chunks is there"):
        read_stack(zipped(folder, tmp_path / "b.zarr.zip", without=chunks))


def test_a_damaged_chunk_and_a_cut_off_archive_are_refused(tmp_path, folder, refusal):
    path = zipped(folder, tmp_path / "a.zarr.zip")
    with zipfile.ZipFile(path) as archive:
        chunk = next(info for info in archive.infolist() if "/c/" in info.filename)
    content = bytearray(path.read_bytes())
    content[chunk.header_offset + 30 + len(chunk.filename) + 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FormatError, match="cannot be decoded: Bad CRC-32"):
        np.asarray(read_stack(path).data[:])
    assert "CRC-32" in why_incomplete(path).reason
    cut = zipped(folder, tmp_path / "b.zarr.zip")
    cut.write_bytes(cut.read_bytes()[:-40])
    assert "is a damaged or incomplete ZIP archive" in refusal(cut, FormatError)


def test_an_encrypted_archive_is_refused(tmp_path, folder, refusal):
    path = patched(zipped(folder, tmp_path / "a.zarr.zip"), 8, 1)
    assert "is encrypted; unpack it with its password" in refusal(path)


def test_an_archive_packed_in_an_unknown_way_is_refused(tmp_path, folder, refusal):
    path = patched(zipped(folder, tmp_path / "a.zarr.zip"), 10, 9)
    assert "packed by method 9 of ZIP" in refusal(path)


def test_archives_of_other_things_say_what_they_are(tmp_path, stack, refusal):
    for name in ("a.zip", "b.ozx", "c.docx"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("notes.txt", "nothing")
    assert "a ZIP archive without an OME-Zarr" in refusal(tmp_path / "a.zip")
    assert "holds no zarr metadata" in refusal(tmp_path / "b.ozx", FormatError)
    assert "without an OME-Zarr" in refusal(tmp_path / "c.docx")
    np.savez(tmp_path / "d.npz", stack)
    assert "numpy.save" in refusal(tmp_path / "d.npz")
    zipfile.ZipFile(tmp_path / "e.ozx", "w").close()
    assert "is empty" in refusal(tmp_path / "e.ozx", FormatError)


def test_an_archive_of_several_images_is_refused_with_their_names(tmp_path, folder, refusal):
    both = tmp_path / "both"
    for name in ("one.ome.zarr", "two.ome.zarr"):
        shutil.copytree(folder, both / name)
    message = refusal(zipped(both, tmp_path / "a.zip"))
    assert "holds 2 images (one.ome.zarr, two.ome.zarr); unpack it" in message


def test_a_member_that_unpacks_to_more_than_the_memory_is_refused(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("neurorecon.io.formats.zarr.zarr_zip.CHECKED_BYTES", 1)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 10}))
    with pytest.raises(InputError, match="of memory are free"):
        read_stack(zipped(folder, tmp_path / "a.zarr.zip"))


def test_a_batch_finds_archives_and_names_their_results(tmp_path, folder):
    zipped(folder, tmp_path / "two.ome.zarr.zip")
    zipped(folder, tmp_path / "three.ozx")
    zipped(folder, tmp_path / "four.zip")
    found = [path.name for path in find_stacks(tmp_path)]
    assert found == ["cell.ome.zarr", "three.ozx", "two.ome.zarr.zip"]
    assert [item.output for item in plan(found)] == ["cell.swc", "three.swc", "two.swc"]
