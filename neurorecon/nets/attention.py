"""Pre-norm transformer blocks, and where a token stands in 3D.

Dosovitskiy et al. 2021 (ViT, arXiv 2010.11929). The blocks are those of 2D ViTs number by number, so that a teacher's
weights fit. Positions are one of two kinds:

- rotary (Su et al. 2021, arXiv 2104.09864): one third of the channels of a head turns with each axis, q_m . k_n depends
  on m - n alone; for teachers that have rotary positions themselves.
- planes: three learned square planes, one for each pair of axes, pos(z, y, x) = (P0(z, y) + P1(z, x) + P2(y, x)) / 3; a
  teacher's absolute positions are the start of all three.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NORM_EPS", "PLANE", "Block", "Planes", "Rotation", "rotary_angles"]

# Set by hand; not tuned, unless a line says more.
LOWEST_WAVELENGTH = 100.0  # tokens; a tile is at most a few dozen tokens long, so slower waves would never turn
PLANE = 16  # tokens a side of a learned plane: 128 voxels, the largest tile by default
NORM_EPS = 1e-6  # of the ViTs in timm

Rotation = tuple[Tensor, Tensor] | None  # cosine and sine (N, head width / 2), or none


def rotary_angles(grid: tuple[int, int, int], head_width: int, device: torch.device) -> Tensor:
    """Return the angles (N, head_width / 2) of all tokens of a `grid` of (z, y, x) tokens, in C order."""
    pairs = head_width // 2
    split = [pairs // 3 + (axis < pairs % 3) for axis in (2, 1, 0)]  # x takes a remainder first
    angles = []
    for axis, count in enumerate(split):
        frequency = LOWEST_WAVELENGTH ** -(torch.arange(count, device=device) / max(count, 1))
        position = torch.arange(grid[axis], device=device, dtype=torch.float32)
        shape = [1, 1, 1, count]
        shape[axis] = grid[axis]
        angles.append((position[:, None] * frequency).reshape(shape).expand(*grid, count))
    return torch.cat(angles, dim=-1).reshape(-1, pairs)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn channel pairs (k, k + half) of x (B, H, N, W) by the angles whose cosine and sine (N, W / 2) are given."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention over the tokens of a tile."""

    def __init__(self, width: int, heads: int) -> None:
        """Make the projections; `width` is a multiple of twice `heads`."""
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, turn: Rotation = None) -> Tensor:
        """Mix tokens (B, N, C)."""
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)  # each (B, H, N, W)
        if turn is not None:
            q, k = rotate(q, *turn), rotate(k, *turn)
        x = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(x.transpose(1, 2).reshape(b, n, c))
        return out


class Block(nn.Module):
    """Attention, then a perceptron, each added to its input and scaled by a learned weight per channel."""

    def __init__(self, width: int, heads: int, *, ratio: int = 4, scale: float = 0.1) -> None:
        """Make the two halves; `scale` starts small so that the convolutional path settles first (CaiT, 2103.17239).

        A teacher's blocks bring a scale of their own: 1, or what its layer scale has learned.
        """
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = Attention(width, heads)
        self.scale1 = nn.Parameter(torch.full((width,), scale))
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)
        self.scale2 = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor, turn: Rotation = None) -> Tensor:
        """Return tokens (B, N, C) after one block."""
        x = x + self.scale1 * self.attn(self.norm1(x), turn)
        out: Tensor = x + self.scale2 * self.fc2(functional.gelu(self.fc1(self.norm2(x))))
        return out


class Planes(nn.Module):
    """Learned positions of the tokens of a tile.

    A tile of fewer tokens than a plane takes a window of it: in the middle, and in training anywhere, so that all of the
    plane learns; distances between tokens stay what they were. A larger tile takes the whole plane, stretched.
    """

    def __init__(self, width: int) -> None:
        """Make small random planes."""
        super().__init__()
        self.plane = nn.Parameter(torch.empty(3, width, PLANE * PLANE))
        nn.init.trunc_normal_(self.plane, std=0.02)

    def forward(self, grid: tuple[int, int, int]) -> Tensor:
        """Return the position (1, z, y, x, C) of every token of a `grid` of (z, y, x) tokens."""
        free = [max(PLANE - n, 0) for n in grid]
        start = [int(torch.randint(n + 1, ())) if self.training else n // 2 for n in free]
        z, y, x = zip(start, grid, strict=True)
        first, second, third = self.plane.reshape(3, -1, PLANE, PLANE)
        zy, zx, yx = window(first, z, y), window(second, z, x), window(third, y, x)
        return (zy[:, :, :, None] + zx[:, :, None] + yx[:, None]) / 3


def window(plane: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Cut (start, length) rows and columns from a plane (C, S, S), stretched where it is too short; (1, rows, columns, C)."""
    (top, height), (left, width) = rows, columns
    size = (max(height, plane.shape[1]), max(width, plane.shape[2]))
    whole = plane[None]
    if size != tuple(plane.shape[1:]):
        whole = functional.interpolate(whole, size=size, mode="bilinear", align_corners=True)
    return whole[:, :, top : top + height, left : left + width].movedim(1, -1).contiguous()
