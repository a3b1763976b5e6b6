"""Loops over a grey stack, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.kernels.compiled import compiled

__all__ = ["take_off_sparks"]


@compiled
def take_off_sparks(block: NDArray[Any], level: float, out: NDArray[Any]) -> None:
    """Write to `out` (Z, Y, X) each voxel of `block`, but above `level` no more than the second largest of its neighbours.

    A neurite, however thin, has two neighbours of its kind; a hot pixel or a single photon has none. Two neighbours
    as bright are mostly met early, so that the walk is short.
    """
    planes, height, width = block.shape
    for z in range(planes):
        for y in range(height):
            for x in range(width):
                own = block[z, y, x]
                out[z, y, x] = own
                if own <= level:
                    continue
                largest, second = -np.inf, -np.inf
                for k in range(27):
                    c, b, a = z + k // 9 - 1, y + k // 3 % 3 - 1, x + k % 3 - 1
                    if k == 13 or c < 0 or b < 0 or a < 0 or c >= planes or b >= height or a >= width:
                        continue
                    value = block[c, b, a]
                    if value > largest:
                        largest, second = value, largest
                    elif value > second:
                        second = value
                    if second >= own:
                        break
                out[z, y, x] = min(own, max(second, level))
