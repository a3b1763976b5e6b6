"""The dock Reconstruct: a layer in, settings of both stages with their help, progress, an end; a tree out."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from neurorecon.core.errors import InputError
from neurorecon.napari_plugin.background import Background
from neurorecon.napari_plugin.dock_parts import Dock, add_layers, button
from neurorecon.napari_plugin.layer_data import is_image
from neurorecon.napari_plugin.layer_stack import placed_stack, voxel_size_text
from neurorecon.napari_plugin.reconstruct_work import Made, Request, made_layers, reconstruct_layer
from neurorecon.napari_plugin.settings_form import AUTOMATIC, FormField, fields_of, settings_of
from neurorecon.pipeline import ReconstructSettings
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings

__all__ = ["ReconstructDock"]

STAGES = (("Segmentation", SegmentSettings), ("Tracing", TraceSettings))


class ReconstructDock(Dock):
    """The dock; what it does stands in `reconstruct_work`.

    Attributes:
        layers: names of the layers that can be reconstructed.
        voxel_size: "Z, Y, X" in micrometres.
        output: OUT.swc, empty to keep the result in memory.
        forms: field -> widget, for each stage.
        bar: how far the work is.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.layers, self.voxel_size, self.output = QComboBox(), QLineEdit(), QLineEdit()
        self.overwrite = QCheckBox("replace files of an earlier result")
        self.bar, self.help = QProgressBar(), QLabel()
        self.forms: list[dict[str, tuple[FormField, QWidget]]] = []
        self.run_button = button("Reconstruct", "Find the neurites, and trace them", self.guarded(self.start))
        self.stop_button = button("Stop", "Stop at the next tile; tracing is finished first", self._stop)
        self._lay_out()
        self.changed(False)
        for event in (napari_viewer.layers.events.inserted, napari_viewer.layers.events.removed):
            event.connect(self._list_layers)
        self.layers.currentTextChanged.connect(self._chosen)
        self._list_layers()

    def request(self) -> Request:
        """Return what the form asks for.

        Raises:
            InputError: if no layer is chosen, or it is no stack.
            SettingsError: names the setting that is wrong.
        """
        name = self.layers.currentText()
        if name not in self.viewer.layers:
            raise InputError("no stack is there; open one, or File > Open Sample > neurorecon > Synthetic neuron")
        texts = [{key: _text(field, widget) for key, (field, widget) in form.items()} for form in self.forms]
        settings = ReconstructSettings(settings_of(SegmentSettings, texts[0]), settings_of(TraceSettings, texts[1]))
        placed = placed_stack(self.viewer.layers[name], self.voxel_size.text(), point=self.viewer.dims.current_step)
        path = self.output.text().strip()
        return Request(
            placed,
            name,
            settings,
            Path(path).expanduser() if path else None,
            overwrite=self.overwrite.isChecked(),
        )

    def start(self) -> None:
        """Begin the work."""
        request = self.request()
        self.say("")
        self.begin(lambda work: reconstruct_layer(request, work), self._take)

    def show_progress(self, work: Background[Any]) -> None:
        """Move the bar."""
        state = work.state
        self.bar.setMaximum(state.total)
        self.bar.setValue(state.done)
        stage = "stopping" if work.stopping else state.stage
        self.say(f"{stage[:1].upper()}{stage[1:]} ...")

    def changed(self, running: bool) -> None:
        """Show the bar while it works."""
        self.run_button.setEnabled(not running)
        self.stop_button.setEnabled(running)
        self.bar.setVisible(running)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the help of the field that is entered."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.Enter):
            self.help.setText(watched.toolTip())
        return bool(super().eventFilter(watched, event))

    def _take(self, made: Made) -> None:
        """Show the result."""
        add_layers(self.viewer, made_layers(made))
        tree = made.tree
        unit = "\u00b5m" if tree.unit == "um" else "voxels"
        trees = len(tree.roots)
        said = f"{trees} tree{'s' * (trees > 1)}, {tree.cable_length:,.0f} {unit}, {len(tree.tips)} tips."
        kept = ", ".join(path.name for path in made.files)
        said += f" Written: {kept}; go on with the dock Review." if kept else " In memory alone."
        self.say("\n".join([said, *made.warnings]))

    def _stop(self, *_: Any) -> None:
        if self.work is not None:
            self.work.stop()

    def _list_layers(self, *_: Any) -> None:
        """Offer the images of the viewer; the chosen one stays."""
        names = [layer.name for layer in self.viewer.layers if is_image(layer)]
        if names != [self.layers.itemText(k) for k in range(self.layers.count())]:
            chosen = self.layers.currentText()
            self.layers.clear()
            self.layers.addItems(names)
            if chosen in names:
                self.layers.setCurrentText(chosen)

    def _chosen(self, name: str) -> None:
        """Show the voxel size of the layer that was chosen."""
        if name in self.viewer.layers:
            self.voxel_size.setText(voxel_size_text(self.viewer.layers[name]))

    def _pick(self, *_: Any) -> None:
        """Ask for OUT.swc."""
        path, _kind = QFileDialog.getSaveFileName(self, "Write the result as", self.output.text(), "SWC (*.swc)")
        if path:
            self.output.setText(path if path.lower().endswith(".swc") else f"{path}.swc")

    def _lay_out(self) -> None:
        """Put the parts in their places."""
        self.voxel_size.setPlaceholderText("unknown")
        self.voxel_size.setToolTip("Z, Y, X in micrometres; empty where it is unknown: then lengths are in voxels")
        self.output.setPlaceholderText("nothing is written")
        self.output.setToolTip(
            "OUT.swc, with OUT.json, OUT.review.csv, OUT.html and OUT.png beside it, as `neurorecon run`"
        )
        named = QHBoxLayout()
        named.addWidget(self.output)
        named.addWidget(button("...", "Choose a file", self._pick))
        head = QFormLayout()
        head.addRow("Stack", self.layers)
        head.addRow("Voxel size (\u00b5m)", self.voxel_size)
        head.addRow("Write to", named)
        head.addRow("", self.overwrite)
        tabs = QTabWidget()
        for title, kind in STAGES:
            tabs.addTab(self._form(kind), title)
        self.help.setWordWrap(True)
        self.help.setText("Point at a setting for its help.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.stop_button)
        whole = QVBoxLayout(self)
        whole.addLayout(head)
        whole.addWidget(tabs, 1)
        whole.addWidget(self.help)
        whole.addLayout(buttons)
        whole.addWidget(self.bar)
        whole.addWidget(self.message)

    def _form(self, kind: type[Any]) -> QScrollArea:
        """Return the form of a stage."""
        inside, rows = QWidget(), QFormLayout()
        inside.setLayout(rows)
        form = {}
        for field in fields_of(kind):
            widget = _widget(field)
            widget.setToolTip(field.help)
            widget.installEventFilter(self)
            form[field.name] = field, widget
            rows.addRow(field.name, widget)
        self.forms.append(form)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inside)
        return area


def _widget(field: FormField) -> QWidget:
    """Return the widget of a field, at its default."""
    if field.kind == "switch":
        switch = QCheckBox()
        switch.setChecked(field.default == "true")
        return switch
    if field.kind == "choice":
        choice = QComboBox()
        choice.addItems(field.choices)
        choice.setCurrentText(field.default)
        return choice
    line = QLineEdit(field.default)
    line.setPlaceholderText(AUTOMATIC)
    return line


def _text(field: FormField, widget: Any) -> str:
    """Return what a widget of the form holds."""
    if field.kind == "switch":
        return "true" if widget.isChecked() else "false"
    return str(widget.currentText() if field.kind == "choice" else widget.text())
