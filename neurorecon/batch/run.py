"""The batch itself: takes leases, hands tasks to the engine, keeps count, sums up at the end."""

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from neurorecon.batch.engines import Engine, run_processes
from neurorecon.batch.engines.queue import POLL_SECONDS
from neurorecon.batch.job import Job
from neurorecon.batch.leases import Leases
from neurorecon.batch.ledger import Ledger, differs
from neurorecon.batch.plan import Item, find_items
from neurorecon.batch.record import Record
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.summarise import summarise
from neurorecon.batch.work import Outcome, Task, failure, note_failure
from neurorecon.core.errors import SettingsError

__all__ = ["BatchResult", "Progress", "exclusive", "run_batch", "run_items"]

Progress = Callable[[int, int, Record], None]
SumUp = Callable[[Ledger, Path], None]  # gets the ledger, and a folder of its own for unfinished files


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the stacks of a batch (of this shard).

    Attributes:
        records: one a stack, in the order in which they ended.
        kept: how many of them were finished before.
    """

    records: tuple[Record, ...]
    kept: int

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
    items = find_items(source, outdir, settings)
    return run_items(items, source, outdir, job, settings, engine=engine, progress=progress, sum_up=summarise)


def run_items(
    items: Sequence[Item],
    source: Path,
    outdir: Path,
    job: Job,
    settings: BatchSettings,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
    sum_up: SumUp | None = None,
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
        sum_up: makes a summary from the ledger at the end, for one process at a time.
    """
    ledger = Ledger(outdir)
    ledger.make()
    leases = Leases(ledger.leases, ledger.scratch, settings.lease_seconds)
    with leases.beating():
        ledger.clear(leases.leftovers())
        with exclusive(leases, "settings"):
            ledger.begin(job.fingerprint, overwrite=settings.overwrite)
        queue = _Queue(items, source, (ledger, leases, job), settings, progress)
        try:
            (engine or run_processes(settings.jobs))(queue, job)
        finally:
            if sum_up is not None:
                with exclusive(leases, "report") as token:
                    sum_up(ledger, ledger.scratch / f"report.{token}")
            ledger.clear(leases.leftovers())
    return BatchResult(tuple(queue.records), queue.kept)


@contextmanager
def exclusive(leases: Leases, key: str) -> Iterator[str]:
    """Hold a lease, waiting for it as long as another process has it."""
    while (token := leases.take(key)) is None:
        time.sleep(POLL_SECONDS)
    try:
        yield token
    finally:
        leases.give_back(key, token)


class _Queue:
    """The stacks of this process, with their leases; see `engines.TaskQueue`."""

    def __init__(
        self,
        items: Sequence[Item],
        source: Path,
        tools: tuple[Ledger, Leases, Job],
        settings: BatchSettings,
        progress: Progress | None,
    ) -> None:
        self._pending, self._all = deque(items), len(items)
        self._source, self._settings, self._progress = source, settings, progress
        self._ledger, self._leases, self._job = tools
        self._prints = self._job.fingerprint
        self._since = self._leases.now()
        self.records: list[Record] = []
        self.kept = 0

    @property
    def waiting(self) -> bool:
        """Whether there are stacks left, though another process may hold them."""
        return bool(self._pending)

    def take(self) -> Task | None:
        """Return the next stack that no other process holds, with its lease; None if there is none now.

        Raises:
            SettingsError: if another batch has given the folder other settings meanwhile.
        """
        for _ in range(len(self._pending)):
            item = self._pending.popleft()
            if self._done_elsewhere(item):
                continue
            token = self._leases.take(item.key)
            if token is None:
                self._pending.append(item)
                continue
            if differs(self._ledger.fingerprint() or {}, self._prints):
                self._leases.give_back(item.key, token)
                raise SettingsError(f"{self._ledger.outdir}: another batch has taken it over with other settings")
            source = self._source / item.input
            return Task(item, source, self._ledger.outdir, token, self._since, self._settings.overwrite)
        return None

    def _done_elsewhere(self, item: Item) -> bool:
        """Count a stack that another process has ended since this batch began."""
        record = self._ledger.read_newer(item.key, self._since)
        if record is None or record.status == "publishing" or record.settings_sha256 != self._prints.settings_sha256:
            return False
        self._count(record)
        return True

    def finish(self, task: Task, outcome: Outcome) -> None:
        """Take back a task with what came of it."""
        self._give_back(task)
        if outcome.record is None:
            self._pending.append(task.item)  # the lease was lost: see what its new owner makes of it
            return
        self.kept += outcome.kept
        self._count(outcome.record)

    def fail(self, task: Task, reason: str) -> None:
        """Take back a task whose worker died."""
        record = note_failure(self._ledger, task.item, failure(task.item, self._job, reason=reason))
        self._give_back(task)
        self._count(record)

    def drop(self, task: Task) -> None:
        """Take back a task that was not finished, because the batch ends."""
        self._give_back(task)

    def _give_back(self, task: Task) -> None:
        shutil.rmtree(self._ledger.scratch / f"{task.item.key}.{task.token}", ignore_errors=True)
        self._leases.give_back(task.item.key, task.token)

    def _count(self, record: Record) -> None:
        self.records.append(record)
        if self._progress is not None:
            self._progress(len(self.records), self._all, record)
