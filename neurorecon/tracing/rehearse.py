"""The tracer made ready while the network runs: what it needs is loaded in another thread.

Loading numba, the compiled loops and parts of SciPy takes 0.7 s of a run, and the network works in other threads than
Python's for as long. A tiny neuron is traced aside, which touches nearly all that the tracer needs.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from neurorecon.core.errors import NeuroreconError
from neurorecon.core.machine import seldom_collected
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.tracing.chain import trace
from neurorecon.tracing.settings import TraceSettings

__all__ = ["rehearsed"]


class _Once:
    """Whether this process has rehearsed."""

    done = False
    lock = threading.Lock()


@contextmanager
def rehearsed() -> Iterator[None]:
    """Load what the tracer needs in a thread while the context lasts, once a process; its end waits for the thread."""
    with _Once.lock:
        first, _Once.done = not _Once.done, True
    if not first:
        yield
        return
    thread = threading.Thread(target=_rehearse, name="neurorecon-rehearsal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _rehearse() -> None:
    """Trace a neuron with a soma and one branch, and forget it; nothing is odd about it, so nothing is logged.

    What goes wrong goes wrong again, and is said, when the tracer is called.
    """
    neurite, soma = np.zeros((2, 12, 40, 60), np.uint8)
    neurite[5:8, 19:22, 5:55] = 220
    neurite[5:8, 21:35, 29:32] = 220
    neurite[3:9, 15:26, 5:14] = soma[3:9, 15:26, 5:14] = 230
    try:
        with seldom_collected():
            trace(Probability(neurite, soma=soma), TraceSettings(), stack=Stack(neurite // 2 + np.uint8(20)))
    except (NeuroreconError, ImportError, OSError, MemoryError):
        return
