"""A look at the brightest tiles of a stack before all the rest: are neurites as thick and round as the network knows them."""

import logging
from collections.abc import Callable, Iterator
from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarse import Step
from neurorecon.core.stack import Stack
from neurorecon.segment.flat import may_miss_planes, missing_planes
from neurorecon.segment.intensity import Levels, normalise
from neurorecon.segment.profile import profile_products, seen_widths
from neurorecon.segment.rows import read_rows
from neurorecon.segment.thick import voxels_to_join, widths_of
from neurorecon.segment.tiles import Span

__all__ = ["join_for", "planes_to_add"]

log = logging.getLogger(__name__)

LAYERS, BRIGHTEST = 3, 2  # tiles of a layer
MOST_VOXELS = 1 << 27  # of a layer: of larger ones only some rows of tiles are looked at
HALF = 0.5

Spans = list[list[Span]]  # tiles along z, y and x


def join_for(stack: Stack, spans: Spans, levels: Levels) -> Step:
    """Return how many voxels (z, y, x) of a stack should be one; (1, 1, 1) where neurites are not thick."""
    middle = levels.grey(HALF)
    widths = widths_of((grey_of(tile, levels) for tile in brightest(stack, spans, middle)), middle - levels.low)
    return voxels_to_join(widths)


def planes_to_add(stack: Stack, spans: Spans, levels: Levels, run: Callable[[NDArray[np.float32]], Any]) -> int:
    """Return how many planes there should be for one; 1 where neurites are not flat, or the voxel size is not known.

    `run` gives the probabilities (2, Z, Y, X) of a normalised tile.
    """
    if not may_miss_planes(stack.voxel_size):
        return 1
    widths = seen_widths(
        profile_products(grey_of(tile, levels), run(normalise(tile, levels))[0] >= HALF)
        for tile in brightest(stack, spans, levels.grey(HALF))
    )
    planes = missing_planes(widths, stack.voxel_size)
    if widths and planes > 1:
        log.info("neurites are %.1f voxels high and %.1f wide: %d planes are made of one", *widths, planes)
    return planes


def brightest(stack: Stack, spans: Spans, middle: float) -> Iterator[NDArray[Any]]:
    """Yield the tiles of up to three layers in which most voxels are above the grey value `middle`, two of each."""
    voxels = max(s.stop - s.start for s in spans[0]) * stack.shape[1] * stack.shape[2]
    rows = spans[1][:: 1 + voxels // MOST_VOXELS]
    for z in sorted({len(spans[0]) * k // (2 * LAYERS) for k in range(1, 2 * LAYERS, 2)}):
        layer = (row[:, :, x.slice] for row in read_rows(stack, spans[0][z], rows) for x in spans[2])
        yield from nlargest(BRIGHTEST, layer, key=lambda tile: np.count_nonzero(tile > middle))


def grey_of(tile: NDArray[Any], levels: Levels) -> NDArray[np.float32]:
    """Return the grey values of a tile above the background, up to the bright level."""
    return np.minimum(tile.astype(np.float32), np.float32(levels.high)) - np.float32(levels.low)
