"""Where a traced neurite ends sideways: what is dark beside it is background, whatever radius the tracing gives it.

A tracing says where a neurite runs; its radius is often a guess, and between tube and radius nothing is asked. Left
alone there, a network fills it: twigs that run side by side melt into one. So the light decides. With S the stack smoothed
over SIGMA voxels, B the background near by and C the mean of S along the centre line near by, a voxel of the rim that is
further than NEAR voxels from the centre line is background where

    S < B + (C - B) / 2,

that is outside the full width at half maximum; elsewhere it stays not asked.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.training.targets import BACKGROUND, CENTRE, IGNORE

__all__ = ["ask_dark_rim"]

NEAR = 2.2  # voxels: a tracing is no more exact
SIGMA = 1.0  # voxels
ALONG = 3.0  # voxels of a neurite whose light counts together
AROUND = 31  # voxels: side of the cube whose background counts as near by


def ask_dark_rim(image: NDArray[np.generic], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the labels (Z, Y, X) of the stack `image` (Z, Y, X), with what is dark in the rim marked BACKGROUND."""
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
    along = (low == CENTRE).astype(np.float32)
    light = gaussian_filter(along * smooth, ALONG, truncate=2)[tuple(line.T)]
    light /= np.maximum(gaussian_filter(along, ALONG, truncate=2)[tuple(line.T)], 1e-6)
    outside = smooth[rim] < (dark + light[nearest]) / 2
    asked = labels.copy()
    asked[tuple(axis[outside] for axis in rim)] &= ~np.uint8(3)  # BACKGROUND is 0
    return asked
