"""Mark neurites that are invisible in a crop, so that the loss ignores them.

Noise, dim light and coarse planes hide the faintest neurites of a crop. A network that is trained to find them nevertheless
finds arbours in noise. So the light along a neurite is compared with the background: with S the crop smoothed
over SIGMA voxels, m and s median and deviation of S in the background, a neurite's evidence is

    e(p) = mean of (S - m) / s over the neurite's voxels near p,

and where it stays below LEAST, its tube is labelled IGNORE.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, NEURITE

__all__ = ["SIGMA", "light_along", "ignore_invisible"]

# Set by hand; not tuned, unless a line says more.
SIGMA = 1.0  # voxels: about the radius of a tube
ALONG = 3.0  # voxels of a neurite whose light counts together
LEAST = 0.7  # deviations: over ten voxels of a neurite, twice the value by chance
FEWEST = 500  # background voxels from which a deviation can be measured


def light_along(light: NDArray[np.float32], neurite: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the mean of `light` (Z, Y, X) over the voxels of `neurite` (Z, Y, X) near each voxel, within about ALONG."""
    from scipy.ndimage import gaussian_filter

    weight = neurite.astype(np.float32)
    total = gaussian_filter(weight * light, ALONG, truncate=2)
    return np.asarray(total / np.maximum(gaussian_filter(weight, ALONG, truncate=2), 1e-6), np.float32)


def ignore_invisible(grey: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the labels (Z, Y, X) of a crop `grey` (Z, Y, X), with neurites that do not stand out marked IGNORE."""
    from scipy.ndimage import gaussian_filter

    low = labels & 3
    tube = (low == NEURITE) | (low == CENTRE)
    ground = low == BACKGROUND
    if not tube.any() or ground.sum() < FEWEST:
        return labels
    smooth = gaussian_filter(grey, SIGMA, truncate=3)
    middle, below = np.percentile(smooth[ground], (50, 15.9))  # the half below: neighbours and debris shine above
    if middle <= below:
        return labels
    unseen = tube & (light_along(smooth - np.float32(middle), tube) < LEAST * (middle - below))
    return np.where(unseen, labels & ~np.uint8(3) | np.uint8(IGNORE), labels)
