"""The prediction loop: whole equals streamed, seams do not show, empty space costs nothing."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from neurorecon.core import blocks
from neurorecon.core.errors import DeviceMemoryError, InputError, NoNeuronError, SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.padding import without_padding
from neurorecon.core.stack import Stack
from neurorecon.nets.config import NetConfig
from neurorecon.nets.model_registry import Model
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import ModelConfig
from neurorecon.segmentation import SegmentSettings, predict, segment
from neurorecon.segmentation.adapt.survey import take_survey
from neurorecon.segmentation.device import fast_bf16_cpu, pick_device, pick_dtype
from neurorecon.synth import synthesize
from neurorecon.synth.demo import demo_tree
from neurorecon.tracing import evidence_of

SETTINGS = SegmentSettings(device="cpu", precision="fp32", core=(16, 24, 24), halo=(4, 8, 8))


def model_of(net):
    return Model(net.eval().requires_grad_(False), ModelConfig("tiny", "", "", net.config), None)


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = NeuriteViT(NetConfig(channels=(4, 6, 8), width=24, depth=1, heads=2))
    for parameter in net.parameters():
        parameter.data *= 1.5
    net.head.bias.data.fill_(
        -1.0
    )  # it sees something everywhere, so that no tile is left to the look at half the resolution
    return model_of(net)


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    data = rng.integers(0, 20, (37, 50, 61)).astype(np.uint8)
    data[20, 10:40, 30] = 200
    return Stack(data, VoxelSize(1, 0.5, 0.5), "made")


def test_the_probability_has_the_shape_type_and_voxel_size_of_the_stack(stack, model):
    probability = segment(stack, SETTINGS, model=model)
    assert probability.shape == stack.shape
    assert probability.neurite.dtype == np.uint8
    assert probability.soma.shape == stack.shape
    assert probability.voxel_size == stack.voxel_size


def test_streamed_planes_equal_the_whole_result(stack, model, planes):
    whole = segment(stack, SETTINGS, model=model)
    assert segment(stack, SETTINGS, model=model, out=planes) is None
    assert np.array_equal(np.concatenate(planes.blocks), whole.neurite)
    assert len(planes.blocks) > 1


def test_planes_are_the_same_where_they_are_too_many_to_hold_two_layers(stack, model, planes, monkeypatch):
    whole = segment(stack, SETTINGS, model=model)
    monkeypatch.setattr(predict, "MANY", 0)
    segment(stack, SETTINGS, model=model, out=planes)
    assert np.array_equal(np.concatenate(planes.blocks), whole.neurite)


def test_a_local_network_gives_the_same_whole_or_tiled(stack):
    """Without attention a voxel's answer depends on 22 voxels around it: a halo of 24 must leave no trace of a seam."""
    torch.manual_seed(0)
    model = model_of(NeuriteViT(NetConfig(channels=(4, 6, 8), width=24, depth=0, heads=2)))
    tiled = SegmentSettings(device="cpu", precision="fp32", core=(48, 48, 48), halo=(24, 24, 24), empty_voxels=0)
    whole = SegmentSettings(device="cpu", precision="fp32", core=(104, 104, 104), halo=(24, 24, 24), empty_voxels=0)
    data = np.random.default_rng(1).integers(0, 255, (56, 64, 104)).astype(np.uint8)
    a, b = (segment(Stack(data), s, model=model).neurite.astype(int) for s in (whole, tiled))
    inner = np.abs(a - b)  # ramps lie 24 voxels inside a tile's border, so even there both tiles agree in their middle
    assert np.median(inner) == 0
    assert inner[:, :, 48].max() <= 1


def test_planes_of_a_lazy_stack_are_read_by_slabs(stack, model):
    class Lazy:
        shape, dtype = stack.data.shape, stack.data.dtype
        largest = 0

        def __getitem__(self, key):
            part = stack.data[key]
            Lazy.largest = max(Lazy.largest, len(part))
            return part

    predict_whole = segment(stack, SETTINGS, model=model).neurite
    assert np.array_equal(segment(Stack(Lazy()), SETTINGS, model=model).neurite, predict_whole)


def test_memory_does_not_grow_with_the_planes_of_a_lazy_stack(model, monkeypatch):
    class Sparse:
        """A straight line along z, made plane by plane."""

        dtype = np.dtype(np.uint8)

        def __init__(self, depth):
            self.shape = (depth, 128, 128)

        def __getitem__(self, key):
            part = np.zeros((len(range(*key[0].indices(self.shape[0]))), 128, 128), np.uint8)
            part[:, 60:64, 60:64] = 200
            return part[:, key[1]]

    class Nowhere:
        def write(self, z0, block):
            pass

    def peak(depth):
        tracemalloc.start()
        segment(Stack(Sparse(depth)), SETTINGS, model=model, out=Nowhere())
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 18)
    peak(32)  # what is made once
    assert peak(192) < 1.1 * peak(48)


def test_empty_tiles_are_not_run(model, monkeypatch):
    data = np.zeros((32, 96, 96), np.uint8)
    data[8, 8:16, 8] = 200
    runs = []
    real = predict.Runner.__call__
    monkeypatch.setattr(predict.Runner, "__call__", lambda self, tile: runs.append(1) or real(self, tile))
    done = []
    probability = segment(Stack(data), SETTINGS, model=model, progress=lambda k, n: done.append((k, n)))
    assert len(runs) < done[-1][1]
    assert done[-1][0] == done[-1][1]
    assert probability.neurite[:, 60:, 60:].max() == 0


def test_the_answer_does_not_depend_on_the_number_of_threads(stack, model):
    before = torch.get_num_threads()
    try:
        answers = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            answers.append(segment(stack, SETTINGS, model=model).neurite)
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_only_what_holds_something_is_shown_to_the_network(model, monkeypatch):
    """A line of 40 voxels in a tile of 96 x 96: a box around it, by 16 to 23 voxels, is run."""
    data = np.zeros((48, 96, 96), np.uint8)
    data[24:26, 50, 30:70] = 200
    shapes = []
    real = predict.Runner.__call__
    monkeypatch.setattr(predict.Runner, "__call__", lambda self, tile: shapes.append(tile.shape) or real(self, tile))
    found = segment(Stack(data), SegmentSettings(device="cpu", precision="fp32"), model=model)
    assert shapes == [(40, 40, 80)]
    assert found.neurite[:, :32].max() == 0
    assert found.neurite[24, 50, 50] > 0


def test_an_error_in_a_tile_reaches_the_caller_and_the_threads_come_back(stack, model, monkeypatch):
    def broken(self, tile):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(predict.Runner, "__call__", broken)
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="out of memory"):
        segment(stack, SETTINGS, model=model)
    assert torch.get_num_threads() == before


def test_a_constant_stack_holds_no_neuron(model):
    with pytest.raises(NoNeuronError, match="constant: no neuron found; give another stack or channel"):
        segment(Stack(np.full((9, 9, 9), 7, np.uint8)), SETTINGS, model=model)


def test_nan_is_refused(model):
    data = np.random.default_rng(0).random((9, 20, 20)).astype(np.float32)
    data[3, 4, 5] = np.nan
    with pytest.raises(InputError, match="NaN"):
        segment(Stack(data), SETTINGS, model=model)


def test_a_stack_thinner_than_a_patch_works(model):
    data = np.random.default_rng(0).integers(0, 255, (1, 9, 30)).astype(np.uint16)
    assert segment(Stack(data), SETTINGS, model=model).shape == (1, 9, 30)


def test_bf16_moves_the_answer_by_little(stack, model):
    half = SegmentSettings(device="cpu", precision="bf16", core=SETTINGS.core, halo=SETTINGS.halo)
    a, b = (segment(stack, s, model=model).neurite.astype(int) for s in (SETTINGS, half))
    assert np.abs(a - b).max() <= 6


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_with_tta_the_answer_for_a_mirrored_stack_is_the_mirrored_answer(stack, model, axis):
    def answer(data, tta):
        one_tile = SegmentSettings(device="cpu", precision="fp32", core=(48, 64, 64), halo=(4, 8, 8), tta=tta)
        return segment(Stack(data), one_tile, model=model).neurite.astype(int)

    data = stack.data  # 37 x 50 x 61: padded to patches at one end
    assert np.abs(answer(np.flip(data, axis), True) - np.flip(answer(data, True), axis)).max() <= 1
    assert np.abs(answer(np.flip(data, axis), False) - np.flip(answer(data, False), axis)).max() > 1


def test_tta_shows_each_tile_to_the_network_in_all_eight_mirror_images(model):
    tile = np.random.default_rng(0).random((8, 16, 24)).astype(np.float32)
    seen = []
    model.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0].numpy().tobytes()))
    mean = predict.Runner.make(model, SegmentSettings(device="cpu", precision="fp32", tta=True))(tile)
    assert len(set(seen)) == len(seen) == 16  # at both resolutions
    plain = predict.Runner.make(model, SegmentSettings(device="cpu", precision="fp32"))
    flips = list(np.ndindex(2, 2, 2))
    answers = [np.ascontiguousarray(tile[tuple(slice(None, None, 1 - 2 * f) for f in axes)]) for axes in flips]
    answers = [
        plain(part)[:, *(slice(None, None, 1 - 2 * f) for f in axes)] for part, axes in zip(answers, flips, strict=True)
    ]
    np.testing.assert_allclose(mean, np.mean(answers, axis=0), atol=1e-6)


@pytest.fixture
def small_gpu(model, monkeypatch):
    """A function that gives the model a GPU, so it says, with memory for tiles of that many voxels; and the tiles it ran."""
    tiles = []

    def check(net, inputs):
        if inputs[0].numel() > check.voxels:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB")
        tiles.append(inputs[0].shape[2:])

    class OnPaper(predict.Runner):
        def _answer(self, tile):
            return predict.Runner(self.net, torch.device("cpu"), self.dtype, half_share=self.half_share)._answer(tile)

    def make(voxels):
        check.voxels = voxels
        model.net.register_forward_pre_hook(check)
        made = OnPaper(model.net, torch.device("cuda:0"), torch.float32, half_share=SegmentSettings().half_share)
        monkeypatch.setattr(predict.Runner, "make", lambda *_: made)
        return tiles

    return make


def test_on_a_gpu_with_little_memory_tiles_are_halved_and_the_log_says_so(stack, model, small_gpu, caplog, planes):
    settings = SegmentSettings(core=(48, 64, 64), halo=(4, 8, 8), precision="fp32", empty_voxels=0)
    expected = segment(
        stack, SegmentSettings("", "cpu", "fp32", core=(24, 32, 32), halo=(4, 8, 8), empty_voxels=0), model=model
    )
    tiles = small_gpu(48 * 48 * 32)
    segment(stack, settings, model=model, out=planes)
    apart = np.abs(np.concatenate(planes.blocks).astype(int) - expected.neurite)
    assert apart.max() <= 1  # sums of another number of threads
    assert len(tiles) > 4
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "tiles with a core of (48, 64, 64) do not fit into the memory of cuda:0: it is (24, 32, 32)"
    )


def test_a_gpu_that_holds_no_tile_is_an_error_of_one_line_before_anything_is_written(stack, model, small_gpu, planes):
    tiles = small_gpu(1000)
    with pytest.raises(
        DeviceMemoryError, match=r"^a tile of \d+ x \d+ x \d+ voxels does not fit .* cuda:0; .*--device"
    ):
        segment(stack, SegmentSettings(), model=model, out=planes)
    assert tiles == planes.blocks == []


def test_a_gpu_that_runs_full_later_is_an_error_too(stack, model, small_gpu, monkeypatch):
    small_gpu(1000)
    monkeypatch.setattr(
        predict, "shrunk_to_memory", lambda run, shape, settings: settings
    )  # it was tried while there was room
    with pytest.raises(DeviceMemoryError, match="cuda:0"):
        segment(stack, SETTINGS, model=model)


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "meta"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(InputError, match="--device"):
        pick_device(name)


def test_auto_precision_is_bf16_only_where_the_processor_is_fast():
    wanted = torch.bfloat16 if fast_bf16_cpu() else torch.float32
    assert pick_dtype("auto", torch.device("cpu")) == wanted


def test_fp16_on_a_cpu_is_refused():
    with pytest.raises(InputError, match="fp16"):
        pick_dtype("fp16", torch.device("cpu"))


@pytest.mark.parametrize(
    "wrong", [{"precision": "int8"}, {"core": (4, 96, 96)}, {"core": (16, 16, 16), "halo": (8, 16, 8)}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        SegmentSettings(**wrong)


@pytest.mark.gpu
def test_cpu_and_gpu_agree_within_one_step(stack, model):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    gpu = SegmentSettings(device="cuda", precision="fp32", core=SETTINGS.core, halo=SETTINGS.halo)
    a, b = (segment(stack, s, model=model).neurite.astype(int) for s in (SETTINGS, gpu))
    assert np.abs(a - b).max() <= 1


def test_a_lent_model_comes_back_as_it_was(stack, model):
    before = {name: weight.clone() for name, weight in model.net.state_dict().items()}
    exact = segment(stack, SETTINGS, model=model)
    segment(stack, replace(SETTINGS, precision="bf16"), model=model)
    for name, weight in model.net.state_dict().items():
        assert weight.dtype == before[name].dtype
        assert torch.equal(weight, before[name]), name
    again = segment(stack, SETTINGS, model=model)
    assert np.array_equal(again.neurite, exact.neurite)


@pytest.mark.gpu
def test_a_lent_model_stays_on_the_cpu(stack, model):
    segment(stack, replace(SETTINGS, device="cuda", precision="fp16"), model=model)
    assert {(weight.device.type, weight.dtype) for weight in model.net.parameters()} == {("cpu", torch.float32)}


class Huge:
    """A volume of 28 gigavoxels that must not be read."""

    shape, dtype = (3100, 3000, 3000), np.dtype(np.uint16)

    def __getitem__(self, key):
        raise AssertionError("was read")


def test_maps_that_memory_does_not_hold_are_refused_before_a_voxel_is_read(model, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=16 << 30))
    with pytest.raises(InputError, match=r"^big.ome.zarr: .* need 55.8 GB, 17.2 GB of memory .* neurorecon segment "):
        segment(Stack(Huge(), source="big.ome.zarr"), SETTINGS, model=model)
    with pytest.raises(InputError, match=r"response and evidence .* need 83.7 GB, .*neurorecon segment "):
        evidence_of(Stack(Huge()))


def test_memory_is_not_asked_for_maps_that_are_written_at_once(stack, model, planes, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1))
    segment(stack, SETTINGS, model=model, out=planes)
    assert len(np.concatenate(planes.blocks)) == len(stack.data)


def test_the_network_sees_the_ground_in_place_of_padding(model, rng):
    data = rng.normal(100, 10, (16, 96, 96))
    data[6:9, 40:44] += 100
    padded = Stack(np.pad(data.round().astype(np.uint16), ((0, 0), (40, 40), (40, 8))))
    survey = take_survey(padded, SETTINGS, model=model)
    assert survey.padding.value == 0
    assert survey.levels.low == pytest.approx(100, abs=1)
    ground = without_padding(padded, survey.padding)
    filled = Stack(np.asarray(ground.data[:, :, :]))
    assert (filled.data[:, :30] > 80).all()
    told = replace(survey, padding=None)
    want = segment(filled, SETTINGS, model=model, survey=told).neurite
    assert np.abs(segment(padded, SETTINGS, model=model).neurite.astype(int) - want).max() <= 8


def test_an_inverted_stack_is_refused_before_the_network_runs(model):
    negative = Stack(255 - np.asarray(synthesize(demo_tree()).stack.data))
    with pytest.raises(InputError, match=r"looks inverted.*--invert"):
        segment(negative, SETTINGS, model=model)
