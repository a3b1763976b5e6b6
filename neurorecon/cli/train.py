"""`neurorecon train`: a network from a TOML file."""

from pathlib import Path

import click

__all__ = ["command"]


@click.command("train")
@click.argument("config_path", metavar="CONFIG.toml", type=click.Path(path_type=Path))
@click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint.")
def command(config_path: Path, resume: bool) -> None:
    """Train a network as a TOML file says.

    The file names the output folder, the stacks with their tracings and whatever else differs from the defaults; see
    docs/training.md. The folder of the finished network is printed; use it by --model.
    """
    from neurorecon.core.settings import from_toml
    from neurorecon.training import TrainSettings, train

    settings = from_toml(TrainSettings, config_path)
    click.echo(str(train(settings, resume=resume)))
