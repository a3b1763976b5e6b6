"""A part of a stack segmented by itself: the tiles are those of the whole, so it is equal but at borders between tiles."""

import numpy as np
import pytest
import torch

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.nets.config import NetConfig
from neurorecon.nets.model_registry import Model
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import ModelConfig
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.adapt.survey import Survey, take_survey
from neurorecon.segmentation.normalise import Levels
from neurorecon.segmentation.predict import Runner, segment_box

SETTINGS = SegmentSettings(device="cpu", precision="fp32", core=(16, 24, 24), halo=(4, 8, 8))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    net = NeuriteViT(NetConfig(channels=(4, 6, 8), width=24, depth=1, heads=2))
    for parameter in net.parameters():
        parameter.data *= 1.5
    return Model(net.eval().requires_grad_(False), ModelConfig("tiny", "", "", net.config), None)


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    data = rng.integers(0, 20, (37, 50, 75)).astype(np.uint8)
    data[20, 10:40, 30] = 200
    return Stack(data, VoxelSize(1, 0.5, 0.5), "made")


def in_blocks(stack, survey, model, shape, block):
    """Return both maps, put together from blocks, the last first."""
    run, maps = Runner.make(model, SETTINGS), np.zeros((2, *shape), np.uint8)
    counts = [-(-n // b) for n, b in zip(shape, block, strict=True)]
    for index in reversed(list(np.ndindex(*counts))):
        box = tuple(slice(i * b, min((i + 1) * b, n)) for i, b, n in zip(index, block, shape, strict=True))
        for whole, part in zip(maps, segment_box(stack, box, survey, run=run, settings=SETTINGS), strict=True):
            assert part.shape == whole[box].shape
            whole[box] = part
    return maps


def differences(stack, survey, model, block):
    """Return how much maps in blocks and whole ones differ, (2, Z, Y, X)."""
    whole = segment(stack, SETTINGS, model=model, survey=survey)
    maps = in_blocks(stack, survey, model, whole.shape, block)
    return np.abs(maps.astype(int) - np.stack([whole.neurite, whole.soma]))


def test_a_survey_taken_before_changes_nothing(stack, model):
    known = take_survey(stack, SETTINGS, model=model)
    a, b = segment(stack, SETTINGS, model=model), segment(stack, SETTINGS, model=model, survey=known)
    assert np.array_equal(a.neurite, b.neurite)
    assert np.array_equal(a.soma, b.soma)


def test_a_block_as_large_as_the_stack_or_larger_is_the_whole(stack, model):
    survey = take_survey(stack, SETTINGS, model=model)
    assert differences(stack, survey, model, stack.shape).max() == 0


def test_blocks_with_borders_inside_of_tiles_equal_the_whole_to_a_step_of_rounding(stack, model):
    survey = take_survey(stack, SETTINGS, model=model)
    assert differences(stack, survey, model, (24, 36, 36)).max() <= 1  # tiles begin at 0, 16 and 0, 24, 48


def test_blocks_with_borders_between_tiles_differ_from_the_whole_within_a_halo_of_them_only(stack, model):
    survey = take_survey(stack, SETTINGS, model=model)
    found = differences(stack, survey, model, (16, 24, 24))
    z, y, x = SETTINGS.halo
    near = np.zeros(stack.shape, bool)
    near[16 - z : 16 + z] = True
    near[:, 24 - y : 24 + y] = True
    near[:, :, 24 - x : 24 + x] = near[:, :, 48 - x : 48 + x] = True
    assert found[:, ~near].max() <= 1
    assert found.max() > 1  # tiles do see different things: else this shows nothing
    assert found.mean() < 0.5


@pytest.mark.parametrize("as_one", [(1, 1, 1), (2, 2, 2), (1, 2, 2)])
@pytest.mark.parametrize("planes", [1, 2])
def test_planes_between_and_voxels_as_one_are_the_same_in_blocks(stack, model, planes, as_one):
    survey = Survey(Levels(9.0, 150.0), planes, as_one)
    found = differences(stack, survey, model, (26, 40, 38))
    assert found.shape[1] == 36 * planes + 1
    assert found.max() <= 1 or found.mean() < 0.05


def test_an_empty_block_is_not_shown_to_the_network(stack, model, monkeypatch):
    data = np.zeros((40, 60, 60), np.uint8)
    data[5, 5:25, 5] = 200
    monkeypatch.setattr(Runner, "__call__", lambda *_: pytest.fail("the network ran"))
    run = Runner.make(model, SETTINGS)
    box = (slice(20, 40), slice(30, 60), slice(30, 60))
    maps = segment_box(Stack(data), box, Survey(Levels(0.0, 100.0)), run=run, settings=SETTINGS)
    assert [m.shape for m in maps] == [(20, 30, 30)] * 2
    assert not np.any(maps)


def test_nan_in_a_block_is_refused_with_its_place_in_the_stack(model):
    data = np.random.default_rng(0).random((20, 60, 60)).astype(np.float32)
    data[3, 44, 55] = np.nan
    run = Runner.make(model, SETTINGS)
    box = (slice(0, 20), slice(30, 60), slice(30, 60))
    with pytest.raises(InputError, match="z=3, y=44, x=55"):
        segment_box(Stack(data), box, Survey(Levels(0.0, 1.0)), run=run, settings=SETTINGS)


@pytest.mark.parametrize("shape", [(1, 40, 60), (30, 1, 60), (30, 40, 1), (3, 5, 4)])
def test_axes_of_one_plane_and_stacks_smaller_than_a_block_work(model, shape):
    data = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint16)
    survey = Survey(Levels(100.0, 255.0))
    assert differences(Stack(data), survey, model, (24, 36, 36)).max() <= 1


def test_only_the_surroundings_of_a_block_are_read(stack, model):
    boxes = []

    class Lazy:
        shape, dtype = stack.data.shape, stack.data.dtype

        def __getitem__(self, key):
            boxes.append([(k.start, k.stop) for k in key])
            return stack.data[key]

    run = Runner.make(model, SETTINGS)
    box = (slice(0, 16), slice(0, 24), slice(48, 75))
    segment_box(Stack(Lazy()), box, Survey(Levels(9.0, 150.0)), run=run, settings=SETTINGS)
    assert boxes == [[(0, 20), (0, 32), (40, 75)]]
