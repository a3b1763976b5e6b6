"""A folder of single-plane TIFFs as one stack: order and channels by OME-XML or by name, equal sizes checked.

A large stack is read on request: of each plane only the strips or tiles that a block touches.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError, NeuroreconError
from neurorecon.core.stack import Volume
from neurorecon.io.advice import kind_of
from neurorecon.io.formats.tiff.plane_names import PlaneOrder, order_planes, order_times
from neurorecon.io.formats.tiff.plane_ome import ome_order
from neurorecon.io.formats.tiff.tiff import is_tiff, is_white, page_findings
from neurorecon.io.formats.tiff.tiff_check import check_chain, check_entities, check_page, walk_chain
from neurorecon.io.formats.tiff.tiff_lazy import read_part, segment_of
from neurorecon.io.formats.tiff.tiff_scale import tiff_scale
from neurorecon.io.guard import decoding, hushed
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout
from neurorecon.io.lazy import LazyVolume, is_large
from neurorecon.io.sorting import natural_key

__all__ = ["is_plane_folder", "open_planes", "plane_files"]

SUFFIXES = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".jp2")
# Facts of the format, or limits set by hand; not tuned.
STACKS = (".czi", ".lif", ".nd2", ".ims", ".nrrd", ".nii", ".v3draw", ".v3dpbd", ".lsm", ".npy", ".oib", ".oir", ".vsi")
DICOM = (".dcm", ".dicom", ".ima")
LOOKED = 50  # folders that are looked into for an advice
COLOURS = ("red", "green", "blue", "alpha")


def plane_files(folder: Path) -> list[Path]:
    """Return the TIFFs of a folder in natural order; hidden and `.part` files do not count."""
    files = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and ".part." not in path.name
    )
    return sorted((path for path in files if path.is_file()), key=lambda path: natural_key(path.name))


def is_plane_folder(folder: Path) -> bool:
    """Return whether a folder holds two or more TIFFs and the first and the last are single planes (headers are read)."""
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
            return samples_of(tif.pages.first) > 0 and planes_in(tif) == 1
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


def open_planes(folder: Path) -> OpenedFile:
    """Read the headers of a folder of single-plane TIFFs.

    Raises:
        InputError: if it holds no TIFF, single planes over time, or planes that differ.
        FormatError: if a plane is damaged, or one that the OME-XML names is not there.
    """
    files = plane_files(folder)
    if not files:
        way_out = "give a file, an OME-Zarr or a folder of single-plane TIFFs"
        raise InputError(f"{folder}: is a directory without TIFFs{others_in(folder)}; {way_out}")
    check_single(folder, files)
    order = order_of(folder, files)
    first = next(iter(order.series.values()))[0]
    import tifffile

    with hushed("tifffile"), decoding(first), tifffile.TiffFile(first) as tif:
        shape, samples, dtype = plane_header(first, tif)
        scale = tiff_scale(tif)
        segment = segment_of(tif.pages.first) if samples == 1 else shape
        white = is_white(tif.pages.first)
        odd = tuple(page_findings(tif.pages.first, coloured=not tif.is_imagej))
    series = [group for groups in (order.series, *order.later) for group in groups.values()]
    axes = (1 + len(order.later), len(order.series), len(series[0]), *shape, samples)
    layout = Layout.parse("TCZYXS", axes, str(folder))
    plain = Layout("ZYX", layout.zyx)
    large = is_large(layout.voxels * dtype.itemsize)
    stored = [
        Planes(
            group,
            plain.zyx,
            dtype,
            chunks=(1, *segment),
            sample=sample if samples > 1 else None,
            like=first.name,
            white=white,
        )
        for group in series
        for sample in range(samples)
    ]

    def load(volume: int) -> Volume:
        array = stored[volume]
        return LazyVolume(array, plain, 0, folder) if large else array[:, :, :]

    names = names_of(order, samples)
    kind = "channels" if order.channels else f"series of {len(series[0])} planes by the names of its files"
    return OpenedFile(
        folder,
        layout,
        dtype=dtype,
        load=load,
        scale=scale,
        names=names,
        lazy=large,
        findings=(*order.findings, *odd),
        kind=kind,
        inverted=white,
    )


def check_single(folder: Path, files: list[Path]) -> None:
    """Raise InputError if the first and the last TIFF hold stacks of several planes: then the folder is no stack."""
    import tifffile

    for path in dict.fromkeys((files[0], files[-1])):
        with hushed("tifffile"), decoding(path), tifffile.TiffFile(path) as tif:
            check_chain(path, tif)
            check_entities(path, tif)
            if planes_in(tif) == 1:
                return
    what = f"holds stacks, not single planes ({files[0].name} has several planes)"
    raise InputError(f"{folder}: {what}; give one of the files, or the folder to `neurorecon batch`")


def order_of(folder: Path, files: list[Path]) -> PlaneOrder:
    """Return the series of planes: as an OME-XML says that names the files, else by their names."""
    import tifffile

    with hushed("tifffile"), decoding(files[0]), tifffile.TiffFile(files[0]) as tif:
        check_entities(files[0], tif)
        xml = str(tif.ome_metadata) if tif.is_ome else ""
    order = ome_order(folder, files, xml) if xml else None
    return order or order_times(folder, files) or order_planes(folder, files)


def names_of(order: PlaneOrder, samples: int) -> tuple[str, ...]:
    """Return the names of the channels: series, colours, or both."""
    series = tuple(order.series)
    if samples == 1:
        return series if len(series) > 1 else ()
    return tuple(f"{name} {colour}".strip() for name in series for colour in COLOURS[:samples])


def others_in(folder: Path) -> str:
    """Return half a sentence on the content of a folder without TIFFs, "" if there is nothing to say."""
    children = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    if any(path.name == "attributes.json" for path in children):
        return " (an N5 container? save it as OME-Zarr or OME-TIFF, in Fiji by its N5 plugin)"
    pictures = next((path.suffix for path in children if path.suffix.lower() in PICTURES), "")
    if pictures:
        return f" (it holds {pictures} files: save them as TIFF, in Fiji: File > Import > Image Sequence)"
    if any(path.name == "info" and path.is_file() for path in children):
        return " (a Neuroglancer precomputed volume? save it as OME-Zarr, in Python by cloud-volume or tensorstore)"
    stacks = next((path.suffix for path in children if path.suffix.lower() in STACKS), "")
    if stacks:
        return f" (it holds {stacks} files: give one of them, or the folder to `neurorecon batch`)"
    if any(path.suffix.lower() in DICOM for path in children):
        return " (it holds DICOM files: save them as one NRRD or TIFF, in Fiji or 3D Slicer)"
    folders = [path for path in children[:LOOKED] if path.is_dir()]
    inner = [path.name for path in folders if plane_files(path)]
    listed = ", ".join(inner[:5])
    if not inner and any(
        plane_files(deep) for path in folders for deep in sorted(path.iterdir())[:LOOKED] if deep.is_dir()
    ):
        return " (folders in its folders hold some, as tiles of TeraStitcher do: stitch them, and give the result)"
    if inner and all(len(plane_files(folder / name)) == 1 for name in inner):
        return f" (folders in it hold one each: {listed}; put the planes of one stack into one folder)"
    return f" (folders in it hold some: {listed}; give one of them)" if inner else foreign_in(children)


def foreign_in(children: list[Path]) -> str:
    """Return half a sentence on the first file of a known kind that is not read; lists of files (XML) come last."""
    files = [path for path in children[:LOOKED] if path.is_file() and not path.name.startswith(".")]
    for path in sorted(files, key=lambda path: path.suffix.lower() == ".xml"):
        if (known := kind_of(path.name)) is not None:
            what, way_out = known
            return f" (it holds {path.name}, {what}: {way_out})"
    return ""


def samples_of(page: Any) -> int:
    """Return the number of samples of a pixel: 1 of a grey plane, 3 or 4 of a colour one, 0 of anything else."""
    if page.axes == "YX":
        return 1
    count = int(page.shape[page.axes.index("S")]) if page.axes in ("YXS", "SYX") else 0
    return count if count <= len(COLOURS) else 0


def plane_header(path: Path, tif: Any) -> tuple[tuple[int, int], int, np.dtype[Any]]:
    """Return size, number of samples and type of a single-plane TIFF.

    Raises:
        InputError: if it holds more than one plane, or no picture.
        FormatError: if it is cut off.
    """
    check_chain(path, tif)
    check_entities(path, tif)
    page = tif.pages.first
    check_page(path, page, "its plane")
    if planes_in(tif) != 1:
        way_out = "a folder that is one stack needs one plane a file: give the file itself, or the folder to `neurorecon batch`"
        raise InputError(f"{path}: holds {planes_in(tif)} planes; {way_out}")
    samples = samples_of(page)
    if not samples:
        raise InputError(f"{path}: has axes {page.axes!r}; a folder of planes needs grey or RGB ones")
    sizes = dict(zip(page.axes, page.shape, strict=True))
    return (int(sizes["Y"]), int(sizes["X"])), samples, np.dtype(page.dtype)


@dataclass(frozen=True, slots=True)
class Planes:
    """Single-plane TIFFs of one size and type as an array (Z, Y, X); only their names are held.

    Attributes:
        files: one a plane.
        shape: (Z, Y, X).
        dtype: type of the voxels.
        chunks: lengths (z, y, x) of the part that is decoded at once.
        sample: the colour that is taken of planes in colour; None: they are grey.
        like: the file whose size and type they all should have; "": the first.
        white: their lowest value is white.
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    chunks: tuple[int, int, int]
    sample: int | None = None
    like: str = ""
    white: bool = False

    def __getitem__(self, box: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Decode a block.

        Raises:
            InputError: if a file holds more than one plane.
            FormatError: if a plane is damaged, or differs from the first in size, colours or type.
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
                    result[z] = self.part(path, tif.pages.first, rows, columns)
        return result[:, :: rows.step, :: columns.step]

    def part(self, path: Path, page: Any, rows: slice, columns: slice) -> NDArray[Any]:
        """Decode a part (Y, X) of a plane; a plane in colour is decoded whole."""
        if self.sample is None:
            return read_part(path, page, rows, columns)
        whole = np.asarray(page.asarray())
        plane = whole[..., self.sample] if page.axes == "YXS" else whole[self.sample]
        return plane[rows.start : rows.stop, columns.start : columns.stop]

    def check(self, path: Path, tif: Any) -> None:
        """Raise FormatError unless a plane is sound and of the size and type of all."""
        shape, samples, dtype = plane_header(path, tif)
        if (shape, dtype) != (self.shape[1:], self.dtype) or (samples > 1) != (self.sample is not None):
            here, first = (f"{y} x {x} {kind}" for (y, x), kind in ((shape, dtype), (self.shape[1:], self.dtype)))
            here += " in colour" if samples > 1 else ""
            way_out = "the planes of a stack need one size and type"
            raise FormatError(f"{path}: is {here}, {self.like or self.files[0].name} is {first}; {way_out}")
        if is_white(tif.pages.first) != self.white:
            here, first = ("white" if white else "black" for white in (not self.white, self.white))
            what = f"stores {here} as its lowest value, {self.like or self.files[0].name} {first}"
            raise FormatError(f"{path}: {what}; save all planes alike")
