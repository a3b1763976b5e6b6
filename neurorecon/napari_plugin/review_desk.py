"""The desk of a review: the trees of a result, the list of their stretches, what was decided, and its files.

The list has the order of OUT.review.csv, look by look, which is that of the page.

Every change is written to OUT.verdicts.json of its tree at once, the file that the page saves and `neurorecon review` takes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.files import hash_path, write_text
from neurorecon.mend import Applied, Verdict, apply_file, draw_sample, format_verdicts, judged_by
from neurorecon.mend.listed import list_together, looks_within
from neurorecon.napari_plugin.layer_readers import result_files
from neurorecon.napari_plugin.review_file import (
    ReviewFile,
    Stretch,
    mended_path,
    of_sample,
    saved_beside,
    stretch_of,
    verdicts_path,
)
from neurorecon.napari_plugin.review_parts import has_soma, parts_of
from neurorecon.napari_plugin.review_way import ReviewWay
from neurorecon.napari_plugin.verdict_history import BEYOND, WHOLE, FileState, VerdictHistory, changed_verdict, now
from neurorecon.swc import ids_in_file, read_swc

__all__ = ["Desk", "Mark", "ReviewFile", "Stretch", "mended_path", "open_desk", "verdicts_path"]

NOTHING_CHOSEN = "no stretch is chosen; choose one in the list, or click at a node"


class Mark:
    """What a verdict says of the edge above a node."""

    OPEN, KEPT, DROPPED, CUT = 0, 1, 2, 3


def open_desk(path: Path) -> "Desk":
    """Return the desk of an OUT.json, with all of its trees, or of one SWC file.

    Trees without a review list get one by the checks of their shape. Verdicts that were saved beside a tree are taken up.

    Raises:
        InputError: if a file cannot be read, or saved verdicts are those of another tree.
    """
    swcs = result_files(path) if path.suffix.lower() == ".json" else [path]
    files = [ReviewFile(swc, hash_path(swc), read_swc(swc), ids_in_file(swc)) for swc in swcs]
    listed = list_together(swcs, [file.tree for file in files], [file.ids for file in files])
    return Desk(files, [Stretch(k, one) for k, one in listed], [saved_beside(file) for file in files])


class Desk:
    """The trees under review, the place of the person in the list, and the verdicts.

    Attributes:
        files: the trees.
        list: the review list, or the sample of an audit.
        history: the verdicts.
        current: number of the chosen stretch in `list`, -1 where none is chosen.
        node: (file, row) of the marked node; None where none is.
        by: who decides, for the files.
        moved: the verdict that the last undo or redo was about; None before any.
        two_somata: whether the last join is of two trees that have a soma each, which `mend` leaves out.
    """

    def __init__(self, files: Sequence[ReviewFile], stretches: Sequence[Stretch], saved: Sequence[FileState]) -> None:
        """Begin with the list; see `open_desk`."""
        self.files, self.list = tuple(files), tuple(stretches)
        self.history = VerdictHistory(saved)
        self.current, self.by = -1, ""
        self.moved: Verdict | None = None
        self.two_somata = False
        self.node: tuple[int, int] | None = None
        self._all, self._way = self.list, ReviewWay(self.files, self.list)
        self._audit: tuple[int, int, int] | None = None  # file, draws, seed

    # Where the person is.

    @property
    def stretch(self) -> Stretch | None:
        """The chosen stretch."""
        return self.list[self.current] if 0 <= self.current < len(self.list) else None

    def choose(self, number: int) -> Stretch:
        """Choose a stretch of the list, and mark its node."""
        self.current = min(max(number, 0), len(self.list) - 1)
        stretch = self.list[self.current]
        self.node = (stretch.file, stretch.listed.node)
        self._arrive()
        return stretch

    def _arrive(self) -> None:
        if not self.auditing:
            self._way.arrive(self.current)

    def step(self, by: int) -> Stretch | None:
        """Choose the stretch `by` places on, the first without a verdict where none is chosen; None at the end of the list."""
        number = self.current + by
        if self.current < 0 < by:
            said = self.said()
            number = next((one for one in range(len(self.list)) if one not in said), 0)
        return self.choose(number) if 0 <= number < len(self.list) else None

    def go_on(self) -> Stretch | None:
        """Choose what comes after a verdict; None where nothing comes, see `ReviewWay.after_verdict`."""
        if self.auditing:
            return self.step(1)
        return self._at(self._way.after_verdict(self.current, self.said())) if self.current >= 0 else None

    def _at(self, number: int) -> Stretch | None:
        return self.choose(number) if number >= 0 else None

    @property
    def following(self) -> bool:
        """Whether the chosen stretch is where a dropped neurite goes on."""
        return not self.auditing and bool(self._way.home)

    def ahead(self) -> list[int]:
        """Return the stretches of the list in which dropped neurites go on."""
        return [] if self.auditing else self._way.ahead(self.said())

    @property
    def looks(self) -> list[list[int]]:
        """The stretches that each look shows, by their numbers in `list`; of an audit each stretch is a look."""
        if self.auditing:
            return [[number] for number in range(len(self.list))]
        return looks_within([stretch.listed for stretch in self.list])

    @property
    def look(self) -> int:
        """Place in `looks` of the look that shows the chosen stretch, -1 where none is chosen."""
        return next((place for place, numbers in enumerate(self.looks) if self.current in numbers), -1)

    def step_look(self, by: int) -> Stretch | None:
        """Choose a stretch of the next look (1), where a dropped neurite goes on if one does, or of the one before (-1).

        Return None at the end of the list.
        """
        if self.auditing or self.current < 0:
            looks, place = self.looks, self.look + by
            return self.choose(looks[place][0]) if 0 <= place < len(looks) else None
        if by < 0:
            return self._at(self._way.before_look(self.current))
        return self._at(self._way.after_look(self.current, self.said()))

    def mark(self, file: int, row: int) -> None:
        """Mark a node, and choose the stretch that holds the edge above it, of a root one below it."""
        self.node = (file, row)
        parent = self.files[file].tree.parent
        below = np.flatnonzero(parent == row) if parent[row] < 0 else np.array([row])
        for number, stretch in enumerate(self.list):
            if stretch.file == file and len(below) and below[0] in stretch.listed.rows:
                self.current = number
                self._arrive()
                return

    def walk(self, by: int) -> bool:
        """Mark the next node towards the root (-1) or away from it (1); say whether there is one."""
        if self.node is None:
            return False
        file, row = self.node
        parent = self.files[file].tree.parent
        below = np.flatnonzero(parent == row)
        ahead = int(parent[row]) if by < 0 else int(below[0]) if len(below) else -1
        if ahead >= 0:
            self.mark(file, ahead)
        return ahead >= 0

    # What was decided.

    def judge(self, do: str, *, to: int | None = None, kind: int | None = None, note: str = "") -> Verdict:
        """Give a verdict on the chosen stretch (keep, drop) or the marked node, and write the file.

        Args:
            do: keep, drop, detach, join, root or kind.
            to: row to join with, in the same file.
            kind: SWC type.
            note: free text.

        Raises:
            InputError: if nothing is chosen, or the verdict cannot be carried out.
            OutputError: if the file cannot be written; the verdict holds all the same.
        """
        stretch = self.stretch
        if self.node is None or (do in WHOLE and stretch is None):
            raise InputError(NOTHING_CHOSEN)
        if do in WHOLE and stretch is not None:
            file, made = stretch.file, self._on_stretch(do, stretch, note)
        else:
            file, row = self.node
            ids = self.files[file].ids
            if do == "detach" and self.files[file].tree.parent[row] < 0:
                raise InputError(f"node {ids[row]} is a root; it has no edge to a parent")
            if do == "join" and to == row:
                raise InputError("a node cannot be joined with itself; choose another one")
            if do == "join" and to is not None and self._together(file, row, to):
                raise InputError(
                    "both nodes are of one tree already, a join would make a loop; cut the wrong link first"
                )
            end = None if to is None else int(ids[to])
            made = Verdict(0, do, node=int(ids[row]), to=end, kind=kind, at=now(), note=note)
        self.history.add(file, made)
        self.save(file)
        return made

    def _parts(self, file: int) -> NDArray[np.int64]:
        """Return the number of the tree, as it is by now, that holds each node of a file."""
        gone = np.isin(self.marks(file), (Mark.DROPPED, Mark.CUT))
        return parts_of(self.files[file], self.history.files[file], gone=gone)

    def _together(self, file: int, a: int, b: int) -> bool:
        """Say whether two nodes of a file are of one tree as it is by now."""
        part = self._parts(file)
        return bool(part[a] == part[b])

    def both_have_somata(self, file: int, a: int, b: int) -> bool:
        """Say whether the trees of two nodes have a soma each: `mend` leaves their join out."""
        verdicts, part = self.history.files[file], self._parts(file)
        return all(has_soma(self.files[file], verdicts, part, row) for row in (a, b))

    def join(self, file: int, row: int, *, note: str = "") -> Verdict:
        """Join the marked node with another one.

        Raises:
            InputError: if no node is marked, or the two are of two files, or one.
            OutputError: if the file cannot be written; the verdict holds all the same.
        """
        if self.node is not None and self.node[0] != file:
            raise InputError("these nodes are of two SWC files; a join stays within one")
        somata = self.node is not None and self.both_have_somata(file, self.node[1], row)
        made = self.judge("join", to=row, note=note)
        self.two_somata = somata
        return made

    def keep_rest(self, *, note: str = "") -> int:
        """Keep what the look of the chosen stretch shows and has no verdict yet; return the number of these stretches.

        The tree is right there as it is: a way on that it lacks is refused. One undo takes them all back.

        Args:
            note: free text, of each of these verdicts.

        Raises:
            InputError: if nothing is chosen.
            OutputError: if a file cannot be written; the verdicts hold all the same.
        """
        if self.stretch is None:
            raise InputError(NOTHING_CHOSEN)
        said = self.said()
        rest = [self.list[number] for number in self.looks[self.look] if number not in said]
        made = [(one.file, self._on_stretch("drop" if one.listed.way else "keep", one, note)) for one in rest]
        if made:
            self.history.add_all(made)
        for file in {stretch.file for stretch in rest}:
            self.save(file)
        return len(rest)

    def _on_stretch(self, do: str, stretch: Stretch, note: str = "") -> Verdict:
        """Return a verdict on a whole stretch, or on a way on that the tree lacks."""
        ids, listed = self.files[stretch.file].ids, stretch.listed
        if listed.way:
            meets = None if listed.meets is None else int(ids[listed.meets])
            return Verdict(0, BEYOND[do], int(ids[listed.top]), to=meets, at=now(), note=note, point=listed.tip)
        node, top, to = (int(ids[row]) for row in (listed.node, listed.top, listed.low))
        return Verdict(0, do, node=node, top=top, to=to, at=now(), note=note)

    def undo(self) -> bool:
        """Take the last change back, and go to its place; say whether there was one."""
        return self._moved(self.history.undo)

    def redo(self) -> bool:
        """Give again what was taken back, and go to its place; say whether there was anything."""
        return self._moved(self.history.redo)

    def remove(self, file: int, place: int) -> None:
        """Remove the verdict at a place of a file's list."""
        self.history.remove(file, place)
        self.save(file)

    def save(self, file: int) -> Path:
        """Write OUT.verdicts.json of a file.

        Raises:
            OutputError: if it cannot be written.
        """
        about = self.files[file]
        path = verdicts_path(about.swc)
        text = format_verdicts(
            self.history.files[file], tree_file=about.swc.name, tree_sha256=about.sha256, by=self.by, made=now()
        )
        write_text(path, text, overwrite=True)
        return path

    def said(self) -> dict[int, str]:
        """Return keep, drop, extend or refuse of each stretch of the list that has a verdict, by its number.

        They stand in the order in which they were given, file by file; in a sample a stretch may stand twice.
        """
        numbers: dict[object, list[int]] = {}
        for number, one in enumerate(self.list):
            numbers.setdefault((one.file, self._on_stretch("keep", one).place), []).append(number)
        return {
            number: verdict.do
            for file, verdicts in enumerate(self.history.files)
            for verdict in verdicts
            for number in numbers.get((file, verdict.place), ())
        }

    def marks(self, file: int) -> NDArray[np.int64]:
        """Return what the verdicts say of the edge above each node of a file, (N,), see `Mark`."""
        about = self.files[file]
        marks = np.full(len(about.tree), Mark.OPEN)
        for verdict in self.history.files[file]:
            if verdict.do in WHOLE:
                rows = stretch_of(about, verdict)
                marks[rows] = Mark.DROPPED if verdict.do == "drop" else Mark.KEPT
        cut = [about.row(verdict.node) for verdict in self.history.files[file] if verdict.do == "detach"]
        marks[[row for row in cut if row >= 0 and marks[row] != Mark.DROPPED]] = Mark.CUT
        return marks

    # How much is wrong, and the mended tree.

    def audit(self, file: int, draws: int, *, seed: int = 0) -> None:
        """Put a random sample of a file's stretches in place of the list.

        Raises:
            InputError: if the tree has no cable.
        """
        about = self.files[file]
        sample = draw_sample(about.swc, draws, seed)
        known = {(s.listed.top, s.listed.low): s.listed for s in self._all if s.file == file and s.listed.rows}
        self._audit = (file, draws, seed)
        self.list = tuple(Stretch(file, of_sample(about, one.top, one.to, one.node, known)) for one in sample)
        self.current = -1

    def leave_audit(self) -> None:
        """Put the review list back."""
        self._audit, self.list, self.current = None, self._all, -1

    @property
    def auditing(self) -> bool:
        """Whether the list is the sample of an audit."""
        return self._audit is not None

    def audited(self) -> str:
        """Return what the judged part of the sample proves, in one sentence.

        Raises:
            InputError: if no sample was drawn, or none of its first stretches is judged.
        """
        if self._audit is None:
            raise InputError("no sample was drawn; begin an audit first")
        file, draws, seed = self._audit
        swc = self.files[file].swc
        return judged_by(self.save(file), swc, draw_sample(swc, draws, seed)).sentence

    def apply(self, file: int) -> tuple[Path, Applied]:
        """Write the mended tree, OUT_mended.swc, in place of an older one; see `mend.apply_file`.

        Raises:
            InputError: if there is no verdict, or one cannot be carried out.
            OutputError: if the file cannot be written.
        """
        about = self.files[file]
        if not self.history.files[file]:
            raise InputError(f"{about.swc.name}: has no verdict yet; there is nothing to carry out")
        output = mended_path(about.swc)
        return output, apply_file(about.swc, self.save(file), output, overwrite=True)

    def _moved(self, move: Callable[[], bool]) -> bool:
        """Move in the history, and write the files that have changed."""
        before = self.history.files
        moved = move()
        for file, (old, new) in enumerate(zip(before, self.history.files, strict=True)):
            if old != new:
                self.save(file)
        here = changed_verdict(before, self.history.files, back=move == self.history.undo)
        self.moved = None if here is None else here[1]
        if here is not None:
            self.visit(*here)
        return moved

    def visit(self, file: int, verdict: Verdict) -> None:
        """Go to the place of a verdict: choose its stretch, or the way on that it is about; else mark its node."""
        at = (one for one, stretch in enumerate(self.list) if stretch.file == file and self._is_on(stretch, verdict))
        row = self.files[file].row(verdict.node)
        if (number := next(at, -1)) >= 0:
            self.choose(number)
        elif row >= 0:
            self.mark(file, row)

    def _is_on(self, stretch: Stretch, verdict: Verdict) -> bool:
        return verdict.place is not None and self._on_stretch("keep", stretch).place == verdict.place
