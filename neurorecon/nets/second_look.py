"""A second run of the network on a tile, with half as many voxels along y and x.

A neurite of six voxels is a stripe in the first look and a line in the second one, which also sees twice as far. The texture of
the ground looks different in both. The answers (logits) of both are averaged, as over scales in Chen et al. 2016
(arXiv 1511.03339). Voxels are not averaged along z, because planes mostly lie further apart than the voxels of a plane.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from neurorecon.nets.config import STRIDE

__all__ = ["half_look"]

STEP = (1, 2, 2)  # voxels (z, y, x) put together; set by hand: (2, 2, 2) as a third look gained nothing on real_3d


def half_look(net: Callable[[Tensor], Tensor], tile: Tensor) -> Tensor:
    """Return logits (B, 2, Z, Y, X), float32, of tiles (B, 1, Z, Y, X) of which the network sees means of 2 x 2 voxels.

    Args:
        net: gives logits of tiles with sides of STRIDE n.
        tile: float32, with such sides.
    """
    seen = functional.avg_pool3d(tile, STEP)
    y, x = seen.shape[-2:]
    padded = functional.pad(seen, (0, -x % STRIDE, 0, -y % STRIDE, 0, 0), mode="replicate")
    logits = net(padded)[..., :y, :x].float()
    return functional.interpolate(logits, scale_factor=STEP, mode="trilinear")
