"""Measure in the brightest tiles of a stack whether its neurites are as thick and as round as those of the training."""

import logging
from collections.abc import Callable, Iterator
from heapq import nlargest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarsened import Step, coarsen
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.padding import Padding, padding_of, without_padding
from neurorecon.core.stack import Stack
from neurorecon.io import check_finite
from neurorecon.segmentation.adapt.ground_noise import GroundNoise, noise_of
from neurorecon.segmentation.adapt.missing_planes import may_miss_planes, missing_planes
from neurorecon.segmentation.adapt.sample import PLACE, Sample, take_sample
from neurorecon.segmentation.adapt.thick_neurites import voxels_to_join, widths_of
from neurorecon.segmentation.adapt.width import profile_products, seen_widths
from neurorecon.segmentation.normalise import Levels, checked_levels, levels_of_stack, normalise, without_bodies
from neurorecon.segmentation.tile_rows import read_rows
from neurorecon.segmentation.tiles import Span

__all__ = ["Adaptation", "Sight", "adaptation_of", "levels_at_sight"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
LAYERS, BRIGHTEST = 3, 2  # tiles of a layer
MOST_VOXELS = 1 << 27  # of a layer: of larger ones only some rows of tiles are read
MOST_AS_ONE = 8  # voxels along an axis
HALF = 0.5  # of the bright level, and of the probability

Tiles = list[NDArray[Any]]  # (Z, Y, X) each


class Sight(NamedTuple):
    """The levels and the padding of a stack, before its tiles are inspected.

    Attributes:
        levels: its grey levels.
        sample: the places that they were taken from where it was not read whole.
        padding: its padding, which does not count.
    """

    levels: Levels
    sample: Sample | None = None
    padding: Padding | None = None


class Adaptation(NamedTuple):
    """How a stack is changed before the network, and the answer of the network after it.

    Attributes:
        levels: grey levels of the voxels that it sees.
        planes: how many planes it gets for one.
        voxels_as_one: how many voxels (z, y, x) are then averaged into one.
        shift: of the logit of neurites (`ground_noise.py`).
        evenness: of the ground (`ground_noise.py`).
    """

    levels: Levels
    planes: int = 1
    voxels_as_one: Step = (1, 1, 1)
    shift: float = 0.0
    evenness: float = 0.0


def levels_at_sight(stack: Stack) -> Sight:
    """Return the grey levels of a stack without its padding.

    Raises:
        NoNeuronError: if it is constant.
        InputError: if it holds NaN or infinity.
    """
    padding = padding_of(stack)
    sample = take_sample(stack, padding)
    levels = Levels(0.0, 0.0) if sample is None else sample.levels()
    if levels.flat:  # it is small, or no place of it holds anything
        levels = without_bodies(stack, levels_of_stack(stack, padding), padding)
    return Sight(checked_levels(stack, levels), sample, padding)


def adaptation_of(
    stack: Stack,
    found: Sight,
    cut: Callable[[tuple[int, int, int]], list[list[Span]]],
    run: Callable[[NDArray[np.float32]], Any],
    *,
    fit_voxels: bool = True,
) -> Adaptation:
    """Return how a stack is made to look like those of the training.

    Args:
        stack: (Z, Y, X).
        found: its `levels_at_sight`.
        cut: gives the tiles of a shape along z, y and x.
        run: gives the probabilities (2, Z, Y, X) of a normalised tile.
        fit_voxels: see SegmentSettings.
    """
    seen = stack = without_padding(stack, found.padding)
    as_one = (1, 1, 1)
    levels, sample, _ = found
    while True:
        if sample is None:
            tiles = list(brightest(seen, cut(seen.shape), levels.grey(HALF)))
        else:
            tiles = list(brightest_places(seen, sample, levels.grey(HALF)))
        z, y, x = join_for(tiles, levels) if fit_voxels and max(as_one) < MOST_AS_ONE else (1, 1, 1)
        if (z, y, x) == (1, 1, 1):
            break
        as_one = z * as_one[0], y * as_one[1], x * as_one[2]
        seen = coarsen(stack, as_one)
        levels, sample, _ = levels_at_sight(seen)
    if seen is not stack:
        log.info("neurites are thick: the network sees %d x %d x %d voxels (z, y, x) as one", *as_one)
    ground = noise_of((grey_of(tile, levels) for tile in tiles), levels.high - levels.low)
    if ground.shift:
        log.info("light is short: the noise of the ground is %.2f of the bright level, and white", ground.spread)
    planes = planes_to_add(tiles, levels, run, stack.voxel_size, ground) if fit_voxels else 1
    return Adaptation(levels, planes, as_one, ground.shift, ground.evenness)


def join_for(tiles: Tiles, levels: Levels) -> Step:
    """Return how many voxels (z, y, x) should be one; (1, 1, 1) where neurites are not thick."""
    least = levels.grey(HALF) - levels.low
    return voxels_to_join(widths_of((grey_of(tile, levels) for tile in tiles), least))


def planes_to_add(
    tiles: Tiles,
    levels: Levels,
    run: Callable[[NDArray[np.float32]], Any],
    voxel_size: VoxelSize | None,
    ground: GroundNoise,
) -> int:
    """Return how many planes there should be for one; 1 where neurites are not flat, or the voxel size is not known."""
    if not may_miss_planes(voxel_size):
        return 1
    widths = seen_widths(
        profile_products(grey_of(tile, levels), run(normalise(tile, levels))[0] >= HALF) for tile in tiles
    )
    planes = missing_planes(widths, voxel_size)
    if planes > 1 and ground.textured:
        log.info("the ground is textured: no planes are put between those of the stack")
        return 1
    if widths and planes > 1:
        log.info("neurites are %.1f voxels high and %.1f wide: %d planes are made of one", *widths, planes)
    return planes


def brightest(stack: Stack, spans: list[list[Span]], middle: float) -> Iterator[NDArray[Any]]:
    """Yield the tiles of up to three layers in which most voxels are above the grey value `middle`, two of each."""
    voxels = max(s.stop - s.start for s in spans[0]) * stack.shape[1] * stack.shape[2]
    rows = spans[1][:: 1 + voxels // MOST_VOXELS]
    for z in sorted({len(spans[0]) * k // (2 * LAYERS) for k in range(1, 2 * LAYERS, 2)}):
        layer = (row[:, :, x.slice] for row in read_rows(stack, spans[0][z], rows) for x in spans[2])
        for tile in nlargest(BRIGHTEST, layer, key=lambda tile: np.count_nonzero(tile > middle)):
            yield tile.copy()  # a part of a row would keep all of it in memory


def brightest_places(stack: Stack, sample: Sample, middle: float) -> Iterator[NDArray[Any]]:
    """Yield as many tiles at the places of a sample where most voxels are above the grey value `middle`."""
    for box in sample.brightest(middle, LAYERS * BRIGHTEST):
        starts = [
            min(max(0, (b.start + b.stop - p) // 2), max(0, n - p))
            for b, p, n in zip(box, PLACE, stack.shape, strict=True)
        ]
        tile = np.asarray(stack.data[tuple(slice(s, s + p) for s, p in zip(starts, PLACE, strict=True))])
        check_finite(tile, stack.source or "the stack", z0=starts[0], y0=starts[1], x0=starts[2])
        yield tile


def grey_of(tile: NDArray[Any], levels: Levels) -> NDArray[np.float32]:
    """Return the grey values of a tile above the background, up to the bright level."""
    return np.minimum(tile.astype(np.float32), np.float32(levels.high)) - np.float32(levels.low)
