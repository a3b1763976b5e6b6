"""The messages between a batch and a worker: a stack with its lease, and the outcome."""

from dataclasses import dataclass
from pathlib import Path

from neurorecon.batch.items import Item
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.record import Record

__all__ = ["Half", "Outcome", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """A stack with the lease on it; goes to a worker process.

    Attributes:
        item: the stack.
        source: its file or folder.
        outdir: the folder of outputs.
        token: the lease.
        since: when this batch began, by the clock of the disk: stacks recorded later need not be done again.
        overwrite: take the place of files that are not from a batch.
        stamped: the source is a file or folder of this stack alone: sizes and times tell whether it was written to.
        watched: the source may still be in writing.
        rest: sizes and times that it was at rest with, where it is watched.
        last: it was at rest for so long that no missing part will be written any more.
    """

    item: Item
    source: Path
    outdir: Path
    token: str
    since: float
    overwrite: bool = False
    stamped: bool = False
    watched: bool = False
    rest: str = ""
    last: bool = False

    @property
    def ledger(self) -> Ledger:
        """The ledger it belongs to."""
        return Ledger(self.outdir)

    @property
    def folder(self) -> Path:
        """Its own folder for all that is unfinished."""
        return self.ledger.scratch / f"{self.item.key}.{self.token}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a task.

    Attributes:
        record: the record in the ledger; None if the lease was lost, so that another process does the stack, or if the
            stack is not ready.
        kept: it was finished before.
        unready: why a watched stack cannot be done yet, in one line.
    """

    record: Record | None
    kept: bool = False
    unready: str = ""


@dataclass(frozen=True, slots=True)
class Half:
    """The first stage of a task is done; its files wait in the task's folder.

    Attributes:
        input_sha256: hash of the input.
        seconds: time it took.
        input_stamp: sizes and times of the input, as in a record.
    """

    input_sha256: str
    seconds: float
    input_stamp: str = ""
