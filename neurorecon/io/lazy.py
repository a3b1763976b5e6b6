"""A stack that stays on disk; its blocks are read on request."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from neurorecon.io.dtypes import known_dtype, to_known
from neurorecon.io.guard import decoding
from neurorecon.io.layout import Layout

__all__ = ["LazyVolume", "is_large"]

# Set by hand; not tuned, unless a line says more.
# Smaller stacks are read whole, and checked for NaN and damage before any work starts. 1 GB is more than nearly every
# confocal stack of one cell, and leaves room for several stacks at a time on a machine of 16 GB.
WHOLE_BYTES = 1 << 30
FREE_SHARE = (
    4  # of the memory that is free, a stack read whole takes at most one part in so many: the work needs the rest
)


def is_large(needed_bytes: int) -> bool:
    """Return whether a stack that needs so much memory should be read block by block."""
    import psutil

    return needed_bytes > min(WHOLE_BYTES, int(psutil.virtual_memory().available) // FREE_SHARE)


class LazyVolume:
    """One stack of an array on disk as (Z, Y, X), of a type that a Stack may hold.

    It is sliced like a numpy array by whole numbers, slices of step 1 or more, and `...`; the result is a numpy array.
    Values are not checked: whoever reads the blocks calls `check_finite`.

    Attributes:
        shape: (Z, Y, X).
        dtype: uint8, uint16 or float32.
        chunks: lengths (z, y, x) of a chunk, which is decoded at once.
    """

    def __init__(self, array: Any, layout: Layout, volume: int, path: Path) -> None:
        self.shape: tuple[int, int, int] = layout.zyx
        self.dtype: np.dtype[Any] = known_dtype(array.dtype, str(path))
        edges = getattr(array, "chunks", None) or (1,) * len(array.shape)
        self.chunks: tuple[int, int, int] = Layout(layout.axes, tuple(edges)).zyx
        self._array = array
        self._layout = layout
        self._volume = volume
        self._path = path

    @property
    def ndim(self) -> int:
        """Number of axes: 3."""
        return 3

    @property
    def blocks(self) -> tuple[int, int]:
        """Return how many chunks of the array, all channels, are on disk, and how many there should be."""
        if not hasattr(self._array, "nchunks_initialized"):
            return 0, 0
        with decoding(self._path):
            due = int(self._array.nchunks)
            return min(due, int(self._array.nchunks_initialized)), due

    def __len__(self) -> int:
        """Return the number of planes."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a block.

        Raises:
            FormatError: if a chunk of it is damaged.
            InputError: if a value is beyond float32 (see `to_known`).
        """
        box, squeezed = box_of(key, self.shape)
        with decoding(self._path):
            block = np.asarray(self._array[self._layout.index(self._volume, box)])
        known = to_known(self._layout.to_zyx(block), str(self._path), self.dtype)
        return known[squeezed]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the whole, for `numpy.asarray`."""
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)


def box_of(key: Any, shape: tuple[int, int, int]) -> tuple[tuple[slice, slice, slice], tuple[int | slice, ...]]:
    """Return three slices for a key, and the index that afterwards drops the axes that a whole number picked.

    Raises:
        IndexError: as numpy does, for a number outside or too many axes.
        TypeError: if an axis is picked by anything but a whole number or a slice.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in keys):
        at = next(i for i, part in enumerate(keys) if part is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (3 - len(keys) + 1)
    if len(keys) > 3:
        raise IndexError(f"a stack has 3 axes, {len(keys)} were indexed")
    keys += [slice(None)] * (3 - len(keys))
    box: list[slice] = []
    squeezed: list[int | slice] = []
    for part, length in zip(keys, shape, strict=True):
        if isinstance(part, slice) and (part.step is None or part.step > 0):
            box.append(slice(*part.indices(length)))
            squeezed.append(slice(None))
        elif isinstance(part, int | np.integer):
            number = int(part) + (length if part < 0 else 0)
            if not 0 <= number < length:
                raise IndexError(f"index {part} is outside an axis of length {length}")
            box.append(slice(number, number + 1))
            squeezed.append(0)
        else:
            raise TypeError(
                f"a lazy stack is indexed by whole numbers and slices that go up, not by {type(part).__name__}"
            )
    return (box[0], box[1], box[2]), tuple(squeezed)
