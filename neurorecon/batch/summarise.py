"""summary.csv and report.html, made from the ledger: whichever process ends last sees the whole."""

import os
import shutil
from pathlib import Path

import neurorecon
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.record import Record
from neurorecon.core.errors import OutputError
from neurorecon.report import Row, write_csv, write_html

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
    done = record.status == "done"
    swc = sorted((name for name in record.outputs if name.endswith(".swc")), key=lambda name: (len(name), name))
    lists = [name for name in record.outputs if name.endswith(".review.csv")]
    pages = [name for name in record.outputs if name.endswith(".html")]
    pictures = [ledger.place(record, name) for name in record.outputs if name.endswith(".png")]
    return Row(
        input=record.input,
        output=Path(record.output).with_name(swc[0]).as_posix() if done and swc else "",
        status=record.status,
        reason=record.reason,
        metrics=record.tree,
        seconds=record.seconds,
        peak_bytes=record.peak_bytes,
        warnings=record.warnings,
        picture=pictures[0] if done and pictures else None,
        review=Path(record.output).with_name(lists[0]).as_posix() if done and lists else "",
        page=Path(record.output).with_name(pages[0]).as_posix() if done and pages else "",
    )
