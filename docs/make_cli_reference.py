"""Write docs/cli.md from what the commands say of themselves: run `python docs/make_cli_reference.py` ("-": to stdout)."""

import sys
from pathlib import Path

import click

from neurorecon.cli import main

WIDTH = 100
HEAD = """# Commands

Made from `--help` by `python docs/make_cli_reference.py`; a test compares.

Exit codes: 0 fine; 1 findings, or something failed; 2 an input, option or output that cannot be used; 3 no neuron found.
[files.md](files.md#exit-codes) lists all of them.
"""


def sections(command: click.Command, parents: tuple[str, ...], above: click.Context | None) -> list[str]:
    """Return the sections of a command and of those below it."""
    widths = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=parents[-1], parent=above, **{**command.context_settings, **widths})
    text = command.get_help(context)
    found = [f"## {' '.join(parents)}\n\n```text\n{text}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                found += sections(inner, (*parents, name), context)
    return found


def reference() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *sections(main, ("neurorecon",), None)])


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.buffer.write(reference().encode())
    else:
        Path(__file__).with_name("cli.md").write_text(reference(), encoding="utf-8")
