"""`neurorecon rerun`: a result made again from its record, and compared byte by byte."""

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.progress_bar import timed
from neurorecon.cli.voice import say, voice_options

if TYPE_CHECKING:
    from neurorecon.batch import Rerun

__all__ = ["command"]

DIFFERENT = 1  # exit code: the result was made again, and is another


@click.command("rerun")
@click.argument("record", metavar="OUT.json", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the new files in this folder, under the recorded names.  [default: they are removed]",
)
@click.option(
    "--input",
    "source",
    metavar="STACK",
    type=click.Path(path_type=Path),
    help="The input, if it was moved.",
)
@click.option("--model", metavar="NAME|DIR", help="The network, if it was moved.")
@voice_options
@click.pass_context
def command(ctx: click.Context, *, record: Path, output: Path | None, source: Path | None, model: str | None) -> None:
    """Make a result again from its record, and say if the bytes are the same.

    OUT.json is the record that `run` and `batch` write. It names input, settings and network; an input that is missing or
    has another hash is refused. SWC, review list, picture and page are compared by their hashes. The recorded files are not
    changed. Exit code 0 if all are the same, 1 if not: then one line names the files that differ, and the version, network
    or device that has changed.
    """
    from neurorecon.batch import read_record, rerun

    recorded = read_record(record)
    with contextlib.ExitStack() as stack:
        if output is None:
            output = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neurorecon-")))
        with timed("rerun"):
            found = rerun(recorded, output, source=source, model=model)
    if found.differ:
        click.echo(f"{record}: different: {_listed(found)}")
        ctx.exit(DIFFERENT)
    say(f"{record}: the same bytes: {', '.join(found.same)}")


def _listed(found: "Rerun") -> str:
    """Return what differs, and what else is not as it was, as one line."""
    files = ", ".join(f"{name} ({how})" if how else name for name, how in found.differ.items())
    changes = "; ".join(found.changes) or "network, versions and device are those of the record"
    return f"{files}; {changes}"
