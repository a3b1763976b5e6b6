"""The head for cell bodies: a body is large, so a quarter of the resolution and its surroundings are enough to find it.

It reads the features of the stem there, which see 33 voxels, and at an eighth the tokens of the ViT, which see the whole tile:
a tuft or a crossing is as thick as a body, but neurites leave it on all sides. Its answer is laid out trilinearly.
"""

from torch import Tensor, nn
from torch.nn import functional

from neurorecon.nets.config import NetConfig
from neurorecon.nets.layers import ChannelNorm, Residual, double

__all__ = ["BodyHead"]

# Set by hand; not tuned, unless a line says more.
PRIOR = -4.0  # logit at the start: bodies fill about a hundredth of a crop around one
DROPPED = 0.1  # share of the channels that are left out at a step of training: it has a hundred bodies to learn from


class BodyHead(nn.Module):
    """Features and tokens of a tile to the logit of cell bodies at a quarter of the resolution."""

    def __init__(self, config: NetConfig) -> None:
        """Make a head of `config.bodies` channels, twice as many at an eighth of the resolution, with fresh weights."""
        super().__init__()
        own = config.bodies
        self.norm = ChannelNorm(config.channels[-1])
        self.enter = nn.Conv3d(config.channels[-1], own, 1)
        self.near = Residual(own)
        self.down = nn.Conv3d(own, 2 * own, 2, stride=2)
        self.tokens = nn.Conv3d(config.width, 2 * own, 1)
        self.wide = nn.Sequential(Residual(2 * own), Residual(2 * own))
        self.up = nn.Conv3d(2 * own, own, 1)
        self.last = Residual(own)
        self.out = nn.Conv3d(own, 1, 1)
        nn.init.constant_(self.out.bias, PRIOR)  # type: ignore[arg-type]  # Conv3d has one by default

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Return logits (B, 1, Z/4, Y/4, X/4) of features (B, C, Z/4, Y/4, X/4) and tokens (B, width, Z/8, Y/8, X/8)."""
        features, tokens = (functional.dropout3d(x, DROPPED, self.training) for x in (self.norm(features), tokens))
        x = self.near(self.enter(features))  # (B, own, Z/4, Y/4, X/4)
        y = self.wide(self.down(x) + self.tokens(tokens))  # (B, 2 own, Z/8, Y/8, X/8)
        out: Tensor = self.out(self.last(x + double(self.up(y))))
        return out
