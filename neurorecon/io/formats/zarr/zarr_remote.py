"""An OME-Zarr on a server of the net, read over http or https by fsspec and aiohttp: the extra `remote`.

A server says which files are not there (404), and cannot list those that are. By the standard of zarr a chunk that is not there
counts as empty: so missing chunks are counted, and reported. What a server refuses, breaks off or does not
answer is an error, never an empty chunk.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from neurorecon.core.address import Address
from neurorecon.core.errors import FormatError, InputError, MissingExtraError
from neurorecon.core.findings import StackFinding
from neurorecon.core.stack import Volume
from neurorecon.io.header import OpenedFile
from neurorecon.io.lazy import is_large

__all__ = ["RemoteFiles", "counted"]

# Facts of the format, or limits set by hand; not tuned.
TIMEOUT_S = 60.0  # without a byte; a busy disk of an archive takes some ten seconds to wake
PAUSES_S = (0.5, 2.0)  # before the second and the third try, as a server that is overloaded asks for
METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
REFUSALS = (401, 403)  # HTTP: unauthorized, forbidden
OVERLOADED = (
    408,
    429,
    500,
    502,
    503,
    504,
)  # RFC 9110, section 15, and RFC 6585: answers that may be others a moment later
MOST_IMAGES = 20  # numbers of images in a collection that are asked for
LEFT_OUT = (
    "%s: %s is not there and counts as empty, and perhaps further chunks; upload it again, unless its writer leaves out "
    "empty chunks"
)
COPY = "or copy the data to this machine first"

COUNTING = threading.Lock()  # of the module, for a store may be pickled

log = logging.getLogger(__name__)


class RemoteFiles(Store):
    """The files below an address, read only.

    Attributes:
        address: of the folder.
        there: keys of chunks that came.
        absent: keys of chunks that the server does not have.
        telling: warn of the first chunk that is not there.
        refused: why metadata were not received, if it was no plain 404.

    Raises:
        MissingExtraError: if fsspec or aiohttp is not installed.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, address: Address) -> None:
        super().__init__(read_only=True)
        self.address = address
        self.there: set[str] = set()
        self.absent: set[str] = set()
        self.telling = False
        self.refused = ""
        self._system = _http(address)
        self._metadata: dict[str, bytes | None] = {}

    def __eq__(self, other: object) -> bool:
        """Two stores of one address are one."""
        return isinstance(other, RemoteFiles) and other.address == self.address

    def has(self, key: str) -> bool:
        """Tell whether there is a file of metadata."""
        return self._metadata_of(key) is not None

    def children(self, key: str) -> list[str]:
        """Return the numbers of images, as far as they follow one another from 0: a server lists nothing."""
        start = f"{key}/".lstrip("/")
        found: list[str] = []
        while len(found) < MOST_IMAGES and any(self.has(f"{start}{len(found)}/{name}") for name in METADATA[:3]):
            found.append(str(len(found)))
        return found

    def check_there(self) -> None:
        """Raise InputError unless there are metadata of zarr at the address."""
        if any(self.has(name) for name in METADATA):
            return
        if self.refused:
            raise InputError(f"{self.address}: {self.refused}")
        way_out = "give the address of the folder that holds zarr.json or .zattrs"
        raise InputError(f"{self.address}: no OME-Zarr is there: the server has none of its metadata; {way_out}")

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a file, or a part of it; None where the server says that there is none."""
        content = await asyncio.to_thread(self._content, key, byte_range)
        if content is None:
            return None
        found: Buffer = (prototype or default_buffer_prototype()).buffer.from_bytes(content)
        return found

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of files."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Tell whether there is a file."""
        return await self.get(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: nothing is written."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse: nothing is removed."""
        raise NotImplementedError

    def list(self) -> AsyncIterator[str]:
        """Refuse: a server lists nothing."""
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse: a server lists nothing."""
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse: a server lists nothing."""
        raise NotImplementedError

    def _content(self, key: str, part: ByteRequest | None) -> bytes | None:
        """Return the bytes of metadata, which are kept, or of a chunk, which is counted."""
        if key.rpartition("/")[2] in METADATA:
            return self._metadata_of(key)
        content = self._fetched(key, part)
        if content is not None:
            self.there.add(key)
        else:
            with COUNTING:  # chunks are fetched by several threads, and one of them tells
                first = not self.absent
                self.absent.add(key)
            if first and self.telling:
                log.warning(LEFT_OUT, self.address, key)
        return content

    def _metadata_of(self, key: str) -> bytes | None:
        """Return a file of metadata; a refusal, or a web page in its place, counts as none, and is remembered.

        Storage of the Amazon kind refuses (403) what is not there to those who may not list it.
        """
        if key not in self._metadata:
            try:
                content = self._fetched(key, None)
            except _RefusedError as error:
                content, self.refused = None, error.reason
            if content is not None and content.lstrip()[:1] == b"<":
                self.refused = f"the server answers with a web page for {key}; give the address of the folder itself"
                content = None
            self._metadata[key] = content
        return self._metadata[key]

    def _fetched(self, key: str, part: ByteRequest | None) -> bytes | None:
        """Return the bytes of a file or of a part of it, None for a 404.

        Raises:
            InputError: if the server refuses, or gives no whole answer after three tries.
        """
        import aiohttp

        url = str(self.address / key)
        for pause in (*PAUSES_S, None):
            try:
                return _cut(self._system.cat_file(url, **_limits(part)), part)
            except FileNotFoundError:
                return None
            except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: of an address that is none
                if pause is None or not _may_pass(error):
                    raise _failure(url, error) from error
            time.sleep(pause)
        return None


class _RefusedError(InputError):
    """A file that the server refuses."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.reason = reason


def _may_pass(error: Exception) -> bool:
    """Return whether another try may help: after a broken answer, or if the server is overloaded."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in OVERLOADED
    return isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionResetError)


def _failure(url: str, error: Exception) -> InputError:
    """Return the message on a file that was not received."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        answer = f"{error.status} {error.message}".strip()
        if error.status in REFUSALS:
            return _RefusedError(url, f"the server refuses it ({answer}); give a public address, {COPY}")
        return InputError(f"{url}: the server answers {answer}; try again later, {COPY}")
    if isinstance(error, TimeoutError):
        return InputError(f"{url}: no answer came within {TIMEOUT_S:g} s; try again later, {COPY}")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionResetError):
        return InputError(f"{url}: the answer breaks off ({error}); try again later, {COPY}")
    return InputError(f"{url}: the server cannot be reached ({error}); look at the address and at the network")


def _http(address: Address) -> Any:
    """Return the file system of fsspec for http.

    Raises:
        MissingExtraError: names the extra.
    """
    try:
        import aiohttp
        import fsspec

        timeout = aiohttp.ClientTimeout(total=None, connect=TIMEOUT_S, sock_read=TIMEOUT_S)
        # proxies of the surroundings are used, as curl and wget do
        return fsspec.filesystem("http", client_kwargs={"timeout": timeout, "trust_env": True})
    except ImportError as error:
        raise MissingExtraError(f'{address}: needs the extra remote: pip install "neurorecon[remote]"') from error


def _limits(part: ByteRequest | None) -> dict[str, int]:
    """Return the arguments of `cat_file` for a part of a file."""
    if isinstance(part, RangeByteRequest):
        return {"start": part.start, "end": part.end}
    return {"start": -part.suffix} if isinstance(part, SuffixByteRequest) else {}


def _cut(content: bytes, part: ByteRequest | None) -> bytes:
    """Return the requested part of a file, also if a server has sent all of it."""
    if isinstance(part, OffsetByteRequest):
        return content[part.offset :]
    if isinstance(part, SuffixByteRequest):
        return content[-part.suffix :]
    if isinstance(part, RangeByteRequest) and len(content) > part.end - part.start:
        return content[part.start : part.end]
    return content


def counted(opened: OpenedFile, array: Any, *, own: bool) -> OpenedFile:
    """Return the opened file of a remote array whose chunks are counted as they are read.

    A stack that is not large is read whole, once, when it is loaded: then it is known which of its chunks are not there. Of a
    large one the first of them is warned of. Neurorecon's `own` images leave out empty chunks.
    """
    store: RemoteFiles = array.store
    open_volume = opened.load
    if is_large(opened.layout.voxels * opened.dtype.itemsize):
        store.telling = not own
        text = "its chunks are read where they are asked for; those that its server does not have are not counted"
        note = () if own else (StackFinding("chunks-not-counted", "note", text),)
        return replace(opened, findings=(*opened.findings, *note))

    def load(volume: int) -> Volume:
        store.there.clear()
        store.absent.clear()
        voxels: Volume = open_volume(volume)[:, :, :]
        if store.absent and not store.there and not own:
            what = f"none of the {len(store.absent)} chunks that were asked for is there"
            raise FormatError(f"{opened.path}: is incomplete: {what}; upload it again")
        return voxels

    def after() -> tuple[StackFinding, ...]:
        if own or not store.absent:
            return ()
        due = len(store.absent) + len(store.there)
        text = f"{len(store.absent)} of {due} chunks are not there and count as empty"
        way_out = "upload it again, unless its writer leaves out empty chunks"
        return (StackFinding("missing-chunks", "warning", text, way_out),)

    return replace(opened, load=load, lazy=False, after=after)
