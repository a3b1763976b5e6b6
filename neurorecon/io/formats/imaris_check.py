"""Check that the voxels of an Imaris file exist: HDF5 can lead to other files, and claim voxels that were never written."""

import math
from pathlib import Path
from typing import Any

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io.guard import plain_bytes
from neurorecon.io.unpack import DEFLATE_AT_MOST

__all__ = ["check_voxels"]

# Bytes that a byte on disk can stand for, by the filter of HDF5: none, gzip, LZ4 (its own limit), Zstandard (128 kB by a
# block of 4 bytes); shuffle and checksums move bytes, no more. Others are not known to have a limit.
FILTERS = {1: DEFLATE_AT_MOST, 2: 1, 3: 1, 32004: 255, 32015: 1 << 15}
# Facts of the format, or limits set by hand; not tuned.
ROOM_BYTES = 1 << 16  # packed data that did not get smaller have a header on top


def check_voxels(path: Path, channel: Any, sizes: tuple[int, int, int]) -> None:
    """Check the voxels of a channel of (Z, Y, X) without reading them.

    Raises:
        InputError: if they stand in another file, which may be anything.
        FormatError: if fewer bytes are there than such voxels can be packed into.
    """
    data = channel["Data"]
    if data.is_virtual or data.external or Path(data.file.filename) != path:
        raise InputError(f"{path}: its voxels are in another file; save it whole, as one file")
    due, held = math.prod(sizes) * data.dtype.itemsize, int(data.id.get_storage_size())
    if not due:
        raise InputError(f"{path}: is empty: its size is {' x '.join(map(str, sizes))}")
    filters = data.id.get_create_plist()
    ratios = [FILTERS.get(filters.get_filter(i)[0]) for i in range(filters.get_nfilters())]
    if None not in ratios and due > held * math.prod(ratio for ratio in ratios if ratio) + ROOM_BYTES:
        what = f"{plain_bytes(due)} are due by its header, {plain_bytes(held)} are there"
        raise FormatError(f"{path}: is cut off: {what}; copy it again")
    if data.chunks:
        most = math.prod(data.chunks) * data.dtype.itemsize + ROOM_BYTES
        if data.id.chunk_iter(lambda chunk: True if chunk.size > most else None):
            raise FormatError(f"{path}: is damaged: a packed chunk is larger than {data.chunks} voxels")
