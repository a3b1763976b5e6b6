"""summary.csv and report.html, made from the ledger: the process that ends last includes all records."""

import os
import shutil
from pathlib import Path

import neurorecon
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.record import Record
from neurorecon.core.errors import OutputError
from neurorecon.report import Row, side_paths, swc_paths, write_csv, write_html

__all__ = ["summarise"]


def summarise(ledger: Ledger, scratch: Path) -> None:
    """Write summary.csv and report.html of all records; `scratch` is an own folder for the unfinished files.

    Raises:
        OutputError: if they cannot be written.
    """
    try:
        rows = [_row(ledger, record) for record in ledger.all() if record.status != "publishing"]
        scratch.mkdir(exist_ok=True)
        write_csv(rows, scratch / "summary.csv", overwrite=True)
        settings = {k: v for k, v in (ledger.fingerprint() or {}).items() if k != "format"}
        title = f"Reconstructions by neurorecon {neurorecon.__version__}"
        write_html(rows, scratch / "report.html", title=title, settings=settings, overwrite=True)
        for name in ("summary.csv", "report.html"):
            os.replace(scratch / name, ledger.outdir / name)
    except OSError as error:
        raise OutputError(f"{ledger.outdir / 'summary.csv'}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _row(ledger: Ledger, record: Record) -> Row:
    output, made = Path(record.output), record.outputs if record.status == "done" else {}
    trees = [path for path in (output, swc_paths(output, 2)[0]) if path.name in made]
    review, picture, page, _ = (path if path.name in made else None for path in side_paths(output))
    return Row(
        input=record.input,
        output=trees[0].as_posix() if trees else "",
        status=record.status,
        reason=record.reason,
        metrics=record.tree,
        seconds=record.seconds,
        peak_bytes=record.peak_bytes,
        warnings=record.warnings,
        picture=ledger.outdir / picture if picture else None,
        review=review.as_posix() if review else "",
        page=page.as_posix() if page else "",
    )
