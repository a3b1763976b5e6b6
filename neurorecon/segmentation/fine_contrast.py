"""Contrast of each voxel with its surroundings: the picture's own evidence of neurites, beside the answer of the network.

With v the light of a voxel (background 0, bright level 1), all means within a plane but for one of three planes, [1, 6, 1] / 8,

    own(v)    = mean of 3 x 3 pixels, [1, 2, 1] / 4 along each axis: a Gaussian of 0.7 pixels
    around(v) = mean of 7 x 7 pixels, taken twice: nearly a Gaussian of 2.8 pixels
    most(v)   = largest `own` of 15 planes and 5 x 5 pixels
    contrast  = (own - around) / (most + FAINT), from -1 to 1, times 1 - most / GLARING where that is above 0, else 0
                0 where it is above 0, and `own` is less than FADING of the mean of 7 planes, taken twice

A faint neurite in noise is brighter than its surroundings even where the network is in doubt. Bright neurites need no such
help,
and their boutons, glow and axial tails would become twigs: there `most` is large, so the contrast is small. In an axial tail
the contrast is 0, because the planes on one side of it are brighter. Texture has as much contrast as a faint neurite, so the
term is used only where the ground has no texture (`adapt/ground_noise.py`). It is a difference of Gaussians (Marr and Hildreth
1980), divided by the light at hand (Heeger 1992).
"""

import math
from typing import TYPE_CHECKING

from neurorecon.segmentation.normalise import KNEE

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["fine_contrast"]

# Chosen on the 39 training neurons (lifted, hard, dim) and the real stacks without texture. 1.2 and 4 pixels for 0.7 and 2.8
# gain half as much. Without GLARING, and with 0.3 for FAINT, short twigs gain in `lifted` and are too many in DIADEM.
SIDE, ABOVE = 0.25, 0.125  # weights of the next pixel and of the next plane
WIDE = 3  # pixels on each side in a mean of the surroundings
REACH = (7, 2, 2)  # voxels (z, y, x) on each side in which the largest light is sought
FAINT = 0.2  # of the bright level: noise and glow far below it give no contrast
GLARING = 1.5  # of the bright level: from there on the contrast does not count
FADING = 0.98  # light that falls to 1 / e within 14 planes is a tail; a neurite along z has 1
DARKEST, BRIGHTEST = -0.5, 1.5  # of the bright level: a hot pixel does not hide its neighbours


def fine_contrast(tile: "Tensor") -> "Tensor":
    """Return the contrast (B, 1, Z, Y, X), float32, of normalised tiles of that shape."""
    import torch

    light = (torch.sinh(tile.float() * math.asinh(KNEE)) / KNEE).clamp(DARKEST, BRIGHTEST)
    light = _mean_of_three(light, 2, ABOVE)
    own, around = light, light
    for axis in (3, 4):
        own = _mean_of_three(own, axis, SIDE)
        around = _box_mean(_box_mean(around, axis), axis)
    most = own
    for axis, reach in zip((2, 3, 4), REACH, strict=True):
        most = _largest(most, axis, reach)
    most = most.clamp(min=0)
    contrast = ((own - around) / (most + FAINT)).clamp(-1, 1) * (1 - most / GLARING).clamp(min=0)
    tail = own < FADING * _box_mean(_box_mean(own, 2), 2)
    return contrast.where(~tail, contrast.clamp(max=0))


def _padded(x: "Tensor", axis: int, reach: int) -> "Tensor":
    """Return `x` (B, C, Z, Y, X) with its first and last voxels along an axis repeated."""
    import torch

    first, last = x.narrow(axis, 0, 1), x.narrow(axis, x.shape[axis] - 1, 1)
    return torch.cat([first] * reach + [x] + [last] * reach, axis)


def _mean_of_three(x: "Tensor", axis: int, side: float) -> "Tensor":
    """Return the mean of each voxel and its two neighbours along an axis, each of which weighs `side`."""
    wide, n = _padded(x, axis, 1), x.shape[axis]
    return (wide.narrow(axis, 0, n) + wide.narrow(axis, 2, n)).mul_(side).add_(x, alpha=1 - 2 * side)


def _box_mean(x: "Tensor", axis: int) -> "Tensor":
    """Return the mean of 2 WIDE + 1 voxels along an axis, from sums of all voxels before."""
    n, width = x.shape[axis], 2 * WIDE + 1
    sums = _padded(x, axis, WIDE).cumsum(axis)
    out = sums.narrow(axis, width - 1, n).clone()
    out.narrow(axis, 1, n - 1).sub_(sums.narrow(axis, 0, n - 1))
    return out.div_(width)


def _largest(x: "Tensor", axis: int, reach: int) -> "Tensor":
    """Return the largest value of 2 `reach` + 1 voxels along an axis, from windows of doubled width (van Herk 1992)."""
    import torch

    most, width, full = _padded(x, axis, reach), 1, 2 * reach + 1
    while width < full:
        step = min(width, full - width)
        n = most.shape[axis] - step
        most = torch.maximum(most.narrow(axis, 0, n), most.narrow(axis, step, n))
        width += step
    return most
