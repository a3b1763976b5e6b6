"""Read a Stack or a Probability from a path of any format."""

import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.address import path_or_address
from neurorecon.core.errors import InputError
from neurorecon.core.findings import LATER, StackFinding, warnings_of
from neurorecon.core.geometry import VoxelSize, voxel_size_of
from neurorecon.core.polarity import inverted
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack, Volume
from neurorecon.io.colours import colour_findings
from neurorecon.io.dtypes import known_dtype, to_known
from neurorecon.io.format_registry import open_file
from neurorecon.io.formats.tiff.write_tiff import certain_in
from neurorecon.io.formats.zarr.ome_zarr import file_inside, own_attributes
from neurorecon.io.guard import SLAB_BYTES, check_finite, check_memory, decoding, hushed
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import exchanged_axes
from neurorecon.io.units import scale_findings

__all__ = ["read_probability", "read_stack", "stack_of_file"]

log = logging.getLogger(__name__)

# Set by hand; not tuned.
OVERSHOOT = 0.05  # below 0 and above 1: rounding, and what splines add where a probability is scaled
BYTE = 255  # largest value of 8 bits
LEAST_FULL = 20  # largest value from which a map may be in per cent, or in grey values
GREY = "trace a grey stack by --raw, or segment it first"


def read_stack(
    path: str | Path,
    *,
    channel: int | None = None,
    time: int | None = None,
    voxel_size: VoxelSize | None = None,
    invert: bool | None = None,
) -> Stack:
    """Read a stack in any known format.

    Args:
        path: a file, an OME-Zarr (a folder, a ZIP archive, or an address of http or https), or a folder of single-plane TIFFs.
        channel: number of the channel from 0; needed where the file has several.
        time: number of the time point from 0; needed where the file is a time series.
        voxel_size: micrometres (z, y, x); replaces that of the file.
        invert: exchange bright and dark (dark neurites on bright ground), or take the values as they are stored; None: as the
            file says (TIFF WhiteIsZero).

    Returns:
        A Stack of (Z, Y, X) uint8, uint16 or float32: numpy, or lazy for an OME-Zarr and for a large TIFF, Imaris
        file or folder of planes (then NaN is looked for where the blocks are read, see `check_finite`).

    Raises:
        InputError: if there is no such file, it is no single 3D stack, does not fit into memory or holds NaN.
        FormatError: if it is damaged, cut off, or not what it claims to be.
        MissingExtraError: if the format needs the extra `formats`, or an address the extra `remote`.
    """
    path, size = path_of(path, "read_stack"), voxel_size_of(voxel_size)
    stack = stack_of_file(open_file(path), channel=channel, time=time, voxel_size=size, invert=invert)
    for finding in warnings_of(stack.findings):
        if finding.name not in LATER:
            log.warning("%s: %s", stack.source, finding)
    return stack


def path_of(given: object, call: str) -> Path:
    """Return a path; raise InputError for anything else."""
    if isinstance(given, str | os.PathLike):
        return path_or_address(given)
    way_out = (
        "an array is given to reconstruct() or segment() as it is, or made a Stack: neurorecon.Stack(array, voxel_size)"
    )
    raise InputError(f"{call} takes a path, not {type(given).__name__}; {way_out}")


def stack_of_file(
    opened: OpenedFile,
    *,
    channel: int | None = None,
    time: int | None = None,
    voxel_size: VoxelSize | None = None,
    invert: bool | None = None,
) -> Stack:
    """Read the voxels of a file whose header was read; see `read_stack`."""
    path, source = opened.path, str(opened.path)
    at, pick = opened.pick_time(time), opened.pick(channel)
    known_dtype(opened.dtype, source)
    if not opened.lazy:
        check_memory(path, opened.needed_bytes)
    with decoding(path):
        data = opened.load(opened.layout.volume(pick, at))
        coloured = colour_findings(opened, at)
    if not opened.lazy:
        block = np.ascontiguousarray(to_known(np.asarray(data), source))
        check_finite(block, source)
        data = block
    size = voxel_size if voxel_size is not None else opened.scale.size
    layout = opened.layout
    if channel is None and layout.channels > 1:
        coloured = (
            StackFinding("grey-colours", "note", "its red, green and blue are the same: read as one grey channel"),
        )
    findings = (
        *opened.findings,
        *coloured,
        *exchanged_axes(layout),
        *opened.after(),
        *scale_findings(opened.scale, voxel_size),
    )
    stack = Stack(
        data,
        size,
        source,
        channel=pick if layout.channels > 1 else None,
        findings=findings,
        inverted=invert,
        channel_name=opened.name_of(pick),
        time=at if layout.times > 1 else None,
    )
    return inverted(stack) if (opened.inverted if invert is None else invert) else stack


def read_probability(
    path: str | Path, *, channel: int | None = None, time: int | None = None, voxel_size: VoxelSize | None = None
) -> Probability:
    """Read a neurite probability: uint8 0 to 255 as it is, float 0 to 1 and masks of 0 and 1 brought to 0 to 255.

    An OME-Zarr that `neurorecon segment` wrote is read lazily, with its soma map and what it says of the network's voxels.
    A TIFF of neurorecon's says which probability makes a neurite certain.

    Args:
        path: the map.
        channel: number of the channel from 0 that holds the neurites; needed where the file has several, as those of ilastik
            have one a class.
        time: number of the time point from 0; needed where the file is a time series.
        voxel_size: micrometres (z, y, x) of the stack that the map was made from; replaces that of the file. If the map
            holds planes between those of the stack, its own planes are that much closer.

    Raises:
        InputError: if the file holds anything else (the message names --raw), or cannot be read as a stack.
    """
    path = path_of(path, "read_probability")
    stack = read_stack(path, channel=channel, time=time, voxel_size=voxel_size)
    about = own_attributes(path)
    if about.get("map") == "neurite":
        return written_maps(path, stack, about, given=voxel_size)
    neurite = as_probability(stack.data, stack.source)
    return Probability(neurite, stack.voxel_size, source=stack.source, certain=written_certain(path))


def written_certain(path: Path) -> float:
    """Return the probability that makes a neurite certain: that in a TIFF of neurorecon, else the default of all maps."""
    from neurorecon.io.formats.tiff.tiff_open import opened

    found = None
    if path.is_file() and path.name.lower().endswith((".tif", ".tiff")):
        with hushed("tifffile"), decoding(path), opened(path) as tiff:
            found = certain_in(tiff.pages.first.description)
    return found or 0.5


def written_maps(path: Path, stack: Stack, about: Mapping[str, Any], *, given: VoxelSize | None) -> Probability:
    """Return the maps of an OME-Zarr that `neurorecon segment` wrote, lazily; `given` is the voxel size of its stack."""
    with decoding(path):
        z, y, x = map(int, about.get("voxels_as_one", (1, 1, 1)))
        planes, faint, certain = int(about.get("planes", 1)), float(about["faint"]), float(about.get("certain", 0.5))
        soma = str(about.get("soma", ""))
    found = stack_of_file(file_inside(path, soma)).data if soma else None
    size = stack.voxel_size if given is None else VoxelSize(given.z / planes, given.y, given.x)
    return Probability(
        stack.data,
        size,
        soma=found,
        source=stack.source,
        planes=planes,
        faint=faint,
        voxels_as_one=(z, y, x),
        certain=certain,
    )


def as_probability(data: Volume, source: str) -> Volume:
    """Return (Z, Y, X) uint8, 0 to 255; a lazy volume of uint8 stays lazy unless it is a mask.

    Masks of 0 and 1 are probabilities of any type; in 16 bits and floats those of 0 and any other value, too.
    """
    dtype = np.dtype(data.dtype)
    value = mask_value(data) if dtype != np.float32 else 0.0
    if value == 1 or (value and dtype == np.uint16):
        return ((whole(data, source) > 0) * np.uint8(255)).astype(np.uint8)
    if dtype == np.uint8:
        return data
    if dtype == np.uint16:
        high = 0.0
        for slab in slabs(data):
            high = max(high, float(slab.max()))
            if high > BYTE:  # all the 16 bits are in use
                break
        raise InputError(
            f"{source}: holds uint16, no probability (uint8 of 0 to 255, or float of 0 to 1); {way_out(high)}"
        )
    values = whole(data, source)
    check_finite(values, source)
    low, high = float(values.min()), float(values.max())
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        return np.asarray(np.rint(np.clip(values, 0, 1) * np.float32(255)), np.uint8)
    if low == 0 and mask_value(data):
        return ((values > 0) * np.uint8(255)).astype(np.uint8)
    range_of = f"holds floats from {low:g} to {high:g}, no probability of 0 to 1"
    raise InputError(f"{source}: {range_of}; {way_out(high) if low >= 0 else GREY}")


def way_out(high: float) -> str:
    """Return how values from 0 to `high` become a probability, if they are one."""
    full = next((top for top in (100, 255, 65535) if high <= top), 0) if high > LEAST_FULL else 0
    return f"{GREY}, divide a probability of 0 to {full} by {full} and save it as float" if full else GREY


def whole(data: Volume, source: str) -> NDArray[Any]:
    """Return all of a volume, (Z, Y, X); the free memory is checked first if it is lazy."""
    if not isinstance(data, np.ndarray):
        check_memory(Path(source), math.prod(data.shape) * np.dtype(data.dtype).itemsize)
    return np.asarray(data[:, :, :])


def slabs(data: Volume) -> Iterator[NDArray[Any]]:
    """Give a volume by some planes at a time."""
    planes, rows, columns = data.shape
    step = max(1, SLAB_BYTES // (rows * columns * np.dtype(data.dtype).itemsize))
    for start in range(0, planes, step):
        yield np.asarray(data[start : start + step])


def mask_value(data: Volume) -> float:
    """Return the one value above 0 if there is no other but 0, else 0; stops at the first slab with another one."""
    value = 0.0
    for slab in slabs(data):
        high = float(slab.max())
        value = value or high
        if high not in (0, value) or not ((slab == 0) | (slab == value)).all():
            return 0.0
    return value
