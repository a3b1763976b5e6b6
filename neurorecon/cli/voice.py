"""Messages of a command: -v and -q, the package's log on stderr, and the summary lines that -q leaves out."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from neurorecon.core.errors import one_line

__all__ = ["counted", "echoing", "is_quiet", "say", "voice_options"]

F = TypeVar("F", bound=Callable[..., Any])

PACKAGE = "neurorecon"  # the logger above those of all modules
CHOSEN, HANDLER = "neurorecon.voice", "neurorecon.echo"  # keys of the context, which all commands of one call share
VERBOSE, QUIET = "verbose", "quiet"


class _Echo(logging.Handler):
    """Shows what the package logs as lines of the program on stderr, each once: warnings, and with -v the rest."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one line, unless the same was written before; a progress bar moves below it."""
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        text = f"neurorecon: {level}{one_line(record.getMessage())}"
        if text in self._said:
            return
        self._said.add(text)
        bars = sys.modules.get("tqdm")
        if bars is None:
            click.echo(text, err=True)
        else:
            with bars.tqdm.external_write_mode(file=sys.stderr):
                click.echo(text, err=True)


@contextmanager
def echoing(ctx: click.Context) -> Iterator[None]:
    """Show the package's log on stderr while the context lasts; -v of a command below `ctx` lets more through."""
    echo, logger = _Echo(), logging.getLogger(PACKAGE)
    level = logger.level
    ctx.meta[HANDLER] = echo
    logger.addHandler(echo)
    try:
        yield
    finally:
        logger.removeHandler(echo)
        logger.setLevel(level)


def voice_options(function: F) -> F:
    """Add -v/--verbose and -q/--quiet; the command gets no argument, `say` and the log follow them."""
    function = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_chosen,
        help="Print only warnings and errors: no progress, no summary.",
    )(function)  # fmt: skip
    return click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, callback=_chosen,
        help="Print more: the input, device, network, grey levels, seconds of each stage.",
    )(function)  # fmt: skip


def _chosen(ctx: click.Context, parameter: click.Parameter, given: bool) -> None:
    """Remember -v or -q for the rest of the call."""
    if not given:
        return
    if ctx.meta.setdefault(CHOSEN, parameter.name) != parameter.name:
        raise click.UsageError("--verbose and --quiet are opposites; leave out one of them")
    if parameter.name == VERBOSE and HANDLER in ctx.meta:
        logging.getLogger(PACKAGE).setLevel(logging.INFO)
        ctx.meta[HANDLER].setLevel(logging.INFO)


def is_quiet() -> bool:
    """Say whether -q was given to the command that runs."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and ctx.meta.get(CHOSEN) == QUIET


def counted(count: int, thing: str) -> str:
    """Return "1 stack", "2 stacks" and so on."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def say(text: str) -> None:
    """Write a line of the summary to stdout, but with -q."""
    if not is_quiet():
        click.echo(text)
