"""A 3D grey stack with its voxel size: the result of every reader, and the input of every stage."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from neurorecon.core.errors import InputError
from neurorecon.core.findings import StackFinding
from neurorecon.core.foreign import Foreign, is_array, is_foreign
from neurorecon.core.geometry import VoxelSize, voxel_size_of

__all__ = ["STACK_DTYPES", "Stack", "Volume", "check_volume"]

STACK_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


class Volume(Protocol):
    """Voxel data: a numpy array, or any lazy array that slices like one (a zarr array, say)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, zyx."""

    @property
    def dtype(self) -> Any:
        """The numpy data type."""

    def __getitem__(self, key: Any) -> Any:
        """Return the part that the slices name, as a numpy array or something `np.asarray` takes."""


def check_volume(data: Volume, *, what: str, dtypes: tuple[np.dtype[Any], ...]) -> None:
    """Raise InputError unless `data` is 3D, of one of `dtypes`, and holds at least one voxel."""
    if len(data.shape) != 3:
        raise InputError(
            f"{what} has {len(data.shape)} axes of lengths {tuple(data.shape)}; a 3D stack (z, y, x) is needed"
        )
    if min(data.shape) < 1:
        raise InputError(f"{what} is empty: its shape is {tuple(data.shape)}")
    if np.dtype(data.dtype) not in dtypes:
        names = ", ".join(str(d) for d in dtypes)
        raise InputError(f"{what} holds {data.dtype}; {names} can be used: convert it first")


@dataclass(frozen=True, slots=True)
class Stack:
    """A grey stack.

    Attributes:
        data: (Z, Y, X), uint8, uint16 or float32; a numpy array or a lazy array.
        voxel_size: micrometres, or None where the file does not say.
        source: the path it came from, for messages and provenance ("" when made in memory).
        channel: the channel that was taken from the file, None if it had one.
        findings: its oddities, as far as it was examined.
        examined: its voxels were checked for oddities.
        inverted: True if bright and dark were exchanged on reading, False if the user stated that neurites are bright, None if
            unknown: then the polarity is checked before tracing (core/polarity.py).
        channel_name: as the file calls the channel, "" where it does not.
        time: the time point that was taken from a series, None if it is none.

    Raises:
        InputError: if the data is not a 3D stack of a known type, or empty.
    """

    data: Volume
    voxel_size: VoxelSize | None = None
    source: str = ""
    channel: int | None = None
    findings: tuple[StackFinding, ...] = ()
    examined: bool = False
    inverted: bool | None = None
    channel_name: str = ""
    time: int | None = None

    def __post_init__(self) -> None:
        """Check the data once, without reading it; three numbers become a voxel size."""
        if not is_array(self.data):
            what = f"a Stack is made of an array (z, y, x), not of {type(self.data).__name__}"
            raise InputError(f"{what}; neurorecon.read_stack(path) reads one")
        if is_foreign(self.data):
            object.__setattr__(self, "data", Foreign(self.data))
        object.__setattr__(self, "voxel_size", voxel_size_of(self.voxel_size))
        check_volume(self.data, what=self.source or "the stack", dtypes=STACK_DTYPES)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the axes, zyx."""
        z, y, x = self.data.shape
        return int(z), int(y), int(x)

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)
