"""`neurorecon run` of all channels or all time points of an input: a tree each, and none lost by another."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from neurorecon.core.errors import InputError, NoNeuronError

__all__ = ["ALL", "Part", "parts_of", "reconstruct_each"]

ALL = "all"
TIME_DIGITS = 3  # of a time point in a name, at least: 1,000 keep their order in a list of files
FAILED = 1  # exit code: as of a batch of which a stack failed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One stack of an input, and where its results go.

    Attributes:
        channel: as `read_stack` takes it.
        time: likewise.
        output: its SWC file.
        probability: where its probability is kept, None for nowhere.
        name: for messages, "channel 1 (GFP)" say; "" where the input is one stack.
    """

    channel: int | None
    time: int | None
    output: Path
    probability: Path | None = None
    name: str = ""


def parts_of(
    path: Path, channel: int | str | None, time: int | str | None, output: Path, probability: Path | None
) -> list[Part]:
    """Return the stacks of an input that were asked for; the marks of names are _t000 and _c0.

    Raises:
        InputError: if all time points are asked for and the channel is not plain, or the other way round; or the input
            cannot be read.
    """
    if channel != ALL and time != ALL:
        return [Part(_one(channel), _one(time), output, probability)]
    from neurorecon.io import open_picture

    picture = open_picture(path)
    layout = picture.layout
    times = range(layout.times) if time == ALL else [picture.pick_time(_one(time))]
    channels = range(layout.channels) if channel == ALL else [picture.pick(_one(channel))]
    digits = max(TIME_DIGITS, len(str(layout.times - 1))), len(str(layout.channels - 1))
    parts = []
    for t in times:
        for c in channels:
            marks = [f"t{t:0{digits[0]}}"] * (time == ALL) + [f"c{c:0{digits[1]}}"] * (channel == ALL)
            called = f" ({picture.name_of(c)})" if picture.name_of(c) else ""
            names = [f"time point {t}"] * (time == ALL) + [f"channel {c}{called}"] * (channel == ALL)
            kept = None if probability is None else _marked(probability, marks)
            parts.append(Part(c, t, _marked(output, marks), kept, ", ".join(names)))
    return parts


def _one(number: Any) -> int | None:
    """Return a number that was given, None where none or all of them were."""
    return number if isinstance(number, int) else None


def _marked(path: Path, marks: Sequence[str]) -> Path:
    """Return a path with marks at the end of its name, before the suffix: a.ome.tif gives a_c0.ome.tif."""
    suffix = re.search(r"(\.ome)?\.[^.]+$", path.name, re.IGNORECASE)
    end = suffix.start() if suffix else len(path.name)
    return path.with_name("_".join([path.name[:end], *marks]) + path.name[end:])


def reconstruct_each(path: Path, parts: Sequence[Part], reconstruct: Callable[[Part], None]) -> None:
    """Reconstruct every part; of several, one that cannot be is said, and the others are done.

    Raises:
        NoNeuronError: if there is no neuron in any of them.
        InputError: if the input is one stack that cannot be used.
    """
    if not parts[0].name:
        reconstruct(parts[0])
        return
    empty, failed = 0, 0
    for part in parts:
        try:
            reconstruct(part)
        except NoNeuronError as error:
            log.warning("%s: %s", part.name, error)
            empty += 1
        except InputError as error:
            click.echo(f"neurorecon: error: {part.name}: {error}", err=True)
            failed += 1
    if empty == len(parts):
        raise NoNeuronError(f"{path}: no neuron was found in any of its {len(parts)} stacks; look at one of them")
    if failed:
        click.get_current_context().exit(FAILED)
