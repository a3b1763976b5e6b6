"""What goes wrong on disks and clusters: nothing half-written appears, nothing is lost, and the next batch ends it."""

import contextlib
import errno
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from neurorecon.batch import BatchSettings, run_batch, run_here, run_processes
from neurorecon.batch.state import file_stamp as stamp_module
from neurorecon.batch.state import identity as identity_module
from neurorecon.batch.state.file_stamp import Stamp, stamp_of
from neurorecon.batch.state.leases import Leases, owns
from neurorecon.batch.state.ledger import Ledger
from neurorecon.core.errors import OutputError

HERE = pathlib.Path(__file__).parent


def statuses(result):
    return {record.input: record.status for record in result.records}


def outputs(outdir):
    """All that users see but the summary, by path."""
    return {
        path.relative_to(outdir).as_posix(): path
        for path in outdir.rglob("*")
        if path.is_file() and ".neurorecon" not in path.parts and path.name not in ("summary.csv", "report.html")
    }


def all_whole(outdir):
    """Every visible file is named by a record, with its hash."""
    from neurorecon.core.files import hash_path

    ledger = Ledger(outdir)
    if not ledger.records.is_dir():
        return not outputs(outdir)
    known = {ledger.place(r, name): digest for r in ledger.all() for name, digest in r.outputs.items()}
    return all(known.get(path) == hash_path(path) for path in outputs(outdir).values())


@pytest.fixture
def calm(tmp_path, batch, content):
    (tmp_path / "calm").mkdir()
    batch(tmp_path / "calm" / "out")
    return content(tmp_path / "calm" / "out")


def on_tmpfs(path):
    """Mount a disk of 128 kB, if we may."""
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(path)], capture_output=True)
    return done.returncode == 0


def test_a_disk_that_is_full_is_said_for_each_stack_and_when_there_is_room_all_is_done(
    batch, source, tmp_path, content, fake_job
):
    disk = tmp_path / "disk"
    if not on_tmpfs(disk):
        pytest.skip("a disk cannot be mounted here")
    try:
        for k in range(20):
            (source / f"x{k:02}.npy").write_text(f"good {k}")
        result = batch(disk / "out")  # 25 stacks of some 24 kB each
        failed = result.with_status("failed")
        assert any("No space left" in record.reason for record in failed)
        assert result.with_status("done")
        assert all_whole(disk / "out")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert [r.input for r in batch(disk / "out").with_status("failed")] == ["sub/d.npy"]
        (tmp_path / "calm").mkdir()
        batch(tmp_path / "calm" / "out")
        assert content(disk / "out") == content(tmp_path / "calm" / "out")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


class Full:
    """A disk that takes no more, at random calls."""

    def __init__(self, draw, share):
        self.draw, self.share, self.times = draw, share, 0

    def wrap(self, function):
        def maybe(*args, **kwargs):
            if self.draw.random() < self.share:
                self.times += 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]) if args else None)
            return function(*args, **kwargs)

        return maybe


SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 100))]


@pytest.mark.parametrize("seed", SEEDS)
def test_writes_that_fail_at_random_leave_nothing_half_written(batch, tmp_path, content, calm, monkeypatch, seed):
    full = Full(random.Random(seed), 0.06)
    with monkeypatch.context() as patch:
        for name in ("replace", "link", "fsync", "mkdir"):
            patch.setattr(os, name, full.wrap(getattr(os, name)))
        patch.setattr(pathlib.Path, "write_text", full.wrap(pathlib.Path.write_text))
        patch.setattr(pathlib.Path, "write_bytes", full.wrap(pathlib.Path.write_bytes))
        with contextlib.suppress(OutputError):  # the ledger itself may be what the disk has no room for
            batch()
    assert full.times
    assert all_whole(tmp_path / "out")
    batch()
    assert content(tmp_path / "out") == calm


LIMITED = """
import resource, sys
sys.path.insert(0, {here!r})
from pathlib import Path
from fake_job import FakeJob
from neurorecon.batch import run_batch, run_here

class Big(FakeJob):
    def __call__(self, source, name, swc, digest):
        swc.write_text("x" * int({size}))
        return {{}}

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
result = run_batch(Path({source!r}), Path({out!r}), Big({log!r}), engine=run_here)
print(sorted((r.status, r.reason) for r in result.records)[0])
"""


def test_a_quota_on_the_size_of_files_is_a_reason_not_a_crash(source, tmp_path):
    code = LIMITED.format(here=str(HERE), size=300_000, source=str(source), out=str(tmp_path / "o"), log=os.devnull)
    environment = os.environ | {"PYTHONPATH": str(HERE.parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    assert outputs(tmp_path / "o") == {}


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_an_output_that_becomes_read_only_is_said_and_done_later(batch, tmp_path, content, calm, monkeypatch, code):
    replace, calls = os.replace, []

    def refuse(source, target, **kwargs):
        calls.append(target)
        if str(target).endswith((".swc", ".png")):
            raise OSError(code, os.strerror(code), str(target))
        return replace(source, target, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        result = batch()
    assert not result.with_status("done")
    assert all(os.strerror(code) in r.reason for r in result.with_status("failed") if r.input != "sub/d.npy")
    batch()
    assert content(tmp_path / "out") == calm


def test_an_input_removed_before_its_turn_costs_that_stack_only(batch, source, calls, fake_job, tmp_path):
    class Vandal(fake_job.FakeJob):
        def __call__(self, stack, name, *args):
            if name == "a.npy":
                (source / "sub" / "a.npy").unlink()
            return super().__call__(stack, name, *args)

    result = batch(job=Vandal(tmp_path / "log"))
    assert statuses(result)["sub/a.npy"] == "failed"
    assert "no such file" in next(r.reason for r in result.records if r.input == "sub/a.npy")
    assert len(result.with_status("done")) == 3


def test_an_input_that_changes_during_the_work_is_no_result(batch, source, fake_job, tmp_path):
    class Writer(fake_job.FakeJob):
        def __call__(self, stack, name, *args):
            if name == "a.npy" and "later" not in stack.read_text():
                stack.write_text("good later")
            return super().__call__(stack, name, *args)

    result = batch(job=Writer(tmp_path / "log"))
    assert "written to, or removed, while it was worked on" in result.with_status("failed")[0].reason
    assert not (tmp_path / "out" / "a.swc").exists()
    assert statuses(batch())["a.npy"] == "done"


def test_an_input_that_is_only_touched_during_the_work_is_a_result(batch, source, fake_job, tmp_path):
    class Toucher(fake_job.FakeJob):
        def __call__(self, stack, *args):
            os.utime(stack)
            return super().__call__(stack, *args)

    assert statuses(batch(job=Toucher(tmp_path / "log")))["a.npy"] == "done"


# Clocks


@pytest.fixture
def other_machine(monkeypatch):
    """Make the next calls those of another machine."""

    def become(name):
        monkeypatch.setattr(identity_module, "machine", lambda: name)

    return become


@pytest.mark.parametrize("shift", [-86400, -300, 300, 86400])
def test_machines_whose_clocks_are_off_take_no_lease_from_a_living_owner(tmp_path, other_machine, monkeypatch, shift):
    for name in ("leases", "scratch"):
        (tmp_path / name).mkdir()
    other_machine("feedfeedfeed")
    far = Leases(tmp_path / "leases", tmp_path / "scratch", 30)
    token = far.take("k")
    other_machine("beefbeefbeef")
    here = Leases(tmp_path / "leases", tmp_path / "scratch", 30)
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + shift)  # our clock; that of the disk is right
    assert here.take("k") is None
    assert here.take("k") is None
    os.utime(tmp_path / "leases" / "k.lock", (true() - 40,) * 2)  # no heartbeat, by the clock of the disk
    mine = here.take("k")
    assert owns(tmp_path / "leases", "k", mine)
    assert not owns(tmp_path / "leases", "k", token)
    far.give_back("k", token)
    assert owns(tmp_path / "leases", "k", mine)


def test_the_clock_of_the_disk_counts_even_if_it_is_a_year_off(tmp_path, other_machine, monkeypatch):
    for name in ("leases", "scratch"):
        (tmp_path / name).mkdir()
    year = 365 * 86400
    stat = pathlib.Path.stat

    class Late:
        def __init__(self, status):
            self.status = status
            self.st_mtime = status.st_mtime - year

        def __getattr__(self, name):
            return getattr(self.status, name)

    monkeypatch.setattr(pathlib.Path, "stat", lambda self, **kwargs: Late(stat(self, **kwargs)))
    fstat = os.fstat
    monkeypatch.setattr(os, "fstat", lambda number: Late(fstat(number)))
    other_machine("feedfeedfeed")
    assert Leases(tmp_path / "leases", tmp_path / "scratch", 30).take("k")
    other_machine("beefbeefbeef")
    assert Leases(tmp_path / "leases", tmp_path / "scratch", 30).take("k") is None


def test_an_unaltered_stack_is_not_hashed_again(batch, source, fake_job, tmp_path):
    time.sleep(0.1)
    batch()

    class NoHash(fake_job.FakeJob):
        def identify(self, source):
            raise ZeroDivisionError

    (source / "sub" / "d.npy").unlink()  # failures are tried again
    assert batch(job=NoHash(tmp_path / "log")).kept == 5


def test_equal_times_prove_nothing_within_what_a_clock_can_tell():
    second = 1_700_000_000
    fine, coarse = Stamp("a", second * 10**9 + 123), Stamp("a", second * 10**9)
    assert fine.proves(second + 0.2)
    assert not fine.proves(second + 0.01)
    assert not fine.proves(second - 300)  # the clock of the microscope is ahead
    assert not coarse.proves(second + 2)
    assert coarse.proves(second + 61)


@pytest.mark.parametrize("grain", [1, 2])
def test_on_a_disk_of_coarse_times_a_change_within_the_same_second_is_found(
    batch, source, calls, tmp_path, monkeypatch, grain
):
    true = stamp_module._stamp

    def coarse(files):
        class Rounded:
            def __init__(self, status):
                self.st_size = status.st_size
                self.st_mtime_ns = self.st_ctime_ns = 1_700_000_000 * 10**9  # all in one grain

        return true((name, Rounded(status)) for name, status in files)

    start = 1_700_000_000 + 0.7 * grain
    monkeypatch.setattr(stamp_module, "_stamp", coarse)
    clock = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: start)
        batch()
        calls()
        (source / "a.npy").write_text("goof")  # same size, same time
        os.truncate(tmp_path / "out" / "sub" / "a.swc", 0)
        (tmp_path / "out" / "sub" / "a.swc").write_text("x" * 83)
    assert clock is time.time
    batch()
    assert {"a.npy", "sub/a.npy"} <= set(calls())
    later = calls()
    assert batch().kept == 5
    assert later == []


def test_a_file_put_in_place_with_an_old_time_does_not_pass_for_the_former(batch, source, calls):
    time.sleep(0.1)
    batch()
    calls()
    old = (source / "a.npy").stat()
    (source / "new").write_text("goox")
    os.utime(source / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
    os.replace(source / "new", source / "a.npy")
    assert (source / "a.npy").stat().st_mtime_ns == old.st_mtime_ns
    batch()
    assert "a.npy" in calls()


def test_no_hard_links_two_batches_do_each_stack_once(source, tmp_path, calls, content, batch):
    code = (
        "import errno, os, runpy, sys\n"
        "def refuse(*a, **k): raise OSError(errno.EPERM, 'no links')\n"
        "os.link = refuse\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    for k in range(8):
        (source / f"more{k}.npy").write_text(f"good {k}")
    command = [sys.executable, "-c", code, str(HERE / "fake_job.py"), str(source), str(tmp_path / "out")]
    both = [popen([*command, str(tmp_path / "log"), "0.05", "here"]) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert sorted(calls()) == sorted([*statuses(batch()), "sub/d.npy"][:-1])


def popen(command):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)


# Signals

ORDERLY = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from fake_job import FakeJob
from neurorecon.batch import BatchSettings, run_batch, run_here, run_watch
from neurorecon.core.signals import ending_in_order
import neurorecon.batch.batch_run as module

class Job(FakeJob):
    pass

def slow_summary(ledger, scratch):
    import time
    open({log!r} + ".summary", "w").close()
    time.sleep(600)

if {slow}:
    module.summarise = slow_summary
if __name__ == "__main__":
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ending_in_order():
        run_batch(Path({source!r}), Path({out!r}), FakeJob({log!r}, seconds=600), BatchSettings(jobs=2),
                  engine=run_here if {engine!r} == "here" else None)
"""


@pytest.fixture
def running(source, tmp_path):
    """A batch of two workers in a process of its own, in the middle of its first stacks."""

    def start(engine="processes", *, slow=False):
        script = tmp_path / "orderly.py"
        log = tmp_path / "log2"
        texts = {"here": str(HERE), "log": str(log), "source": str(source), "out": str(tmp_path / "out")}
        script.write_text(ORDERLY.format(**texts, engine=engine, slow=slow))
        process = popen([sys.executable, str(script)])
        while not log.exists() or len(log.read_text().splitlines()) < (1 if engine == "here" else 2):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        return process

    return start


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


def gone(pids, seconds=5):
    end = time.monotonic() + seconds
    while any(identity_module.process_start(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("whole_group", [False, True])
@pytest.mark.parametrize("engine", ["here", "processes"])
def test_at_the_wall_time_leases_are_given_back_within_ten_seconds(
    running, tmp_path, batch, content, calm, engine, whole_group
):
    process = running(engine)
    workers, start = children(process.pid), time.monotonic()
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 143, errors
    assert time.monotonic() - start < 10
    assert gone(workers)
    ledger = Ledger(tmp_path / "out")
    assert not list(ledger.leases.iterdir())
    assert not list(ledger.scratch.iterdir())
    assert not any(record.status == "failed" for record in ledger.all())
    batch()
    assert content(tmp_path / "out") == calm


def test_the_second_interrupt_ends_at_once_and_nothing_is_lost(running, tmp_path, batch, content, calm):
    process = running(slow=True)
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    while not (tmp_path / "log2.summary").exists():
        time.sleep(0.02)
    start = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - start < 2
    assert process.returncode == 130
    assert gone(workers)
    assert all_whole(tmp_path / "out")
    assert list(Ledger(tmp_path / "out").leases.iterdir())  # that of the report, of a dead process now
    batch()
    assert content(tmp_path / "out") == calm


def test_an_ignored_interrupt_stays_ignored():
    code = (
        "import os, signal\nfrom neurorecon.core.signals import ending_in_order\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with ending_in_order():\n    os.kill(os.getpid(), signal.SIGINT)\nprint('on')"
    )
    environment = os.environ | {"PYTHONPATH": str(HERE.parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "on\n", done.stderr


def test_a_worker_ended_by_someone_else_is_a_failure_of_its_stack(running, tmp_path, batch):
    process = running()
    os.kill(next(pid for pid in children(process.pid) if not is_tracker(pid)), signal.SIGTERM)
    time.sleep(4)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)
    failed = [record for record in Ledger(tmp_path / "out").all() if record.status == "failed"]
    assert ["ended by SIGTERM" in record.reason for record in failed] == [True]


def test_a_stamp_costs_one_look_and_sees_sizes_and_times(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    before = stamp_of(path)
    assert stamp_of(path) == before
    os.utime(path, (1, 1))
    assert stamp_of(path) != before


def test_workers_and_files_do_not_pile_up(source, tmp_path, fake_job):
    for k in range(50):
        (source / f"x{k}.npy").write_text(f"good {k}")
    before = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    run_batch(source, tmp_path / "out", fake_job.FakeJob(tmp_path / "log"), BatchSettings(), engine=run_here)
    run_batch(source, tmp_path / "o2", fake_job.FakeJob(tmp_path / "log"), BatchSettings(), engine=run_processes(2))
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # the tracker of multiprocessing
    assert threading.active_count() == threads
    assert all(is_tracker(pid) for pid in children(os.getpid()))


def is_tracker(pid):
    try:
        return b"resource_tracker" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
