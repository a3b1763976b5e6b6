"""CZI (Zeiss), ND2 (Nikon) and LIF (Leica), read by bioio and its readers: the extra `formats`."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError, MissingExtraError
from neurorecon.io.guard import decoding
from neurorecon.io.header import OpenedFile
from neurorecon.io.layout import Layout
from neurorecon.io.units import Scale, scale_from

__all__ = ["is_czi", "is_lif", "is_nd2", "open_czi", "open_lif", "open_nd2"]


def is_czi(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:10] == b"ZISRAWFILE"


def is_nd2(head: bytes) -> bool:
    """Tell by the first bytes of a file (those of the JPEG 2000 kind are older than 2009)."""
    return head[:4] == b"\xda\xce\xbe\x0a" or head[4:12] == b"jP  \r\n\x87\n"


def is_lif(head: bytes) -> bool:
    """Tell by the first bytes of a file."""
    return head[:4] == b"\x70\x00\x00\x00" and head[8:9] == b"\x2a"


def open_czi(path: Path) -> OpenedFile:
    """Read the metadata of a CZI; errors as `open_by_bioio`."""
    return open_by_bioio(path, "bioio_czi")


def open_nd2(path: Path) -> OpenedFile:
    """Read the metadata of an ND2; errors as `open_by_bioio`."""
    return open_by_bioio(path, "bioio_nd2")


def open_lif(path: Path) -> OpenedFile:
    """Read the metadata of a LIF; errors as `open_by_bioio`."""
    return open_by_bioio(path, "bioio_lif")


def open_by_bioio(path: Path, package: str) -> OpenedFile:
    """Read the metadata of a file by a reader of bioio.

    Raises:
        MissingExtraError: if bioio or the reader is not installed.
        FormatError: if the file is damaged.
        InputError: if it holds several images, or is 2D.
    """
    reader = reader_of(path, package)
    with decoding(path):
        image = reader(path)
        scenes = [str(scene) for scene in image.scenes]
        axes, shape, dtype = str(image.dims.order), tuple(int(n) for n in image.shape), np.dtype(image.dtype)
    if len(scenes) > 1:
        listed = ", ".join(scenes[:5])
        raise InputError(f"{path}: holds {len(scenes)} images ({listed}); save the one that you want as OME-TIFF")
    layout = Layout.parse(axes, shape, str(path))
    sizes, names = told(path, image, "physical_pixel_sizes"), told(path, image, "channel_names")
    scale = Scale() if sizes is None else scale_from([sizes.Z, sizes.Y, sizes.X], "um")  # bioio gives micrometres

    def load(volume: int) -> NDArray[Any]:
        picks = {axis: at for axis, at in zip(axes, layout.index(volume), strict=True) if axis not in "ZYX"}
        try:
            with decoding(path):
                return np.asarray(reader(path).get_image_dask_data("ZYX", **picks))
        except FormatError as error:
            if sizes is not None:
                raise
            way_out = "save it as OME-TIFF (ZEN, or Fiji with Bio-Formats)"
            raise InputError(
                f"{path}: states no voxel size, without which its reader gives no voxels; {way_out}"
            ) from error

    return OpenedFile(path, layout, dtype=dtype, load=load, scale=scale, names=tuple(map(str, names or ())))


def reader_of(path: Path, package: str) -> Any:
    """Return the class of the reader.

    Raises:
        MissingExtraError: names the extra.
    """
    try:
        return importlib.import_module(package).Reader
    except ImportError as error:
        way_out = 'pip install "neurorecon[formats]"'
        raise MissingExtraError(f"{path}: needs {package.replace('_', '-')} of the extra formats: {way_out}") from error


def told(path: Path, image: Any, what: str) -> Any:
    """Return what a reader says of a file; None where it finds nothing, and raises: the voxels may be sound for all that."""
    try:
        with decoding(path):
            return getattr(image, what)
    except FormatError:
        return None
