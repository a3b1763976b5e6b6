"""Patch embedding by deformable tubes: the weights of a flat kernel, laid along a curved neurite in 3D.

Cheng et al. 2024 (DINeuro, arXiv 2410.22078) flatten the 16 x 16 weights of a 2D patch kernel into a tube and lay it along
each of the three axes; learned offsets let the tube follow a neurite. Their offsets and fusion are not public. This
is our reading, after Qi et al. 2023 (dynamic snake convolution, arXiv 2307.08388): with taps i = 0 ... 7 along axis v of
a patch and weights k, a token is

    y_c(p) = b_c + sum_v f_vc sum_i sum_w k_vciw x(p + i e_v + s_w + o_vci),

f fuses the views, s is the cross-section of the tube (one line; a bundle of 4 x 4; or a sheet of 8 side by side, which is
the flat kernel as it was), and the offsets, at right angles to the axis, grow outward from the middle of the patch by
steps d of at most one voxel, so that a tube bends but never tears:

    o_i = B tanh(a_i / B),   a_i = sum of tanh(d_j) from the middle to i,

where B keeps every tap inside the patch (a sheet bends out of its plane only). x between voxels is trilinear. All d are 0
at the start: straight tubes.

*Static* tubes have one shape a channel, the same everywhere. Each is a sum of shifted taps, so the whole embedding is
folded into one dense 8 x 8 x 8 kernel, in training at every step (1.5 million products against billions in the rest)
and at export once for all. *Dynamic* tubes bend as the features of each patch say, and are sampled.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.nets.config import STRIDE, Tube

__all__ = ["CROSS", "VIEWS", "DynamicTubes", "PlainPatch", "StaticTubes", "accumulate", "fold"]

# Set by hand; not tuned, unless a line says more.
VIEWS = ((0, 1, 2), (1, 2, 0), (2, 0, 1))  # the axis of a view, then the two at right angles to it (z, y, x = 0, 1, 2)
CROSS: dict[Tube, tuple[int, int]] = {"line": (1, 1), "bundle": (4, 4), "sheet": (8, 1)}  # lines side by side in a tube
MIDDLE = (STRIDE - 1) / 2  # middle of a token in voxels, by definition


def cross_section(tube: Tube) -> Tensor:
    """Return the offsets (W, 2) of the lines of a straight tube from its axis, in voxels."""
    return torch.cartesian_prod(*(torch.arange(count) - (count - 1) / 2 for count in CROSS[tube]))


def room(tube: Tube) -> Tensor:
    """Return how far a tube may bend from its axis in the two directions (2,) and stay inside the patch, in voxels."""
    return MIDDLE - cross_section(tube).amax(0)


def accumulate(steps: Tensor, bound: Tensor) -> Tensor:
    """Return offsets (..., L, 2) that grow outward from the middle of a tube by steps (..., L, 2); both 0 where steps are.

    With an even number of taps the two in the middle take the first steps; with an odd number the middle one stays. They
    stay below `bound` (2,); where that is 0 they are 0.
    """
    steps = torch.tanh(steps)
    half = steps.shape[-2] // 2
    before = steps[..., :half, :].flip(-2).cumsum(-2).flip(-2)
    after = steps[..., -half:, :].cumsum(-2)
    still = torch.zeros_like(steps[..., half:-half, :])
    return bound * torch.tanh(torch.cat((before, still, after), -2) / bound.clamp(min=1e-6))


def spread(position: Tensor) -> Tensor:
    """Return the linear weights (..., 8) with which a value at `position` (...) falls on the voxels of a patch side."""
    below = position.detach().floor()
    part = (position - below)[..., None]
    voxel = torch.arange(STRIDE, device=position.device)
    return (voxel == below[..., None]) * (1 - part) + (voxel == below[..., None] + 1) * part


def fold(kernel: Tensor, fuse: Tensor, offset: Tensor, lines: Tensor) -> Tensor:
    """Return the dense kernel (C, 1, 8, 8, 8) that answers as the tubes do.

    Args:
        kernel: weights (3, C, 8, W) by view, channel, tap and line.
        fuse: weights of the views (3, C).
        offset: (3, C, 8, 2) voxels from the axis.
        lines: cross-section (W, 2).
    """
    place = MIDDLE + lines + offset[..., None, :]  # (3, C, 8, W, 2)
    first, second = spread(place[..., 0]), spread(place[..., 1])  # (3, C, 8, W, 8)
    weight = kernel * fuse[:, :, None, None]
    local = torch.einsum("vciw,vciwa,vciwb->vciab", weight, first, second)  # along the axis, then across it
    views = [local[v].movedim((1, 2, 3), tuple(axis + 1 for axis in axes)) for v, axes in enumerate(VIEWS)]
    return torch.stack(views).sum(0)[:, None]


class Tubes(nn.Module):
    """What static and dynamic tubes share: the weights of the taps, of the views, and the bias."""

    lines: Tensor
    room: Tensor

    def __init__(self, width: int, tube: Tube) -> None:
        """Make random tubes, the same in all views."""
        super().__init__()
        kernel = torch.empty(width, STRIDE, len(cross_section(tube)))
        nn.init.trunc_normal_(kernel, std=0.02)
        self.taps = nn.Parameter(kernel.repeat(3, 1, 1))  # (3 C, 8, W): parameters of 4 axes have no channels_last_3d
        self.fuse = nn.Parameter(torch.full((3, width), 1 / 3))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("lines", cross_section(tube), persistent=False)
        self.register_buffer("room", room(tube), persistent=False)

    @property
    def kernel(self) -> Tensor:
        """Weights (3, C, 8, W) by view, channel, tap and line."""
        return self.taps.reshape(3, -1, *self.taps.shape[1:])


class StaticTubes(Tubes):
    """Tubes of one learned shape a channel."""

    def __init__(self, width: int, tube: Tube) -> None:
        """Make straight tubes."""
        super().__init__(width, tube)
        self.steps = nn.Parameter(torch.zeros(3 * width, STRIDE, 2))

    def dense(self) -> Tensor:
        """Return the folded kernel (C, 1, 8, 8, 8)."""
        offset = accumulate(self.steps, self.room).reshape(3, -1, STRIDE, 2)
        return fold(self.kernel, self.fuse, offset, self.lines)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Return tokens (B, C, z, y, x) of grey values (B, 1, Z, Y, X); features are ignored."""
        return embed(x, self.dense().to(x.dtype), self.bias.to(x.dtype))

    def folded(self) -> "PlainPatch":
        """Return the plain embedding that gives the same tokens."""
        plain = PlainPatch(self.kernel.shape[1])
        with torch.no_grad():
            plain.conv.weight.copy_(self.dense())
            plain.conv.bias.copy_(self.bias)  # type: ignore[union-attr]  # Conv3d has one by default
        return plain


class DynamicTubes(Tubes):
    """Tubes that bend in each patch as its features say."""

    def __init__(self, width: int, tube: Tube, features: int, side: int) -> None:
        """Make straight tubes; `features` are the channels of features of which a patch has `side` voxels along a side."""
        super().__init__(width, tube)
        self.predict = nn.Conv3d(features, 3 * STRIDE * 2, side, stride=side)
        nn.init.zeros_(self.predict.weight)
        nn.init.zeros_(self.predict.bias)  # type: ignore[arg-type]  # Conv3d has one by default

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Return tokens (B, C, z, y, x) of grey values (B, 1, Z, Y, X) and features (B, F, z n, y n, x n), n = side."""
        steps = self.predict(features).float()  # (B, 48, z, y, x)
        batch, _, *grid = steps.shape
        steps = steps.flatten(2).transpose(1, 2).reshape(batch, -1, 3, STRIDE, 2)  # (B, N, 3, 8, 2)
        across = MIDDLE + self.lines.float() + accumulate(steps, self.room)[..., None, :]  # (B, N, 3, 8, W, 2)
        along = torch.arange(STRIDE, device=x.device, dtype=torch.float32)[:, None].expand(across.shape[:-1])
        origin = torch.cartesian_prod(*(torch.arange(n, device=x.device) * STRIDE for n in grid)).float()  # (N, 3)
        views = []
        for v, axes in enumerate(VIEWS):
            local = (along[:, :, v], across[:, :, v, ..., 0], across[:, :, v, ..., 1])
            zyx = torch.stack([local[axes.index(axis)] for axis in range(3)], -1)  # (B, N, 8, W, 3)
            views.append(zyx + origin[:, None, None])
        size = torch.tensor(x.shape[2:], device=x.device, dtype=torch.float32)
        place = (torch.stack(views, 2) * 2 + 1) / size - 1  # (B, N, 3, 8, W, 3) in -1 ... 1 from edge to edge
        flat = place.flip(-1).reshape(batch, 1, 1, -1, 3)
        seen = functional.grid_sample(x.float(), flat, padding_mode="border", align_corners=False)
        weight = self.kernel.float() * self.fuse.float()[:, :, None, None]
        seen = seen.reshape(batch, -1, 3, STRIDE, self.lines.shape[0])  # (B, N, 3, 8, W)
        token = torch.einsum("bnviw,vciw->bcn", seen, weight) + self.bias.float()[:, None]
        return token.reshape(batch, -1, *grid).to(x.dtype)


class PlainPatch(nn.Module):
    """The usual patch embedding: one dense kernel."""

    def __init__(self, width: int) -> None:
        """Make a random kernel."""
        super().__init__()
        self.conv = nn.Conv3d(1, width, STRIDE, stride=STRIDE)
        nn.init.trunc_normal_(self.conv.weight, std=0.02)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # Conv3d has one by default

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Return tokens (B, C, z, y, x) of grey values (B, 1, Z, Y, X); features are ignored."""
        return embed(x, self.conv.weight, self.conv.bias)


def embed(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return tokens (B, C, z, y, x) of grey values (B, 1, Z, Y, X) by a kernel (C, 1, 8, 8, 8).

    The patches do not overlap, so the convolution is one product of matrices: 10 times as fast (bfloat16, AMX).
    """
    b, _, *sides = x.shape
    z, y, w = (side // STRIDE for side in sides)
    patches = x.reshape(b, z, STRIDE, y, STRIDE, w, STRIDE).permute(0, 1, 3, 5, 2, 4, 6).flatten(4)  # (B, z, y, x, 512)
    return functional.linear(patches, weight.flatten(1), bias).movedim(-1, 1)
