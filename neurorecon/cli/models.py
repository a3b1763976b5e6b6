"""`neurorecon models`: the networks that are here, found offline."""

import dataclasses

import click

__all__ = ["command"]


@click.group("models")
def command() -> None:
    """List, describe, locate and verify the networks.

    A NAME is one of `neurorecon models list`, or a folder with model.safetensors, config.toml and card.md.
    """


@command.command("list")
def list_command() -> None:
    """List the networks that are here, one a line."""
    from neurorecon.nets import list_models

    found = list_models()
    width = max((len(folder.name) for folder, _ in found), default=0)
    for folder, config in found:
        click.echo(f"{folder.name:<{width}}  {config.summary}")
    if not found:
        click.echo("no models here; give one by its folder: --model DIR", err=True)


@command.command("info")
@click.argument("name")
def info_command(name: str) -> None:
    """Show the card of a network: what it was made for, from what, how well it does."""
    from neurorecon.nets import find_model
    from neurorecon.nets.weights import CARD, read_config

    folder = find_model(name)
    config = read_config(folder)
    click.echo(f"name     {config.name}")
    click.echo(f"summary  {config.summary}")
    click.echo(f"folder   {folder}")
    click.echo(f"sha256   {config.sha256}")
    for key, value in dataclasses.asdict(config.net).items():
        click.echo(f"{key:<8} {value}")
    card = folder / CARD
    if card.is_file():
        click.echo()
        click.echo(card.read_text(encoding="utf-8").rstrip())


@command.command("path")
@click.argument("name")
def path_command(name: str) -> None:
    """Print the folder of a network."""
    from neurorecon.nets import find_model

    click.echo(str(find_model(name)))


@command.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
def verify_command(names: tuple[str, ...]) -> None:
    """Check description, checksum and weights; of every network here when no NAME is given."""
    from neurorecon.nets import list_models, verify_model

    for name in names or [folder.name for folder, _ in list_models()]:
        config = verify_model(name)
        click.echo(f"{name}: whole, sha256 {config.sha256}")
