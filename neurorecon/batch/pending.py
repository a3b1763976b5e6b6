"""The stacks of this process that are still to be done: what an engine takes its tasks from."""

from collections.abc import Callable, Sequence
from pathlib import Path

from neurorecon.batch.items import Item
from neurorecon.batch.leased_items import LeasedItems, Tools
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.state.file_stamp import stamp_of
from neurorecon.batch.state.record import Record
from neurorecon.batch.task import Outcome, Task
from neurorecon.batch.work import FINISHED

__all__ = ["Pending", "Progress"]

Progress = Callable[[int, int, Record], None]


class Pending:
    """A `TaskQueue` of items; see `engines.TaskQueue`.

    Args:
        items: the items to be done.
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
        self._items, self._all = LeasedItems(items, tools), len(items)
        self._source, self._settings, self._progress = source, settings, progress
        self._stamped = stamped
        self._seen: set[str] = set()  # keys whose records were read once
        self.records: list[Record] = []
        self.kept = 0

    @property
    def waiting(self) -> bool:
        """Whether there are stacks left, though another process may hold them."""
        return bool(self._items.todo)

    def take(self) -> Task | None:
        """Return the next stack that no other process holds, with its lease; see `LeasedItems.lease`."""
        leased = self._items.lease(self._settled)
        if leased is None:
            return None
        item, token = leased
        return Task(
            item,
            self._source / item.input,
            outdir=self._items.ledger.outdir,
            token=token,
            since=self._items.since,
            overwrite=self._settings.overwrite,
            stamped=self._stamped,
        )

    def _settled(self, item: Item) -> bool:
        """Count a stack that needs no work: another process has ended it meanwhile, or nothing of it has changed.

        Whatever sizes and times cannot prove is left to `perform`, which computes hashes.
        """
        ledger, since, prints = self._items.ledger, self._items.since, self._items.prints
        if item.key in self._seen:  # another process held it; it is asked again and again, so read the time first
            record, is_new = ledger.read_newer(item.key, since), True
        else:
            self._seen.add(item.key)
            found = ledger.read_timed(item.key)
            record, is_new = (None, False) if found is None else (found[0], found[1] > since)
        if record is None or record.status == "publishing" or record.settings_sha256 != prints.settings_sha256:
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
        if (record.model_sha256, record.output) != (self._items.prints.model_sha256, item.output):
            return False
        stamp = stamp_of(self._source / item.input)
        return stamp is not None and stamp.text == record.input_stamp and self._items.ledger.has_stamp(record)

    def finish(self, task: Task, outcome: Outcome) -> None:
        """Take back a task with its outcome."""
        self._items.give_back(task)
        if outcome.record is None:
            self._items.todo.append(task.item)  # the lease was lost: its new owner writes the record
            return
        self.kept += outcome.kept
        self._count(outcome.record)

    def fail(self, task: Task, reason: str) -> None:
        """Take back a task whose worker died."""
        self._count(self._items.fail(task, reason))

    def drop(self, task: Task) -> None:
        """Take back a task that was not finished, because the batch ends."""
        self._items.give_back(task)

    def _count(self, record: Record) -> None:
        self.records.append(record)
        if self._progress is not None:
            self._progress(len(self.records), self._all, record)
