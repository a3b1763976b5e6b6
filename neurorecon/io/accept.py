"""Convert the input of a user, a path or an array of any library, to the Stack that a function takes."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from neurorecon.core.address import path_or_address
from neurorecon.core.errors import InputError, expected
from neurorecon.core.foreign import Foreign, is_array, is_foreign
from neurorecon.core.geometry import VoxelSize, voxel_size_of
from neurorecon.core.stack import STACK_DTYPES, Stack, check_volume
from neurorecon.io.dtypes import known_dtype, to_known
from neurorecon.io.guard import check_finite
from neurorecon.io.layout import Layout
from neurorecon.io.lazy import LazyVolume, is_large
from neurorecon.io.read import read_stack

__all__ = ["checked_settings", "stack_of"]

S = TypeVar("S")
Size = VoxelSize | tuple[float, float, float] | None


def stack_of(
    given: Any, call: str, *, voxel_size: Size = None, channel: int | None = None, time: int | None = None
) -> Stack:
    """Return a path, an array (Z, Y, X) or a Stack as a Stack.

    Args:
        given: a Stack, a path, or an array of numpy, dask, zarr, xarray, torch or anything else that slices like numpy.
        call: the function that takes it, for messages.
        voxel_size: micrometres (z, y, x); replaces that of a Stack or of a file.
        channel: of a file with several.
        time: of a file that is a time series.

    Raises:
        InputError: if it is anything else, or no 3D stack.
    """
    size = voxel_size_of(voxel_size)
    if isinstance(given, str | os.PathLike):
        return read_stack(path_or_address(given), channel=channel, time=time, voxel_size=size)
    if channel is not None or time is not None:
        what = "channel" if channel is not None else "time"
        raise InputError(f"{call}: {what} is for a path; take the {what} out of an array or a Stack before")
    if isinstance(given, Stack):
        return given if size is None else replace(given, voxel_size=size)
    if isinstance(given, list | tuple):
        given = np.asarray(given)
    if not is_array(given):
        what = f"{call} takes a Stack, a path or an array (z, y, x), not {type(given).__name__}"
        raise InputError(f"{what}; neurorecon.read_stack(path) reads one")
    return Stack(_volume(given, call), size)


def _volume(array: Any, call: str) -> Any:
    """Return an array as a volume of a type that a Stack holds: numpy where it is small, lazy where it is large."""
    what = f"the array given to {call}"
    volume = Foreign(array) if is_foreign(array) or not isinstance(array, np.ndarray) else array
    dtype = known_dtype(volume.dtype, what) if isinstance(volume, np.ndarray) else known_dtype(_dtype_of(array), what)
    check_volume(_Shaped(tuple(volume.shape), dtype), what=what, dtypes=STACK_DTYPES)
    if not isinstance(volume, np.ndarray) and is_large(int(np.prod(volume.shape)) * dtype.itemsize):
        z, y, x = volume.shape
        return LazyVolume(volume, Layout("ZYX", (z, y, x)), 0, Path(what))
    block = np.ascontiguousarray(to_known(np.asarray(array), what))
    check_finite(block, what)
    return block


def _dtype_of(array: Any) -> Any:
    """Return the numpy type of an array; torch has names of its own for them."""
    try:
        return np.dtype(array.dtype)
    except TypeError:
        return np.asarray(array[:1]).dtype


class _Shaped:
    """Shape and type of an array, to be checked before its voxels are touched."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, key: Any) -> Any:
        """Nothing is held."""
        raise IndexError(key)


def checked_settings(settings: Any, kind: type[S], call: str, way_out: str) -> S:
    """Return settings of the right kind, the defaults for None.

    Raises:
        InputError: if they are of another kind; names the call that is right.
    """
    return (
        kind() if settings is None else expected(settings, kind, f"{call} takes {kind.__name__} as settings", way_out)
    )
