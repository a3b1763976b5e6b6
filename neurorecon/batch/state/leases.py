"""Leases: each stack has one owner at a time, among processes of several machines that share a folder.

    KEY.lock (holds T1)  ->  KEY.after.T1.lock (holds T2)  ->  KEY.after.T2.lock (holds T3, the owner)

The lease on a key is a file `KEY.lock` that holds the token of its owner. It appears whole, and for one process only:
a hard link of a finished file, which fails where the name exists (an exclusive creation where there are no hard links).
Its time is its heartbeat. The clock is that of the disk: the time of a file made just now, so clocks may differ.

A stale lease is not removed and made again: between the two steps a second process that saw the same stale lease could
remove the new one. Instead its successor makes `KEY.after.TOKEN.lock`, where TOKEN is that of the stale lease, again
for one process only. These files are links of a chain, as drawn above; the owner is the last one. Tokens are used once, so
an old link never fits a new chain. An owner gives its lease back by removing the chain, from the first file on.
"""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neurorecon.batch.state.identity import is_dead, is_here, new_token

__all__ = ["Leases", "owns", "renew"]

# Set by hand; not tuned, unless a line says more.
BEATS = 5  # heartbeats in the life of a lease
FORGOTTEN = 10  # a leftover of another machine goes after so many lives of a lease
REMOVED = (
    errno.ENOENT,
    errno.ESTALE,
)  # ESTALE: on a network disk a file that another machine removed while it was open
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


@dataclass(frozen=True, slots=True)
class _Lock:
    """A lock file as it was read: its path, the token in it, and the time of its last heartbeat."""

    path: Path
    token: str
    beat: float


def _read(path: Path) -> _Lock | None:
    try:
        with open(path, encoding="ascii", errors="replace") as handle:
            # Asked of the open file: a network disk answers from its cache otherwise.
            return _Lock(path, handle.read().strip(), os.fstat(handle.fileno()).st_mtime)
    except OSError as error:
        if error.errno in REMOVED:
            return None
        raise


def _after(folder: Path, key: str, token: str) -> Path:
    """Return the name of the lease that follows the one with `token`."""
    return folder / f"{key}.after.{token or 'nobody'}.lock"


def _chain(folder: Path, key: str) -> list[_Lock]:
    """Return the lock files of `key` from the first owner to the present one."""
    chain: list[_Lock] = []
    path = folder / f"{key}.lock"
    while all(lock.path != path for lock in chain) and (lock := _read(path)) is not None:
        chain.append(lock)
        path = _after(folder, key, lock.token)
    return chain


def owns(folder: Path, key: str, token: str) -> bool:
    """Return whether `token` is the lease on `key` now, and its owner is alive; checked before writing.

    Workers check it, too: one whose parent was killed must leave the stack to others.
    """
    chain = _chain(folder, key)
    return bool(chain) and chain[-1].token == token and not is_dead(token)


def renew(folder: Path, key: str, token: str) -> bool:
    """Renew the lease by a heartbeat for `token`, then return `owns`; checked before files are put in place.

    The owner may have died on another machine, which we cannot see. As long as no other process has taken the lease
    over, its worker may still publish; the heartbeat keeps others away while it does.
    """
    if not owns(folder, key, token):
        return False
    with contextlib.suppress(OSError):  # taken over just now
        for lock in _chain(folder, key)[-1:]:
            os.utime(lock.path)
    return owns(folder, key, token)


class Leases:
    """The leases in `folder`; `scratch` is a folder of the same disk for unfinished files.

    Args:
        folder: where the lock files are.
        scratch: entries in it are named `KEY.TOKEN` or `KEY.TOKEN.anything`, and belong to that token.
        seconds: life of a lease without heartbeat, for owners on other machines.
    """

    def __init__(self, folder: Path, scratch: Path, seconds: float) -> None:
        self.folder, self.scratch, self.seconds = folder, scratch, seconds
        self._held: dict[str, tuple[str, Path]] = {}
        self._lost: set[str] = set()  # tokens whose leases were not there when they were to be given back
        self._guard = threading.Lock()
        self._ahead: float | None = None  # clock of the disk less that of this process

    def take(self, key: str) -> str | None:
        """Return the token of a new lease on `key`, or None while another process holds one."""
        if self._is_held(key):
            return None
        token = new_token()
        draft = self.scratch / f"{key}.{token}.lease"
        draft.write_text(token, encoding="ascii")
        try:
            chain, now = _chain(self.folder, key), draft.stat().st_mtime
            self._ahead = now - time.monotonic()
            if chain and not self._stale(chain[-1], now):
                return None
            place = _after(self.folder, key, chain[-1].token) if chain else self.folder / f"{key}.lock"
            if not _place(draft, place):
                return None
        finally:
            draft.unlink(missing_ok=True)
        if not owns(self.folder, key, token):  # the chain was given back meanwhile: this link belongs to no chain
            place.unlink(missing_ok=True)
            return None
        with self._guard:
            self._held[key] = token, place
        return token

    def _is_held(self, key: str) -> bool:
        """Say whether another process surely holds a lease; nothing is written, for waiting processes ask all the time."""
        if self._ahead is None:
            return False
        chain = _chain(self.folder, key)
        return bool(chain) and not self._stale(chain[-1], time.monotonic() + self._ahead + self.seconds / BEATS)

    def give_back(self, key: str, token: str) -> None:
        """End a lease; does nothing if another process has taken it over."""
        with self._guard:
            self._held.pop(key, None)
        chain = _chain(self.folder, key)
        if not chain or chain[-1].token != token:
            self._lost.add(token)  # if the disk was away, it comes back with a lease that nobody holds
            return
        for lock in chain:
            lock.path.unlink(missing_ok=True)

    def give_all_back(self) -> None:
        """End all leases of this object; those that cannot be reached expire."""
        with self._guard:
            held = [(key, token) for key, (token, _) in self._held.items()]
        for key, token in held:
            with contextlib.suppress(OSError):
                self.give_back(key, token)

    def end_dead(self) -> None:
        """End the leases of dead owners that no process has taken over, as their successor: their stacks may be finished."""
        now = self.now()
        for path in list(self.folder.glob("*.lock")):
            key = path.name.partition(".")[0]
            chain = _chain(self.folder, key)
            if chain and self._stale(chain[-1], now) and (token := self.take(key)) is not None:
                self.give_back(key, token)

    def now(self) -> float:
        """Return the time by the clock of the disk."""
        draft = self.scratch / f"now.{new_token()}"
        draft.touch()
        try:
            return draft.stat().st_mtime
        finally:
            draft.unlink(missing_ok=True)

    def _stale(self, lock: _Lock, now: float) -> bool:
        """Say whether a lease may be taken over: at once from a dead process of this machine, else after its life.

        A live process of this machine keeps its lease without heartbeat too: it may be stopped, or starved.
        """
        if is_here(lock.token):
            return is_dead(lock.token) or lock.token in self._lost
        return now - lock.beat > self.seconds

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Renew all leases that are held, in a thread of its own, while the context lasts."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self.seconds / BEATS):
                with self._guard:
                    paths = [path for _, path in self._held.values()]
                for path in paths:
                    with contextlib.suppress(OSError):  # taken over: `owns` will say so
                        os.utime(path)

        thread = threading.Thread(target=beat, name="neurorecon-leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def leftovers(self) -> list[Path]:
        """Return the leftovers of dead owners: entries of `scratch`, and links that belong to no chain."""
        now = self.now()
        left = []
        for entry in self.scratch.iterdir():
            key, _, rest = entry.name.partition(".")
            token = rest.partition(".")[0]
            if self._forgotten(entry, token, now) and not self._lives(key, token, now):
                left.append(entry)
        for link in self.folder.glob("*.after.*.lock"):
            lock = _read(link)
            key = link.name.partition(".")[0]
            if (
                lock
                and self._forgotten(link, lock.token, now)
                and all(c.path != link for c in _chain(self.folder, key))
            ):
                left.append(link)
        return left

    def _lives(self, key: str, token: str, now: float) -> bool:
        """Say whether `token` holds `key`, and not as a dead owner."""
        chain = _chain(self.folder, key)
        return bool(chain) and chain[-1].token == token and not self._stale(chain[-1], now)

    def _forgotten(self, entry: Path, token: str, now: float) -> bool:
        """Return whether an entry is abandoned: its owner is dead, or on another machine and long silent."""
        if is_here(token):
            return is_dead(token) or token in self._lost
        try:
            return now - entry.lstat().st_mtime > FORGOTTEN * self.seconds
        except OSError as error:
            if error.errno in REMOVED:
                return False
            raise


def _place(draft: Path, place: Path) -> bool:
    """Give `place` the content of `draft`, for one process only; False if it exists."""
    try:
        os.link(draft, place)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            with open(place, "x", encoding="ascii") as handle:
                handle.write(draft.read_text(encoding="ascii"))
        except FileExistsError:
            return False
    return True
