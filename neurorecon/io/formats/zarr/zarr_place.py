"""The place of a zarr: a folder, a ZIP archive, or a server.

A place holds a read-only store of zarr and adds two queries: the images in a group, and the group above.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurorecon.core.address import Address
from neurorecon.io.sorting import natural_key

__all__ = ["MARKS", "Place", "is_zarr", "is_zip", "place_of"]

MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # how an archive begins, with members and without


@dataclass(frozen=True, slots=True)
class Place:
    """A group or an array of zarr.

    Attributes:
        path: for messages; a folder, an archive or an address.
        store: of zarr, with `has` and `children`.
        key: of the group or array in the store.
    """

    path: Path
    store: Any
    key: str = ""

    def node(self) -> Any:
        """Open the group or array; whatever zarr raises is for `decoding`."""
        import zarr

        return zarr.open(self.store, path=self.key, mode="r")

    @property
    def is_node(self) -> bool:
        """Tell whether there is a group or an array."""
        return any(self.store.has(f"{self.key}/{mark}".lstrip("/")) for mark in MARKS)

    @property
    def above(self) -> "Place | None":
        """The group that it lies in, None where there is none."""
        if self.path.is_file():
            return None
        above = self.path.absolute().parent
        found = _remote(above) if isinstance(above, Address) else place_of(above)
        return found if found is not None and found.is_node else None

    def inner(self, name: str) -> "Place":
        """Return the member of a name; in an archive it has no path of its own."""
        path = self.path if self.path.is_file() else self.path / name
        return Place(path, self.store, f"{self.key}/{name}".lstrip("/"))

    def images(self) -> list[str]:
        """Return the names of the numbered groups and arrays in it, as bioformats2raw numbers images."""
        names = [name for name in self.store.children(self.key) if name.isdigit() and self.inner(name).is_node]
        return sorted(names, key=natural_key)


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr group or array."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def _remote(address: Address) -> Place:
    from neurorecon.io.formats.zarr.zarr_remote import RemoteFiles

    return Place(address, RemoteFiles(address))


def is_zip(head: bytes) -> bool:
    """Tell a ZIP archive by the first bytes of a file."""
    return head[:4] in ZIP


def place_of(path: Path) -> Place | None:
    """Return the zarr at a path or an address, None if there is no sign of one.

    Raises:
        InputError: if an archive cannot be used, or a server does not answer.
        MissingExtraError: if it is an address, and the extra `remote` is not there.
    """
    if isinstance(path, Address):
        remote = _remote(path)
        remote.store.check_there()
        return remote
    if path.is_dir():
        from neurorecon.io.formats.zarr.zarr_bounds import PlainFiles

        return Place(path, PlainFiles(path)) if is_zarr(path) else None
    if path.is_file():
        with open(path, "rb") as file:
            if not is_zip(file.read(4)):
                return None
        from neurorecon.io.formats.zarr.zarr_zip import open_archive

        return open_archive(path)
    return None
