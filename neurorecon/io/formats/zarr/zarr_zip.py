"""An OME-Zarr in a ZIP archive (.ome.zarr.zip, .ozx), read where it is: at the root of the archive, or in a folder in it.

After NGFF RFC-9, https://ngff.openmicroscopy.org/rfc/9, which asks for members that are stored as they are; packed ones are
read as well. Nothing is unpacked to the disk.
"""

import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from zarr.storage import ZipStore

from neurorecon.core.errors import FormatError, InputError
from neurorecon.io.advice import advice_for
from neurorecon.io.formats.zarr.zarr_place import MARKS, Place
from neurorecon.io.guard import check_memory, decoding

__all__ = ["ZipFiles", "open_archive"]

SUFFIXES = (".zarr.zip", ".ozx")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)  # that Python unpacks
# Facts of the format, or limits set by hand; not tuned.
ENCRYPTED = (
    1  # bit of the flags of a member; APPNOTE 4.4.4, https://pkware.cachefly.net/webdocs/APPNOTE/APPNOTE-6.3.9.TXT
)
CHECKED_BYTES = 1 << 26  # a member that unpacks to more is held against the free memory


class ZipFiles(ZipStore):
    """The members of an archive, read only; none that unpacks to more than the memory holds."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, mode="r")
        self._sync_open()
        self.members = {info.filename: info for info in self._zf.infolist()}

    def has(self, key: str) -> bool:
        """Tell whether there is a member."""
        return key in self.members

    def children(self, key: str) -> list[str]:
        """Return the names of what lies in a folder of the archive."""
        start = f"{key}/".lstrip("/")
        return list({name.removeprefix(start).split("/")[0] for name in self.members if name.startswith(start)})

    async def list(self) -> AsyncIterator[str]:
        """Give the names of the members, each once: writers that cannot replace a member add it again."""
        for name in self.members:
            yield name

    def _get(self, key: str, *given: Any, **named: Any) -> Any:
        member = self.members.get(key)
        if member is not None and member.file_size > CHECKED_BYTES:
            check_memory(self.path, member.file_size)
        return super()._get(key, *given, **named)


def open_archive(path: Path) -> Place:
    """Return the zarr in an archive: the one that lies highest in it.

    Raises:
        FormatError: if the archive is damaged.
        InputError: if it is encrypted, packed in a way that Python does not know, or holds no zarr, or several.
    """
    store = _opened(path)
    folders = {name.rpartition("/")[0] for name in store.members if name.rpartition("/")[2] in MARKS}
    least = min((folder.count("/") + bool(folder) for folder in folders), default=0)
    highest = sorted(folder for folder in folders if folder.count("/") + bool(folder) == least)
    if not highest:
        raise _without_zarr(path, store)
    if len(highest) > 1:
        listed = ", ".join(highest[:5])
        raise InputError(f"{path}: holds {len(highest)} images ({listed}); unpack it, and give one of them")
    _check_members(path, store)
    return Place(path, store, highest[0])


def _opened(path: Path) -> ZipFiles:
    """Open an archive."""
    try:
        with decoding(path):
            return ZipFiles(path)
    except FormatError as error:
        if not path.name.lower().endswith((*SUFFIXES, ".zip")) and (advice := advice_for(path)) is not None:
            raise InputError(f"{path}: {advice}") from error
        reason = str(error.__cause__)
        way_out = "copy it again, or unpack it by a program that mends archives, and give what is in it"
        raise FormatError(f"{path}: is a damaged or incomplete ZIP archive ({reason:.100}); {way_out}") from error


def _without_zarr(path: Path, store: ZipFiles) -> InputError:
    """Return the error of an archive without a zarr in it."""
    advice = None if path.name.lower().endswith(SUFFIXES) else advice_for(path)
    if advice is not None:
        return InputError(f"{path}: {advice}")
    what = "holds no zarr metadata" if store.members else "is empty"
    return FormatError(f"{path}: {what}; pack the image anew, its zarr.json or .zattrs at the root of the archive")


def _check_members(path: Path, store: ZipFiles) -> None:
    """Raise InputError unless all members can be unpacked."""
    for member in store.members.values():
        if member.flag_bits & ENCRYPTED:
            raise InputError(f"{path}: is encrypted; unpack it with its password, and give the folder in it")
        if member.compress_type not in METHODS:
            what = f"is packed by method {member.compress_type} of ZIP, which is not read"
            raise InputError(f"{path}: {what}; unpack it, and give the folder in it")
