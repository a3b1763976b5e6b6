"""Settings of a form, layers as stacks, and the work of the dock Reconstruct: files, layers, its end."""

import threading
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from neurorecon.batch.rerun_record import read_record
from neurorecon.core.errors import InputError, OutputError, SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.io import read_stack, write_stack
from neurorecon.napari_plugin.background import Background, Stopped
from neurorecon.napari_plugin.layer_data import stack_layer
from neurorecon.napari_plugin.layer_stack import placed_stack, voxel_size_text
from neurorecon.napari_plugin.reconstruct_work import Request, made_layers, reconstruct_layer
from neurorecon.napari_plugin.review_desk import open_desk
from neurorecon.napari_plugin.settings_form import fields_of, settings_of
from neurorecon.pipeline import ReconstructSettings
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings

SECONDS = 240  # a stack of 36,000 voxels on a busy machine


class Layer:
    """What is asked of a layer of napari, with its defaults."""

    def __init__(self, data, *, scale=None, units=("pixel",), metadata=None, rgb=False, name="stack"):
        self.data, self.name, self.rgb, self.ndim = data, name, rgb, len(data.shape)
        self.scale = np.ones(self.ndim) if scale is None else np.array(scale, float)
        self.units = tuple(units) * (self.ndim if len(units) == 1 else 1)
        self.translate, self.metadata = np.zeros(self.ndim), metadata or {}
        self.rotate, self.shear, self.affine = np.eye(3), np.zeros(3), np.eye(4)


def layer_of(stack):
    data, arguments, _ = stack_layer(stack, "y")
    return Layer(data, scale=arguments["scale"], units=arguments["units"], metadata=arguments["metadata"], name="y")


@pytest.mark.parametrize("kind", [SegmentSettings, TraceSettings])
def test_every_setting_has_a_field_with_help_and_its_default(kind):
    form = fields_of(kind)
    assert [field.name for field in form] == [field.name for field in fields(kind)]
    assert all(len(field.help) > 20 for field in form)
    assert settings_of(kind, {field.name: field.default for field in form}) == kind()
    assert settings_of(kind, {}) == kind()


def test_texts_of_a_form_become_settings():
    made = settings_of(SegmentSettings, {"core": "32, 64,64", "tta": "true", "precision": "bf16", "model": "mine"})
    assert made == SegmentSettings(core=(32, 64, 64), tta=True, precision="bf16", model="mine")
    texts = {"soma": "8, 20, 20.5", "min_length": "3", "units": "um", "confidence": " 0.6 ", "threshold": "automatic"}
    assert settings_of(TraceSettings, texts) == TraceSettings(
        soma=((8.0, 20.0, 20.5),), min_length=3.0, units="um", confidence=0.6
    )
    assert settings_of(TraceSettings, {"soma": "[8, 20, 20], [1, 2, 3]"}).soma[1] == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"confidence": "high"}, "confidence"),
        ({"confidence": "2"}, "0 to 1"),
        ({"soma": "1, 2"}, "soma"),
        ({"a": "1"}, "a"),
    ],
)
def test_a_wrong_setting_is_named(texts, said):
    with pytest.raises(SettingsError, match=said):
        settings_of(TraceSettings, texts)


def test_voxel_size_of_a_layer_is_in_micrometres():
    data = np.zeros((3, 4, 5), np.uint8)
    assert voxel_size_text(Layer(data)) == ""
    assert voxel_size_text(Layer(data, scale=(2, 1, 1))) == "2, 1, 1"
    assert voxel_size_text(Layer(data, scale=(300, 100, 100), units=("nanometer",))) == "0.3, 0.1, 0.1"
    assert voxel_size_text(Layer(data, scale=(1, 1, 1), units=("micrometer",))) == "1, 1, 1"
    four = Layer(np.zeros((2, 3, 4, 5), np.uint8), scale=(1, 2, 1, 1), units=("micrometer",))
    assert voxel_size_text(four) == "2, 1, 1"


def test_a_layer_of_more_axes_gives_the_stack_that_is_shown():
    data = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    placed = placed_stack(Layer(data), "", point=(1, 0, 0, 0))
    np.testing.assert_array_equal(placed.stack.data, data[1])
    assert placed.stack.voxel_size is None
    assert not placed.from_file


def test_a_layer_that_is_no_stack_is_refused():
    with pytest.raises(InputError, match="in colour"):
        placed_stack(Layer(np.zeros((4, 5, 3), np.uint8), rgb=True), "")
    with pytest.raises(InputError, match="2 axes"):
        placed_stack(Layer(np.zeros((4, 5), np.uint8)), "")
    with pytest.raises(InputError, match="voxel"):
        placed_stack(Layer(np.zeros((3, 4, 5), np.uint8)), "1, 2")


def test_a_stack_of_a_file_keeps_its_file_and_its_size_to_the_last_digit(tmp_path):
    size = VoxelSize(1.0, 0.123456789, 0.123456789)
    write_stack(np.zeros((3, 4, 5), np.uint8), tmp_path / "a.tif", voxel_size=size)
    layer = layer_of(read_stack(tmp_path / "a.tif"))
    placed = placed_stack(layer, voxel_size_text(layer))
    assert placed.stack.voxel_size == read_stack(tmp_path / "a.tif").voxel_size
    assert placed.from_file
    assert placed.given is None
    assert placed_stack(layer, "2, 1, 1").given == VoxelSize(2, 1, 1)


def test_a_stack_that_was_made_in_memory_has_no_file():
    made = layer_of(Stack(np.zeros((3, 4, 5), np.uint8), VoxelSize(1, 1, 1), source="synthetic"))
    assert not placed_stack(made, voxel_size_text(made)).from_file


def test_background_tells_how_far_it_is_and_ends_when_told():
    reached, go_on = threading.Event(), threading.Event()

    def work(task):
        task.enter("counting")
        task.advance(1, 3)
        reached.set()
        go_on.wait(SECONDS)
        task.advance(2, 3)
        return "all"

    task = Background(work)
    assert reached.wait(SECONDS)
    assert task.running
    assert (task.state.stage, task.state.done, task.state.total) == ("counting", 1, 3)
    task.stop()
    go_on.set()
    assert task.wait(SECONDS)
    assert isinstance(task.error, Stopped)
    assert task.result is None


def test_background_gives_its_result_and_keeps_its_error():
    task = Background(lambda _: 7)
    assert task.wait(SECONDS)
    assert (task.result, task.error) == (7, None)
    broken = Background(lambda _: 1 / 0)
    assert broken.wait(SECONDS)
    assert isinstance(broken.error, ZeroDivisionError)


@pytest.fixture
def request_of(y_stack, bright_model, tmp_path):
    """A request on the tubes of `y_stack`, read from a file, with a network that finds bright voxels."""
    write_stack(y_stack, tmp_path / "y.tif")

    def make(output=None, *, overwrite=False):
        layer = layer_of(read_stack(tmp_path / "y.tif"))
        layer.translate = np.array([5.0, 6.0, 7.0])
        settings = ReconstructSettings(SegmentSettings(model=str(bright_model), device="cpu"))
        return Request(placed_stack(layer, voxel_size_text(layer)), "y", settings, output, overwrite)

    return make


def test_a_reconstruction_in_memory_lies_where_its_stack_lies(request_of, y_tree):
    work = Background(lambda task: reconstruct_layer(request_of(), task))
    assert work.wait(SECONDS)
    assert work.error is None
    made = work.result
    assert made.files == ()
    layers = made_layers(made)
    assert [arguments["name"] for _, arguments, _ in layers][:1] == ["y probability"]
    (nodes, arguments, _) = next(layer for layer in layers if layer[2] == "points")
    assert arguments["translate"].tolist() == [5, 6, 7]
    assert arguments["units"] == ("micrometer",) * 3
    tips = y_tree.xyz[y_tree.tips][:, ::-1] * 0.5  # voxels of 0.5 um
    for tip in tips:
        assert np.linalg.norm(nodes * arguments["scale"] - tip, axis=1).min() < 1.5


def test_a_reconstruction_with_files_can_be_reviewed_and_made_again(request_of, tmp_path):
    work = Background(lambda task: reconstruct_layer(request_of(tmp_path / "out.swc"), task))
    assert work.wait(SECONDS)
    assert work.error is None
    assert [path.name for path in work.result.files] == ["out.swc"]
    names = {path.name for path in tmp_path.glob("out*")}
    assert names == {"out.swc", "out.json", "out.review.csv", "out.png", "out.html"}
    record = read_record(tmp_path / "out.json")
    assert Path(record.command.input) == tmp_path / "y.tif"
    assert record.command.voxel_size is None
    desk = open_desk(tmp_path / "out.json")
    assert desk.step(1) is not None
    edges = made_layers(work.result)[-1][1]
    assert "confidence" in edges["features"]
    again = Background(lambda task: reconstruct_layer(request_of(tmp_path / "out.swc"), task))
    assert again.wait(SECONDS)
    assert isinstance(again.error, OutputError)


def test_a_reconstruction_that_is_stopped_writes_nothing(request_of, tmp_path):
    class Impatient(Background):
        def advance(self, done, total):
            self.stop()
            super().advance(done, total)

    work = Impatient(lambda task: reconstruct_layer(request_of(tmp_path / "out.swc"), task))
    assert work.wait(SECONDS)
    assert isinstance(work.error, Stopped)
    assert not list(tmp_path.glob("out*"))
