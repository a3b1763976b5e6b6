"""Many stacks: planned, shared among processes and machines, remembered on disk, and summed up."""

from neurorecon.batch.batch_run import BatchResult, plan_batch, run_batch, run_items
from neurorecon.batch.engines import (
    ClusterSettings,
    Engine,
    EngineSettings,
    open_engine,
    run_dask,
    run_here,
    run_processes,
)
from neurorecon.batch.items import Item, Taken, find_items, plan, shard_of
from neurorecon.batch.job import Fingerprint, Job, ReconstructJob, StackSettings, StagedJob
from neurorecon.batch.rerun_record import Recorded, Rerun, read_record, rerun
from neurorecon.batch.settings import BatchSettings, parse_shard
from neurorecon.batch.state.record import Record
from neurorecon.batch.watch import run_watch

__all__ = [
    "BatchResult",
    "BatchSettings",
    "ClusterSettings",
    "Engine",
    "EngineSettings",
    "Fingerprint",
    "Item",
    "Job",
    "ReconstructJob",
    "Record",
    "Recorded",
    "Rerun",
    "StackSettings",
    "StagedJob",
    "Taken",
    "find_items",
    "open_engine",
    "parse_shard",
    "plan",
    "plan_batch",
    "read_record",
    "rerun",
    "run_batch",
    "run_dask",
    "run_here",
    "run_items",
    "run_processes",
    "run_watch",
    "shard_of",
]
