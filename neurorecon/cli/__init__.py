"""The command line: `main` is the entry point, each command lives in the file of its name and is loaded when used.

Exit codes: 0 fine; 1 findings, failed stacks or another result; 2 input, option or output that cannot be used; 3 no neuron
found; 130 interrupted; 141 the reader of the output went away; 143 ended by SIGTERM.
"""

import errno
import importlib
import os
import sys

import click

import neurorecon
from neurorecon.cli.voice import echoing
from neurorecon.core.errors import InputError, NeuroreconError, one_line
from neurorecon.core.signals import Terminated, ending_in_order

__all__ = ["main"]

NO_MEMORY = (
    "end what else uses it, or give --jobs fewer; a large stack goes in blocks: `segment` to an OME-Zarr, then `trace`"
)
# By convention of shells.
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + SIGINT, 128 + SIGPIPE: what a shell expects
# The system refuses to look at a path: it is too long, or lies in a folder that the user may not enter.
REFUSED = (errno.ENAMETOOLONG, errno.EACCES)

# The summaries are here so that `neurorecon --help` imports no command; a test compares them with the commands.
SUMMARIES = {
    "run": "Reconstruct a neuron: raw stack in, SWC out.",
    "segment": "Turn a raw stack into a neurite probability.",
    "trace": "Turn a neurite probability, or a grey stack, into SWC.",
    "batch": "Reconstruct every stack of a folder; continue where it was interrupted.",
    "rerun": "Make a result again from its record, and say if the bytes are the same.",
    "validate": "Check SWC files, and repair what can be repaired.",
    "review": "Carry out the verdicts of a review, and say what a review is worth.",
    "export": "Write a tree in the format of another program.",
    "evaluate": "Score a reconstruction against a gold standard.",
    "synth": "Make a realistic stack with known truth from a morphology.",
    "train": "Train a network as a TOML file says, or fine-tune one on your own stacks.",
    "models": "List, describe, locate and verify the networks.",
    "doctor": "Check this installation and this machine, or an input.",
}


class _LazyGroup(click.Group):
    """A group that imports a command when it is called, and turns the package's errors into one line and a code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a user's way through the program."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `neurorecon.cli.<name>` and return its `command`."""
        if cmd_name not in SUMMARIES:
            return None
        command: click.Command = importlib.import_module(f"neurorecon.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; print expected errors in one line, and unexpected ones with their traceback."""
        try:
            with echoing(ctx), ending_in_order():
                return super().invoke(ctx)
        except Terminated:
            click.echo("neurorecon: ended by SIGTERM", err=True)
            raise
        except NeuroreconError as error:
            click.echo(f"neurorecon: error: {error}", err=True)
            return ctx.exit(error.exit_code)
        except MemoryError as error:
            reason = one_line(str(error) or "Python says no more")
            click.echo(f"neurorecon: error: memory ran out: {reason}; {NO_MEMORY}", err=True)
            return ctx.exit(InputError.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("neurorecon: interrupted", err=True)
            return ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader of the pipe has gone; without this Python prints another error when it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
            return ctx.exit(BROKEN_PIPE)
        except OSError as error:
            if error.errno not in REFUSED or error.filename is None:
                raise
            click.echo(f"neurorecon: error: {one_line(os.fsdecode(error.filename))}: {error.strerror}", err=True)
            return ctx.exit(InputError.exit_code)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`neurorecon COMMAND --help` explains a command. Stacks are z, y, x; lengths are micrometres unless said.",
)
@click.version_option(neurorecon.__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Reconstruct neurons from 3D light-microscope stacks: raw stack in, SWC out."""
