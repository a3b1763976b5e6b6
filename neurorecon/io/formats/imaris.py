"""Imaris 5.5 files (.ims): HDF5 with the extents of the stack in micrometres, from which the voxel size follows.

After the description of the format by Bitplane, https://imaris.oxinst.com/support/imaris-file-format. A stack that is
large is read by its chunks when a part of it is requested.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Volume
from neurorecon.io.formats.imaris_check import check_voxels
from neurorecon.io.guard import decoding
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout
from neurorecon.io.lazy import LazyVolume, is_large
from neurorecon.io.sorting import natural_key
from neurorecon.io.units import WAY_OUT, Scale, decoded, oblong, plain_number, scale_from

__all__ = ["is_hdf5", "open_ims"]

# Facts of the format, or limits set by hand; not tuned.
SHOWN = 3  # arrays of another file that a message names
UNSQUARE, ENDS = 0.03, 0.005  # of a pixel: what rounding does not explain, and what extents from middle to middle do
LEVEL = "DataSet/ResolutionLevel 0"


def is_hdf5(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:8] == b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Dataset:
    """An array (Z, Y, X) in an HDF5 file, by the names of both: it can be sent to another process.

    The file is opened for every block, in about a millisecond: an open handle does not survive a fork.

    Attributes:
        path: the file.
        name: the array in it.
        shape: (Z, Y, X), without the padding.
        dtype: type of the voxels.
        chunks: lengths (z, y, x) of a chunk, which is decoded at once; None: nothing is packed.
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    chunks: tuple[int, int, int] | None

    def __getitem__(self, box: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Read a block."""
        import h5py

        with h5py.File(self.path, "r") as file:
            return np.asarray(file[self.name][box])


def open_ims(path: Path) -> OpenedFile:
    """Read the attributes of an Imaris file.

    Raises:
        FormatError: if it is cut off or damaged.
        InputError: if it is another kind of HDF5, or is 2D.
    """
    import h5py

    with decoding(path), h5py.File(path, "r") as file:
        if LEVEL not in file or "DataSetInfo/Image" not in file:
            raise InputError(
                f"{path}: is HDF5{arrays_in(file)}, but no Imaris file; save the stack as OME-TIFF or OME-Zarr"
            )
        frames = [members(frame, "Channel") for frame in members(file[LEVEL], "TimePoint")]
        if not frames or not frames[0]:
            raise FormatError(f"{path}: is damaged: it holds no channel")
        channels = frames[0]
        if any(len(frame) != len(channels) for frame in frames):
            raise FormatError(f"{path}: is damaged: its time points differ in their number of channels")
        stacks = [channel for frame in frames for channel in frame]
        image = file["DataSetInfo/Image"].attrs
        sizes = [size_of(path, channel, image) for channel in stacks]
        for channel, zyx in zip(stacks, sizes, strict=True):
            check_voxels(path, channel, zyx)
        dtype = np.dtype(channels[0]["Data"].dtype)
        scale = scale_of(image, sizes[0])
        infos = (file.get(f"DataSetInfo/Channel {i}") for i in range(len(channels)))
        names = tuple(text(info.attrs, "Name") if info is not None else "" for info in infos)
        frame_count = len(frames)
        stored = [Dataset(path, f"{c.name}/Data", sizes[0], dtype, c["Data"].chunks) for c in stacks]
    if len(set(sizes)) > 1:
        what = "channels" if frame_count == 1 else "channels or time points"
        raise FormatError(f"{path}: is damaged: its {what} differ in size")
    layout = Layout.parse("TCZYX", (frame_count, len(sizes) // frame_count, *sizes[0]), str(path))

    plain = Layout("ZYX", sizes[0])
    large = is_large(plain.voxels * dtype.itemsize)

    def load(volume: int) -> Volume:
        array, (z, y, x) = stored[volume], plain.zyx  # the stored array is padded to whole chunks
        return LazyVolume(array, plain, 0, path) if large else array[:z, :y, :x]

    return OpenedFile(path, layout, dtype=dtype, load=load, scale=scale, names=names, lazy=large)


def arrays_in(file: Any) -> str:
    """Return a half sentence on what another HDF5 file holds, "" where that says nothing."""
    if any(name.startswith("t0") for name in file):
        return " of BigDataViewer or BigStitcher (in Fiji: BigStitcher > I/O > Export)"
    arrays = [f"{name} of {' x '.join(map(str, item.shape))}" for name, item in file.items() if hasattr(item, "shape")]
    return f" with {', '.join(arrays[:SHOWN])}" if arrays else ""


def members(group: Any, name: str) -> list[Any]:
    """Return the groups "name 0", "name 1", ... in their order."""
    return [group[key] for key in sorted((k for k in group if k.startswith(f"{name} ")), key=natural_key)]


def text(attributes: Mapping[str, Any], key: str) -> str:
    """Return an attribute as text: Imaris stores an array of single characters."""
    value = attributes.get(key)
    if value is None:
        return ""
    if isinstance(value, str | bytes):
        return value if isinstance(value, str) else decoded(value)
    return decoded(b"".join(np.atleast_1d(value).astype("S1").tolist()))


def number(attributes: Mapping[str, Any], key: str) -> float | None:
    """Return an attribute as a number, None where it is absent."""
    value = text(attributes, key).strip().strip("\x00")
    return plain_number(value) if value else None


def size_of(path: Path, channel: Any, image: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return (Z, Y, X) of a channel, without the padding: its own size, else that of the image.

    Raises:
        FormatError: if the file holds less than that, or no voxels of three axes.
    """
    stored, dtype = channel["Data"].shape, channel["Data"].dtype
    if len(stored) != 3 or dtype.kind not in "biuf":
        raise FormatError(f"{path}: is damaged: its voxels are {dtype} of {len(stored)} axes")
    own = [number(channel.attrs, f"ImageSize{axis}") for axis in "ZYX"]
    stated = [number(image, axis) if size is None else size for axis, size in zip("ZYX", own, strict=True)]
    sizes = tuple(int(held if size is None else size) for size, held in zip(stated, stored, strict=True))
    if any(size > held for size, held in zip(sizes, stored, strict=True)):
        raise FormatError(f"{path}: is damaged: its header says {sizes}, it holds {tuple(stored)}")
    return sizes[0], sizes[1], sizes[2]


def scale_of(image: Mapping[str, Any], zyx: tuple[int, int, int]) -> Scale:
    """Return the voxel size: extent by number of voxels, in the unit of the file (micrometres where none stands)."""
    lengths: list[float | None] = []
    for axis, count in zip((2, 1, 0), zyx, strict=True):
        low, high = number(image, f"ExtMin{axis}"), number(image, f"ExtMax{axis}")
        lengths.append(None if low is None or high is None or count < 1 else (high - low) / count)
    if all(size is not None and math.isclose(size * count, 1) for size, count in zip(lengths, zyx, strict=True)):
        note = "the extents of the Imaris file are 1 along each axis, as where none were stated"
        return Scale(None, f"{note}; {WAY_OUT}")
    if lengths == [1.0, 1.0, 1.0]:
        note = (
            f"the extents of the Imaris file count voxels, as where none were stated: 1 um along each axis; {WAY_OUT}"
        )
        return replace(scale_from(lengths, text(image, "Unit") or "um"), note=note)
    scale = scale_from(lengths, text(image, "Unit") or "um")
    if scale.size is None or oblong(scale.size) or not exchanged(scale.size, zyx):
        return scale
    note = (
        f"the extents of the Imaris file give pixels of {scale.size.y:g} x {scale.size.x:g} um (y,x), and squares if z and x "
        f"are exchanged; {WAY_OUT}"
    )
    return replace(scale, note=note)


def exchanged(size: VoxelSize, zyx: tuple[int, int, int]) -> bool:
    """Return whether pixels are squares only if the extents of a stack along z and x are exchanged: given as z, y, x."""
    z, _, x = zyx
    square = math.isclose(size.x, size.y, rel_tol=UNSQUARE)
    return not square and math.isclose(size.z * z / x, size.y, rel_tol=ENDS)
