"""Voxel types of files into the three that a Stack may hold, where that loses nothing that a camera measured."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.stack import STACK_DTYPES
from neurorecon.io.guard import SLAB_BYTES

__all__ = ["known_dtype", "to_known"]

LIMIT = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65_535}


def known_dtype(dtype: Any, source: str) -> np.dtype[Any]:
    """Return uint8, uint16 or float32: what voxels of type `dtype` become.

    bool and int8 become uint8, other integers uint16, other floats float32 (its 24 bits are more than any camera's).

    Raises:
        InputError: if the type holds no grey values (complex numbers, records, text).
    """
    native: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    if native in STACK_DTYPES:
        return native
    if native.kind == "b" or native == np.int8:
        return np.dtype(np.uint8)
    if native.kind in "iu":
        return np.dtype(np.uint16)
    if native.kind == "f":
        return np.dtype(np.float32)
    raise InputError(f"{source}: holds voxels of type {dtype}; save it as uint8, uint16 or float32")


def to_known(block: NDArray[Any], source: str) -> NDArray[Any]:
    """Return a block (n, Y, X) in its known type, native byte order; the same array where nothing changes.

    Raises:
        InputError: if a value does not fit (negative, above 65535, beyond float32) or the type is not one of numbers.
    """
    target = known_dtype(block.dtype, source)
    if block.dtype == target and block.dtype.isnative:
        return block
    result = np.empty(block.shape, target)
    step = max(1, SLAB_BYTES // max(1, block[:1].nbytes))
    for start in range(0, len(block), step):
        part = block[start : start + step]
        if part.dtype.kind in "iu":
            check_range(part, target, source)
        with np.errstate(over="ignore"):
            result[start : start + step] = part
        if part.dtype.kind == "f" and (np.isinf(result[start : start + step]) & np.isfinite(part)).any():
            raise InputError(f"{source}: holds values beyond the range of float32; rescale it first")
    return result


def check_range(part: NDArray[Any], target: np.dtype[Any], source: str) -> None:
    """Raise InputError if an integer of `part` does not fit into the unsigned type `target`."""
    low, high = int(part.min()), int(part.max())
    if low < 0:
        raise InputError(f"{source}: holds {part.dtype} with negative values down to {low}; save it as unsigned 16 bit")
    if high > LIMIT[target]:
        raise InputError(f"{source}: holds {part.dtype} values up to {high}; rescale it to 16 bit (0 to 65535)")
