"""A folder of fake stacks, the fake job, and what two output folders must have in common."""

import json
import re
import sys
from pathlib import Path

import pytest

from neurorecon.batch import BatchSettings, run_batch, run_here

STACKS = {
    "a.npy": "good",
    "b.npy": "trees 3 dim",
    "sub/a.npy": "good other",
    "sub/deep/c.npy": "none",
    "sub/d.npy": "bad",
    "神经 'x'.npy": "good last",
}


@pytest.fixture
def fake_job(monkeypatch):
    """The module of the fake job, as worker processes find it too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import fake_job

    yield fake_job
    sys.modules.pop("fake_job", None)


@pytest.fixture
def source(tmp_path):
    """A folder of fake stacks."""
    return fill(tmp_path / "in", STACKS)


@pytest.fixture
def batch(tmp_path, source, fake_job):
    """Run a batch in this process on the folder of fake stacks; returns its result."""

    def run(outdir=tmp_path / "out", *, engine=run_here, job=None, **kwargs):
        settings = {name: kwargs.pop(name) for name in list(kwargs) if name in BatchSettings.__slots__}
        job = job or fake_job.FakeJob(tmp_path / "log", **kwargs)
        return run_batch(source, outdir, job, BatchSettings(**settings), engine=engine)

    return run


@pytest.fixture
def calls(tmp_path):
    """Names of the stacks that the job was called for, in order; cleared by each look."""

    def look():
        log = tmp_path / "log"
        names = log.read_text().splitlines() if log.exists() else []
        log.write_text("")
        return names

    return look


def fill(folder, stacks):
    for name, text in stacks.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def content():
    """Everything below a folder but times: path -> content."""

    def read(folder):
        return {
            path.relative_to(folder).as_posix(): timeless(path) for path in sorted(folder.rglob("*")) if path.is_file()
        }

    return read


def timeless(path):
    """Content of a file without times (and what follows from them: the hash of a file that holds one)."""
    if path.suffix == ".json":
        table = json.loads(path.read_text())
        table.pop("created", None)
        table.pop("seconds", None)
        table.pop("stages", None)
        table.pop("peak_bytes", None)
        table.pop("input_stamp", None)
        table.pop("outputs_stamp", None)
        if "records" in path.parts:
            table["outputs"] = {n: h for n, h in table["outputs"].items() if not n.endswith(".json")}
        return table
    if path.name == "summary.csv":
        return [line.rpartition(",")[0].rpartition(",")[0] for line in path.read_text().splitlines()]
    if path.name == "report.html":
        return re.sub(r"\d+(\.\d+)?", "#", path.read_text())
    return path.read_bytes()
