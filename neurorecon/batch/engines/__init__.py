"""Where the stacks are worked on: here, in worker processes of this machine, or by the workers of a Dask scheduler.

An engine takes tasks from a queue as it has room for them, and hands back the outcome of each. Several batches may work
into the same output folder, each with an engine of its own: one a node, say, with or without --shard.
"""

from neurorecon.batch.engines.dask_engine import run_dask
from neurorecon.batch.engines.here import run_here
from neurorecon.batch.engines.open import open_engine
from neurorecon.batch.engines.processes import run_processes
from neurorecon.batch.engines.queue import Engine, TaskQueue
from neurorecon.batch.engines.settings import ClusterSettings, EngineSettings

__all__ = [
    "ClusterSettings",
    "Engine",
    "EngineSettings",
    "TaskQueue",
    "open_engine",
    "run_dask",
    "run_here",
    "run_processes",
]
