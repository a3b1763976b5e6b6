"""The common base of volumes that are computed from another one while they are read."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurorecon.core.blocks import chunk_of
from neurorecon.core.stack import Volume

__all__ = ["Derived"]


@dataclass(frozen=True, slots=True)
class Derived:
    """A volume of the shape, type and chunks of another one; a subclass computes its voxels in `__getitem__`.

    Attributes:
        data: the other volume (Z, Y, X).
    """

    data: Volume

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the axes, zyx."""
        z, y, x = (int(n) for n in self.data.shape)
        return z, y, x

    @property
    def dtype(self) -> Any:
        """The numpy data type, the same as that of `data`."""
        return np.dtype(self.data.dtype)

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Lengths (z, y, x) of a chunk, which is decoded at once."""
        return chunk_of(self.data)

    def __getitem__(self, key: Any) -> Any:
        """Return the part that `key` names."""
        raise NotImplementedError
