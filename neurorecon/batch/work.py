"""One stack from lease to record: unless it is finished, do it in a folder of its own, publish its files, write the record.

The work is done whole, by `perform`, or in two stages that may run on two workers, by `begin` and `end`. What lies
between the stages stays in the task's own folder beside the ledger, which is:

    scratch/KEY.TOKEN/half   files of the first stage for the second
    scratch/KEY.TOKEN/out    files that are not in place yet
"""

import contextlib
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from neurorecon.batch.input_checks import UnreadyError, missing_part, stamp_at_rest, unless_changed
from neurorecon.batch.items import Item
from neurorecon.batch.job import Job, PartJob, StagedJob
from neurorecon.batch.state.file_stamp import stamp_of
from neurorecon.batch.state.leases import owns, renew
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.record import Record
from neurorecon.batch.task import Half, Outcome, Task
from neurorecon.core.errors import NeuroreconError, NoNeuronError, one_line
from neurorecon.core.files import hash_path

__all__ = ["FINISHED", "Half", "Outcome", "Task", "begin", "end", "failure", "note_failure", "perform"]

FINISHED = ("done", "no neuron")

J = TypeVar("J", bound=Job)


def perform(task: Task, job: Job) -> Outcome:
    """Do one stack, unless the ledger says that it is done with this input, these settings and this model.

    A stack that cannot be done becomes a record with its reason; nothing is raised.
    """
    start = time.perf_counter()
    job = _of_part(task, job)
    blank = _begun(task, job)
    if isinstance(blank, Outcome):
        return blank
    digest = blank.input_sha256
    try:
        return _outputs(task, job, blank, start, lambda swc: job(task.source, task.item.input, swc, digest))
    finally:
        shutil.rmtree(task.folder, ignore_errors=True)


def begin(task: Task, job: StagedJob) -> Outcome | Half:
    """Do the first stage of one stack; an outcome if that ended it: it was finished before, say, or is damaged."""
    start = time.perf_counter()
    job = _of_part(task, job)
    blank = _begun(task, job)
    if isinstance(blank, Outcome):
        return blank
    half = task.folder / "half"

    def first() -> Mapping[str, Any]:
        half.mkdir()
        job.first(task.source, task.item.input, half)
        return {}

    ended = _attempt(task, blank, half, first)
    seconds = round(time.perf_counter() - start, 3)
    if not isinstance(ended, Record):
        return Half(blank.input_sha256, seconds, blank.input_stamp)
    shutil.rmtree(task.folder, ignore_errors=True)
    return _conclude(task, job, replace(ended, seconds=seconds))


def end(task: Task, job: StagedJob, half: Half) -> Outcome:
    """Do the second stage of a stack whose first stage gave `half`."""
    start = time.perf_counter() - half.seconds
    job = _of_part(task, job)
    if not owns(task.ledger.leases, task.item.key, task.token):
        return Outcome(None)
    blank = failure(task.item, job, reason="")
    blank = replace(blank, input_sha256=half.input_sha256, input_stamp=half.input_stamp)
    try:
        return _outputs(
            task,
            job,
            blank,
            start,
            lambda swc: job.second(task.source, task.item.input, swc, half.input_sha256, half=task.folder / "half"),
        )
    finally:
        shutil.rmtree(task.folder, ignore_errors=True)


def _of_part(task: Task, job: J) -> J:
    """Return the job of a task that is one channel or time point of its input; any other job as it is."""
    if task.item.marks and isinstance(job, PartJob):
        return cast(J, job.of_part(task.item.channel, task.item.time))
    return job


def _begun(task: Task, job: Job) -> Outcome | Record:
    """Make the folder of a stack that has to be done; return its record, still without an outcome.

    An outcome if it has not to be done. A scheduler that thought a task lost may start it twice: the folder is made
    once, and the second start does nothing.
    """
    blank = failure(task.item, job, reason="")
    try:
        stamp = stamp_at_rest(task, time.time())
        blank = replace(blank, input_sha256=job.identify(task.source), input_stamp=stamp)
        former = task.ledger.read(task.item.key)
        if former is not None and _settled(task, former, blank):
            return Outcome(_renewed(task, former, blank), kept=True)
        if (missing := missing_part(task)) is not None:
            return _conclude(task, job, replace(blank, reason=missing))
        strange = _strange(task, blank, former, job.outputs(task.item))
        if strange is None:
            task.folder.mkdir()
    except FileExistsError:
        return Outcome(None)
    except UnreadyError as error:
        return Outcome(None, unready=_reason(error))
    except (NeuroreconError, OSError) as error:  # of the input, or the ledger itself
        return _conclude(task, job, replace(blank, reason=_reason(error)))
    return blank if strange is None else _conclude(task, job, replace(blank, reason=strange))


def _outputs(task: Task, job: Job, blank: Record, start: float, work: Callable[[Path], Mapping[str, Any]]) -> Outcome:
    """Let `work` write its files into a folder of its own, and publish them; `start` is when the stack was begun."""
    out = task.folder / "out"

    def whole() -> Mapping[str, Any]:
        out.mkdir()
        return work(out / Path(task.item.output).name)

    made = _attempt(task, blank, out, whole)
    try:
        record = made if isinstance(made, Record) else _done(blank, out, made)
        return _conclude(task, job, replace(record, seconds=round(time.perf_counter() - start, 3)))
    except OSError as error:  # of the outputs
        return _conclude(task, job, replace(blank, reason=_reason(error)))


def _conclude(task: Task, job: Job, record: Record) -> Outcome:
    """Publish the result of a stack, unless its lease was lost meanwhile, or its input has changed."""
    try:
        return _published(task, unless_changed(task, job, record))
    except UnreadyError as error:
        return Outcome(None, unready=_reason(error))
    except (NeuroreconError, OSError) as error:  # not even the lease can be read
        if task.watched:
            return Outcome(None, unready=_reason(error))
        return Outcome(_failed(record, f"{record.reason} ({_reason(error)})".strip()))


def _published(task: Task, record: Record) -> Outcome:
    ledger, key = task.ledger, task.item.key
    if not renew(ledger.leases, key, task.token):
        return Outcome(None)
    if task.watched and record.status == "failed" and stamp_of(task.source) is None:
        return Outcome(None, unready=record.reason)  # the disk of the inputs is away
    try:
        return Outcome(_publish(task, record, ledger.read(key)))
    except (NeuroreconError, OSError) as error:  # of the outputs or the ledger itself
        if not owns(ledger.leases, key, task.token):
            return Outcome(None)
        reason = _reason(error)
    noted = note_failure(ledger, task.item, _failed(record, reason))
    if task.watched and noted.reason != reason:  # the disk of the outputs is away, or full
        return Outcome(None, unready=noted.reason)
    return Outcome(noted)


def _failed(record: Record, reason: str) -> Record:
    """Return the record of a stack that failed when its files were ready."""
    blank = replace(record, status="failed", outputs={}, tree={}, warnings=(), traceback="", seconds=0.0, peak_bytes=0)
    return replace(blank, reason=reason)


def _renewed(task: Task, former: Record, now: Record) -> Record:
    """Note sizes and times of a stack that its hash has shown to be unaltered: the next batch need not take it."""
    if not task.stamped or former.status not in FINISHED:
        return former
    renewed = replace(former, input_stamp=now.input_stamp, outputs_stamp=task.ledger.stamp(former))
    if renewed != former:
        with contextlib.suppress(OSError):
            task.ledger.write(task.item.key, renewed)
    return renewed


def failure(item: Item, job: Job, *, reason: str) -> Record:
    """Return the record of a stack that failed."""
    prints = job.fingerprint
    return Record(
        item.title,
        item.output,
        "failed",
        reason,
        settings_sha256=prints.settings_sha256,
        model_sha256=prints.model_sha256,
    )


def note_failure(ledger: Ledger, item: Item, record: Record) -> Record:
    """Write a failure down, if the disk takes it; files of an earlier result stay, and stay known as the batch's."""
    try:
        former = ledger.read(item.key)
        record = replace(record, outputs={} if former is None else former.outputs)
        ledger.write(item.key, record)
    except OSError as error:
        return replace(record, reason=f"{record.reason} (nor can the ledger be written: {_reason(error)})")
    return record


def _strange(task: Task, record: Record, former: Record | None, names: Iterable[str]) -> str | None:
    """Return why files cannot be put in place, if one is there that no record of the stack names."""
    known = () if former is None else former.outputs
    for path in (task.ledger.place(record, name) for name in names if name not in known):
        if path.exists() and not task.overwrite:
            return f"{path}: exists already, and is not from this batch; move it, or --overwrite"
    return None


def _settled(task: Task, former: Record, now: Record) -> bool:
    """Say whether a record needs no new work."""
    same = (former.input_sha256, former.settings_sha256, former.model_sha256, former.output) == (
        now.input_sha256,
        now.settings_sha256,
        now.model_sha256,
        now.output,
    )
    if not same:
        return False
    if former.status == "failed":
        return task.ledger.read_newer(task.item.key, task.since) is not None
    return former.status in FINISHED and task.ledger.intact(former)


def _attempt(
    task: Task, blank: Record, folder: Path, work: Callable[[], Mapping[str, Any]]
) -> Record | Mapping[str, Any]:
    """Do `work`, which writes into `folder`; return what it returns, or the record of how it ended without a result."""
    try:
        return work()
    except NoNeuronError as error:
        return replace(blank, status="no neuron", reason=_reason(error))
    except (NeuroreconError, OSError, MemoryError) as error:
        place = (task.outdir / task.item.output).parent
        return replace(blank, reason=_reason(error).replace(str(folder), str(place)))
    except Exception as error:  # noqa: BLE001 - a fault in one stack must not stop the others; its traceback is kept
        return replace(blank, reason=f"{type(error).__name__}: {_reason(error)}", traceback=traceback.format_exc())


def _done(blank: Record, folder: Path, manifest: Mapping[str, Any]) -> Record:
    """Return the record of a stack whose files lie in `folder`."""
    return replace(
        blank,
        status="done",
        outputs={
            path.relative_to(folder).as_posix(): hash_path(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
        tree=manifest.get("tree", {}),
        peak_bytes=max((stage["peak_bytes"] for stage in manifest.get("stages", ())), default=0),
        warnings=tuple(manifest.get("warnings", ())),
    )


def _publish(task: Task, record: Record, former: Record | None) -> Record:
    """Put the files of a record in place, then the record.

    An intermediate record says which files are being put in place, so that they are known as the batch's own if the
    process is killed half way. A failure takes nothing away: what an earlier batch has left stays.
    """
    ledger, key = task.ledger, task.item.key
    strange = _strange(task, record, former, record.outputs)
    if strange is not None:
        record = replace(record, status="failed", reason=strange, outputs={}, tree={}, warnings=())
    if record.status == "failed":
        return note_failure(ledger, task.item, record)
    for name in () if former is None else former.outputs:
        if name not in record.outputs:
            ledger.place(record, name).unlink(missing_ok=True)
    ledger.write(key, replace(record, status="publishing"))
    for name in sorted(record.outputs, key=lambda name: name.endswith(".json")):  # the manifest last
        place = ledger.place(record, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(task.folder / "out" / name, place)
    if task.stamped:
        record = replace(record, outputs_stamp=ledger.stamp(record))
    ledger.write(key, record)
    return record


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; fewer --jobs, or a machine with more"
    return one_line(str(error)) or type(error).__name__
