"""How a batch grows with the number of stacks: planning, going on half way, going over all again, and following.

    python benchmarks/batch_scale.py [--counts 1000,10000,100000] [--work FOLDER]

The stacks are tiny files in folders of a thousand, and the job costs nothing, so that the bookkeeping alone is measured.
Each figure comes from a process of its own: seconds, and peak memory above that of the imports. The last lines say how
each grows: the slope on a log-log line from the first count to the last, 1 where twice the stacks cost twice as much.
The half-finished ledger is drawn up directly, with records like those of real stacks.

    plan     find the stacks and name their outputs (as --dry-run does)
    begin    plan, and hand out the first stack where nothing is done
    resume   plan, go over the half that is done, and hand out the first new stack
    again    a whole batch where all is done: plan, go over all, summary.csv and report.html
    run      a whole batch where nothing is done, with a job that writes one small file (only up to --run)
"""

import argparse
import contextlib
import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurorecon.batch import BatchSettings, Fingerprint, Item, Record, find_items, run_batch, run_here
from neurorecon.batch.engines import TaskQueue
from neurorecon.batch.job import Job
from neurorecon.batch.state.file_stamp import stamp_of
from neurorecon.batch.state.ledger import Ledger
from neurorecon.core.files import hash_path

TREE = {
    "trees": 1, "nodes": 1234, "cable_length": 2345.678901, "unit": "um", "tips": 34, "branch_points": 32, "strahler": 4,
    "tortuosity": 1.234567, "confidence": {"mean": 0.91, "low": 0.02}, "predicted_f1": 0.93,
    "checks": dict.fromkeys(("open-end", "sharp-turn", "radius-jump", "double-line", "self-crossing"), 0),
    "bridges": {"count": 3, "length": 12.5},
}  # fmt: skip


class NoJob:
    """Writes one small file a stack."""

    fingerprint = Fingerprint({"trace": {}}, "s" * 64, "none", "m" * 64)

    def prepare(self, threads: int | None) -> None:
        """Need nothing."""

    def identify(self, source: Path) -> str:
        """Return the hash of a stack."""
        return hash_path(source)

    def __call__(self, source: Path, name: str, swc: Path, input_sha256: str) -> Mapping[str, Any]:
        """Write an SWC of one node."""
        swc.write_text("1 1 0 0 0 1 -1\n")
        return {"tree": TREE}


class _First(Exception):
    """The first task was handed out."""


def only_first(queue: TaskQueue, job: Job) -> None:
    """End as soon as there is something to do: an engine."""
    task = queue.take()
    if task is not None:
        queue.drop(task)
    raise _First


def fill(source: Path, count: int) -> None:
    """Write `count` tiny stacks."""
    for k in range(count):
        if k % 1000 == 0:
            (source / f"{k // 1000:04d}").mkdir(parents=True)
        (source / f"{k // 1000:04d}" / f"cell{k:06d}.tif").write_bytes(b"")


def draw_up(source: Path, outdir: Path, items: list[Item]) -> None:
    """Write outputs and records of stacks, as if a batch had done them a while ago."""
    ledger, job = Ledger(outdir), NoJob()
    ledger.make()
    ledger.begin(job.fingerprint, overwrite=False)
    for item in items:
        swc = outdir / item.output
        swc.parent.mkdir(exist_ok=True)
        swc.write_text("1 1 0 0 0 1 -1\n")
        record = Record(
            item.input, item.output, "done", input_sha256=hash_path(source / item.input), settings_sha256="s" * 64,
            model_sha256="m" * 64, outputs={swc.name: hash_path(swc)}, tree=TREE, seconds=12.3, peak_bytes=10**9,
        )  # fmt: skip
        (ledger.records / f"{item.key}.json").write_text(finished(record, source, ledger).as_json())


def finished(record: Record, source: Path, ledger: Ledger) -> Record:
    """Return a record with sizes and times, as a batch notes them."""
    stamp = stamp_of(source / record.input)
    return replace(record, input_stamp="" if stamp is None else stamp.text, outputs_stamp=ledger.stamp(record))


def measure(what: str, source: Path, outdir: Path) -> tuple[float, float]:
    """Return seconds and peak memory (MB above the start) of one step, in this process."""
    settings = BatchSettings()
    steps: dict[str, Callable[[], object]] = {
        "plan": lambda: find_items(source, outdir, settings),
        "again": lambda: run_batch(source, outdir, NoJob(), settings, engine=run_here),
        "run": lambda: run_batch(source, outdir, NoJob(), settings, engine=run_here),
    }
    run = steps.get(what, lambda: run_batch(source, outdir, NoJob(), settings, engine=only_first))
    import neurorecon.io  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with contextlib.suppress(_First):
        run()
    seconds = time.perf_counter() - start
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def in_own_process(what: str, source: Path, outdir: Path) -> tuple[float, float]:
    """Do the same in a process of its own."""
    command = [sys.executable, __file__, "--step", what, str(source), str(outdir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def series(count: int, work: Path, *, run: bool) -> dict[str, tuple[float, float]]:
    """Return seconds and megabytes of each step for `count` stacks."""
    source, outdir = work / "in", work / "out"
    source.mkdir(parents=True)
    fill(source, count)
    found = {what: in_own_process(what, source, outdir) for what in ("plan", "begin")}
    if run:
        found["run"] = in_own_process("run", source, work / "fresh")
    shutil.rmtree(outdir)
    items = find_items(source, outdir, BatchSettings())
    draw_up(source, outdir, items[: count // 2])
    found["resume"] = in_own_process("resume", source, outdir)
    draw_up(source, outdir, items[count // 2 :])
    found["again"] = in_own_process("again", source, outdir)
    shutil.rmtree(work)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How a batch grows with the number of stacks.")
    parser.add_argument("--counts", default="1000,10000,100000")
    parser.add_argument("--run", type=int, default=10_000, help="measure `run` up to so many stacks")
    parser.add_argument("--work", type=Path, help="a folder for the stacks; it has to be new")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        what, source, outdir = options.step
        print(json.dumps(measure(what, Path(source), Path(outdir))))
        return
    work = options.work or Path(tempfile.mkdtemp()) / "scale"
    counts = [int(text) for text in options.counts.split(",")]
    table = {count: series(count, work / str(count), run=count <= options.run) for count in counts}
    print(f"{'stacks':>8} {'step':8} {'seconds':>9} {'ms a stack':>11} {'MB':>7}")
    for count, found in table.items():
        for what, (seconds, megabytes) in found.items():
            print(f"{count:8} {what:8} {seconds:9.2f} {1000 * seconds / count:11.3f} {megabytes:7.0f}")
    for what in table[counts[0]]:
        have = [count for count in counts if what in table[count]]
        if len(have) > 1:
            low, high = (table[count][what] for count in (have[0], have[-1]))
            slope = math.log(high[0] / low[0]) / math.log(have[-1] / have[0])
            print(f"{what:8} slope {slope:.2f} from {have[0]} to {have[-1]}")


if __name__ == "__main__":
    main()
