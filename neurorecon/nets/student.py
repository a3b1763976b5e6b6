"""The network: a 3D ViT on coarse patches beside a thin convolutional path at full resolution.

Neurites are two or three voxels thick, so a patch embedding alone cannot place them: strided convolutions lead from the
full resolution to patches of 8 voxels (a convolutional stem, Xiao et al. 2021, arXiv 2106.14881), a ViT reasons over
the whole tile there, and a light decoder carries its answer back up along skips. No convolution or norm takes
statistics over space; only the attention sees how far a tile reaches.

Without channels at a quarter of the resolution the convolutions see 13 voxels far, and all beyond comes through the
tokens, each of which is laid out over its patch by a transposed convolution, as in UNETR (Hatamizadeh et al. 2022, arXiv
2103.10504). With them the convolutions see 33 voxels far, and learn to do without the ViT.

The ViT can be that of a 2D teacher (`training/transfer.py`): then its tokens also see the grey values of their patch
through the teacher's kernel (`tubular.py`), and what the stem adds to them is 0 at the start, so that training begins
from what the teacher's blocks are used to.
"""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.nets.attention import NORM_EPS, Block, Planes, Rotation, rotary_angles
from neurorecon.nets.config import HEADS, NetConfig
from neurorecon.nets.tubular import DynamicTubes, PlainPatch, StaticTubes

__all__ = ["PRIOR", "NeuriteViT"]

PRIOR = (
    -3.0
)  # logit at the start: neurites fill a few percent of a crop (Lin et al. 2017, arXiv 1708.02002, section 4.1)


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
        if quarter:
            self.down2 = nn.Conv3d(half, quarter, 2, stride=2)
            self.encode2 = Residual(quarter)
        side = 2 if quarter else 4  # of a patch, in voxels of the features that it is made from
        self.embed = nn.Conv3d(quarter or half, config.width, side, stride=side)
        self.patch = patch_of(config)
        if self.patch is not None:
            nn.init.zeros_(self.embed.weight)
            nn.init.zeros_(self.embed.bias)  # type: ignore[arg-type]  # Conv3d has one unless told otherwise
        self.positions = Planes(config.width) if config.positions == "planes" else None
        self.prefix = nn.Parameter(0.02 * torch.randn(1, config.prefix, config.width)) if config.prefix else None
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        if quarter:
            self.up2 = nn.Conv3d(config.width, quarter, 1)
            self.decode2 = Residual(quarter)
            self.up1 = nn.Conv3d(quarter, half, 1)
        else:
            self.unfold = nn.ConvTranspose3d(config.width, half, side, stride=side)
        self.decode1 = Residual(half)
        self.up0 = nn.Conv3d(half, full, 1)
        self.decode0 = nn.Conv3d(full, full, 3, padding=1)
        self.head = nn.Conv3d(full, len(HEADS), 1)
        nn.init.constant_(self.head.bias, PRIOR)  # type: ignore[arg-type]  # Conv3d has one unless told otherwise

    def tokens(self, x: Tensor) -> Tensor:
        """Run the ViT on patch features (B, C, z, y, x), and return the same shape."""
        b, c, z, y, w = x.shape
        if self.positions is not None:
            x = x + self.positions((z, y, w)).to(x.dtype)
        t = x.flatten(2).transpose(1, 2)  # (B, C, z, y, x) -> (B, N, C)
        if self.prefix is not None:
            t = torch.cat((self.prefix.to(t.dtype).expand(b, -1, -1), t), 1)
        turn = self.turn((z, y, w), t)
        for block in self.blocks:
            t = block(t, turn)
        t = self.norm(t[:, self.config.prefix :]).to(x.dtype)
        patches: Tensor = t.reshape(b, z, y, w, c).movedim(-1, 1)  # (B, N, C) -> (B, C, z, y, x)
        return patches

    def turn(self, grid: tuple[int, int, int], tokens: Tensor) -> Rotation:
        """Return cosine and sine of the rotary angles, where the positions are rotary; prefix tokens do not turn."""
        if self.positions is not None:
            return None
        angles = rotary_angles(grid, self.config.width // self.config.heads, tokens.device)
        angles = functional.pad(angles, (0, 0, self.config.prefix, 0))
        return angles.cos().to(tokens.dtype), angles.sin().to(tokens.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 2, Z, Y, X), [neurite, soma], of a normalised tile (B, 1, Z, Y, X) with sides of 8 n."""
        return self.look(x)[0]

    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, and the tokens (B, C, Z/8, Y/8, X/8) from which they came."""
        s0 = functional.relu(self.stem1(x))
        s0 = functional.relu(self.stem2(s0))  # (B, full, Z, Y, X)
        s1 = self.encode1(self.down1(s0))  # (B, half, Z/2, Y/2, X/2)
        if self.config.channels[2]:
            s2 = self.encode2(self.down2(s1))  # (B, quarter, Z/4, Y/4, X/4)
            tokens = self.tokens(self.patches(x, s2))  # (B, width, Z/8, Y/8, X/8)
            s1 = s1 + double(self.up1(self.decode2(s2 + double(self.up2(tokens)))))
        else:
            tokens = self.tokens(self.patches(x, s1))
            s1 = s1 + self.unfold(tokens)
        out = functional.relu(self.decode0(s0 + double(self.up0(self.decode1(s1)))))
        return self.head(out), tokens

    def patches(self, grey: Tensor, features: Tensor) -> Tensor:
        """Return what the ViT is given (B, C, Z/8, Y/8, X/8) of grey values and the features of the stem."""
        patches: Tensor = self.embed(features)
        return patches if self.patch is None else patches + self.patch(grey, features)

    def folded(self) -> "NeuriteViT":
        """Return the network that is run: static tubes folded into a plain kernel; `self` where nothing is to fold."""
        if not isinstance(self.patch, StaticTubes):
            return self
        plain = NeuriteViT(dataclasses.replace(self.config, embed="plain"))
        state = {key: value for key, value in self.state_dict().items() if not key.startswith("patch.")}
        state |= {f"patch.{key}": value for key, value in self.patch.folded().state_dict().items()}
        plain.load_state_dict(state)
        return plain.train(self.training)


def patch_of(config: NetConfig) -> PlainPatch | StaticTubes | DynamicTubes | None:
    """Return the embedding of the grey values of a patch that `config` asks for."""
    if config.embed == "plain":
        return PlainPatch(config.width)
    if config.embed == "static":
        return StaticTubes(config.width, config.tube)
    if config.embed == "dynamic":
        return DynamicTubes(
            config.width, config.tube, config.channels[2] or config.channels[1], 2 if config.channels[2] else 4
        )
    return None


def double(x: Tensor) -> Tensor:
    """Return (B, C, Z, Y, X) at twice the resolution, trilinear."""
    return functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
