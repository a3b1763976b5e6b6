"""Check that a TIFF is complete: its directories, its strips and its metadata have to agree.

tifffile stops at the first directory that it cannot read and returns what it has: a cut ImageJ or OME stack comes back
as a single page, without an error. So the chain of directories is walked here, and compared with the metadata.
"""

import math
import os
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.files import check_regular
from neurorecon.io.guard import plain_bytes
from neurorecon.io.unpack import DEFLATE_AT_MOST

__all__ = [
    "DOCTYPE",
    "check_chain",
    "check_claims",
    "check_entities",
    "check_ome",
    "check_page",
    "check_strips",
    "walk_chain",
]

# Facts of the format, or limits set by hand; not tuned.
TAGS_AT_MOST = 4096  # real directories hold some dozens
CUT = "copy or export it again"
OME_COUNTS = ("FirstZ", "FirstC", "FirstT", "IFD", "PlaneCount", "NumPlanes", "SamplesPerPixel")
DOCTYPE = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
# Bytes that a byte of a plane can stand for, by compression: none and PackBits, LZW (a code of 12 bits for 4094 bytes),
# deflate, Zstandard (128 kB by a block of 4 bytes); times 8, as tifffile makes a byte of each bit. Codecs of pictures have
# no limit.
BITS = 8
AT_MOST = {1: 1, 32773: 64, 5: 2730, 8: DEFLATE_AT_MOST, 32946: DEFLATE_AT_MOST, 50000: 1 << 15}


def walk_chain(path: Path) -> int:
    """Follow the chain of directories through a TIFF or BigTIFF and return their number.

    Raises:
        FormatError: if the chain leads out of the file, in a circle, or into something that is no directory.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        count_format, entry, offset_format = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
        count_size, offset_size = struct.calcsize(count_format), struct.calcsize(offset_format)
        start = 8 if big else 4
        if len(head) < start + offset_size:
            raise FormatError(f"{path}: is cut off after {size} bytes; {CUT}")
        offset = struct.unpack_from(offset_format, head, start)[0]
        seen: set[int] = set()
        while offset:
            if offset in seen:
                raise FormatError(f"{path}: is damaged: its directory {len(seen)} leads back to an earlier one")
            seen.add(offset)
            file.seek(min(offset, size))
            count_bytes = file.read(count_size)
            count = struct.unpack(count_format, count_bytes)[0] if len(count_bytes) == count_size else -1
            if count > TAGS_AT_MOST or (count == 0):
                raise FormatError(f"{path}: is damaged: plane {len(seen)} has no directory at byte {offset}")
            rest = file.read(count * entry + offset_size) if count > 0 else b""
            if len(rest) < max(count, 0) * entry + offset_size:
                due = f"plane {len(seen)} should start at byte {offset} of {size}"
                raise FormatError(f"{path}: is cut off: {due}; {CUT}")
            offset = struct.unpack(offset_format, rest[-offset_size:])[0]
    if not seen:
        raise FormatError(f"{path}: holds no image")
    return len(seen)


def check_chain(path: Path, tif: Any) -> None:
    """Walk the chain, except in an LSM above 4 GB, whose offsets wrap (tifffile mends them)."""
    if not (tif.is_lsm and os.path.getsize(path) >= 1 << 32):
        walk_chain(path)


def check_ome(path: Path, tif: Any) -> None:
    """Check an OME-XML before tifffile follows it: no entities, no more planes than bytes, files of its own folder only.

    Raises:
        FormatError: if it declares entities, or claims what cannot be.
        InputError: if it names a file elsewhere, or one that is no regular file.
    """
    if not tif.is_ome:
        return
    check_entities(path, tif)
    held = os.path.getsize(path)
    nodes = list(ET.fromstring(tif.ome_metadata).iter())
    for name in {node.get("FileName", "") for node in nodes} - {"", path.name}:
        if Path(name).name != name:
            raise InputError(f"{path}: its OME-XML names the file {name!r} outside of its folder; put them into one")
        beside = path.with_name(name)
        check_regular(beside)
        if beside.is_file():
            walk_chain(beside)
            held += os.path.getsize(beside)
    claims = [claim for node in nodes for claim in ome_claims(node, int(tif.pages.first.size))]
    if not all(0 <= claim <= held for claim in claims):  # each plane has an entry in a directory, or voxels
        worst = max(map(abs, claims))
        raise FormatError(f"{path}: is damaged: its OME-XML claims {worst:g} planes in {plain_bytes(held)}; {CUT}")


def ome_claims(node: ET.Element, plane_voxels: int) -> list[float]:
    """Return numbers of planes that an element of an OME-XML claims, as tifffile makes lists of such lengths."""
    kind = node.tag.rpartition("}")[2]
    if kind == "Pixels":
        sizes = [int(node.get(f"Size{axis}", 1)) for axis in "ZCTYX"]
        return [min(sizes), math.prod(sizes) // max(1, plane_voxels)]
    if kind.startswith("ModuloAlong") and node.get("Start"):
        first, last, step = (float(node.get(key, 1)) for key in ("Start", "End", "Step"))
        return [(last - first) / step if step else math.inf]
    return [int(number) for key in OME_COUNTS if (number := node.get(key))]


def check_entities(path: Path, tif: Any) -> None:
    """Raise FormatError if an OME-XML declares entities: OME has none, and a line of them can grow without end."""
    if tif.is_ome and DOCTYPE.search(str(tif.ome_metadata)):
        raise FormatError(f"{path}: is damaged: its OME-XML declares a document type or entities; export it again")


def claimed(tif: Any) -> tuple[int, str]:
    """Return the number of planes or pixels that the metadata claims, and its kind; 0 without such metadata."""
    if tif.is_imagej:
        meta = tif.imagej_metadata or {}
        planes = 1
        for key in ("frames", "slices", "channels"):
            planes *= max(1, int(meta.get(key, 1)))
        return (planes if planes > 1 else int(meta.get("images", 1))), "ImageJ"
    if tif.is_lsm:
        meta = tif.lsm_metadata or {}
        return int(meta.get("DimensionZ", 1)) * int(meta.get("DimensionTime", 1)), "LSM"
    return 0, ""


def check_claims(path: Path, tif: Any, series: Any) -> None:
    """Raise FormatError if the series holds less than the metadata of the file says."""
    planes, who = claimed(tif)
    shape = dict(zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True))
    held = 1
    for axis, length in shape.items():
        held *= 1 if axis in "YXS" else length
    if series.dataoffset is None and series.keyframe.ndim == 2:
        held = min(held, len(series))
    if planes > held and planes > held * shape.get("S", 1):
        raise FormatError(f"{path}: is cut off: its {who} header says {planes} planes, {held} are there; {CUT}")
    if tif.is_ome and series.kind != "ome":
        raise FormatError(f"{path}: is damaged: its OME-XML does not fit its planes")
    meta = tif.shaped_metadata[0] if tif.is_shaped and tif.shaped_metadata else {}
    stated = tuple(int(n) for n in meta.get("shape", ()))
    if math.prod(stated) > series.size:
        text = " x ".join(map(str, stated))
        raise FormatError(f"{path}: is cut off: its header says {text}, the planes give {series.size} voxels; {CUT}")


def check_strips(path: Path, series: Any) -> None:
    """Raise FormatError if a plane is missing, or its data lie beyond the end of the file."""
    if series.dataoffset is not None:
        end, held = series.dataoffset + series.size * series.dtype.itemsize, series.keyframe.parent.filehandle.size
        if end > held:
            raise FormatError(f"{path}: is cut off: its header claims {end} bytes, {held} are there; {CUT}")
        return
    for number, page in enumerate(series, start=1):
        check_page(path, page, f"plane {number} of {len(series)}")


def check_page(path: Path, page: Any, which: str) -> None:
    """Raise FormatError if a page is missing, or its data are, or lie beyond the end of its file."""
    if page is None:
        raise FormatError(f"{path}: {which} is missing, or is in a file that does not exist")
    if any(n <= 0 for n in page.databytecounts):
        raise FormatError(f"{path}: {which} holds no data; the file was never written to its end")
    most = AT_MOST.get(int(page.compression))
    tiled = getattr(page, "is_tiled", False) and page.dtype is not None  # frames have the tiles of their key frame
    tile = math.prod(page.chunks) * page.dtype.itemsize if tiled else 0
    claims = ((which, page.nbytes, sum(page.databytecounts)), (f"a tile of {which}", tile, max(page.databytecounts)))
    for what, claim, held in claims:
        if most is not None and claim > BITS * most * held:
            raise FormatError(
                f"{path}: is damaged: {what} claims {plain_bytes(claim)}, its data have {plain_bytes(held)}; {CUT}"
            )
    end = page.parent.filehandle.size
    if any(o + n > end for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)):
        raise FormatError(f"{path}: is cut off: {which} reaches beyond the end; {CUT}")
