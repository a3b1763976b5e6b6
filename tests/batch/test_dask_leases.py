"""A batch that died on another machine, where nobody here can see it, while its worker was still at a stack."""

import os
import time

import pytest

from neurorecon.batch.engines.two_stage import Step, do_step
from neurorecon.batch.items import plan
from neurorecon.batch.state.identity import new_token
from neurorecon.batch.state.leases import Leases, owns, renew
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.work import Outcome, Task


@pytest.fixture
def orphan(tmp_path, source, fake_job):
    """A stack of a batch on another machine that gave its last sign two minutes ago, and the job."""
    ledger = Ledger(tmp_path / "out")
    ledger.make()
    job = fake_job.FakeJob(tmp_path / "log")
    ledger.begin(job.fingerprint, overwrite=False)
    item = plan(["a.npy"])[0]
    token = "feedfeedfeed-" + new_token().partition("-")[2]
    lease = ledger.leases / f"{item.key}.lock"
    lease.write_text(token)
    os.utime(lease, (time.time() - 120,) * 2)
    return Task(item, source / "a.npy", tmp_path / "out", token, 0.0), job


def test_its_worker_publishes_as_long_as_no_other_batch_has_the_stack(orphan):
    task, job = orphan
    assert do_step(Step(task), job).record.status == "done"
    assert (task.outdir / "a.swc").exists()


def test_its_worker_publishes_nothing_once_another_batch_has_the_stack(orphan):
    task, job = orphan
    ledger = task.ledger
    heir = Leases(ledger.leases, ledger.scratch, 60.0)
    token = heir.take(task.item.key)
    assert token is not None
    assert do_step(Step(task), job) == Outcome(None)
    assert not (task.outdir / "a.swc").exists()
    assert ledger.read(task.item.key) is None
    assert owns(ledger.leases, task.item.key, token)


def test_while_it_publishes_no_other_batch_takes_the_stack(orphan):
    task, _ = orphan
    ledger = task.ledger
    assert renew(ledger.leases, task.item.key, task.token)
    assert Leases(ledger.leases, ledger.scratch, 60.0).take(task.item.key) is None
    assert not renew(ledger.leases, "no such key", task.token)


def test_clocks_of_machines_may_differ(orphan, monkeypatch):
    task, job = orphan
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() - 86400.0)
    record = do_step(Step(task), job).record
    monkeypatch.undo()
    assert record.status == "done"
    again = do_step(Step(task), job)
    assert again.kept
    assert again.record == record
