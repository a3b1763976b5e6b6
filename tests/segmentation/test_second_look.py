"""The look at half the resolution: joined with that at the full one, and what is left out where it sees nothing."""

import numpy as np
import pytest
import torch

from neurorecon.core.errors import SettingsError
from neurorecon.core.stack import Stack
from neurorecon.nets.config import NetConfig
from neurorecon.nets.model_registry import Model
from neurorecon.nets.second_look import half_look
from neurorecon.nets.weights import ModelConfig
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.runner import LEAST_LOGIT, Runner


class Echo(torch.nn.Module):
    """Answers with ten times the grey value less three, for neurites and somata, and keeps the shapes of its tiles."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.shapes = []

    def forward(self, x):
        self.shapes.append(tuple(x.shape[2:]))
        return (10 * x - 3).repeat(1, 2, 1, 1, 1)


@pytest.fixture
def echo():
    return Echo().eval()


def runner(net, share, calibration=()):
    return Runner(net, torch.device("cpu"), torch.float32, calibration=calibration, half_share=share)


def logit(p):
    return np.log(p / (1 - p))


def test_the_second_look_sees_means_of_four_voxels_and_its_answer_is_laid_out_linearly_between_them(echo):
    tile = torch.arange(16.0).repeat(1, 1, 8, 24, 1) / 16  # rises along x
    answer = (half_look(echo, tile)[0, 0] + 3) / 10
    assert echo.shapes == [(8, 16, 8)]  # 12 x 8 voxels in the plane, on patches of 8
    assert answer.shape == (8, 24, 16)
    torch.testing.assert_close(answer[..., 1:-1], tile[0, 0, ..., 1:-1])  # a straight line stays one
    torch.testing.assert_close(
        answer[0, 0, [0, -1]], torch.tensor([0.5, 14.5]) / 16
    )  # at its ends that of the last voxel


def test_planes_are_not_put_together(echo):
    tile = torch.zeros(1, 1, 8, 16, 16)
    tile[:, :, 3] = 1
    answer = (half_look(echo, tile)[0, 0] + 3) / 10
    torch.testing.assert_close(answer[:, 0, 0], torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 0]))


def test_neurites_are_the_weighted_mean_of_both_logits_and_somata_those_of_the_first_look(echo):
    tile = np.random.default_rng(0).random((8, 16, 24)).astype(np.float32)
    alone = logit(runner(echo, 0.0)(tile)[0])
    half = half_look(echo, torch.from_numpy(tile)[None, None])[0, 0].numpy()
    both = logit(runner(echo, 0.3)(tile))
    np.testing.assert_allclose(both[0], 0.7 * alone + 0.3 * half, atol=1e-3)
    np.testing.assert_allclose(both[1], alone, atol=1e-3)  # somata are those of the first look


def test_both_looks_are_calibrated_before_they_are_joined(echo):
    tile = np.full((8, 16, 16), 0.5, np.float32)  # even ground: both looks give a logit of 2
    (value,) = np.unique(runner(echo, 0.3, ((0.0, -1.0), (4.0, 1.0)))(tile)[0])
    assert logit(value) == pytest.approx(0.0, abs=1e-5)


def test_a_tile_in_which_the_second_look_sees_nothing_is_not_looked_at_again(echo):
    dark, lit = np.zeros((8, 32, 32), np.float32), np.zeros((8, 32, 32), np.float32)
    lit[4, 10:14] = 0.02  # hardly: a logit of -2.9 on a ground of -3
    answer = runner(echo, 0.3)(dark)
    assert echo.shapes == [(8, 16, 16)]
    assert (answer < 1 / (1 + np.exp(-LEAST_LOGIT))).all()
    runner(echo, 0.3)(lit)
    assert echo.shapes[1:] == [(8, 16, 16), (8, 32, 32)]


@pytest.mark.parametrize("shape", [(5, 7, 9), (8, 8, 8), (1, 17, 3)])
def test_tiles_of_any_size_are_looked_at_twice(echo, shape):
    tile = np.random.default_rng(1).random(shape).astype(np.float32)
    answer = runner(echo, 0.5)(tile)
    assert answer.shape == (2, *shape)
    assert np.isfinite(answer).all()


def test_without_a_share_there_is_no_second_look(echo):
    model = Model(echo, ModelConfig("echo", "", "", NetConfig()), None)
    data = np.random.default_rng(2).integers(0, 255, (16, 32, 32)).astype(np.uint8)
    for share, looks in ((0.0, 1), (0.3, 2)):
        echo.shapes.clear()
        segment(Stack(data), SegmentSettings(device="cpu", precision="fp32", half_share=share), model=model)
        assert len(echo.shapes) == looks  # the survey takes no second look


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(SettingsError, match="half_share"):
        SegmentSettings(half_share=share)
