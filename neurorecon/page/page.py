"""One HTML file with markup, style, script and the data of `data.py`; it loads nothing from elsewhere.

The content policy of the page allows its own style and script by their hashes, and nothing else. So markup in the name of a
file cannot run.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import one_line
from neurorecon.core.files import write_text
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.page.data import look_middles, page_data
from neurorecon.page.shown import shown
from neurorecon.report import PageContent, review_tree
from neurorecon.report.html import html_text

__all__ = ["SCRIPTS", "write_page"]

SCRIPTS = (
    *("space.js", "data.js", "shaders.js", "scene.js", "flat.js", "colours.js", "verdicts.js", "list.js", "given.js"),
    *("follow.js", "view.js", "review.js", "keys.js", "page.js"),
)
GAP = re.compile(r"\{\{(\w+)\}\}")


def write_page(content: PageContent, path: Path, *, overwrite: bool = False) -> None:
    """Write the page of a reconstruction, whole or not at all. The same result gives the same bytes.

    Args:
        content: the trees, their files, the stack and the review list.
        path: OUT.html.
        overwrite: take the place of a file that exists.

    Raises:
        InputError: if an SWC file cannot be read.
        OutputError: if the page cannot be written.
    """
    tree, files, voxel_size = content.tree, content.files, content.voxel_size
    entries = review_tree(tree, content.findings)
    middles = xyz_to_zyx(look_middles(tree, entries), voxel_size if tree.unit == "um" else None)
    places = np.round(middles).astype(np.int64)
    stack = None if content.volume is None else shown(content.volume, places, voxel_size)
    page = page_data(tree, files, entries, stack, voxel_size)
    page.values["title"] = content.title
    style, script = _static("page.css"), _script()
    title = content.title or files[0][0].name
    parts = {
        "title": escape(one_line(title), quote=True),
        "heading": html_text(title),
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "data": _json(page.described),
        "block": base64.b64encode(page.packed).decode("ascii"),
    }
    text = GAP.sub(lambda gap: parts[gap[1]], _static("page.html"))
    write_text(path, text, overwrite=overwrite)


def _static(name: str) -> str:
    """Return a file of this package."""
    return resources.files("neurorecon.page").joinpath(name).read_text(encoding="utf-8").strip()


def _script() -> str:
    """Return the whole script, in one scope of its own."""
    return "(function () {\n'use strict';\n" + "\n".join(map(_static, SCRIPTS)) + "\n}());"


def _policy(style: str, script: str) -> str:
    """Return the content policy: this style and this script, and nothing from anywhere."""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _json(values: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in."""
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
