"""The tracer is made ready aside: once, without a word, and without a part in the result."""

import subprocess
import sys
import threading

import pytest

from neurorecon.tracing import rehearse
from neurorecon.tracing.rehearse import rehearsed

CODE = """
import logging, sys
import numpy as np
from neurorecon.core.probability import Probability
from neurorecon.tracing import TraceSettings, trace
from neurorecon.tracing.rehearse import rehearsed

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(message)s")
logging.getLogger("numba").setLevel(logging.ERROR)


def loaded():
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("neurorecon.tracing.kernels.")]
    kernels = {id(v): v for m in modules for v in vars(m).values() if hasattr(v, "signatures")}
    return {k.py_func.__name__ for k in kernels.values() if k.signatures}


with rehearsed():
    pass
before = loaded()
neurite = np.zeros((12, 60, 60), np.uint8)
neurite[5:8, 29:32, 5:55] = 220
trace(Probability(neurite), TraceSettings())
print(len(before), len(loaded() - before))
"""


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not rehearsed yet."""
    monkeypatch.setattr(rehearse._Once, "done", False)


def test_most_compiled_loops_of_a_plain_trace_are_loaded_by_the_rehearsal():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    ready, missing = map(int, done.stdout.split())  # and nothing was logged
    assert ready > 2 * missing


def test_a_process_rehearses_once_and_waits_for_its_end(fresh, monkeypatch):
    ran = []
    monkeypatch.setattr(rehearse, "_rehearse", lambda: ran.append(threading.current_thread().name))
    for _ in range(2):
        with rehearsed():
            pass
    assert ran == ["neurorecon-rehearsal"]
    assert "neurorecon-rehearsal" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("fault", [MemoryError, OSError, ImportError])
def test_a_rehearsal_that_fails_says_nothing(fresh, monkeypatch, caplog, capfd, fault):
    def fail(*args, **options):
        raise fault("no room")

    monkeypatch.setattr(rehearse, "trace", fail)
    with rehearsed():
        pass
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_an_error_beside_the_rehearsal_is_the_one_that_counts(fresh):
    with pytest.raises(KeyError), rehearsed():
        raise KeyError
