"""Identify an input: by a hash of its files, or of some voxels where to read all of it would take too long."""

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.address import Address
from neurorecon.core.blocks import chunk_of
from neurorecon.core.files import hash_path
from neurorecon.core.stack import Stack

__all__ = ["describe_stack", "hash_input"]

# Set by hand; not tuned, unless a line says more.
PLACES = 3  # along each axis, rim included: voxels there tell one stack from another
PATCH = (1, 64, 64)  # voxels of such a place
# The rim of a map is mostly 0, so voxels from all over count too: 64 places of 1 megavoxel hit the six neurites of each of 20
# random maps of 128 x 1024 x 1024 (tests/volumes/test_fingerprint.py), and cost 1 s of an OME-Zarr.
SPREAD = 64  # places at most
PLACE = (64, 128, 128)  # voxels of one, in whole chunks where they allow
MOST_VOXELS = 1 << 26  # that are decoded for all of them
# Steps of an even sequence of points in a cube: powers of 1/g, where g^4 = g + 1 (Roberts 2018, "The unreasonable
# effectiveness of quasirandom sequences": R3).
EVEN = np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703])


def hash_input(path: Path, stack: Callable[[], Stack], *, large: bool = False) -> str:
    """Return a hash that identifies an input: of its files, or of some voxels for an address and a `large` input.

    `stack` returns the stack; it is called only if voxels are hashed.
    """
    if large or isinstance(path, Address):
        return f"{describe_stack(stack())['voxels_sha256']} (of some voxels)"
    return hash_path(path)


def describe_stack(stack: Stack) -> dict[str, Any]:
    """Return shape, type and a hash of some voxels of a stack, which identify it; to read all voxels would take hours."""
    digest = hashlib.sha256()
    for box in places_in(stack.shape, chunk_of(stack.data)):
        digest.update(np.ascontiguousarray(stack.data[box]).tobytes())
    size = stack.voxel_size
    return {
        "shape": list(stack.shape),
        "dtype": str(np.dtype(stack.data.dtype)),
        "voxel_size": None if size is None else [float(e) for e in size.zyx],
        "voxels_sha256": digest.hexdigest()[:16],
    }


def places_in(shape: tuple[int, int, int], chunk: tuple[int, int, int]) -> Iterator[tuple[slice, ...]]:
    """Give the boxes whose voxels are hashed: small ones in a grid with the rim, and larger ones from all over."""
    for place in np.ndindex(PLACES, PLACES, PLACES):
        starts = [k * max(0, n - p) // (PLACES - 1) for k, n, p in zip(place, shape, PATCH, strict=True)]
        yield tuple(slice(s, s + p) for s, p in zip(starts, PATCH, strict=True))
    unit = [min(n, -(-p // c) * c) for n, p, c in zip(shape, PLACE, chunk, strict=True)]
    if math.prod(unit) > MOST_VOXELS // PLACES:  # a whole plane as a chunk, say: then no more than the chunk
        unit = [min(n, c) for n, c in zip(shape, chunk, strict=True)]
    counts = np.array([-(-n // u) for n, u in zip(shape, unit, strict=True)])
    wanted = min(SPREAD, int(counts.prod()), max(1, MOST_VOXELS // math.prod(unit)))
    points = (0.5 + np.arange(1, wanted + 1)[:, None] * EVEN) % 1
    for number in dict.fromkeys(map(tuple, (points * counts).astype(int).tolist())):
        yield tuple(slice(k * u, (k + 1) * u) for k, u in zip(number, unit, strict=True))
