"""report.html: one page that needs nothing else: figures, failures with reasons, a table that sorts, thumbnails."""

import base64
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neurorecon.core.errors import one_line
from neurorecon.core.files import write_text
from neurorecon.report.summary import Row, cells

__all__ = ["html_text", "write_html"]

# Set by hand; not tuned, unless a line says more.
THUMBNAIL_PX = 300  # longest side of a picture in the table
THUMBNAILS = 400  # about 15 kB each: more would make a page that browsers open slowly; the others are linked

# No external resource can be loaded, whatever a file name holds.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 96rem; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; list-style: none }
.figures li { border: 1px solid #8885; border-radius: .5rem; padding: .5rem 1rem }
.figures b { display: block; font-size: 1.35rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8884; padding: .35rem .6rem; text-align: left; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums } td.name { overflow-wrap: anywhere; min-width: 12rem }
th button { all: unset; cursor: pointer; font-weight: 600; white-space: nowrap }
th button:focus-visible { outline: 2px solid }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
img { display: block; max-width: 300px; border-radius: .25rem } pre { overflow-x: auto } .failed { color: #c33 }
""".strip()

SCRIPT = """
document.querySelectorAll('th button').forEach(function (button) {
  button.addEventListener('click', function () {
    var head = button.parentNode, row = head.parentNode, body = row.closest('table').tBodies[0];
    var column = Array.prototype.indexOf.call(row.cells, head);
    var down = head.getAttribute('aria-sort') === 'ascending';
    Array.prototype.forEach.call(row.cells, function (c) { c.removeAttribute('aria-sort'); });
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    Array.from(body.rows).sort(function (a, b) {
      var p = a.cells[column].dataset.v, q = b.cells[column].dataset.v, x = parseFloat(p), y = parseFloat(q);
      var order = isNaN(x) || isNaN(y) ? p.localeCompare(q) : x - y || p.localeCompare(q);
      return down ? -order : order;
    }).forEach(function (r) { body.appendChild(r); });
  });
});
""".strip()

# Column -> its heading in the table
HEADINGS = {
    "input": "Stack", "status": "Outcome", "trees": "Trees", "nodes": "Nodes", "cable_length": "Cable length",
    "unit": "Unit", "tips": "Tips", "branch_points": "Branch points", "strahler": "Strahler",
    "tortuosity": "Tortuosity", "confidence": "Confidence", "predicted_f1": "Predicted F1", "findings": "Findings",
    "bridges": "Bridges", "seconds": "Seconds", "peak_mb": "Peak MB", "warnings": "Warnings",
}  # fmt: skip
# Letters that run from right to left (Hebrew, Arabic, ...; the blocks of Unicode 15.1), and words of them with spaces between.
LEFTWARDS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]+"
RUNS = re.compile(f"{LEFTWARDS}(?: +{LEFTWARDS})*")
TEXTS = ("input", "status", "unit")
ROUNDED = ("cable_length", "tortuosity", "confidence", "predicted_f1")


def write_html(
    rows: Sequence[Row], path: Path, *, title: str, settings: Mapping[str, Any] | None = None, overwrite: bool = False
) -> None:
    """Write the report of a batch as one HTML file.

    Args:
        rows: one a stack; their `output`, `picture`, `page` and `review` are linked relative to the folder of `path`.
        path: the HTML file.
        title: heading of the page.
        settings: model and settings, shown as they are.
        overwrite: take the place of a file that exists.

    Raises:
        OutputError: if the file cannot be written.
    """
    rows = sorted(rows, key=lambda r: r.input)
    with_picture = [row.input for row in rows if row.picture is not None]
    shown = frozenset(with_picture[:THUMBNAILS])
    parts = [
        f"<h1>{html_text(title)}</h1>",
        _figures(rows),
        _failures([row for row in rows if row.status != "done"]),
        _table(rows, shown),
    ]
    if len(with_picture) > len(shown):
        parts.append(f"<p>Thumbnails of the first {THUMBNAILS} stacks; the overlays of all are linked.</p>")
    if settings:
        parts.append(f"<details><summary>Model and settings</summary><pre>{_safe_json(settings)}</pre></details>")
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{_safe(title)}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + f"\n<script>{SCRIPT}</script></body></html>\n"
    )
    write_text(path, text, overwrite=overwrite)


def html_text(text: str) -> str:
    """Return text for HTML: markup and quotes escaped, control characters and broken letters spelled out.

    Words from right to left stand apart (<bdi>): else the folders of a path with two such names are shown in reverse order.
    """
    return RUNS.sub(r"<bdi>\g<0></bdi>", _safe(text))


def _safe(text: str) -> str:
    """Return the same as plain text, for attributes and the title."""
    return escape(one_line(text), quote=True)


def _safe_json(table: Mapping[str, Any]) -> str:
    return escape(json.dumps(table, indent=2, ensure_ascii=True), quote=True)


def _figures(rows: Sequence[Row]) -> str:
    """Return the figures of the whole batch."""
    done = [row for row in rows if row.status == "done"]
    figures = {
        "stacks": str(len(rows)),
        "reconstructed": str(len(done)),
        "without a neuron": str(sum(row.status == "no neuron" for row in rows)),
        "failed": str(sum(row.status == "failed" for row in rows)),
    }
    for unit, name in (("um", "mm of cable"), ("voxel", "voxels of cable")):
        lengths = [row.metrics["cable_length"] for row in done if row.metrics.get("unit") == unit]
        if lengths:
            figures[name] = f"{sum(lengths) / (1000 if unit == 'um' else 1):,.2f}"
    figures["seconds of work"] = f"{sum(row.seconds for row in rows):,.0f}"
    return '<ul class="figures">' + "".join(f"<li><b>{v}</b>{k}</li>" for k, v in figures.items()) + "</ul>"


def _failures(rows: Sequence[Row]) -> str:
    """Return the table of stacks without a result, with the reasons; says so if there are none."""
    if not rows:
        return "<h2>Without a result</h2><p>None.</p>"
    lines = "".join(
        f'<tr><td class="name">{html_text(r.input)}</td><td class="{r.status.split()[0]}">{_safe(r.status)}</td>'
        f"<td>{html_text(r.reason)}</td></tr>"
        for r in rows
    )
    head = "<thead><tr><th>Stack</th><th>Outcome</th><th>Reason</th></tr></thead>"
    return f'<h2>Without a result</h2><div class="wide"><table>{head}<tbody>{lines}</tbody></table></div>'


def _table(rows: Sequence[Row], shown: frozenset[str]) -> str:
    head = "".join(f'<th><button type="button">{name}</button></th>' for name in HEADINGS.values())
    lines = "\n".join(_line(row, thumbnail=row.input in shown) for row in rows)
    return (
        f'<h2>All stacks</h2><div class="wide"><table><thead><tr><th>Overlay</th>{head}</tr></thead>\n'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _line(row: Row, *, thumbnail: bool) -> str:
    """Return one row of the table; each cell carries the value it is sorted by."""
    text = cells(row)
    made = [f"<td>{_picture(row, thumbnail=thumbnail)}</td>"]
    for name in HEADINGS:
        content = _rounded(text[name]) if name in ROUNDED else html_text(text[name])
        if name == "input" and row.output:
            content = f'<a href="{_link(row.output)}">{content}</a>'
        if name == "findings" and row.review:
            content = f'<a href="{_link(row.review)}">{content or "list"}</a>'
        if name == "warnings" and row.warnings:
            notes = "".join(f"<li>{html_text(note)}</li>" for note in row.warnings)
            content = f"<details><summary>{content}</summary><ul>{notes}</ul></details>"
        kind = "name" if name == "input" else "" if name in TEXTS else "n"
        if name == "status" and row.page:
            content = f'{content}, <a href="{_link(row.page)}">3D view</a>'
        made.append(f'<td class="{kind}" data-v="{escape(text[name], quote=True)}">{content}</td>')
    return f"<tr>{''.join(made)}</tr>"


def _rounded(text: str) -> str:
    return f"{float(text):,.2f}" if text else ""


def _link(path: str) -> str:
    """Return a relative path as a link; './' keeps a name with a colon from being read as a scheme."""
    return escape("./" + quote(os.fsencode(path)), quote=True)


def _picture(row: Row, *, thumbnail: bool) -> str:
    """Return the overlay as an embedded thumbnail, or as a link, or nothing."""
    if row.picture is None or not row.output:
        return ""
    place = Path(row.output).with_name(row.picture.name).as_posix()
    inner = "overlay"
    if thumbnail and (data := _thumbnail(row.picture)):
        inner = f'<img alt="overlay of {_safe(row.input)}" loading="lazy" src="data:image/jpeg;base64,{data}">'
    return f'<a href="{_link(place)}">{inner}</a>'


def _thumbnail(path: Path) -> str:
    """Return a small JPEG of a picture in base64, "" if it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    target = io.BytesIO()
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            small.save(target, format="JPEG", quality=80)
    except (OSError, UnidentifiedImageError):
        return ""
    return base64.b64encode(target.getvalue()).decode()
