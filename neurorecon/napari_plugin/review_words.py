"""The texts of the dock Review on stretches, verdicts and types; the same as on the page."""

from pathlib import Path

from neurorecon.mend import Applied, Verdict
from neurorecon.napari_plugin.review_desk import Desk

__all__ = [
    "FOLLOWED", "KINDS", "TWO_SOMATA", "VERDICTS", "chosen_words", "end_words", "list_words", "mended_words", "moved_words",
    "verdict_words",
]  # fmt: skip

# SWC types (Cannon et al. 1998; INCF SWC+), as the page offers them.
KINDS = (
    (0, "undefined"), (1, "soma"), (2, "axon"), (3, "basal dendrite"), (4, "apical dendrite"), (5, "custom"),
    (6, "unspecified neurite"), (7, "glia processes"),
)  # fmt: skip
# Button, key, help, and the verdict; the keys are those of the page.
VERDICTS = (
    ("Keep", "Y", "The stretch is right", "keep"),
    ("Drop", "X", "The stretch is no neurite", "drop"),
    ("Wrong link", "D", "Cut the edge between the marked node and its parent", "detach"),
    ("Join", "L", "Join the marked node with the next node that you click at", "join"),
    ("Root here", "R", "The marked node becomes the root of its tree", "root"),
)
DEEDS = {
    "keep": "keep", "drop": "drop", "detach": "wrong link", "join": "join", "root": "re-root", "kind": "set kind",
    "extend": "extend", "refuse": "nothing missing",
}  # fmt: skip
SIGNS = {"keep": "\u2713", "drop": "\u2715", "extend": "\u2713", "refuse": "\u2715"}
FOLLOWED = "The dropped neurite goes on here."
TWO_SOMATA = (
    " But both trees have a soma; the mended tree leaves such a join out. Undo it, and cut or drop what is wrong."
)
AHEAD, NONE = "\u2192", "\u2007"
SAID = {"keep": "kept", "drop": "dropped", "extend": "added", "refuse": "not added"}


def end_words(desk: Desk) -> str:
    """Return the message at the end of the list."""
    left = len(desk.list) - len(desk.said())
    return f"This is the end of the list; {left} have no verdict yet." if left else "Every stretch has a verdict."


def moved_words(desk: Desk, *, again: bool) -> str:
    """Return the message on the verdict that an undo took back, or a redo gave `again`."""
    change = "Given again" if again else "Removed"
    return f"{change}." if desk.moved is None else f"{change}: {verdict_words(desk.moved)}."


def mended_words(path: Path, applied: Applied) -> list[str]:
    """Return what was done in a mended tree, and the verdicts that were left out, a line each."""
    outcomes = () if applied.mended is None else applied.mended.outcomes
    done = sum(outcome.done for outcome in outcomes)
    left = [f"{outcome.verdict.label}: left out: {outcome.what}" for outcome in outcomes if not outcome.done]
    return [f"Wrote {path.name}: {done} of {len(outcomes)} verdicts done.", *left]


def list_words(desk: Desk) -> list[str]:
    """Return the lines of the list; an arrow is where a dropped neurite goes on."""
    said, ahead = desk.said(), set(desk.ahead())
    signs = {number: SIGNS[do] for number, do in said.items()}
    return [
        _words(desk, number, signs.get(number, AHEAD if number in ahead else NONE)) for number in range(len(desk.list))
    ]


def _words(desk: Desk, number: int, sign: str) -> str:
    """Return the line of a stretch."""
    stretch = desk.list[number]
    name = f"{desk.files[stretch.file].swc.name}, " if len(desk.files) > 1 else ""
    look = "" if desk.auditing else f"look {stretch.listed.look}, "
    figures = f"confidence {_percent(stretch.listed.confidence)}, {_long(desk, stretch.file, stretch.listed.length)}"
    return f"{sign} {number + 1}  {stretch.reason}\n      {name}{look}{figures}"


def chosen_words(desk: Desk) -> str:
    """Return the description of the chosen stretch and the marked node; "" where none is chosen."""
    stretch = desk.stretch
    if stretch is None or desk.node is None:
        return ""
    file, row = desk.node
    about, listed = desk.files[file], stretch.listed
    x, y, z = about.tree.xyz[row]
    where = f"node {about.ids[row]} at {x:.1f}, {y:.1f}, {z:.1f} {_unit(desk, file)} (x, y, z)"
    kind = dict(KINDS).get(int(about.tree.type[row]), f"type {about.tree.type[row]}")
    said = desk.said().get(desk.current)
    place = f"stretch {desk.current + 1} of {len(desk.list)}: {stretch.reason}"
    head = place.capitalize() if desk.auditing else f"Look {desk.look + 1} of {len(desk.looks)}, {place}"
    figures = [
        f"confidence {_percent(listed.confidence)}",
        "a neurite that the tree lacks? Keep adds it, Drop does not"
        if listed.way
        else f"doubt {_percent(listed.doubt)}",
        _long(desk, file, listed.length),
        *([] if said is None else [SAID[said]]),
    ]
    return f"{head}\n{', '.join(figures)}\n{where}, {kind}"


def verdict_words(verdict: Verdict) -> str:
    """Return a verdict in words."""
    more = {"join": f" with node {verdict.to}", "kind": f" {verdict.kind} {dict(KINDS).get(verdict.kind or 0, '')}"}
    whole = verdict.do in ("keep", "drop")
    place = f"nodes {verdict.top} to {verdict.to}" if whole else f"node {verdict.node}"
    if verdict.point is not None:
        place += f" to {', '.join(f'{value:.1f}' for value in verdict.point)}"
    note = f" ({verdict.note})" if verdict.note else ""
    return f"{DEEDS[verdict.do]}: {place}{more.get(verdict.do, '').rstrip()}{note}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.0f} %"


def _unit(desk: Desk, file: int) -> str:
    return "\u00b5m" if desk.files[file].tree.unit == "um" else "voxels"


def _long(desk: Desk, file: int, length: float) -> str:
    return f"{length:.1f} {_unit(desk, file)}" if length < 10 else f"{length:,.0f} {_unit(desk, file)}"
