"""The same steps in the browser and at the desk of napari leave the same files of verdicts.

The rules of verdicts stand twice: in JavaScript for the page (page/review.js, page/verdicts.js), in Python for napari
(napari_plugin/review_desk.py, napari_plugin/verdict_history.py). The table goes through both, on two SWC files of one result.
"""

import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.files import hash_path
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.left_out import LeftOut
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.napari_plugin.review_desk import open_desk, verdicts_path
from neurorecon.page import write_page
from neurorecon.report import Provenance, write_outputs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BY = 'Santiago "R" y Cajal'

# A way on that the tree lacks stands in the list as well: ("beyond", n) chooses the n-th of these.
# A step is a verdict on what is chosen or marked, or one of: choose a stretch of the list, mark a node of a file (by id),
# join the marked node with another, step through list or looks, walk along the tree, undo, redo, remove, open anew.
STEPS = {
    "nothing is chosen yet": ["keep", "drop", "detach", "root", ("kind", 2), ("join", 0, 5), "rest", "undo"],
    "keep and drop go on to the next stretch": [("choose", 0), "keep", "drop", "keep"],
    "the last of keep and drop counts": [("choose", 1), "drop", ("choose", 1), "keep", ("choose", 1), "drop"],
    "a note goes with one verdict": [("choose", 0), ("note", '  a "vessel" \u00fc \u2028 </script>\t'), "drop", "keep"],
    "a verdict on a stretch, marked at any node": [("mark", 0, 35), "keep", ("mark", 0, 37), "drop"],
    "the verdict is of the chosen stretch's file": [("mark", 1, 30), "drop", ("mark", 0, 12), "keep", ("mark", 1, 1), "keep"],
    "the same link is cut once": [("mark", 0, 21), "detach", ("mark", 0, 25), "detach", ("mark", 0, 21), "detach"],
    "a cut beside a keep": [("mark", 0, 21), "detach", "keep", ("mark", 0, 21), "detach"],
    "a root hangs on nothing": [("mark", 0, 1), ("note", "kept for later"), "detach", ("mark", 0, 2), "detach"],
    "a join is named by both ends, and makes no loop": [
        ("mark", 0, 30), ("join", 0, 40), ("mark", 0, 31), "detach", ("mark", 0, 30), ("join", 0, 40), ("join", 0, 40),
        ("mark", 0, 30), ("join", 0, 35), "undo", ("mark", 0, 40), ("join", 0, 30), ("mark", 0, 35), "drop", ("mark", 0, 33),
        ("join", 0, 2),
    ],
    "a join with itself, or with another file": [("mark", 0, 30), ("join", 0, 30), ("mark", 0, 30), ("join", 1, 4)],
    "roots stay, each has its tree": [("mark", 0, 11), "root", ("mark", 0, 12), "root", ("mark", 0, 11), "root"],
    "a kind takes the place of the last at its node": [
        ("mark", 0, 11), ("kind", 3), ("kind", 2), ("mark", 0, 12), ("kind", 0), ("mark", 0, 11), ("kind", 7),
    ],
    "undo and redo": [("choose", 0), "drop", "keep", "undo", "undo", "undo", "redo", "redo", "redo"],
    "what was taken back is forgotten": [("choose", 0), "drop", "keep", "undo", ("choose", 3), "keep", "redo", "undo"],
    "an undo brings back what was replaced": [("choose", 0), "drop", ("choose", 0), "keep", "undo"],
    "an undo reaches the other file": [("mark", 0, 21), "detach", ("mark", 1, 21), "detach", "undo", "undo", "redo"],
    "the rest of a look": [("choose", 0), "drop", "rest", "rest", "undo", ("look", 1), "keep", ("look", -1), "drop"],
    "a note goes with the rest of a look": [
        ("choose", 0), ("note", "all of it"), "rest", ("choose", 0), ("note", "b"), "rest", "keep",
    ],
    "steps through the list": [("step", 1), "keep", ("step", 2), "drop", ("step", -1), "keep"],
    "a walk along the tree": [("mark", 0, 17), ("walk", -1), "keep", ("mark", 0, 33), ("walk", -1), ("walk", -1), "drop",
                              ("walk", 1), "detach", ("mark", 0, 3), ("walk", -1), ("walk", -1), ("walk", -1), "keep"],
    "a verdict is removed": [("choose", 0), "drop", "keep", "keep", ("remove", 0, 1), "undo", ("remove", 0, 0)],
    "a dropped neurite is followed, then the list goes on": [
        ("mark", 0, 36), "drop", "rest", "drop", "rest", "keep", ("look", 1), "drop", ("look", -1), "keep", "rest", "rest",
    ],
    "a neurite is followed from either end": [("mark", 0, 40), "drop", "rest", "rest", ("mark", 1, 20), "drop", ("look", 1),
                                              "keep", ("look", 1), "keep", "undo", ("look", 1), "drop"],
    "after the last look": [("choose", 999), "rest", "rest", ("look", 1), "drop"],
    "the end of the list": [("choose", 999), "keep", "drop", ("step", 1), "keep"],
    "a way on is added or not": [("beyond", 0), "keep", ("beyond", 1), "drop", ("beyond", 0), "drop", ("beyond", 1), "keep"],
    "a way on beside a stretch": [("beyond", 0), ("note", "faint"), "keep", "undo", "redo", "detach", ("beyond", 0), "rest"],
    "a look with a way on": [("beyond", 1), "rest", "rest", "undo", "undo", ("beyond", 1), "keep", "rest", ("remove", 1, 0)],
    "a way on is taken up": [("beyond", 0), "keep", "anew", ("beyond", 0), "drop", ("beyond", 1), "keep"],
    "a review that is taken up begins where it was left": [("choose", 0), "drop", "keep", "anew", ("step", 1), "drop"],
    "what was saved is taken up": [("choose", 0), "drop", "keep", "anew", "undo", ("choose", 0), "keep", ("step", 1), "drop"],
}  # fmt: skip

REFUSED = {"nothing is chosen yet", "a join with itself, or with another file"}  # leave no file


class AtDesk:
    """The steps at the desk, as the dock takes them; what is refused changes nothing."""

    def __init__(self, path):
        self.path, self.note = path, ""
        self.anew()

    def anew(self):
        self.desk = open_desk(self.path)
        self.desk.by = BY

    def take(self, what, *told):
        with contextlib.suppress(InputError):
            getattr(self, what, lambda *more: self.judge(what, *more))(*told)

    def judge(self, do, kind=None):
        self.desk.judge(do, kind=kind, note=self.note.strip())
        self.note = ""
        if do in ("keep", "drop"):
            self.desk.go_on()

    def join(self, file, node):
        self.desk.join(file, self.desk.files[file].row(node), note=self.note.strip())
        self.note = ""

    def mark(self, file, node):
        self.desk.mark(file, self.desk.files[file].row(node))

    def walk(self, by):
        self.desk.walk(by)

    def choose(self, number):
        self.desk.choose(number)

    def beyond(self, n):
        self.desk.choose([number for number, one in enumerate(self.desk.list) if one.listed.way][n])

    def step(self, by):
        for _ in range(abs(by)):
            self.desk.step(1 if by > 0 else -1)

    def look(self, by):
        self.desk.step_look(by)

    def rest(self):
        if self.desk.keep_rest(note=self.note.strip()):
            self.note = ""
        self.desk.go_on()

    def remove(self, file, place):
        self.desk.remove(file, place)

    def undo(self):
        self.desk.undo()

    def redo(self):
        self.desk.redo()

    def written(self, text):
        self.note = text

    def texts(self):
        paths = [verdicts_path(file.swc) for file in self.desk.files]
        return [path.read_text(encoding="utf-8") if path.exists() else None for path in paths]


# The same steps in the page, as its buttons and keys take them.
ACTS = """([steps, by]) => {
  const p = window.neurorecon, at = (file, id) => p.tree.files[file].first + id - 1;
  const acts = {
    choose: (k) => p.choose(Math.min(k, p.entries.count - 1)), mark: (file, id) => p.clicked(at(file, id)),
    step: (by) => p.choose(p.list.next(by)), look: (by) => p.nextLook(by), walk: (by) => p.walk(by), rest: () => p.keepRest(),
    beyond: (n) => p.choose([...p.entries.ways.keys()].sort((a, b) => a - b)[n]), kind: (kind) => p.setKind(String(kind)),
    join: (file, id) => { p.join(); if (p.joining) { p.clicked(at(file, id)); p.leaveJoin(); } },
    undo: () => p.undo(-1), redo: () => p.undo(1), remove: (file, place) => { p.verdicts.remove(file, place); p.changed(); },
    note: (text) => { p.ui.note.value = text; },
  };
  for (const [what, ...told] of steps) if (acts[what]) acts[what](...told); else p.judge(what);
  return p.tree.files.map((_, file) => p.verdicts.list[file].length ? p.verdicts.text(file, by) : null);
}"""
FRESH = "() => localStorage.clear()"
TIME = re.compile(r'"(at|made)": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"')


@pytest.fixture(scope="module")
def made_at(grey, neuron, tmp_path_factory):
    """Write a result of two trees with its page; return OUT.json."""

    def make(*, single_file=False):
        return write_result(grey, neuron, tmp_path_factory, single_file=single_file)

    return make


def write_result(grey, neuron, tmp_path_factory, *, single_file):
    """Two trees, from each of which a way leads on; that of the first arrives at the second."""
    swc = tmp_path_factory.mktemp("same") / "cell.swc"
    made = Provenance(swc.with_suffix(".tif").as_posix(), "0" * 64, "m", "0" * 64, device="cpu", settings={})
    trees = Tree.joined([neuron(), neuron(12)])
    on = [trees.xyz[row] + np.arange(1, 9)[:, None] * (0.7, 0.123456, 0.3) for row in (39, 69)]
    ways = (LeftOut(39, on[0], 6.2, 0.6, meets=45), LeftOut(69, on[1], 6.2, 0.2))
    stack = Stack(grey, VoxelSize(1.0, 0.5, 0.5))
    write_outputs(replace(trees, left_out=ways), stack, made, swc, page=write_page, single_file=single_file)
    return swc.with_suffix(".json")


@pytest.fixture(scope="module")
def reviewed(made_at):
    """A result of two SWC files: OUT.json."""
    return made_at()


def texts_of(tab, until, result, steps):
    """The files of verdicts that steps leave at the desk and in the page, without their times."""
    for swc in result.parent.glob("*.swc"):
        verdicts_path(swc).unlink(missing_ok=True)
    tab.evaluate(FRESH)
    reload(tab, until)
    desk, texts = AtDesk(result), []
    for part in split_at_anew([[one] if isinstance(one, str) else list(one) for one in steps]):
        if part and part[0] == ["anew"]:
            reload(tab, until)
            desk.anew()
            part = part[1:]
        texts = tab.evaluate(ACTS, [part, BY])
        for what, *told in part:
            desk.take({"note": "written"}.get(what, what), *told)
    return [timeless(text) for text in desk.texts()], [timeless(text) for text in texts]


def test_page_and_desk_leave_the_same_files(reviewed, opened, until):
    tab = opened(reviewed.with_suffix(".html"), webgl=False)
    hashes = [hash_path(reviewed.with_name(f"cell_{number}.swc")) for number in (1, 2)]
    for name, steps in STEPS.items():
        here, there = texts_of(tab, until, reviewed, steps)
        assert here == there, name
        assert any(here) is (name not in REFUSED), name
        assert all(digest in text for digest, text in zip(hashes, here, strict=True) if text), name


def test_a_way_on_that_arrives_at_another_tree_of_the_file_joins_it(made_at, opened, until):
    result = made_at(single_file=True)
    tab = opened(result.with_suffix(".html"), webgl=False)
    (here,), (there,) = texts_of(tab, until, result, [("beyond", 0), "keep", ("beyond", 1), "keep"])
    assert here == there
    assert [verdict["to"] for verdict in json.loads(here)["verdicts"]] == [46, None]


def timeless(text):
    """A file of verdicts without its times, whose form is checked; None for one without any verdict."""
    if text is None or '"verdicts": []' in text:
        return None
    count = text.count('"do": ') + 1
    made, times = TIME.subn(r'"\1": ""', text)
    assert times == count
    return made


def split_at_anew(steps):
    """The steps in parts, each but the first begins where the tree is opened anew."""
    parts = [[]]
    for step in steps:
        if step == ["anew"]:
            parts.append([])
        parts[-1].append(step)
    return parts


def reload(tab, until):
    tab.reload()
    until(tab, "Boolean(window.neurorecon)")


def test_what_the_desk_saved_opens_in_the_page(reviewed, opened, until):
    swc = reviewed.with_name("cell_2.swc")
    verdicts_path(swc).unlink(missing_ok=True)
    desk = AtDesk(reviewed)
    for step in (("mark", 1, 21), ("detach",), ("mark", 1, 35), ("drop",)):
        desk.take(*step)
    tab = opened(reviewed.with_suffix(".html"), webgl=False)
    tab.set_input_files("#file", Path(verdicts_path(swc)))
    until(tab, "window.neurorecon.verdicts.count === 2")
    shown = tab.evaluate("(by) => window.neurorecon.verdicts.text(1, by)", BY)
    assert timeless(shown) == timeless(verdicts_path(swc).read_text(encoding="utf-8"))
