"""Make the engine from the settings of a user."""

from neurorecon.batch.engines.dask_engine import run_dask
from neurorecon.batch.engines.here import run_here
from neurorecon.batch.engines.processes import run_processes
from neurorecon.batch.engines.queue import Engine
from neurorecon.batch.engines.settings import ClusterSettings, EngineSettings
from neurorecon.core.settings import from_toml

__all__ = ["open_engine"]


def open_engine(settings: EngineSettings, *, here: bool = False) -> Engine:
    """Return the engine that `settings` describe; nothing is started before it is called.

    With `here` one job of this machine is done in the calling process, which a crash then ends; else in one of its own.

    Raises:
        MissingExtraError: if it needs Dask, and that is not installed.
        SettingsError: if the file of the cluster's settings cannot be used.
    """
    if not settings.dask:
        return run_here if here and settings.jobs == 1 else run_processes(settings.jobs)
    cluster = None
    if settings.cluster is not None:
        file = settings.cluster_config
        cluster = settings.cluster, ClusterSettings() if file is None else from_toml(ClusterSettings, file)
    return run_dask(scheduler=settings.scheduler, cluster=cluster, jobs=settings.jobs)
