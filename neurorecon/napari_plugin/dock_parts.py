"""Common parts of both docks: a line for messages, and work in the background that is polled."""

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QShortcut, QVBoxLayout, QWidget

from neurorecon.core.errors import InputError, NeuroreconError
from neurorecon.napari_plugin.background import Background, Stopped
from neurorecon.napari_plugin.layer_data import LayerData

__all__ = ["Dock", "add_layers", "beside", "bind_key", "button", "one_above_another"]

# Set by hand; not tuned, unless a line says more.
LOOK_MS = 100  # milliseconds between two looks at the work: the bar moves smoothly, and it costs nothing


class Dock(QWidget):
    """A dock with a line for messages. It shows the expected errors of a button there; a bug keeps its traceback.

    Attributes:
        viewer: of napari.
        message: the line.
        work: what runs in the background, None where nothing does.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setAccessibleName("message")
        self.work: Background[Any] | None = None
        self._ended: Callable[[Any], None] = lambda _: None
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)

    def say(self, text: str) -> None:
        """Show a message."""
        self.message.setText(text)

    def guarded(self, step: Callable[[], Any]) -> Callable[..., None]:
        """Return a function for a signal that does a step, and says what it refuses."""

        def run(*_: Any) -> None:
            try:
                step()
            except NeuroreconError as error:
                self.say(str(error))

        return run

    def begin(self, work: Callable[[Background[Any]], Any], ended: Callable[[Any], None]) -> None:
        """Do something in the background; `ended` gets what it gives.

        Raises:
            InputError: if something is done there already: the same files would be written twice at once.
        """
        if self.work is not None:
            raise InputError("the work that was begun has not ended yet; wait for it")
        self.work, self._ended = Background(work), ended
        self.changed(True)
        self._timer.start()

    def look(self) -> None:
        """Look at the work, and take what it gives when it has ended."""
        work = self.work
        if work is None:
            return
        self.show_progress(work)
        if work.running:
            return
        self._timer.stop()
        self.work = None
        self.changed(False)
        if isinstance(work.error, Stopped):
            self.say("Stopped; nothing was written.")
        elif isinstance(work.error, NeuroreconError):
            self.say(str(work.error))
        elif work.error is not None:
            self.say("This is a bug of neurorecon; napari shows its traceback.")
            raise work.error
        else:
            self.guarded(lambda: self._ended(work.result))()

    def show_progress(self, work: Background[Any]) -> None:
        """Show how far the work is; a dock with a bar moves it."""

    def changed(self, running: bool) -> None:
        """Work has begun or ended."""

    def closeEvent(self, event: Any) -> None:
        """Stop the work with the window."""
        if self.work is not None:
            self.work.stop()
        super().closeEvent(event)


def add_layers(viewer: Any, layers: Sequence[LayerData]) -> list[Any]:
    """Put layers (data, arguments, type) into a viewer, and return them."""
    return [getattr(viewer, f"add_{kind}")(data, **arguments) for data, arguments, kind in layers]


def button(text: str, help_text: str, step: Callable[..., Any]) -> QPushButton:
    """Return a button that does a step when it is clicked."""
    made = QPushButton(text)
    made.setToolTip(help_text)
    made.clicked.connect(step)
    return made


def bind_key(dock: Dock, key: str, step: Callable[[], Any], *, held: bool) -> None:
    """Bind a key in the viewer, while the dock is in sight, and in the dock itself; a key that napari uses is taken over.

    `held` repeats the step as long as the key is down.
    """
    dock.viewer.bind_key(key, lambda *_: step() if dock.isVisible() else None, overwrite=True)
    shortcut = QShortcut(QKeySequence(key.replace("-", "+")), dock)
    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    shortcut.setAutoRepeat(held)
    shortcut.activated.connect(step)


def beside(*widgets: Any) -> QHBoxLayout:
    """Return widgets side by side."""
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def one_above_another(*widgets: Any) -> QWidget:
    """Return a widget that holds others, one above another."""
    made = QWidget()
    column = QVBoxLayout(made)
    for widget in widgets:
        column.addWidget(widget)
    return made
