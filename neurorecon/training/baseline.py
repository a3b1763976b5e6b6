"""A plain 3D U-Net, to be beaten: no tokens, no 2D knowledge. After Ronneberger et al. 2015 and Cicek et al. 2016.

Two 3x3x3 convolutions a level with group norm (Wu and He 2018), maximum pooling down, trilinear doubling and skips up:
channels 8, 16, 32, 64 make 0.37 million parameters. MONAI's `UNet` takes its first stride before the first feature, and
its `BasicUNet` wants six levels, so neither is this net.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.nets.config import HEADS
from neurorecon.nets.student import PRIOR

__all__ = ["PlainUNet", "plain_unet"]

# Set by hand; not tuned, unless a line says more.
CHANNELS = (8, 16, 32, 64)  # three halvings: sides of 8 n, like the student's
GROUPS = 4  # of the group norm: two channels each at the first level


class Level(nn.Sequential):
    """Two convolutions, each with group norm and ReLU."""

    def __init__(self, inside: int, outside: int) -> None:
        """Make the layers."""
        layers: list[nn.Module] = []
        for channels in (inside, outside):
            layers += [nn.Conv3d(channels, outside, 3, padding=1), nn.GroupNorm(GROUPS, outside), nn.ReLU()]
        super().__init__(*layers)


class PlainUNet(nn.Module):
    """Grey tile to logits of neurite and soma, with the student's interface."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        """Make the layers with fresh weights."""
        super().__init__()
        fine, coarse = channels[:-1], channels[1:]
        self.first = Level(1, channels[0])
        self.down = nn.ModuleList(Level(a, b) for a, b in zip(fine, coarse, strict=True))
        self.up = nn.ModuleList(Level(a + b, a) for a, b in zip(fine[::-1], coarse[::-1], strict=True))
        self.head = nn.Conv3d(channels[0], len(HEADS), 1)
        nn.init.constant_(self.head.bias, PRIOR)  # type: ignore[arg-type]  # Conv3d has one by default

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 2, Z, Y, X), [neurite, soma], of a normalised tile (B, 1, Z, Y, X) with sides of 8 n."""
        skips = [self.first(x)]  # (B, 8, Z, Y, X)
        for level in self.down:
            skips.append(level(functional.max_pool3d(skips[-1], 2)))  # (B, C, n, ..) -> (B, 2 C, n/2, ..)
        x = skips.pop()
        for level in self.up:
            wide = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
            x = level(torch.cat([skips.pop(), wide], dim=1))  # (B, C + 2 C, 2 n, ..) -> (B, C, 2 n, ..)
        out: Tensor = self.head(x)
        return out


def plain_unet() -> PlainUNet:
    """Return the U-Net of the comparison, 0.37 million parameters, with fresh weights."""
    return PlainUNet()
