"""Readers with one fault each, by the format that they stand for: the runner has to find every one of them."""

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from neurorecon.core.errors import InputError

__all__ = ["READERS"]

KEPT: list[bytearray] = []


def escapes(_path: Path, _turn: int) -> None:
    raise KeyError("a foreign error")


def hangs(_path: Path, _turn: int) -> None:
    time.sleep(600)


def hangs_in_c(_path: Path, _turn: int) -> None:
    """Let no alarm through: only the runner outside can end it."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(600)


def asks_for_gigabytes(path: Path, _turn: int) -> None:
    try:
        KEPT.append(bytearray(8 << 30))
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory") from error


def holds_too_much(_path: Path, _turn: int) -> None:
    block = bytearray(700 << 20)
    block[::4096] = b"x" * len(block[::4096])


def dies(_path: Path, _turn: int) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def says_two_lines(path: Path, _turn: int) -> None:
    error = InputError(f"{path}: no")
    error.__class__ = type("Loose", (InputError,), {"__str__": lambda _self: f"{path}: one\nand two"})
    raise error


def names_no_file(_path: Path, _turn: int) -> None:
    raise InputError("it cannot be read")


def warns(_path: Path, _turn: int) -> None:
    warnings.warn("something is odd", UserWarning, stacklevel=1)


def prints(_path: Path, _turn: int) -> None:
    os.write(sys.stderr.fileno(), b"TIFFReadDirectory: unknown tag")


def leaves_a_file(path: Path, _turn: int) -> None:
    (path.parent / ".a1b2.part.tif").touch()


READERS: dict[str, Callable[[Path, int], None]] = {
    "TIFF": escapes,
    "TIFF, ImageJ": hangs,
    "TIFF, OME": hangs_in_c,
    "folder of planes": asks_for_gigabytes,
    "v3draw": holds_too_much,
    "v3dpbd": dies,
    "ims": says_two_lines,
    "NRRD": names_no_file,
    "NIfTI": warns,
    "npy": prints,
    "SWC": leaves_a_file,
}
