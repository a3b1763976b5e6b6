"""Averages of several voxels, for stacks whose neurites are wider in voxels than those that the network was trained on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurorecon.core.blocks import chunk_of
from neurorecon.core.derived import Derived
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack

__all__ = ["Coarse", "Step", "coarsen"]

Step = tuple[int, int, int]  # voxels (z, y, x) for one


@dataclass(frozen=True, slots=True)
class Coarse(Derived):
    """A volume whose voxels are the means of boxes of voxels; computed as it is read.

    Attributes:
        data: the volume (Z, Y, X).
        step: (z, y, x) voxels of `data` for one of this volume; a last box that is not full is the mean of its voxels.
    """

    step: Step

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the axes, zyx."""
        z, y, x = (-(-int(n) // k) for n, k in zip(self.data.shape, self.step, strict=True))
        return z, y, x

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Lengths (z, y, x) of a chunk, which is decoded at once."""
        z, y, x = (max(1, c // k) for c, k in zip(chunk_of(self.data), self.step, strict=True))
        return z, y, x

    def __getitem__(self, key: Any) -> Any:
        """Return the part that slices without a step name."""
        keys = key if isinstance(key, tuple) else (key,)
        wanted = [range(n)[k] for n, k in zip(self.shape, (*keys, *[slice(None)] * (3 - len(keys))), strict=True)]
        if not all(map(len, wanted)):
            return np.empty([len(w) for w in wanted], self.dtype)
        block = np.asarray(
            self.data[tuple(slice(w.start * k, w.stop * k) for w, k in zip(wanted, self.step, strict=True))]
        )
        for axis, k in enumerate(self.step):
            block = means(block, axis, k)
        return block if self.dtype.kind == "f" else np.rint(block, out=block).astype(self.dtype)


def means(block: Any, axis: int, k: int) -> Any:
    """Return the means, float32, of each `k` neighbours along an axis; the last one may be of fewer."""
    first = np.arange(0, block.shape[axis], k)
    sums = np.add.reduceat(block, first, axis=axis, dtype=np.float32)
    counts = np.diff(np.append(first, block.shape[axis])).astype(np.float32)
    sums /= counts.reshape([-1 if a == axis else 1 for a in range(3)])
    return sums


def coarsen(stack: Stack, step: Step) -> Stack:
    """Return a stack with one voxel for `step` of `stack`; itself for (1, 1, 1)."""
    if step == (1, 1, 1):
        return stack
    size = stack.voxel_size
    coarser = None if size is None else VoxelSize(*(float(e) * k for e, k in zip(size.zyx, step, strict=True)))
    return replace(stack, data=Coarse(stack.data, step), voxel_size=coarser)
