"""`neurorecon doctor`: what is installed, what the machine offers, what stands in the way."""

import click

__all__ = ["command"]

MARKS = {"ok": "  ok", "note": "note", "bad": " BAD"}


@click.command("doctor")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check this installation and this machine.

    Looks at torch and its build, CUDA and its driver, torchvision, codecs, networks, free memory and the processor. A
    `note` does not stand in the way of reconstructing, a `BAD` does: the exit code is then 1.
    """
    from neurorecon.cli.machine import examine

    bad = 0
    for answer in examine():
        click.echo(f"{MARKS[answer.state]}  {answer.about + ':':<14} {answer.text}")
        bad += answer.state == "bad"
    if bad:
        click.echo(f"{bad} thing{'s' if bad > 1 else ''} to mend before neurorecon can work here")
        ctx.exit(1)
    click.echo("neurorecon can work here")
