"""Find the stacks below a folder, the inputs of a batch."""

import fnmatch
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from neurorecon.core.errors import InputError, NeuroreconError
from neurorecon.core.files import check_address
from neurorecon.io.format_registry import is_zarr, known_suffix, recognise
from neurorecon.io.formats.tiff.plane_folder import is_plane_folder, plane_files
from neurorecon.io.sorting import natural_key

__all__ = ["find_stacks"]

log = logging.getLogger(__name__)

Note = Callable[[Path, OSError], None]
# Folders of systems and of network disks: thumbnails, waste paper baskets, snapshots.
SYSTEM = frozenset(
    name.casefold()
    for name in (
        "@eaDir", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot", "$RECYCLE.BIN", "RECYCLER", "__MACOSX",
        "System Volume Information", "lost+found", "Network Trash Folder", "Temporary Items",
    )
)  # fmt: skip
PART = re.compile(r"\.part(\.|$)")  # left by an interrupted writer


def find_stacks(
    folder: Path, *, pattern: str | None = None, recursive: bool = False, note: Note | None = None
) -> list[Path]:
    """Return every readable stack in a folder (below it with `recursive`), in natural order of their paths.

    A folder of single-plane TIFFs and an OME-Zarr count as one stack each. Hidden entries, `*.part` files and folders of
    the system are skipped. Files count by a known suffix; with `pattern` (of the shell, on the name or on the path below
    `folder`) a file that matches counts by its content as well. A folder that cannot be read is left out: `note` is called,
    or else it is warned of.

    Raises:
        InputError: if the folder is not there, or is itself a single stack.
    """
    check_address(folder)
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder" if not folder.exists() else f"{folder}: is a file; give a folder")
    if is_zarr(folder) or is_plane_folder(folder):
        what = "an OME-Zarr" if is_zarr(folder) else f"{len(plane_files(folder))} single-plane TIFFs"
        raise InputError(f"{folder}: is itself one stack ({what}); use `neurorecon run`, or give the folder above it")
    found = [
        path for path in candidates(folder, recursive=recursive, note=note or warn) if wanted(path, folder, pattern)
    ]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def warn(folder: Path, error: OSError) -> None:
    """Log the folder that is left out."""
    log.warning("%s: is left out, it cannot be read: %s", folder, error.strerror or error)


def candidates(folder: Path, *, recursive: bool, note: Note = warn) -> Iterator[Path]:
    """Yield files, and folders that are one stack; search the other folders with `recursive`.

    Symbolic links to folders count as stacks, but are not searched, because they may lead in a circle.
    """
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        note(folder, error)
        return
    for entry in entries:
        if entry.name.startswith(".") or PART.search(entry.name) or entry.name.casefold() in SYSTEM:
            continue
        path = folder / entry.name
        # The listing has the kinds already: to ask the disk again for each file takes longer than all the rest.
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # a link that leads in a circle, or nowhere
            continue
        if is_file:
            yield path
        elif not is_folder:
            continue
        elif path.suffix.lower() == ".zarr" or is_zarr(path) or is_plane_folder(path):
            yield path
        elif recursive and not entry.is_symlink():
            yield from candidates(path, recursive=True, note=note)


def wanted(path: Path, folder: Path, pattern: str | None) -> bool:
    """Return whether a candidate is one of the requested stacks."""
    if pattern is not None:
        below = path.relative_to(folder).as_posix()
        if not (fnmatch.fnmatchcase(path.name, pattern) or fnmatch.fnmatchcase(below, pattern)):
            return False
    if known_suffix(path) is not None or path.is_dir():
        return True
    if pattern is None:
        return False
    try:
        return recognise(path) is not None
    except NeuroreconError:
        return False
