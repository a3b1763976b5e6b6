"""A batch that never ends: follows a folder into which a microscope writes.

The queue is fed by a `Scout`, and reports that it is waiting until it is stopped, so that any engine follows. A
stack is taken when it is at rest and can be read to its last plane; one that changes later is done again. A disk that goes
away, of the inputs or of the outputs, is waited for.
"""

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path

from neurorecon.batch.batch_run import BatchResult, exclusive, run_queue
from neurorecon.batch.engines import Engine
from neurorecon.batch.items import Item
from neurorecon.batch.job import Job
from neurorecon.batch.leased_items import LeasedItems, Tools
from neurorecon.batch.pending import Progress
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.state.leases import Leases
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.names import Names
from neurorecon.batch.state.record import Record
from neurorecon.batch.summarise import summarise
from neurorecon.batch.task import Outcome, Task
from neurorecon.batch.watch_folder import Resting, Scout
from neurorecon.batch.work import FINISHED
from neurorecon.core.errors import InputError, OutputError, one_line

__all__ = ["run_watch"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
RETRY_SECONDS = 5.0  # before a disk that was unreachable is tried again
LONGEST_WAVE_SECONDS = 300.0  # between two summaries while stacks arrive without a pause
SUMMARY_LOAD = 20  # a summary of many stacks takes long: it may take this part of the time


def run_watch(
    source: Path,
    outdir: Path,
    job: Job,
    settings: BatchSettings | None = None,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> BatchResult:
    """Reconstruct all stacks below `source`, and every new one, until `stop` is set or an exception ends it.

    Several processes may follow one folder into one `outdir`. Output names are given for good: a later stack of the same
    name gives way. summary.csv and report.html are written whenever all stacks that were at rest are done.

    Args:
        source: the folder; it may be empty.
        outdir: the folder of results; made if the folder above is there.
        job: what is done to each stack.
        settings: see BatchSettings.
        engine: where the work is done; None is `settings.jobs` processes of this machine.
        progress: called with (stacks ended, stacks seen, record) as each stack ends.
        stop: ends the watch when set; stacks at work are finished.

    Returns:
        The records of all stacks that ended, without trees and files, which the ledger has.

    Raises:
        InputError: if the folder is not there at the beginning.
        OutputError: if `outdir` cannot be written at the beginning.
        SettingsError: if `outdir` was begun with other settings or another model, and not `settings.overwrite`.
    """
    settings = settings or BatchSettings()
    if not source.is_dir():
        raise InputError(f"{source}: is a file; give a folder" if source.exists() else f"{source}: no such folder")
    scout = Scout(source, outdir, settings)

    def queue(ledger: Ledger, leases: Leases) -> _Watched:
        names = Names(ledger)
        with exclusive(leases, "names"):
            names.keep({record.input: record.output for record in ledger.all() if record.status in FINISHED})
        return _Watched(
            scout,
            names,
            stop=stop,
            source=source,
            tools=Tools(ledger, leases, job),
            settings=settings,
            progress=progress,
        )

    with scout.at_work():
        return run_queue(queue, outdir, job, settings, engine=engine, sum_up=summarise)


class _Watched:
    """A `TaskQueue` of the stacks that the scout found at rest; see `engines.TaskQueue`."""

    def __init__(
        self,
        scout: Scout,
        names: Names,
        *,
        stop: threading.Event | None,
        source: Path,
        tools: Tools,
        settings: BatchSettings,
        progress: Progress | None,
    ) -> None:
        self._scout, self._names, self._stop = scout, names, stop or threading.Event()
        self._items, self._source, self._settings, self._progress = LeasedItems([], tools), source, settings, progress
        self._ledger, self._leases = tools.ledger, tools.leases
        self._resting: dict[str, Resting] = {}  # by input: stacks that are on the list or at work
        self._found: list[Resting] = []  # not named yet
        self._away = ""
        self._retry = 0.0
        self._unsummed, self._summed, self._pause = 0, time.monotonic(), 0.0
        self.records: list[Record] = []
        self.kept = 0

    @property
    def waiting(self) -> bool:
        """Whether more may come."""
        return not self._stop.is_set()

    def take(self) -> Task | None:
        """Return the next stack at rest that no other process holds; None if there is none now, or a disk is away."""
        if self._stop.is_set() or time.monotonic() < self._retry:
            return None
        leased = None
        try:
            self._fetch()
            leased = self._items.lease(self._settled)
            self._sum_up(idle=not self._items.at_work and not self._items.todo)
        except (OSError, OutputError) as error:
            self._note_away(error)
        else:
            if self._away:
                log.warning("%s: is back", self._ledger.outdir)
                self._away = ""
        return None if leased is None else self._task(*leased)

    def _fetch(self) -> None:
        """Give names to the stacks that have come to rest, and put them on the list."""
        self._found += self._scout.resting(time.monotonic())
        if not self._found:
            return
        token = self._leases.take("names")
        if token is None:
            return  # another watch gives names just now: next time
        try:
            items = self._names.give(found.name for found in self._found)
        finally:
            self._leases.give_back("names", token)
        listed = {item.input for item in self._items.todo}
        self._items.todo.extend(item for item in items if item.input not in listed)
        self._resting |= {found.name: found for found in self._found}
        self._found.clear()

    def _note_away(self, error: Exception) -> None:
        self._retry = time.monotonic() + RETRY_SECONDS
        if not self._away:
            self._away = one_line(str(error))
            log.warning("%s: cannot be written: %s; waiting for it", self._ledger.outdir, self._away)

    def _task(self, item: Item, token: str) -> Task:
        found = self._resting[item.input]
        return Task(
            item,
            self._source / item.input,
            outdir=self._ledger.outdir,
            token=token,
            since=self._items.since,
            overwrite=self._settings.overwrite,
            stamped=True,
            watched=True,
            rest=found.stamp,
            last=found.last,
        )

    def _settled(self, item: Item) -> bool:
        """Count a stack whose record has the sizes and times that it rests with.

        A failure of an earlier batch is tried again, once.
        """
        found, rest, prints = self._ledger.read_timed(item.key), self._resting[item.input].stamp, self._items.prints
        if found is None:
            return False
        record, is_new = found[0], found[1] > self._items.since
        stamp = record.input_stamp.removeprefix("?")  # at rest for the settle time, so the stamp proves what it says
        known = (record.settings_sha256, record.model_sha256, record.output, stamp)
        if known != (prints.settings_sha256, prints.model_sha256, item.output, rest):
            return False
        if not (is_new if record.status == "failed" else record.status in FINISHED and self._ledger.has_stamp(record)):
            return False
        self.kept += not is_new
        self._count(record)
        return True

    def finish(self, task: Task, outcome: Outcome) -> None:
        """Take back a task with its outcome; a stack that is not ready is asked for again later."""
        self._items.give_back(task)
        if outcome.record is not None:
            self.kept += outcome.kept
            self._count(outcome.record)
        elif outcome.unready:
            log.info("%s: not yet: %s", task.item.input, outcome.unready)
            self._scout.again(task.item.input, time.monotonic())
        else:
            self._items.todo.append(task.item)

    def fail(self, task: Task, reason: str) -> None:
        """Take back a task whose worker died; it is not tried again until the stack changes."""
        self._count(self._items.fail(task, reason))

    def drop(self, task: Task) -> None:
        """Take back a task that was not finished."""
        self._items.give_back(task)

    def _count(self, record: Record) -> None:
        """Count a record without the parts that take memory: a watch goes on for months."""
        self._unsummed += 1
        self.records.append(replace(record, outputs={}, tree={}, warnings=(), traceback=""))
        if self._progress is not None:
            self._progress(len(self.records), max(self._scout.count, len(self.records)), record)

    def _sum_up(self, *, idle: bool) -> None:
        """Write the summary at the end of a wave, or after a long while, unless another process writes it."""
        start = time.monotonic()
        due = self._pause if idle else max(self._pause, LONGEST_WAVE_SECONDS)
        if not self._unsummed or start - self._summed < due:
            return
        token = self._leases.take("report")
        if token is None:
            return
        try:
            summarise(self._ledger, self._ledger.scratch / f"report.{token}")
        finally:
            self._leases.give_back("report", token)
        self._summed = time.monotonic()
        self._unsummed, self._pause = 0, SUMMARY_LOAD * (self._summed - start)
