"""From a 2D ViT's weights to the start of the 3D student.

Patch kernels. A grey slice is what the teacher sees three times over, so its kernel over colours c with mean m and
deviation s becomes K = sum_c K_c / s_c with bias b - sum_c m_c / s_c sum K_c. A student's patch has 8 voxels a side, a
teacher's 16 pixels: with U the bilinear zoom from the one to the other, <K, U x> = <U'K, x>, so U'K answers to a patch
exactly as the teacher does to that patch zoomed. Then, with z the axis across the slice:

- average: U'K / 8 in every plane (Carreira and Zisserman 2017, arXiv 1705.07750);
- center: half of U'K in each of the two middle planes (Zhang et al. 2022, arXiv 2201.01426; Cheng et al. 2024, arXiv
  2405.02686, for neurons);
- tubular: the 256 weights in reading order, laid along each axis (Cheng et al. 2024, arXiv 2410.22078), summed to the 8
  taps of a line, or as 16 cross-sections of 4 x 4 summed to the 8 of a bundle; sums, so that an even grey gives the
  same answer; straight for ever. A third reading keeps the kernel as it is: the rows of U'K are 8 tubes side by side, a
  sheet in each of the planes zy, yx and xz, so that straight sheets are `center` in three views;
- dtt: the same start, and free to bend (`nets/tubular.py`).

Blocks. The student's first blocks are the teacher's first blocks, with their layer scale (1 where there is none). A
teacher of another width is thinned to evenly spaced channels and whole heads (Xu et al. 2024, weight selection, arXiv
2311.18823). Absolute positions become the planes of `nets/attention.py`, resized; rotary angles have no weights: their
channels are dealt out anew among three axes. Prefix tokens (class token, registers) carry their positions with them.
"""

import dataclasses
import logging
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from neurorecon.core.errors import SettingsError
from neurorecon.nets.attention import PLANE, Block
from neurorecon.nets.config import STRIDE, NetConfig, Tube
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.tubular import CROSS, DynamicTubes, PlainPatch, StaticTubes
from neurorecon.training.settings import TeacherSettings
from neurorecon.training.teaching.teacher import Teacher

__all__ = ["grey_kernel", "shape_for", "tube_of", "transfer"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
FLAT = 16  # pixels a patch side that a kernel is brought to before it is laid into a tube: 256 weights


def shape_for(net: NetConfig, settings: TeacherSettings, teacher: Teacher) -> NetConfig:
    """Return the student's shape with the embedding, positions and prefix that this transfer needs."""
    embed: Any = {"tubular": "static", "dtt": settings.kind}.get(settings.patch, "plain")
    if not settings.blocks:
        return dataclasses.replace(net, embed=embed)
    positions: Any = teacher.positions
    return dataclasses.replace(net, embed=embed, positions=positions, prefix=teacher.prefix)


def transfer(net: NeuriteViT, teacher: Teacher, settings: TeacherSettings) -> None:
    """Put the teacher's weights into a student of the shape that `shape_for` returned.

    Raises:
        SettingsError: if the student is deeper or wider than the teacher.
    """
    config = net.config
    if config.depth > teacher.depth or config.width > teacher.width or config.heads > teacher.heads:
        raise SettingsError(
            f"net: depth {config.depth}, width {config.width}, heads {config.heads} are more than {teacher.name} has "
            f"({teacher.depth}, {teacher.width}, {teacher.heads}); give at most those"
        )
    with torch.no_grad():
        if settings.patch != "scratch":
            _patch(net, teacher, settings)
        if settings.blocks:
            for k in range(config.depth):
                copy_block(net.blocks[k], teacher.part("blocks")[k])  # type: ignore[arg-type]  # they are Blocks
            _positions(net, teacher)
    log.info("%s: %s patch kernel%s", teacher.name, settings.patch, ", blocks" if settings.blocks else "")


def chosen(have: int, want: int) -> Tensor:
    """Return `want` evenly spaced indices of `have` channels, all of them where the numbers are equal."""
    return torch.div(torch.arange(want) * have, want, rounding_mode="floor")


def grey_kernel(teacher: Teacher) -> tuple[Tensor, Tensor]:
    """Return the teacher's patch kernel for grey slices (C, P, P) and its bias (C,)."""
    projection = teacher.part("patch_embed").proj
    colour = projection.weight.float()  # (C, 3, P, P)
    by_deviation = colour / teacher.std.view(1, 3, 1, 1)
    bias = torch.zeros(len(colour)) if projection.bias is None else projection.bias.float()
    bias = bias - (by_deviation * teacher.mean.view(1, 3, 1, 1)).sum((1, 2, 3))
    return by_deviation.sum(1), bias


def zoomed_out(kernel: Tensor, side: int) -> Tensor:
    """Return the kernel (C, side, side) that answers to a patch as `kernel` (C, P, P) does to the patch zoomed."""
    basis = torch.eye(side * side).reshape(-1, 1, side, side)
    zoom = functional.interpolate(basis, size=kernel.shape[1:], mode="bilinear", align_corners=False)  # rows of U'
    return (kernel.flatten(1) @ zoom.flatten(1).T).reshape(len(kernel), side, side)


def tube_of(kernel: Tensor, tube: Tube) -> Tensor:
    """Lay a kernel (C, P, P) into a tube: taps (C, 8, W), W its lines."""
    if tube == "sheet":
        return zoomed_out(kernel, STRIDE)
    lines = math.prod(CROSS[tube])
    along = zoomed_out(kernel, FLAT).reshape(len(kernel), -1, lines)  # reading order: (C, 256, 1) or (C, 16, 16)
    return along.reshape(len(kernel), STRIDE, -1, lines).sum(2)


def _patch(net: NeuriteViT, teacher: Teacher, settings: TeacherSettings) -> None:
    kernel, bias = grey_kernel(teacher)
    some = chosen(teacher.width, net.config.width)
    kernel, bias = kernel[some], bias[some]
    patch = net.patch
    if isinstance(patch, PlainPatch):
        flat = zoomed_out(kernel, STRIDE)[:, None, None]  # (C, 1, 1, 8, 8)
        share = torch.full((STRIDE,), 1 / STRIDE)
        if settings.patch == "center":
            share = torch.zeros(STRIDE)
            share[STRIDE // 2 - 1 : STRIDE // 2 + 1] = 0.5
        patch.conv.weight.copy_(flat * share.view(1, 1, -1, 1, 1))
        patch.conv.bias.copy_(bias)  # type: ignore[union-attr]  # Conv3d has one by default
    if isinstance(patch, StaticTubes | DynamicTubes):
        patch.taps.copy_(tube_of(kernel, net.config.tube).repeat(3, 1, 1))
        patch.bias.copy_(bias)
    if isinstance(patch, StaticTubes):
        patch.steps.requires_grad_(settings.patch == "dtt")


def copy_block(block: Block, source: Any) -> None:
    """Copy a block of a timm ViT, thinned where it is wider."""
    width, heads = block.norm1.weight.shape[0], block.attn.heads
    some = chosen(source.norm1.weight.shape[0], width)
    head_width = source.norm1.weight.shape[0] // source.attn.num_heads
    lanes = chosen(head_width, width // heads)
    inner = (chosen(source.attn.num_heads, heads)[:, None] * head_width + lanes).flatten()  # of the head channels
    hidden = chosen(source.mlp.fc1.weight.shape[0], block.fc1.weight.shape[0])
    for mine, theirs in ((block.norm1, source.norm1), (block.norm2, source.norm2)):
        mine.weight.copy_(theirs.weight[some])
        mine.bias.copy_(theirs.bias[some])
    weight, bias = query_key_value(source.attn)
    block.attn.qkv.weight.copy_(weight.reshape(3, -1, weight.shape[1])[:, inner][:, :, some].flatten(0, 1))
    block.attn.qkv.bias.copy_(bias.reshape(3, -1)[:, inner].flatten())
    block.attn.proj.weight.copy_(source.attn.proj.weight[some][:, inner])
    block.attn.proj.bias.copy_(source.attn.proj.bias[some])
    block.fc1.weight.copy_(source.mlp.fc1.weight[hidden][:, some])
    block.fc1.bias.copy_(source.mlp.fc1.bias[hidden])
    block.fc2.weight.copy_(source.mlp.fc2.weight[some][:, hidden])
    block.fc2.bias.copy_(source.mlp.fc2.bias[some])
    block.scale1.copy_(layer_scale(source, 1, some))
    block.scale2.copy_(layer_scale(source, 2, some))


def query_key_value(attention: Any) -> tuple[Tensor, Tensor]:
    """Return weight (3 C, C) and bias (3 C,) of timm's attention; a bias that it keeps in parts, or has not, is 0 there."""
    weight: Tensor = attention.qkv.weight
    bias = attention.qkv.bias
    if bias is None:
        none = torch.zeros(weight.shape[0] // 3)
        parts = [getattr(attention, f"{name}_bias", None) for name in "qkv"]
        bias = torch.cat([none if part is None else part for part in parts])
    return weight, bias


def layer_scale(source: Any, half: int, some: Tensor) -> Tensor:
    """Return the factor by which a block of timm scales its attention (half 1) or perceptron (2); 1 without a scale."""
    scale = getattr(getattr(source, f"ls{half}", None), "gamma", None)
    if scale is None:
        scale = getattr(source, f"gamma_{half}", None)
    return torch.ones(len(some)) if scale is None else scale[some]


def _positions(net: NeuriteViT, teacher: Teacher) -> None:
    """Carry positions and prefix tokens over."""
    some = chosen(teacher.width, net.config.width)
    absolute = teacher.part("pos_embed") if teacher.positions == "planes" else None
    own = 0  # prefix tokens that have positions
    if absolute is not None:
        patches = int((absolute.shape[1]) ** 0.5) ** 2
        own = absolute.shape[1] - patches
        side = int(patches**0.5)
        plane = absolute[0, own:].float().T.reshape(1, -1, side, side)[:, some]
        plane = functional.interpolate(plane, size=(PLANE, PLANE), mode="bicubic", align_corners=False)
        if net.positions is not None:
            net.positions.plane.copy_(plane.flatten(2).expand(3, -1, -1))
    parts = [getattr(teacher.net, name, None) for name in ("cls_token", "reg_token")]
    tokens = torch.cat([part for part in parts if part is not None], 1)[0].float() if net.prefix is not None else None
    if net.prefix is not None and tokens is not None:
        tokens = tokens.clone()
        if absolute is not None and own:
            tokens[:own] += absolute[0, :own]
        net.prefix.copy_(tokens[None, :, some])
