"""Zarr arrays of unknown origin: plain files only, known codecs only, and no chunk that unpacks to more than a chunk.

A chunk of some kilobytes can unpack to gigabytes, and zarr checks the size only afterwards. So every codec that packs is
wrapped: the size stated in its bytes is compared with that of the metadata, and streams that state no size (zlib, gzip,
bzip2, LZMA) are unpacked here, no further than that.
"""

import asyncio
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numcodecs.abc
import numpy as np
import zarr
from numcodecs.compat import ndarray_copy
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import ShardingCodec
from zarr.storage import LocalStore

from neurorecon.core.errors import FormatError
from neurorecon.io.unpack import STREAMS, unpacked

__all__ = ["PlainFiles", "bounded"]

PACKING = (*STREAMS, "blosc", "lz4", "zstd")
# the other known codecs return as many bytes as they take, or a few times as many where they widen the type
KNOWN = (
    *PACKING, "adler32", "astype", "bitround", "bytes", "crc32", "crc32c", "delta", "fixedscaleoffset", "fletcher32",
    "jenkins_lookup3", "packbits", "quantize", "sharding_indexed", "shuffle", "transpose",
)  # fmt: skip
# Facts of the format, or limits set by hand; not tuned.
SLACK = 4  # a filter may have widened the type (bits to bytes apart, which are no grey values)
SLACK_BYTES = 4096  # checksums, and headers
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class PlainFiles(LocalStore):
    """A folder read only, in which pipes and devices are refused: reading one may never end."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, read_only=True)

    async def get(self, key: str, *given: Any, **named: Any) -> Any:
        """Return the bytes of a file, None where there is none."""
        self._check(key)
        return await super().get(key, *given, **named)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> list[Any]:
        """Return parts of files."""
        asked = list(key_ranges)
        for key, _ in asked:
            self._check(key)
        return list(await super().get_partial_values(prototype, asked))

    def has(self, key: str) -> bool:
        """Tell whether there is a file."""
        return (Path(self.root) / key).is_file()

    def children(self, key: str) -> list[str]:
        """Return the names of what lies in a folder."""
        return [child.name for child in (Path(self.root) / key).iterdir()]

    def check_below(self, key: str) -> None:
        """Raise FormatError if a pipe or a device lies anywhere below a folder: a list of files does not show them."""
        root = Path(self.root)
        for path in (root / key).rglob("*"):
            self._check(path.relative_to(root).as_posix())

    def _check(self, key: str) -> None:
        path = Path(self.root) / key
        if path.exists() and not path.is_file() and not path.is_dir():
            raise FormatError(f"{path}: is not a regular file, but a pipe or a device; copy the data again")


@dataclass(frozen=True)
class BoundedCodec(BytesBytesCodec):
    """A codec of zarr v3 that packs, with the most bytes that it may give."""

    inner: Any
    kind: str
    limit: int
    is_fixed_size = False

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        if self.kind in STREAMS:
            content = await asyncio.to_thread(stream, chunk_bytes.to_bytes(), self.kind, self.limit)
            return chunk_spec.prototype.buffer.from_bytes(content)
        check_promise(chunk_bytes.to_bytes(), self.kind, self.limit)
        return await self.inner._decode_single(chunk_bytes, chunk_spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Return the text of the codec."""
        return int(self.inner.compute_encoded_size(input_byte_length, chunk_spec))

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of the metadata."""
        return dict(self.inner.to_dict())


class BoundedFilter(numcodecs.abc.Codec):  # type: ignore[misc]  # numcodecs is not typed
    """A codec of zarr v2 that packs, with the most bytes that it may give."""

    codec_id = "bounded"  # of the class, as zarr asks; an instance goes by the name of its codec

    def __init__(self, inner: Any, limit: int) -> None:
        self.inner, self.limit, self.codec_id = inner, limit, inner.codec_id

    def encode(self, buf: Any) -> Any:
        """Pack as the codec does."""
        return self.inner.encode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Unpack, after a look at how much that is."""
        raw = bytes(buf)
        if self.codec_id in STREAMS:
            return ndarray_copy(np.frombuffer(stream(raw, self.codec_id, self.limit), np.uint8), out)
        check_promise(raw, self.codec_id, self.limit)
        return self.inner.decode(buf, out)

    def get_config(self) -> dict[str, Any]:
        """Return the entry of the metadata."""
        return dict(self.inner.get_config())


def stream(raw: bytes, kind: str, limit: int) -> bytes:
    """Return the content of a packed stream; raise ValueError if it is more than `limit` bytes."""
    return b"".join(unpacked([raw], kind, limit))


def check_promise(raw: bytes, kind: str, limit: int) -> None:
    """Raise ValueError if packed bytes state more than `limit`, because the decoder allocates as much as they state."""
    promised = promise(raw, kind)
    if promised is None:
        import imagecodecs

        imagecodecs.zstd_decode(raw, out=limit)  # raises where there is more
    elif promised > limit:
        raise ValueError(f"a chunk promises {promised} bytes, its metadata at most {limit}")


def promise(raw: bytes, kind: str) -> int | None:
    """Return the size that blosc, LZ4 (of numcodecs) or Zstandard write before their data; None where Zstandard does not.

    Raises:
        ValueError: if the header is cut off.
    """
    try:
        if kind == "blosc":
            return int(struct.unpack_from("<I", raw, 4)[0])
        if kind == "lz4":
            return int(struct.unpack_from("<I", raw)[0])
        return zstd_size(raw)
    except (struct.error, IndexError) as error:
        raise ValueError("a chunk is cut off") from error


def zstd_size(raw: bytes) -> int | None:
    """Return the content size of a frame, None where it names none. After RFC 8878, section 3.1.1.1."""
    if raw[:4] != ZSTD_MAGIC:
        raise ValueError("a chunk is no Zstandard frame")
    flags = raw[4]
    single = flags & 0x20
    size_bytes = (1 if single else 0, 2, 4, 8)[flags >> 6]
    if not size_bytes:
        return None
    at = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    size = int.from_bytes(raw[at : at + size_bytes], "little")
    return size + 256 if size_bytes == 2 else size


def name_of(codec: Any) -> str:
    """Return the name of a codec of either version."""
    name = str(getattr(codec, "codec_id", "") or codec.to_dict().get("name", ""))
    return name.removeprefix("numcodecs.")


def bounded(path: Path, array: Any) -> Any:
    """Return an open zarr array whose chunks cannot unpack to more than a chunk.

    Raises:
        FormatError: if it uses a codec that is not known: some run code (pickle).
    """
    metadata = array.metadata
    item_bytes = int(array.dtype.itemsize)
    if array.metadata.zarr_format == 2:
        limit = limit_of(metadata.chunks, item_bytes)
        filters = [wrapped_v2(path, codec, limit) for codec in metadata.filters or ()]
        compressor = metadata.compressor and wrapped_v2(path, metadata.compressor, limit)
        metadata = replace(metadata, filters=tuple(filters) or None, compressor=compressor)
    else:
        shape = metadata.chunk_grid.chunk_shape
        metadata = replace(metadata, codecs=wrapped_v3(path, metadata.codecs, shape, item_bytes))
    return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=array.store_path))


def limit_of(shape: Sequence[int], item_bytes: int) -> int:
    """Return the most bytes that a chunk of this shape may have on its way."""
    return SLACK * math.prod(shape) * item_bytes + SLACK_BYTES


def check_known(path: Path, codec: Any) -> str:
    """Return the name of a codec, or raise FormatError where it is not known."""
    name = name_of(codec)
    if name not in KNOWN:
        raise FormatError(f"{path}: is packed by {name!r}, which is not read; save it with blosc, zstd or gzip")
    return name


def wrapped_v2(path: Path, codec: Any, limit: int) -> Any:
    """Return a codec of numcodecs, bounded where it packs."""
    return BoundedFilter(codec, limit) if check_known(path, codec) in PACKING else codec


def wrapped_v3(path: Path, codecs: Sequence[Any], shape: Sequence[int], item_bytes: int) -> tuple[Any, ...]:
    """Return the codecs of a chunk of this shape, bounded where they pack, those inside a shard as well."""
    found: list[Any] = []
    for codec in codecs:
        name = check_known(path, codec)
        if name == "sharding_indexed":
            inner = wrapped_v3(path, codec.codecs, codec.chunk_shape, item_bytes)
            for part in codec.index_codecs:
                if check_known(path, part) in PACKING:
                    raise FormatError(f"{path}: packs the index of its shards; save it without")
            found.append(
                ShardingCodec(
                    chunk_shape=codec.chunk_shape,
                    codecs=inner,
                    index_codecs=codec.index_codecs,
                    index_location=codec.index_location,
                )
            )
        else:
            limit = limit_of(shape, item_bytes)
            found.append(BoundedCodec(codec, name, limit) if name in PACKING else codec)
    return tuple(found)
