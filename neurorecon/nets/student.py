"""The network: a 3D ViT on coarse patches beside a thin convolutional path at full resolution.

Neurites are two or three voxels thick, so a patch embedding alone cannot place them: strided convolutions lead from the
full resolution to patches of 8 voxels (a convolutional stem, Xiao et al. 2021, arXiv 2106.14881), a ViT reasons over
the whole tile there, and a light decoder carries its answer back up along skips. No convolution or norm takes
statistics over space; only the attention sees how far a tile reaches.

`channels` decides how much work is left to the ViT. Convolutions down to a quarter of the resolution see 33 voxels, and the
network learns to do without the ViT. Down to a half they see 13 voxels, and at the full resolution alone 3; then all context
comes through the tokens, each laid out over its patch by a transposed convolution, as in UNETR (Hatamizadeh et al. 2022, arXiv
2103.10504).

`skips` has the same effect with all three levels: if the decoder gets the features of the finest two levels alone, the stem
keeps its 33 voxels, and its coarser features have to pass through the tokens.

The ViT can be that of a 2D teacher (`training/teaching/transfer.py`): then its tokens also see the grey values of their patch
through the teacher's kernel (`tubular.py`), and the contribution of the stem to them is 0 at the start, so that training
begins with the input that the teacher's blocks were trained on.
"""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.nets.attention import NORM_EPS, Block, Planes, Rotation, rotary_angles
from neurorecon.nets.config import HEADS, STRIDE, NetConfig
from neurorecon.nets.layers import Residual, double
from neurorecon.nets.soma_head import BodyHead
from neurorecon.nets.tubular import DynamicTubes, PlainPatch, StaticTubes

__all__ = ["PRIOR", "NeuriteViT"]

PRIOR = (
    -3.0
)  # logit at the start: neurites fill a few percent of a crop (Lin et al. 2017, arXiv 1708.02002, section 4.1)


class GreyConv(nn.Conv3d):
    """A 3x3x3 convolution of grey values, run on rows of 8 voxels as if they were channels.

    With X = 8 i + p, a tap d in {-1, 0, 1} reads voxel q of row i + t where 8 t + q - p = d, so that the kernel of the rows is
    W[(p, c), q, z, y, t] = w[c, z, y, 8 t + q - p]. One channel leaves a matrix unit idle: 6 times as fast (bfloat16, AMX).
    """

    def __init__(self, channels: int) -> None:
        """Make a kernel from 1 to `channels`."""
        super().__init__(1, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, Z, Y, X) of grey values (B, 1, Z, Y, X), X a multiple of 8; it lies channels-last."""
        voxel = torch.arange(STRIDE, device=x.device)
        row = torch.arange(-STRIDE, 2 * STRIDE, STRIDE, device=x.device)
        offset = row + voxel[:, None] - voxel[:, None, None]  # (p, q, t)
        taps = (offset[..., None] == torch.arange(-1, 2, device=x.device)).to(self.weight.dtype)  # (p, q, t, d)
        kernel = torch.einsum("czyd,pqtd->pcqzyt", self.weight[:, 0], taps).flatten(0, 1)
        bias = None if self.bias is None else self.bias.repeat(STRIDE)
        rows = x.reshape(x.shape[0], *x.shape[2:4], -1, STRIDE).movedim(-1, 1)  # (B, 8, Z, Y, X / 8)
        out = functional.conv3d(rows, kernel, bias, padding=1).movedim(1, -1)  # (B, Z, Y, X / 8, 8 C)
        return out.reshape(x.shape[0], *x.shape[2:], -1).movedim(-1, 1)


class NeuriteViT(nn.Module):
    """Grey tile to logits of neurite and soma."""

    def __init__(self, config: NetConfig | None = None) -> None:
        """Make the layers with fresh weights."""
        super().__init__()
        config = config or NetConfig()
        self.config = config
        full, *coarser = config.channels
        self.stem1 = GreyConv(full)
        self.stem2 = nn.Conv3d(full, full, 3, padding=1)
        for k, channels in enumerate(coarser, 1):  # level k has 1 / 2^k of the resolution
            self.add_module(f"down{k}", nn.Conv3d(config.channels[k - 1], channels, 2, stride=2))
            self.add_module(f"encode{k}", Residual(channels))
        coarsest, side = config.channels[-1], config.side
        self.embed = nn.Conv3d(coarsest, config.width, side, stride=side)
        self.patch = patch_of(config)
        if self.patch is not None:
            nn.init.zeros_(self.embed.weight)
            nn.init.zeros_(self.embed.bias)  # type: ignore[arg-type]  # Conv3d has one by default
        self.positions = Planes(config.width) if config.positions == "planes" else None
        self.prefix = nn.Parameter(0.02 * torch.randn(1, config.prefix, config.width)) if config.prefix else None
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        if side > 2:
            self.unfold = nn.ConvTranspose3d(config.width, coarsest, side, stride=side)
        else:
            self.up2 = nn.Conv3d(config.width, coarsest, 1)
        for k, channels in enumerate(coarser, 1):
            self.add_module(f"decode{k}", Residual(channels))
            self.add_module(f"up{k - 1}", nn.Conv3d(channels, config.channels[k - 1], 1))
        self.decode0 = nn.Conv3d(full, full, 3, padding=1)
        self.head = nn.Conv3d(full, len(HEADS), 1)
        self.bodies = BodyHead(config) if config.bodies else None
        nn.init.constant_(self.head.bias, PRIOR)  # type: ignore[arg-type]  # Conv3d has one by default

    def tokens(self, x: Tensor) -> Tensor:
        """Run the ViT on patch features (B, C, z, y, x), and return the same shape."""
        b, c, z, y, w = x.shape
        t = x.flatten(2).transpose(1, 2)  # (B, C, z, y, x) -> (B, N, C)
        if self.positions is not None:
            t = t + self.positions((z, y, w)).flatten(1, 3).to(t.dtype)
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
        seen = [functional.relu_(self.stem2(functional.relu_(self.stem1(x))))]  # (B, full, Z, Y, X)
        for k in range(1, len(self.config.channels)):
            down, encode = self.get_submodule(f"down{k}"), self.get_submodule(f"encode{k}")
            seen.append(encode(down(seen[-1])))  # (B, half, Z/2, Y/2, X/2), (B, quarter, Z/4, Y/4, X/4)
        tokens = self.tokens(self.patches(x, seen[-1]))  # (B, width, Z/8, Y/8, X/8)
        out = self.unfold(tokens) if self.config.side > 2 else double(self.up2(tokens))
        for k in reversed(range(1, len(self.config.channels))):
            decode, up = self.get_submodule(f"decode{k}"), self.get_submodule(f"up{k - 1}")
            out = double(up(decode(out.add_(seen[k]) if k < self.config.skips else out)))
        out = functional.relu_(self.decode0(out.add_(seen[0])))
        logits = self.head(out)
        if self.bodies is not None:
            soma = double(double(self.bodies(seen[-1], tokens)))
            logits = torch.cat((logits[:, :1], soma), 1)
        return logits, tokens

    def patches(self, grey: Tensor, features: Tensor) -> Tensor:
        """Return the input of the ViT (B, C, Z/8, Y/8, X/8) from grey values and the features of the stem."""
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
        return DynamicTubes(config.width, config.tube, config.channels[-1], config.side)
    return None
