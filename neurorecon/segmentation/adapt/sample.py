"""A sample of places of a large stack, so that it is not read whole before the work begins.

At most 512 places, of 64 x 128 x 128 voxels where chunks allow, lie evenly in the stack (a Halton sequence, Halton 1960).
In a stack that was cut around a neuron the brightest 0.2 % of the voxels are neurites; in a whole brain they may be noise. So
grey levels are measured only at places with light, which resemble such stacks. A place is cut into cubes of 32 x 32 x 32
voxels; with m its median, d its 16th percentile and b the value that its brightest 0.2 % exceed,

    a cube has light where  c = b - m > 1.5 * 2.88 (m - d)  and  c > sum(c^2) / sum(c) / 6,

2.88 being b of Gaussian noise, and the sums over cubes for which the first holds. A place has light where a cube of it has;
where none has, all of them count.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import chunk_of
from neurorecon.core.padding import Padding
from neurorecon.core.stack import Stack
from neurorecon.segmentation.normalise import BRIGHT_SHARE, Levels, levels_of_histogram, unpadded
from neurorecon.segmentation.tiles import Box

__all__ = ["PLACE", "WHOLE", "Sample", "take_sample"]

# Set by hand; not tuned, unless a line says more.
WHOLE = 1 << 30  # voxels: stacks of no more are read whole
PLACES = 512  # at most
MOST_VOXELS = 1 << 30  # that are decoded for the sample
MOST_AT_ONCE = 1 << 26  # voxels: larger chunks are not read whole for a place
PLACE = (64, 128, 128)  # voxels of a place, in whole chunks where they allow: 1 megavoxel
CUBE = 32  # voxels along an axis
NOISE = 1.5 * 2.88  # standard deviations of noise that its brightest voxels do not exceed
FAINT = 6.0  # times as bright as the faintest light that counts
LEAST_PADDED = 0.05  # of the voxels of a cube: less padding does not change its brightest voxels
FLOATS = 8  # of so many float32 voxels one counts


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a stack.

    Attributes:
        box: where it lies.
        group: number of the read that it is a part of.
        values: its grey values, ascending.
        counts: how many voxels have each.
        spread: median less 16th percentile of its cubes, at least half a grey value for whole numbers.
        contrast: the level that their brightest voxels exceed, less their median.
    """

    box: Box
    group: int
    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    spread: NDArray[np.float64]
    contrast: NDArray[np.float64]

    def above(self, value: float) -> float:
        """Return the share of the voxels that are brighter than `value`."""
        return float(self.counts[np.searchsorted(self.values, value, side="right") :].sum() / self.counts.sum())


@dataclass(frozen=True, slots=True)
class Sample:
    """Places of a large stack, and its padding."""

    places: tuple[Place, ...]
    padding: Padding | None = None

    def levels(self) -> Levels:
        """Return the grey levels of the places with light."""
        places = self.lit() or self.places
        values, back = np.unique(np.concatenate([place.values for place in places]), return_inverse=True)
        counts = np.bincount(back, weights=np.concatenate([place.counts for place in places])).astype(np.int64)
        return levels_of_histogram(*unpadded(values, counts, self.padding))

    def lit(self) -> list[Place]:
        """Return the places with light."""
        contrast = np.concatenate([place.contrast[place.contrast > NOISE * place.spread] for place in self.places])
        if not len(contrast):
            return []
        least = np.square(contrast).sum() / contrast.sum() / FAINT
        return [p for p in self.places if np.any((p.contrast > NOISE * p.spread) & (p.contrast > least))]

    def brightest(self, middle: float, count: int) -> list[Box]:
        """Return the boxes of the `count` places with the largest share of voxels above `middle`, one of each group."""
        best: dict[int, tuple[float, Box]] = {}
        for place in self.places:
            share = place.above(middle)
            if place.group not in best or share > best[place.group][0]:
                best[place.group] = share, place.box
        return [box for _, box in nlargest(count, best.values(), key=lambda pair: pair[0])]


def take_sample(stack: Stack, padding: Padding | None = None) -> Sample | None:
    """Read some places of a stack; None for a stack that is small enough to be read whole."""
    if stack.voxels <= WHOLE:
        return None
    places = []
    for group, box in enumerate(boxes_of(stack.shape, chunk_of(stack.data))):
        block = np.asarray(stack.data[box])
        places += [place_of(block[part], moved(part, box), group, padding) for part in parts_of(block.shape)]
    return Sample(tuple(places), padding)


def boxes_of(shape: tuple[int, ...], chunk: tuple[int, int, int]) -> list[Box]:
    """Return the voxels to read at once: whole chunks, together as large as a place unless that is much to decode."""
    unit = [min(n, -(-p // c) * c) for n, p, c in zip(shape, PLACE, chunk, strict=True)]
    if math.prod(unit) > MOST_AT_ONCE:
        unit = [min(n, c) for n, c in zip(shape, chunk, strict=True)]
    counts = [-(-n // u) for n, u in zip(shape, unit, strict=True)]
    wanted = min(PLACES, math.prod(counts), max(1, MOST_VOXELS // math.prod(unit)))
    if wanted == math.prod(counts):
        numbers = list(np.ndindex(*counts))
    else:
        numbers = list(dict.fromkeys(tuple(int(f * n) for f, n in zip(p, counts, strict=True)) for p in halton(wanted)))
    boxes = []
    for number in numbers:
        z, y, x = (slice(k * u, min((k + 1) * u, n)) for k, u, n in zip(number, unit, shape, strict=True))
        boxes.append((z, y, x))
    return boxes


def halton(count: int) -> NDArray[np.float64]:
    """Return the first points of a sequence that fills a cube of side 1 evenly, (count, 3)."""
    from scipy.stats import qmc

    return np.asarray(qmc.Halton(3, scramble=False).random(count + 1)[1:])  # the first is the corner


def cube_of(depth: int) -> tuple[int, int, int]:
    """Return the edges (z, y, x) of a cube, or of a box of as many voxels if there are few planes."""
    deep = min(CUBE, depth)
    edge = round(math.sqrt(CUBE**3 / deep))
    return deep, edge, edge


def parts_of(shape: tuple[int, ...]) -> Iterator[Box]:
    """Yield the places in a block: 2 x 4 x 4 cubes, fewer at the border."""
    edges = [k * e for k, e in zip((2, 4, 4), cube_of(shape[0]), strict=True)]
    for number in np.ndindex(*(max(1, n // e) for n, e in zip(shape, edges, strict=True))):
        z, y, x = (slice(k * e, min((k + 1) * e, n)) for k, e, n in zip(number, edges, shape, strict=True))
        yield z, y, x


def moved(part: Box, box: Box) -> Box:
    """Return a part of `box` in voxels of the stack."""
    z, y, x = (slice(p.start + b.start, p.stop + b.start) for p, b in zip(part, box, strict=True))
    return z, y, x


def place_of(block: NDArray[Any], box: Box, group: int, padding: Padding | None = None) -> Place:
    """Return the summary of a place, (Z, Y, X); a cube with padding in it has no light."""
    edges = [min(e, n) for e, n in zip(cube_of(block.shape[0]), block.shape, strict=True)]
    z, y, x = (n // e for n, e in zip(block.shape, edges, strict=True))
    whole = block[: z * edges[0], : y * edges[1], : x * edges[2]]
    cubes = whole.reshape(z, edges[0], y, edges[1], x, edges[2]).transpose(0, 2, 4, 1, 3, 5).reshape(z * y * x, -1)
    ranks = [int(0.16 * cubes.shape[1]), cubes.shape[1] // 2, cubes.shape[1] - 1 - int(BRIGHT_SHARE * cubes.shape[1])]
    dark, middle, bright = np.partition(cubes, ranks, axis=1)[:, ranks].astype(np.float64).T
    least = 0.5 if block.dtype.kind == "u" else 0.0
    voxels = block.ravel() if block.dtype.kind == "u" else block.ravel()[::FLOATS]
    values, counts = np.unique(voxels, return_counts=True)
    contrast = bright - middle
    if padding is not None:
        contrast[(cubes == padding.value).mean(1) > padding.share + LEAST_PADDED] = 0
    return Place(
        box,
        group,
        values=values.astype(np.float64),
        counts=counts,
        spread=np.maximum(middle - dark, least),
        contrast=contrast,
    )
