"""Neurites thicker than those of the training: several voxels are averaged into one, and the map is interpolated back.

The width (`width.py`) is measured in the light, because the network marks only the rim of neurites thicker than those of its
training. Only light above the mean of its surroundings counts, so that haze does not. In the 207 stacks of Gold166 with
enough neurites the width is 0.8 to 2.2 voxels (standard deviation of the profile), with neurites 8 voxels thicker 2.7 to 3.1.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarsened import Step
from neurorecon.segmentation.adapt.width import profile_products, seen_widths

__all__ = ["voxels_to_join", "widths_of"]

# WIDEST was chosen on stacks of Gold166 (docs/method.md); the others were set by hand; not tuned.
WIDEST = 3.5  # voxels: wider neurites are made half as thick; thinner ones lose more by it than they gain
AROUND = 61  # pixels: sides of the squares whose mean is the surroundings
LEAST_LIGHT = 0.4  # share of the light in the measurement: with more noise the width is not used


def widths_of(tiles: Iterable[NDArray[np.float32]], least: float) -> tuple[float, float] | None:
    """Return height and width of the structures that rise above their surroundings by `least` or more (`width.py`).

    Args:
        tiles: grey values (Z, Y, X), 0 at the background.
        least: in grey values.
    """
    from scipy.ndimage import uniform_filter

    rises = (tile - uniform_filter(tile, (1, AROUND, AROUND)) for tile in tiles)
    return seen_widths((profile_products(rise, rise > least) for rise in rises), least_light=LEAST_LIGHT)


def voxels_to_join(widths: tuple[float, float] | None) -> Step:
    """Return how many voxels (z, y, x) should be one, from the `widths_of` neurites: 2 where they are thick.

    Along z none where neurites are less tall than wide: seen from the side they are to stay round.
    """
    if widths is None or widths[1] <= WIDEST:
        return 1, 1, 1
    return (2 if widths[0] >= widths[1] else 1), 2, 2
