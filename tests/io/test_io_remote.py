"""OME-Zarr over http, from a server of this machine: the same stack as from the disk, and one line for whatever goes wrong."""

import asyncio
import json
import logging
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

from neurorecon import VoxelSize, read_probability, read_stack, reconstruct, write_stack
from neurorecon.cli import main
from neurorecon.core.address import Address, path_or_address
from neurorecon.core.errors import FormatError, InputError, MissingExtraError
from neurorecon.inspect import describe_input
from neurorecon.io.formats.zarr import zarr_remote

pytest.importorskip("aiohttp", reason="needs aiohttp of the extra remote")
SIZE = VoxelSize(0.5, 0.2, 0.2)


class Web:
    """What the server does, and what it was asked for.

    Attributes:
        folder: whose files it gives.
        address: of that folder.
        answers: a status in the place of a file, by the end of its path; a list is used up, one for each question.
        pages: a web page in the place of a file that is not there.
        ranges: it gives parts of files to those who ask for parts.
        slow: paths, by their end, that are answered after a second.
        broken: paths, by their end, of which half comes.
        asked: paths, in order.
    """

    def __init__(self, folder):
        self.folder, self.address = Path(folder), ""
        self.answers, self.pages, self.ranges = {}, False, True
        self.slow, self.broken, self.asked = (), (), []

    def answer(self, path):
        """The status that is wanted for a path, None for its file."""
        for end, status in self.answers.items():
            if path.endswith(end):
                if not isinstance(status, list):
                    return status
                return status.pop(0) if status else None
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing is said."""

    def do_GET(self):
        web = self.server.web
        web.asked.append(self.path)
        if self.path.endswith(tuple(web.slow)) and web.slow:
            time.sleep(1)
        file = web.folder / self.path.lstrip("/")
        status = web.answer(self.path) or (200 if file.is_file() else 404)
        content = file.read_bytes() if status == 200 and file.is_file() else b"no"
        if status == 404 and web.pages:
            status, content = 200, b"<!DOCTYPE html><html>Welcome</html>"
        part = self.headers.get("Range")
        if status == 200 and part and web.ranges:
            first, last = part.removeprefix("bytes=").split("-")
            content = content[int(first) : int(last) + 1 if last else None] if first else content[-int(last) :]
            status = 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if web.broken and self.path.endswith(tuple(web.broken)):
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content)


@contextmanager
def serving(folder):
    """Give a Web of a folder, as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.web = web = Web(folder)
    web.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A server of `tmp_path`, which is not waited for long."""
    monkeypatch.setattr(zarr_remote, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(zarr_remote, "TIMEOUT_S", 0.5)
    with serving(tmp_path) as web:
        yield web


def write_image(path, stack, *, version=3, chunks=(2, 5, 6)):
    """An image of two levels, the smaller one first; every chunk holds something."""
    group = zarr.create_group(path, zarr_format=version)
    levels = {"half": (stack[::2, ::2, ::2], [1.0, 0.4, 0.4]), "full": (stack, [0.5, 0.2, 0.2])}
    datasets = []
    for name, (data, scale) in levels.items():
        group.create_array(name, shape=data.shape, chunks=chunks, dtype=data.dtype)[...] = data
        datasets.append({"path": name, "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    image = {"axes": axes, "datasets": datasets}
    if version == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [{"version": "0.4", **image}]
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_the_largest_level_is_read_with_its_voxel_size(web, tmp_path, stack, version):
    write_image(tmp_path / "cell.ome.zarr", stack, version=version)
    found = read_stack(f"{web.address}/cell.ome.zarr")
    np.testing.assert_array_equal(found.data, stack)
    assert found.voxel_size == SIZE
    assert found.source == f"{web.address}/cell.ome.zarr"
    assert found.findings == ()


def test_a_stack_is_fetched_once(web, tmp_path, stack):
    write_image(tmp_path / "cell.ome.zarr", stack)
    found = read_stack(f"{web.address}/cell.ome.zarr")
    chunks = [path for path in web.asked if "/full/c/" in path]
    assert len(chunks) == len(set(chunks)) == 12
    _ = found.data[2:4, 1:]
    assert len([path for path in web.asked if "/full/c/" in path]) == 12


def test_a_large_stack_is_read_where_it_is_asked_for(web, tmp_path, stack, monkeypatch):
    monkeypatch.setattr(zarr_remote, "is_large", lambda _bytes: True)
    write_image(tmp_path / "cell.ome.zarr", stack)
    found = read_stack(f"{web.address}/cell.ome.zarr")
    assert not [path for path in web.asked if "/c/" in path]
    np.testing.assert_array_equal(found.data[2:4, 1:4, 2:5], stack[2:4, 1:4, 2:5])
    assert [path.rpartition("full/")[2] for path in web.asked if "/c/" in path] == ["c/1/0/0"]
    assert [(finding.name, finding.level) for finding in found.findings] == [("chunks-not-counted", "note")]


def test_a_level_and_the_one_image_of_a_collection_are_read(web, tmp_path, stack):
    (tmp_path / "all.zarr").mkdir()
    (tmp_path / "all.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "all.zarr" / ".zattrs").write_text('{"bioformats2raw.layout": 3}')
    write_image(tmp_path / "all.zarr" / "0", stack, version=2)
    np.testing.assert_array_equal(read_stack(f"{web.address}/all.zarr").data, stack)
    half = read_stack(f"{web.address}/all.zarr/0/half")
    np.testing.assert_array_equal(half.data, stack[::2, ::2, ::2])
    assert half.voxel_size == VoxelSize(1.0, 0.4, 0.4)
    assert "pyramid-level" in [finding.name for finding in half.findings]
    write_image(tmp_path / "all.zarr" / "1", stack, version=2)
    with pytest.raises(
        InputError, match=r"holds 2 images \(0, 1\); give one of them, for example http://.*/all.zarr/0"
    ):
        read_stack(f"{web.address}/all.zarr")


@pytest.mark.parametrize("ranges", [True, False])
def test_shards_are_read_by_parts_or_whole_and_so_are_maps_of_neurorecon(web, tmp_path, stack, ranges, write_map):
    web.ranges = ranges
    write_map(tmp_path / "map.ome.zarr", stack, SIZE)
    found = read_probability(f"{web.address}/map.ome.zarr")
    np.testing.assert_array_equal(np.asarray(found.neurite[:]), stack)
    np.testing.assert_array_equal(np.asarray(found.soma[:]), stack[::-1])
    assert found.certain == 0.6
    shards = zarr.create_array(tmp_path / "s.zarr", shape=(8, 20, 24), shards=(4, 10, 12), chunks=(2, 5, 6), dtype="u1")
    shards[...] = np.tile(stack, (2, 2, 2))[:8] | 1
    np.testing.assert_array_equal(read_stack(f"{web.address}/s.zarr").data, np.tile(stack, (2, 2, 2))[:8] | 1)


@pytest.mark.parametrize("ranges", [True, False])
def test_any_part_of_a_file_is_given_whether_or_not_the_server_gives_parts(web, tmp_path, ranges):
    web.ranges, content = ranges, bytes(range(200))
    (tmp_path / "chunk").write_bytes(content)
    files = zarr_remote.RemoteFiles(path_or_address(web.address))
    parts = [RangeByteRequest(10, 30), OffsetByteRequest(150), SuffixByteRequest(20), None]
    asked = [("chunk", part) for part in parts]
    found = asyncio.run(files.get_partial_values(default_buffer_prototype(), asked))
    assert [part.to_bytes() for part in found] == [content[10:30], content[150:], content[-20:], content]
    assert asyncio.run(files.exists("chunk"))
    assert not asyncio.run(files.exists("other"))
    assert files == zarr_remote.RemoteFiles(path_or_address(web.address))
    assert files != zarr_remote.RemoteFiles(path_or_address(f"{web.address}/other"))


def test_a_server_is_neither_written_to_nor_listed(web):
    files = zarr_remote.RemoteFiles(path_or_address(web.address))
    for refuse in (
        lambda: asyncio.run(files.set("chunk", default_buffer_prototype().buffer.from_bytes(b"1"))),
        lambda: asyncio.run(files.delete("chunk")),
        files.list,
        lambda: files.list_prefix(""),
        lambda: files.list_dir(""),
    ):
        with pytest.raises(NotImplementedError):
            refuse()
    assert web.asked == []


def test_chunks_that_are_not_there_are_said(web, tmp_path, stack, caplog):
    path = write_image(tmp_path / "cell.ome.zarr", stack)
    (path / "full/c/1/0/1").unlink()
    (path / "full/c/0/0/0").unlink()
    found = read_stack(f"{web.address}/cell.ome.zarr")
    assert [finding.name for finding in found.findings] == ["missing-chunks"]
    assert f"{web.address}/cell.ome.zarr: 2 of 12 chunks are not there and count as empty" in caplog.text
    assert not found.data[2:4, :5, 6:].any()
    assert "missing-chunks" in [finding.name for finding in describe_input(Address(f"{web.address}/cell.ome.zarr"))[1]]
    for chunk in [file for file in (path / "full/c").rglob("*") if file.is_file()]:
        chunk.unlink()
    with pytest.raises(FormatError, match="none of the 12 chunks that were asked for is there"):
        read_stack(f"{web.address}/cell.ome.zarr")


def test_of_a_large_stack_the_first_chunk_that_is_not_there_is_said(web, tmp_path, stack, monkeypatch, caplog):
    monkeypatch.setattr(zarr_remote, "is_large", lambda _bytes: True)
    path = write_image(tmp_path / "cell.ome.zarr", stack)
    (path / "full/c/1/0/1").unlink()
    (path / "full/c/1/1/1").unlink()
    found = read_stack(f"{web.address}/cell.ome.zarr")
    assert not caplog.records
    assert not found.data[2:4, :, 6:].any()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is not there and counts as empty, and perhaps further chunks" in caplog.text


@pytest.mark.parametrize(("status", "said"), [(403, "refuses it (403"), (401, "refuses it (401"), (500, "answers 500")])
def test_a_chunk_that_the_server_does_not_give_is_no_empty_chunk(web, tmp_path, stack, refusal, status, said):
    write_image(tmp_path / "cell.ome.zarr", stack)
    web.answers["full/c/1/0/1"] = status
    message = refusal(f"{web.address}/cell.ome.zarr")
    assert said in message
    assert message.startswith(f"{web.address}/cell.ome.zarr/full/c/1/0/1: ")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_asked_three_times(web, tmp_path, stack, refusal, status):
    write_image(tmp_path / "cell.ome.zarr", stack)
    web.answers["full/c/1/0/1"] = [status, status]
    np.testing.assert_array_equal(read_stack(f"{web.address}/cell.ome.zarr").data, stack)
    web.answers["full/c/1/0/1"] = [status] * 3
    assert f"the server answers {status}" in refusal(f"{web.address}/cell.ome.zarr")


def test_storage_that_refuses_what_is_not_there_is_read_all_the_same(web, tmp_path, stack):
    write_image(tmp_path / "cell.ome.zarr", stack, version=2)
    web.answers["zarr.json"] = web.answers[".zmetadata"] = 403
    np.testing.assert_array_equal(read_stack(f"{web.address}/cell.ome.zarr").data, stack)


def test_an_address_without_an_image_says_why(web, tmp_path, refusal):
    assert "no OME-Zarr is there: the server has none of its metadata" in refusal(f"{web.address}/none.ome.zarr")
    web.pages = True
    assert "answers with a web page" in refusal(f"{web.address}/none.ome.zarr")
    web.answers["zarr.json"] = 403
    web.pages = False
    assert "the server refuses it (403" in refusal(f"{web.address}/none.ome.zarr")
    web.answers["zarr.json"] = 503
    assert "the server answers 503" in refusal(f"{web.address}/none.ome.zarr")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    web.answers.clear()
    assert "is damaged or incomplete" in refusal(f"{web.address}/bad.zarr", FormatError)


def test_a_server_that_does_not_answer_or_breaks_off_is_said(web, tmp_path, stack, refusal):
    write_image(tmp_path / "cell.ome.zarr", stack)
    web.broken = ("full/c/1/0/1",)
    assert "the answer breaks off" in refusal(f"{web.address}/cell.ome.zarr")
    web.broken, web.slow = (), ("full/c/1/0/1",)
    assert "no answer came within 0.5 s" in refusal(f"{web.address}/cell.ome.zarr")
    for host in ("127.0.0.1:9", "127.0.0.1:99999", "[::"):
        assert "the server cannot be reached" in refusal(f"http://{host}/cell.ome.zarr")


def test_a_chunk_that_is_something_else_is_refused(web, tmp_path, stack, refusal):
    path = write_image(tmp_path / "cell.ome.zarr", stack)
    (path / "full/c/1/0/1").write_bytes(b"<html>Please log in</html>")
    assert "is damaged or incomplete" in refusal(f"{web.address}/cell.ome.zarr", FormatError)


def test_without_the_extra_its_name_is_told(monkeypatch, refusal):
    monkeypatch.setitem(__import__("sys").modules, "aiohttp", None)
    assert 'pip install "neurorecon[remote]"' in refusal("https://example.org/a.ome.zarr", MissingExtraError)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.org/cell.tif", "is an address, not a file; copy it to this machine first"),
        ("https://example.org/cell.ome.zarr.zip", "is an address, not a file"),
        ("https://name:tiger@example.org/a.zarr", "an address with a name or a password in it is not read"),
        ("https://example.org/a.zarr?token=tiger", "has a query"),
        ("s3://bucket/cell.ome.zarr", "has an address of https as well"),
    ],
)
def test_other_addresses_are_refused(address, said):
    with pytest.raises(InputError) as caught:
        read_stack(address)
    assert said in str(caught.value)
    assert "tiger" not in str(caught.value)


def test_an_address_has_the_face_of_a_path():
    address = path_or_address("https://host:80/data/cell.ome.zarr")
    assert isinstance(address, Path)
    assert (str(address), address.name) == ("https://host:80/data/cell.ome.zarr", "cell.ome.zarr")
    assert str(address / "0") == "https://host:80/data/cell.ome.zarr/0"
    assert str((address / "0").parent.absolute()) == str(address)
    assert address == path_or_address(Path("https://host:80/data/cell.ome.zarr"))


def test_commands_take_an_address(web, tmp_path, y_stack, bright_model):
    def neurorecon(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result

    write_stack(y_stack, tmp_path / "cell.ome.zarr")
    address, model = f"{web.address}/cell.ome.zarr", ["--model", bright_model]
    neurorecon("run", tmp_path / "cell.ome.zarr", "-o", tmp_path / "disk.swc", *model)
    neurorecon("run", address, "-o", tmp_path / "net.swc", *model)
    bodies = [
        [line for line in (tmp_path / name).read_text().splitlines() if line[0] != "#"]
        for name in ("disk.swc", "net.swc")
    ]
    assert bodies[0] == bodies[1]
    source = json.loads((tmp_path / "net.json").read_text())["input"]
    assert source["path"] == address
    assert source["sha256"].endswith("(of some voxels)")
    neurorecon("run", address, "-o", tmp_path / "all.swc", "--channel", "all", *model)
    neurorecon("segment", address, "-o", tmp_path / "map.ome.zarr", "--block", "32,64,64", *model)
    neurorecon("trace", f"{web.address}/map.ome.zarr", "-o", tmp_path / "map.swc", "--stack", address)
    neurorecon("trace", address, "--raw", "-o", tmp_path / "raw.swc")
    assert "whole, into memory" in neurorecon("doctor", address, "--voxel-size", "1,1,1").stdout
    assert len(reconstruct(address, model=str(bright_model)).tree) > 10
