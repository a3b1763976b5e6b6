"""A progress bar on stderr, drawn only for a terminal and never with -q; and the seconds that -v reports."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neurorecon.cli.voice import is_quiet
from neurorecon.core.progress import Progress, shown_on

__all__ = ["bar", "progress_bar", "timed"]

log = logging.getLogger(__name__)


def bar(what: str, unit: str) -> Any:
    """Return a bar of tqdm that is gone when it is done."""
    from tqdm import tqdm

    hidden = True if is_quiet() else None  # None: off unless stderr is a terminal
    return tqdm(desc=what, unit=unit, disable=hidden, leave=False)


@contextmanager
def progress_bar(what: str, *, unit: str = "tile") -> Iterator[Progress]:
    """Give the callable (done, all) that a long stage reports to."""
    with bar(what, unit) as drawn:
        yield shown_on(drawn)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log the seconds of what runs inside."""
    start = time.perf_counter()
    yield
    log.info("%s: %.1f s", what, time.perf_counter() - start)
