"""The network: any tile size, no statistics over space, relative positions."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from neurorecon.core.errors import SettingsError
from neurorecon.nets.attention import Block, rotary_angles, rotate
from neurorecon.nets.config import HEADS, NetConfig
from neurorecon.nets.layers import ChannelNorm, double
from neurorecon.nets.student import GreyConv, NeuriteViT

SMALL = NetConfig(channels=(4, 6, 8), width=24, depth=2, heads=2)


@pytest.fixture(params=[1, 2, 3], ids=["full", "half", "quarter"])
def net(request):
    torch.manual_seed(0)
    return NeuriteViT(dataclasses.replace(SMALL, channels=SMALL.channels[: request.param])).eval()


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 24, 8), (8, 40, 16)])
def test_any_tile_of_multiples_of_eight_gives_logits_of_its_shape(net, shape):
    assert net(torch.zeros(2, 1, *shape)).shape == (2, len(HEADS), *shape)


def test_the_default_network_has_at_most_eight_million_parameters():
    assert sum(p.numel() for p in NeuriteViT(NetConfig(channels=(8, 32, 64))).parameters()) <= 8_000_000


def test_every_weight_receives_a_gradient(net):
    net(torch.randn(1, 1, 16, 16, 16)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_tokens_see_the_whole_tile(net):
    a = torch.randn(1, 1, 8, 8, 64)
    b = a.clone()
    b[..., -4:] += 3
    moved = (net(a) - net(b)).abs()[..., :8].max()
    assert moved > 1e-7  # 56 voxels away: beyond the reach of the convolutions, not of the attention


def test_a_network_without_blocks_is_local():
    torch.manual_seed(0)
    net = NeuriteViT(NetConfig(channels=(4, 6, 8), width=24, depth=0, heads=2)).eval()
    a = torch.randn(1, 1, 8, 8, 128)
    b = a.clone()
    b[..., -4:] += 3
    assert torch.equal(net(a)[..., :8], net(b)[..., :8])


@pytest.mark.parametrize(("levels", "reach"), [(3, 33), (2, 13), (1, 3)])
def test_the_convolutions_see_as_far_as_they_are_said_to(levels, reach):
    torch.manual_seed(0)
    net = NeuriteViT(dataclasses.replace(SMALL, channels=SMALL.channels[:levels])).double()
    net.tokens = torch.zeros_like
    seen = []
    for at in range(48, 56):
        x = torch.randn(1, 1, 8, 8, 104, dtype=torch.double, requires_grad=True)
        net(x)[..., at].sum().backward()
        where = x.grad.abs().amax((0, 1, 2, 3)).nonzero().flatten()
        seen.append(max(at - int(where.min()), int(where.max()) - at))
    assert max(seen) == reach


def test_channel_norm_looks_at_one_voxel_at_a_time():
    x = torch.randn(1, 6, 4, 4, 4)
    y = x.clone()
    y[..., 0] = 9.0
    norm = ChannelNorm(6)
    assert torch.allclose(norm(x)[..., 1:], norm(y)[..., 1:])
    assert torch.allclose(norm(x).mean(1), torch.zeros(1, 4, 4, 4), atol=1e-6)


def test_rotary_products_depend_on_the_distance_of_tokens_alone():
    angles = rotary_angles((3, 5, 5), 16, torch.device("cpu")).reshape(3, 5, 5, 8)
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)

    def product(a, b):
        return (rotate(q, a.cos(), a.sin()) * rotate(k, b.cos(), b.sin())).sum()

    assert torch.allclose(
        product(angles[0, 1, 1], angles[1, 3, 2]), product(angles[1, 2, 2], angles[2, 4, 3]), atol=1e-5
    )


def test_rotation_keeps_the_length_of_queries():
    angles = rotary_angles((2, 3, 4), 12, torch.device("cpu"))
    x = torch.randn(1, 2, 24, 12)
    assert torch.allclose(rotate(x, angles.cos(), angles.sin()).norm(dim=-1), x.norm(dim=-1), atol=1e-5)


def test_a_fresh_block_is_near_the_identity():
    torch.manual_seed(0)
    block, x = Block(24, 2, scale=1e-4), torch.randn(1, 10, 24)
    angles = rotary_angles((1, 2, 5), 12, torch.device("cpu"))
    assert torch.allclose(block(x, (angles.cos(), angles.sin())), x, atol=1e-2)


@pytest.mark.parametrize(
    "wrong", [{"width": 190}, {"depth": -1}, {"channels": (0, 8, 8)}, {"channels": ()}, {"channels": (8, 8, 8, 8)}]
)
def test_an_impossible_shape_is_refused(wrong):
    with pytest.raises(SettingsError):
        NetConfig(**wrong)


def test_grey_values_in_rows_give_what_a_plain_convolution_gives():
    torch.manual_seed(0)
    conv = GreyConv(5).double()
    x = torch.randn(2, 1, 6, 7, 24, dtype=torch.double)
    plain = functional.conv3d(x, conv.weight, conv.bias, padding=1)
    assert torch.allclose(conv(x), plain, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (8, 1, 6)])
def test_doubling_by_products_is_trilinear_interpolation(shape):
    x = torch.randn(2, 3, *shape, dtype=torch.double)
    plain = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
    assert torch.allclose(double(x), plain, atol=1e-12)
