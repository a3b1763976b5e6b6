"""OUT.verdicts.json: what a person decided on places of one tree; checked once, when it is read.

    {"format": "neurorecon-verdicts", "version": 1, "tree": {"file": "cell.swc", "sha256": "..."}, "made": "...", "by": "...",
     "verdicts": [{"at": "...", "do": "drop", "node": 12, "from": 5, "to": 18, "kind": null, "note": ""}, ...]}

Numbers of nodes are ids of the SWC file that `sha256` names, whatever the verdicts before have changed.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurorecon.core.errors import InputError
from neurorecon.core.files import check_regular
from neurorecon.swc.writer import LARGEST_TYPE

__all__ = ["DEEDS", "FORMAT", "VERSION", "Verdict", "Verdicts", "format_verdicts", "read_verdicts"]

# Facts of JSON, or by convention.
FORMAT, VERSION = "neurorecon-verdicts", 1  # raised when a key changes its meaning
LARGEST_ID = 2**53  # what a number of a JSON file holds exactly

# What can be done, and the keys that each needs besides `node`.
DEEDS: Mapping[str, tuple[str, ...]] = {
    "keep": ("from", "to"),
    "drop": ("from", "to"),
    "detach": (),
    "join": ("to",),
    "root": (),
    "kind": ("kind",),
    "extend": ("point",),
    "refuse": ("point",),
}
KEYS = ("at", "do", "node", "from", "to", "kind", "note", "point")
FILE_KEYS = ("format", "version", "tree", "made", "by", "verdicts")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision.

    Attributes:
        number: its place in the file, from 1.
        do: one of DEEDS.
        node: id of the node that was looked at.
        top: id of the upper end of the stretch ("from"), None where there is none.
        to: id of its lower end, or of the node to join with.
        kind: SWC node type.
        at: when, as the file says.
        note: free text.
        point: xyz in the unit of the tree, where a way on leads.

    Raises:
        InputError: names the key that is missing or wrong.
    """

    number: int
    do: str
    node: int
    top: int | None = None
    to: int | None = None
    kind: int | None = None
    at: str = ""
    note: str = ""
    point: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check once."""
        if self.do not in DEEDS:
            raise InputError(f'"do" is {self.do!r:.60}; one of {", ".join(DEEDS)} is needed')
        for key, value in (("node", self.node), ("from", self.top), ("to", self.to)):
            if value is not None and not 0 <= value <= LARGEST_ID:
                raise InputError(f'"{key}" is {value}; the id of a node is needed')
        if self.kind is not None and not 0 <= self.kind <= LARGEST_TYPE:
            raise InputError(f'"kind" is {self.kind}; an SWC type from 0 to {LARGEST_TYPE} is needed')
        given = {"from": self.top, "to": self.to, "kind": self.kind, "point": self.point}
        if missing := [key for key in DEEDS[self.do] if given[key] is None]:
            raise InputError(f'"{self.do}" needs "{missing[0]}"')

    @property
    def place(self) -> tuple[Any, ...] | None:
        """The stretch or the way on that it is about, of which the last verdict counts; None of any other."""
        if self.do in ("keep", "drop"):
            return self.top, self.to
        return ("way", self.node, self.point) if self.do in ("extend", "refuse") else None

    @property
    def label(self) -> str:
        """How a message names it: "verdict 3 (drop)"."""
        return f"verdict {self.number} ({self.do})"

    def as_dict(self) -> dict[str, Any]:
        """Return it by the keys of the file; `point` only where there is one."""
        values = (self.at, self.do, self.node, self.top, self.to, self.kind, self.note)
        table: dict[str, Any] = dict(zip(KEYS, values, strict=False))
        if self.point is not None:
            table["point"] = [int(value) if value == int(value) else value for value in self.point]
        return table


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A file of verdicts.

    Attributes:
        path: the file.
        sha256: of its bytes.
        tree_file: name of the SWC file that they are about.
        tree_sha256: of its bytes.
        by: who decided, may be empty.
        made: when the file was made, as it says.
        verdicts: in the order in which they were given.
    """

    path: Path
    sha256: str
    tree_file: str
    tree_sha256: str
    by: str
    made: str
    verdicts: tuple[Verdict, ...]


def format_verdicts(
    verdicts: Sequence[Verdict], *, tree_file: str, tree_sha256: str, by: str = "", made: str = ""
) -> str:
    """Return the text of a file of verdicts."""
    table = {
        "format": FORMAT, "version": VERSION, "tree": {"file": tree_file, "sha256": tree_sha256}, "made": made, "by": by,
        "verdicts": [verdict.as_dict() for verdict in verdicts],
    }  # fmt: skip
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def read_verdicts(path: Path) -> Verdicts:
    """Read a file of verdicts.

    Raises:
        InputError: `path: what`, with the number of the verdict, if it cannot be read or holds anything else.
    """
    check_regular(path)
    try:
        raw = path.read_bytes()
        table = json.loads(raw.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; the page of a reconstruction saves its verdicts as OUT.verdicts.json"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON, or damaged: {error}"[:300]) from error
    if not isinstance(table, Mapping) or table.get("format") != FORMAT:
        raise InputError(f"{path}: is no file of verdicts; its format is {FORMAT!r}")
    if table.get("version") != VERSION:
        raise InputError(f"{path}: has version {table.get('version')!r:.20}; this neurorecon reads version {VERSION}")
    where = str(path)
    _known(table, FILE_KEYS, where)
    tree, listed = table.get("tree"), table.get("verdicts")
    if not isinstance(tree, Mapping) or not isinstance(listed, list):
        raise InputError(f'{path}: needs a table "tree" and a list "verdicts"')
    return Verdicts(
        path,
        hashlib.sha256(raw).hexdigest(),
        tree_file=_text(tree, "file", f"{where}: tree"),
        tree_sha256=_text(tree, "sha256", f"{where}: tree"),
        by=_text(table, "by", where),
        made=_text(table, "made", where),
        verdicts=tuple(_verdict(one, number, where) for number, one in enumerate(listed, start=1)),
    )


def _verdict(table: Any, number: int, where: str) -> Verdict:
    """Return one entry of the list."""
    place = f"{where}: verdict {number}"
    if not isinstance(table, Mapping):
        raise InputError(f"{place}: is no table; keys are {', '.join(KEYS)}")
    _known(table, KEYS, place)
    node = _whole(table, "node", place)
    if node is None:
        raise InputError(f'{place}: "node" is missing: the id of the node that was looked at')
    top, to, kind = (_whole(table, key, place) for key in ("from", "to", "kind"))
    do, at, note = (_text(table, key, place) for key in ("do", "at", "note"))
    point = _point(table, place)
    try:
        return Verdict(number, do, node=node, top=top, to=to, kind=kind, at=at, note=note, point=point)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _known(table: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Raise InputError for a key that is none."""
    if unknown := [key for key in table if key not in keys]:
        raise InputError(f"{where}: unknown key {unknown[0]!r:.60}; keys are {', '.join(keys)}")


def _whole(table: Mapping[str, Any], key: str, where: str) -> int | None:
    """Return a whole number, None where there is none."""
    value = table.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InputError(f'{where}: "{key}" is {value!r:.60}; a whole number or null is needed')
    return value


def _point(table: Mapping[str, Any], where: str) -> tuple[float, float, float] | None:
    """Return the place of a way on, None where there is none."""
    value = table.get("point")
    if value is None:
        return None
    given = value if isinstance(value, list) else []
    numbers = [one for one in given if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != 3 or len(given) != 3 or not all(abs(one) < math.inf for one in numbers):
        raise InputError(f'{where}: "point" is {value!r:.60}; three numbers [x, y, z] are needed')
    x, y, z = map(float, numbers)
    return x, y, z


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    """Return a text, "" where there is none."""
    value = table.get(key, "")
    if not isinstance(value, str):
        raise InputError(f'{where}: "{key}" is {value!r:.60}; a text is needed')
    return value
