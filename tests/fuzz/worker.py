"""Reads damaged inputs, one after the other, under a limit of time and memory; notes a line of JSON for each.

Run by `tests.fuzz.run`, which starts it again behind an input that killed it:
`python -m tests.fuzz.worker CORPUS SCRATCH NOTES SEED START STOP SECONDS READERS KIND,KIND...`
"""

import gc
import importlib
import json
import logging
import os
import re
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurorecon.core.errors import NeuroreconError
from tests.fuzz.corpus import Sample, make_corpus
from tests.fuzz.damage import mutate

ADDRESS_BYTES = 2 << 30  # beyond what the warm process has: one allocation of gigabytes fails
LINE_LENGTH = 1000  # of a message, without the path: the longest honest one lists all settings
RESIDENT_BYTES = 512 << 20  # inputs have some kilobytes; packed a thousandfold they are some megabytes


class Overtime(BaseException):
    """The alarm; no `except Exception` on the way swallows it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input: "read", "refused" or a kind of fault, and the words that go with it."""

    what: str
    said: str = ""


def status_kb(field: str) -> int:
    """Return a line of /proc/self/status in kB."""
    match = re.search(rf"^{field}:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(match.group(1)) if match else 0


def memory_failed(error: BaseException | None) -> bool:
    """Tell whether memory ran out anywhere behind an error."""
    while error is not None:
        if isinstance(error, MemoryError) or re.search(r"(?i)(unable to|cannot|can't) alloc", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Lead whatever is written to the standard streams, by C code as well, into a file."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, fd in zip((1, 2), kept, strict=True):
                os.dup2(fd, number)
                os.close(fd)


def attempt(read: Callable[[Path, int], None], target: Path, turn: int, seconds: float) -> Outcome:
    """Read one input; the outcome is that of the reader alone."""

    def ring(_number: int, _frame: object) -> None:
        raise Overtime

    signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        outcome = outcome_of(read, target, turn)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Overtime:
        return Outcome("hang", "".join(traceback.format_exc(limit=-3)))
    return outcome


def outcome_of(read: Callable[[Path, int], None], target: Path, turn: int) -> Outcome:
    """Read one input, and judge how it ends."""
    try:
        read(target, turn)
    except Overtime:
        raise
    except NeuroreconError as error:
        said = str(error)
        if memory_failed(error):
            return Outcome("memory", said)
        if "\n" in said or not said:
            return Outcome("message", f"not one line: {said!r}")
        if len(said.replace(str(target), "")) > LINE_LENGTH:
            return Outcome("message", f"{len(said)} characters: {said:.500}")
        return Outcome("refused", said) if str(target.parent) in said else Outcome("message", f"names no file: {said}")
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is what is looked for
        kind = "memory" if memory_failed(error) else "escaped"
        return Outcome(kind, "".join(traceback.format_exception(error))[-3000:])
    return Outcome("read")


def listing(*folders: Path) -> list[str]:
    """Return the names of everything in folders, links not followed."""
    return sorted(
        os.path.join(place, name) for folder in folders for place, a, b in os.walk(folder) for name in (*a, *b)
    )


def one(read: Callable[[Path, int], None], target: Path, turn: int, seconds: float) -> Outcome:
    """Read one input, and look at everything around it: memory, streams, warnings, what is left on the disk."""
    before = listing(target.parent, Path.cwd())
    noise = target.parent.parent / "noise"
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident size starts anew
    held = status_kb("VmRSS")
    with warnings.catch_warnings(record=True) as warned, captured(noise):
        warnings.simplefilter("always")
        outcome = attempt(read, target, turn, seconds)
        gc.collect()  # files that nobody closed are said now, not with the next input
    grown = (status_kb("VmHWM") - held) << 10
    if outcome.what not in ("read", "refused"):
        return outcome
    if grown > RESIDENT_BYTES:
        return Outcome("memory", f"{grown >> 20} MB were held; {outcome.said}")
    if listing(target.parent, Path.cwd()) != before:
        return Outcome("left behind", f"{sorted(set(listing(target.parent, Path.cwd())) ^ set(before))}")
    if warned or noise.stat().st_size:
        said = f"{[str(w.message) for w in warned]} {noise.read_bytes()[:2000]!r}"
        return Outcome("noise", f"{said}; {outcome.what} {outcome.said}")
    return outcome


def prepare(sample: Sample, scratch: Path, seed: int, number: int) -> Path:
    """Lay the damaged copy number `number` of a sample into `scratch/in`, and return its target."""
    place = scratch / "in"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(sample.folder, place)
    target = place / sample.target.relative_to(sample.folder)
    mutate(np.random.default_rng([seed, number]), sample, target)
    return target


def main(arguments: list[str]) -> None:
    """Do the inputs START to STOP."""
    corpus, scratch, notes = (Path(text) for text in arguments[:3])
    seed, start, stop = (int(text) for text in arguments[3:6])
    seconds, readers, kinds = (
        float(arguments[6]),
        importlib.import_module(arguments[7]).READERS,
        arguments[8].split(";"),
    )
    samples = make_corpus(corpus, tuple(kinds))
    logging.getLogger("neurorecon").addHandler(logging.NullHandler())  # its warnings are lines for the user, no noise
    (scratch / "empty").mkdir(parents=True, exist_ok=True)
    os.chdir(scratch / "empty")
    if arguments[7] == "tests.fuzz.readers":
        for sample in samples:  # imports, compiled kernels and threads have their memory before the limit is set
            readers[sample.kind](sample.target, 1)
    gc.freeze()
    limit = (status_kb("VmSize") << 10) + ADDRESS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with open(notes, "a", encoding="utf-8") as file:
        for number in range(start, stop):
            sample = samples[number % len(samples)]
            print(json.dumps({"number": number, "kind": sample.kind, "name": sample.name}), file=file, flush=True)
            target = prepare(sample, scratch, seed, number)
            begun = time.monotonic()
            outcome = one(readers[sample.kind], target, number // len(samples), seconds)
            spent = time.monotonic() - begun
            note = {"number": number, "what": outcome.what, "said": outcome.said, "seconds": round(spent, 3)}
            print(json.dumps(note), file=file, flush=True)
            if outcome.what in ("hang", "memory"):
                os._exit(3)  # a thread may still be at it: the next input gets a fresh process


if __name__ == "__main__":
    main(sys.argv[1:])
