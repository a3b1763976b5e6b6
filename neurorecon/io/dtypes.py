"""Voxel types of files into the three that a Stack may hold, where that loses nothing that a camera measured.

Whole numbers below 0 are usual: ScanImage writes int16 around 0, CT counts from -1024, a subtracted background leaves both
signs. They are kept unchanged, as floats.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.stack import STACK_DTYPES
from neurorecon.io.guard import SLAB_BYTES

__all__ = ["fitting", "known_dtype", "to_known"]

FITTING = (np.dtype(np.uint8), np.dtype(np.uint16))  # types that whole numbers are converted to, the smaller one first
PLAIN = (np.dtype(np.bool_), *FITTING)  # types whose values all fit, so that they need not be checked


def known_dtype(dtype: Any, source: str) -> np.dtype[Any]:
    """Return uint8, uint16 or float32: the type that holds every value of type `dtype`.

    bool becomes uint8. Whole numbers that may be negative or above 65535 become float32 (its 24 bits are more than any
    camera's), and so do other floats.

    Raises:
        InputError: if the type holds no grey values (complex numbers, records, text).
    """
    native: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    if native in STACK_DTYPES:
        return native
    if native.kind == "b":
        return np.dtype(np.uint8)
    if native.kind in "iuf":
        return np.dtype(np.float32)
    way_out = "save its magnitude" if native.kind == "c" else "save it as uint8, uint16 or float32"
    raise InputError(f"{source}: holds voxels of type {dtype}; {way_out}")


def to_known(block: NDArray[Any], source: str, target: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Return a block (n, Y, X) in a known type, native byte order; the same array where nothing changes.

    Args:
        block: voxels as they are stored.
        source: opens messages.
        target: the type; None: of whole numbers the smallest type of their own width or less that holds them (int16 without
            negative values is uint16), else `known_dtype`.

    Raises:
        InputError: if a value is beyond float32, or the type is not one of numbers.
    """
    target = target or fitting(block, source)
    if block.dtype == target and block.dtype.isnative:
        return block
    result = np.empty(block.shape, target)
    step = max(1, SLAB_BYTES // max(1, block[:1].nbytes))
    for start in range(0, len(block), step):
        part = block[start : start + step]
        with np.errstate(over="ignore"):
            result[start : start + step] = part
        if part.dtype.kind == "f" and (np.isinf(result[start : start + step]) & np.isfinite(part)).any():
            raise InputError(f"{source}: holds values beyond the range of float32; rescale it first")
    return result


def fitting(block: NDArray[Any], source: str) -> np.dtype[Any]:
    """Return the type that the values of a block fit into: int8 is uint8, others are uint16, as far as none is outside."""
    native: np.dtype[Any] = block.dtype.newbyteorder("=")
    if native.kind not in "iu" or native in PLAIN or not block.size:
        return known_dtype(native, source)
    target = FITTING[0] if native.itemsize == 1 else FITTING[1]
    step = max(1, SLAB_BYTES // max(1, block[:1].nbytes))
    parts = [block[start : start + step] for start in range(0, len(block), step)]
    low, high = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    fits = low >= 0 and high <= np.iinfo(target).max
    return target if fits else np.dtype(np.float32)
