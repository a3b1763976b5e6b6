"""One stack from lease to record: is it finished? If not: do it aside, put its files in place, write it down."""

import os
import shutil
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from neurorecon.batch.job import Job
from neurorecon.batch.leases import owns
from neurorecon.batch.ledger import Ledger
from neurorecon.batch.plan import Item
from neurorecon.batch.record import Record
from neurorecon.core.errors import NeuroreconError, NoNeuronError, one_line
from neurorecon.core.files import hash_path
from neurorecon.report import side_paths, swc_paths

__all__ = ["Outcome", "Task", "failure", "note_failure", "perform"]

FINISHED = ("done", "no neuron")


@dataclass(frozen=True, slots=True)
class Task:
    """A stack with the lease on it; goes to a worker process.

    Attributes:
        item: the stack.
        source: its file or folder.
        outdir: the folder of outputs.
        token: the lease.
        since: when this batch began, by the clock of the disk: what was recorded later need not be done again.
        overwrite: take the place of files that are not from a batch.
    """

    item: Item
    source: Path
    outdir: Path
    token: str
    since: float
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task.

    Attributes:
        record: what stands in the ledger; None if the lease was lost, so that another process does the stack.
        kept: it was finished before.
    """

    record: Record | None
    kept: bool = False


def perform(task: Task, job: Job) -> Outcome:
    """Do one stack, unless the ledger says that it is done with this input, these settings and this model.

    A stack that cannot be done becomes a record with its reason; nothing is raised.
    """
    ledger, start = Ledger(task.outdir), time.perf_counter()
    folder = ledger.scratch / f"{task.item.key}.{task.token}"
    blank = failure(task.item, job, reason="")
    try:
        blank = replace(blank, input_sha256=job.identify(task.source))
        former = ledger.read(task.item.key)
        if former is not None and _settled(ledger, task, former, blank):
            return Outcome(former, kept=True)
        if (strange := _strange(task, blank, former, _expected(task.item))) is None:
            folder.mkdir()
            record = _attempt(task, job, folder, blank)
            record = replace(record, seconds=round(time.perf_counter() - start, 3))
        else:
            record = replace(blank, reason=strange)
        if not owns(ledger.leases, task.item.key, task.token):
            return Outcome(None)
        return Outcome(_publish(ledger, task, record, former))
    except (NeuroreconError, OSError) as error:  # of the input, the outputs or the ledger itself
        if not owns(ledger.leases, task.item.key, task.token):
            return Outcome(None)
        return Outcome(note_failure(ledger, task.item, replace(blank, reason=_reason(error))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def failure(item: Item, job: Job, *, reason: str) -> Record:
    """Return the record of a stack that failed."""
    prints = job.fingerprint
    return Record(
        item.input,
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


def _expected(item: Item) -> list[str]:
    """Return the file names that a stack may leave, as far as they are known before the work."""
    swc = Path(item.output)
    return [path.name for path in (swc, swc_paths(swc, 2)[0], *side_paths(swc))]


def _strange(task: Task, record: Record, former: Record | None, names: Iterable[str]) -> str | None:
    """Return why files cannot be put in place, if one is there that no record of the stack names."""
    ledger = Ledger(task.outdir)
    known = () if former is None else former.outputs
    for path in (ledger.place(record, name) for name in names if name not in known):
        if path.exists() and not task.overwrite:
            return f"{path}: exists already, and is not from this batch; move it, or --overwrite"
    return None


def _settled(ledger: Ledger, task: Task, former: Record, now: Record) -> bool:
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
        return ledger.read_newer(task.item.key, task.since) is not None
    return former.status in FINISHED and ledger.intact(former)


def _attempt(task: Task, job: Job, folder: Path, blank: Record) -> Record:
    """Run the job in `folder`, and return what came of it, its files not yet in place."""
    swc = folder / Path(task.item.output).name
    try:
        manifest = job(task.source, task.item.input, swc, blank.input_sha256)
    except NoNeuronError as error:
        return replace(blank, status="no neuron", reason=_reason(error))
    except (NeuroreconError, OSError, MemoryError) as error:
        place = (task.outdir / task.item.output).parent
        return replace(blank, reason=_reason(error).replace(str(folder), str(place)))
    except Exception as error:  # noqa: BLE001 - a fault in one stack must not stop the others; its traceback is kept
        return replace(blank, reason=f"{type(error).__name__}: {_reason(error)}", traceback=traceback.format_exc())
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


def _publish(ledger: Ledger, task: Task, record: Record, former: Record | None) -> Record:
    """Put the files of a record in place, then the record.

    An intermediate record says which files are being put in place, so that they are known as the batch's own if the
    process is killed half way. A failure takes nothing away: what an earlier batch has left stays.
    """
    key = task.item.key
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
        os.replace(ledger.scratch / f"{key}.{task.token}" / name, place)
    ledger.write(key, record)
    return record


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; fewer --jobs, or a machine with more"
    return one_line(str(error)) or type(error).__name__
