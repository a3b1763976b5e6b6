"""Choose the next step of a worker: a whole stack, or, if some workers have a GPU and others none, one of its stages.

Workers with a GPU run the network on one stack after another; the others trace the maps. So neither kind waits for the other,
and a GPU is not idle while a tree is traced.
"""

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

from neurorecon.batch.engines.queue import TaskQueue
from neurorecon.batch.job import Job, StagedJob
from neurorecon.batch.work import Half, Outcome, Task, begin, end, perform

__all__ = ["Crew", "Step", "Steps", "do_step"]

# Set by hand; not tuned, unless a line says more.
BACKLOG = 4  # stacks that wait on the disk for each worker without a GPU; the first trace of a process is a slow one


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers there are of each kind: those with a GPU, and the others."""

    gpus: int
    others: int


@dataclass(frozen=True, slots=True)
class Step:
    """The work that a worker does at a time.

    Attributes:
        task: the stack.
        staged: the first stage alone, or with `half` the second; False is the whole stack.
        half: the result of the first stage.
    """

    task: Task
    staged: bool = False
    half: Half | None = None


def do_step(step: Step, job: Job) -> Outcome | Half:
    """Do a step, in the process of a worker; nothing is raised for a stack that cannot be done."""
    if not step.staged or not isinstance(job, StagedJob):
        return perform(step.task, job)
    return begin(step.task, job) if step.half is None else end(step.task, job, step.half)


class Steps:
    """The steps of all stacks of a queue."""

    def __init__(self, queue: TaskQueue, job: Job) -> None:
        self._queue, self._staged = queue, isinstance(job, StagedJob)
        self._halves: deque[Step] = deque()
        self._gpu_seen = False

    @property
    def waiting(self) -> bool:
        """Whether there are steps left, besides those at work."""
        return bool(self._halves) or self._queue.waiting

    def missing(self, crew: Crew) -> str:
        """Return the kind of worker that all remaining steps wait for, "" if there is one."""
        if crew.gpus == crew.others == 0:
            return "workers"
        return "a worker with a GPU" if self._gpu_seen and crew.gpus == 0 and not self._halves else ""

    def next(self, *, gpu: bool, crew: Crew) -> Step | None:
        """Return the next step for a free worker of `crew`, None if there is nothing for it now.

        A worker with a GPU does second stages if many of them wait, or if nothing else is left. Once there was a worker
        with a GPU, workers without one do no first stages, which would take them very long.
        """
        self._gpu_seen |= crew.gpus > 0
        if not self._staged or not self._gpu_seen:
            return self._whole()
        if self._halves and (not gpu or len(self._halves) >= BACKLOG * crew.others):
            return self._halves.popleft()
        if not gpu:
            return None
        step = self._whole()
        if step is not None:
            return replace(step, staged=crew.others > 0)
        return self._halves.popleft() if self._halves else None

    def _whole(self) -> Step | None:
        task = self._queue.take()
        if task is None:
            return None
        # A worker may run in another folder.
        return Step(replace(task, source=_absolute(task.source), outdir=_absolute(task.outdir)))

    def done(self, step: Step, result: Outcome | Half) -> None:
        """Take back a step with its outcome."""
        if isinstance(result, Half):
            self._halves.append(replace(step, half=result))
        else:
            self._queue.finish(step.task, result)

    def again(self, step: Step) -> None:
        """Take back a step that was lost with its worker: the stack gets a new lease and is begun anew.

        The old lease must not be used again: the worker may be alive, cut off from the rest only, and must not publish.
        """
        self._queue.finish(step.task, Outcome(None))

    def fail(self, step: Step, reason: str) -> None:
        """Take back a step that cannot be done, because its worker dies of it."""
        self._queue.fail(step.task, reason)

    def drop(self, step: Step) -> None:
        """Take back a step that was not finished, because the batch ends."""
        self._queue.drop(step.task)

    def drop_halves(self) -> None:
        """Take back all stacks that wait for their second stage, because the batch ends."""
        while self._halves:
            self._queue.drop(self._halves.pop().task)


def _absolute(path: Path) -> Path:
    return Path.cwd() / path
