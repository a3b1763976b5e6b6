"""`neurorecon batch --watch` with the real job, as a user starts and ends it."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from neurorecon.batch.state.ledger import Ledger
from neurorecon.io import write_stack

ROOT = pathlib.Path(__file__).parent.parent.parent


def neurite(seed):
    """A small stack (Z, Y, X) with one bright line in noise."""
    data = np.random.default_rng(seed).poisson(6, (12, 32, 48)).astype(np.uint8)
    data[5:8, 15:18, 3:45] = 200
    return data


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)]
)
def test_it_takes_what_comes_says_so_and_ends_in_order(tmp_path, number, code):
    (tmp_path / "in").mkdir()
    write_stack(neurite(0), tmp_path / "in" / "first.tif")
    command = [sys.executable, "-m", "neurorecon", "batch", "in", "-o", "out", "--watch", "--settle", "0.5"]
    said = tmp_path / "said"
    with said.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--units", "voxel"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    end = time.monotonic() + 300  # of patience, on a machine that has much to do
    for name in ("first", "second"):
        if name == "second":
            write_stack(neurite(1), tmp_path / "in" / "second.tif")
        while f"{name}.tif" not in said.read_text():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.05)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert [line.split() for line in said.read_text().splitlines()] == [["done", "first.tif"], ["done", "second.tif"]]
    assert errors.splitlines()[-1] in ("neurorecon: interrupted", "neurorecon: ended by SIGTERM")
    assert (tmp_path / "out" / "second.swc").exists()
    ledger = Ledger(tmp_path / "out")
    assert not list(ledger.leases.iterdir())
    assert not list(ledger.scratch.iterdir())


def test_a_settle_time_that_makes_no_sense_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    command = [sys.executable, "-m", "neurorecon", "batch", "in", "-o", "out", "--watch", "--settle", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "--settle is 0.0; a number of seconds above 0 is needed" in done.stderr


@pytest.mark.slow
def test_fifty_real_stacks_in_one_process_leave_nothing_behind():
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--stacks", "50", "--every", "5"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert "'done': 50" in done.stdout, done.stderr
    files, threads, processes = (part.split()[1:] for part in done.stdout.splitlines()[-1].split(", "))
    assert files[0] == files[2]
    assert threads[0] == threads[2]
    assert processes[0] == processes[2] == "0"
