"""The axes of a file in any order: the one of z, the numbers of channels and times, and the selection of one stack as zyx."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.findings import StackFinding

__all__ = ["Layout", "axes_findings", "exchanged_axes"]

# Set by hand; not tuned, unless a line says more.
FLAT = 0.5  # of the other lengths: a last axis so much shorter looks like the planes of an array (x, y, z)
THIN, MANY = 4, 8  # planes at most, and channels or time points at least, that look exchanged
UNNAMED = "QI"  # letters of axes without a meaning in the file: taken for z where no axis is z


@dataclass(frozen=True, slots=True)
class Layout:
    """Axes of a stored picture, outermost first.

    Attributes:
        axes: a letter an axis: Z, Y, X, C channel, S sample of a colour, T time, Q or I unnamed.
        shape: their lengths.
    """

    axes: str
    shape: tuple[int, ...]

    @classmethod
    def parse(cls, axes: str, shape: tuple[int, ...], source: str) -> "Layout":
        """Check axes and lengths of a file.

        Raises:
            FormatError: if a length is negative or letters and lengths differ in number.
            InputError: if it is empty, 2D (over time as well) or has further axes: with the way out.
        """
        lengths = tuple(int(n) for n in shape)
        text = " x ".join(map(str, lengths))
        if len(axes) != len(lengths) or any(n < 0 for n in lengths):
            raise FormatError(f"{source}: its header is damaged: axes {axes!r} of lengths {text}")
        if not {"Y", "X"} <= set(axes) or len(set(axes)) != len(axes):
            raise InputError(f"{source}: has axes {axes!r} of lengths {text}; a 3D stack (z, y, x) is needed")
        if 0 in lengths:
            raise InputError(f"{source}: is empty: its size is {text}")
        layout = cls(name_z(axes, lengths), lengths)
        layout.check(source)
        return layout

    def check(self, source: str) -> None:
        """Raise InputError unless there is one stack a channel and time point in the file."""
        if self.length("T") > 1 and self.length("Z") == 1:
            way_out = "a 3D stack is needed; if these are its planes, declare them as z (Fiji: Image > Properties)"
            raise InputError(f"{source}: is a time series of {self.length('T')} frames of one plane; {way_out}")
        extra = [f"{a} ({n})" for a, n in zip(self.axes, self.shape, strict=True) if a not in "ZYXCST" and n > 1]
        if extra:
            way_out = "save one stack (z, y, x) as a file of its own"
            text = " x ".join(map(str, self.shape))
            raise InputError(f"{source}: has further axes: {', '.join(extra)} of {text}; {way_out}")
        if self.length("Z") == 1:
            size = f"{self.length('Y')} x {self.length('X')} pixels"
            if self.length("C") > 4:  # more than a camera has channels: these are planes
                size += f" in {self.length('C')} channels (planes? then declare them as z, in Fiji: Image > Properties)"
            raise InputError(f"{source}: is a 2D image of {size}; a 3D stack (z, y, x) is needed")

    def length(self, axis: str) -> int:
        """Length of an axis, 1 where it is absent."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def zyx(self) -> tuple[int, int, int]:
        """Shape of one channel."""
        return self.length("Z"), self.length("Y"), self.length("X")

    @property
    def voxels(self) -> int:
        """Number of voxels of one channel."""
        return math.prod(self.zyx)

    @property
    def channels(self) -> int:
        """Number of channels; the samples of a colour count as channels."""
        return self.length("C") * self.length("S")

    @property
    def times(self) -> int:
        """Number of time points."""
        return self.length("T")

    @property
    def volumes(self) -> int:
        """Number of stacks (Z, Y, X) in the file: one a channel and time point."""
        return self.times * self.channels

    def volume(self, channel: int, time: int) -> int:
        """Return the number of a stack in the file: those of one time point follow one another."""
        return time * self.channels + channel

    def index(self, volume: int, zyx: tuple[slice, slice, slice] = (slice(None),) * 3) -> tuple[int | slice, ...]:
        """Return the index into the stored array that takes a box of one stack, by its number."""
        samples = self.length("S")
        time, channel = divmod(volume, self.channels)
        picks: dict[str, int | slice] = dict(zip("ZYX", zyx, strict=True))
        picks |= {"C": channel // samples, "S": channel % samples, "T": time}
        return tuple(picks.get(axis, 0) for axis in self.axes)

    def to_zyx(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return the selection of `index` as (Z, Y, X), a view."""
        kept = [axis for axis in self.axes if axis in "ZYX"]
        return np.transpose(block, [kept.index(axis) for axis in "ZYX"])

    def take(self, array: NDArray[Any], volume: int) -> NDArray[Any]:
        """Return one stack of the stored array as (Z, Y, X), a view."""
        return self.to_zyx(array[self.index(volume)])


def name_z(axes: str, shape: tuple[int, ...]) -> str:
    """Return the axes with the one unnamed axis called Z, if no axis of length above 1 is."""
    long = [axis for axis, length in zip(axes, shape, strict=True) if axis in UNNAMED and length > 1]
    unnamed = long or [axis for axis in axes if axis in UNNAMED]
    if len(unnamed) != 1 or ("Z" in axes and shape[axes.index("Z")] > 1):
        return axes
    return axes.replace("Z", "_").replace(unnamed[0], "Z")


def exchanged_axes(layout: Layout) -> tuple[StackFinding, ...]:
    """Return a finding if there are so few planes, and so many channels or time points, that they look exchanged."""
    planes = layout.length("Z")
    kinds = ((layout.channels, "channels"), (layout.times, "time points"))
    for count, kind in kinds:
        if planes <= THIN and count >= MANY:
            text = f"has {planes} planes and {count} {kind}: are they exchanged?"
            way_out = "declare the planes as z (Fiji: Image > Properties, or Hyperstacks > Re-order Hyperstack)"
            return (StackFinding("axes-order", "warning", text, way_out),)
    return ()


def axes_findings(layout: Layout, *, rows: bool = False) -> tuple[StackFinding, ...]:
    """Return a finding if a file without names of axes looks as if its planes came last; with `rows`, or in the middle."""
    z, y, x = layout.zyx
    if rows and y < FLAT * min(z, x):
        text = f"{z} x {y} x {x} voxels are read as z, y, x, but look like y, z, x: the file names no axes"
        return (
            StackFinding("axes-order", "warning", text, "save it with the planes first: numpy.moveaxis(array, 1, 0)"),
        )
    if x >= FLAT * min(z, y):
        return ()
    text = f"{z} x {y} x {x} voxels are read as z, y, x, but look like y, x, z: the file names no axes"
    return (StackFinding("axes-order", "warning", text, "save it with the planes first: numpy.moveaxis(array, -1, 0)"),)
