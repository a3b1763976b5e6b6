"""log.csv of a run: a line every few steps. A resumed run drops the lines that were written after its checkpoint."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.files import write_text

__all__ = ["Logbook", "read_log"]

Row = dict[str, str]


def read_log(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and the rows of a log; nothing of both where it is missing or empty.

    A last line that a kill cut off is left out.

    Raises:
        FormatError: if it has no column `step`, or a line holds something that is no number.
        InputError: if it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [], []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a log: {error}") from error
    lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    if not lines:
        return [], []
    columns = lines[0]
    if "step" not in columns:
        raise FormatError(f"{path}:1: the first line of a log names its columns, `step` among them; move the file away")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns) or not all(cell == "" or _is_number(cell) for cell in line):
            raise FormatError(f"{path}:{number}: is no line of a log: {','.join(line)!r}; take it out")
        rows.append(dict(zip(columns, line, strict=True)))
    return columns, rows


def _is_number(cell: str) -> bool:
    try:
        return not math.isnan(float(cell)) or cell == "nan"
    except ValueError:
        return False


class Logbook:
    """The log of a run, open for writing: a context manager."""

    def __init__(self, path: Path, columns: Sequence[str], *, step: int = 0) -> None:
        """Continue after the line of `step`, or begin a new log if `step` is 0.

        Columns that the log has and this run does not (an earlier version wrote it) are kept empty.

        Raises:
            FormatError: if `path` is there and no log.
            OutputError: if it cannot be written.
        """
        before, rows = read_log(path) if step else ([], [])
        self.columns = [*columns, *(name for name in before if name not in columns)]
        kept = [row for row in rows if float(row["step"] or 0) <= step]
        lines = [",".join(self.columns), *(self._line(row) for row in kept)]
        write_text(path, "\n".join(lines) + "\n", overwrite=True)
        self._handle = open(path, "a", encoding="utf-8", newline="")  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> "Logbook":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._handle.close()

    def write(self, row: Mapping[str, object]) -> None:
        """Append a row, at once on disk; columns that it lacks stay empty."""
        self._handle.write(self._line(row) + "\n")
        self._handle.flush()

    def _line(self, row: Mapping[str, object]) -> str:
        cells = (row.get(name) for name in self.columns)
        return ",".join("" if cell is None else str(cell) for cell in cells)
