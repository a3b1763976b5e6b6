"""Check that the input of a stack is complete, and does not change while it is worked on."""

from dataclasses import replace

from neurorecon.batch.job import Job
from neurorecon.batch.state.file_stamp import stamp_of
from neurorecon.batch.state.record import Record
from neurorecon.batch.task import Task
from neurorecon.io import why_incomplete

__all__ = ["UnreadyError", "missing_part", "stamp_at_rest", "unless_changed"]


class UnreadyError(Exception):
    """A watched stack is not complete yet, or no longer."""


def stamp_at_rest(task: Task, now: float) -> str:
    """Return the stamp to record for a source about to be read, or "" if it proves nothing.

    Raises:
        UnreadyError: if it is watched, and has changed since it was at rest.
    """
    stamp = stamp_of(task.source) if task.stamped else None
    if stamp is None:
        if task.watched:
            raise UnreadyError(f"{task.source}: is not there")
        return ""
    # Another machine may see coarser or finer times; then only the check at the end of the work finds a change.
    if task.watched and not task.last and stamp.text != task.rest:
        raise UnreadyError(f"{task.source}: is being written to")
    return stamp.text if stamp.proves(now) else f"?{stamp.text}"


def missing_part(task: Task) -> str | None:
    """Return why a watched stack can never be done; None if it can be done now.

    Raises:
        UnreadyError: if parts of it may still be written.
    """
    doubt = why_incomplete(task.source) if task.watched else None
    if doubt is None or (task.last and not doubt.certain):
        return None
    if not task.last or stamp_of(task.source) is None:
        raise UnreadyError(doubt.reason)
    return doubt.reason


def unless_changed(task: Task, job: Job, record: Record) -> Record:
    """Return a record, or in its place a failure if the source was written to while it was read.

    Raises:
        UnreadyError: if it is watched: it will be done again when it is at rest.
    """
    now = stamp_of(task.source) if record.input_stamp else None
    if not record.input_stamp or (now is not None and now.text == record.input_stamp.removeprefix("?")):
        return record
    if now is not None and job.identify(task.source) == record.input_sha256:
        return replace(record, input_stamp="")  # touched, but the same
    reason = (
        f"{task.source}: was written to, or removed, while it was worked on; run the batch again when it is complete"
    )
    if task.watched:
        raise UnreadyError(reason)
    if record.status == "failed":
        return replace(record, input_stamp="")
    return replace(record, status="failed", reason=reason, outputs={}, tree={}, warnings=(), input_stamp="")
