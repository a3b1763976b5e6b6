"""The engine of one machine: worker processes that load the network once and take stack after stack.

A worker that dies (out of memory, say) costs only its stack: a new one takes its place. The workers are fresh processes
(spawn), never copies of one that has threads. They end when their parent does, however it ends.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from multiprocessing.connection import Connection, wait

from neurorecon.batch.engines.queue import POLL_SECONDS, Engine, TaskQueue
from neurorecon.batch.job import Job
from neurorecon.batch.work import Outcome, Task, perform
from neurorecon.core.machine import cores

__all__ = ["run_processes"]

# Set by hand; not tuned, unless a line says more.
PATIENCE_SECONDS = 5.0  # for a worker that was asked to end
GRACE_SECONDS = 2.0  # a scheduler that ends a job tells its processes one after another


def run_processes(jobs: int) -> Engine:
    """Return an engine of `jobs` worker processes; each gets its share of the cores."""
    return partial(_run, jobs=jobs)


def _run(queue: TaskQueue, job: Job, *, jobs: int) -> None:
    """Run all tasks of `queue`."""
    threads = None if jobs == 1 else max(1, cores() // jobs)
    workers = [_Worker(job, threads) for _ in range(jobs)]
    try:
        while True:
            for worker in workers:
                if worker.task is None and (task := queue.take()) is not None:
                    worker.start(task, queue)
            busy = [worker for worker in workers if worker.task is not None]
            if not busy and not queue.waiting:
                return
            if not busy:
                time.sleep(POLL_SECONDS)
                continue
            ready = wait([w.connection for w in busy if w.connection], POLL_SECONDS if queue.waiting else None)
            for worker in busy:
                if worker.connection in ready:
                    worker.collect(queue)
    finally:
        for worker in workers:
            worker.stop(queue)


class _Worker:
    """The parent's side of a worker process; the process is started with its first task."""

    def __init__(self, job: Job, threads: int | None) -> None:
        self.job, self.threads = job, threads
        self.task: Task | None = None
        self.connection: Connection | None = None
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self, task: Task, queue: TaskQueue) -> None:
        """Send a task, to a new process if there is none."""
        self.task = task
        try:
            if self._process is not None and not self._process.is_alive():
                self._close()  # it died idle: no stack is to blame
            if self._process is None:
                self._open()
            if self.connection is not None:
                self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            self._died(queue)

    def collect(self, queue: TaskQueue) -> None:
        """Take the outcome of the task, or note that the process died."""
        if self.connection is None or self.task is None:
            return
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            self._died(queue)
            return
        task, self.task = self.task, None
        queue.finish(task, outcome)
        if outcome.record is not None and outcome.record.traceback and not outcome.kept:
            self.stop(queue)  # after an unexpected error the state of the process (or of its GPU) is unknown

    def stop(self, queue: TaskQueue) -> None:
        """End the process, and hand back a task it had not finished."""
        if self._process is not None and self.task is not None:
            self._process.terminate()
        self._close()
        if self.task is not None:
            task, self.task = self.task, None
            queue.drop(task)

    def _open(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self.job, self.threads, os.getpid()), name="neurorecon-worker", daemon=True
        )
        process.start()
        self._process = process
        theirs.close()  # so that its death is the end of the connection

    def _close(self) -> int | None:
        """End connection and process; return its exit code."""
        if self.connection is not None:
            self.connection.close()
        if self._process is None:
            return None
        self._process.join(PATIENCE_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process = self.connection = None
        return code

    def _died(self, queue: TaskQueue) -> None:
        code = self._close()
        if code == -signal.SIGTERM:
            time.sleep(GRACE_SECONDS)  # if we are told to end as well, the stack is not to blame: `stop` drops it
        task, self.task = self.task, None
        if task is not None:
            queue.fail(task, _cause(code))


def _cause(code: int | None) -> str:
    """Return in words why a worker ended."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals.__members__.values() else str(-code)
        hint = ": often out of memory; fewer --jobs, or a machine with more" if -code == signal.SIGKILL else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended with exit code {code}"


def _serve(connection: Connection, job: Job, threads: int | None, parent: int) -> None:
    """Do tasks until the parent closes the connection or has died; the main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    threading.Thread(target=_follow, args=(parent,), name="neurorecon-parent", daemon=True).start()
    ready = False
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            task: Task = connection.recv()
            if not ready:
                job.prepare(threads)
                ready = True
            connection.send(perform(task, job))


def _follow(parent: int) -> None:
    """End this process as soon as its parent has ended: a batch that is killed leaves no process at work."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)
