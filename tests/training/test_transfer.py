"""A teacher's weights answer in the student as they did in the teacher; a wrong file never passes."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from neurorecon.core.errors import InputError, ModelError, SettingsError
from neurorecon.nets.attention import PLANE, Block
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.tubular import accumulate
from neurorecon.training.build import groups_of, student_of
from neurorecon.training.settings import TeacherSettings, TrainSettings
from neurorecon.training.teaching import teacher as teachers
from neurorecon.training.teaching.distil import Distiller, TokenTubes
from neurorecon.training.teaching.teacher import Teacher, load_teacher, load_timm
from neurorecon.training.teaching.transfer import copy_block, grey_kernel, shape_for, transfer, tube_of

SHAPE = NetConfig((4, 4, 8), 64, 2, 2)  # of timm's test_vit: 64 channels, 2 heads
DEIT = Path(__file__).parents[3] / "shared" / "teachers" / "deit_tiny_patch16_224.safetensors"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with the weights of timm's smallest ViT, as a user would give it."""
    torch.manual_seed(1)
    net = load_timm().create_model("test_vit", pretrained=False)
    path = tmp_path_factory.mktemp("teacher") / "test_vit.safetensors"
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def tiny(weights):
    return load_teacher("test_vit", weights)


def made(name, **options):
    """A teacher of timm with random weights, for its structure."""
    torch.manual_seed(2)
    net = load_timm().create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True, **options).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return Teacher(name, net, torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.25]))


def student(teacher, net=SHAPE, **options):
    settings = TeacherSettings(**options)
    made = NeuriteViT(shape_for(net, settings, teacher))
    transfer(made, teacher, settings)
    return made.eval()


@pytest.mark.parametrize(
    ("name", "prefix", "positions"),
    [
        ("vit_tiny_patch16_224", 1, "planes"),
        ("vit_small_patch14_reg4_dinov2", 5, "planes"),
        ("vit_small_patch16_dinov3", 5, "rotary"),
    ],
)
def test_the_blocks_of_every_kind_of_teacher_answer_as_they_did(name, prefix, positions):
    teacher = made(name, depth=2)
    assert (teacher.prefix, teacher.positions) == (prefix, positions)
    block = Block(teacher.width, teacher.heads)
    with torch.no_grad():
        copy_block(block, teacher.part("blocks")[1])
        tokens = torch.randn(1, 10, teacher.width)
        assert torch.allclose(block(tokens), teacher.part("blocks")[1](tokens), atol=1e-4)
    net = student(teacher, NetConfig((4, 4, 8), teacher.width, 2, teacher.heads))
    assert net.prefix.shape == (1, prefix, teacher.width)
    assert (net.positions is None) == (positions == "rotary")
    with torch.no_grad():
        assert torch.isfinite(net(torch.rand(1, 1, 16, 16, 16))).all()


def test_the_grey_kernel_answers_as_the_teacher_does_to_three_equal_colours(tiny):
    grey = torch.rand(1, 1, 32, 32)
    colour = (grey - tiny.mean.view(1, 3, 1, 1)) / tiny.std.view(1, 3, 1, 1)
    kernel, bias = grey_kernel(tiny)
    with torch.no_grad():
        expected = tiny.part("patch_embed").proj(colour)
    assert torch.allclose(functional.conv2d(grey, kernel[:, None], bias, stride=16), expected, atol=1e-4)


@pytest.mark.parametrize("patch", ["average", "center"])
def test_an_inflated_kernel_answers_to_equal_planes_as_the_teacher_to_the_zoomed_slice(tiny, patch):
    plane = torch.rand(8, 8)
    zoomed = functional.interpolate(plane[None, None], size=(16, 16), mode="bilinear")
    kernel, bias = grey_kernel(tiny)
    expected = functional.conv2d(zoomed, kernel[:, None], bias)[0, :, 0, 0]
    found = student(tiny, patch=patch).patch(plane.expand(1, 1, 8, 8, 8), None)[0, :, 0, 0, 0]
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("tube", ["line", "bundle", "sheet"])
def test_tubes_hold_the_weights_in_reading_order_and_answer_alike_to_an_even_grey(tiny, tube):
    net = student(tiny, dataclasses.replace(SHAPE, tube=tube), patch="dtt")
    kernel, bias = grey_kernel(tiny)
    even = net.patch(torch.ones(1, 1, 8, 8, 8), None)[0, :, 0, 0, 0]
    assert torch.allclose(even, kernel.sum((1, 2)) + bias, atol=1e-4)
    assert torch.allclose(tube_of(kernel, "line")[:, 0, 0], kernel[:, :2].sum((1, 2)), atol=1e-5)
    assert torch.allclose(tube_of(kernel, "bundle")[:, 0, 3], kernel[:, 0, 3] + kernel[:, 1, 3], atol=1e-6)


def test_straight_sheets_are_the_centre_inflation_in_three_views(tiny):
    net = student(tiny, dataclasses.replace(SHAPE, tube="sheet"), patch="dtt")
    centre = student(tiny, patch="center").patch.conv.weight.detach()  # rows along y, columns along x
    views = centre + centre.permute(0, 1, 3, 4, 2) + centre.permute(0, 1, 4, 2, 3)
    assert torch.allclose(net.patch.dense().detach(), views / 3, atol=1e-6)


def test_dtt_starts_exactly_at_tubular_and_only_dtt_bends(tiny):
    x = torch.rand(1, 1, 16, 16, 16)
    straight, free, moving = (
        student(tiny, **options)
        for options in ({"patch": "tubular"}, {"patch": "dtt"}, {"patch": "dtt", "kind": "dynamic"})
    )
    moving.load_state_dict(straight.state_dict(), strict=False)  # the same random convolutions
    free.load_state_dict(straight.state_dict(), strict=False)
    with torch.no_grad():
        assert torch.equal(free(x), straight(x))
        assert torch.allclose(moving(x), straight(x), atol=1e-4)
    assert free.patch.steps.requires_grad
    assert not straight.patch.steps.requires_grad


def test_positions_of_the_teacher_stand_in_all_three_planes(tiny):
    net = student(tiny)
    assert torch.equal(net.positions.plane[0], net.positions.plane[2])
    absolute = tiny.part("pos_embed")[0, 1:].T.reshape(1, 64, 10, 10)
    expected = functional.interpolate(absolute, size=(PLANE, PLANE), mode="bicubic", align_corners=False)
    assert torch.allclose(net.positions.plane[1], expected[0].flatten(1), atol=1e-5)


def test_a_wider_teacher_is_thinned_to_a_narrower_student():
    net = student(made("vit_tiny_patch16_224", depth=2), NetConfig((4, 4, 8), 64, 2, 2))
    with torch.no_grad():
        assert torch.isfinite(net(torch.rand(1, 1, 16, 16, 16))).all()


@pytest.mark.parametrize("shape", [{"depth": 7}, {"width": 128}, {"heads": 4}])
def test_a_student_larger_than_its_teacher_is_refused(tiny, shape):
    with pytest.raises(SettingsError, match="at most those"):
        student(tiny, dataclasses.replace(SHAPE, **shape))


def test_a_teacher_without_its_blocks_leaves_the_shape_alone(tiny):
    shape = shape_for(SHAPE, TeacherSettings(blocks=False, patch="scratch"), tiny)
    assert (shape.embed, shape.positions, shape.prefix) == ("plain", "rotary", 0)


def changed(path, into, change):
    state = load_file(path)
    change(state)
    save_file(state, into)
    return into


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda s: s.pop("blocks.0.attn.qkv.weight"), "holds no blocks.0.attn.qkv.weight"),
        (
            lambda s: s.update({"cls_token": torch.zeros(1, 1, 32)}),
            r"has shape \(1, 1, 32\), test_vit has \(1, 1, 64\)",
        ),
        (lambda s: s.update({"extra.weight": torch.zeros(1)}), "holds extra.weight"),
    ],
)
def test_a_wrong_weight_file_says_what_was_expected(weights, tmp_path, change, what):
    with pytest.raises(ModelError, match=what):
        load_teacher("test_vit", changed(weights, tmp_path / "x.safetensors", change))


def test_a_missing_or_broken_weight_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        load_teacher("test_vit", tmp_path / "none.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"not at all")
    with pytest.raises(ModelError, match="cannot be read"):
        load_teacher("test_vit", tmp_path / "x.safetensors")


@pytest.mark.parametrize(("name", "what"), [("vit_tiny_patch61", "knows no such"), ("resnet18", "no plain ViT")])
def test_an_unknown_teacher_or_one_that_is_no_vit_is_refused(name, what, tmp_path):
    with pytest.raises(InputError, match=what):
        load_teacher(name, tmp_path / "x.safetensors")


def test_weights_that_cannot_be_fetched_never_become_random_ones(monkeypatch):
    def offline(*_, **__):
        raise OSError("no network\nat all")

    timm = load_timm()
    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(teachers, "load_timm", lambda: timm)
    with pytest.raises(InputError, match=r"could not be fetched \(no network\).*--teacher-weights"):
        load_teacher("test_vit", None)


def test_token_tubes_leave_even_tokens_as_they_are_and_mostly_keep_a_tokens_own():
    tubes = TokenTubes(6)
    even = torch.ones(1, 6, 4, 5, 6)
    assert torch.allclose(tubes(even), even, atol=1e-5)
    single = torch.zeros(1, 6, 5, 5, 5)
    single[:, :, 2, 2, 2] = 1
    gathered = tubes(single)[0, 0].detach()
    assert float(gathered[2, 2, 2]) > 0.8
    assert float(gathered.sum()) == pytest.approx(1, abs=1e-3)
    assert float(gathered[1, 1, 1]) == 0


def test_token_tubes_follow_a_bent_row_of_tokens():
    tubes = TokenTubes(1)
    with torch.no_grad():
        tubes.weight.zero_()
        tubes.predict.bias.copy_(torch.full((3, 5, 2), 9.0).flatten())
    shift = accumulate(torch.full((5, 2), 9.0), torch.full((2,), 2.0))[:, 0]
    assert shift[2] == 0
    assert shift[3] == pytest.approx(2 * torch.tanh(torch.tensor(0.5)).item(), abs=1e-3)


def test_distillation_teaches_the_tokens_and_not_the_teacher(tiny):
    torch.manual_seed(0)
    settings = TeacherSettings(distil=1.0, distil_blocks=(1, 2), slices=1.0)
    distiller = Distiller(64, tiny, settings)
    tokens = torch.randn(1, 64, 2, 3, 4, requires_grad=True)
    images = torch.rand(1, 1, 16, 24, 32)
    loss = distiller(images, tokens)
    loss.backward()
    assert tokens.grad.abs().sum() > 0
    assert all(p.grad is None for p in tiny.net.parameters())
    optimiser = torch.optim.Adam([tokens, *(p for p in distiller.parameters() if p.requires_grad)], lr=0.05)
    for _ in range(40):
        optimiser.zero_grad()
        distiller(images, tokens).backward()
        optimiser.step()
    assert float(distiller(images, tokens).detach()) < 0.85 * float(loss.detach())


@pytest.mark.parametrize(("options", "what"), [({"zoom": 1.5}, "zoom = 2"), ({"distil_blocks": (6, 9)}, "has 6")])
def test_distillation_that_cannot_be_is_refused(tiny, options, what):
    with pytest.raises(SettingsError, match=what):
        Distiller(64, tiny, TeacherSettings(**{"distil_blocks": (1, 2), **options}))


def run_settings(weights, tmp_path, **changes):
    values = {"out": tmp_path, "pairs": (tmp_path,), "net": SHAPE, "teacher": TeacherSettings("test_vit", weights)}
    return TrainSettings(**{**values, **changes})


def test_layer_wise_rates_fall_from_the_heads_to_the_patches(weights, tmp_path):
    settings = run_settings(weights, tmp_path, layer_decay=0.5)
    net, teacher = student_of(settings)
    assert teacher is not None
    share = {id(p): g["share"] for g in groups_of([net], settings) for p in g["params"]}
    assert share[id(net.head.weight)] == 1
    assert share[id(net.blocks[1].fc1.weight)] == 0.5
    assert share[id(net.blocks[0].fc1.weight)] == 0.25
    assert share[id(net.patch.taps)] == 0.125
    assert share[id(net.patch.steps)] > 1
    decayed = {id(p) for g in groups_of([net], settings) if g["weight_decay"] for p in g["params"]}
    assert id(net.head.weight) in decayed
    assert id(net.head.bias) not in decayed
    assert id(net.positions.plane) not in decayed


def test_a_start_and_a_teacher_give_the_convolutions_of_one_and_the_tokens_of_the_other(weights, tmp_path):
    from neurorecon.nets.weights import write_model

    torch.manual_seed(3)
    first = NeuriteViT(SHAPE)
    write_model(tmp_path / "first", first, name="first", summary="", card="")
    both, _ = student_of(run_settings(weights, tmp_path, start=str(tmp_path / "first")))
    assert torch.allclose(both.decode0.weight, first.decode0.weight, atol=1e-3)
    assert not both.embed.weight.any()
    assert both.prefix is not None
    alone, teacher = student_of(run_settings(weights, tmp_path, start=str(tmp_path / "first"), teacher=None))
    assert teacher is None
    assert torch.allclose(alone.blocks[0].fc1.weight, first.blocks[0].fc1.weight, atol=1e-3)


@pytest.mark.data
@pytest.mark.skipif(not DEIT.exists(), reason="the weights of DeiT-Tiny are not in ../shared/teachers")
def test_the_real_deit_tiny_fits_the_default_student():
    teacher = load_teacher("deit_tiny_patch16_224", DEIT)
    net = student(teacher, NetConfig())
    with torch.no_grad():
        assert torch.isfinite(net(torch.rand(1, 1, 16, 32, 32))).all()
        said = teacher.tokens(torch.rand(2, 48, 64), (6, 9), 2.0)
    assert said.shape == (2, 192, 6, 8)
