"""Checks of every reader before and after it reads: free memory, faults of decoders, finite values."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import FormatError, InputError, NeuroreconError

__all__ = ["check_finite", "check_memory", "check_room", "decoding", "hushed", "plain_bytes"]

# Set by hand; not tuned, unless a line says more.
SLAB_BYTES = 1 << 26  # values are checked in slabs of this size, so that the check needs no second stack


def plain_bytes(count: float) -> str:
    """Return a number of bytes as people read it, for example "3.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever a foreign decoder raises on a damaged file into one FormatError that names the file.

    Decoders raise some twenty kinds of exceptions between them (zlib, LZMA, struct, imagecodecs, HDF5, XML ...). Only
    calls of such libraries belong inside, so that our own faults keep their traceback. What numpy remarks there on numbers
    that overflow is not passed on.

    Raises:
        FormatError: for a damaged file.
        InputError: if the file may not be read, or memory runs out.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except NeuroreconError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path}: does not fit into memory, or is damaged and a part of it claims to be huge; if it opens elsewhere, "
            "convert it to OME-Zarr, which is read block by block"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: needs the file {error.filename}, which does not exist") from error
    except PermissionError as error:
        raise InputError(f"{path}: may not be read: {error.strerror}") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise FormatError(f"{path}: is damaged or incomplete and cannot be decoded: {reason:.200}") from error


@contextmanager
def hushed(name: str) -> Iterator[None]:
    """Silence a foreign logger during a call: we check its findings and report them ourselves, in one line."""
    log = logging.getLogger(name)

    def drop(_record: logging.LogRecord) -> bool:
        return False

    log.addFilter(drop)
    try:
        yield
    finally:
        log.removeFilter(drop)


def check_memory(path: Path, needed_bytes: int) -> None:
    """Raise InputError if `needed_bytes` are more than the free memory of the machine."""
    import psutil

    free = int(psutil.virtual_memory().available)
    if needed_bytes > free:
        raise InputError(
            f"{path}: claims {plain_bytes(needed_bytes)} of voxels, {plain_bytes(free)} of memory are free; if that is "
            "right, convert it to OME-Zarr, which is read block by block"
        )


def check_room(source: str, what: str, needed_bytes: int) -> None:
    """Raise InputError if a whole stack needs more memory beside its voxels than is free.

    Args:
        source: path of the stack, "" where it was made in memory.
        what: opens the message after it: "both probability maps", say.
        needed_bytes: that are about to be taken.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    if needed_bytes > free:
        raise InputError(
            f"{source or 'the stack'}: {what} of the whole stack need {plain_bytes(needed_bytes)}, {plain_bytes(free)} of "
            "memory are free; work in blocks: neurorecon segment STACK -o MAP.ome.zarr, then "
            "neurorecon trace MAP.ome.zarr -o OUT.swc --block 256,768,768"
        )


def check_finite(block: Any, source: str, *, z0: int = 0, y0: int = 0, x0: int = 0) -> None:
    """Raise InputError if a block (n, m, X) of floats holds NaN or an infinity; integers pass unseen.

    Args:
        block: numpy array, zyx.
        source: opens the message.
        z0: plane of the stack that the block starts at.
        y0: row of the stack that it starts at.
        x0: column of the stack that it starts at.
    """
    if not np.issubdtype(block.dtype, np.floating):
        return
    step = max(1, SLAB_BYTES // max(1, block[:1].nbytes))
    for start in range(0, len(block), step):
        bad = ~np.isfinite(block[start : start + step])
        if bad.any():
            z, y, x = (int(i[0]) for i in np.nonzero(bad))
            value = block[start + z, y, x]
            raise InputError(
                f"{source}: holds {value} at z={z0 + start + z}, y={y0 + y}, x={x0 + x}; "
                "replace NaN and infinite values first (numpy.nan_to_num), outside of the recorded field by 0"
            )
