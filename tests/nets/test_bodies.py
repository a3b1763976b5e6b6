"""The head for cell bodies: it leaves the neurites as they are, and answers at a quarter of the resolution."""

import dataclasses

import pytest
import torch

from neurorecon.core.errors import SettingsError
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.training.build import with_bodies

SMALL = NetConfig(channels=(4, 6, 8), width=24, depth=2, heads=2)


@pytest.fixture
def plain():
    torch.manual_seed(0)
    return NeuriteViT(SMALL).eval()


def test_neurites_are_those_of_the_network_without_it(plain):
    tile = torch.randn(1, 1, 16, 24, 32)
    with torch.no_grad():
        before, after = plain(tile), with_bodies(plain, 4).eval()(tile)
    assert torch.equal(after[:, 0], before[:, 0])
    assert after.shape == before.shape
    assert not torch.allclose(after[:, 1], before[:, 1])


def test_it_alone_learns(plain):
    net = with_bodies(plain, 4)
    net(torch.randn(1, 1, 16, 16, 16))[:, 1].sum().backward()
    learns = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert learns == {name for name, _ in net.named_parameters() if name.startswith("bodies.")}


def test_a_new_head_takes_the_place_of_an_old_one(plain):
    old = with_bodies(plain, 4)
    assert with_bodies(old, 6).config.bodies == 6


def test_at_the_start_it_finds_few_bodies(plain):
    with torch.no_grad():
        soma = with_bodies(plain, 4).eval()(torch.zeros(1, 1, 16, 16, 16))[:, 1].sigmoid()
    assert soma.mean() < 0.1


def test_it_needs_a_level_at_a_quarter_of_the_resolution():
    with pytest.raises(SettingsError, match="bodies 4: 0 to 2048 are needed, and 3 levels"):
        dataclasses.replace(SMALL, channels=(4, 6), bodies=4)
