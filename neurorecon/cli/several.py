"""`neurorecon run` of all channels or all time points of an input: a tree each; a failure of one does not end the others."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from neurorecon.core.errors import InputError, NoNeuronError

__all__ = ["Part", "parts_of", "reconstruct_each"]

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
    from neurorecon.io import ALL, chosen_in, marked, one_of, open_file

    if ALL not in (channel, time):
        return [Part(one_of(channel), one_of(time), output, probability)]
    parts = []
    for one in chosen_in(open_file(path), channel, time):
        kept = None if probability is None else marked(probability, one.marks)
        parts.append(Part(one.channel, one.time, marked(output, one.marks), kept, one.name))
    return parts


def reconstruct_each(path: Path, parts: Sequence[Part], reconstruct: Callable[[Part], None]) -> None:
    """Reconstruct every part; of several, a part that fails is reported, and the others are still done.

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
