"""`neurorecon validate`: judge SWC files, repair one."""

from pathlib import Path

import click

from neurorecon.cli.options import overwrite_option
from neurorecon.core.errors import InputError, one_line

__all__ = ["command"]

FINDINGS = 1  # exit code: the files were read, and something is wrong in them


@click.command()
@click.argument("swc", metavar="SWC...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--repair", is_flag=True, help="Write a valid file of the same shape to OUT; refused if there is none.")
@click.option("-o", "--output", metavar="OUT", type=click.Path(path_type=Path), help="The repaired file.")
@overwrite_option
@click.pass_context
def command(ctx: click.Context, swc: tuple[Path, ...], repair: bool, output: Path | None, overwrite: bool) -> None:
    """Check SWC files, and repair what can be repaired.

    Each finding is a line `path:line: what`. The exit code is 1 if there is a finding, 2 if a file cannot be read.

    Checked: one connected tree a root, parents first, ids 1, 2, 3 ..., radii above 0, no loops, no duplicate nodes, no
    edges of length zero, no absurdly long ones, somata at the roots, types 0 to 19, finite numbers, seven columns.

    --repair changes the form, never the shape: it reorders and renumbers nodes, drops repeated lines, merges nodes at the
    same place, takes a missing radius from the nearest node, sets unknown types to 0 and roots a tree at its soma. It
    reports each change, and refuses loops, jumps, unreadable lines and ids with two meanings.
    """
    if repair:
        if output is None or len(swc) != 1:
            raise click.UsageError("--repair takes one SWC and -o OUT")
        _repair(swc[0], output, overwrite)
        return
    if output is not None:
        raise click.UsageError("-o is for --repair; findings go to stdout")
    ctx.exit(max(_check(path) for path in swc))


def _check(path: Path) -> int:
    """Print the findings of one file and return its exit code; one file that cannot be read does not stop the rest."""
    from neurorecon.swc import header_notes, validate_swc

    try:
        findings = validate_swc(path)
        for note in header_notes(path):
            click.echo(one_line(f"neurorecon: note: {path}: {note}"), err=True)
    except InputError as error:
        click.echo(f"neurorecon: error: {error}", err=True)
        return error.exit_code
    for finding in findings:
        click.echo(str(finding))
    return FINDINGS if findings else 0


def _repair(path: Path, output: Path, overwrite: bool) -> None:
    from neurorecon.swc import repair_swc

    did = repair_swc(path, output, overwrite=overwrite)
    for step in did or ["nothing needed repair; copied"]:
        click.echo(one_line(f"{path}: {step}"))
