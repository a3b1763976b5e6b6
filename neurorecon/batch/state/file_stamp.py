"""Check by sizes and times whether a file or folder has changed, as far as these can show it.

After the "racy git problem" of git (Documentation/technical/racy-git.txt): equal sizes and times prove that nothing was written
only if the last write is older than the look by more than the resolution of the clock of the disk. Otherwise a hash decides.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

__all__ = ["Stamp", "stamp_of", "stamp_of_files", "written"]

# Set by hand; not tuned, unless a line says more.
TICK_SECONDS = 0.05  # clocks of disks with fine times go on in steps of 1 to 16 ms
# A time of whole seconds comes from a disk that knows no finer one: FAT counts in 2 s, and it may be another machine's
# disk, whose clock is seconds off ours.
COARSE_SECONDS = 60.0
MOST_FILES = (
    100_000  # of a volume are looked at: 1 s on a local disk; whoever writes a volume anew alters more than the last
)
PLANES = (".tif", ".tiff")  # files of a folder of planes; the others in it may be outputs that grow
FINDER = ".DS_Store"  # left by looking at a folder on a Mac


@dataclass(frozen=True, slots=True)
class Stamp:
    """Sizes and times of a file, or of all files of a folder.

    Attributes:
        text: names, sizes and times in short; another text means that something was written, or touched.
        newest_ns: the latest of the times.
    """

    text: str
    newest_ns: int

    def proves(self, looked: float) -> bool:
        """Return whether an equal stamp later proves equal content; the content was read at time `looked` or later."""
        return looked - self.newest_ns / 1e9 > (COARSE_SECONDS if self.is_coarse else TICK_SECONDS)

    @property
    def is_coarse(self) -> bool:
        """Whether the times are whole seconds."""
        return self.newest_ns % 1_000_000_000 == 0


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file, or of a folder with all that is in it; None if there is nothing to be read.

    It holds the time of change (ctime) beside that of writing: a file put there with an old time does not pass for the
    former one.
    """
    try:
        status = os.stat(path)
        if not os.path.isdir(path):
            return _stamp([("", status)])
        return _stamp(_walk(str(path), ""))
    except OSError:
        return None


def stamp_of_files(paths: Iterable[Path]) -> Stamp | None:
    """Return the stamp of several files, in their order; None if one of them is not there, or no file."""
    try:
        found = [(path.name, os.stat(path)) for path in paths]
    except OSError:
        return None
    return _stamp(found)


def written(path: Path) -> dict[str, Any]:
    """Return how many files a volume has, how many bytes, when the latest was written, and a hash of all of it; {} of nothing.

    Unlike a stamp, it stays the same where a file is copied with its time (`cp -p`, `rsync -a`). Of a folder that is no zarr,
    only TIFF files count.
    """
    try:
        if not path.is_dir():
            files = [("", path.stat())]
        elif path.name.endswith(".zarr") or any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray")):
            files = list(islice(_walk(str(path), ""), MOST_FILES))
        else:
            found = (file for file in sorted(path.iterdir()) if file.suffix.lower() in PLANES and file.is_file())
            files = [(file.name, file.stat()) for file in islice(found, MOST_FILES)]
    except OSError:
        return {}
    files = [(name, status) for name, status in files if not name.endswith(FINDER)]
    rows = "".join(f"{name}\0{status.st_size} {status.st_mtime_ns}\n" for name, status in files)
    newest = max((status.st_mtime_ns for _, status in files), default=0)
    return {
        "count": len(files),
        "bytes": sum(status.st_size for _, status in files),
        "written": datetime.fromtimestamp(newest / 1e9, UTC).isoformat(timespec="milliseconds"),
        "sha256": hashlib.sha256(os.fsencode(rows)).hexdigest()[:16],
    }


def _walk(folder: str, below: str) -> Iterator[tuple[str, os.stat_result]]:
    """Give each file below a folder, by name."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.is_dir():
            yield from _walk(entry.path, f"{below}{entry.name}/")
        else:
            yield below + entry.name, entry.stat()


def _stamp(files: Iterable[tuple[str, os.stat_result]]) -> Stamp:
    digest, size, newest = hashlib.sha256(), 0, 0
    for name, status in files:
        digest.update(
            os.fsencode(name) + b"\0%d %d %d\n" % (status.st_size, status.st_mtime_ns, status.st_ctime_ns),
        )
        size += status.st_size
        newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
    return Stamp(f"{size}-{newest}-{digest.hexdigest()[:16]}", newest)
