"""The lateral border of a traced neurite: dark voxels beside it are background, whatever radius the tracing gives it.

The position of a traced neurite is reliable, but its radius is often a guess. If the loss ignores the voxels between the tube
and the traced radius, the network fills them, and twigs that run side by side merge. So the light decides. With S the stack
smoothed over SIGMA voxels, B the background near by and C the mean of S along the centre line near by, a voxel of the rim that
is further than NEAR voxels from the centre line is background where

    S < B + (C - B) / 2,

that is, outside the full width at half maximum. The loss ignores all other voxels of the rim.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE
from neurorecon.training.sources.labels_visible import SIGMA, light_along

__all__ = ["label_dark_rim"]

# Set by hand; not tuned, unless a line says more.
NEAR = 2.2  # voxels: a tracing is no more exact
AROUND = 31  # voxels: side of the cube whose background counts as near by


def label_dark_rim(image: NDArray[np.generic], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the labels (Z, Y, X) of the stack `image` (Z, Y, X), with the dark voxels of the rim marked BACKGROUND."""
    from scipy.ndimage import gaussian_filter, uniform_filter
    from scipy.spatial import cKDTree

    low = labels & 3
    line, sides = np.argwhere(low == CENTRE), np.argwhere(low == IGNORE)
    if not len(line) or not len(sides):
        return labels
    distance, nearest = cKDTree(line).query(sides)
    far = distance > NEAR
    rim, nearest = tuple(sides[far].T), nearest[far]
    smooth = gaussian_filter(image.astype(np.float32), SIGMA, truncate=3)
    ground = (low == BACKGROUND).astype(np.float32)
    dark = uniform_filter(ground * smooth, AROUND)[rim] / np.maximum(uniform_filter(ground, AROUND)[rim], 1e-6)
    light = light_along(smooth, low == CENTRE)[tuple(line.T)]
    outside = smooth[rim] < (dark + light[nearest]) / 2
    relabelled = labels.copy()
    relabelled[tuple(axis[outside] for axis in rim)] &= ~np.uint8(3)  # BACKGROUND is 0
    return relabelled
