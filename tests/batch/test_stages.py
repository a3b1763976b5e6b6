"""A stack done in two stages, with a folder between them: what comes out is what one call gives, to the byte."""

import dataclasses
import json

import numpy as np
import pytest

from neurorecon.batch import ReconstructJob, StackSettings, StagedJob, run_batch, run_here
from neurorecon.batch.engines.two_stage import Crew, Step, Steps, do_step
from neurorecon.batch.stage_files import load_half, save_half
from neurorecon.batch.state.ledger import Ledger
from neurorecon.core.errors import InputError, ModelError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.io import write_stack
from neurorecon.pipeline import Segmented, StageCost
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings


@pytest.mark.parametrize("soma", [True, False])
@pytest.mark.parametrize("size", [VoxelSize(1 / 3, 0.1, 0.30000000000000004), None])
def test_all_of_the_first_stage_comes_back(tmp_path, rng, soma, size):
    neurite, glow = (rng.integers(0, 256, (6, 5, 4), np.uint8) for _ in range(2))
    seen = Probability(neurite, size, glow if soma else None, "a b.tif", 3, 0.1 + 0.2, (1, 2, 4))
    told = Segmented(seen, (StageCost("segment", 1.5, 7),), ("dim", "神经"), "bright", "0" * 64, "cuda:0")
    save_half(told, tmp_path)
    back = load_half(tmp_path)
    for f in dataclasses.fields(told):
        if f.name != "probability":
            assert getattr(back, f.name) == getattr(told, f.name)
    for f in dataclasses.fields(seen):
        np.testing.assert_array_equal(getattr(back.probability, f.name), getattr(seen, f.name))
        assert type(getattr(back.probability, f.name)) is type(getattr(seen, f.name))


@pytest.fixture
def job(bright_model):
    settings = StackSettings(SegmentSettings(model=str(bright_model), device="cpu"), TraceSettings())
    return ReconstructJob(settings)


@pytest.fixture
def stacks(tmp_path, y_stack):
    folder = tmp_path / "stacks"
    folder.mkdir()
    write_stack(y_stack.data, folder / "y.tif", voxel_size=y_stack.voxel_size)

    write_stack(np.asarray(y_stack.data)[:, ::-1].copy(), folder / "z.tif")
    (folder / "bad.tif").write_bytes(b"II*\0 and no more")
    return folder


def in_stages(queue, job):
    """Run all tasks, each in two stages, by two jobs that know nothing of each other."""
    import pickle

    doing, others = Steps(queue, job), pickle.dumps(job)
    job.prepare(None)
    while doing.waiting:
        if step := doing.next(gpu=True, crew=Crew(1, 1)):
            doing.done(step, do_step(step, job))
        if step := doing.next(gpu=False, crew=Crew(1, 1)):
            assert step.half is not None
            doing.done(step, do_step(step, pickle.loads(others)))


def test_the_reconstruction_in_two_stages_is_that_in_one(stacks, job, tmp_path, content):
    assert isinstance(job, StagedJob)
    for name, engine in (("one", run_here), ("two", in_stages)):
        result = run_batch(stacks, tmp_path / name, job, engine=engine)
        assert {r.input: r.status for r in result.records} == {"y.tif": "done", "z.tif": "done", "bad.tif": "failed"}
        assert all(r.seconds > 0 for r in result.records if r.status == "done")
        assert not list(Ledger(tmp_path / name).scratch.iterdir())
    assert content(tmp_path / "one") == content(tmp_path / "two")
    manifest = json.loads((tmp_path / "two" / "y.json").read_text())
    assert [stage["name"] for stage in manifest["stages"]] == ["segment", "trace"]


class Shelf:
    """A queue of numbers."""

    def __init__(self, count):
        self.left = list(range(count))

    @property
    def waiting(self):
        return bool(self.left)

    def take(self):
        from pathlib import Path

        from neurorecon.batch import Item
        from neurorecon.batch.work import Task

        return Task(Item(str(self.left.pop(0)), "", ""), Path("a"), Path("b"), "", 0.0) if self.left else None


def told(step):
    return None if step is None else (int(step.task.item.input), step.half is not None if step.staged else "whole")


def test_who_does_what_where_some_have_a_gpu(job, monkeypatch):
    from neurorecon.batch.work import Half

    monkeypatch.setattr("neurorecon.batch.engines.two_stage.BACKLOG", 2)

    doing, crew = Steps(Shelf(4), job), Crew(1, 1)
    assert told(doing.next(gpu=False, crew=Crew(0, 2))) == (0, "whole")
    first = doing.next(gpu=True, crew=crew)
    assert told(first) == (1, False)
    assert first.task.source.is_absolute()
    assert doing.next(gpu=False, crew=crew) is None
    doing.done(first, Half("", 0.0))
    second = doing.next(gpu=True, crew=crew)
    assert told(second) == (2, False)
    doing.done(second, Half("", 0.0))
    assert told(doing.next(gpu=True, crew=crew)) == (1, True)  # many wait: it helps
    assert doing.missing(Crew(0, 1)) == ""
    assert told(doing.next(gpu=False, crew=Crew(0, 1))) == (2, True)
    assert doing.next(gpu=False, crew=Crew(0, 1)) is None  # the GPU is gone, and comes again
    assert doing.missing(Crew(0, 1)) == "a worker with a GPU"
    assert told(doing.next(gpu=True, crew=Crew(1, 0))) == (3, "whole")
    assert not doing.waiting
    assert doing.missing(Crew(0, 0)) == "workers"
    assert isinstance(second, Step)


def test_a_worker_with_another_network_does_not_begin(job):
    job.fingerprint = dataclasses.replace(job.fingerprint, model_sha256="0" * 64)
    with pytest.raises(ModelError, match="another model than that of the batch"):
        job.prepare(None)


def test_a_network_in_a_folder_is_found_from_another_folder(bright_model, monkeypatch, tmp_path):
    monkeypatch.chdir(bright_model.parent)
    settings = StackSettings(SegmentSettings(model=bright_model.name, device="cpu"), TraceSettings())
    job = ReconstructJob(settings)
    assert job.fingerprint.settings["segment"]["model"] == bright_model.name
    monkeypatch.chdir(tmp_path)
    job.prepare(None)


def test_a_device_that_is_not_here_may_be_where_the_work_is_done(bright_model):
    settings = StackSettings(SegmentSettings(model=str(bright_model), device="cuda:77"), TraceSettings())
    job = ReconstructJob(settings, here=False)
    with pytest.raises(InputError, match="cuda:77"):
        job.prepare(None)
