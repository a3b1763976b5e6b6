"""Find stacks whose planes lie too far apart: there neurites within a plane are flatter than wide.

A microscope's focus is taller than wide, so where planes are close enough a neurite is at least as tall as wide, in voxels
(`width.py` measures both). On stacks of Gold166 with all planes the height by the width is 1.04 to 1.6, with every second
or third plane 0.55 to 1.01. The voxel size alone is not enough: 1 x 0.32 x 0.32 um are too few planes for one
microscope and enough for another.

Where the ground is textured (`ground_noise.py`) no planes are added: interpolation would turn a texture that is correlated from
plane to plane into threads.
"""

import math

from neurorecon.core.geometry import VoxelSize

__all__ = ["may_miss_planes", "missing_planes"]

# ROUND follows from the stacks of Gold166 (see above); the others were set by hand; not tuned.
ROUND = 1.02  # height by width from which planes are close enough
MOST = 4  # planes for one: the planes between are interpolated, and more would be guesses
APART = 1.5  # edges of a pixel: planes that lie no further apart than this are not checked


def may_miss_planes(voxel_size: VoxelSize | None) -> bool:
    """Return whether planes lie so far apart, by a known voxel size, that the height of neurites has to be measured."""
    return voxel_size is not None and voxel_size.anisotropy >= APART


def missing_planes(widths: tuple[float, float] | None, voxel_size: VoxelSize | None) -> int:
    """Return how many planes there should be for one, from height and width of neurites (`width.py`).

    1 if the voxel size is not known, or too few neurites are found.
    """
    if widths is None or not may_miss_planes(voxel_size):
        return 1
    height, width = widths
    return max(1, min(math.ceil(ROUND * width / height), MOST))
