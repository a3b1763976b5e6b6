"""The result of opening a file: the contents of its header, and a function that loads the voxels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import InputError, one_line
from neurorecon.core.findings import OWN_MAP, StackFinding
from neurorecon.core.stack import Volume
from neurorecon.io.guard import check_memory, decoding
from neurorecon.io.layout import Layout
from neurorecon.io.units import Scale

__all__ = ["OpenedFile", "own_map"]

# Set by hand; not tuned, unless a line says more.
MAP_WAY_OUT = "give the stack that it was made from; a probability is for `neurorecon trace`"
LISTED = 16  # channels that a message names
COLOURS = 3  # red, green and blue, perhaps with a fourth for what is transparent


def own_map() -> StackFinding:
    """Return what is said of a map of neurorecon's where a grey stack is asked for."""
    return StackFinding(OWN_MAP, "warning", "is a probability that neurorecon wrote, no grey stack", MAP_WAY_OUT)


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose header was read and checked; no voxel was decoded yet.

    Attributes:
        path: the file, or the folder that counts as one.
        layout: its axes.
        dtype: type of the stored voxels.
        load: takes the number of a volume (`Layout.volume`: without a time series, the channel), returns (Z, Y, X) of the
            stored type.
        scale: voxel size.
        names: names of the channels, () where the file has none.
        lazy: `load` returns an array that reads on demand.
        load_bytes: memory that `load` needs at most, in bytes; None: one channel of `dtype`.
        findings: oddities of the header, the names or the parts of the file.
        about: further lines on the file, (what, value): levels of a pyramid, chunks.
        kind: a word for the channels, if they may be something else.
        inverted: the file says that its lowest value is white.
        after: returns the findings on the voxels that `load` has read.
    """

    path: Path
    layout: Layout
    dtype: np.dtype[Any]
    load: Callable[[int], Volume]
    scale: Scale = field(default_factory=Scale)
    names: tuple[str, ...] = ()
    lazy: bool = False
    load_bytes: int | None = None
    findings: tuple[StackFinding, ...] = ()
    kind: str = "channels"
    about: tuple[tuple[str, str], ...] = ()
    inverted: bool = False
    after: Callable[[], tuple[StackFinding, ...]] = tuple

    def pick_time(self, time: int | None) -> int:
        """Return the time point to load.

        Raises:
            InputError: if there are several and none was named, or the number is not one of them.
        """
        count = self.layout.times
        if time is None and count == 1:
            return 0
        if time is None:
            way_out = f"choose one time point by --time, from 0 to {count - 1}, or all by --time all (run, batch)"
            raise InputError(f"{self.path}: is a time series of {count} frames; {way_out}")
        if 0 <= time < count:
            return time
        there = f"they go from 0 to {count - 1}" if count > 1 else "it is one stack, at time point 0"
        raise InputError(f"{self.path}: has no time point {time}; {there}")

    def name_of(self, channel: int) -> str:
        """Return the name of a channel, "" where the file has none."""
        return one_line(self.names[channel]) if len(self.names) == self.layout.channels else ""

    @property
    def grey_colours(self) -> bool:
        """Whether red, green and blue are the same and hold something: a grey stack that was saved as a picture in colour.

        The first, the middle and the last plane are decoded; of a stack that is read by blocks none is.
        """
        layout = self.layout
        if self.lazy or not COLOURS <= layout.length("S") == layout.channels <= COLOURS + 1:
            return False
        with decoding(self.path):
            check_memory(self.path, self.needed_bytes)
            some = [0, layout.length("Z") // 2, layout.length("Z") - 1]
            red, green, blue = (np.asarray(self.load(layout.volume(k, 0))[some]) for k in range(COLOURS))
        return bool(np.ptp(red) > 0 and np.array_equal(red, green) and np.array_equal(red, blue))

    def pick(self, channel: int | None) -> int:
        """Return the channel to load; of three colours that are the same the first, if none was named.

        Raises:
            InputError: if there are several and none was named, or the number is not one of them; lists them.
        """
        count = self.layout.channels
        if channel is None and (count == 1 or self.grey_colours):
            return 0
        if channel is not None and 0 <= channel < count:
            return channel
        names = self.names if len(self.names) == count else ("",) * min(count, LISTED)
        listed = ", ".join(f"{i} ({one_line(name):.60})" if name else str(i) for i, name in enumerate(names[:LISTED]))
        listed += f" and so on to {count - 1}" if count > LISTED else ""
        if channel is None:
            raise InputError(f"{self.path}: has {count} {self.kind}; choose one by --channel: {listed}")
        raise InputError(f"{self.path}: has no channel {channel}; channels: {listed}")

    @property
    def needed_bytes(self) -> int:
        """Memory that loading needs, in bytes: what `load` holds, and the copy where the type has to change."""
        stored = self.layout.voxels * self.dtype.itemsize
        converted = 0 if self.dtype.isnative and self.dtype.itemsize <= 4 else self.layout.voxels * 4
        return (stored if self.load_bytes is None else self.load_bytes) + converted
