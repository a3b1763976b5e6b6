"""The surroundings of the first looks of the review list in full resolution, for the close-up: maxima of slabs.

They are gathered while the stack is read for the projections, so it is read once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.geometry import VoxelSize, relative_edges

__all__ = ["Crops", "crops_at"]

Ints = NDArray[np.int64]

# Set by hand; not tuned, unless a line says more.
HALF = 24  # voxels of the smallest edge from the middle of a crop to its rim: a look (report/looks.py) and a rim
DEEP = 20  # likewise half the slab: all that a look holds
CROP_BYTES = 1_500_000  # of all crops: about 200 looks, 1 MB of the page
PERCENTILES, GAMMA = (20.0, 99.8), 0.7  # what becomes black and white, then brightness ** GAMMA: as in OUT.png
AXES = ((0, 1, 2), (2, 1, 0), (1, 0, 2))  # of zyx for the views along z, x, y: through, down, across


@dataclass(slots=True)
class Crops:
    """Slabs around places, filled block by block.

    Attributes:
        centre: (K, 3) zyx voxel in the middle of each.
        half: voxels (z, y, x) from the middle to the rim.
        deep: likewise, half the slab of the view along that axis.
        views: maxima along z (K, Y, X), along x (K, Y, Z) and along y (K, Z, X); the least value outside of the stack.
    """

    centre: Ints
    half: Ints
    deep: Ints
    views: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

    def add(self, planes: slice, rows: slice, block: NDArray[Any]) -> None:
        """Take a block (n, m, X) of the stack in."""
        start = np.array([planes.start, rows.start, 0])
        end = start + block.shape
        reach = np.maximum(self.half, self.deep)
        near = ((self.centre + reach >= start) & (self.centre - reach < end)).all(axis=1)
        for k in np.flatnonzero(near).tolist():
            for view, (through, down, across) in zip(self.views, AXES, strict=True):
                around = self.half.copy()
                around[through] = self.deep[through]
                corner = self.centre[k] - around
                low, high = np.maximum(corner, start), np.minimum(self.centre[k] + around + 1, end)
                if (low >= high).any():
                    continue
                part = block[slices_between(low - start, high - start)]
                flat = part.max(axis=through)
                flat = flat.T if down > across else flat
                top, left = (low - corner)[[down, across]].tolist()
                own = view[k, top : top + flat.shape[0], left : left + flat.shape[1]]
                np.maximum(own, flat, out=own)

    def levels(self) -> "tuple[NDArray[np.float32], ...]":
        """Return the views with brightness 0 to 1, black and white at percentiles of them all."""
        grey = np.concatenate([view.ravel() for view in self.views]).astype(np.float32)
        grey = grey[np.isfinite(grey)]
        low, high = (float(value) for value in np.percentile(grey, PERCENTILES)) if len(grey) else (0.0, 1.0)
        span = high - low if high > low else 1.0
        return tuple(np.clip((view.astype(np.float32) - low) / span, 0, 1) ** np.float32(GAMMA) for view in self.views)


def crops_at(centre: Ints, voxel_size: VoxelSize | None, kind: np.dtype[Any]) -> Crops:
    """Return empty crops around as many of the places (K, 3) zyx as there is room for, first ones first."""
    step = relative_edges(voxel_size)
    half, deep = (np.maximum(np.ceil(n / step), 1).astype(np.int64) for n in (HALF, DEEP))
    sizes = [(int(2 * half[down] + 1), int(2 * half[across] + 1)) for _, down, across in AXES]
    most = max(1, CROP_BYTES // sum(rows * columns for rows, columns in sizes))
    centre = centre[:most]
    least = -np.inf if kind.kind == "f" else 0
    views = [np.full((len(centre), *size), least, kind) for size in sizes]
    return Crops(centre, half, deep, (views[0], views[1], views[2]))
