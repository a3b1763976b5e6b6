"""Deformable tubes: straight at the start, bent as fitted, folded without a trace, the same seen along any axis."""

import pytest
import torch

from neurorecon.nets.attention import PLANE, Planes
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.tubular import MIDDLE, VIEWS, DynamicTubes, PlainPatch, StaticTubes, accumulate, room

TUBES = ["line", "bundle", "sheet"]
ROOM = torch.full((2,), 3.5)


def bent(tube, width=5, seed=0):
    """Static tubes with random taps, fusion and bends."""
    torch.manual_seed(seed)
    tubes = StaticTubes(width, tube)
    with torch.no_grad():
        tubes.taps.normal_()
        tubes.fuse.uniform_(0.2, 1)
        tubes.steps.normal_()
        tubes.bias.normal_()
    return tubes


@pytest.mark.parametrize("length", [4, 5, 8])
def test_offsets_grow_outward_and_stay_in_their_room(length):
    offset = accumulate(torch.full((length, 2), 0.5), ROOM)
    half = length // 2
    after = offset[length - half :, 0]
    assert (after.diff() > 0).all()
    assert torch.allclose(offset[:half, 0].flip(0), after)
    assert (accumulate(torch.full((length, 2), 50.0), ROOM) < 3.5).all()
    assert not accumulate(torch.zeros(length, 2), ROOM).any()


def test_a_sheet_bends_out_of_its_plane_only():
    steps = torch.randn(8, 2, requires_grad=True)
    offset = accumulate(steps, room("sheet"))
    assert not offset[:, 0].any()
    assert offset[:, 1].abs().min() > 0
    offset.sum().backward()
    assert torch.isfinite(steps.grad).all()


def test_straight_tubes_of_one_line_lie_on_the_axes():
    tubes = StaticTubes(1, "line")
    with torch.no_grad():
        tubes.taps.fill_(1.0)
    dense = tubes.dense()[0, 0].detach()
    assert float(dense.sum()) == pytest.approx(8)  # 3 views x 8 taps x 1/3
    assert torch.allclose(dense[:, 3:5, 3:5].sum((1, 2))[[0, 7]], torch.full((2,), 1 / 3))  # only the view along z
    assert dense[0, 0, 0] == 0


@pytest.mark.parametrize("tube", TUBES)
def test_tubes_without_offsets_answer_as_straight_sums_do(tube):
    tubes = bent(tube)
    with torch.no_grad():
        tubes.steps.zero_()
    x = torch.randn(1, 1, 8, 8, 8)
    lines = torch.round(tubes.lines * 2) / 2
    expected = tubes.bias.clone()
    for view, turned in enumerate(x[0, 0].permute(axes) for axes in VIEWS):  # tube axis first
        for k, (u, v) in enumerate(lines):
            a, b = float(MIDDLE + u), float(MIDDLE + v)
            rows = [int(a), int(a) + 1] if a % 1 else [int(a)]
            columns = [int(b), int(b) + 1] if b % 1 else [int(b)]
            line = turned[:, rows][:, :, columns].mean((1, 2))
            expected = expected + tubes.fuse[view] * (tubes.kernel[view, :, :, k] @ line)
    assert torch.allclose(tubes(x, None)[0, :, 0, 0, 0], expected, atol=1e-4)


@pytest.mark.parametrize("tube", TUBES)
def test_dynamic_tubes_that_all_bend_alike_equal_static_ones(tube):
    static, dynamic = bent(tube), DynamicTubes(5, tube, 4, 2)
    steps = torch.randn(3, 8, 2)
    with torch.no_grad():
        static.steps.copy_(steps[:, None].expand(3, 5, 8, 2).flatten(0, 1))
        for name in ("taps", "fuse", "bias"):
            getattr(dynamic, name).copy_(getattr(static, name))
        dynamic.predict.bias.copy_(steps.flatten())
    x = torch.randn(2, 1, 16, 24, 16)
    assert torch.allclose(dynamic(x, torch.randn(2, 4, 4, 6, 4)), static(x, None), atol=1e-3)


@pytest.mark.parametrize("tube", TUBES)
def test_folded_tubes_answer_as_unfolded_ones(tube):
    tubes, x = bent(tube), torch.randn(2, 1, 16, 16, 24)
    plain = tubes.folded()
    assert isinstance(plain, PlainPatch)
    assert torch.allclose(plain(x, None), tubes(x, None), atol=1e-5)


def test_a_tube_fitted_to_a_curved_rod_answers_more_than_a_straight_one():
    z, y, x = torch.meshgrid(*(torch.arange(8.0),) * 3, indexing="ij")
    arc = MIDDLE + 2.5 * ((x - MIDDLE) / MIDDLE) ** 2  # a rod along x that leaves the axis on both sides
    rod = torch.exp(-((y - arc) ** 2 + (z - MIDDLE) ** 2) / 2)[None, None]
    tubes = StaticTubes(1, "line")
    with torch.no_grad():
        tubes.taps.fill_(1.0)
        tubes.fuse.copy_(torch.tensor([[0.0], [0.0], [1.0]]))  # the view along the rod alone
    straight = float(tubes(rod, None).detach())
    optimiser = torch.optim.Adam([tubes.steps], lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        (-tubes(rod, None).sum()).backward()
        optimiser.step()
    assert float(tubes(rod, None).detach()) > 1.3 * straight
    along_x = accumulate(tubes.steps, room("line")).reshape(3, 8, 2)[2].detach()
    assert (along_x[[0, 7], 1] > 1).all()  # both ends moved to larger y, where the rod is


@pytest.mark.parametrize("tube", ["line", "bundle"])  # a flat kernel is another one from behind
def test_swapping_two_axes_together_with_their_views_changes_nothing(tube):
    tubes, swapped = bent(tube), bent(tube)
    x = torch.randn(1, 1, 8, 16, 8)
    order = torch.arange(tubes.lines.shape[0]).reshape(int(tubes.lines.shape[0] ** 0.5), -1).T.flatten()
    with torch.no_grad():
        # y and x swap: the views along them change places, and what lies across a tube is seen from behind
        views = [0, 2, 1]
        swapped.taps.copy_(tubes.kernel[views][..., order].flatten(0, 1))
        swapped.steps.copy_(tubes.steps.reshape(3, 5, 8, 2)[views].flip(-1).flatten(0, 1))
        swapped.fuse.copy_(tubes.fuse[views])
    there = swapped(x.transpose(3, 4), None).transpose(3, 4)
    assert torch.allclose(there, tubes(x, None), atol=1e-4)


@pytest.mark.parametrize("tube", TUBES)
def test_turning_the_axes_round_together_with_their_views_changes_nothing(tube):
    tubes, turned = bent(tube), bent(tube)
    x = torch.randn(1, 1, 8, 16, 8)
    with torch.no_grad():  # z becomes y, y becomes x, x becomes z
        views = [2, 0, 1]
        turned.taps.copy_(tubes.kernel[views].flatten(0, 1))
        turned.steps.copy_(tubes.steps.reshape(3, 5, 8, 2)[views].flatten(0, 1))
        turned.fuse.copy_(tubes.fuse[views])
    there = turned(x.permute(0, 1, 4, 2, 3), None).permute(0, 1, 3, 4, 2)
    assert torch.allclose(there, tubes(x, None), atol=1e-4)


@pytest.mark.parametrize("embed", ["plain", "static", "dynamic"])
def test_every_embedding_gives_a_network_that_learns_and_folds(embed):
    torch.manual_seed(0)
    config = NetConfig((4, 4, 8), 24, 1, 2, embed=embed, tube="bundle", positions="planes", prefix=2)
    net, x = NeuriteViT(config), torch.randn(1, 1, 16, 24, 16)
    net(x).square().mean().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.eval()
    with torch.no_grad():
        if embed == "static":
            net.patch.steps.normal_()
        folded = net.folded().eval()
        assert folded.config.embed == ("plain" if embed == "static" else embed)
        assert torch.allclose(folded(x), net(x), atol=1e-5)


def test_what_the_stem_adds_to_a_teachers_tokens_is_nothing_at_the_start():
    net = NeuriteViT(NetConfig((4, 4, 8), 24, 1, 2, embed="plain"))
    assert not net.embed(torch.randn(1, 8, 4, 4, 4)).any()


def test_positions_take_the_middle_of_the_planes_and_any_part_in_training():
    torch.manual_seed(0)
    planes = Planes(6).eval()
    middle = planes((PLANE - 4, PLANE - 4, PLANE))
    whole = planes((PLANE, PLANE, PLANE))
    assert torch.allclose(middle, whole[:, 2:-2, 2:-2])
    planes.train()
    drawn = [planes((4, 4, 4)) for _ in range(8)]
    assert any(not torch.equal(drawn[0], other) for other in drawn)


def test_positions_of_a_tile_larger_than_the_planes_are_stretched():
    planes = Planes(6).eval()
    large = planes((2 * PLANE, 4, 4))
    assert large.shape == (1, 2 * PLANE, 4, 4, 6)
    small = planes((PLANE, 4, 4))
    assert torch.allclose(large[:, [0, -1]], small[:, [0, -1]], atol=1e-6)


def test_patches_by_one_product_are_those_of_a_convolution():
    torch.manual_seed(0)
    plain = PlainPatch(6)
    x = torch.randn(2, 1, 16, 8, 24)
    assert torch.allclose(plain(x, x), plain.conv(x), atol=1e-5)
