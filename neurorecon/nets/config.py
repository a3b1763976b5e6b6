"""The shape of the network, as `config.toml` and a training configuration give it; no torch."""

from dataclasses import dataclass

from neurorecon.core.errors import SettingsError

__all__ = ["HEADS", "STRIDE", "NetConfig"]

STRIDE = 8  # voxels a token side
HEADS = ("neurite", "soma")


@dataclass(frozen=True, slots=True)
class NetConfig:
    """Shape of the network.

    Attributes:
        channels: of the convolutional path at 1, 1/2 and 1/4 of the resolution. The first decides the speed.
        width: of a token; 192 is ViT-Tiny's, so that its blocks can be carried over.
        depth: number of ViT blocks.
        heads: attention heads (ViT-Tiny: 3).
    """

    channels: tuple[int, int, int] = (8, 32, 64)
    width: int = 192
    depth: int = 6
    heads: int = 3

    def __post_init__(self) -> None:
        """Check that the heads divide the width into even parts."""
        if self.width % (2 * self.heads) or min(self.channels) < 1 or self.depth < 0:
            raise SettingsError(
                f"network width {self.width} must be a multiple of 2 x {self.heads} heads, and sizes above 0"
            )
