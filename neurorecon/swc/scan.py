"""Parse the lines of an SWC file into columns, with findings on faulty lines. Format: Cannon et al. 1998; INCF SWC+.

Only the form of a line is checked here. The reader raises on the first fault, the rules report all of them.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, one_line
from neurorecon.core.files import check_address, check_regular
from neurorecon.core.tree import Unit
from neurorecon.swc.frame import Frame, column_names, frame_of
from neurorecon.swc.other_kinds import foreign_kind

__all__ = ["UNITS", "Finding", "Rows", "read_bytes", "scan", "scan_bytes"]

COLUMNS = ("id", "type", "x", "y", "z", "radius", "parent")
# Facts of the format and of floats, or limits set by hand; not tuned.
WHOLE = (0, 1, 6)  # columns that hold whole numbers
EXACT_TO = 2**53  # above it a float no longer names every whole number
LARGEST = 3.4e38  # of a coordinate or a radius: what a float of 32 bits holds, as MorphIO has them
LINE_END = re.compile(r"\r\n|\n|\r")  # not str.splitlines: it also splits at form feeds, and line numbers would drift
BINARY, FEW_ZEROS = 1024, 4  # bytes at the start that tell text from anything else, and zeros among them: text has none
DOS_END = b"\x1a"  # with which old programs of DOS and Windows end a text
GZIP = b"\x1f\x8b"
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
FIELD = re.compile(r"[^\s,;]+")
UNITS = re.compile(r"\s*units?\s*[:=]\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at one line (from 1) of a file; `str()` gives `path:line: what` as one line."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        """Return `path:line: what`, control characters escaped."""
        return one_line(f"{self.path}:{self.line}: {self.what}")


@dataclass(frozen=True, slots=True)
class Rows:
    """The nodes of a file as they stand there, N well-formed lines in file order.

    Attributes:
        path: the file, for messages.
        line: (N,) line numbers, from 1.
        id, type, parent_id: (N,) int64.
        xyz: (N, 3) float64, finite.
        radius: (N,) float64 as found: 0, negative and NaN included.
        frame: unit and offset that the header states; the numbers here are those of the file.
        comments: header lines before the first node, without "#".
        later_comments: number of comments at or below the first node.
        faults: lines that no reader can use. Their ids, where readable, are in `lost_ids`.
        foreign: the file is of another kind, which the one fault names; nothing in it can be repaired.
        oddities: lines that this reader understands and others refuse.
        encoding: the text encoding that was used.
        end: "open" where the last line is a node without a line break behind it, "fewer" if it has fewer columns than the line
            before as well, else "".
    """

    path: str
    line: NDArray[np.int64]
    id: NDArray[np.int64]
    type: NDArray[np.int64]
    xyz: NDArray[np.float64]
    radius: NDArray[np.float64]
    parent_id: NDArray[np.int64]
    frame: Frame = field(default_factory=Frame)
    comments: tuple[str, ...] = ()
    later_comments: int = 0
    faults: tuple[Finding, ...] = ()
    foreign: bool = False
    lost_ids: frozenset[int] = frozenset()
    oddities: tuple[Finding, ...] = ()
    encoding: str = "utf-8"
    end: Literal["", "open", "fewer"] = ""

    @property
    def unit(self) -> Unit | None:
        """The unit that the numbers stand in as they are, None where the header is silent or states another."""
        return self.frame.unit if self.frame.plain else None

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.id)


@dataclass(slots=True)
class _Collected:
    """The columns and findings of the lines read so far."""

    path: str
    lines: list[int] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    later_comments: int = 0
    faults: list[Finding] = field(default_factory=list)
    lost_ids: set[int] = field(default_factory=set)
    oddities: list[Finding] = field(default_factory=list)

    def odd(self, line: int, what: str) -> None:
        """Note a harmless oddity."""
        self.oddities.append(Finding(self.path, line, what))


def scan(path: str | Path) -> Rows:
    """Read the lines of an SWC file.

    Raises:
        InputError: if there is no such file, or the system refuses the reading.
    """
    return scan_bytes(read_bytes(path), str(path))


def read_bytes(path: str | Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: if there is no such file, or the system refuses the reading.
    """
    check_regular(Path(path))
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        check_address(path)
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory; give an SWC file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def scan_bytes(raw: bytes, path: str) -> Rows:
    """Read the lines of an SWC file from its bytes; `path` opens every finding."""
    found = _Collected(path)
    text, encoding = _decode(raw.removesuffix(DOS_END), found)
    binary = encoding != "utf-16" and raw[:BINARY].count(b"\0") >= FEW_ZEROS
    kind = _packed(raw) or ("is binary, no text; give an SWC file" if binary else foreign_kind(text))
    if kind:
        found.oddities.clear()
        found.faults.append(Finding(path, 1, f"the file {kind}"))
        text = ""
    lines = LINE_END.split(text)
    for number, line in enumerate(lines, start=1):
        _take_line(line, number, found)
    end = _end(lines, found)
    table = np.array(found.values, dtype=np.float64).reshape(-1, len(COLUMNS))
    return Rows(
        path=found.path,
        line=np.array(found.lines, dtype=np.int64),
        id=table[:, 0].astype(np.int64),
        type=table[:, 1].astype(np.int64),
        xyz=np.ascontiguousarray(table[:, 2:5]),
        radius=np.ascontiguousarray(table[:, 5]),
        parent_id=table[:, 6].astype(np.int64),
        frame=frame_of(found.comments),
        comments=tuple(found.comments),
        later_comments=found.later_comments,
        faults=tuple(found.faults),
        foreign=bool(kind),
        lost_ids=frozenset(found.lost_ids),
        oddities=tuple(found.oddities),
        encoding=encoding,
        end=end,
    )


def _end(lines: list[str], found: _Collected) -> Literal["", "open", "fewer"]:
    """Return how the last line ends (see `Rows.end`); of one that is no node, without a line break, the fault says so."""
    last = lines[-1].partition("#")[0]
    if not last or "#" in lines[-1]:
        return ""
    if found.faults and found.faults[-1].line == len(lines):
        fault = found.faults[-1]
        found.faults[-1] = Finding(
            fault.path, fault.line, f"{fault.what}; the file ends within this line: copy it again"
        )
        return ""
    if last[-1].isspace():  # the number before it is whole
        return ""
    counts = [len(FIELD.findall(line.partition("#")[0])) for line in lines[-2:]]
    return "fewer" if len(counts) == 2 and counts[1] < counts[0] else "open"


def _packed(raw: bytes) -> str:
    """Return a message if a file is packed by gzip, as the traces of SNT are, else ""."""
    return "is packed by gzip (traces of SNT?); unpack it, or export it as SWC from SNT" if raw[:2] == GZIP else ""


def _decode(raw: bytes, found: _Collected) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding; anything but plain UTF-8 is noted."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        found.odd(1, "the text is UTF-16, which most readers refuse; save it as UTF-8")
        return raw.decode("utf-16", errors="replace"), "utf-16"
    if raw.startswith(b"\xef\xbb\xbf"):
        found.odd(1, "the file opens with a byte order mark, which other readers refuse")
        raw = raw[3:]
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        number = len(LINE_END.split(raw[: error.start].decode("latin-1")))
        found.odd(number, f"byte 0x{raw[error.start]:02x} is not UTF-8; read as Latin-1")
        return raw.decode("latin-1"), "latin-1"


def _take_line(line: str, number: int, found: _Collected) -> None:
    """Add one line to what was found."""
    body, mark, comment = line.partition("#")
    if mark:
        if not body.strip() and not found.lines:
            found.comments.append(comment.strip())
        else:
            found.later_comments += 1
    if not body.strip() or _is_head(body, number, found):
        return
    if "," in body or ";" in body:
        body = _spaced(body, number, found)
    fields = body.split()
    plain = _plain(fields) if body.isascii() and "_" not in body else None
    if plain is not None:
        found.lines.append(number)
        found.values.append(plain)
        return
    what = _fault(fields)
    if what:
        found.faults.append(Finding(found.path, number, what))
        node = _number(fields[0]) if fields else math.nan
        if math.isfinite(node):
            found.lost_ids.add(int(node))
        return
    if len(fields) > len(COLUMNS):
        found.odd(number, f"{len(fields)} columns where 7 are due; the last {len(fields) - 7} are not read")
    if any(not fields[column].lstrip("+-").isdigit() for column in WHOLE):
        found.odd(number, "id, type or parent is written with a decimal point, which other readers refuse")
    found.lines.append(number)
    found.values.append([_number(text) for text in fields[:7]])


def _is_head(body: str, number: int, found: _Collected) -> bool:
    """Take a line above the first node that names the columns as a comment, and tell so."""
    if found.lines or not column_names(body):
        return False
    found.comments.append(body.strip())
    found.odd(number, "the names of the columns stand in a line without #, which other readers refuse")
    return True


def _spaced(body: str, number: int, found: _Collected) -> str:
    """Return a line with spaces between its columns and points in its numbers: of columns parted by spaces "10,5" is one."""
    parts = body.split(";" if ";" in body else None)
    if len(parts) >= len(COLUMNS) and any(DECIMAL_COMMA.fullmatch(part.strip()) for part in parts):
        found.odd(number, "its numbers have decimal commas, which other readers refuse; points are due")
        return " ".join(parts).replace(",", ".")
    sign = "semicolons" if ";" in body else "commas"
    found.odd(number, f"the columns are parted by {sign}, which other readers refuse; spaces are due")
    return body.replace(",", " ").replace(";", " ")


def _plain(fields: list[str]) -> list[float] | None:
    """Return the values of a faultless line, None for any other: most lines need no closer look (3x faster)."""
    try:
        node, kind, x, y, z, radius, parent = fields
        values = [int(node), int(kind), float(x), float(y), float(z), float(radius), int(parent)]
    except ValueError:
        return None
    usual = 0 <= values[0] < EXACT_TO and abs(values[1]) + abs(values[6]) < EXACT_TO
    return values if usual and sum(map(abs, values[2:6])) < LARGEST else None


def _fault(fields: list[str]) -> str:
    """Return the fault of the fields of a node, "" if there is none."""
    if len(fields) < len(COLUMNS):
        return f"{len(fields)} columns where 7 are due (id type x y z radius parent)"
    for column, (name, text) in enumerate(zip(COLUMNS, fields, strict=False)):
        value = _number(text)
        if value == math.inf or value == -math.inf or (value != value and not _is_nan(text)):
            return f"{name} is {_shown(text)}; a finite number is due"
        if column in WHOLE and not (value == int(value) if value == value else False):
            return f"{name} is {_shown(text)}; a whole number is due"
        if column in WHOLE and abs(value) > EXACT_TO:
            return f"{name} is {_shown(text)}, larger than any reader takes"
        if name in ("x", "y", "z") and value != value:
            return f"{name} is {_shown(text)}; a finite number is due"
        if abs(value) > LARGEST:
            return f"{name} is {_shown(text)}, larger than any reader takes"
    if _number(fields[0]) < 0:
        return f"id is {fields[0]:.40}; 0 or more is due"
    return ""


def _shown(text: str) -> str:
    """Return a field as a message shows it: no longer than a number is."""
    return repr(text) if len(text) <= 40 else f"{text[:30]!r}..."


def _is_nan(text: str) -> bool:
    return text.lstrip("+-").lower() == "nan"


def _number(text: str) -> float:
    """Return the number that a field holds, else NaN; Python alone would take 1_0 and non-Latin digits."""
    if not text.isascii() or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan
