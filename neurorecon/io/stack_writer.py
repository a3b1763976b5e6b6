"""Stacks to disk, a slab at a time: whole or not at all, and never more than a slab in memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from neurorecon.core.errors import InputError, OutputError
from neurorecon.core.files import check_output, write_beside
from neurorecon.core.foreign import is_array
from neurorecon.core.geometry import VoxelSize, voxel_size_of
from neurorecon.core.probability import Probability
from neurorecon.core.stack import STACK_DTYPES, Stack, Volume
from neurorecon.io.dtypes import fitting, known_dtype, to_known
from neurorecon.io.formats.tiff.write_tiff import TiffSink
from neurorecon.io.formats.zarr.write_zarr import ZarrSink
from neurorecon.io.guard import SLAB_BYTES

__all__ = ["OUT_SUFFIXES", "StackWriter", "open_writer", "write_stack"]

OUT_SUFFIXES = (".tif", ".tiff", ".zarr")


class Sink(Protocol):
    """Where planes go: a file that is being written."""

    def append(self, block: NDArray[Any]) -> None:
        """Add planes (n, Y, X) at the end."""

    def finish(self) -> None:
        """Write the planes that are still in memory."""

    def close(self) -> None:
        """Close the file; a second time does nothing."""


class StackWriter:
    """Takes the slabs of a stack in order; made by `open_writer`.

    Attributes:
        path: the file or folder of the stack.
        shape: (Z, Y, X).
        dtype: type of the voxels.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any], sink: Sink) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self._sink = sink
        self._next = 0

    def write(self, z0: int, block: ArrayLike) -> None:
        """Write the planes z0, z0 + 1, ...: a block (n, Y, X) of the writer's type, beginning where the last one ended.

        Raises:
            InputError: if the block is of another size or type, or does not follow the last one.
        """
        planes = np.asarray(block)
        if planes.ndim != 3 or planes.shape[1:] != self.shape[1:] or planes.dtype != self.dtype:
            due = f"planes {self.shape[1:]} of {self.dtype}"
            raise InputError(f"{self.path}: a block {planes.shape} of {planes.dtype} came where {due} were due")
        if z0 != self._next or z0 + len(planes) > self.shape[0]:
            due = f"plane {self._next} of {self.shape[0]} was due"
            raise InputError(f"{self.path}: planes {z0} to {z0 + len(planes) - 1} came where {due}")
        self._sink.append(planes)
        self._next += len(planes)

    def finish(self) -> None:
        """Raise OutputError if planes are missing, else write the planes that are still in memory."""
        if self._next != self.shape[0]:
            raise OutputError(f"{self.path}: not written, {self._next} of {self.shape[0]} planes came")
        self._sink.finish()


def open_writer(
    path: str | Path,
    shape: tuple[int, int, int],
    *,
    voxel_size: VoxelSize | None = None,
    overwrite: bool = False,
    dtype: DTypeLike = np.uint8,
    certain: float | None = None,
) -> AbstractContextManager[StackWriter]:
    """Open a stack for writing slab by slab; it stands at `path` when the `with` block ends, or nothing does.

    `.tif` and `.tiff` give an OME-TIFF (zlib, a plane a page, BigTIFF where it may pass 4 GB), `.ome.zarr` an OME-Zarr
    0.5. Suffix, folder and shape are checked at the call, before any work is done.

    Args:
        path: the file, or the folder of the OME-Zarr.
        shape: (Z, Y, X).
        voxel_size: micrometres; left out of the file where None.
        overwrite: replace what is there.
        dtype: uint8, uint16 or float32.
        certain: that of a Probability whose neurite map is written; `read_probability` finds it in the file.

    Raises:
        InputError: if suffix, shape or type cannot be written.
        OutputError: if something is there already, the system refuses, or planes are missing at the end.
    """
    path = Path(path)
    kind = np.dtype(dtype)
    if not path.name.lower().endswith(OUT_SUFFIXES):
        raise InputError(f"{path}: stacks are written as .tif (OME-TIFF) or .ome.zarr; change the suffix")
    if min(shape) < 1:
        raise InputError(f"{path}: a stack of shape {tuple(shape)} cannot be written; (z, y, x) above 0 is needed")
    if kind not in STACK_DTYPES:
        raise InputError(f"{path}: voxels of {kind} cannot be written; uint8, uint16 or float32 can")
    check_output(path, overwrite=overwrite)
    zyx = (int(shape[0]), int(shape[1]), int(shape[2]))
    return writing(path, zyx, kind, voxel_size=voxel_size, certain=certain, overwrite=overwrite)


@contextmanager
def writing(
    path: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    *,
    voxel_size: VoxelSize | None,
    certain: float | None,
    overwrite: bool,
) -> Iterator[StackWriter]:
    """Write beside `path`, and put it into place at the end; see `open_writer`."""
    make = ZarrSink if path.name.lower().endswith(".zarr") else TiffSink
    with write_beside(path, overwrite=overwrite) as beside:
        sink: Sink = make(beside, shape, dtype, voxel_size, certain)
        try:
            writer = StackWriter(path, shape, dtype, sink)
            yield writer
            writer.finish()
        finally:
            sink.close()


def write_stack(
    data: Volume | Stack | Probability,
    path: str | Path,
    *,
    voxel_size: VoxelSize | None = None,
    overwrite: bool = False,
) -> None:
    """Write a whole stack (Z, Y, X) as OME-TIFF or OME-Zarr; a lazy one is written slab by slab.

    A Stack brings its own voxel size, unless one is given. Of a Probability the neurite map is written, at the planes of
    its stack.

    Types are kept (uint8, uint16, float32) or brought to one of them where that loses nothing (bool becomes 0 and 1).

    Raises:
        InputError: if it is not 3D, or suffix or type cannot be written.
        OutputError: if something is there already, or the system refuses.
    """
    voxel_size, certain = voxel_size_of(voxel_size), data.certain if isinstance(data, Probability) else None
    if isinstance(data, Probability):
        data = Stack(data.on_stack.neurite, data.on_stack.voxel_size)
    if isinstance(data, Stack):
        voxel_size, data = voxel_size or data.voxel_size, data.data
    if not is_array(data):
        what = f"write_stack takes a Stack or an array (z, y, x), and a path, not {type(data).__name__}"
        raise InputError(f"{what}; write_swc(tree, path) writes a tree")
    if len(data.shape) != 3:
        raise InputError(f"{path}: an array of {len(data.shape)} axes cannot be written; (z, y, x) is needed")
    planes, rows, columns = (int(n) for n in data.shape)
    step = max(1, SLAB_BYTES // max(1, rows * columns * np.dtype(data.dtype).itemsize))
    kind = fitting(data, str(path)) if isinstance(data, np.ndarray) else known_dtype(data.dtype, str(path))
    first = to_known(np.asarray(data[:step]), str(path), kind) if min(planes, rows, columns) else np.zeros(0, np.uint8)
    with open_writer(
        path,
        (planes, rows, columns),
        voxel_size=voxel_size,
        overwrite=overwrite,
        dtype=first.dtype,
        certain=certain,
    ) as writer:
        writer.write(0, first)
        for z0 in range(step, planes, step):
            writer.write(z0, to_known(np.asarray(data[z0 : z0 + step]), str(path), kind))
