"""Find the stacks of a folder that are at rest, by listing it repeatedly: network disks do not report new files.

A stack is at rest when its sizes and times (of a folder: those of all files) have stayed the same for the settle time, by
this machine's own clock, whatever the clocks of microscope and disk say.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from neurorecon.batch.items import in_shard, stacks_below
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.state.file_stamp import stamp_of
from neurorecon.core.errors import NeuroreconError

__all__ = ["Resting", "Scout"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
SCANS = 4  # listings in a settle time
SLOWEST_SECONDS = 15.0  # between two listings, however long the settle time is
LOAD = 10  # to list a big folder on a slow disk may take this part of the time
PATIENCE = 10  # settle times at rest, after which no missing part will be written any more


@dataclass(frozen=True, slots=True)
class Resting:
    """A stack at rest.

    Attributes:
        name: its path below the folder.
        stamp: its sizes and times.
        last: it has been at rest for PATIENCE settle times, so it is taken even if it looks incomplete.
    """

    name: str
    stamp: str
    last: bool


@dataclass(slots=True)
class _Seen:
    """A stack that was seen: its sizes and times, since when they are the same, and when to hand it out; None if it was."""

    stamp: str
    since: float
    due: float | None


class Scout:
    """Lists a folder in a thread of its own, so that a disk that hangs does not keep the batch from ending.

    Args:
        source: the folder.
        outdir: files in it are no stacks.
        settings: pattern, recursive, shard and settle_seconds count.
    """

    def __init__(self, source: Path, outdir: Path, settings: BatchSettings) -> None:
        self._source, self._outdir, self._settings = source, outdir, settings
        self._seen: dict[str, _Seen] = {}
        self._guard = threading.Lock()
        self._told: set[str] = set()
        self._fault: Exception | None = None
        self.scans = 0

    @property
    def count(self) -> int:
        """How many stacks were seen."""
        return len(self._seen)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Look again and again while the context lasts."""
        done = threading.Event()
        thread = threading.Thread(target=self._go_on, args=(done,), name="neurorecon-scout", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(1.0)  # it may hang in a disk that is away; it dies with the process

    def _go_on(self, done: threading.Event) -> None:
        pause = 0.0
        while not done.wait(pause):
            start = time.monotonic()
            try:
                self.scan(start)
            except Exception as error:  # noqa: BLE001 - raised again where the batch runs, by `resting`
                self._fault = error
                return
            pause = max(min(self._settings.settle_seconds / SCANS, SLOWEST_SECONDS), LOAD * (time.monotonic() - start))

    def scan(self, now: float) -> None:
        """List the folder once, at time `now`; a trouble is logged once, until it is over."""
        troubles: dict[str, str] = {}

        def note(folder: Path, error: OSError) -> None:
            troubles[str(folder)] = f"{folder}: cannot be read: {error.strerror or error}"

        settings = self._settings
        try:
            names = stacks_below(self._source, self._outdir, settings.pattern, recursive=settings.recursive, note=note)
            stamps = {name: stamp_of(self._source / name) for name in names if in_shard(name, settings.shard)}
        except (NeuroreconError, OSError) as error:
            troubles[str(self._source)] = str(error)
            stamps = {}
        with self._guard:
            known = len(self._seen)
            for name, stamp in stamps.items():
                if stamp is not None:
                    self._note(name, stamp.text, now)
            # Without its stacks a folder is most often a disk that is not mounted: those handed out stay known.
            for name in [name for name, seen in self._seen.items() if name not in stamps and seen.due is not None]:
                del self._seen[name]
        if known and not stamps and not troubles:
            troubles[str(self._source)] = f"{self._source}: holds no stack any more"
        self._say(troubles)
        self.scans += 1

    def _note(self, name: str, stamp: str, now: float) -> None:
        seen = self._seen.get(name)
        if seen is None or seen.stamp != stamp:
            self._seen[name] = _Seen(stamp, now, now + self._settings.settle_seconds)

    def _say(self, troubles: dict[str, str]) -> None:
        """Log each trouble once, and its end."""
        for where, reason in troubles.items():
            if where not in self._told:
                log.warning("%s; waiting for it", reason)
        for where in self._told - set(troubles):
            log.warning("%s: is back", where)
        self._told = set(troubles)

    def resting(self, now: float) -> list[Resting]:
        """Return the stacks that are at rest, each once; `again` brings one back."""
        if self._fault is not None:
            raise self._fault
        found = []
        with self._guard:
            for name, seen in self._seen.items():
                if seen.due is not None and seen.due <= now:
                    seen.due = None
                    found.append(
                        Resting(name, seen.stamp, now - seen.since >= PATIENCE * self._settings.settle_seconds)
                    )
        return found

    def again(self, name: str, now: float) -> None:
        """Hand a stack out again if it is not complete: soon, then less and less often, until PATIENCE ends."""
        settle = self._settings.settle_seconds
        with self._guard:
            seen = self._seen.get(name)
            if seen is not None and seen.due is None:
                rested = now - seen.since
                seen.due = seen.since + min(2 * rested + settle, max(PATIENCE * settle, rested + settle))
