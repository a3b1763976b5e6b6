"""Do the planes of a stack lie too far apart? Neurites that run within a plane tell: seen from the side they look flat.

A microscope's focus is taller than wide, so where planes are close enough a neurite is at least as tall as wide, in voxels
(`profile.py` says how that is seen). On stacks of Gold166 of which every plane was kept the height by the width is 1.04 to
1.6, of every second or third 0.55 to 1.01. The voxel size alone does not tell: 1 x 0.32 x 0.32 um are too few planes for one
microscope and enough for another.
"""

import math

from neurorecon.core.geometry import VoxelSize

__all__ = ["may_miss_planes", "missing_planes"]

ROUND = 1.02  # height by width from which planes are close enough
MOST = 4  # planes for one: what lies between is guessed
APART = 1.5  # edges of a pixel: planes that lie no further apart than this are not asked


def may_miss_planes(voxel_size: VoxelSize | None) -> bool:
    """Return whether planes lie so far apart, by a known voxel size, that the height of neurites is worth a look."""
    return voxel_size is not None and voxel_size.anisotropy >= APART


def missing_planes(widths: tuple[float, float] | None, voxel_size: VoxelSize | None) -> int:
    """Return how many planes there should be for one, from height and width of neurites (`profile.py`).

    1 where the voxel size is not known, or too little is seen.
    """
    if widths is None or not may_miss_planes(voxel_size):
        return 1
    height, width = widths
    return max(1, min(math.ceil(ROUND * width / height), MOST))
