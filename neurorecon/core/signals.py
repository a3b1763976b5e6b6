"""End a command on a signal: in order on the first, at once on the second.

Ctrl-C (SIGINT) and SIGTERM, which schedulers send some seconds before SIGKILL, raise an exception in the main thread:
unfinished files go, a batch ends its workers and gives its leases back. The second signal ends the process at once.
That loses nothing: files appear whole or not at all, workers end with their parent, and the lease of a dead process is
taken over.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "ending_in_order"]


class Terminated(SystemExit):
    """SIGTERM was received; the exit code is 128 + 15, by the convention of shells."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt and SIGTERM raise Terminated, each once; any further signal ends the process.

    A signal that is ignored (as under `nohup`) stays ignored. Does nothing outside of the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            os._exit(128 + number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    former = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
