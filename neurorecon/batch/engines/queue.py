"""The interface between an engine and a batch."""

from typing import Protocol

from neurorecon.batch.job import Job
from neurorecon.batch.work import Outcome, Task

__all__ = ["POLL_SECONDS", "Engine", "TaskQueue"]

# Set by hand; not tuned, unless a line says more.
POLL_SECONDS = 0.2  # how often stacks that another process holds are asked for again


class TaskQueue(Protocol):
    """The tasks of a batch."""

    @property
    def waiting(self) -> bool:
        """Whether there are stacks left, though another process may hold them."""

    def take(self) -> Task | None:
        """Return a task with its lease, None if none is free now."""

    def finish(self, task: Task, outcome: Outcome) -> None:
        """Take back a task with its outcome."""

    def fail(self, task: Task, reason: str) -> None:
        """Take back a task whose worker died."""

    def drop(self, task: Task) -> None:
        """Take back a task that was not finished, because the batch ends."""


class Engine(Protocol):
    """Runs all tasks of a queue."""

    def __call__(self, queue: TaskQueue, job: Job) -> None:
        """Return when the queue is empty; on an exception, hand back unfinished tasks by `drop` and pass it on."""
