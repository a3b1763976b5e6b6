"""The identity of a process: a token of machine, process and its start, which shows later whether the process is dead.

A process number alone is not enough: numbers are used again, and mean nothing on another machine, or in another
container of the same machine. So the token also holds the start time of the process, and a hash of host name, boot and
process namespace.
"""

import functools
import hashlib
import os
import secrets
import socket
from pathlib import Path

__all__ = ["is_dead", "is_here", "new_token", "process_start"]

GONE, UNKNOWN = "", "unknown"


@functools.cache
def machine() -> str:
    """Return 12 hex digits that name this machine since its last boot, and this container of it."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text())
        except OSError:
            continue  # not Linux: the host name has to do
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def process_start(pid: int) -> str:
    """Return when process `pid` of this machine started, in a unit of the system's own.

    "" if it does not run; "unknown" if it runs, and the system says no more: it is another user's.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        if not Path("/proc/self/stat").exists():
            return _start_elsewhere(pid)
        return UNKNOWN if _is_hidden(pid) else GONE
    except PermissionError:  # /proc that is mounted with hidepid=1
        return UNKNOWN
    return GONE if fields[0] in "ZX" else fields[19]  # proc(5): state, and field 22 starttime in ticks since boot


def _is_hidden(pid: int) -> bool:
    """Say whether a process runs though /proc does not list it, as with hidepid=2: a signal to it is not permitted."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False  # our own, which /proc lists: it has ended between the two looks


def _start_elsewhere(pid: int) -> str:
    """Do the same on systems without /proc."""
    import psutil

    try:
        process = psutil.Process(pid)
        return GONE if process.status() == psutil.STATUS_ZOMBIE else str(round(process.create_time()))
    except psutil.NoSuchProcess:
        return GONE
    except psutil.AccessDenied:
        return UNKNOWN


def new_token() -> str:
    """Return a token of this process that is used once: machine-pid-start-random."""
    return f"{machine()}-{os.getpid()}-{process_start(os.getpid())}-{secrets.token_hex(6)}"


def is_here(token: str) -> bool:
    """Say whether the owner of a token is, or was, a process of this machine."""
    parts = token.split("-")
    return len(parts) == 4 and parts[0] == machine() and parts[1].isdigit()


def is_dead(token: str) -> bool:
    """Say whether the owner of a token is known to be gone; never True for another machine."""
    if not is_here(token):
        return False
    _, pid, start, _ = token.split("-")
    return process_start(int(pid)) not in (start, UNKNOWN)
