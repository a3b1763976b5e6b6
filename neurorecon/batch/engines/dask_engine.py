"""The engine of many machines: the workers of a Dask scheduler (Rocklin 2015), one stack at a time each.

Dask only carries messages to the workers, and back. The list of stacks, their leases and their results are kept in the
ledger on the disk that all machines share: schedulers and workers may die at any moment.

A task is bound to one worker. If the worker is lost, the stack gets a new lease and another worker, up to `tries` times. Dask
itself must not repeat a task, because a task that it takes for lost may still be running.
"""

import logging
import math
import queue as queues
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import neurorecon
from neurorecon.batch.engines.dask_cluster import (
    GPU,
    RETURN_SECONDS,
    Place,
    at_scheduler,
    need,
    on_cluster,
    on_this_machine,
)
from neurorecon.batch.engines.dask_worker import Assignment, is_bug, work
from neurorecon.batch.engines.queue import POLL_SECONDS, Engine, TaskQueue
from neurorecon.batch.engines.settings import ClusterKind, ClusterSettings
from neurorecon.batch.engines.two_stage import Crew, Step, Steps
from neurorecon.batch.job import Job
from neurorecon.core.errors import InputError, one_line

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["run_dask"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
TRIES = 4  # workers that one stack may take with it: machines fail and wall times end, but not so often
LOOK_SECONDS = 1.0  # how often the workers are counted while nothing happens
FRESH_SECONDS = 0.1  # a count not older than this is good enough to hand out work by
LONELY_SECONDS = 60.0  # without a worker: after so long it is said
GATHER_SECONDS = 30.0  # for a result of a few kilobytes


def run_dask(
    *,
    scheduler: str | None = None,
    cluster: tuple[ClusterKind, ClusterSettings] | None = None,
    jobs: int = 1,
    tries: int = TRIES,
    patience_seconds: float = RETURN_SECONDS,
) -> Engine:
    """Return an engine whose workers are those of a Dask scheduler.

    Workers with the Dask resource "GPU" do the first stage of a stack, if there are others for the second.

    Args:
        scheduler: address of one that is there, or the file that it wrote.
        cluster: the queue that jobs with workers are sent to, and what each job is.
        jobs: without both, worker processes of this machine.
        tries: a stack that has lost so many workers has failed.
        patience_seconds: how long a `scheduler` that went away is waited for.

    Raises:
        MissingExtraError: if Dask is not installed.
    """
    need("distributed", *(["dask_jobqueue"] if cluster else []))
    if scheduler is not None:
        return partial(_run, where=lambda: nullcontext(at_scheduler(scheduler, patience_seconds)), tries=tries)
    if cluster is not None:
        return partial(_run, where=partial(on_cluster, *cluster), tries=tries)
    return partial(_run, where=partial(on_this_machine, jobs), tries=tries)


def _run(queue: TaskQueue, job: Job, *, where: Callable[[], AbstractContextManager[Place]], tries: int) -> None:
    """Run all tasks of `queue`.

    Raises:
        InputError: if there is no scheduler, or no worker can do the job.
        NeuroreconError: if the scheduler goes away for good.
    """
    drive = _Drive(Steps(queue, job), job, tries)
    with _quiet(), where() as place:
        drive.run(place)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the messages of Dask: we report those that a user can act upon."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application", "asyncio")]
    loggers += [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _LostError(Exception):
    """The connection to the scheduler is lost."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A step that a worker is at."""

    step: Step
    future: "Future[Any]"


class _Drive:
    """Hands steps to the workers of a scheduler, and takes back their results."""

    def __init__(self, steps: Steps, job: Job, tries: int) -> None:
        from distributed.protocol.pickle import dumps

        self._steps, self._tries = steps, tries
        self._job: bytes = dumps(job)  # also what was written in a notebook
        self._running: dict[str, _Running] = {}  # by address of the worker
        self._ended: queues.SimpleQueue[tuple[str, Future[Any]]] = queues.SimpleQueue()
        self._deaths: Counter[str] = Counter()  # by key of the stack
        self._unfit: dict[str, str] = {}  # address -> the fault of the worker
        self._workers: dict[str, Any] = {}
        self._looked = self._served = time.monotonic()

    def run(self, place: Place) -> None:
        """Do all steps with the workers of the scheduler at `place`; goes on when it comes back after it was lost."""
        again = False
        try:
            while True:
                with place.connected(again=again) as client:
                    if self._serve(client, place):
                        return
                log.warning("%s: the Dask scheduler is gone; waiting for it", place.name)
                again = True
        finally:
            for running in self._running.values():
                self._steps.drop(running.step)
            self._steps.drop_halves()

    def _serve(self, client: "Client", place: Place) -> bool:
        """Do steps until none is left; False if the scheduler went away before.

        Raises:
            InputError: if no worker can do the job.
        """
        try:
            while True:
                self._look(client, LOOK_SECONDS)
                self._take_back_of_the_dead()
                self._hand_out(client, place)
                if not self._running and not self._steps.waiting:
                    return True
                self._collect(client)
        except _LostError:
            while self._running:  # no worker is to blame
                self._steps.again(self._running.popitem()[1].step)
            self._workers = {}
            return False

    def _look(self, client: "Client", seconds: float) -> None:
        """Update the list of workers, unless that was done less than `seconds` ago."""
        if client.status != "running":
            raise _LostError
        now = time.monotonic()
        if now - self._looked < seconds and self._workers:
            return
        try:
            workers = client.scheduler_info()["workers"]
        except OSError as error:
            raise _LostError from error
        if client.status != "running":
            raise _LostError
        self._workers, self._looked = dict(workers), now

    def _take_back_of_the_dead(self) -> None:
        for address in [address for address in self._running if address not in self._workers]:
            self._died(address)

    def _died(self, address: str) -> None:
        """Take back the step of a worker that is gone."""
        running = self._running.pop(address)
        running.future.cancel()
        item = running.step.task.item
        self._deaths[item.key] += 1
        deaths = self._deaths[item.key]
        if deaths < self._tries:
            log.warning("%s: its worker was lost (%s); tried again", item.input, address)
            self._steps.again(running.step)
            return
        self._steps.fail(
            running.step,
            f"{deaths} workers were lost over it, the last at {address}: out of memory, or out of wall time; "
            "give the workers more of both",
        )

    def _hand_out(self, client: "Client", place: Place) -> None:
        """Give a step to each worker that has none."""
        if not self._steps.waiting:
            return
        self._look(client, FRESH_SECONDS)
        fit = {a: w for a, w in self._workers.items() if a not in self._unfit and w.get("status") == "running"}
        gpus = {address for address, worker in fit.items() if (worker.get("resources") or {}).get(GPU)}
        crew = Crew(len(gpus), len(fit) - len(gpus))
        self._say_if_lonely(place, crew)
        nothing_for: set[bool] = set()
        for address in sorted(fit, key=lambda address: address not in gpus):
            gpu = address in gpus
            if address in self._running or gpu in nothing_for:
                continue
            step = self._steps.next(gpu=gpu, crew=crew)
            if step is None:
                nothing_for.add(gpu)
                continue
            self._start(client, address, step)

    def _start(self, client: "Client", address: str, step: Step) -> None:
        future = client.submit(
            work,
            Assignment(step, self._job, neurorecon.__version__),
            key=f"neurorecon-{uuid.uuid4().hex}",
            workers=[address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        self._running[address] = _Running(step, future)
        future.add_done_callback(lambda future: self._ended.put((address, future)))

    def _say_if_lonely(self, place: Place, crew: Crew) -> None:
        """Log a warning if there has been no worker for a while.

        Raises:
            InputError: if there are workers, and none of them can do the job.
        """
        reasons = [self._unfit[address] for address in self._workers if address in self._unfit]
        if reasons and len(reasons) == len(self._workers):
            raise InputError(f"{place.name}: no worker can do it: {reasons[0]}")
        now, missing = time.monotonic(), self._steps.missing(crew)
        if not missing:
            self._served = now
        elif now - self._served > LONELY_SECONDS:
            log.warning("%s: waiting for %s", place.name, missing)
            self._served = math.inf  # said once: a job may wait in its queue for hours

    def _collect(self, client: "Client") -> None:
        """Take back what has ended, waiting a moment for the first."""
        wait = POLL_SECONDS if self._steps.waiting else LOOK_SECONDS
        try:
            ended = [self._ended.get(timeout=wait)]
        except queues.Empty:
            return
        while not self._ended.empty():
            ended.append(self._ended.get())
        for address, future in ended:
            running = self._running.get(address)
            if running is not None and running.future is future:
                self._take_back(client, address, running)

    def _take_back(self, client: "Client", address: str, running: _Running) -> None:
        """Take back one step, with its result or with the error of its worker."""
        from distributed import CancelledError, KilledWorker

        try:
            result = running.future.result(timeout=GATHER_SECONDS)
        except CancelledError as error:  # by the scheduler, as it goes
            raise _LostError from error
        except (KilledWorker, TimeoutError):  # TimeoutError: it died with its result in hand
            self._died(address)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, this worker cannot work; others may
            del self._running[address]
            self._unfit[address] = f"{address}: {one_line(str(error)) or type(error).__name__}"
            log.warning("a worker is left out: %s", self._unfit[address])
            self._steps.again(running.step)
            return
        del self._running[address]
        running.future.release()
        self._steps.done(running.step, result)
        if is_bug(result) and self._workers.get(address, {}).get("nanny"):
            # The state of the process, or of its GPU, is unknown: a new one takes its place.
            client.restart_workers([address], timeout=GATHER_SECONDS, raise_for_error=False)
            self._workers.pop(address, None)
