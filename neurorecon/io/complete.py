"""Check whether a stack is complete; a microscope may still be writing it.

Formats differ. A TIFF, or a raw file with a header, that is cut off gives an error when it is read. A zarr has its
full shape from the first moment on, and blocks that are not there count as zeros: they are counted. A file that was made
in its full size at once, and is filled from the front, shows by a last plane of one value.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import NeuroreconError
from neurorecon.core.stack import Volume
from neurorecon.io.format_registry import open_file
from neurorecon.io.guard import SLAB_BYTES, check_memory, decoding
from neurorecon.io.lazy import LazyVolume

__all__ = ["Doubt", "why_incomplete"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a stack may not be complete.

    Attributes:
        reason: in one line.
        certain: something is missing; else it only looks like it.
    """

    reason: str
    certain: bool = True


def why_incomplete(path: Path) -> Doubt | None:
    """Decode all planes of all channels and time points of a stack, and return the missing part; None if it is complete."""
    try:
        opened = open_file(path)
        blank = False
        for volume in range(opened.layout.volumes):
            if not opened.lazy:
                check_memory(path, opened.needed_bytes)
            with decoding(path):
                data = opened.load(volume)
                if isinstance(data, LazyVolume) and (doubt := _missing_blocks(path, data)):
                    return doubt
                blank |= _ends_blank(data)
    except NeuroreconError as error:
        return Doubt(str(error))
    if blank:
        return Doubt(f"{path}: its last plane holds one value only, as if it were still to be written", certain=False)
    return None


def _missing_blocks(path: Path, data: LazyVolume) -> Doubt | None:
    """Return a sentence on the number of missing blocks of a zarr; they may also be blocks of zeros that a writer left out."""
    there, due = data.blocks
    if there == due:
        return None
    way_out = "if it is as it should be, run the batch without --watch"
    return Doubt(f"{path}: {due - there} of its {due} blocks are not there; {way_out}")


def _ends_blank(data: Volume) -> bool:
    """Read all planes, (Z, Y, X); say whether the last one holds one value, and others do not."""
    planes, rows, columns = data.shape
    step = max(1, SLAB_BYTES // max(1, rows * columns * np.dtype(data.dtype).itemsize))
    varied, block = False, np.empty((0, 0, 0))
    for start in range(0, planes, step):
        block = np.asarray(data[start : start + step])
        varied = varied or not _is_flat(block)
    return varied and _is_flat(block[-1:])


def _is_flat(block: Any) -> bool:
    return bool(block.size) and bool((block == block.flat[0]).all())
