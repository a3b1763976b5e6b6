"""Connect to a Dask scheduler: a running one, one for workers of this machine, or one for jobs of a cluster."""

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurorecon.batch.engines.settings import ClusterKind, ClusterSettings
from neurorecon.core.errors import InputError, MissingExtraError, NeuroreconError
from neurorecon.core.machine import cores

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["GPU", "RETURN_SECONDS", "Place", "at_scheduler", "job_cluster", "need", "on_cluster", "on_this_machine"]

GPU = "GPU"  # the Dask resource of workers that run the network
# Set by hand; not tuned, unless a line says more.
CONNECT_SECONDS = 10.0  # for the first answer of a scheduler
CLOSE_SECONDS = 2.0  # for closing connections to processes that may be dead
RETURN_SECONDS = 600.0  # a scheduler that is a job of a cluster has to get through the queue again
AGAIN_SECONDS = 1.0  # between two tries to connect

# Dask would stop a worker whose memory is fuller than this from taking work, for ever if need be, and would put results
# onto the disk: ours are small. A worker that runs out of memory still ends, and its stack is tried again.
MEMORY_EXPORTS = tuple(
    f"export DASK_DISTRIBUTED__WORKER__MEMORY__{what}=False" for what in ("PAUSE", "SPILL", "TARGET")
)


@dataclass(frozen=True, slots=True)
class Place:
    """A scheduler to connect to.

    Attributes:
        name: how messages call it.
        target: returns what a Dask client takes: an address, or a cluster; OSError or ValueError if it is not there.
        seconds: how long to wait for it when the connection is lost.
    """

    name: str
    target: Callable[[], Any]
    seconds: float = 0.0

    @contextmanager
    def connected(self, *, again: bool) -> Iterator["Client"]:
        """Give a client; `again` after a scheduler was lost.

        Raises:
            InputError: if there is no scheduler at first.
            NeuroreconError: if it has not come back.
        """
        client = self._client(self.seconds if again else 0.0)
        if client is None:
            if again:
                raise NeuroreconError(
                    f"{self.name}: the Dask scheduler is gone, and has not come back in {self.seconds:g} s; start it and "
                    "its workers, and run the same command again: it goes on where it stopped"
                )
            raise InputError(
                f"{self.name}: no Dask scheduler answers there; start one with `dask scheduler`, or correct "
                "--scheduler (its dashboard has another port)"
            )
        try:
            yield client
        finally:
            _close(client)

    def _client(self, seconds: float) -> "Client | None":
        """Return a client of the scheduler, waiting for it for so long; None if it is not there."""
        from distributed import Client

        until = time.monotonic() + seconds
        while True:
            try:
                return Client(self.target(), timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError):  # TimeoutError is an OSError; a file half written is a ValueError
                if time.monotonic() >= until:
                    return None
            time.sleep(AGAIN_SECONDS)


def _close(what: Any) -> None:
    """Close a client, or a cluster; workers that are busy still end with this process at the latest."""
    with suppress(OSError):  # TimeoutError among them
        what.close(timeout=CLOSE_SECONDS)


def need(*packages: str) -> None:
    """Import the libraries of the extra `cluster`.

    Raises:
        MissingExtraError: if it is not installed.
    """
    import importlib

    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            name, way_out = package.replace("_", "-"), 'pip install "neurorecon[cluster]"'
            raise MissingExtraError(f"--engine dask needs {name} of the extra cluster: {way_out}") from error


def at_scheduler(text: str, seconds: float) -> Place:
    """Return the place of a scheduler that runs already: "tcp://host:8786", "host:8786", or the file that it wrote."""
    if re.fullmatch(r"(tcp|tls|ws|wss)://.+|[\w.-]+:\d+", text) and not Path(text).exists():
        return Place(text, lambda: _greeted(text), seconds)
    return Place(text, lambda: _address(Path(text)), seconds)


def _address(path: Path) -> str:
    """Return the address in the file of a scheduler; ValueError or OSError if it is not there (yet)."""
    table = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(table, dict) or "address" not in table:
        raise ValueError(f"{path}: is not the file of a Dask scheduler")
    return _greeted(str(table["address"]))


def _greeted(address: str) -> str:
    """Return an address of a scheduler; OSError or ValueError if none is there.

    A scheduler greets whoever connects. A client of Dask would wait for ever for the greeting of a web server, and the
    dashboard of a scheduler is one.
    """
    address = address if "://" in address else f"tcp://{address}"
    if address.startswith("tcp://"):
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS) as connection:
            if not connection.recv(1):
                raise ConnectionError(f"{address}: hung up")
    return address


@contextmanager
def on_this_machine(jobs: int) -> Iterator[Place]:
    """Start a scheduler and `jobs` worker processes here, which share the cores."""
    import psutil
    from distributed import LocalCluster

    cluster = LocalCluster(
        n_workers=jobs,
        threads_per_worker=max(1, cores() // jobs),
        processes=True,
        memory_limit=0,
        dashboard_address="localhost:0",  # without one the port 8787 is taken all the same, which another scheduler may have
        silence_logs=logging.CRITICAL,
    )
    try:
        yield Place("--engine dask", lambda: cluster)
    except BaseException:
        for nanny in cluster.workers.values():  # busy workers would be waited for
            nanny.auto_restart = False
            if nanny.pid is not None:
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(nanny.pid).kill()
        raise
    finally:
        _close(cluster)


@contextmanager
def on_cluster(kind: ClusterKind, settings: ClusterSettings) -> Iterator[Place]:
    """Start a scheduler here, and send jobs with workers to the queue of a cluster."""
    cluster = job_cluster(kind, settings)
    try:
        # Between these two bounds: so a job that ended at its wall time is followed by another.
        cluster.adapt(minimum_jobs=settings.jobs, maximum_jobs=settings.jobs)
        yield Place(f"--cluster {kind}", lambda: cluster)
    finally:
        _close(cluster)


def job_cluster(kind: ClusterKind, settings: ClusterSettings) -> Any:
    """Return a cluster of dask-jobqueue that has not sent a job yet; `job_script()` returns the script that it would send."""
    import dask_jobqueue

    makers = {"slurm": "SLURMCluster", "lsf": "LSFCluster", "pbs": "PBSCluster"}
    special: dict[str, Any] = {"account": settings.account, "walltime": settings.walltime}
    directives = list(settings.directives)
    if kind == "slurm" and settings.gpus:
        directives.insert(0, f"--gres=gpu:{settings.gpus}")
    elif kind == "lsf":
        minutes = re.sub(r"^(\d+:\d\d):\d\d$", r"\1", settings.walltime)
        special = {"project": settings.account, "walltime": minutes}  # LSF knows no seconds
        if settings.gpus:
            directives.insert(0, f'-gpu "num={settings.gpus}"')
    elif kind == "pbs" and settings.gpus:
        memory = re.sub(r"[ i]", "", settings.memory).lower()
        special["resource_spec"] = f"select=1:ncpus={settings.cores}:mem={memory}:ngpus={settings.gpus}"
    return getattr(dask_jobqueue, makers[kind])(
        cores=settings.cores,
        processes=1,
        memory=settings.memory,
        queue=settings.queue,
        job_name="neurorecon",
        job_extra_directives=directives,
        job_script_prologue=[*MEMORY_EXPORTS, *settings.prologue],
        worker_extra_args=["--resources", f"{GPU}={settings.gpus}"] if settings.gpus else [],
        python=settings.python,
        interface=settings.interface,
        log_directory=settings.log_directory,
        scheduler_options={"dashboard": False, "dashboard_address": ":0"},
        **special,
    )
