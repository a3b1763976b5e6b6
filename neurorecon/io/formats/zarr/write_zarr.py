"""OME-Zarr 0.5, slab by slab. After the NGFF specification, https://ngff.openmicroscopy.org/0.5/."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import FAINT

__all__ = ["ZarrSink", "multiscales"]

# Facts of the format, or limits set by hand; not tuned.
CHUNK = (32, 256, 256)  # 2 MB of uint8: small enough to look at a corner, large enough for a cluster's file system
BUFFER_BYTES = 1 << 28  # planes held back until a layer of chunks is full; where planes are huge, chunks are less deep


def multiscales(voxel_size: VoxelSize | None) -> dict[str, Any]:
    """Return the attributes of a group with one level "0" of axes zyx."""
    unit = {} if voxel_size is None else {"unit": "micrometer"}
    scale = [1.0, 1.0, 1.0] if voxel_size is None else [float(value) for value in voxel_size.zyx]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    axes = [{"name": axis, "type": "space", **unit} for axis in "zyx"]
    return {"ome": {"version": "0.5", "multiscales": [{"name": "image", "axes": axes, "datasets": [level]}]}}


class ZarrSink:
    """Writes planes into the array "0" of an OME-Zarr, a layer of chunks at a time."""

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        voxel_size: VoxelSize | None,
        certain: float | None = None,
    ) -> None:
        import zarr
        from zarr.storage import LocalStore

        self._depth = max(1, min(CHUNK[0], shape[0], BUFFER_BYTES // (shape[1] * shape[2] * dtype.itemsize)))
        chunks = (self._depth, min(CHUNK[1], shape[1]), min(CHUNK[2], shape[2]))
        about = {} if certain is None else {"neurorecon": {"map": "neurite", "faint": FAINT, "certain": certain}}
        group = zarr.create_group(LocalStore(path), attributes={**multiscales(voxel_size), **about}, zarr_format=3)
        self._array: Any = group.create_array(
            "0",
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            dimension_names=("z", "y", "x"),
            fill_value=0,
            config={"write_empty_chunks": True},  # one that is not there is a damage
        )
        self._held: list[NDArray[Any]] = []
        self._start = 0

    def append(self, block: NDArray[Any]) -> None:
        """Add planes (n, Y, X): written where they fill a layer, else held back."""
        begin = 0
        while begin < len(block):
            room = self._depth - (self._start + sum(map(len, self._held))) % self._depth
            part = block[begin : begin + room]
            self._held.append(part.copy() if len(part) < room else part)
            begin += len(part)
            if len(part) == room:
                self.finish()

    def finish(self) -> None:
        """Write the planes that are held back."""
        if self._held:
            planes = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
            self._array[self._start : self._start + len(planes)] = planes
            self._start += len(planes)
            self._held = []

    def close(self) -> None:
        """Nothing stays open."""
