"""A long piece of work in a thread of its own: its progress, and its end on request."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Background", "State", "Stopped"]

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside the work when it was asked to stop."""


@dataclass(frozen=True, slots=True)
class State:
    """How far the work is.

    Attributes:
        stage: what is being done, in words.
        done, total: parts of the stage; a total of 0 is not known.
    """

    stage: str = ""
    done: int = 0
    total: int = 0


class Background(Generic[T]):
    """Work in a thread, begun at once. The waiting side polls `running`, so that no thread calls another.

    Attributes:
        state: how far it is.
        result: what it gave; None until then.
        error: what it raised; None if nothing. `Stopped` if it was asked to stop.
    """

    def __init__(self, work: "Callable[[Background[T]], T]") -> None:
        """Begin `work`. It gets this object, and calls `enter` and `advance`, where it can be stopped."""
        self.state = State()
        self.result: T | None = None
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), name="neurorecon-napari", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the work to end at its next step."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end; say whether it came."""
        self._thread.join(seconds)
        return not self.running

    def enter(self, stage: str) -> None:
        """Begin a stage; raise Stopped if the work was asked to stop."""
        self.state = State(stage)
        self._check()

    def advance(self, done: int, total: int) -> None:
        """Say how much of the stage is done; raise Stopped if the work was asked to stop."""
        self.state = State(self.state.stage, done, total)
        self._check()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _run(self, work: "Callable[[Background[T]], T]") -> None:
        """Run the work, and keep its result or its error."""
        try:
            self.result = work(self)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it again, or says it in one line
            self.error = error
