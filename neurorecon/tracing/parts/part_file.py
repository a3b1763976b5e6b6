"""A part of a traced volume on disk: plain arrays in an npz, never pickled."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError
from neurorecon.tracing.light import Light
from neurorecon.tracing.parts.part import Box, Part
from neurorecon.tracing.soma.body import Body, Ridge, Soma

__all__ = ["load_part", "save_part"]

NODES = ("zyx", "parent", "p", "depth", "cost", "worth", "sure")  # columns of a Part
LIGHT = ("contrast", "spread", "grain")  # columns of its Light

# What numpy and zipfile raise for a damaged file; RuntimeError: its bytes ask for a password, or an unknown method
DAMAGED = (OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def save_part(part: Part, path: Path) -> None:
    """Write a part; the same part gives the same bytes."""
    bodies = [(level, body) for level, found in sorted(part.bodies.items()) for body in found]
    ridges = sorted(part.ridges.items())
    arrays: dict[str, NDArray[Any]] = {name: getattr(part, name) for name in NODES}
    if part.light is not None:
        arrays["light"] = np.array([getattr(part.light, name) for name in LIGHT])
    arrays["core"] = np.array([part.core.low, part.core.high])
    arrays["bodies"] = np.array([as_row(level, body) for level, body in bodies]).reshape(-1, 9)
    arrays["places"] = np.concatenate([np.zeros(0, np.int64), *(body.soma.rows for _, body in bodies)])
    arrays["ridges"] = np.array([(level, len(r.depth), r.deepest) for level, r in ridges], np.float64).reshape(-1, 3)
    arrays["ridge_depth"] = np.concatenate([np.zeros(0), *(ridge.depth for _, ridge in ridges)])
    arrays["ridge_times"] = np.concatenate([np.zeros(0, np.int64), *(ridge.times for _, ridge in ridges)])
    arrays["cells"] = part.cells
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def as_row(level: int, body: Body) -> tuple[float, ...]:
    """Return all of a body but its places."""
    return (level, *body.soma.zyx, body.soma.radius, body.radius, body.deepest, body.full, len(body.soma.rows))


def load_part(path: Path) -> Part:
    """Read a part.

    Raises:
        FormatError: if the file is damaged.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:  # numpy leaves a damaged one open
            arrays = {name: file[name] for name in file.files}
        return part_of(arrays)
    except DAMAGED as error:
        raise FormatError(f"{path}: is damaged: {error}; remove it, and run again") from error


def part_of(arrays: dict[str, NDArray[Any]]) -> Part:
    """Return the part that `save_part` wrote."""
    low, high = arrays["core"].tolist()
    bodies: dict[int, list[Body]] = {}
    first = 0
    for level, z, y, x, radius, core_radius, deepest, full, count in arrays["bodies"].tolist():
        places = arrays["places"][first : first + int(count)]
        first += int(count)
        soma = Soma(np.array([z, y, x]), radius, places)
        bodies.setdefault(int(level), []).append(Body(soma, core_radius, deepest, bool(full)))
    ridges: dict[int, Ridge] = {}
    first = 0
    for level, count, deepest in arrays["ridges"].tolist():
        own = slice(first, first + int(count))
        first += int(count)
        ridges[int(level)] = Ridge(arrays["ridge_depth"][own], arrays["ridge_times"][own], deepest)
    columns = {name: arrays[name] for name in NODES}
    light = Light(**dict(zip(LIGHT, arrays["light"], strict=True))) if "light" in arrays else None
    cells = arrays["cells"] if "cells" in arrays else np.zeros((0, 4), np.int64)  # begun by neurorecon 0.10.0 or before
    core = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    return Part(core=core, **columns, light=light, bodies=bodies, ridges=ridges, cells=cells)
