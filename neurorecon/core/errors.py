"""Every error that neurorecon raises on purpose, and the exit code each one gives.

    NeuroreconError                    1
      InputError                       2   a file, an option or a value that cannot be used
        FormatError                    2   a file that is not what it claims to be
        SettingsError                  2   an unknown or impossible setting
        ModelError                     2   an unknown model, or weights with a wrong checksum
        DeviceMemoryError              2   a device without the memory that its work needs
      OutputError                      2   the output exists or cannot be written
      MissingExtraError                2   an optional package is needed, the message names the extra
      NoNeuronError                    3   the stack holds no neuron; nothing is written

A message states the fault, the place and the way out, in one line. Anything else that escapes is a bug and keeps its traceback.
"""

from typing import Any, ClassVar, TypeVar

__all__ = [
    "DeviceMemoryError",
    "FormatError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "NeuroreconError",
    "NoNeuronError",
    "OutputError",
    "SettingsError",
    "expected",
    "one_line",
]

T = TypeVar("T")


def one_line(text: str) -> str:
    """Return `text` with line breaks and other control characters escaped, so that a message stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class NeuroreconError(Exception):
    """Root of all errors that are meant for the user; `str(error)` is one line."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """Return the message as one printable line, whatever a file name in it holds."""
        return one_line(super().__str__())


class InputError(NeuroreconError):
    """A file, an option or a value that cannot be used."""

    exit_code = 2


class FormatError(InputError):
    """A file that is damaged, or not what its name or header claims."""


class SettingsError(InputError):
    """A setting that is unknown, of the wrong type or out of range."""


class ModelError(InputError):
    """A model that is unknown, incomplete or fails its checksum."""


class DeviceMemoryError(InputError):
    """The free memory of a device is too small for the computation."""


class OutputError(NeuroreconError):
    """The output exists already, or its folder is missing or not writable."""

    exit_code = 2


class MissingExtraError(NeuroreconError):
    """A package of an optional extra is not installed; the message names the extra."""

    exit_code = 2


class NoNeuronError(NeuroreconError):
    """Nothing in the stack can be traced: an outcome, not a failure of the program."""

    exit_code = 3


def expected(given: Any, kind: type[T], call: str, way_out: str = "") -> T:
    """Return an argument of the right type.

    Raises:
        InputError: if it is of another one; `call` opens the message, "write_swc takes a Tree and a path" say.
    """
    if not isinstance(given, kind):
        own = "give result.tree" if hasattr(given, "tree") and kind.__name__ == "Tree" else way_out
        raise InputError(f"{call}, not {type(given).__name__}{f'; {own}' if own else ''}")
    return given
