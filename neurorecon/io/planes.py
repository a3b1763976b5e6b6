"""A folder of single-plane TIFFs as one stack: natural order of the names, equal sizes checked, channels by name.

A large stack is read where it is asked for: of each plane only the strips or tiles that a block touches.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError, NeuroreconError
from neurorecon.core.stack import Volume
from neurorecon.io.guard import decoding, hushed
from neurorecon.io.layout import Layout
from neurorecon.io.lazy import LazyVolume, is_large
from neurorecon.io.picture import Picture
from neurorecon.io.sorting import natural_key
from neurorecon.io.tiff import is_tiff, is_white
from neurorecon.io.tiff_check import check_chain, check_entities, check_page, walk_chain
from neurorecon.io.tiff_lazy import read_part, segment_of
from neurorecon.io.tiff_scale import tiff_scale

__all__ = ["is_plane_folder", "open_planes", "plane_files"]

SUFFIXES = (".tif", ".tiff")
# img_Z012_C01.tif, img_z012_ch1.tif: microscopes write channels and frames side by side into one folder
CHANNEL = re.compile(r"(?:^|[_\-. ])(?:ch|c|channel)[_-]?(\d+)(?=$|[_\-. ])", re.IGNORECASE)
FRAME = re.compile(r"(?:^|[_\-. ])(?:t|time)[_-]?(\d+)(?=$|[_\-. ])", re.IGNORECASE)


def plane_files(folder: Path) -> list[Path]:
    """Return the TIFFs of a folder in natural order; hidden and `.part` files do not count."""
    files = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and ".part." not in path.name
    )
    return sorted((path for path in files if path.is_file()), key=lambda path: natural_key(path.name))


def is_plane_folder(folder: Path) -> bool:
    """Tell whether a folder holds two or more TIFFs and the first and the last are single planes (headers are read)."""
    try:
        files = plane_files(folder)
        return len(files) > 1 and all(is_single(path) for path in (files[0], files[-1]))
    except OSError:
        return False


def is_single(path: Path) -> bool:
    """Tell whether a file is a sound TIFF of one plane."""
    import tifffile

    try:
        with open(path, "rb") as file:
            if not is_tiff(file.read(4)) or walk_chain(path) != 1:
                return False
        with hushed("tifffile"), decoding(path), tifffile.TiffFile(path) as tif:
            return tif.pages.first.ndim == 2 and planes_in(tif) == 1
    except (NeuroreconError, OSError):
        return False


def planes_in(tif: Any) -> int:
    """Return the number of planes of a TIFF; one directory may stand for many (ImageJ above 4 GB, MetaMorph).

    Of an OME-TIFF whose planes are spread over the files of the folder it is the number in this file: its series is not
    asked for, it would open all the others.
    """
    if tif.is_ome:
        return len(tif.pages)
    series = tif.series[0]
    outer = [n for axis, n in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
    return max(len(tif.pages), int(math.prod(outer)))


def open_planes(folder: Path) -> Picture:
    """Read the headers of a folder of single-plane TIFFs.

    Raises:
        InputError: if it holds no TIFF, a time series, or planes that differ.
        FormatError: if a plane is damaged.
    """
    files = plane_files(folder)
    if not files:
        way_out = "give a file, an OME-Zarr or a folder of single-plane TIFFs"
        raise InputError(f"{folder}: is a directory without TIFFs; {way_out}")
    frames = {match.group(1) for path in files if (match := FRAME.search(path.stem))}
    if len(frames) > 1:
        what = f"is by its file names a time series of {len(frames)} frames"
        raise InputError(f"{folder}: {what}; give a folder of one time point")
    import tifffile

    with hushed("tifffile"), decoding(files[0]), tifffile.TiffFile(files[0]) as tif:
        shape, dtype = plane_header(files[0], tif)
        scale = tiff_scale(tif)
        segment = segment_of(tif.pages.first)
        white = is_white(tif.pages.first)
    groups = by_channel(folder, files)
    layout = Layout.parse("CZYX", (len(groups), len(files) // len(groups), *shape), str(folder))

    plain = Layout("ZYX", layout.zyx)
    large = is_large(layout.voxels * dtype.itemsize)
    stored = [Planes(tuple(group), plain.zyx, dtype, (1, *segment)) for group in groups.values()]

    def load(channel: int) -> Volume:
        array = stored[channel]
        return LazyVolume(array, plain, 0, folder) if large else array[:, :, :]

    names = tuple(groups) if len(groups) > 1 else ()
    return Picture(folder, layout, dtype, load, scale, names, lazy=large, inverted=white)


def by_channel(folder: Path, files: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the planes of each channel, by the token of the channel in their names ("" where there is none)."""
    groups: dict[str, list[Path]] = {}
    for path in files:
        match = CHANNEL.search(path.stem)
        groups.setdefault(match.group(0).strip("_-. ") if match else "", []).append(path)
    counts = {len(group) for group in groups.values()}
    if len(counts) > 1:
        listed = ", ".join(f"{len(group)} of {name or 'no channel'}" for name, group in groups.items())
        what = f"its channels have unequal numbers of planes ({listed})"
        raise InputError(f"{folder}: {what}; keep one channel in the folder")
    if len(groups) > 1 and counts == {1}:  # one number in the names, which only looks like a channel
        return {"": list(files)}
    return groups


def plane_header(path: Path, tif: Any) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Return size and type of a single-plane TIFF.

    Raises:
        InputError: if it holds more than one plane, or a colour picture.
        FormatError: if it is cut off.
    """
    check_chain(path, tif)
    check_entities(path, tif)
    page = tif.pages.first
    check_page(path, page, "its plane")
    if planes_in(tif) != 1:
        way_out = "a folder that is one stack needs one plane a file: give the file itself"
        raise InputError(f"{path}: holds {planes_in(tif)} planes; {way_out}")
    if page.axes != "YX":
        raise InputError(f"{path}: is a colour picture; a folder of planes needs grey ones, one channel")
    y, x = page.shape
    return (int(y), int(x)), np.dtype(page.dtype)


@dataclass(frozen=True, slots=True)
class Planes:
    """Single-plane TIFFs of one size and type as an array (Z, Y, X); only their names are held.

    Attributes:
        files: one a plane.
        shape: (Z, Y, X).
        dtype: type of the voxels.
        chunks: lengths (z, y, x) of what is decoded at once.
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    chunks: tuple[int, int, int]

    def __getitem__(self, box: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Decode a block.

        Raises:
            InputError: if a file holds more than one plane, or a colour picture.
            FormatError: if a plane is damaged, or differs from the first in size or type.
        """
        import tifffile

        depth, rows, columns = (slice(*part.indices(n)) for part, n in zip(box, self.shape, strict=True))
        files = self.files[depth]
        lengths = (max(0, part.stop - part.start) for part in (rows, columns))
        result = np.empty((len(files), *lengths), self.dtype)
        for z, path in enumerate(files):
            with hushed("tifffile"), decoding(path), tifffile.TiffFile(path) as tif:
                self.check(path, tif)
                if result.size:
                    result[z] = read_part(path, tif.pages.first, rows, columns)
        return result[:, :: rows.step, :: columns.step]

    def check(self, path: Path, tif: Any) -> None:
        """Raise FormatError unless a plane is sound and of the size and type of all."""
        found, due = plane_header(path, tif), (self.shape[1:], self.dtype)
        if found != due:
            here, first = (f"{y} x {x} {kind}" for (y, x), kind in (found, due))
            way_out = "the planes of a stack need one size and type"
            raise FormatError(f"{path}: is {here}, {self.files[0].name} is {first}; {way_out}")
