"""`neurorecon doctor`: what is installed, what the machine offers, what stands in the way; and what an input holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.options import StackPath, stack_options
from neurorecon.cli.voice import counted

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize

__all__ = ["command"]

MARKS = {"ok": "  ok", "note": "note", "bad": " BAD", "warning": "WARN"}
FINDINGS = 1  # exit code: the stack can be read, and there is a warning


@click.command("doctor")
@click.argument("stack", metavar="[STACK]", required=False, type=StackPath())
@stack_options
@click.pass_context
def command(
    ctx: click.Context,
    stack: Path | None,
    voxel_size: "VoxelSize | None",
    channel: int | None,
    time: int | None,
    invert: bool | None,
) -> None:
    """Check this installation and this machine, or an input.

    Without STACK: checks torch and its build, CUDA and its driver, torchvision, codecs, networks, free memory and the
    processor. A `note` does not prevent a reconstruction, a `BAD` does: the exit code is then 1.

    With STACK: reports how it would be read (shape, axes, type, voxel size and its source, channels, levels and chunks)
    and what looks odd, without running anything. A `note` needs no attention. A `WARN` is a warning of `run`, which
    --strict refuses; the exit code is then 1. An input that cannot be used gives exit code 2.
    """
    if stack is not None:
        ctx.exit(_examine_input(stack, voxel_size=voxel_size, channel=channel, time=time, invert=invert))
    from neurorecon.cli.installation import examine

    bad = 0
    for answer in examine():
        click.echo(f"{MARKS[answer.state]}  {answer.about + ':':<14} {answer.text}")
        bad += answer.state == "bad"
    if bad:
        click.echo(f"{counted(bad, 'problem')} to fix before neurorecon can work here")
        ctx.exit(1)
    click.echo("neurorecon can work here")


def _examine_input(path: Path, **chosen: Any) -> int:
    """Print how an input would be read and what is odd, and return the exit code."""
    from neurorecon.core.errors import one_line
    from neurorecon.core.findings import warnings_of
    from neurorecon.inspect import describe_input

    lines, findings = describe_input(path, **chosen)
    for about, text in lines:
        click.echo(one_line(f"{MARKS['ok']}  {about + ':':<14} {text}"))
    for finding in findings:
        click.echo(one_line(f"{MARKS[finding.level]}  {finding.name + ':':<21} {finding}"))
    warned = len(warnings_of(findings))
    if warned:
        click.echo(counted(warned, "warning"))
    else:
        click.echo("no warnings" if findings else "nothing odd about it")
    return FINDINGS if warned else 0
