"""The positions of tiles and their blending: pure numpy, and the same for a stack read whole or slab by slab.

An axis of n voxels is cut into equal cores; a tile is its core and a halo on each side, clipped to the stack. Along a
seam the weights of the two tiles are straight ramps, two halos long, that add up to 1 at every voxel.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarsened import means
from neurorecon.nets.config import STRIDE

__all__ = ["Box", "Span", "cut_axis", "cut_stack", "lit", "occupied", "part_of", "weight_of"]

Box = tuple[slice, slice, slice]

# Set by hand; not tuned, unless a line says more.
CELL, AROUND = 4, 9  # of `lit`: voxels along each edge of a cell, cells around one
RISE, SURE, LONG = 3.0, 5.0, 4  # deviations; deviations; cells
LEAST_RISE = 1e-3  # of the middle: cells of a tile without noise differ by rounding
MARGIN = 16  # voxels around bright ones: 0.3 % of those of a neurite fall below 0.5, at its rim; with 8, 0.6 %


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis.

    Attributes:
        start, stop: first voxel of the tile with its halo, and the first one behind it.
        ramp_in, ramp_out: length of the overlap with the tile before and after, 0 at the border of the stack.
    """

    start: int
    stop: int
    ramp_in: int
    ramp_out: int

    @property
    def slice(self) -> slice:
        """The voxels as a slice."""
        return slice(self.start, self.stop)

    @property
    def weight(self) -> NDArray[np.float32]:
        """Weight of every voxel, (stop - start,)."""
        weight = np.ones(self.stop - self.start, np.float32)
        weight[: self.ramp_in] = ramp(self.ramp_in)
        weight[len(weight) - self.ramp_out :] = ramp(self.ramp_out)[::-1]
        return weight


def ramp(length: int) -> NDArray[np.float32]:
    """Return a rise from 0 to 1 of which mirror image and itself add up to 1, (length,)."""
    return ((np.arange(length) + 0.5) / max(length, 1)).astype(np.float32)


def cut_axis(length: int, core: int, halo: int, stride: int) -> list[Span]:
    """Cut an axis of `length` voxels into tiles with cores of about `core`, which begin on multiples of `stride`."""
    count = max(1, -(-length // core))
    step = -(-length // count)
    step = -(-step // stride) * stride
    borders = [*range(0, length, step), length]
    if len(borders) > 2 and borders[-1] - borders[-2] < 2 * halo:  # a sliver: the tile before takes it
        del borders[-2]
    last = len(borders) - 2
    spans = []
    for k in range(len(borders) - 1):
        before, after = (halo if k > 0 else 0), (halo if k < last else 0)
        spans.append(Span(borders[k] - before, borders[k + 1] + after, 2 * before, 2 * after))
    return spans


def cut_stack(shape: tuple[int, int, int], core: tuple[int, int, int], halo: tuple[int, int, int]) -> list[list[Span]]:
    """Return the tiles of a stack along z, y and x."""
    return [cut_axis(n, c, h, STRIDE) for n, c, h in zip(shape, core, halo, strict=True)]


def part_of(spans: list[Span], start: int, stop: int) -> tuple[int, list[Span]]:
    """Return where the tiles with a core in [start, stop) begin, and these tiles, counted from there.

    They read the same voxels as in the whole stack; the first and the last are not blended with those beyond.
    """
    kept = [s for s in spans if s.start + s.ramp_in // 2 < stop and s.stop - s.ramp_out // 2 > start]
    kept[0] = replace(kept[0], ramp_in=0)
    kept[-1] = replace(kept[-1], ramp_out=0)
    first = kept[0].start
    return first, [replace(s, start=s.start - first, stop=s.stop - first) for s in kept]


def weight_of(z: Span, y: Span, x: Span) -> NDArray[np.float32]:
    """Return the blending weight of a tile, (Z, Y, X)."""
    return np.asarray(np.einsum("i,j,k->ijk", z.weight, y.weight, x.weight), np.float32)


def occupied(tile: NDArray[Any], background: float, least: int, edge: int = STRIDE) -> Box | None:
    """Return the part of a tile (Z, Y, X) that is run: all voxels brighter than `background`, and `MARGIN` around them.

    None where fewer than `least` voxels are brighter; the whole tile where `least` is 0. The part begins and ends on patches of
    the tile, or with it, and its sides are multiples of `edge` voxels, a multiple of STRIDE, or those of the tile.
    """
    if least == 0:
        return (slice(0, tile.shape[0]), slice(0, tile.shape[1]), slice(0, tile.shape[2]))
    bright = tile > (math.floor(background) if tile.dtype.kind == "u" else background)
    if np.count_nonzero(bright) < least:
        return None
    plane = np.any(bright, axis=0)
    lines = np.any(bright, axis=(1, 2)), np.any(plane, axis=1), np.any(plane, axis=0)
    z, y, x = (around(np.flatnonzero(line), len(line), edge) for line in lines)
    return z, y, x


def lit(tile: NDArray[Any]) -> Box | None:
    """Return the part of a tile (Z, Y, X) in which something long rises out of the noise, and `MARGIN` around it, or None.

        rise = mean of CELL ** 3 voxels - mean of the AROUND ** 3 cells around > RISE * 1.4826 * median of all |rise|

    The mean of 64 voxels has an eighth of their noise. A neurite 3 voxels thick fills a quarter of such a cell, so it is
    detected if its voxels are brighter by 1.5 deviations of the noise. Cells that touch form one structure. It is long if it
    reaches over LONG cells along an axis, or over one cell less at the border of the tile if one of its cells rises by SURE
    deviations; shorter structures at a border are left to the next tile. Noise and puncta are short.
    """
    from scipy.ndimage import find_objects, label, uniform_filter

    cells: Any = tile
    for axis in range(3):
        cells = means(cells, axis, CELL)
    rise = cells - uniform_filter(cells, AROUND, mode="nearest")
    one = 1.0 if tile.dtype.kind == "u" else 0.0  # grey value: floats have no smallest step
    noise = max(1.4826 * float(np.median(np.abs(rise))), LEAST_RISE * max(float(np.median(cells)), one))
    things, _ = label(rise > RISE * noise, np.ones((3, 3, 3)))
    long = [thing for thing in find_objects(things) if is_long(thing, rise, SURE * noise)]
    if not long:
        return None
    z, y, x = (
        around(
            np.array([min(t[k].start for t in long) * CELL, min(max(t[k].stop for t in long) * CELL, n) - 1]), n, STRIDE
        )
        for k, n in enumerate(tile.shape)
    )
    return z, y, x


def is_long(thing: Box, rise: NDArray[np.float32], sure: float) -> bool:
    """Return whether touching cells, by the box around them, may be part of a neurite."""
    most = max(s.stop - s.start for s in thing)
    at_border = any(s.start == 0 or s.stop == n for s, n in zip(thing, rise.shape, strict=True))
    return most >= LONG or (most >= LONG - 1 and at_border and float(rise[thing].max()) > sure)


def around(where: NDArray[np.intp], length: int, edge: int) -> slice:
    """Return the part of an axis from the first to the last of `where`, and the margin, on borders of patches."""
    end = -(-length // STRIDE) * STRIDE
    first, last = (int(where[0]) - MARGIN) // STRIDE * STRIDE, -(-(int(where[-1]) + 1 + MARGIN) // STRIDE) * STRIDE
    first, last = max(0, first), min(end, last)
    side = -(-(last - first) // edge) * edge
    first = max(0, min(first, end - side))
    return slice(first, min(length, first + side))
