"""Vaa3D raw stacks (.v3draw) and their compressed kin (.v3dpbd, decoded by v3d-py-helper). They state no voxel size.

Header of both: a key of 24 bytes, the byte order (L or B), bytes a voxel (int16), then the lengths of x, y, z, channel
(int32, or int16 in old files; a key with a 5 adds time).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io.formats.pbd_check import decoded_length
from neurorecon.io.guard import check_memory, decoding, plain_bytes
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout

__all__ = ["is_v3draw", "is_v3dpbd", "open_v3draw", "open_v3dpbd"]

RAW_KEYS = {b"raw_image_stack_by_hpeng": 4, b"raw5image_stack_by_hpeng": 5}
PBD_KEY = b"v3d_volume_pkbitdf_encod"
# Facts of the format, or limits set by hand; not tuned.
KEY_BYTES = 24  # length of both keys (Vaa3D, stackutil.cpp)
PBD_HEADER_BYTES = 43  # key, byte order, type, four lengths of 4 bytes
PBD_AT_MOST = 64  # bytes that a byte of the code can stand for: a token of 2 bytes repeats a value 128 times
TYPE_OF_BYTES = {1: "u1", 2: "u2", 4: "f4"}


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file: byte order, type, lengths in the order of an array, and the first byte of the voxels."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    data_offset: int

    @property
    def bytes(self) -> int:
        """Bytes of all voxels."""
        count = self.dtype.itemsize
        for length in self.shape:
            count *= length
        return count


def is_v3draw(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:KEY_BYTES] in RAW_KEYS


def is_v3dpbd(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:KEY_BYTES] == PBD_KEY


def read_header(path: Path, axes: int, size_format: str) -> Header:
    """Read a header of `axes` lengths, each of the struct format "i" or "h".

    Raises:
        FormatError: if it is cut off or its byte order or type is unknown.
    """
    with decoding(path), open(path, "rb") as file:
        head = file.read(KEY_BYTES + 3 + axes * 4)
    order = {b"L": "<", b"B": ">"}.get(head[KEY_BYTES : KEY_BYTES + 1])
    form = f"{order or '<'}h{axes}{size_format}"
    end = KEY_BYTES + 1 + struct.calcsize(form)
    if order is None or len(head) < end:
        raise FormatError(f"{path}: is damaged: its header is cut off or names no byte order")
    voxel_bytes, *lengths = struct.unpack(form, head[KEY_BYTES + 1 : end])
    kind = TYPE_OF_BYTES.get(voxel_bytes)
    if kind is None:
        raise FormatError(
            f"{path}: has voxels of {voxel_bytes} bytes; 1, 2 or 4 are known: save it as .v3draw of 8 bit"
        )
    return Header(np.dtype(order + kind), tuple(lengths[::-1]), end)


def open_v3draw(path: Path) -> OpenedFile:
    """Read the header of a .v3draw.

    Raises:
        FormatError: if the file is shorter or longer than its header says.
        InputError: if it is 2D.
    """
    with decoding(path), open(path, "rb") as file:
        axes = RAW_KEYS[file.read(KEY_BYTES)]
    size = path.stat().st_size
    header = read_header(path, axes, "i")
    if header.data_offset + header.bytes != size:
        short = read_header(path, axes, "h")
        header = short if short.data_offset + short.bytes == size else header
    layout = Layout.parse("TCZYX"[-axes:], header.shape, str(path))
    due = header.data_offset + header.bytes
    if due != size:
        raise FormatError(f"{path}: is damaged: {plain_bytes(due)} are due by its header, it has {plain_bytes(size)}")

    def load(volume: int) -> NDArray[Any]:
        stored = np.memmap(path, header.dtype, "r", header.data_offset, header.shape)
        return np.array(layout.take(stored, volume))

    return OpenedFile(path, layout, header.dtype, load)


def open_v3dpbd(path: Path) -> OpenedFile:
    """Read the header of a .v3dpbd.

    Raises:
        FormatError: if it is damaged.
        InputError: if its voxels have a type that v3d-py-helper cannot decode, or it is 2D.
    """
    header = read_header(path, 4, "i")
    layout = Layout.parse("CZYX", header.shape, str(path))
    held = path.stat().st_size
    if header.bytes > PBD_AT_MOST * held:
        what = f"{plain_bytes(header.bytes)} are due by its header, its code has {plain_bytes(held)}"
        raise FormatError(f"{path}: is damaged: {what}")
    if header.dtype.kind != "u":
        raise InputError(f"{path}: holds compressed floats, which cannot be decoded; save it as .v3draw or .tif")

    def load(volume: int) -> NDArray[Any]:
        return layout.take(decode_pbd(path, header), volume)

    return OpenedFile(path, layout, header.dtype, load, load_bytes=header.bytes + path.stat().st_size)


def decode_pbd(path: Path, header: Header) -> NDArray[Any]:
    """Decode all channels, (C, Z, Y, X).

    The decoder writes where the file tells it to, so the lengths of the whole code are added up before.

    Raises:
        FormatError: if the code gives more or fewer voxels than the header says.
    """
    from v3dpy.loaders import PBD

    check_memory(path, header.bytes)
    code = np.fromfile(path, np.uint8, offset=PBD_HEADER_BYTES)
    due = header.bytes // header.dtype.itemsize
    found = decoded_length(code, header.dtype.itemsize)
    if found != due:
        raise FormatError(f"{path}: is damaged: {due} voxels are due by its header, its code gives {found}")
    decoded: NDArray[Any] = PBD().load(path)
    return decoded
