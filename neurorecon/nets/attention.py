"""Pre-norm transformer blocks with rotary positions in 3D.

Dosovitskiy et al. 2021 (ViT, arXiv 2010.11929); Su et al. 2021 (rotary positions, arXiv 2104.09864), here one third of
the channels of a head turns with each axis. Rotary positions are relative, so one set of weights serves any tile size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Block", "rotary_angles"]

LOWEST_WAVELENGTH = 100.0  # tokens; a tile is at most a few dozen tokens long, so slower waves would never turn


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

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Mix tokens (B, N, C)."""
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)  # each (B, H, N, W)
        x = functional.scaled_dot_product_attention(rotate(q, cosine, sine), rotate(k, cosine, sine), v)
        out: Tensor = self.proj(x.transpose(1, 2).reshape(b, n, c))
        return out


class Block(nn.Module):
    """Attention, then a perceptron, each added to what came in and scaled by a learned weight per channel."""

    def __init__(self, width: int, heads: int, *, ratio: int = 4, scale: float = 0.1) -> None:
        """Make the two halves; `scale` starts small so that the convolutional path settles first (CaiT, 2103.17239)."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.scale1 = nn.Parameter(torch.full((width,), scale))
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)
        self.scale2 = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Return tokens (B, N, C) after one block."""
        x = x + self.scale1 * self.attn(self.norm1(x), cosine, sine)
        out: Tensor = x + self.scale2 * self.fc2(functional.gelu(self.fc1(self.norm2(x))))
        return out
