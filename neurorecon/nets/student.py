"""The network: a 3D ViT on coarse patches beside a thin convolutional path at full resolution.

Neurites are two or three voxels thick, so a patch embedding alone cannot place them: strided convolutions lead from the
full resolution to patches of 8 voxels (a convolutional stem, Xiao et al. 2021, arXiv 2106.14881), a ViT reasons over
the whole tile there, and a light decoder carries its answer back up along skips. No convolution or norm takes
statistics over space; only the attention sees how far a tile reaches.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.nets.attention import Block, rotary_angles
from neurorecon.nets.config import HEADS, NetConfig

__all__ = ["NeuriteViT"]


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each voxel on its own: no statistic over space, so tiles agree."""

    def __init__(self, channels: int) -> None:
        """Make the scale and the shift."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, Z, Y, X); free of copies when x lies channels-last."""
        last = functional.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias)
        return last.movedim(-1, 1)


class Residual(nn.Module):
    """Two 3x3x3 convolutions added to what came in."""

    def __init__(self, channels: int) -> None:
        """Make the two convolutions."""
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, Z, Y, X)."""
        out: Tensor = x + self.conv2(functional.relu(self.conv1(self.norm(x))))
        return out


class NeuriteViT(nn.Module):
    """Grey tile to logits of neurite and soma."""

    def __init__(self, config: NetConfig | None = None) -> None:
        """Make the layers with fresh weights."""
        super().__init__()
        config = config or NetConfig()
        full, half, quarter = config.channels
        self.config = config
        self.stem1 = nn.Conv3d(1, full, 3, padding=1)
        self.stem2 = nn.Conv3d(full, full, 3, padding=1)
        self.down1 = nn.Conv3d(full, half, 2, stride=2)
        self.encode1 = Residual(half)
        self.down2 = nn.Conv3d(half, quarter, 2, stride=2)
        self.encode2 = Residual(quarter)
        self.embed = nn.Conv3d(quarter, config.width, 2, stride=2)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.up2 = nn.Conv3d(config.width, quarter, 1)
        self.decode2 = Residual(quarter)
        self.up1 = nn.Conv3d(quarter, half, 1)
        self.decode1 = Residual(half)
        self.up0 = nn.Conv3d(half, full, 1)
        self.decode0 = nn.Conv3d(full, full, 3, padding=1)
        self.head = nn.Conv3d(full, len(HEADS), 1)

    def tokens(self, x: Tensor) -> Tensor:
        """Run the ViT on patch features (B, C, z, y, x), and return the same shape."""
        b, c, z, y, w = x.shape
        angles = rotary_angles((z, y, w), c // self.config.heads, x.device)
        cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        t = x.flatten(2).transpose(1, 2)  # (B, C, z, y, x) -> (B, N, C)
        for block in self.blocks:
            t = block(t, cosine, sine)
        t = self.norm(t).to(x.dtype)
        patches: Tensor = t.reshape(b, z, y, w, c).movedim(-1, 1)  # (B, N, C) -> (B, C, z, y, x)
        return patches

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 2, Z, Y, X), [neurite, soma], of a normalised tile (B, 1, Z, Y, X) with sides of 8 n."""
        s0 = functional.relu(self.stem1(x))
        s0 = functional.relu(self.stem2(s0))  # (B, full, Z, Y, X)
        s1 = self.encode1(self.down1(s0))  # (B, half, Z/2, Y/2, X/2)
        s2 = self.encode2(self.down2(s1))  # (B, quarter, Z/4, Y/4, X/4)
        patches = self.embed(s2)  # (B, width, Z/8, Y/8, X/8)
        x = self.tokens(patches)
        x = self.decode2(s2 + double(self.up2(x)))
        x = self.decode1(s1 + double(self.up1(x)))
        x = functional.relu(self.decode0(s0 + double(self.up0(x))))
        out: Tensor = self.head(x)
        return out


def double(x: Tensor) -> Tensor:
    """Return (B, C, Z, Y, X) at twice the resolution, trilinear."""
    return functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
