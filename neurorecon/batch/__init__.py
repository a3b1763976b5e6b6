"""Many stacks: planned, shared among processes and machines, remembered on disk, and summed up."""

from neurorecon.batch.blocks import describe_stack, parse_block
from neurorecon.batch.engines import (
    ClusterSettings,
    Engine,
    EngineSettings,
    open_engine,
    run_dask,
    run_here,
    run_processes,
)
from neurorecon.batch.job import Fingerprint, Job, ReconstructJob, StackSettings, StagedJob
from neurorecon.batch.plan import Item, Taken, find_items, plan, shard_of
from neurorecon.batch.record import Record
from neurorecon.batch.rerun import Recorded, Rerun, read_record, rerun
from neurorecon.batch.run import BatchResult, plan_batch, run_batch, run_items
from neurorecon.batch.seams import SeamScore, seam_scores
from neurorecon.batch.settings import BatchSettings, parse_shard
from neurorecon.batch.trace_volume import TracedVolume, TraceVolumeSettings, traced_volume
from neurorecon.batch.volume import VolumeSettings, segment_volume
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
    "SeamScore",
    "StackSettings",
    "StagedJob",
    "Taken",
    "TraceVolumeSettings",
    "TracedVolume",
    "VolumeSettings",
    "describe_stack",
    "find_items",
    "open_engine",
    "parse_block",
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
    "seam_scores",
    "segment_volume",
    "shard_of",
    "traced_volume",
]
