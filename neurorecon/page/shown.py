"""The stack of a page: three maximum projections, a small volume, and crops, all as 8-bit grey levels.

The stack is read once, in blocks. Shrinking keeps maxima, so that thin neurites do not fade.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import read_blocks
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Volume
from neurorecon.page.crops import Crops, crops_at
from neurorecon.report import stretch

__all__ = ["Shown", "shown"]

Bytes = NDArray[np.uint8]
Triple = tuple[int, int, int]

# Set by hand; not tuned, unless a line says more.
LONGEST = 192  # voxels of the small volume along an axis: a graphics card of 2015 draws it, and it stays near 2 MB
VOLUME_BYTES = 2_400_000  # of the small volume when packed: 3.2 MB of the page, which has to stay below 6 MB
PIXELS = 1_100_000  # of the three projections together, 1.1 MB of the page at most
GREYS = (64, 32, 16, 8)  # grey levels that are tried: noise is what does not pack, and fewer levels hold less of it
SAMPLE = 6  # every so many planes are packed to foretell the size of all
DARK, BRIGHT, GAMMA = 50.0, 99.9, 0.7  # percentiles of the small volume that become black and white; as in OUT.png


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of a stack.

    Attributes:
        shape: (Z, Y, X) of the stack.
        volume: (z, y, x), each voxel the maximum of a box of the stack.
        factor: voxels (z, y, x) of the stack in one of `volume`; the last box of an axis may hold fewer.
        views: projections along z (Y, X), along x (Y, Z) and along y (Z, X).
        shrunk: pixels of the full projections in one of `views`, for each view (rows, columns).
        crops: where the crops lie.
        crop_views: what is in them, as `Crops.views` orders it.
    """

    shape: Triple
    volume: Bytes
    factor: Triple
    views: tuple[Bytes, Bytes, Bytes]
    shrunk: tuple[tuple[int, int], ...]
    crops: Crops
    crop_views: tuple[Bytes, ...]


@dataclass(slots=True)
class _Reading:
    """Maxima of the blocks that were read so far."""

    along_z: NDArray[Any]
    along_x: NDArray[Any]
    along_y: NDArray[Any]
    small: NDArray[Any]
    factor: Triple

    def add(self, planes: slice, rows: slice, block: NDArray[Any]) -> None:
        """Take a block (n, m, X) in."""
        self.along_z[rows] = np.maximum(self.along_z[rows], block.max(axis=0))
        self.along_x[rows, planes] = block.max(axis=2).T
        self.along_y[planes] = np.maximum(self.along_y[planes], block.max(axis=1))
        part = block
        for axis, first in ((0, planes.start), (1, rows.start), (2, 0)):
            part = _pooled(part, axis, self.factor[axis], first)
        z, y = planes.start // self.factor[0], rows.start // self.factor[1]
        where = slice(z, z + part.shape[0]), slice(y, y + part.shape[1])
        self.small[where] = np.maximum(self.small[where], part)


def shown(volume: Volume, places: NDArray[np.int64], voxel_size: VoxelSize | None = None) -> Shown:
    """Return what a page shows of a volume (Z, Y, X), which is read once, block by block.

    Args:
        volume: the stack, or a probability.
        places: (K, 3) zyx voxels for the crops, the most wanted first.
        voxel_size: micrometres, or None where unknown.
    """
    z, y, x = (int(n) for n in volume.shape)
    kind = np.dtype(volume.dtype)
    least = -np.inf if kind.kind == "f" else 0
    factor = -(-z // LONGEST), -(-y // LONGEST), -(-x // LONGEST)
    small = -(-z // factor[0]), -(-y // factor[1]), -(-x // factor[2])
    empty = [np.full(size, least, kind) for size in ((y, x), (y, z), (z, x), small)]
    reading = _Reading(empty[0], empty[1], empty[2], empty[3], factor)
    crops = crops_at(places, voxel_size, kind)
    for planes, rows, block in read_blocks(volume):
        reading.add(planes, rows, block)
        crops.add(planes, rows, block)
    views, shrunk = _views((reading.along_z, reading.along_x, reading.along_y))
    packable, factor = _packable(_levels(reading.small), factor)
    cropped = tuple(_as_bytes(view, GREYS[0]) for view in crops.levels()) if len(places) else ()
    return Shown(
        (z, y, x),
        packable,
        factor=factor,
        views=(views[0], views[1], views[2]),
        shrunk=shrunk,
        crops=crops,
        crop_views=cropped,
    )


def _pooled(data: NDArray[Any], axis: int, factor: int, first: int) -> NDArray[Any]:
    """Return maxima of boxes of `factor` along an axis; boxes are counted from 0, and the data begin at `first`."""
    if factor == 1:
        return data
    length = data.shape[axis]
    starts = np.r_[0, np.arange(factor - first % factor, length, factor)]
    if axis < data.ndim - 1:
        return np.asarray(np.maximum.reduceat(data, starts, axis=axis))
    best = np.maximum.reduce([data[..., k : length - length % factor : factor] for k in range(factor)])
    if length % factor == 0:  # strided maxima take a third of the time of reduceat along the fastest axis
        return np.asarray(best)
    return np.concatenate([best, data[..., length - length % factor :].max(axis=-1, keepdims=True)], axis=-1)


def _views(images: Sequence[NDArray[Any]]) -> tuple[list[Bytes], tuple[tuple[int, int], ...]]:
    """Return the projections as grey levels, shrunk by one factor where they are too many pixels, and by how much."""
    factor = 1
    while sum(np.prod([-(-n // factor) for n in image.shape]) for image in images) > PIXELS:
        factor += 1
    made = []
    for image in images:
        for axis in (0, 1):
            image = _pooled(image, axis, min(factor, image.shape[axis]), 0)
        made.append(_as_bytes(stretch(image), GREYS[0]))
    return made, tuple((min(factor, image.shape[0]), min(factor, image.shape[1])) for image in images)


def _levels(small: NDArray[Any]) -> NDArray[np.float32]:
    """Return brightness 0 to 1; the darker half of the voxels is black: it is background, and its noise would not pack."""
    grey = small.astype(np.float32)
    low, high = (float(value) for value in np.percentile(grey, (DARK, BRIGHT)))
    if high <= low:
        low, high = float(grey.min()), float(grey.max())
    if high <= low:
        return np.zeros_like(grey)
    bright: NDArray[np.float32] = np.clip((grey - low) / (high - low), 0, 1) ** np.float32(GAMMA)
    return bright


def _packable(bright: NDArray[np.float32], factor: Triple) -> tuple[Bytes, Triple]:
    """Return the small volume with as many grey levels as can be packed, in larger voxels where none can."""
    while True:
        for greys in GREYS:
            small = _as_bytes(bright, greys)
            sample = small[SAMPLE // 2 % len(small) :: SAMPLE]
            if len(zlib.compress(sample.tobytes(), 1)) * len(small) <= VOLUME_BYTES * len(sample):
                return small, factor
        for axis in (1, 2):
            bright = _pooled(bright, axis, 2, 0)
        factor = factor[0], 2 * factor[1], 2 * factor[2]


def _as_bytes(bright: NDArray[np.float32], greys: int) -> Bytes:
    """Return brightness 0 to 1 as bytes 0 to 255 of so many grey levels."""
    return np.asarray(np.round(np.round(bright * (greys - 1)) * np.float32(255 / (greys - 1))), np.uint8)
