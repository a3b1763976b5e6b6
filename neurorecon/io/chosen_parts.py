"""All channels, or all time points, of one input: which stacks that are, and how the results of each are called."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from neurorecon.io.header import OpenedFile

__all__ = ["ALL", "Chosen", "chosen_in", "marked", "one_of"]

ALL = "all"
# Set by hand; not tuned, unless a line says more.
TIME_DIGITS = 3  # of a time point in a name, at least: 1,000 keep their order in a list of files

P = TypeVar("P", bound=PurePath)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One stack of an input.

    Attributes:
        channel: as `read_stack` takes it.
        time: likewise.
        marks: the part of the names of its results that distinguishes them from the others: t000, c0.
        name: for messages, "channel 1 (GFP)" say.
    """

    channel: int
    time: int
    marks: tuple[str, ...]
    name: str


def one_of(number: int | str | None) -> int | None:
    """Return the number that was given, None if none was given, or "all"."""
    return number if isinstance(number, int) else None


def chosen_in(opened: OpenedFile, channel: int | str | None, time: int | str | None) -> list[Chosen]:
    """Return the stacks of an input if all channels, all time points, or both are requested.

    Raises:
        InputError: if all time points are asked for and the channel is not plain, or the other way round.
    """
    layout = opened.layout
    times = range(layout.times) if time == ALL else [opened.pick_time(one_of(time))]
    channels = range(layout.channels) if channel == ALL else [opened.pick(one_of(channel))]
    digits = max(TIME_DIGITS, len(str(layout.times - 1))), len(str(layout.channels - 1))
    found = []
    for t in times:
        for c in channels:
            marks = [f"t{t:0{digits[0]}}"] * (time == ALL) + [f"c{c:0{digits[1]}}"] * (channel == ALL)
            called = f" ({opened.name_of(c)})" if opened.name_of(c) else ""
            names = [f"time point {t}"] * (time == ALL) + [f"channel {c}{called}"] * (channel == ALL)
            found.append(Chosen(c, t, tuple(marks), ", ".join(names)))
    return found


def marked(path: P, marks: Sequence[str]) -> P:
    """Return a path with marks at the end of its name, before the suffix: a.ome.tif gives a_c0.ome.tif."""
    suffix = re.search(r"(\.ome)?\.[^.]+$", path.name, re.IGNORECASE)
    end = suffix.start() if suffix else len(path.name)
    return path.with_name("_".join([path.name[:end], *marks]) + path.name[end:])
