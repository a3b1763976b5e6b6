"""Whole-stack scores: a network set by hand scores as its drawing says, and the plain U-Net fits the same loop."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from neurorecon.core.errors import InputError
from neurorecon.io import write_stack
from neurorecon.nets import load_model
from neurorecon.nets.config import STRIDE, NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.swc import write_swc
from neurorecon.training.baseline import plain_unet
from neurorecon.training.score_stacks import score_stacks, torch_threads, without_places


@pytest.fixture(scope="module")
def pair(y_stack, y_tree, tmp_path_factory):
    """The drawn Y as files, as a set of stacks holds it."""
    folder = tmp_path_factory.mktemp("sets") / "drawn"
    folder.mkdir()
    write_stack(np.asarray(y_stack.data), folder / "1.tif", voxel_size=y_stack.voxel_size)
    write_swc(y_tree, folder / "1.swc")
    return folder / "1.tif", folder / "1.swc"


class Constant(nn.Module):
    """The same logit everywhere."""

    def __init__(self, logit):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, x):
        return self.logit + torch.zeros_like(x).repeat(1, 2, 1, 1, 1)


def test_a_network_that_passes_brightness_on_finds_a_drawn_neuron(bright_model, pair):
    (scores,) = score_stacks(load_model(str(bright_model)).net, [pair], threads=1)
    assert scores.name == "drawn/1"
    assert scores.voxels == 16 * 40 * 56
    assert scores.diagonal == pytest.approx(math.sqrt(16**2 + 40**2 + 56**2))
    assert scores.tree.f1 > 0.9
    assert scores.mask.dice > 0.8
    assert scores.mask.hd95 < 2
    assert scores.tree.tip_recall == 1
    assert scores.voxels_per_second == pytest.approx(scores.voxels / scores.segment_seconds)
    assert scores.as_dict()["f1"] == scores.bounded("f1") == scores.tree.f1


def test_a_network_that_sees_nothing_scores_as_empty_without_an_error(pair):
    (scores,) = score_stacks(Constant(-9.0), [pair])
    assert (scores.mask.dice, scores.mask.hd95, scores.mask.cldice) == (0, math.inf, 0)
    assert (scores.tree.f1, scores.tree.esa, scores.tree.pds) == (0, math.inf, 1)
    assert [scores.bounded(name) for name in ("f1", "esa", "hd95")] == [0, scores.diagonal, scores.diagonal]


def test_the_rim_of_the_target_counts_for_neither_side(pair):
    """A network that says yes everywhere is wrong in the background only: rim and tube hold no fault."""
    from neurorecon.swc import read_swc
    from neurorecon.training.sources.labels import BACKGROUND, IGNORE, label_tree

    (scores,) = score_stacks(Constant(9.0), [pair])
    labels = label_tree(read_swc(pair[1]), (16, 40, 56)) & 3
    tube, background = int((labels % 2 == 1).sum()), int((labels == BACKGROUND).sum())
    assert (labels == IGNORE).any()
    assert scores.mask.dice == pytest.approx(2 * tube / (2 * tube + background))


def test_a_stack_without_contrast_scores_as_empty(pair, tmp_path):
    write_stack(np.full((8, 24, 24), 7, np.uint8), tmp_path / "flat.tif")
    (scores,) = score_stacks(Constant(9.0), [(tmp_path / "flat.tif", pair[1])])
    assert scores.mask.dice == 0
    assert scores.tree.f1 == 0


def test_the_network_that_is_judged_is_left_as_it_was(pair):
    net = Constant(0.3).train()
    score_stacks(net, [pair])
    assert net.training
    assert net.logit.dtype == torch.float32
    assert net.logit.requires_grad


def test_a_missing_stack_is_an_error_that_names_it(tmp_path, pair):
    with pytest.raises(InputError, match=r"gone\.tif"):
        score_stacks(Constant(0.0), [(tmp_path / "gone.tif", pair[1])])


def test_threads_are_limited_for_a_while_only():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with torch_threads(0):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_the_plain_unet_has_a_third_of_a_million_parameters_and_the_students_interface():
    net = plain_unet()
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(0.37e6, abs=0.005e6)
    assert net(torch.zeros(2, 1, STRIDE, 2 * STRIDE, 3 * STRIDE)).shape == (2, 2, STRIDE, 2 * STRIDE, 3 * STRIDE)


def test_the_plain_unet_learns_a_few_voxels_by_heart():
    torch.manual_seed(0)
    net, image = plain_unet(), torch.randn(1, 1, 8, 16, 16)
    target = (image > 0.5).float().repeat(1, 2, 1, 1, 1)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = nn.functional.binary_cross_entropy_with_logits(net(image), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_the_plain_unet_runs_on_whole_stacks(pair):
    torch.manual_seed(0)
    (scores,) = score_stacks(plain_unet(), [pair])
    assert 0 <= scores.mask.dice <= 1


def test_tokens_without_places_are_alike_all_over_a_tile_and_only_for_a_while(rng):
    torch.manual_seed(0)
    net = NeuriteViT(NetConfig(channels=(4, 8), width=24, depth=1, heads=2)).eval()
    image = torch.from_numpy(rng.random((1, 1, 16, 16, 24), np.float32))
    with torch.inference_mode():
        before = net.look(image)[1]
        with without_places():
            alike = net.look(image)[1]
        after = net.look(image)[1]
    torch.testing.assert_close(alike, before.mean((2, 3, 4), keepdim=True).expand_as(before))
    assert not torch.equal(before, alike)
    assert torch.equal(before, after)
