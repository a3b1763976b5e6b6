"""The shape of the network, as `config.toml` and a training configuration give it; no torch."""

from dataclasses import dataclass
from typing import Literal

from neurorecon.core.errors import SettingsError

__all__ = ["HEADS", "STRIDE", "NetConfig", "Tube"]

# By the design of the network; the limits were set by hand and not tuned.
STRIDE = 8  # voxels a token side
LEVELS = 3  # of resolution, at most, that have convolutions
WIDEST, DEEPEST = 2048, 64  # twice ViT-Large's: a description that asks for more is none of a network of ours
HEADS = ("neurite", "soma")
Tube = Literal["line", "bundle", "sheet"]


@dataclass(frozen=True, slots=True)
class NetConfig:
    """Shape of the network.

    Attributes:
        channels: of the convolutional path at 1, 1/2 and 1/4 of the resolution, or at the first of them alone. The first
            decides the speed; the fewer levels, the more is left to the tokens.
        width: of a token; 192 is ViT-Tiny's, so that its blocks can be carried over.
        depth: number of ViT blocks.
        heads: attention heads (ViT-Tiny: 3).
        embed: what the tokens see beside the convolutional path: nothing, or the grey values of their patch by a plain
            kernel, by static deformable tubes (folded into a plain kernel at export), or by dynamic ones.
        tube: cross-section of a tube in the patch: one voxel line, a bundle of 4 x 4 lines, or a sheet of 8, which keeps
            a teacher's kernel as it is and did best in the mean (docs/ablation.md).
        positions: learned planes (zy, zx, yx; for teachers with absolute positions) or rotary angles.
        prefix: tokens that stand before those of the patches (class token and registers of a teacher).
        skips: number of the finest levels whose convolutional features the decoder gets. All else reaches it through the
            tokens.
        bodies: channels of a head for cell bodies at a quarter of the resolution (`soma_head.py`); 0: no such head, and the
            head for neurites answers for bodies as well.
    """

    channels: tuple[int, ...] = (8, 32, 64)
    width: int = 192
    depth: int = 6
    heads: int = 3
    embed: Literal["none", "plain", "static", "dynamic"] = "none"
    tube: Tube = "sheet"
    positions: Literal["rotary", "planes"] = "rotary"
    prefix: int = 0
    skips: int = LEVELS
    bodies: int = 0

    def __post_init__(self) -> None:
        """Check that the sizes are those of a network, and that the heads divide the width into even parts."""
        if not 1 <= len(self.channels) <= LEVELS:
            raise SettingsError(f"network channels {list(self.channels)}: 1 to {LEVELS} numbers are needed")
        if not 1 <= self.skips <= LEVELS:
            raise SettingsError(f"network skips {self.skips}: 1 to {LEVELS} are needed")
        sizes = (*self.channels, self.width, self.heads)
        if min(sizes) < 1 or max(sizes) > WIDEST or max(self.depth, self.prefix) > DEEPEST:
            raise SettingsError(
                f"network channels {list(self.channels)}, width {self.width}, heads {self.heads}: 1 to {WIDEST} are needed, "
                f"and depth {self.depth} and prefix {self.prefix} of at most {DEEPEST}"
            )
        if not 0 <= self.bodies <= WIDEST or (self.bodies and len(self.channels) < LEVELS):
            raise SettingsError(
                f"network bodies {self.bodies}: 0 to {WIDEST} are needed, and {LEVELS} levels of channels where there are any"
            )
        if self.width % (2 * self.heads) or min(self.depth, self.prefix) < 0:
            raise SettingsError(
                f"network width {self.width} must be a multiple of 2 x {self.heads} heads, depth and prefix 0 or more"
            )

    @property
    def side(self) -> int:
        """Voxels that a patch has along a side at the coarsest level of the convolutions."""
        return STRIDE >> (len(self.channels) - 1)

    @property
    def least_weights(self) -> int:
        """Weights that the network has at least: those of its layers that grow with the square of a width.

        Known without making it, on torch's "meta" device say, which takes 0.7 s to import.
        """
        full, *coarser = self.channels
        blocks = 12 * self.depth * self.width**2  # attention 4, perceptron 8
        patches = 2 * self.channels[-1] * self.width * (self.side**3 if self.side > 2 else 1)  # into tokens and back
        return blocks + patches + 2 * 27 * full**2 + 4 * 27 * sum(c**2 for c in coarser)
