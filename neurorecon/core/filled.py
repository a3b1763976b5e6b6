"""Planes interpolated between those of a stack whose planes lie too far apart."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurorecon.core.blocks import chunk_of
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack, Volume

__all__ = ["Filled", "fill"]


@dataclass(frozen=True, slots=True)
class Filled:
    """A volume with planes between its own, each the mean of the two next to it by their distance; computed as it is read.

    Attributes:
        data: the volume (Z, Y, X).
        planes: of this volume for one of `data`: plane `planes * z` is plane z of `data`, which also ends it.
    """

    data: Volume
    planes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the axes, zyx."""
        z, y, x = self.data.shape
        return (int(z) - 1) * self.planes + 1, int(y), int(x)

    @property
    def dtype(self) -> Any:
        """The numpy data type, the same as that of `data`."""
        return np.dtype(self.data.dtype)

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Lengths (z, y, x) of a chunk, which is decoded at once."""
        z, y, x = chunk_of(self.data)
        return z * self.planes, y, x

    def __getitem__(self, key: Any) -> Any:
        """Return the part that slices name; integers and lists of planes are not taken."""
        along, *across = key if isinstance(key, tuple) else (key,)
        rows = np.arange(self.shape[0])[along]
        if not len(rows):
            return np.asarray(self.data[(slice(0, 0), *across)])
        own, share = rows // self.planes, rows % self.planes / np.float32(self.planes)
        first = int(own.min())
        block = np.asarray(self.data[(slice(first, int(own.max()) + 2), *across)])
        out = block[own - first]
        mixed = share > 0
        if mixed.any():
            weight = share[mixed, None, None].astype(np.float32)
            mean = (1 - weight) * out[mixed] + weight * block[own[mixed] + 1 - first]
            out[mixed] = mean if self.dtype.kind == "f" else np.rint(mean)
        return out


def fill(stack: Stack, planes: int) -> Stack:
    """Return a stack with `planes` planes for one of `stack`; itself for 1."""
    if planes == 1:
        return stack
    size = stack.voxel_size
    finer = None if size is None else VoxelSize(size.z / planes, size.y, size.x)
    return replace(stack, data=Filled(stack.data, planes), voxel_size=finer)
