"""The options for the place where the work is done, shared by all commands that distribute it."""

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
            help="Number of stacks or blocks that are processed at the same time on this machine, each by its own process.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "dask"]),
            help="Use processes on this machine, or Dask workers: those of --scheduler or --cluster, else --jobs workers on "
            "this machine.  [default: dask with --scheduler or --cluster, else local]",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS|FILE",
            help="A running Dask scheduler: tcp://HOST:PORT, or the file written by `dask scheduler --scheduler-file`.",
        ),
        click.option(
            "--cluster",
            type=click.Choice(["slurm", "lsf", "pbs"]),
            help="Submit jobs with Dask workers to the queue of this cluster.",
        ),
        click.option(
            "--cluster-config",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="TOML file with the resources of each job of --cluster: cores, memory, walltime, queue and so on.",
        ),
    )
    command: Any = wrapper
    for option in reversed(options):
        command = option(command)
    return command  # type: ignore[no-any-return]
