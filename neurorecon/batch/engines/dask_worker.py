"""The code of the processes of Dask workers: one step at a time, the network loaded once."""

import functools
import pickle
import threading
from dataclasses import dataclass

import neurorecon
from neurorecon.batch.engines.two_stage import Step, do_step
from neurorecon.batch.job import Job
from neurorecon.batch.work import Half, Outcome
from neurorecon.core.errors import InputError

__all__ = ["Assignment", "work"]

# A Dask worker may have several threads, and several batches may use it: the memory, and the GPU, hold one stack.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Assignment:
    """A message to a worker; it holds the paths of stacks, not the stacks.

    Attributes:
        step: what to do.
        job: the job, pickled once for all steps, so that a worker knows it again.
        version: of neurorecon, where the batch runs.
    """

    step: Step
    job: bytes
    version: str


@functools.lru_cache(maxsize=1)
def prepared(job: bytes, threads: int) -> Job:
    """Return a job with its network loaded; the same in every call, until another job is asked for."""
    ready: Job = pickle.loads(job)
    ready.prepare(threads)
    return ready


def work(assignment: Assignment) -> Outcome | Half:
    """Do one step. An error that is raised is a fault of this worker, not of the stack: see `Job.prepare`.

    Raises:
        InputError: if another version is installed here, or the output folder cannot be seen from here.
    """
    from distributed import get_worker

    step = assignment.step
    if neurorecon.__version__ != assignment.version:
        raise InputError(
            f"neurorecon {neurorecon.__version__} is installed there, {assignment.version} here; install the same"
        )
    with ONE_AT_A_TIME:
        if not step.task.ledger.root.is_dir():
            raise InputError(f"{step.task.outdir}: cannot be seen from there; use a folder that all machines share")
        if step.half is not None:  # the second stage needs no network
            return do_step(step, pickle.loads(assignment.job))
        result = do_step(step, prepared(assignment.job, get_worker().state.nthreads))
        if is_bug(result):
            prepared.cache_clear()  # the state of the network, or of the GPU, is unknown
        return result


def is_bug(result: Outcome | Half) -> bool:
    """Return whether a step ended with an unexpected error."""
    return isinstance(result, Outcome) and bool(result.record and result.record.traceback) and not result.kept
