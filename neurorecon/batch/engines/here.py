"""The engine that works in the calling process, one stack after another."""

import time

from neurorecon.batch.engines.queue import POLL_SECONDS, TaskQueue
from neurorecon.batch.job import Job
from neurorecon.batch.work import perform

__all__ = ["run_here"]


def run_here(queue: TaskQueue, job: Job) -> None:
    """Run all tasks of `queue` in this process: for tests and notebooks. A crash of the process ends the batch."""
    ready = False
    while True:
        task = queue.take()
        if task is None:
            if not queue.waiting:
                return
            time.sleep(POLL_SECONDS)
            continue
        try:
            if not ready:
                job.prepare(None)
                ready = True
            outcome = perform(task, job)
        except BaseException:
            queue.drop(task)
            raise
        queue.finish(task, outcome)
