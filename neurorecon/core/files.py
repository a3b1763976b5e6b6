"""Outputs appear whole or not at all: checked before the work starts, written beside, then renamed."""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurorecon.core.errors import InputError, OutputError

ADDRESS = re.compile(r"(https?|s3|gs|gcs|az|abfss?|ftp|sftp|ssh|smb|file):/+(.*)", re.IGNORECASE)

__all__ = [
    "check_output",
    "check_regular",
    "hash_path",
    "put_in_place",
    "read_ids",
    "take_away",
    "write_beside",
    "write_text",
]

# Set by hand; not tuned, unless a line says more.
BLOCK_BYTES = 1 << 20  # that are read at a time for a hash


def check_output(path: Path, *, overwrite: bool = False, folder: bool = False) -> None:
    """Raise OutputError unless `path` can be written: its folder is there and writable, and nothing is in its place.

    A folder in its place is an output where `folder` says so, or its name ends in .zarr.
    """
    above = path.parent
    if not above.is_dir():
        raise OutputError(f"{path}: the folder {above} does not exist; make it first")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {above} is not writable")
    if path.is_dir() and not (folder or path.name.endswith(".zarr")):
        raise OutputError(f"{path}: is a directory; give a file name")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; give another name or --overwrite")


def check_regular(path: Path) -> None:
    """Raise InputError for a pipe, a device or a socket: reading one may never end; a missing file passes."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path}: is not a regular file; give a file")


def remove(path: Path) -> None:
    """Remove a file or a folder, whichever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def take_away(folder: Path) -> None:
    """Remove a folder that other processes may work in: it is gone from its place at once, not file by file.

    A process that finds a file missing there can trust that the folder is missing, too. What cannot be removed stays.
    """
    beside = folder.with_name(f".{secrets.token_hex(4)}.part")
    try:
        os.rename(folder, beside)
    except OSError:  # it is not there, or may not be renamed
        beside = folder
    shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def write_beside(path: Path, *, overwrite: bool = False, folder: bool = False) -> Iterator[Path]:
    """Yield a fresh name beside `path`; what is written there replaces `path` on success, and is removed on error.

    It is a file, or a folder where `folder` says so or the name ends in .zarr.

    Raises:
        OutputError: if `path` cannot be written, or the system refuses the writing.
    """
    check_output(path, overwrite=overwrite, folder=folder)
    beside = path.with_name(f".{secrets.token_hex(4)}.part{''.join(path.suffixes[-2:])}")
    try:
        yield beside
        put_in_place(beside, path)
    except OSError as error:
        if error.filename is not None and str(beside.name) not in str(error.filename):
            raise  # not about this output
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        remove(beside)


def put_in_place(beside: Path, path: Path) -> None:
    """Let a finished file or folder take the place of what is at `path`: the former one is whole there until then."""
    if not path.is_dir() and not (beside.is_dir() and path.exists()):
        os.replace(beside, path)
        return
    former = path.with_name(f".{secrets.token_hex(4)}.part")  # nothing can be renamed to the name of a filled folder
    os.rename(path, former)
    try:
        os.rename(beside, path)
    except BaseException:
        os.rename(former, path)
        raise
    with contextlib.suppress(OSError):
        remove(former)


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file, UTF-8, whole or not at all.

    Raises:
        OutputError: if it cannot be written.
    """
    with write_beside(path, overwrite=overwrite) as beside:
        beside.write_text(text, encoding="utf-8")


def read_ids(path: Path) -> frozenset[str]:
    """Return the ids of a list: the first word of every line that is not a comment.

    Raises:
        InputError: if it cannot be read.
    """
    check_regular(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; a list of ids is a text file with an id at the start of each line"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of ids: {error}") from error
    return frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def hash_path(path: Path) -> str:
    """Return the sha256 hex digest of a file, or of a folder's files in the order of their names (names included).

    Raises:
        InputError: if there is nothing, or it cannot be read.
    """
    digest = hashlib.sha256()
    check_regular(path)
    try:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        if not files:
            raise InputError(f"{path}: no such file")
        for file in files:
            if file != path:
                digest.update(file.relative_to(path).as_posix().encode("utf-8", "surrogateescape") + b"\0")  # any name
            with open(file, "rb") as handle:
                while block := handle.read(BLOCK_BYTES):
                    digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def check_address(path: str | Path) -> None:
    """Raise InputError if a path is an address of the net, where only files and folders of this machine are read."""
    match = ADDRESS.fullmatch(str(path))
    if match is None or Path(path).exists():
        return
    kind, rest = match.group(1).lower(), match.group(2)
    if kind == "file":
        raise InputError(f"{path}: is an address; give the path: /{rest}")
    tool = {"s3": "aws s3 cp --recursive", "gs": "gcloud storage cp -r", "gcs": "gcloud storage cp -r"}.get(kind, "")
    public = "; an OME-Zarr that is public has an address of https as well, which is read" if tool else ""
    way_out = f"by `{tool} {kind}://{rest} .`{public}" if tool else "with curl, wget, rclone or your browser"
    raise InputError(f"{kind}://{rest}: is an address, not a file; copy it to this machine first, {way_out}")
