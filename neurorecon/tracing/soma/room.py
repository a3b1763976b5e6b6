"""How much room there is around a place of the grey stack: its distance to the background, without a threshold.

    least(x, r) = second smallest grey value, smoothed, on a sphere of radius r around x, and not more than on smaller ones
    room(x)     = sum over r of the share of  least(x, r)  between FAINTEST and 1 of the neuron's own light

The distance is averaged over all levels that could be the border of the body, so no threshold has to be right.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.stack import Volume
from neurorecon.tracing.light import BOX

__all__ = ["BRIGHT", "FURTHEST", "climbed", "profiles", "room_of"]

# Set by hand; not tuned.
FURTHEST = 16  # voxels: larger bodies are all as good
SPOKES = 48  # directions that are looked along
SECOND = 1  # rank of the smallest value: one dark voxel of noise is no border
FAINTEST = 0.25  # of the neuron's light: below that is glow
BRIGHT = 0.9  # of the nodes are less bright than the neuron's own light
SMOOTHED = 3  # voxels: a box mean of that width, taken twice, is nearly a Gaussian of 1.15
CLIMBS = 12  # voxels from a node to the middle of its body

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)


@cache
def spheres() -> Ints:
    """Return voxel offsets (FURTHEST, SPOKES, 3) on spheres of radius 1 to FURTHEST, evenly spread (a Fibonacci lattice)."""
    count = np.arange(SPOKES) + 0.5
    polar, turn = np.arccos(1 - 2 * count / SPOKES), np.pi * (1 + np.sqrt(5)) * count
    spokes = np.stack([np.cos(polar), np.sin(polar) * np.sin(turn), np.sin(polar) * np.cos(turn)], 1)
    return np.rint(spokes * np.arange(1, FURTHEST + 1)[:, None, None]).astype(np.int64)


def room_of(least: Floats, low: float, light: float) -> Floats:
    """Return the room (N,) around points of which the least light on spheres (N, 1 + FURTHEST) is known."""
    share = np.clip((least[:, 1:] - low) / light, FAINTEST, 1)
    return np.asarray(((share - FAINTEST) / (1 - FAINTEST)).sum(1))


def profiles(voxels: Ints, data: Volume) -> tuple[Floats, Floats]:
    """Return the least light on spheres around voxels (N, 3), (N, 1 + FURTHEST), and the usual grey value around each, (N,)."""
    least, ground = np.zeros((len(voxels), FURTHEST + 1)), np.zeros(len(voxels))
    for rows, low, grey in windows(voxels, data):
        least[rows] = least_around(voxels[rows] - low, grey)
        ground[rows] = np.median(grey)
    return least, ground


def windows(voxels: Ints, data: Volume) -> Iterator[tuple[Ints, Ints, NDArray[np.float32]]]:
    """Yield the rows of voxels that lie in one box of a stack, the first voxel of a window around it, and the window."""
    edges = np.array(BOX)
    boxes, box = np.unique(voxels // edges, axis=0, return_inverse=True)
    for number, first in enumerate(boxes * edges):
        yield np.flatnonzero(box.ravel() == number), *window(first, first + edges, FURTHEST, data)


def window(first: Ints, last: Ints, halo: int, data: Volume) -> tuple[Ints, NDArray[np.float32]]:
    """Return the first voxel of a box with a halo around it, clipped to the stack, and its smoothed grey values."""
    from scipy.ndimage import uniform_filter

    low, high = np.maximum(first - halo - SMOOTHED, 0), np.minimum(last + halo + SMOOTHED, data.shape)
    grey = np.asarray(data[slices_between(low, high)], np.float32)
    for _ in range(2):
        grey = uniform_filter(grey, SMOOTHED)
    return low, grey


def least_around(voxels: Ints, grey: NDArray[np.float32]) -> Floats:
    """Return the second smallest value on spheres around voxels (N, 3), never more than on smaller ones, (N, 1 + FURTHEST)."""
    last = np.array(grey.shape) - 1
    out = np.empty((len(voxels), FURTHEST + 1))
    out[:, 0] = grey[tuple(voxels.T)]
    for number, sphere in enumerate(spheres(), 1):
        places = np.clip(voxels[:, None] + sphere, 0, last)
        values = grey[tuple(np.moveaxis(places, -1, 0))]
        out[:, number] = np.partition(values, SECOND, axis=1)[:, SECOND]
    return np.minimum.accumulate(out, axis=1)


def climbed(voxel: Ints, room: float, data: Volume, scale: tuple[float, float]) -> tuple[Ints, float]:
    """Return the voxel with the most room near a voxel, going uphill, and its room."""
    low, grey = window(voxel, voxel + 1, CLIMBS + FURTHEST, data)
    here = voxel - low
    for _ in range(CLIMBS):
        around = np.clip(here + STEPS, 0, np.array(grey.shape) - 1)
        value = room_of(least_around(around, grey), *scale)
        best = int(value.argmax())
        if value[best] <= room:
            break
        here, room = around[best], float(value[best])
    return here + low, room
