"""Web addresses where commands take paths."""

import re
from pathlib import Path, PurePath
from typing import Any

from neurorecon.core.errors import InputError

__all__ = ["Address", "path_or_address"]

HTTP = re.compile(r"(https?):/+(.+)", re.IGNORECASE)
LOGIN = re.compile(r"https?:/+[^/]*@", re.IGNORECASE)


class Address(type(Path())):  # type: ignore[misc]  # the class of paths of this system, which is known when it runs
    """An address such as http://HOST/NAME, with the methods of a path that the readers call.

    A `Path` would turn its two slashes into one, and look for it on this machine.
    """

    def __str__(self) -> str:
        """Return the address as it was written."""
        return re.sub(r"^(\w+):/+", r"\1://", self.as_posix())

    def as_posix(self) -> str:
        """Return the address with one slash for two, as paths have it."""
        return PurePath.__str__(self).replace("\\", "/")

    def absolute(self) -> "Address":
        """Return itself: an address depends on no folder."""
        return self

    def resolve(self, strict: bool = False) -> "Address":
        """Return itself: there are no links to follow."""
        return self


def path_or_address(given: Any) -> Path:
    """Return a path, as an Address if it is one of http or https.

    Raises:
        InputError: if it holds a password, which would stand in the record of the result, or a query.
    """
    text = str(given)
    if HTTP.fullmatch(text) is None or Path(given).exists():
        return Path(given)
    if LOGIN.match(text):
        raise InputError("an address with a name or a password in it is not read: it would stand in the record")
    if "?" in text or "#" in text:
        plain = re.split(r"[?#]", text)[0]
        raise InputError(f"{plain}: has a query (? or #) behind it; give the plain address of the image's folder")
    found: Path = Address(text)
    return found
