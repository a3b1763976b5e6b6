"""Packed bytes, unpacked only as far as they may reach: no more than the header states is ever held in memory."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["DEFLATE_AT_MOST", "PIECE_BYTES", "STREAMS", "unpacked"]

# Facts of deflate, and a size set by hand; not tuned.
DEFLATE_AT_MOST = 1032  # bytes that one byte of zlib or gzip can stand for: 258 by a code of 2 bits
PIECE_BYTES = 1 << 20  # that are unpacked at a time

STREAMS: dict[str, Callable[[], Any]] = {
    "zlib": zlib.decompressobj,
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def unpacked(parts: Iterable[bytes], kind: str, limit: int) -> Iterator[bytes]:
    """Give the content of a packed stream piece by piece.

    Args:
        parts: the stream, in order; several streams one behind the other count as one.
        kind: a key of STREAMS.
        limit: the most bytes that it may hold.

    Raises:
        ValueError: if there is more, or the stream breaks off; libraries raise further kinds where it is damaged.
    """
    stream, total = STREAMS[kind](), 0
    for part in parts:
        held = part
        while held or not getattr(stream, "needs_input", True):
            if stream.eof:  # gzip and bzip2 allow another stream behind the first; zeros pad it
                held = held.lstrip(b"\0")
                if not held:
                    break
                stream = STREAMS[kind]()
            piece = stream.decompress(held, PIECE_BYTES)
            held = stream.unused_data if stream.eof else getattr(stream, "unconsumed_tail", b"")
            total += len(piece)
            if total > limit:
                raise ValueError(f"it unpacks to more than the {limit} bytes that its header promises")
            yield piece
    if not stream.eof:
        raise ValueError("its packed data break off")
