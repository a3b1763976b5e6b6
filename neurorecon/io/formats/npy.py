"""NumPy arrays (.npy) of three axes, zyx; they state no voxel size. Nothing pickled is ever loaded."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io.guard import decoding
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout, axes_findings

__all__ = ["is_npy", "open_npy"]

# Facts of the format, or limits set by hand; not tuned: the type of objects, and bytes that hold the type of any array.
OBJECTS, HEAD_BYTES = b"'descr': '|O'", 256


def is_npy(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:6] == b"\x93NUMPY"


def open_npy(path: Path) -> OpenedFile:
    """Read the header of an array.

    Raises:
        FormatError: if it is cut off, or holds objects.
        InputError: if it has not three axes.
    """
    with decoding(path), open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if OBJECTS in head:
        way_out = "save numbers: numpy.save('stack.npy', array.astype('float32'))"
        raise FormatError(f"{path}: holds Python objects, which are never loaded; {way_out}")
    with decoding(path):
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    shape = tuple(int(n) for n in stored.shape)
    if len(shape) != 3:
        what = f"is an array of {len(shape)} axes of lengths {' x '.join(map(str, shape))}, and names none"
        raise InputError(f"{path}: {what}; save one stack (z, y, x)")
    layout = Layout.parse("ZYX", shape, str(path))
    findings = axes_findings(layout, rows=True)

    def load(_channel: int) -> NDArray[Any]:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))

    return OpenedFile(path, layout, stored.dtype, load, findings=findings)
