"""summary.csv: one line a stack, sorted by input; only the last two columns may differ from run to run."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurorecon.core.errors import one_line
from neurorecon.core.files import write_text

__all__ = ["COLUMNS", "METRICS", "Row", "as_cell", "as_path", "cells", "write_csv"]

METRICS = ("trees", "nodes", "cable_length", "unit", "tips", "branch_points", "strahler", "tortuosity")
SIZES = ("path_length", "sholl_maximum", "sholl_radius", "extent", "soma_radius")
KINDS = (
    "axon",
    "dendrite",
    "apical",
)  # of neurites: cable, branches and probability of each, where --kinds labelled them
OF_KIND = tuple(f"{kind}_{what}" for kind in KINDS for what in ("length", "branches", "probability"))
QUALITY = ("confidence", "predicted_f1", "findings", "bridges")
PATHS = ("input", "output")
COLUMNS = (*PATHS, "status", "reason", *METRICS, *SIZES, *OF_KIND, *QUALITY, "warnings", "seconds", "peak_mb")

RISKY = ("=", "+", "-", "@")  # a spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection)


@dataclass(frozen=True, slots=True)
class Row:
    """The row of one stack.

    Attributes:
        input: path below the folder of inputs, with forward slashes; "a.tif, c1" where every channel of it is a stack.
        output: path of the SWC below the folder of outputs ("" where there is none).
        status: "done", "no neuron" or "failed".
        reason: why there is no SWC.
        metrics: "tree" of the manifest (see `manifest.describe_tree`); empty without a tree.
        seconds: wall-clock time.
        peak_bytes: largest memory of the process.
        warnings: the warnings that were logged.
        picture: the overlay on disk, None where there is none.
        review: path of the review list below the folder of outputs ("" where there is none).
        page: path of the page likewise.
    """

    input: str
    output: str = ""
    status: str = "done"
    reason: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0
    warnings: Sequence[str] = ()
    picture: Path | None = None
    review: str = ""
    page: str = ""


def cells(row: Row) -> dict[str, str]:
    """Return the cells of a row as text, by column; control characters are escaped, so that each stays one line."""
    confidence, bridges = row.metrics.get("confidence") or {}, row.metrics.get("bridges") or {}
    checks = row.metrics.get("checks")
    values: dict[str, Any] = {
        "input": one_line(row.input),
        "output": one_line(row.output),
        "status": row.status,
        "reason": one_line(row.reason),
        **{name: row.metrics.get(name) for name in (*METRICS, *SIZES)},
        **_by_kind(row.metrics.get("kinds") or {}),
        "confidence": confidence.get("mean"),
        "predicted_f1": row.metrics.get("predicted_f1"),
        "findings": None if checks is None else sum(checks.values()),
        "bridges": bridges.get("count"),
        "warnings": len(row.warnings),
        "seconds": round(row.seconds, 2),
        "peak_mb": round(row.peak_bytes / 1e6),
    }
    return {name: _text(value) for name, value in values.items()}


def _by_kind(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the values of the columns OF_KIND: all empty where kinds were not labelled."""
    keys = {"length": "cable_length", "branches": "branches", "probability": "probability"}
    return {f"{kind}_{what}": kinds.get(kind, {}).get(key) for kind in KINDS for what, key in keys.items()}


def as_cell(text: str) -> str:
    """Return a text for a cell of a table: one that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(RISKY) else text


def as_path(path: str) -> str:
    """Return a relative path for a cell of a table: one that looks like a formula begins with "./": the same file."""
    return f"./{path}" if path.startswith(RISKY) else path


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def write_csv(rows: Sequence[Row], path: Path, *, overwrite: bool = False) -> None:
    """Write the rows, sorted by input, as CSV in UTF-8.

    A text that a spreadsheet would run as a formula gets an apostrophe before it, a path "./".

    Raises:
        OutputError: if the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda r: r.input):
        line = cells(row)
        writer.writerow((as_path if name in PATHS else as_cell)(line[name]) for name in COLUMNS)
    write_text(path, text.getvalue(), overwrite=overwrite)
