"""Damages inputs of every format and counts what becomes of them: `python -m tests.fuzz.run --count 2000 --seed 0`.

Every input has to end in a result, or in one NeuroreconError whose text is one line and names the file, within 10 s and
without asking for gigabytes. All else is a fault: escaped (another exception), hang, memory, crash (the process died),
message (more than a line, or no name), noise (warnings, output of libraries), left behind (files). The same seed and
count give the same inputs; `--only N` does one again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fuzz.corpus import KINDS

__all__ = ["FAULTS", "Note", "fuzz", "table"]

ROOT = Path(__file__).resolve().parent.parent.parent
FAULTS = ("escaped", "hang", "memory", "crash", "message", "noise", "left behind")
START_SECONDS = 120.0  # imports, and a look at every valid sample
GRACE_SECONDS = 5.0  # beyond the alarm, for code that does not let it through


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one input."""

    number: int
    kind: str
    name: str
    what: str
    said: str = ""
    seconds: float = 0.0


def read_notes(path: Path) -> list[dict]:
    """Return the lines that workers have written so far; one that is being written does not count."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def watch(worker: subprocess.Popen, path: Path, held: int, seconds: float) -> str:
    """Wait for a worker; kill one that gives no sign of life: the notes had `held` bytes when it began.

    Return what it died of, "" for a good end.
    """
    size, since = held, time.monotonic()
    while True:
        try:
            code = worker.wait(0.2)
        except subprocess.TimeoutExpired:
            now = size_of(path)
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > (START_SECONDS if size == held else seconds + GRACE_SECONDS):
                worker.kill()
                worker.wait()
                return "hang"
        else:
            return "" if code in (0, 3) else "crash"


def fuzz(
    count: int,
    seed: int,
    *,
    start: int = 0,
    seconds: float = 10.0,
    readers: str = "tests.fuzz.readers",
    kinds: tuple[str, ...] = KINDS,
) -> list[Note]:
    """Read inputs `start` to `count` in child processes, and return a note on each."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        notes, begin, births = Path(name) / "notes.jsonl", start, 0
        lines: list[dict] = []
        while begin < count:
            births += 1
            places = [str(Path(name) / f"{part}{births}") for part in ("corpus", "scratch")]
            limits = [str(seed), str(begin), str(count), str(seconds), readers, ";".join(kinds)]
            command = [sys.executable, "-m", "tests.fuzz.worker", *places, str(notes), *limits]
            held = size_of(notes)
            worker = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
            died = watch(worker, notes, held, seconds)
            said = worker.stderr.read() if worker.stderr else ""
            lines = read_notes(notes)
            if died and (not lines or "what" in lines[-1]):
                raise RuntimeError(f"the worker ended between two inputs: {said}")
            if died:
                with open(notes, "a", encoding="utf-8") as file:
                    print(json.dumps({"number": lines[-1]["number"], "what": died, "said": said[-2000:]}), file=file)
                lines = read_notes(notes)
            begin = int(lines[-1]["number"]) + 1
        asked = {line["number"]: line for line in lines if "what" not in line}
        return [Note(**{**asked[line["number"]], **line}) for line in lines if "what" in line]


def table(notes: list[Note]) -> str:
    """Return inputs, reads, refusals and faults by format, as a table of Markdown."""
    rows = ["| format | inputs | read | refused | faults |", "|---|---:|---:|---:|---:|"]
    for kind in (*dict.fromkeys(note.kind for note in notes), "all"):
        counts = Counter(note.what for note in notes if kind in (note.kind, "all"))
        faults = sum(counts[fault] for fault in FAULTS)
        rows.append(f"| {kind} | {counts.total()} | {counts['read']} | {counts['refused']} | {faults} |")
    return "\n".join(rows)


def main() -> int:
    """Print the table, and every fault on the other stream; exit code 3 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="inputs, over all formats")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="limit for an input")
    parser.add_argument("--kinds", default=";".join(KINDS), help="formats, parted by ';'")
    parser.add_argument("--readers", default="tests.fuzz.readers", help="module whose READERS are tried")
    parser.add_argument("--only", type=int, help="the one input to do again")
    parser.add_argument("--json", type=Path, help="file for the notes on all inputs")
    given = parser.parse_args()
    first, last = (0, given.count) if given.only is None else (given.only, given.only + 1)
    notes = fuzz(
        last, given.seed, start=first, seconds=given.seconds, readers=given.readers, kinds=tuple(given.kinds.split(";"))
    )
    if given.json:
        given.json.write_text(json.dumps([asdict(note) for note in notes], indent=0))
    faults = [note for note in notes if note.what in FAULTS]
    for note in faults if given.only is None else notes:
        sys.stderr.write(f"input {note.number} ({note.kind}, {note.name}): {note.what}: {note.said}\n")
    sys.stdout.write(table(notes) + f"\nslowest: {max(note.seconds for note in notes):.1f} s\n")
    return 3 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
