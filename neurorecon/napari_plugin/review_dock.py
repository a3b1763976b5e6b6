"""The dock Review: the list, verdicts with their keys, undo, audit, and the mended tree."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
)

from neurorecon.core.errors import InputError
from neurorecon.mend import Applied
from neurorecon.napari_plugin.dock_parts import Dock, add_layers, beside, bind_key, button, one_above_another
from neurorecon.napari_plugin.layer_data import metadata_of
from neurorecon.napari_plugin.layer_readers import read_tree
from neurorecon.napari_plugin.review_desk import Desk, open_desk
from neurorecon.napari_plugin.review_scene import ReviewScene, on_click
from neurorecon.napari_plugin.review_words import (
    FOLLOWED,
    KINDS,
    TWO_SOMATA,
    VERDICTS,
    chosen_words,
    end_words,
    list_words,
    mended_words,
    moved_words,
    verdict_words,
)

__all__ = ["ReviewDock"]

# Set by hand; not tuned, unless a line says more.
DRAWS = 60  # of an audit, as `neurorecon review audit` has it
REPEATED = (
    "J",
    "K",
    "[",
    "]",
    "U",
    "Shift-U",
)  # keys that may be held; a verdict that is held is one verdict, not thirty


class ReviewDock(Dock):
    """The dock; what it does stands in `review_desk` and `review_scene`.

    Attributes:
        desk, scene: of the result under review; None until one is opened.
        rows: the list.
        given: the verdicts.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.desk: Desk | None = None
        self.scene: ReviewScene | None = None
        self.rows, self.given, self.chosen = QListWidget(), QListWidget(), QLabel()
        self.note, self.by, self.kind, self.draws = QLineEdit(), QLineEdit(), QComboBox(), QSpinBox()
        self._lay_out()
        self.by.textChanged.connect(self._named)
        self.rows.currentRowChanged.connect(self._row_chosen)
        self.given.currentRowChanged.connect(self._given_chosen)
        napari_viewer.mouse_drag_callbacks.append(self._clicked)
        self._bind_keys()

    # Opening.

    def open(self, path: Path) -> None:
        """Open an OUT.json or an SWC file.

        Raises:
            InputError: if it cannot be read, or its verdicts are those of another tree.
        """
        desk = open_desk(path)
        if self.scene is not None:
            self.scene.close()
        desk.by = self.by.text().strip()
        self.desk, self.scene = desk, ReviewScene(self.viewer, desk)
        self.list_anew()
        names = ", ".join(file.swc.name for file in desk.files)
        self.say(f"{names}: {len(desk.list)} stretches. J chooses the next one.")

    def open_shown(self) -> None:
        """Open the tree of the selected layer, else of the last layer that has one.

        Raises:
            InputError: if no layer shows a tree of a file.
        """
        layers = [*self.viewer.layers, *self.viewer.layers.selection]
        files = [metadata_of(layer).get("swc") for layer in layers]
        found = [file for file in files if file is not None]
        if not found:
            raise InputError("no layer shows a tree of a file; open an OUT.json or an SWC file")
        self.open(found[-1])

    def _pick(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Review", "", "Result or tree (*.json *.swc)")
        if path:
            self.open(Path(path))

    # The list and the verdicts.

    def opened(self) -> tuple[Desk, ReviewScene]:
        """Return the desk and its scene.

        Raises:
            InputError: if nothing is open.
        """
        if self.desk is None or self.scene is None:
            raise InputError("nothing is under review; open an OUT.json or an SWC file first")
        return self.desk, self.scene

    def step(self, by: int, *, looks: bool = False) -> None:
        """Go to the stretch `by` places on, or to the first one of the look `by` places on."""
        desk, scene = self.opened()
        if (desk.step_look if looks else desk.step)(by) is None:
            self.say("This is the end of the list." if by > 0 else "This is the top of the list.")
            return
        self._arrived(scene)

    def _arrived(self, scene: ReviewScene) -> None:
        scene.show()
        self.show_chosen()

    def _go_on(self, message: str) -> None:
        """Go on to what comes after a verdict, and say so."""
        desk, scene = self.opened()
        if desk.go_on() is None:
            self.say(f"{message} {end_words(desk)}")
            return
        self._arrived(scene)
        self.say(f"{message} {FOLLOWED}" if desk.following else message)

    def keep_rest(self) -> None:
        """Keep what the look shows and has no verdict yet, and go on to the next look."""
        desk, _ = self.opened()
        kept = desk.keep_rest(note=self.note.text().strip())
        if kept:
            self.note.clear()
        self.decided()
        self._go_on(f"Kept: {kept}.")

    def judge(self, do: str, *, kind: int | None = None) -> None:
        """Give a verdict; keep and drop go on to the next stretch."""
        desk, _ = self.opened()
        if do == "join":
            self._begin_join()
            return
        verdict = desk.judge(do, kind=kind, note=self.note.text().strip())
        self.note.clear()
        self.say(verdict_words(verdict))
        self.decided()
        if do in ("keep", "drop"):
            self._go_on(verdict_words(verdict) + ".")

    def _begin_join(self) -> None:
        """Let the next click at a node join it with the marked one; asked again, leave that."""
        desk, scene = self.opened()
        if desk.node is None:
            self.say("Mark a node first, then join.")
            return
        scene.joining = not scene.joining
        self.say("Join with: click at the other node; L leaves it." if scene.joining else "No join.")

    def undo(self, *, again: bool = False) -> None:
        """Take the last verdict back, or give it again."""
        desk, scene = self.opened()
        if not (desk.redo() if again else desk.undo()):
            self.say("There is nothing to give again." if again else "There is nothing to take back.")
            return
        self.decided()
        self._arrived(scene)
        self.say(moved_words(desk, again=again))

    def decided(self) -> None:
        """Show what holds now."""
        desk, scene = self.opened()
        scene.paint()
        self._fill()
        for number, text in enumerate(list_words(desk)):
            self.rows.item(number).setText(text)
        self.show_chosen()

    def list_anew(self) -> None:
        """Show the list of the desk from its top."""
        desk, _ = self.opened()
        self.rows.blockSignals(True)
        self.rows.clear()
        self.rows.addItems(list_words(desk))
        self.rows.blockSignals(False)
        self._fill()
        self.show_chosen()

    def show_chosen(self) -> None:
        """Show which stretch is chosen, and what it is."""
        desk, _ = self.opened()
        self.rows.blockSignals(True)
        self.rows.setCurrentRow(desk.current)
        self.rows.blockSignals(False)
        self.chosen.setText(chosen_words(desk))

    # The end of a review.

    def audit(self) -> None:
        """Begin an audit, or end it: the list is a random sample meanwhile."""
        desk, _ = self.opened()
        if desk.auditing:
            desk.leave_audit()
            self.say("The review list is back.")
        else:
            desk.audit(0 if desk.stretch is None else desk.stretch.file, self.draws.value())
            self.say("Judge these stretches from the top by Keep, Drop and Wrong link; then: How much is wrong?")
        self.audit_button.setText("Back to the list" if desk.auditing else "Audit")
        self.list_anew()

    def audited(self) -> None:
        """Say what the audit proves."""
        self.say(self.opened()[0].audited())

    def apply(self) -> None:
        """Write the mended tree of each file that has verdicts, and show it."""
        desk, _ = self.opened()
        files = [number for number, verdicts in enumerate(desk.history.files) if verdicts]
        if not files:
            raise InputError("there is no verdict yet; there is nothing to carry out")
        self.say("Carrying out ...")
        self.begin(lambda _: [desk.apply(number) for number in files], self._mended)

    def _mended(self, written: list[tuple[Path, Applied]]) -> None:
        """Show mended trees in place of older ones."""
        lines: list[str] = []
        for path, applied in written:
            for layer in [one for one in self.viewer.layers if metadata_of(one).get("swc") == path.absolute()]:
                self.viewer.layers.remove(layer)
            add_layers(self.viewer, read_tree(path))
            lines += mended_words(path, applied)
        self.say("\n".join(lines))

    # What the person does.

    def _named(self, text: str) -> None:
        if self.desk is not None:
            self.desk.by = text.strip()

    def _row_chosen(self, number: int) -> None:
        if number >= 0:
            desk, scene = self.opened()
            desk.choose(number)
            scene.show()
            self.show_chosen()

    def _given_chosen(self, number: int) -> None:
        """Go to the place of a verdict."""
        if number < 0:
            return
        desk, scene = self.opened()
        file, place = self._places()[number]
        desk.visit(file, desk.history.files[file][place])
        scene.show()
        self.show_chosen()

    def remove(self) -> None:
        """Remove the verdict that is chosen among those given."""
        desk, _ = self.opened()
        if not 0 <= self.given.currentRow() < len(self._places()):
            raise InputError("choose a verdict first")
        desk.remove(*self._places()[self.given.currentRow()])
        self.decided()

    def _clicked(self, _: Any, event: Any) -> Iterator[None]:
        """Take a click, unless the mouse is dragged or another tool of napari is at work."""
        mode = str(getattr(self.viewer.layers.selection.active, "mode", "pan_zoom"))
        if self.scene is None or event.button != 1 or mode != "pan_zoom" or not self.isVisible():
            return
        yield from on_click(event, self.guarded(lambda: self._take(event)))

    def _take(self, event: Any) -> None:
        desk, scene = self.opened()
        joining = scene.joining
        if scene.click(event, note=self.note.text().strip()) is None:
            return
        if joining:
            self.note.clear()
            self.say("Joined." + (TWO_SOMATA if desk.two_somata else ""))
            self.decided()
        self.show_chosen()
        if desk.node is not None and not joining:
            self.say(f"Marked node {desk.files[desk.node[0]].ids[desk.node[1]]}.")

    def walk(self, by: int) -> None:
        """Mark the next node towards the root (-1) or away from it (1)."""
        _, scene = self.opened()
        if not scene.walk(by):
            self.say("This is the root." if by < 0 else "This is a tip.")
        self.show_chosen()

    def switch_slab(self) -> None:
        """Show a box of the stack around the chosen stretch, or all of the stack."""
        _, scene = self.opened()
        scene.slab = not scene.slab
        scene.show()
        self.say("Only a box of the stack is shown." if scene.slab else "All of the stack is shown.")

    def _kind_chosen(self, number: int) -> None:
        self.kind.setCurrentIndex(0)
        if number > 0:
            self.guarded(lambda: self.judge("kind", kind=KINDS[number - 1][0]))()

    def _places(self) -> list[tuple[int, int]]:
        """Return file and place of each verdict that is shown."""
        files = () if self.desk is None else self.desk.history.files
        return [(file, place) for file, verdicts in enumerate(files) for place in range(len(verdicts))]

    def _fill(self) -> None:
        """Show the verdicts."""
        desk, _ = self.opened()
        self.given.blockSignals(True)
        self.given.clear()
        self.given.addItems([verdict_words(desk.history.files[file][place]) for file, place in self._places()])
        self.given.blockSignals(False)
        self.tabs.setTabText(1, f"Verdicts ({self.given.count()})")

    # The parts.

    def _bind_keys(self) -> None:
        """Bind the keys of the page, in the viewer and in the dock; a key that napari uses is taken over."""
        keys = {"J": lambda: self.step(1), "K": lambda: self.step(-1), "U": self.undo,
                "Shift-U": lambda: self.undo(again=True), "[": lambda: self.walk(-1), "]": lambda: self.walk(1),
                "Shift-J": lambda: self.step(1, looks=True), "Shift-K": lambda: self.step(-1, looks=True),
                "Shift-Y": self.keep_rest, "B": self.switch_slab}  # fmt: skip
        keys |= {key: partial(self.judge, do) for _, key, _, do in VERDICTS}
        for key, step in keys.items():
            bind_key(self, key, self.guarded(step), held=key in REPEATED)

    def _lay_out(self) -> None:
        """Put the parts in their places."""
        self.by.setPlaceholderText("your name, for the file of verdicts")
        self.note.setPlaceholderText("a note that goes with the next verdict")
        self.chosen.setWordWrap(True)
        self.chosen.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.kind.addItems(["Kind ...", *(f"{number} {word}" for number, word in KINDS)])
        self.kind.setToolTip("Set the SWC type of the unbranched stretch that holds the marked node")
        self.kind.activated.connect(self._kind_chosen)
        self.draws.setRange(1, 10_000)
        self.draws.setValue(DRAWS)
        self.draws.setToolTip("Number of draws; 60 without a wrong one say that at most 5 % of the cable is wrong")
        whole = QVBoxLayout(self)
        whole.addLayout(
            beside(
                button("Open ...", "Open an OUT.json or an SWC file", self.guarded(self._pick)),
                button("Review the shown tree", "That of the selected layer", self.guarded(self.open_shown)),
            )
        )
        whole.addWidget(self.by)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.rows, "List")
        remove = button("Remove", "Remove the chosen verdict", self.guarded(self.remove))
        self.tabs.addTab(one_above_another(self.given, remove), "Verdicts (0)")
        whole.addWidget(self.tabs, 1)
        whole.addWidget(self.chosen)
        whole.addLayout(self._verdict_buttons())
        whole.addWidget(self.note)
        self.audit_button = button("Audit", "Judge a random sample: how much is wrong?", self.guarded(self.audit))
        ask = button("How much is wrong?", "What the judged part of the sample proves", self.guarded(self.audited))
        whole.addLayout(beside(self.draws, self.audit_button, ask))
        about = "OUT_mended.swc, with what was done in its header"
        whole.addWidget(button("Write the mended tree", about, self.guarded(self.apply)))
        whole.addWidget(self.message)

    def _verdict_buttons(self) -> QGridLayout:
        """Return the buttons of the verdicts, with their keys."""
        grid = QGridLayout()
        for place, (text, key, help_text, do) in enumerate(VERDICTS):
            made = button(f"{text} ({key})", help_text, self.guarded(partial(self.judge, do)))
            grid.addWidget(made, place // 3, place % 3)
        grid.addWidget(self.kind, 1, 2)
        slab = "Show only a box of the stack around the chosen stretch, or all of it"
        others: tuple[tuple[str, str, Callable[[], Any]], ...] = (
            ("Undo (U)", "Take the last verdict back", self.undo),
            ("Redo (Shift U)", "Give it again", lambda: self.undo(again=True)),
            ("Next (J)", "Go to the next stretch of the list", lambda: self.step(1)),
            ("Slab (B)", slab, self.switch_slab),
            ("Keep the rest (Shift Y)", "All that this look shows and has no verdict", self.keep_rest),
            ("Next look (Shift J)", "The stretches of the next close-up", lambda: self.step(1, looks=True)),
        )
        for place, (text, about, step) in enumerate(others):
            grid.addWidget(button(text, about, self.guarded(step)), 2 + place // 3, place % 3)
        return grid
