"""Run a batch: take leases, hand tasks to the engine, count results, and write the summary at the end."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neurorecon.batch.engines import Engine, run_processes
from neurorecon.batch.engines.queue import POLL_SECONDS, TaskQueue
from neurorecon.batch.items import Item, find_items
from neurorecon.batch.job import Job
from neurorecon.batch.leased_items import Tools
from neurorecon.batch.pending import Pending, Progress
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.state.leases import Leases
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.names import Names
from neurorecon.batch.state.record import Record
from neurorecon.batch.summarise import summarise
from neurorecon.core.errors import OutputError
from neurorecon.core.signals import Terminated

__all__ = ["BatchResult", "Progress", "exclusive", "plan_batch", "run_batch", "run_items", "run_queue"]

log = logging.getLogger(__name__)


class CountedQueue(TaskQueue, Protocol):
    """A queue that keeps the records of the items that ended."""

    records: list[Record]
    kept: int


SumUp = Callable[[Ledger, Path], None]  # gets the ledger, and a folder of its own for unfinished files


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a batch (of this shard).

    Attributes:
        records: one a stack, in the order in which they ended.
        kept: how many of them were finished before.
        summed: the summary was written.
    """

    records: tuple[Record, ...]
    kept: int
    summed: bool = True

    def with_status(self, status: str) -> list[Record]:
        """Return the records of a status, by input."""
        return sorted((r for r in self.records if r.status == status), key=lambda r: r.input)


def run_batch(
    source: Path,
    outdir: Path,
    job: Job,
    settings: BatchSettings | None = None,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Reconstruct every stack below `source` into `outdir`, and go on where an earlier batch was interrupted.

    Several processes, of several machines too, may work into one `outdir` at a time; each stack is done once. Stacks
    that another process is at work on are waited for.

    Args:
        source: the folder of stacks.
        outdir: the folder of results; made if the folder above is there.
        job: what is done to each stack.
        settings: see BatchSettings.
        engine: where the work is done; None is `settings.jobs` processes of this machine.
        progress: called with (stacks ended, all stacks, record) as each stack ends.

    Raises:
        InputError: if there is no stack.
        OutputError: if `outdir` cannot be written.
        SettingsError: if `outdir` was begun with other settings or another model, and not `settings.overwrite`.
    """
    settings = settings or BatchSettings()
    items = plan_batch(source, outdir, settings)

    def queue(ledger: Ledger, leases: Leases) -> Pending:
        return Pending(items, source, Tools(ledger, leases, job), settings, progress, stamped=True)

    return run_queue(queue, outdir, job, settings, engine=engine, sum_up=summarise)


def plan_batch(source: Path, outdir: Path, settings: BatchSettings) -> list[Item]:
    """Return the stacks that a batch would do, with the names that a watch may have given them; see `find_items`."""
    return find_items(source, outdir, settings, Names(Ledger(outdir)).load())


def run_items(
    items: Sequence[Item],
    source: Path,
    outdir: Path,
    job: Job,
    settings: BatchSettings,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Do `items`, stacks of a folder or blocks of a volume, into `outdir`, each once; else like `run_batch`.

    Args:
        items: what is to be done; their inputs lie below `source`.
        source: the folder of inputs, or the volume itself.
        outdir: the folder of results, with the ledger in it.
        job: what is done to each.
        settings: see BatchSettings; pattern, recursive and shard were used when the items were found.
        engine: where the work is done; None is `settings.jobs` processes of this machine.
        progress: called with (items ended, all items, record) as each ends.
    """

    def queue(ledger: Ledger, leases: Leases) -> Pending:
        return Pending(items, source, Tools(ledger, leases, job), settings, progress)

    return run_queue(queue, outdir, job, settings, engine=engine)


def run_queue(
    make: Callable[[Ledger, Leases], CountedQueue],
    outdir: Path,
    job: Job,
    settings: BatchSettings,
    *,
    engine: Engine | None = None,
    sum_up: SumUp | None = None,
) -> BatchResult:
    """Do the tasks of the queue of `make`; see `run_items`.

    However it ends, all leases are given back. After SIGTERM there is no summary: the next signal ends the process for good.
    """
    ledger = Ledger(outdir)
    ledger.make()
    leases = Leases(ledger.leases, ledger.scratch, settings.lease_seconds)
    with leases.beating():
        try:
            ledger.clear(leases.leftovers())
            with exclusive(leases, "settings"):
                ledger.begin(job.fingerprint, overwrite=settings.overwrite)
            queue = make(ledger, leases)
        except OSError as error:
            raise OutputError(f"{outdir}: cannot be written: {error.strerror or error}") from error
        try:
            (engine or run_processes(settings.jobs))(queue, job)
        except Terminated:
            leases.give_all_back()
            raise
        except BaseException:
            leases.give_all_back()
            _wind_up(ledger, leases, sum_up)
            raise
        summed = _wind_up(ledger, leases, sum_up)
    return BatchResult(tuple(queue.records), queue.kept, summed)


def _wind_up(ledger: Ledger, leases: Leases, sum_up: SumUp | None) -> bool:
    """Write the summary, and clear away what dead owners have left; if the disk refuses both, only a warning is logged."""
    try:
        if sum_up is not None:
            with exclusive(leases, "report") as token:
                sum_up(ledger, ledger.scratch / f"report.{token}")
        leases.end_dead()
        ledger.clear(leases.leftovers())
    except (OutputError, OSError) as error:
        log.warning("%s; run the batch again for the summary", error)
        return False
    return True


@contextmanager
def exclusive(leases: Leases, key: str) -> Iterator[str]:
    """Hold a lease, waiting for it as long as another process has it."""
    while (token := leases.take(key)) is None:
        time.sleep(POLL_SECONDS)
    try:
        yield token
    finally:
        leases.give_back(key, token)
