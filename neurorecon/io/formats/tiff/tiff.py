"""TIFF in its dialects (plain, BigTIFF, ImageJ hyperstack, OME, LSM), decoded by tifffile and imagecodecs.

A large stack is read on request, if its planes are stored one by one or are not packed.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.findings import StackFinding
from neurorecon.core.stack import Volume
from neurorecon.io.formats.tiff.scanimage_doubts import scanimage_doubts
from neurorecon.io.formats.tiff.tiff_check import check_chain, check_claims, check_ome, check_strips
from neurorecon.io.formats.tiff.tiff_lazy import Pages, segment_of
from neurorecon.io.formats.tiff.tiff_open import Interleaved, interleaved, micromanager_turns, mixed, opened
from neurorecon.io.formats.tiff.tiff_scale import tiff_names, tiff_scale
from neurorecon.io.formats.tiff.write_tiff import certain_in
from neurorecon.io.guard import decoding, hushed
from neurorecon.io.header import OpenedFile, own_map
from neurorecon.io.layout import Layout, axes_findings
from neurorecon.io.lazy import LazyVolume, is_large

__all__ = ["is_tiff", "is_white", "open_tiff", "page_findings"]

# Facts of the format, or limits set by hand; not tuned.
RISING = 0.95  # of the steps of a palette grow brighter: programs mark the lowest and the highest value in red or blue
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
XML_HEAD = 4096  # characters that hold all of an OME-XML that only names another file
BINARY_ONLY = re.compile(r"<(?:\w+:)?BinaryOnly\b[^>]*\bMetadataFile=[\"']([^\"'<>]{1,200})[\"']")
ORIENTATION = 274  # tag of TIFF 6.0: how a viewer should turn the stored rows and columns
SHOWN = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "transposed",
    6: "turned by 90 degrees",
    7: "transposed and turned by 180 degrees",
    8: "turned by 270 degrees",
}


def is_tiff(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:4] in MAGIC


def open_tiff(path: Path) -> OpenedFile:
    """Read the directories and the metadata of a TIFF.

    Raises:
        FormatError: if it is cut off, damaged, or holds less than it claims.
        InputError: if it holds several images, or is 2D.
    """
    with hushed("tifffile"), decoding(path), opened(path) as tif:
        check_chain(path, tif)
        check_ome(path, tif)
        series = first_series(path, tif)
        check_claims(path, tif, series)
        check_strips(path, series)
        micromanager_turns(path, series)
        turns = turns_of(path, tif, series)
        axes, shape = series_axes(series), tuple(int(n) for n in series.get_shape(squeeze=False))
        if turns is not None:
            axes, shape = turns.axes + axes[1:], (*turns.lengths, *shape[1:])
        axes, shape = scifio_order(tif, axes, shape)
        layout = Layout.parse(axes, shape, str(path))
        scale, names = tiff_scale(tif), tiff_names(tif)
        if turns is not None and scale.size is None:
            scale = turns.scale(*layout.zyx[1:])
        by_page = pages_of(layout, series) is not None
        parts = parts_of(path, layout, series, tif.byteorder)
        white = is_white(series.keyframe)
        named = "Z" in axes or turns is not None
        turned = () if turns is None else scanimage_doubts(path, tif, turns.planes)
        findings = (*odd_header(tif, series), *turned, *(() if named else axes_findings(layout)))

    dtype = np.dtype(series.dtype)
    large = parts is not None and is_large(layout.voxels * dtype.itemsize)

    def load(volume: int) -> Volume:
        if parts is not None and large:
            return LazyVolume(replace(parts, volume=volume), Layout("ZYX", layout.zyx), 0, path)
        return load_volume(path, layout, volume)

    if dtype.kind == "V":
        raise InputError(f"{path}: holds voxels of a type that neurorecon does not know; save it as 8 or 16 bit")
    whole = layout.voxels * layout.volumes * dtype.itemsize
    most = None if by_page else whole
    return OpenedFile(
        path,
        layout,
        dtype=dtype,
        load=load,
        scale=scale,
        names=names,
        lazy=large,
        load_bytes=most,
        findings=findings,
        inverted=white,
    )


def odd_header(tif: Any, series: Any) -> Iterator[StackFinding]:
    """Say that a file is a map of neurorecon's, holds more planes than its header counts, or has a palette for values."""
    if certain_in(str(tif.pages.first.description)) is not None:
        yield own_map()
    elsewhere = None if tif.is_ome else BINARY_ONLY.search(str(tif.pages.first.description)[:XML_HEAD])
    if elsewhere:
        text = f"its channels and its voxel size stand in {elsewhere.group(1)}, which is not beside it or says nothing of it"
        yield StackFinding("metadata-elsewhere", "warning", text, "put both into one folder")
    counted = int(np.prod(series.get_shape(squeeze=False))) // int(np.prod(series.keyframe.shape))
    if (
        series.kind in ("imagej", "ome")
        and len(tif.series) == 1
        and not series.is_multifile
        and len(tif.pages) > counted
    ):
        text = f"it holds {len(tif.pages)} planes, of which its header counts {counted}; the others are not read"
        yield StackFinding("uncounted-planes", "warning", text, "export it again if they belong to the stack")
    if series_axes(series) != str(series.get_axes(squeeze=False)):
        text = (
            "its three planes are marked as the red, green and blue of one picture; they are read as planes of a stack"
        )
        yield StackFinding(
            "axes-order", "warning", text, "a picture in colour is no stack: give the planes of one colour"
        )
    yield from page_findings(series.keyframe, coloured=not tif.is_imagej)


def page_findings(page: Any, *, coloured: bool) -> Iterator[StackFinding]:
    """Say that a page asks to be shown turned, or holds colours; in ImageJ's files (`coloured` false) all palettes are grey."""
    if coloured:
        yield from palette_findings(page)
    stated = page.tags.valueof(ORIENTATION, 1)
    if isinstance(stated, int) and (shown := SHOWN.get(stated)):
        text = f"its orientation tag asks viewers to show it {shown}; it is read as it is stored, as in Fiji and napari"
        way_out = (
            "if the tree has to lie on the picture of another viewer, save the stack anew in Fiji, without the tag"
        )
        yield StackFinding("orientation", "warning", text, way_out)


def palette_findings(page: Any) -> Iterator[StackFinding]:
    """Say that the values of a page number colours that do not grow brighter with them."""
    import tifffile

    if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.colormap is None:
        return
    steps = np.sign(np.diff(np.asarray(page.colormap, np.int64).sum(0)))
    if max((steps >= 0).mean(), (steps <= 0).mean()) >= RISING:
        return
    text = (
        "its values number the colours of a palette, which do not grow brighter with them; they are read as grey values"
    )
    way_out = "if the colours are the picture, convert it to 8-bit grey (Fiji: Image > Type > RGB Color, then 8-bit)"
    yield StackFinding("palette", "warning", text, way_out)


def is_white(page: Any) -> bool:
    """Tell whether the lowest value of a page is white; that of a mask of single bits is what tifffile says of all of them."""
    import tifffile

    return bool(page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and page.dtype.kind != "b")


def parts_of(path: Path, layout: Layout, series: Any, byteorder: str) -> Pages | None:
    """Return the first stack of a TIFF that can be read by parts, None for another TIFF."""
    dtype = np.dtype(series.dtype)
    plain = layout.axes.rstrip("S").endswith("YX") and layout.length("S") == 1
    if not plain or series.keyframe.dtype != dtype or series.is_multifile:
        return None
    if series.dataoffset is not None:
        chunks = (1, 1, layout.length("X"))
        return Pages(
            path, layout, volume=0, dtype=np.dtype(byteorder + dtype.str[1:]), offset=series.dataoffset, chunks=chunks
        )
    if pages_of(layout, series) is None or series.keyframe.ndim != 2:
        return None
    return Pages(path, layout, volume=0, dtype=dtype, offset=None, chunks=(1, *segment_of(series.keyframe)))


def first_series(path: Path, tif: Any) -> Any:
    """Return the one image of the file; LSM thumbnails and other reduced copies do not count.

    Raises:
        FormatError: if there is none.
        InputError: if there are several.
    """
    series = [s for s in tif.series if not s.keyframe.is_reduced]
    if not series:
        raise FormatError(f"{path}: holds no image")
    if len(series) > 1 and not tif.is_lsm:
        if series[0].kind == "ome":
            own = [s for s in series if Path(str(s.keyframe.parent.filehandle.path)).name == path.name]
            if len(own) == 1:  # Micro-Manager: a file a position, and the OME-XML of all positions in each of them
                return own[0]
            raise InputError(f"{path}: holds {len(series)} images; save the one that you want as a file of its own")
        if (whole := mixed(series)) is not None:
            return whole
        sizes = " and ".join(sorted({" x ".join(map(str, s.keyframe.shape)) for s in series})[:3])
        raise InputError(f"{path}: its planes differ ({sizes}, or in type); a stack needs planes of one size and type")
    return series[0]


def turns_of(path: Path, tif: Any, series: Any) -> Interleaved | None:
    """Return how ScanImage put planes, channels and frames in turn into the pages of a file, None for another file."""
    shape = series.get_shape(squeeze=False)
    if series.kind not in ("generic", "uniform") or len(series) != shape[0] or len(series) < 2:
        return None
    return interleaved(path, tif, len(series))


def series_axes(series: Any) -> str:
    """Return the letters of the axes, unsqueezed.

    Three planes that nobody described are called RGB by some writers (samples outside of y and x): they are a stack.
    """
    axes = str(series.get_axes(squeeze=False))
    return "ZYX" if axes == "SYX" and series.kind not in ("ome", "imagej", "lsm") else axes


def scifio_order(tif: Any, axes: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Return axes and lengths with all planes of a channel in a row, where SCIFIO says so; ImageJ has channels in turn."""
    stated = str((tif.imagej_metadata or {}).get("axes", "")).split(",") if tif.is_imagej else []
    if "ZC" not in axes or not {"Z", "Channel"} <= set(stated) or stated.index("Channel") < stated.index("Z"):
        return axes, shape
    k = axes.index("ZC")
    return axes.replace("ZC", "CZ"), (*shape[:k], shape[k + 1], shape[k], *shape[k + 2 :])


def pages_of(layout: Layout, series: Any) -> int | None:
    """Return the number of pages if each page is one plane (Y, X) or (Y, X, S) and they fill the series, else None."""
    inner = layout.axes.rstrip("S")
    samples = layout.length("S")
    if not inner.endswith("YX") or series.transform is not None or series.is_multifile:
        return None
    planes = int(np.prod(layout.shape)) // (layout.length("Y") * layout.length("X") * samples)
    plane = layout.length("Y") * layout.length("X") * samples
    fits = int(np.prod(series.keyframe.shape)) == plane and len(series) == planes
    return planes if fits and planes > 1 else None


def load_volume(path: Path, layout: Layout, volume: int) -> NDArray[Any]:
    """Decode one stack, (Z, Y, X); plane by plane where a file has several and the planes stand alone."""
    with hushed("tifffile"), opened(path) as tif:
        series = first_series(path, tif)
        if series.dataoffset is not None and series.keyframe.dtype == series.dtype and not series.is_multifile:
            order = tif.byteorder + series.dtype.newbyteorder("=").str[1:]
            whole = np.memmap(path, order, "r", series.dataoffset, layout.shape)
            return np.array(layout.take(whole, volume))
        planes = pages_of(layout, series)
        if planes is None or layout.volumes == 1:
            whole = series.asarray().reshape(layout.shape)
            return layout.take(whole, volume)
        samples, rows, columns = (layout.length(axis) for axis in "SYX")
        lengths = dict(zip(layout.axes, layout.shape, strict=True))
        picks = dict(zip(layout.axes, layout.index(volume), strict=True))
        outer = [axis for axis in layout.axes if axis not in "SYX"]  # a page holds all samples of its plane
        numbers = np.arange(planes).reshape([lengths[axis] for axis in outer])[tuple(picks[axis] for axis in outer)]
        apart = "SY" in layout.axes  # red, green and blue of a page one after the other (planar configuration)
        shape = (samples, rows, columns) if apart else (rows, columns, samples)
        result = np.empty(layout.zyx, series.dtype)
        for z, number in enumerate(numbers.ravel()):
            plane = series[int(number)].asarray().reshape(shape)
            result[z] = plane[volume % samples] if apart else plane[..., volume % samples]
        return result
