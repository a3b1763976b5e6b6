"""Arrays of other libraries (dask, xarray, HDF5) as a volume: slices in, numpy arrays out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Foreign", "is_array", "is_foreign"]


def is_array(data: object) -> bool:
    """Return whether an object has the shape, the type and the slices of an array."""
    return all(hasattr(data, name) for name in ("shape", "dtype", "__getitem__"))


def is_foreign(data: object) -> bool:
    """Return whether slices of an array become numpy arrays only on request (dask, and arrays derived from it)."""
    return is_array(data) and hasattr(data, "compute")


@dataclass(frozen=True, slots=True)
class Foreign:
    """An array (Z, Y, X) of another library, computed where a block is read.

    Attributes:
        array: the array.
    """

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(int(n) for n in self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy data type."""
        found: np.dtype[Any] = np.dtype(self.array.dtype)
        return found

    @property
    def chunks(self) -> tuple[int, ...]:
        """Lengths of a part that is computed at once: the largest chunk along each axis."""
        chunks = getattr(self.array, "chunks", None) or (1,) * len(self.shape)
        return tuple(int(max(edge) if isinstance(edge, tuple | list) else edge) for edge in chunks)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Compute a part."""
        return np.asarray(self.array[key])
