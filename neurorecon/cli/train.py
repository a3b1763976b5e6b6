"""`neurorecon train`: a network from a TOML file, or from a network and a user's own stacks."""

from pathlib import Path
from typing import Any

import click

from neurorecon.cli.voice import voice_options

__all__ = ["command"]


@click.command("train")
@click.argument("config_path", metavar="[CONFIG.toml]", type=click.Path(path_type=Path), required=False)
@click.option("--from", "start", metavar="NAME|DIR", help="Network to start from; with --data, it is fine-tuned.")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Stacks ID.tif (any format), each with its truth beside it: ID.swc or ID_mask.tif.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the run.  [default: the file's; without one, runs/NETWORK-DATA]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Length of the run.  [default: the file's; without one, by the number of stacks]",
)
@click.option(
    "--teacher-weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Weights of the teacher in the file, as safetensors; then nothing is downloaded.",
)
@click.option("--resume", is_flag=True, help="Continue from the last checkpoint of the run.")
@voice_options
def command(
    *,
    config_path: Path | None,
    start: str | None,
    data: Path | None,
    out: Path | None,
    steps: int | None,
    teacher_weights: Path | None,
    resume: bool,
) -> None:
    """Train a network as a TOML file says, or fine-tune one on your own stacks.

    CONFIG.toml names the output folder, the stacks with their tracings, and all settings that differ from the defaults.
    Options on the command line win over it. Without a file, --from and --data are needed, as in
    `neurorecon train --from vit3d-dtt --data traced`.

    A tracing is in voxels of its stack unless it states `# units: um`; a mask is 0 in the background. docs/training.md
    says more. The folder of the finished network is printed; use it by --model.
    """
    from neurorecon.core.settings import read_toml
    from neurorecon.training import train
    from neurorecon.training.finetune import configure

    if config_path is None and (start is None or data is None):
        raise click.UsageError("give a CONFIG.toml, or --from NAME and --data DIR to fine-tune a network")
    table: dict[str, Any] = {} if config_path is None else read_toml(config_path)
    settings = configure(
        table,
        start=start,
        data=data,
        teacher_weights=teacher_weights,
        where=str(config_path or "settings"),
        out=out,
        steps=steps,
    )
    click.echo(str(train(settings, resume=resume)))
