"""Find stacks whose planes lie too far apart: there neurites within a plane are flatter than wide.

A microscope's focus is taller than wide, so where planes are close enough a neurite is at least as tall as wide, in voxels
(`width.py` measures both). On stacks of Gold166 with all planes the height by the width is 1.04 to 1.6, with every second
or third plane 0.55 to 1.01. The voxel size alone is not enough: 1 x 0.32 x 0.32 um are too few planes for one
microscope and enough for another.

Where the ground is textured no planes are added: interpolation would turn a texture that is correlated from plane to plane into
threads. With
r = grey values below GROUND of the bright level, less the mean of AROUND x AROUND pixels, cut off at 3 deviations,

    textured:  deviation of r > STRONG * bright level  and  mean of r(z) r(z + 1) > CORRELATED * mean of r(z) ** 2.

White noise has a correlation of 0.00 to 0.04 there, the ground of larval stacks 0.13 to 0.53.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize

__all__ = ["is_textured", "may_miss_planes", "missing_planes"]

# ROUND follows from the stacks of Gold166 (see above); the others were set by hand; not tuned.
ROUND = 1.02  # height by width from which planes are close enough
MOST = 4  # planes for one: the planes between are interpolated, and more would be guesses
GROUND, AROUND = 0.2, 31  # share of the bright level; pixels
CORRELATED, STRONG = 0.1, 0.05  # twice that of white noise; share of the bright level: less gives no threads
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


def is_textured(tiles: Iterable[NDArray[np.float32]], bright: float) -> bool:
    """Return whether the ground is strongly correlated from plane to plane.

    Args:
        tiles: grey values (Z, Y, X), 0 at the background.
        bright: the bright level, in grey values above the background.
    """
    from scipy.ndimage import uniform_filter

    rises, alike, own = [], 0.0, 0.0
    for tile in tiles:
        ground = tile < GROUND * bright
        rise = tile - uniform_filter(np.where(ground, tile, 0), (1, AROUND, AROUND))
        spread = 1.4826 * float(np.median(np.abs(rise[ground]))) if ground.any() else 0.0
        rises.append(spread)
        rise = np.clip(np.where(ground, rise, 0), -3 * spread, 3 * spread) / bright
        alike += float((rise[:-1] * rise[1:]).sum(dtype=np.float64))
        own += float(((rise[:-1] ** 2)[ground[1:]]).sum(dtype=np.float64))
    return bool(rises) and float(np.median(rises)) > STRONG * bright and alike > CORRELATED * own
