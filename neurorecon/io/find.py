"""Which stacks lie below a folder: what a batch works on."""

import fnmatch
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from neurorecon.core.errors import InputError, NeuroreconError
from neurorecon.io.planes import is_plane_folder, plane_files
from neurorecon.io.registry import is_zarr, known_suffix, recognise
from neurorecon.io.sorting import natural_key

__all__ = ["find_stacks"]

logger = logging.getLogger(__name__)

PART = re.compile(r"\.part(\.|$)")  # what an interrupted writer leaves


def find_stacks(folder: Path, *, pattern: str | None = None, recursive: bool = False) -> list[Path]:
    """Return every readable stack in a folder (below it with `recursive`), in natural order of their paths.

    A folder of single-plane TIFFs and an OME-Zarr count as one stack each. Hidden entries and `*.part` files are
    skipped. Files count by a known suffix; with `pattern` (of the shell, on the name or on the path below `folder`) a
    file that matches counts by its content as well.

    Raises:
        InputError: if the folder is not there, or is itself a single stack.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder" if not folder.exists() else f"{folder}: is a file; give a folder")
    if is_zarr(folder) or is_plane_folder(folder):
        what = "an OME-Zarr" if is_zarr(folder) else f"{len(plane_files(folder))} single-plane TIFFs"
        raise InputError(f"{folder}: is itself one stack ({what}); use `neurorecon run`, or give the folder above it")
    found = [path for path in candidates(folder, recursive=recursive) if wanted(path, folder, pattern)]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def candidates(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Give files, and those folders that are one stack; go into the other folders with `recursive`.

    Symbolic links to folders are taken as stacks, but not gone into: they may lead in a circle.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        logger.warning("%s: is left out, it cannot be read: %s", folder, error.strerror or error)
        return
    for path in entries:
        if path.name.startswith(".") or PART.search(path.name):
            continue
        if not path.is_dir():
            if path.is_file():
                yield path
        elif path.suffix.lower() == ".zarr" or is_zarr(path) or is_plane_folder(path):
            yield path
        elif recursive and not path.is_symlink():
            yield from candidates(path, recursive=True)


def wanted(path: Path, folder: Path, pattern: str | None) -> bool:
    """Tell whether a candidate is a stack that was asked for."""
    if pattern is not None:
        below = path.relative_to(folder).as_posix()
        if not (fnmatch.fnmatchcase(path.name, pattern) or fnmatch.fnmatchcase(below, pattern)):
            return False
    if path.is_dir() or known_suffix(path) is not None:
        return True
    if pattern is None:
        return False
    try:
        return recognise(path) is not None
    except NeuroreconError:
        return False
