"""Settings of the place where the work is done; none of them changes a result."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neurorecon.core.errors import SettingsError

__all__ = ["ClusterKind", "ClusterSettings", "EngineSettings"]

ClusterKind = Literal["slurm", "lsf", "pbs"]


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Jobs that are sent to the queue of a cluster, each of one worker.

    Attributes:
        jobs: how many; one that ends at its wall time is followed by another.
        cores: of each. One stack is worked on at a time, by all of them.
        memory: of each. 16 GB hold stacks of 1000 x 1000 x 500 voxels.
        walltime: of each, hours:minutes:seconds. A stack that was not finished is begun anew by another job.
        queue: or partition; None is the cluster's own choice.
        account: or project, that the time is charged to.
        gpus: 1 asks for a GPU for each job, and lets its worker run the network.
        directives: more lines for the head of the job script, as they stand, without their `#SBATCH`.
        prologue: lines of shell before the worker starts: modules, an environment.
        python: the interpreter; None is the one that runs the batch.
        interface: network interface of workers and scheduler, "ib0" say.
        log_directory: for what the jobs print; None is the cluster's own choice.

    Raises:
        SettingsError: if a number or the wall time cannot be.
    """

    jobs: int = 1
    cores: int = 4
    memory: str = "16 GB"
    walltime: str = "04:00:00"
    queue: str | None = None
    account: str | None = None
    gpus: int = 0
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    python: str | None = None
    interface: str | None = None
    log_directory: str | None = None

    def __post_init__(self) -> None:
        """Check the values once."""
        for name in ("jobs", "cores"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}; 1 or more is needed")
        if self.gpus not in (0, 1):
            raise SettingsError(f"gpus is {self.gpus}; 0 or 1 is needed: a worker uses one GPU, so ask for more jobs")
        if not re.fullmatch(r"\d+(\.\d+)? ?[kKMGT]i?B", self.memory):
            raise SettingsError(f"memory is {self.memory!r}; a size is needed, as '16 GB'")
        if not re.fullmatch(r"(\d+-)?\d+:\d\d(:\d\d)?", self.walltime):
            raise SettingsError(f"walltime is {self.walltime!r}; hours:minutes:seconds is needed, as '04:00:00'")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the work is done.

    Attributes:
        engine: "local" is worker processes of this machine, "dask" the workers of a Dask scheduler; None is "dask"
            where a scheduler or a cluster is named, else "local".
        jobs: worker processes on this machine, where it does the work.
        scheduler: address of a Dask scheduler that is there, or the file that it wrote.
        cluster: queue to which jobs with workers are sent.
        cluster_config: TOML file of ClusterSettings.

    Raises:
        SettingsError: if they contradict each other.
    """

    engine: Literal["local", "dask"] | None = None
    jobs: int = 1
    scheduler: str | None = None
    cluster: ClusterKind | None = None
    cluster_config: Path | None = None

    def __post_init__(self) -> None:
        """Check that one place is meant."""
        if self.jobs < 1:
            raise SettingsError(f"--jobs is {self.jobs}; 1 or more is needed")
        if self.scheduler is not None and self.cluster is not None:
            raise SettingsError("--scheduler and --cluster were both given; give the one whose workers are meant")
        if self.cluster_config is not None and self.cluster is None:
            raise SettingsError("--cluster-config was given without --cluster; give slurm, lsf or pbs")
        if self.engine == "local" and (self.scheduler or self.cluster):
            raise SettingsError("--engine local takes no --scheduler and no --cluster; leave it out, or give dask")
        if self.jobs > 1 and (self.scheduler or self.cluster):
            way_out = "leave it out: every worker of the scheduler gets work"
            if self.cluster:
                way_out = "put `jobs` into the file of --cluster-config"
            raise SettingsError(f"--jobs is for workers on this machine; {way_out}")

    @property
    def dask(self) -> bool:
        """Whether the work goes through Dask."""
        return self.engine == "dask" or self.scheduler is not None or self.cluster is not None

    @property
    def elsewhere(self) -> bool:
        """Whether the work may be done on other machines."""
        return self.scheduler is not None or self.cluster is not None
