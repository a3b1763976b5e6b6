"""NIfTI 1 and 2 (.nii, .nii.gz), read by nibabel; voxel size from zooms and their unit."""

import gzip
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io.guard import decoding, hushed, plain_bytes
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout, axes_findings
from neurorecon.io.units import SHEARED, WAY_OUT, Scale, scale_from, slanted
from neurorecon.io.unpack import DEFLATE_AT_MOST

__all__ = ["is_nifti", "open_nifti"]

GZIP = b"\x1f\x8b"
# Facts of the format, or limits set by hand; not tuned.
DIFFERS = 0.01  # share by which pixdim and sform may differ by rounding
HEADER_BYTES = 540  # of NIfTI 2, the longer one


def is_nifti(head: bytes) -> bool:
    """Tell by the first bytes of a file, packed or not."""
    if head[:2] == GZIP:
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, HEADER_BYTES)
        except zlib.error:
            return False
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


@contextmanager
def image_of(path: Path) -> Iterator[Any]:
    """Open an image, whatever its suffix."""
    import nibabel

    with open(path, "rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        file: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        head = file.read(HEADER_BYTES)
        file.seek(0)
        kind = nibabel.Nifti2Image if head[4:8] == b"n+2\0" else nibabel.Nifti1Image
        with hushed("nibabel.global"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd extensions, which are not read
            yield kind.from_stream(file)


def open_nifti(path: Path) -> OpenedFile:
    """Read the header of a NIfTI.

    Raises:
        FormatError: if it is damaged, or shorter than it says.
        InputError: if it is a header without its data, 2D, a time series or in colour.
    """
    with decoding(path), open(path, "rb") as file:
        head = file.read(HEADER_BYTES)
    if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
        raise InputError(f"{path}: is a NIfTI header without its data; save it as one file, .nii")
    with decoding(path), image_of(path) as image:
        shape = tuple(int(n) for n in image.shape)
        dtype = np.dtype(image.get_data_dtype())
        scaled = (float(image.dataobj.slope), float(image.dataobj.inter)) != (1.0, 0.0)
        scale = scale_of(image.header, shape)
        offset = int(image.dataobj.offset)
    layout = Layout.parse("XYZTCUV"[: len(shape)], shape, str(path))
    if dtype.names is not None:
        raise InputError(f"{path}: is in colour; save the one channel that you want as grey")
    due = layout.voxels * layout.volumes * dtype.itemsize
    held = path.stat().st_size * (DEFLATE_AT_MOST if head[:2] == GZIP else 1)
    if held < offset + due:
        raise FormatError(f"{path}: is cut off: {plain_bytes(offset + due)} are due by its header; copy it again")

    def load(volume: int) -> NDArray[Any]:
        with decoding(path), image_of(path) as image:
            data = np.asarray(image.dataobj if scaled else image.dataobj.get_unscaled())
        return layout.take(data, volume)

    kind = np.dtype(np.float64) if scaled else dtype
    most = 2 * due + scaled * 8 * layout.voxels * layout.volumes
    return OpenedFile(path, layout, kind, load, scale, load_bytes=most, findings=axes_findings(layout))


def scale_of(header: Any, shape: tuple[int, ...]) -> Scale:
    """Return the voxel size of a header, unless its matrix (sform) states another one, or axes at no right angles."""
    zooms = [float(zoom) for zoom in header.get_zooms()[:3]]
    unit = header.get_xyzt_units()[0]
    if len(shape) < 3:
        return Scale()
    if int(header["sform_code"]) > 0:
        steps = np.asarray(header.get_sform(), np.float64)[:3, :3].T  # of x, y and z in space
        lengths = np.linalg.norm(steps, axis=1)
        if np.isfinite(lengths).all() and (lengths > 0).all():
            if slanted(steps.tolist()):
                return Scale(None, f"its matrix (sform) has no right angles between axes (a sheared stack); {SHEARED}")
            if not np.allclose(lengths, np.abs(zooms), rtol=DIFFERS):
                stated = ",".join(f"{length:g}" for length in lengths[::-1])
                told = ",".join(f"{zoom:g}" for zoom in zooms[::-1])
                return Scale(
                    None, f"its header says voxels of {told} (z,y,x) and its matrix (sform) {stated}; {WAY_OUT}"
                )
    return scale_from(zooms[::-1], unit)
