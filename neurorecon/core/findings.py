"""Oddities of an input: found before the work begins, reported once, recorded beside the result."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from neurorecon.core.errors import InputError

__all__ = ["LATER", "OWN_MAP", "SIZE_UNKNOWN", "Level", "StackFinding", "refuse_if_strict", "warnings_of"]

SIZE_UNKNOWN, OWN_MAP = "voxel-size-unknown", "probability"
LATER = (
    SIZE_UNKNOWN,
    OWN_MAP,
)  # names of what is no fault of a file: said where a length, or a grey stack, is asked for

Level = Literal["warning", "note"]


@dataclass(frozen=True, slots=True)
class StackFinding:
    """One oddity of an input. A fault that makes an input unusable is an `InputError` instead.

    Attributes:
        name: a word for programs, "missing-planes" say.
        level: a warning is refused with --strict; a note is only recorded.
        text: one sentence without a full stop.
        way_out: how to get rid of it, "" where nothing has to be done.
    """

    name: str
    level: Level
    text: str
    way_out: str = ""

    def __str__(self) -> str:
        """Return the sentence and the way out."""
        return f"{self.text}; {self.way_out}" if self.way_out else self.text

    def as_dict(self) -> dict[str, str]:
        """Return plain values, as OUT.json has them."""
        return asdict(self)


def warnings_of(findings: Iterable[StackFinding]) -> list[StackFinding]:
    """Return the findings that are more than notes."""
    return [finding for finding in findings if finding.level == "warning"]


def refuse_if_strict(source: str, findings: Iterable[StackFinding]) -> None:
    """Raise InputError if there is a warning among the findings of `source`: what --strict asks for."""
    warned = warnings_of(findings)
    if warned:
        more = f" (and {len(warned) - 1} more)" if len(warned) > 1 else ""
        raise InputError(
            f"{source}: is refused by --strict: {warned[0].text}{more}; leave --strict out to go on with it"
        )
