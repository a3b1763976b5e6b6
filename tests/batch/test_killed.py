"""Batches that are killed, at random moments and at every step; worker processes that die; two batches at once."""

import multiprocessing
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

from neurorecon.batch import BatchSettings, run_batch, run_here, run_processes
from neurorecon.batch.state.ledger import Ledger

HERE = pathlib.Path(__file__).parent

ALL = {
    "a.npy": "done",
    "b.npy": "done",
    "sub/a.npy": "done",
    "sub/deep/c.npy": "no neuron",
    "sub/d.npy": "failed",
    "神经 'x'.npy": "done",
}


def statuses(result):
    return {record.input: record.status for record in result.records}


def test_worker_processes_do_what_this_process_does_and_one_that_dies_costs_its_stack_only(
    batch, source, calls, content, tmp_path
):
    (source / "k.npy").write_text("die")
    (source / "x.npy").write_text("exit")
    (source / "y.npy").write_text("bug")
    result = batch(engine=run_processes(2))
    assert statuses(result) == ALL | {"k.npy": "failed", "x.npy": "failed", "y.npy": "failed"}
    reasons = {record.input: record.reason for record in result.records}
    assert "SIGKILL: often out of memory" in reasons["k.npy"]
    assert "exit code 7" in reasons["x.npy"]
    assert reasons["y.npy"].startswith("ZeroDivisionError")
    assert sorted(calls()) == sorted([*ALL, "k.npy", "x.npy", "y.npy"])
    assert not list(Ledger(tmp_path / "out").scratch.iterdir())
    for name in "kxy":
        (source / f"{name}.npy").write_text("good")
    batch(engine=run_processes(1))
    (tmp_path / "other").mkdir()
    batch(tmp_path / "other" / "out")
    assert content(tmp_path / "out") == content(tmp_path / "other" / "out")


def start(source, outdir, log, seconds, engine="here"):
    command = [sys.executable, str(HERE / "fake_job.py"), str(source), str(outdir), str(log), str(seconds), engine]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE)


def test_two_batches_at_once_do_each_stack_once(source, tmp_path, calls, content, batch):
    for k in range(12):
        (source / f"more{k}.npy").write_text(f"good {k}")
    first, second = (start(source, tmp_path / "out", tmp_path / "log", 0.05) for _ in range(2))
    for process in (first, second):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert sorted(calls()) == sorted([*ALL, *(f"more{k}.npy" for k in range(12))])
    (tmp_path / "alone").mkdir()
    batch(tmp_path / "alone" / "out")
    assert content(tmp_path / "out") == content(tmp_path / "alone" / "out")


def test_a_batch_waits_for_the_stack_of_another_and_takes_it_when_that_is_killed(source, tmp_path, batch, calls):
    other = start(source, tmp_path / "out", tmp_path / "log", 600)
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.02)
    threading.Timer(0.5, lambda: os.kill(other.pid, signal.SIGKILL)).start()
    result = batch()
    other.communicate()
    assert statuses(result) == ALL
    assert calls() == ["a.npy", *(name for name in calls_order(result) if name != "a.npy"), "a.npy"]


def calls_order(result):
    return [record.input for record in result.records]


def test_killed_at_random_moments_and_run_again_it_ends_like_one_never_killed(source, tmp_path, batch, content):
    draw = random.Random(7)
    (tmp_path / "calm").mkdir()
    batch(tmp_path / "calm" / "out")
    out = tmp_path / "out"
    for engine in ("here", "here", "processes"):
        process = start(source, out, tmp_path / "log2", 0.02, engine)
        while process.poll() is None and not (out / ".neurorecon" / "scratch").is_dir():
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    batch()
    assert content(out) == content(tmp_path / "calm" / "out")


def test_an_interrupt_from_the_keyboard_ends_the_workers_and_leaves_a_clean_folder(source, tmp_path, batch, content):
    out, log = tmp_path / "out", tmp_path / "log2"
    process = start(source, out, log, 600, "processes")
    while not log.exists() or len(log.read_text().splitlines()) < 2:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells the whole group
    process.communicate(timeout=60)
    assert process.returncode != 0
    ledger = Ledger(out)
    assert not list(ledger.leases.iterdir())
    assert not list(ledger.scratch.iterdir())
    assert (out / "summary.csv").exists()
    (tmp_path / "calm").mkdir()
    batch(tmp_path / "calm" / "out")
    batch()
    assert content(out) == content(tmp_path / "calm" / "out")


STEPS = ("replace", "link", "unlink", "mkdir", "rmdir", "fsync", "utime", "open")


def count_down(steps, kill):
    """Let `kill` happen at the `steps`-th call that changes the disk."""
    left = [steps]

    def wrap(function):
        def counted(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                kill()
            return function(*args, **kwargs)

        return counted

    for name in STEPS:
        setattr(os, name, wrap(getattr(os, name)))
    pathlib.Path.write_text = wrap(pathlib.Path.write_text)
    return left


def test_killed_at_each_step_on_disk_and_run_again_it_ends_like_one_never_killed(
    source, tmp_path, batch, content, fake_job
):
    context = multiprocessing.get_context("fork")
    (tmp_path / "calm").mkdir()
    batch(tmp_path / "calm" / "out")
    calm = content(tmp_path / "calm" / "out")

    def life(out, step):
        count_down(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
        run_batch(source, out, fake_job.FakeJob(tmp_path / "log3"), BatchSettings(), engine=run_here)

    died = True
    step = 1
    while died:
        (tmp_path / f"at{step}").mkdir()
        out = tmp_path / f"at{step}" / "out"
        process = context.Process(target=life, args=(out, step))
        process.start()
        process.join()
        died = process.exitcode == -signal.SIGKILL
        batch(out)
        assert content(out) == calm, f"killed at step {step}"
        step += 7
    assert process.exitcode == 0
    assert step > 100
