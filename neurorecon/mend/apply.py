"""MENDED.swc of a tree and its verdicts, with every verdict in MENDED.audit.jsonl."""

import json
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import neurorecon
from neurorecon.core.errors import FormatError, InputError, OutputError
from neurorecon.core.files import check_output, hash_path, write_beside, write_text
from neurorecon.core.tree import Tree
from neurorecon.mend.change import Mended, Outcome, WayFinder, mend
from neurorecon.mend.evidence import Sources, open_ground
from neurorecon.mend.verdicts import Verdicts, read_verdicts
from neurorecon.mend.way import Ground, cheapest_way, straight_way
from neurorecon.report.stretches import STEP_PX, pixel_of
from neurorecon.swc import format_swc, ids_in_file, read_swc
from neurorecon.swc.rules import judge
from neurorecon.swc.scan import UNITS, scan, scan_bytes

__all__ = ["Applied", "apply_file", "log_path"]

log = logging.getLogger(__name__)

COLUMN_NAMES = "id type x y z radius parent"
MARK = "verdicts sha256: "  # line of the header by which a file is known that holds its verdicts already


@dataclass(frozen=True, slots=True)
class Applied:
    """The result of a file of verdicts.

    Attributes:
        verdicts: the file.
        before: the tree that it is about.
        mended: None where the file that was given holds the verdicts already.
    """

    verdicts: Verdicts
    before: Tree
    mended: Mended | None


def log_path(swc: Path) -> Path:
    """Return MENDED.audit.jsonl of MENDED.swc."""
    return swc.with_suffix(".audit.jsonl")


def apply_file(
    swc: Path,
    verdicts_path: Path,
    output: Path,
    *,
    probability: Path | None = None,
    stack: Path | None = None,
    overwrite: bool = False,
) -> Applied:
    """Write the tree that verdicts make of `swc`, and the log of all verdicts.

    A file that holds the verdicts already is copied as it is.

    Args:
        swc: the tree.
        verdicts_path: see `read_verdicts`.
        output: MENDED.swc; MENDED.audit.jsonl goes beside it.
        probability: the map in which joins find their way; else one beside `swc`, else one that is made.
        stack: where the stack lies that such a map is made from.
        overwrite: take the place of files that exist.

    Raises:
        InputError: if a file cannot be used, or the verdicts are those of another tree.
        OutputError: if an output exists or cannot be written.
    """
    if output.suffix.lower() != ".swc":
        raise OutputError(f"{output}: the output is an SWC file; give a name that ends in .swc")
    for path in (output, log_path(output)):
        check_output(path, overwrite=overwrite)
    verdicts, before = read_verdicts(verdicts_path), read_swc(swc)
    if _holds(swc, verdicts):
        with write_beside(output, overwrite=overwrite) as beside:
            beside.write_bytes(swc.read_bytes())
        return Applied(verdicts, before, None)
    digest = hash_path(swc)
    if digest != verdicts.tree_sha256:
        raise InputError(
            f"{verdicts_path}: is about another tree: {verdicts.tree_file} of sha256 {verdicts.tree_sha256[:12]}, "
            f"and {swc} has {digest[:12]}; give the tree that was looked at"
        )
    way = _way_finder(Sources(swc, probability=probability, stack=stack), before)
    mended = mend(before, ids_in_file(swc), verdicts.verdicts, way, where=str(verdicts_path))
    text = format_swc(mended.tree, header=_header(swc, verdicts, mended))
    if found := judge(scan_bytes(text.encode(), str(output))):
        raise FormatError(
            f"{swc}: the mended tree would be no valid SWC ({found[0].what}); repair it by `neurorecon validate`"
        )
    write_text(log_path(output), _log(verdicts, mended), overwrite=overwrite)
    write_text(output, text, overwrite=overwrite)
    return Applied(verdicts, before, mended)


def _holds(swc: Path, verdicts: Verdicts) -> bool:
    """Say whether a file states in its header that these verdicts were applied to it."""
    return MARK + verdicts.sha256 in scan(swc).comments


def _way_finder(sources: Sources, tree: Tree) -> WayFinder:
    """Return what finds the way of a join; the map is opened at the first one."""
    opened: list[Ground | str] = []
    step = STEP_PX * pixel_of(tree)

    def way(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
        if not opened:
            opened.append(open_ground(sources, tree.unit))
            if isinstance(opened[0], str):
                log.warning("joins are straight lines: %s", opened[0])
        ground = opened[0]
        if isinstance(ground, Ground):
            between = cheapest_way(ground, start, end)
            if between is not None:
                return between, f"along {ground.name}"
            log.warning("a join is a straight line: its ends lie outside the map, or too far apart")
        return straight_way(start, end, step), "by a straight line"

    return way


def _header(swc: Path, verdicts: Verdicts, mended: Mended) -> list[str]:
    """Return the header: that of the tree, then what was done and by which verdicts."""
    rows = scan(swc)
    kept = [text for text in rows.comments if text and not UNITS.match(text) and text.lower() != COLUMN_NAMES]
    done = Counter(outcome.verdict.do for outcome in mended.outcomes if outcome.done)
    left = sum(not outcome.done for outcome in mended.outcomes)
    counts = ", ".join(f"{do} {count}" for do, count in sorted(done.items())) or "nothing"
    by = f" by {verdicts.by}" if verdicts.by else ""
    return [
        *(kept if rows.frame.plain else []),
        f"mended by: neurorecon {neurorecon.__version__}",
        f"mended from: {swc.name}",
        f"mended from sha256: {verdicts.tree_sha256}",
        f"verdicts: {verdicts.path.name}{by}",
        f"{MARK}{verdicts.sha256}",
        f"verdicts done: {counts}; left out {left}",
    ]


def _log(verdicts: Verdicts, mended: Mended) -> str:
    """Return the log: a line of JSON for each verdict."""

    def line(outcome: Outcome) -> str:
        about = {"by": verdicts.by, "tree_sha256": verdicts.tree_sha256, "verdicts_sha256": verdicts.sha256}
        table = {
            "number": outcome.verdict.number,
            **outcome.verdict.as_dict(),
            "done": outcome.done,
            "what": outcome.what,
        }
        return json.dumps(table | about, ensure_ascii=False)

    return "".join(line(outcome) + "\n" for outcome in mended.outcomes)
