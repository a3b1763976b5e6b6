"""Batches on the workers of a Dask scheduler: equal to local ones, and whoever dies meanwhile costs time only."""

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from neurorecon.batch import run_dask
from neurorecon.batch.state.ledger import Ledger
from neurorecon.core.errors import InputError, NeuroreconError

HERE = Path(__file__).parent


@pytest.fixture
def town(tmp_path, fake_job, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    from dask_town import Town

    folder = tmp_path / "town"
    folder.mkdir()
    town = Town(folder)
    yield town
    town.close()


@pytest.fixture
def staged_job(fake_job):
    import staged_job

    yield staged_job
    sys.modules.pop("staged_job", None)


@pytest.fixture
def calm(batch, tmp_path, content, calls):
    """What a batch in one process leaves: path -> content."""

    def run():
        (tmp_path / "calm").mkdir()
        batch(tmp_path / "calm" / "out")
        calls()
        return content(tmp_path / "calm" / "out")

    return run


def add(source, count):
    for k in range(count):
        (source / f"more{k}.npy").write_text(f"good {k}")


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def clean(outdir):
    ledger = Ledger(outdir)
    return not [*ledger.leases.iterdir(), *ledger.scratch.iterdir()]


def client_process(*arguments):
    """A batch in a process of its own; arguments of staged_job.py."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    command = [sys.executable, str(HERE / "staged_job.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE)


def lost(caplog):
    """Names of the stacks whose worker was said to be lost."""
    texts = [record.getMessage() for record in caplog.records]
    return [text.partition(":")[0] for text in texts if "its worker was lost" in text]


def test_workers_of_this_machine_do_what_this_process_does(batch, source, calls, calm, content, tmp_path):
    (source / "y.npy").write_text("bug")
    expected = calm()
    result = batch(engine=run_dask(jobs=2))
    assert content(tmp_path / "out") == expected
    assert sorted(calls()) == sorted(record.input for record in result.records)
    assert clean(tmp_path / "out")


def test_a_stack_that_kills_its_workers_fails_after_a_few_and_costs_no_other(batch, source, calls, tmp_path, caplog):
    (source / "a.npy").write_text("die")
    result = batch(engine=run_dask(jobs=1, tries=2))
    record = next(record for record in result.records if record.input == "a.npy")
    assert record.status == "failed"
    assert "2 workers were lost over it" in record.reason
    assert lost(caplog) == ["a.npy"]
    done = calls()
    assert done.count("a.npy") == 2
    assert len(set(done)) == len(result.records) == len(done) - 1
    assert clean(tmp_path / "out")


def test_a_worker_that_is_killed_costs_its_stack_a_second_beginning(
    town, batch, source, calls, calm, content, tmp_path, caplog
):
    add(source, 6)
    expected = calm()
    town.scheduler()
    town.worker()
    town.worker("--nanny")

    def kill():
        wait_for(lambda: len(lines(tmp_path / "log")) >= 3)
        os.kill(town.at_work()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = batch(engine=run_dask(scheduler=str(town.file)), seconds=0.2)
    killer.join()
    assert content(tmp_path / "out") == expected
    begun, once = Counter(calls()), Counter(record.input for record in result.records)
    assert begun >= once
    assert begun - once <= Counter(lost(caplog))  # one that was lost before it began is begun once
    assert len(lost(caplog)) == 1
    assert clean(tmp_path / "out")


def test_a_scheduler_that_comes_back_is_found_again_by_its_file(
    town, batch, source, calls, calm, content, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("neurorecon.batch.engines.dask_engine.LONELY_SECONDS", 0.0)
    add(source, 4)
    expected = calm()
    town.scheduler()
    town.worker()

    def revive():
        wait_for(lambda: len(lines(tmp_path / "log")) >= 2)
        town.head.kill()
        town.head.wait()
        town.scheduler()
        town.worker()

    thread = threading.Thread(target=revive)
    thread.start()
    result = batch(engine=run_dask(scheduler=str(town.file), patience_seconds=60), seconds=0.3)
    thread.join()
    assert content(tmp_path / "out") == expected
    assert "the Dask scheduler is gone; waiting for it" in caplog.text
    assert 1 <= caplog.text.count("waiting for workers") <= 2  # before each of both workers came, and once each time
    done = calls()
    assert set(done) == {record.input for record in result.records}
    assert len(done) <= len(result.records) + 1  # the one that was at work
    assert clean(tmp_path / "out")


def test_a_scheduler_that_does_not_come_back_is_said_and_the_batch_goes_on_later(
    town, batch, source, calls, calm, content, tmp_path, monkeypatch
):
    monkeypatch.setattr("neurorecon.batch.engines.dask_cluster.CONNECT_SECONDS", 3.0)
    expected = calm()
    town.scheduler()
    town.worker()
    threading.Thread(target=lambda: (wait_for(lambda: lines(tmp_path / "log")), town.head.kill())).start()
    address = json.loads(town.file.read_text())["address"]
    with pytest.raises(NeuroreconError, match="run the same command again") as error:
        batch(engine=run_dask(scheduler=address, patience_seconds=0.5), seconds=0.3)
    assert type(error.value).exit_code == 1
    assert clean(tmp_path / "out")
    batch()
    assert content(tmp_path / "out") == expected


def test_a_batch_that_is_killed_and_run_again_ends_like_one_never_killed(
    town, batch, source, calls, calm, content, tmp_path
):
    add(source, 4)
    expected = calm()
    town.scheduler()
    town.worker()
    town.worker()
    out, log = tmp_path / "out", tmp_path / "log"
    client = client_process(source, out, log, "0.3", town.file)
    wait_for(lambda: len(lines(log)) >= 4)
    client.kill()
    client.communicate()
    result = batch(engine=run_dask(scheduler=str(town.file)), seconds=0.3)
    assert content(out) == expected
    done = calls()
    assert set(done) == {record.input for record in result.records}
    assert len(done) <= len(result.records) + 2  # those that were at work
    assert result.kept + len(done) >= len(result.records)
    assert clean(out)


def test_an_interrupt_from_the_keyboard_ends_the_workers_at_once_and_leaves_a_clean_folder(source, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    client = client_process(source, out, log, "600", "")
    wait_for(lambda: len(lines(log)) == 2)
    workers = psutil.Process(client.pid).children(recursive=True)
    os.killpg(client.pid, signal.SIGINT)  # a terminal tells the whole group
    _, errors = client.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert clean(out)
    assert (out / "summary.csv").exists()
    assert len(workers) >= 2
    assert not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.slow
def test_two_batches_on_the_same_workers_do_each_stack_once(town, source, calls, calm, content, tmp_path):
    add(source, 12)
    expected = calm()
    town.scheduler()
    town.worker()
    town.worker("--no-nanny", "--nthreads", "3")
    clients = [client_process(source, tmp_path / "out", tmp_path / "log", "0.1", town.file) for _ in range(2)]
    for client in clients:
        _, errors = client.communicate(timeout=120)
        assert client.returncode == 0, errors
    assert content(tmp_path / "out") == expected
    done = calls()
    assert len(done) == len(set(done)) == 18
    assert clean(tmp_path / "out")


@pytest.mark.slow
def test_a_worker_that_was_thought_dead_and_wakes_up_publishes_nothing(
    town, batch, source, calls, calm, content, tmp_path, monkeypatch, caplog
):
    expected = calm()
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "3s")
    town.scheduler()
    sleeper = town.worker()

    def sleep_and_wake():
        wait_for(lambda: lines(tmp_path / "log"))
        sleeper.send_signal(signal.SIGSTOP)
        town.worker()
        wait_for(lambda: lost(caplog))
        wait_for(lambda: lines(tmp_path / "log").count(lost(caplog)[0]) == 2)
        sleeper.send_signal(signal.SIGCONT)  # now two are at one stack

    thread = threading.Thread(target=sleep_and_wake)
    thread.start()
    result = batch(engine=run_dask(scheduler=str(town.file), patience_seconds=30), seconds=1.0)
    thread.join()
    sleeper.wait(timeout=30)  # it learns that the scheduler knows it no more
    assert content(tmp_path / "out") == expected
    assert sorted(calls()) == sorted([*(record.input for record in result.records), *lost(caplog)])
    assert clean(tmp_path / "out")


def test_workers_with_a_gpu_let_the_network_run_while_the_others_trace(
    town, batch, source, staged_job, calm, content, tmp_path
):
    add(source, 6)
    expected = calm()
    town.scheduler()
    gpu = town.worker("--no-nanny", "--resources", "GPU=1").pid
    other = town.worker().pid
    from distributed import Client

    with Client(str(json.loads(town.file.read_text())["address"]), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    batch(engine=run_dask(scheduler=str(town.file)), job=staged_job.StagedJob(tmp_path / "log", seconds=0.15))
    assert content(tmp_path / "out") == expected
    spans = [json.loads(line) for line in lines(tmp_path / "spans")]
    assert {span[4] for span in spans if span[0] == "first"} == {gpu}
    assert other in {span[4] for span in spans if span[0] == "second"}
    overlaps = [
        (a[1], b[1])
        for a in spans
        for b in spans
        if a[0] == "first" and b[0] == "second" and a[2] < b[3] and b[2] < a[3]
    ]
    assert len(overlaps) >= 3
    assert all(a != b for a, b in overlaps)
    for pid in (gpu, other):
        own = sorted(span[2:4] for span in spans if span[4] == pid)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(own))
    assert clean(tmp_path / "out")


def test_two_stages_without_a_gpu_are_done_in_one(batch, staged_job, calm, content, tmp_path):
    expected = calm()
    batch(engine=run_dask(jobs=1), job=staged_job.StagedJob(tmp_path / "log"))
    assert content(tmp_path / "out") == expected
    assert not (tmp_path / "spans").exists()


def test_workers_with_another_version_are_left_out_and_the_reason_is_said(batch, calls, tmp_path, monkeypatch):
    monkeypatch.setattr("neurorecon.__version__", "0.0.0")
    with pytest.raises(InputError, match=r"no worker can do it: .*0\.0\.0 here; install the same"):
        batch(engine=run_dask(jobs=1))
    assert calls() == []
    assert clean(tmp_path / "out")


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:9", "127.0.0.1:9", "no/such/file.json", "http://127.0.0.1:9"])
def test_no_scheduler_is_one_line_with_the_way_out(batch, tmp_path, monkeypatch, scheduler):
    monkeypatch.setattr("neurorecon.batch.engines.dask_cluster.CONNECT_SECONDS", 1.0)
    with pytest.raises(InputError, match=rf"{scheduler}: no Dask scheduler answers there; start one with `dask sch"):
        batch(engine=run_dask(scheduler=scheduler))
    assert clean(tmp_path / "out")


def test_a_port_where_something_else_listens_is_no_scheduler(batch, monkeypatch):
    monkeypatch.setattr("neurorecon.batch.engines.dask_cluster.CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(InputError, match="its dashboard has another"):
        batch(engine=run_dask(scheduler=f"tcp://127.0.0.1:{other.getsockname()[1]}"))


def test_a_task_that_dask_starts_a_second_time_does_nothing(batch, source, fake_job, calls, tmp_path):
    from neurorecon.batch.engines import two_stage as steps

    seen = []

    def twice(queue, job):
        doing = steps.Steps(queue, job)
        while (step := doing.next(gpu=False, crew=steps.Crew(0, 1))) is not None:
            step.task.folder.mkdir()  # as a worker that is thought dead has it
            seen.append(steps.do_step(step, job).record)
            assert step.task.folder.exists()
            step.task.folder.rmdir()
            doing.done(step, steps.do_step(step, job))

    batch(engine=twice)
    assert seen == [None] * 6
    assert len(calls()) == 6


@pytest.mark.slow
def test_twenty_workers_killed_at_random_leave_what_none_killed_leaves(
    town, batch, source, calls, calm, content, tmp_path, caplog
):
    add(source, 80)
    expected = calm()
    draw = random.Random(11)
    town.scheduler()
    for _ in range(2):
        town.worker("--nanny")
    killed = []

    def kill():
        while len(killed) < 20:
            time.sleep(draw.uniform(0.2, 1.5))
            if lines(tmp_path / "log") and (pids := town.at_work()):
                killed.append(draw.choice(pids))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = batch(engine=run_dask(scheduler=str(town.file), patience_seconds=30), seconds=0.5)
    assert not killer.is_alive()
    killer.join()
    assert content(tmp_path / "out") == expected
    done = calls()
    assert set(done) == {record.input for record in result.records}
    assert not Counter(done) - Counter(set(done)) - Counter(lost(caplog))  # begun again only where its worker was lost
    assert clean(tmp_path / "out")
