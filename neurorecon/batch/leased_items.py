"""Items to be done and the leases on those at work: the common part of both queues of a batch."""

import shutil
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from neurorecon.batch.items import Item
from neurorecon.batch.job import Job
from neurorecon.batch.state.leases import Leases
from neurorecon.batch.state.ledger import Ledger, differs
from neurorecon.batch.state.record import Record
from neurorecon.batch.task import Task
from neurorecon.batch.work import failure, note_failure
from neurorecon.core.errors import OutputError, SettingsError

__all__ = ["LeasedItems", "Tools"]


@dataclass(frozen=True, slots=True)
class Tools:
    """The ledger, the leases and the job of a batch."""

    ledger: Ledger
    leases: Leases
    job: Job


class LeasedItems:
    """Items to be done, in `todo`, and the number of those with a lease, `at_work`.

    Args:
        items: the items to be done.
        tools: what the batch works with.
    """

    def __init__(self, items: Iterable[Item], tools: Tools) -> None:
        self.todo = deque(items)
        self.at_work = 0
        self.ledger, self.leases, self.job = tools.ledger, tools.leases, tools.job
        self.prints = self.job.fingerprint
        self.since = self.leases.now()
        self._owed: list[Task] = []  # leases that could not be given back

    def lease(self, settled: Callable[[Item], bool]) -> tuple[Item, str] | None:
        """Return the next item that no other process holds, with the token of its lease; None if there is none now.

        Items of which `settled` is true are dropped on the way.

        Raises:
            SettingsError: if another batch has given the folder other settings meanwhile.
            OutputError: if the ledger cannot be read or written.
        """
        try:
            while self._owed:
                self.leases.give_back(self._owed[-1].item.key, self._owed[-1].token)
                self._owed.pop()
            return self._next(settled)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{self.ledger.outdir}: the ledger cannot be read or written: {reason}") from error

    def _next(self, settled: Callable[[Item], bool]) -> tuple[Item, str] | None:
        for _ in range(len(self.todo)):
            item = self.todo.popleft()
            try:
                if settled(item):
                    continue
                token = self.leases.take(item.key)
            except BaseException:
                self.todo.appendleft(item)
                raise
            if token is not None:
                self._check_settings(item, token)
                self.at_work += 1
                return item, token
            self.todo.append(item)
        return None

    def _check_settings(self, item: Item, token: str) -> None:
        """Make sure that the folder is still ours, else give back the lease and raise."""
        prints = self.ledger.fingerprint()
        if prints is not None and not differs(prints, self.prints):
            return
        self.todo.appendleft(item)
        self.leases.give_back(item.key, token)
        if prints is None:
            raise OutputError(f"{self.ledger.outdir}: its ledger cannot be read; is the disk still there?")
        raise SettingsError(f"{self.ledger.outdir}: another batch has taken it over with other settings")

    def give_back(self, task: Task) -> None:
        """Remove the unfinished files of a task, and give back its lease; if the disk refuses, do so later."""
        self.at_work -= 1
        shutil.rmtree(self.ledger.scratch / f"{task.item.key}.{task.token}", ignore_errors=True)
        try:
            self.leases.give_back(task.item.key, task.token)
        except OSError:
            self._owed.append(task)

    def fail(self, task: Task, reason: str) -> Record:
        """Write down that the worker of a task died, give back its lease, and return the record."""
        record = replace(failure(task.item, self.job, reason=reason), input_stamp=task.rest)
        record = note_failure(self.ledger, task.item, record)
        self.give_back(task)
        return record
