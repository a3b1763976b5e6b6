"""The stacks of this process that are still to be done, with their leases: what an engine takes its tasks from."""

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurorecon.batch.items import Item
from neurorecon.batch.job import Job
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.state.file_stamp import stamp_of
from neurorecon.batch.state.leases import Leases
from neurorecon.batch.state.ledger import Ledger, differs
from neurorecon.batch.state.record import Record
from neurorecon.batch.task import Outcome, Task
from neurorecon.batch.work import FINISHED, failure, note_failure
from neurorecon.core.errors import OutputError, SettingsError

__all__ = ["Pending", "Progress", "Tools"]

Progress = Callable[[int, int, Record], None]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a batch works with: its memory, its leases, and what is done to each item."""

    ledger: Ledger
    leases: Leases
    job: Job


class Pending:
    """A `TaskQueue` of items; see `engines.TaskQueue`.

    Args:
        items: what is to be done.
        source: the folder of inputs.
        tools: what the batch works with.
        settings: of the batch.
        progress: called as each item ends.
        stamped: inputs are files or folders of their own, whose sizes and times tell whether they have changed.
    """

    def __init__(
        self,
        items: Sequence[Item],
        source: Path,
        tools: Tools,
        settings: BatchSettings,
        progress: Progress | None,
        *,
        stamped: bool = False,
    ) -> None:
        self._pending, self._all = deque(items), len(items)
        self._source, self._settings, self._progress = source, settings, progress
        self._ledger, self._leases, self._job = tools.ledger, tools.leases, tools.job
        self._prints = self._job.fingerprint
        self._since = self._leases.now()
        self._stamped = stamped
        self._looked: set[str] = set()  # keys whose records were read once
        self._owed: list[Task] = []  # leases that could not be given back
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
            OutputError: if the ledger cannot be read or written.
        """
        try:
            while self._owed:
                self._leases.give_back(self._owed[-1].item.key, self._owed[-1].token)
                self._owed.pop()
            return self._next()
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{self._ledger.outdir}: the ledger cannot be read or written: {reason}") from error

    def _next(self) -> Task | None:
        for _ in range(len(self._pending)):
            item = self._pending.popleft()
            try:
                if self._settled(item):
                    continue
                token = self._leases.take(item.key)
            except BaseException:
                self._pending.appendleft(item)
                raise
            if token is not None:
                self._check_settings(item, token)
                return self._task(item, token)
            self._pending.append(item)
        return None

    def _check_settings(self, item: Item, token: str) -> None:
        """Make sure that the folder is still ours, else give back the lease and raise."""
        prints = self._ledger.fingerprint()
        if prints is not None and not differs(prints, self._prints):
            return
        self._pending.appendleft(item)
        self._leases.give_back(item.key, token)
        if prints is None:
            raise OutputError(f"{self._ledger.outdir}: its ledger cannot be read; is the disk still there?")
        raise SettingsError(f"{self._ledger.outdir}: another batch has taken it over with other settings")

    def _task(self, item: Item, token: str) -> Task:
        """Return the task of an item."""
        source, overwrite = self._source / item.input, self._settings.overwrite
        return Task(
            item,
            source,
            outdir=self._ledger.outdir,
            token=token,
            since=self._since,
            overwrite=overwrite,
            stamped=self._stamped,
        )

    def _settled(self, item: Item) -> bool:
        """Count a stack that needs no work: another process has ended it meanwhile, or nothing of it has changed.

        What sizes and times cannot prove is left to `perform`, which takes hashes.
        """
        if item.key in self._looked:  # another process held it: asked again and again, so the time alone at first
            record, is_new = self._ledger.read_newer(item.key, self._since), True
        else:
            self._looked.add(item.key)
            found = self._ledger.look(item.key)
            record, is_new = (None, False) if found is None else (found[0], found[1] > self._since)
        if record is None or record.status == "publishing" or record.settings_sha256 != self._prints.settings_sha256:
            return False
        if is_new or (self._stamped and self._unaltered(item, record)):
            self.kept += not is_new
            self._count(record)
            return True
        return False

    def _unaltered(self, item: Item, record: Record) -> bool:
        """Say whether a stack is finished, and neither its input nor its outputs were written to since."""
        if record.status not in FINISHED or not (record.input_stamp and record.outputs_stamp):
            return False
        if (record.model_sha256, record.output) != (self._prints.model_sha256, item.output):
            return False
        stamp = stamp_of(self._source / item.input)
        return stamp is not None and stamp.text == record.input_stamp and self._ledger.has_stamp(record)

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
        try:
            self._leases.give_back(task.item.key, task.token)
        except OSError:
            self._owed.append(task)

    def _count(self, record: Record) -> None:
        self.records.append(record)
        if self._progress is not None:
            self._progress(len(self.records), self._all, record)
