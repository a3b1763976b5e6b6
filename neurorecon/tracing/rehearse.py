"""The tracer made ready while the network runs: what it needs is loaded in another thread.

Loading numba, the compiled loops and parts of SciPy takes more than a second of a run, and most of the network's time goes
on in other threads than Python's. A tiny map is traced aside, which touches nearly all that the tracer needs.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from neurorecon.core.errors import NeuroreconError
from neurorecon.core.machine import seldom_collected
from neurorecon.core.probability import Probability
from neurorecon.tracing.field import field_of, grown
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.soma.find_soma import find_somata

__all__ = ["rehearsed"]

SHAPE = (8, 16, 16)  # voxels: one short neurite


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
    """Trace a tiny map and forget it; what goes wrong goes wrong again, and is said, when the tracer is called."""
    try:
        with seldom_collected():
            neurite = np.zeros(SHAPE, np.uint8)
            neurite[3:5, 7:9, 2:14] = 255
            probability, settings = Probability(neurite), TraceSettings()
            field = field_of(probability, settings)
            somata = find_somata(field.cloud, field.depth, probability, settings)
            grown(field, field.cost, somata, spur_px=settings.spur_px)
    except (NeuroreconError, ImportError, OSError, MemoryError):
        return
