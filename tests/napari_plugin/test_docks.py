"""The docks, as a person uses them: fields, buttons, keys; Qt without a screen."""

import time

import numpy as np
import pytest

from neurorecon.core.tree import Tree
from neurorecon.io import read_stack, write_stack
from neurorecon.mend import read_verdicts
from neurorecon.napari_plugin.layer_data import stack_layer
from neurorecon.napari_plugin.layer_readers import result_reader
from neurorecon.napari_plugin.sample_layers import sample_neuron

pytestmark = [pytest.mark.napari, pytest.mark.qt]

SECONDS = 240  # a stack of 36,000 voxels on a busy machine


def wait_for(dock):
    """Look at the work of a dock, as its timer does, until it has ended."""
    end = time.monotonic() + SECONDS
    while dock.work is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
        dock.look()


@pytest.fixture
def review(qt_application, viewer):
    from neurorecon.napari_plugin.review_dock import ReviewDock

    dock = ReviewDock(viewer)
    dock.show()
    yield dock
    dock.close()


@pytest.fixture
def reconstruct(qt_application, viewer):
    from neurorecon.napari_plugin.reconstruct_dock import ReconstructDock

    dock = ReconstructDock(viewer)
    yield dock
    dock.close()


def test_a_review_by_buttons_leaves_the_file_of_verdicts(review, result):
    path = result()
    review.open(path)
    assert review.rows.count() == len(review.desk.list)
    review.by.setText("Santiago")
    review.step(1)
    assert review.chosen.text().startswith("Look 1 of ")
    assert ", stretch 1 of " in review.chosen.text()
    review.note.setText("a vessel")
    review.judge("drop")
    assert review.desk.current == 1
    assert review.rows.item(0).text().startswith("\u2715 1")
    review.judge("keep")
    review.judge("kind", kind=2)
    file = path.with_name("cell.verdicts.json")
    read = read_verdicts(file)
    assert (read.by, [v.do for v in read.verdicts]) == ("Santiago", ["drop", "keep", "kind"])
    assert read.verdicts[0].note == "a vessel"
    assert review.given.count() == 3
    review.undo()
    assert [v.do for v in read_verdicts(file).verdicts] == ["drop", "keep"]
    assert review.message.text().startswith("Removed: set kind: node ")
    review.undo(again=True)
    assert review.message.text().startswith("Given again: set kind: node ")
    review.given.setCurrentRow(2)
    review.remove()
    assert review.tabs.tabText(1) == "Verdicts (2)"


def test_the_message_and_an_arrow_say_where_a_dropped_neurite_goes_on(review, result):
    trunk = [(0.75 * k, 8, 10) for k in range(120)]
    sure = np.linspace(0.9, 0.3, 120)
    tree = Tree(np.array(trunk, float), np.full(120, 0.5), np.arange(-1, 119), np.full(120, 3), "um", sure)
    review.open(result(tree))
    review.step(1)
    home = review.desk.look
    for number in review.desk.looks[home]:
        review.desk.choose(number)
        review.judge("drop")
    assert review.desk.look != home
    assert review.message.text().endswith("The dropped neurite goes on here.")
    assert review.rows.item(review.desk.current).text().startswith("\u2192 ")
    review.undo()
    assert review.desk.look == home


def test_keys_of_the_page_work_in_the_viewer(review, viewer, result):
    review.open(result())
    for key in ("J", "J", "K"):
        viewer.keymap[next(one for one in viewer.keymap if str(one) == key)](viewer)
    assert review.desk.current == 0
    viewer.keymap[next(one for one in viewer.keymap if str(one) == "X")](viewer)
    assert review.desk.said() == {0: "drop"}
    viewer.keymap[next(one for one in viewer.keymap if str(one) == "U")](viewer)
    assert review.desk.said() == {}
    review.hide()
    viewer.keymap[next(one for one in viewer.keymap if str(one) == "X")](viewer)
    assert review.desk.said() == {}


def test_a_key_that_is_held_gives_one_verdict(review):
    from qtpy.QtWidgets import QShortcut

    repeated = {one.key().toString(): one.autoRepeat() for one in review.findChildren(QShortcut)}
    assert repeated["J"]
    assert not any(repeated[key] for key in ("Y", "X", "D", "L", "R", "Shift+Y"))


class Press:
    """A press of the mouse in a view along z, then what napari makes of it."""

    button, view_direction, dims_displayed = 1, (1.0, 0.0, 0.0), (0, 1, 2)

    def __init__(self, position):
        self.position, self.type, self.pos = position, "mouse_press", (100, 80)


def test_a_click_marks_a_node_and_a_drag_does_not(review, viewer, result):
    review.open(result())
    z, y, x = review.desk.files[0].tree.xyz[22, ::-1]
    moves = ([(101, 80), (90, 80), (101, 80)], [(100, 82), (101, 81)])  # a drag and back; a hand that trembles
    for places, marked in zip(moves, (None, (0, 22)), strict=True):
        press = Press((z - 5, y, x))
        drag = viewer.mouse_drag_callbacks[-1](viewer, press)
        next(drag)
        for kind, place in zip([*["mouse_move"] * len(places), "mouse_release"], [*places, places[-1]], strict=True):
            press.type, press.pos = kind, place
            next(drag, None)
        assert review.desk.node == marked
    assert review.message.text() == "Marked node 23."


def test_a_join_can_be_left_and_says_so(review, result):
    review.open(result())
    review.judge("join")
    assert review.message.text() == "Mark a node first, then join."
    review.step(1)
    review.judge("join")
    assert review.scene.joining
    assert review.message.text().startswith("Join with: ")
    review.judge("join")
    assert not review.scene.joining
    assert review.message.text() == "No join."
    review.note.setText("all of it")
    review.keep_rest()
    assert {verdict.note for verdict in review.desk.history.files[0]} == {"all of it"}
    assert review.note.text() == ""


def test_the_mended_tree_is_written_and_shown(review, viewer, result):
    path = result()
    review.open(path)
    review.guarded(review.apply)()
    assert "no verdict yet" in review.message.text()
    review.step(1)
    review.judge("drop")
    review.apply()
    wait_for(review)
    assert "Wrote cell_mended.swc: 1 of 1 verdicts done." in review.message.text()
    assert "cell_mended edges" in viewer.layers
    review.apply()
    review.guarded(review.apply)()  # a second click while the first one is carried out
    assert "has not ended yet" in review.message.text()
    wait_for(review)
    assert [layer.name for layer in viewer.layers].count("cell_mended") == 1


def test_an_audit_puts_a_sample_in_place_of_the_list(review, result):
    review.open(result())
    review.draws.setValue(20)
    review.audit()
    number = review.rows.count()
    assert number == len(review.desk.list)
    for _ in range(number):
        review.step(1)
        review.desk.judge("keep")
    review.audited()
    assert review.message.text().startswith("at most 13.9 % of the cable is wrong (95 %)")
    review.audit()
    assert not review.desk.auditing


def test_what_is_refused_is_said_in_the_dock(review, tmp_path):
    review.guarded(lambda: review.step(1))()
    assert "nothing is under review" in review.message.text()
    review.guarded(review.open_shown)()
    assert "no layer shows a tree" in review.message.text()
    review.guarded(lambda: review.open(tmp_path / "gone.swc"))()
    assert "gone.swc" in review.message.text()


def test_the_shown_tree_is_reviewed_and_another_one_takes_its_place(review, viewer, result, put):
    path = result()
    put(viewer, result_reader(str(path))("path"))
    review.open_shown()
    first = review.scene
    review.open(path)
    assert review.scene is not first
    assert [layer.name for layer in viewer.layers].count("review: node") == 1


def test_a_sample_is_offered_with_its_voxel_size_and_every_setting_has_help(reconstruct, viewer, put):
    assert reconstruct.layers.count() == 0
    reconstruct.guarded(reconstruct.start)()
    assert "no stack is there" in reconstruct.message.text()
    put(viewer, sample_neuron())
    assert reconstruct.layers.currentText() == "synthetic neuron"
    assert reconstruct.voxel_size.text() == "1, 0.5, 0.5"
    for form in reconstruct.forms:
        assert all(widget.toolTip() for _, widget in form.values())
    form = reconstruct.forms[1]
    form["confidence"][1].setText("0.6")
    assert reconstruct.request().settings.trace.confidence == 0.6
    form["confidence"][1].setText("6")
    reconstruct.guarded(reconstruct.start)()
    assert "confidence is 6" in reconstruct.message.text()


def test_a_reconstruction_from_the_form_brings_map_and_tree(reconstruct, viewer, put, y_stack, bright_model, tmp_path):
    write_stack(y_stack, tmp_path / "y.tif")
    put(viewer, [stack_layer(read_stack(tmp_path / "y.tif"), "y")])
    reconstruct.forms[0]["model"][1].setText(str(bright_model))
    reconstruct.forms[0]["device"][1].setText("cpu")
    reconstruct.output.setText(str(tmp_path / "out.swc"))
    reconstruct.start()
    assert not reconstruct.run_button.isEnabled()
    assert reconstruct.stop_button.isEnabled()
    wait_for(reconstruct)
    assert "Written: out.swc" in reconstruct.message.text()
    assert [layer.name for layer in viewer.layers] == ["y", "y probability", "y probability (soma)", "out", "out edges"]
    assert not viewer.layers["y probability"].visible
    reconstruct.start()
    wait_for(reconstruct)
    assert "exists already" in reconstruct.message.text()


def test_a_stack_without_a_neuron_says_so(reconstruct, viewer, bright_model):
    viewer.add_image(np.full((16, 24, 24), 10, np.uint8), name="empty")
    viewer.add_labels(np.zeros((16, 24, 24), np.uint8), name="labels")
    assert [reconstruct.layers.itemText(k) for k in range(reconstruct.layers.count())] == ["empty"]
    reconstruct.forms[0]["model"][1].setText(str(bright_model))
    reconstruct.start()
    wait_for(reconstruct)
    assert reconstruct.message.text()
    assert [layer.name for layer in viewer.layers] == ["empty", "labels"]
