"""A network with more channels does what it did, and its copies are free to part."""

import pytest
import torch

from neurorecon.core.errors import ModelError
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.training.widen import widened


@pytest.fixture
def image():
    return torch.randn(1, 1, 16, 24, 16, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("channels", "embed"), [((2, 4, 6), "none"), ((2, 4, 6), "plain"), ((2, 6), "static"), ((4,), "none")]
)
@pytest.mark.parametrize("factor", [2, 3])
def test_a_wider_network_gives_the_same_answers(image, channels, embed, factor):
    torch.manual_seed(0)
    net = NeuriteViT(NetConfig(channels=channels, width=24, depth=1, heads=2, embed=embed)).eval()
    torch.nn.init.normal_(net.embed.weight, std=0.1)
    wide = widened(net, factor)
    assert wide.config.channels == tuple(factor * c for c in channels)
    with torch.inference_mode():
        torch.testing.assert_close(wide(image), net(image), rtol=1e-4, atol=1e-4)


def test_copies_learn_apart(image):
    torch.manual_seed(0)
    wide = widened(NeuriteViT(NetConfig(channels=(2, 4, 6), width=24, depth=1, heads=2)), 2)
    wide(image).square().sum().backward()
    for layer in (wide.stem1, wide.down1, wide.encode2.conv1):
        first, second = layer.weight.grad[0::2], layer.weight.grad[1::2]
        assert not torch.allclose(first, second, rtol=1e-2)


def test_a_factor_of_one_changes_nothing(image):
    net = NeuriteViT(NetConfig(channels=(2, 4, 6), width=24, depth=1, heads=2)).eval()
    same = widened(net, 1)
    assert all(torch.equal(a, b) for a, b in zip(same.state_dict().values(), net.state_dict().values(), strict=True))


def test_dynamic_tubes_are_refused():
    net = NeuriteViT(NetConfig(channels=(2, 4, 6), width=24, depth=1, heads=2, embed="dynamic"))
    with pytest.raises(ModelError, match="widened"):
        widened(net, 2)
