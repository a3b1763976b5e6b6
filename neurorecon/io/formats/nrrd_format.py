"""NRRD (.nrrd, and .nhdr with its data beside it), read by pynrrd; voxel size from space directions or spacings."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io.guard import decoding, plain_bytes
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout, axes_findings
from neurorecon.io.units import SHEARED, Scale, decoded, scale_from, slanted
from neurorecon.io.unpack import PIECE_BYTES, unpacked

__all__ = ["is_nrrd", "open_nrrd"]

CHANNEL_KINDS = ("vector", "list", "color", "complex", "normal", "gradient", "matrix")  # parts of the names of kinds
# "data file: LIST", or slice_%03d.raw 1 40 1: a file a plane
SEVERAL = re.compile(rb"^data ?file:\s*(LIST\b|[^\n]*%0?\d*d[^\n]*\s-?\d+\s+-?\d+\s+-?\d+)", re.MULTILINE)
STREAM_OF = {"gzip": "gzip", "gz": "gzip", "bzip2": "bz2", "bz2": "bz2"}
# Facts of the format, or limits set by hand; not tuned.
HEADER_BYTES = 1 << 16  # of a header, in which units are looked for
SKIPPED_LINES_AT_MOST = 1 << 20  # text before the data of a foreign file; pynrrd would count on beyond the end
C_TYPES = {
    "signed char": "int8", "uchar": "uint8", "unsigned char": "uint8",
    "short": "int16", "short int": "int16", "signed short": "int16", "signed short int": "int16",
    "ushort": "uint16", "unsigned short": "uint16", "unsigned short int": "uint16",
    "int": "int32", "signed int": "int32", "uint": "uint32", "unsigned int": "uint32",
    "longlong": "int64", "long long": "int64", "long long int": "int64", "signed long long": "int64",
    "signed long long int": "int64", "ulonglong": "uint64", "unsigned long long": "uint64",
    "unsigned long long int": "uint64", "float": "float32", "double": "float64",
}  # fmt: skip


def is_nrrd(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:7] == b"NRRD000"


def open_nrrd(path: Path) -> OpenedFile:
    """Read the header of a NRRD.

    Raises:
        FormatError: if it is damaged, or its raw data are shorter than it says.
        InputError: if it is 2D.
    """
    import nrrd

    with decoding(path), open(path, "rb") as file:
        check_one_file(path, file.read(HEADER_BYTES))
        file.seek(0)
        header = dict(nrrd.read_header(file))
        data_offset = file.tell()
        file.seek(0)
        header |= named_units(file.read(min(data_offset, HEADER_BYTES)))
        sizes = tuple(int(n) for n in np.atleast_1d(header["sizes"]))
        dtype = dtype_of(str(header["type"]))
        axes = axes_of(header, len(sizes))
        scale = scale_of(header, axes)
    layout = Layout.parse(axes[::-1], sizes[::-1], str(path))
    due = layout.voxels * layout.volumes * dtype.itemsize
    data_path = data_of(path, header)
    data_offset = 0 if data_path != path else data_offset
    if header.get("encoding") == "raw":
        held = data_path.stat().st_size - data_offset
        if held < due:
            what = f"{plain_bytes(due)} are due by its header, {plain_bytes(held)} are there"
            raise FormatError(f"{path}: is cut off: {what}; copy it again")

    def load(volume: int) -> NDArray[Any]:
        with decoding(path):
            if header.get("encoding") in STREAM_OF:
                data = unpack(data_path, data_offset, header, dtype, due).reshape(layout.shape)
            else:
                data, _ = nrrd.read(str(path), index_order="C")
        return layout.take(data, volume)

    return OpenedFile(path, layout, dtype, load, scale, load_bytes=2 * due, findings=axes_findings(layout))


def check_one_file(path: Path, head: bytes) -> None:
    """Raise InputError if a header names several files that hold the voxels."""
    if SEVERAL.search(head.partition(b"\n\n")[0]):
        raise InputError(
            f"{path}: its voxels stand in several files, which are not read; save it as one NRRD (Fiji, 3D Slicer)"
        )


def named_units(head: bytes) -> dict[str, list[str]]:
    """Return the units of a header in other letters than ASCII.

    pynrrd leaves such letters out, and makes metres of the \u00b5m that Fiji writes.
    """
    found = {}
    for line in head.splitlines():
        field, _, value = line.partition(b":")
        if field in (b"units", b"space units") and not value.isascii():
            names = re.findall(rb'"([^"]*)"', value)
            found[field.decode()] = [decoded(name) for name in names]
    return found


def data_of(path: Path, header: Mapping[str, Any]) -> Path:
    """Return the file that holds the voxels: the file itself, or the one that a header without data names.

    Raises:
        FormatError: if more lines are to be skipped than any file has.
        InputError: if that file is not there, or is a pipe or a device.
    """
    if not 0 <= int(header.get("line skip", header.get("lineskip", 0))) <= SKIPPED_LINES_AT_MOST:
        raise FormatError(f"{path}: is damaged: no file opens with so many lines to skip")
    name = header.get("data file", header.get("datafile"))
    if name is None:
        return path
    data_path = path.parent / str(name)
    if data_path.exists() and not data_path.is_file():
        raise InputError(f"{path}: its data should stand in {data_path}, which is not a regular file")
    if not data_path.exists():
        raise InputError(f"{path}: needs the file {data_path}, which does not exist")
    return data_path


def unpack(path: Path, offset: int, header: Mapping[str, Any], dtype: np.dtype[Any], due: int) -> NDArray[Any]:
    """Return the voxels of packed data in the order of the file, (n,); never more than is due, which pynrrd would.

    Raises:
        ValueError: if more or less is there than `due` bytes, or the order of the bytes stands nowhere.
    """
    skipped = int(header.get("byte skip", header.get("byteskip", 0)))
    content = bytearray()
    with open(path, "rb") as file:
        file.seek(offset)
        for _ in range(int(header.get("line skip", header.get("lineskip", 0)))):
            file.readline()
        parts = iter(lambda: file.read(PIECE_BYTES), b"")
        for piece in unpacked(parts, STREAM_OF[str(header["encoding"])], due + max(0, skipped)):
            content += piece
    if dtype.itemsize > 1:
        order = {"big": ">", "little": "<"}[str(header["endian"]).lower()]
        dtype = np.dtype(order + dtype.str[1:])
    start = skipped if skipped >= 0 else len(content) - due
    if len(content) - start != due or start < 0:
        raise ValueError(f"{due} bytes are due by its header, {len(content) - start} are there")
    return np.frombuffer(content, dtype, offset=start)


def dtype_of(name: str) -> np.dtype[Any]:
    """Return the type that a header names, as C (unsigned char) or by its bits (uint8, uint8_t).

    Raises:
        ValueError: for a type that is none of numbers.
    """
    known = C_TYPES.get(name, name.removesuffix("_t"))
    if known not in C_TYPES.values():
        raise ValueError(f"its type is {name!r}")
    return np.dtype(known)


def axes_of(header: Mapping[str, Any], count: int) -> str:
    """Return letters of the axes in the order of the file (x first): by their kinds, where these are given."""
    kinds = [str(kind).lower() for kind in header.get("kinds", ())]
    letters = []
    space = iter("XYZ")
    for i in range(count):
        kind = kinds[i] if i < len(kinds) else "domain"
        if kind == "time":
            letters.append("T")
        elif any(word in kind for word in CHANNEL_KINDS):
            letters.append("C")
        else:
            letters.append(next(space, "O"))
    return "".join(letters)


def scale_of(header: Mapping[str, Any], axes: str) -> Scale:
    """Return the voxel size; NRRD names units by axis (`units`) or for the space (`space units`)."""
    if not set("XYZ") <= set(axes):
        return Scale()
    where = [axes.index(axis) for axis in "ZYX"]
    directions, spacings = header.get("space directions"), header.get("spacings")
    if directions is not None:
        lengths = [direction_length(directions[i]) for i in where]
        if None not in lengths and slanted([directions[i] for i in where]):
            return Scale(None, f"the axes of the file are no right angles to each other (a sheared stack); {SHEARED}")
        units = list(header.get("space units", ()))
        return scale_from(lengths, units[0] if units and len(set(units)) == 1 else None)
    if spacings is not None:
        lengths = [float(spacings[i]) if np.isfinite(spacings[i]) else None for i in where]
        units = list(header.get("units", ()))
        return scale_from(lengths, [units[i] for i in where] if len(units) == len(axes) else None)
    return Scale()


def direction_length(direction: Any) -> float | None:
    """Return the length of the step between voxels, None for an axis outside of space."""
    if direction is None or not np.isfinite(direction).all():
        return None
    return float(np.linalg.norm(direction))
