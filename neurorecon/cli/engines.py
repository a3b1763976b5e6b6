"""The options that say where the work is done, shared by all commands that share it out."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["engine_options"]

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("engine", "jobs", "scheduler", "cluster", "cluster_config")


def engine_options(function: F) -> F:
    """Add --jobs, --engine, --scheduler, --cluster and --cluster-config; the command gets `engine: EngineSettings`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        from neurorecon.batch import EngineSettings

        kwargs["engine"] = EngineSettings(**{name: kwargs.pop(name) for name in NAMES})
        return function(*args, **kwargs)

    options = (
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            metavar="N",
            default=1,
            show_default=True,
            help="How many are worked on at a time on this machine, each by a process of its own.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "dask"]),
            help="Processes of this machine, or Dask workers: those of --scheduler or --cluster, else --jobs of this "
            "machine.  [default: dask with --scheduler or --cluster, else local]",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS|FILE",
            help="A Dask scheduler that is there: tcp://HOST:PORT, or the file that `dask scheduler --scheduler-file` wrote.",
        ),
        click.option(
            "--cluster",
            type=click.Choice(["slurm", "lsf", "pbs"]),
            help="Send jobs with Dask workers to the queue of this cluster.",
        ),
        click.option(
            "--cluster-config",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="TOML file that says what each job of --cluster gets: cores, memory, walltime, queue and so on.",
        ),
    )
    command: Any = wrapper
    for option in reversed(options):
        command = option(command)
    return command  # type: ignore[no-any-return]
