"""Writers of the finished planes of a map: into arrays or files, or resampled to the planes and voxels of the stack first."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarsened import Step

__all__ = ["ArrayWriter", "BlockWriter", "EveryWriter", "FinerWriter"]


class BlockWriter(Protocol):
    """Takes finished planes, from the first to the last."""

    def write(self, z0: int, block: NDArray[np.uint8]) -> None:
        """Store planes z0, z0 + 1, ... (n, Y, X)."""


@dataclass(frozen=True, slots=True)
class ArrayWriter:
    """Keeps finished planes in memory."""

    array: NDArray[np.uint8]

    def write(self, z0: int, block: NDArray[np.uint8]) -> None:
        """Store planes z0, z0 + 1, ... (n, Y, X)."""
        self.array[z0 : z0 + len(block)] = block


@dataclass(frozen=True, slots=True)
class EveryWriter:
    """Hands on every `step`-th plane."""

    writer: BlockWriter
    step: int

    def write(self, z0: int, block: NDArray[np.uint8]) -> None:
        """Store those of planes z0, z0 + 1, ... (n, Y, X) that count."""
        first = -z0 % self.step
        if first < len(block):
            self.writer.write((z0 + first) // self.step, block[first :: self.step])


@dataclass(frozen=True, slots=True)
class Between:
    """Places of the voxels of a fine axis among those of a coarse one: the two next to each, and the share of the second."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    share: NDArray[np.float32]

    @classmethod
    def of(cls, length: int, k: int) -> "Between":
        """Return the places of `length` voxels, of which `k` lie in one."""
        last = -(-length // k) - 1
        place = np.clip((np.arange(length) - (k - 1) / 2) / k, 0, last)
        low = place.astype(np.int64)
        return cls(low, np.minimum(low + 1, last), (place - low).astype(np.float32))


class FinerWriter:
    """Interpolates planes of a map of averaged voxels linearly back to all voxels."""

    def __init__(self, writer: BlockWriter, step: Step, shape: tuple[int, int, int]) -> None:
        """Hand planes of `shape` (Z, Y, X) on to `writer`."""
        self._writer = writer
        self._z, self._y, self._x = (Between.of(n, k) for n, k in zip(shape, step, strict=True))
        self._done = 0
        self._before: NDArray[np.float32] | None = None  # the previous plane, on the fine grid of y and x

    def write(self, z0: int, block: NDArray[np.uint8]) -> None:
        """Take planes z0, z0 + 1, ... (n, Y, X) of the coarse map, and write all planes between those received."""
        for z, plane in enumerate(block, z0):
            now = self._wide(plane)
            before = now if self._before is None else self._before
            ready = int(np.searchsorted(self._z.low, z))  # of these both neighbours are here
            if z == self._z.high[-1]:
                ready = len(self._z.low)
            rows = range(self._done, ready)
            if rows:
                share = [self._z.share[row] if self._z.low[row] < z else np.float32(1) for row in rows]
                planes = np.stack([np.rint(before + (now - before) * part) for part in share])
                self._writer.write(self._done, planes.astype(np.uint8))
                self._done = ready
            self._before = now

    def _wide(self, plane: NDArray[Any]) -> NDArray[np.float32]:
        """Return a plane (Y, X) interpolated to the fine grid."""
        grey = plane.astype(np.float32)
        grey = grey[self._y.low] + (grey[self._y.high] - grey[self._y.low]) * self._y.share[:, None]
        return np.asarray(grey[:, self._x.low] + (grey[:, self._x.high] - grey[:, self._x.low]) * self._x.share)
