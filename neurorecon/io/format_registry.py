"""Which format a path is: by content first, then by suffix."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neurorecon.core.address import Address
from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.files import check_address
from neurorecon.io.advice import KINDS, advice_for
from neurorecon.io.formats.extra_formats import is_czi, is_lif, is_nd2, open_czi, open_lif, open_nd2
from neurorecon.io.formats.imaris import is_hdf5, open_ims
from neurorecon.io.formats.nifti import is_nifti, open_nifti
from neurorecon.io.formats.npy import is_npy, open_npy
from neurorecon.io.formats.nrrd_format import is_nrrd, open_nrrd
from neurorecon.io.formats.tiff.plane_folder import open_planes
from neurorecon.io.formats.tiff.tiff import is_tiff, open_tiff
from neurorecon.io.formats.vaa3d import is_v3dpbd, is_v3draw, open_v3dpbd, open_v3draw
from neurorecon.io.formats.zarr.ome_zarr import open_zarr
from neurorecon.io.formats.zarr.zarr_place import is_zarr, is_zip
from neurorecon.io.header import OpenedFile

__all__ = ["FORMATS", "SUFFIXES", "Format", "is_zarr", "known_suffix", "open_file", "recognise"]

# Set by hand; not tuned, unless a line says more.
HEAD_BYTES = 1024  # of a file by which its format is told; NIfTI has the longest header, 540


@dataclass(frozen=True, slots=True)
class Format:
    """One file format.

    Attributes:
        name: as people call it.
        suffixes: lower case, with the dot.
        is_it: recognises the format by the first bytes of a file.
        open: reads the header.
    """

    name: str
    suffixes: tuple[str, ...]
    is_it: Callable[[bytes], bool]
    open: Callable[[Path], OpenedFile]


FORMATS: tuple[Format, ...] = (
    Format("TIFF", (".tif", ".tiff", ".lsm", ".btf", ".tf8"), is_tiff, open_tiff),
    Format("Vaa3D raw", (".v3draw", ".vaa3draw"), is_v3draw, open_v3draw),
    Format("Vaa3D PBD", (".v3dpbd", ".vaa3dpbd"), is_v3dpbd, open_v3dpbd),
    Format("Imaris", (".ims",), is_hdf5, open_ims),
    Format("NRRD", (".nrrd", ".nhdr"), is_nrrd, open_nrrd),
    Format("NIfTI", (".nii", ".nii.gz"), is_nifti, open_nifti),
    Format("NumPy", (".npy",), is_npy, open_npy),
    Format("Zeiss CZI", (".czi",), is_czi, open_czi),
    Format("Nikon ND2", (".nd2",), is_nd2, open_nd2),
    Format("Leica LIF", (".lif",), is_lif, open_lif),
    Format("zipped OME-Zarr", (".zarr.zip", ".ozx"), is_zip, open_zarr),
)

SUFFIXES: tuple[str, ...] = tuple(suffix for format_ in FORMATS for suffix in format_.suffixes) + (".zarr",)


def known_suffix(path: Path) -> str | None:
    """Return the known suffix that a name ends with, the longest first; None where there is none."""
    name = path.name.lower()
    fitting = [suffix for suffix in SUFFIXES if name.endswith(suffix)]
    return max(fitting, key=len) if fitting else None


def recognise(path: Path) -> Format | None:
    """Return the format that the first bytes of a file show.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return next((format_ for format_ in FORMATS if format_.is_it(head)), None)


def open_file(path: Path) -> OpenedFile:
    """Read the header of a file or folder, whatever its format.

    Raises:
        InputError: if there is nothing, or nothing that neurorecon knows.
        FormatError: if it is not what its name says.
    """
    if isinstance(path, Address):
        return open_address(path)
    if path.is_dir():
        return open_folder(path)
    if not path.exists():
        check_address(path)
        if path.is_symlink():
            raise InputError(
                f"{path}: is a link to {os.readlink(path)}, where nothing is; correct the link, or mount the disk"
            )
        raise InputError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: is not a regular file; give a file or a folder")
    found = recognise(path)
    if found is not None:
        return found.open(path)
    suffix = known_suffix(path)
    if path.stat().st_size == 0:
        raise FormatError(f"{path}: is empty (0 bytes)")
    if (advice := advice_for(path)) is not None:
        raise InputError(f"{path}: {advice}")
    if suffix is None:
        raise InputError(f"{path}: is in no format that neurorecon knows; it reads {', '.join(SUFFIXES)}")
    raise FormatError(f"{path}: is no {suffix} file, its first bytes say so; export it again")


def open_address(address: Address) -> OpenedFile:
    """Read the metadata of an OME-Zarr on a server of the net; nothing else is read from there."""
    if known_suffix(address) not in (None, ".zarr") or (address.suffix and address.name.lower().endswith(tuple(KINDS))):
        check_address(address)
    return open_zarr(address)


def open_folder(path: Path) -> OpenedFile:
    """Read the header of a folder: an OME-Zarr, or single-plane TIFFs."""
    if is_zarr(path):
        return open_zarr(path)
    if path.suffix.lower() == ".zarr":
        raise FormatError(f"{path}: is damaged or incomplete: it holds no zarr metadata; copy it again")
    return open_planes(path)
