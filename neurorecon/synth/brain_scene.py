"""The contents of a brain-like volume, as balls and spots sorted by place."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import xyz_to_zyx, zyx_to_xyz
from neurorecon.core.tree import NodeType, Tree
from neurorecon.synth.brain_grow import grow_neuron
from neurorecon.synth.brain_settings import BrainSettings
from neurorecon.synth.curve import Curve, bend, resample, thicken
from neurorecon.synth.render import strokes
from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.staining import stain, swell

__all__ = ["CELL", "Balls", "Scene", "grow_scene"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
CELL = (
    64,
    128,
    128,
)  # voxels, zyx: empty cells take no time; larger cells are partly empty, smaller ones have more rim
GRAIN = 1024.0  # steps of a place in a voxel, so that differences of places are exact
SPREAD = 0.25  # log-normal, of the brightness between neurons
SOMA_BRIGHTNESS = 1.2  # somata are filled best
LARGEST_SOMA_PX = 36.0  # its lumps and their blur stay within a cell of their centre
LATTICE = 256  # voxels between the points of the background, which is interpolated


@dataclass(frozen=True, slots=True)
class Balls:
    """Balls, sorted by the cell that their centre lies in.

    Attributes:
        at: (N, 3) centres, zyx, in voxels.
        radius: (N,) px; of a spot its standard deviation.
        value: (N,) brightness.
        start: (Z, Y, X) of cells, flat, and one more: the first ball of each cell.
        cells: numbers of cells along zyx.
    """

    at: NDArray[np.float64]
    radius: NDArray[np.float64]
    value: NDArray[np.float64]
    start: NDArray[np.int64]
    cells: tuple[int, int, int]

    @classmethod
    def sort(
        cls, at: NDArray[np.float64], radius: NDArray[np.float64], value: NDArray[np.float64], shape: tuple[int, ...]
    ) -> "Balls":
        """Put balls in the order of their cells; those outside of the volume go to the cells at its border."""
        z, y, x = (-(-n // c) for n, c in zip(shape, CELL, strict=True))
        at = np.rint(at * GRAIN) / GRAIN
        where = np.clip(np.floor(at / CELL).astype(np.int64), 0, np.array((z, y, x)) - 1)
        number = np.ravel_multi_index(tuple(where.T), (z, y, x))
        order = np.argsort(number, kind="stable")
        start = np.searchsorted(number[order], np.arange(z * y * x + 1))
        return cls(at[order], radius[order], value[order], start, (z, y, x))

    def near(
        self, low: tuple[int, ...], high: tuple[int, ...]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return places, radii and values of the balls in the cells that touch the box low..high and those around."""
        first = [max(0, a // c - 1) for a, c in zip(low, CELL, strict=True)]
        last = [min(n, (b - 1) // c + 2) for b, c, n in zip(high, CELL, self.cells, strict=True)]
        _, rows, columns = self.cells
        parts = [
            np.arange(self.start[line + first[2]], self.start[line + last[2]])
            for z in range(first[0], last[0])
            for y in range(first[1], last[1])
            for line in [(z * rows + y) * columns]
        ]
        found = np.concatenate(parts)
        return self.at[found], self.radius[found], self.value[found]


@dataclass(frozen=True, slots=True)
class Scene:
    """A volume before it is imaged, and its truth.

    Attributes:
        settings: the settings that it was made from.
        neurites: balls along neurites, and in somata.
        spots: puncta and soft cells, blurred as Gaussians.
        haze: (z, y, x) background in grey values at every `LATTICE` voxels.
        truth: centre lines of all neurons, one tree each, um: voxel index times voxel size.
    """

    settings: BrainSettings
    neurites: Balls
    spots: Balls
    haze: NDArray[np.float32]
    truth: Tree


@functools.lru_cache(maxsize=1)  # every block needs it
def grow_scene(settings: BrainSettings) -> Scene:
    """Grow everything that is in a volume; the settings decide it."""
    rng = np.random.default_rng(settings.seed)
    lateral = settings.voxel_size[2]
    spacing = np.array(settings.voxel_size) / lateral
    extent = (np.array(settings.shape) - 1) * settings.voxel_size
    balls, trees, count = [np.zeros((0, 5))], [], 0
    style = SynthSettings(voxel_size=settings.voxel_size, wander_px=0.6, boutons=0.4, gaps=0.1, thinnest_px=0.6)
    for _ in range(settings.neurons):
        tree = grow_neuron(rng, extent, settings.axon)
        radius = thicken(tree.radius, 1.0, lateral, style)
        curve = bend(resample(tree, xyz_to_zyx(tree.xyz) / lateral, radius), rng, style.wander_px)
        brightness = float(np.exp(np.clip(SPREAD * rng.standard_normal(), -0.5, 0.4)))
        drawn = np.concatenate([neurite_balls(curve, rng, style), soma_balls(tree, lateral, rng)])
        balls.append(drawn * (1, 1, 1, 1, brightness))
        parent = np.where(curve.parent < 0, -1, curve.parent + count)
        trees.append((curve.points * lateral, curve.radius * lateral, parent, curve.kind))
        count += len(parent)
    table = np.concatenate(balls)
    neurites = Balls.sort(table[:, :3] / spacing, table[:, 3], table[:, 4], settings.shape)
    return Scene(settings, neurites, spots(rng, settings), haze(rng, settings), forest(trees))


def forest(trees: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]]) -> Tree:
    """Return trees of points zyx, radii, parents and types as one."""
    if not trees:
        return Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64))
    points, radius, parent, kind = (np.concatenate(column) for column in zip(*trees, strict=True))
    return Tree(zyx_to_xyz(points), radius, parent, kind, "um")


def neurite_balls(curve: Curve, rng: np.random.Generator, style: SynthSettings) -> NDArray[np.float64]:
    """Return (N, 5): places zyx, radii, both in px, and brightness of balls along the neurites."""
    radius, value = swell(curve, stain(curve, rng, style), rng, style)
    points, columns = strokes(curve.points, np.c_[radius, value], curve.parent)
    return np.concatenate([points, columns], axis=1)


def soma_balls(tree: Tree, lateral: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (N, 5) as `neurite_balls` does: a lumpy ball at the soma."""
    root = int(np.flatnonzero(tree.type == NodeType.SOMA)[0])
    size = min(tree.radius[root] / lateral, LARGEST_SOMA_PX)
    shift = np.concatenate([np.zeros((1, 3)), 0.35 * size * rng.uniform(-1, 1, (5, 3))])
    radius = size * np.concatenate([[0.9], rng.uniform(0.55, 0.8, 5)])
    value = SOMA_BRIGHTNESS * rng.uniform(0.8, 1.1, 6)
    centre = xyz_to_zyx(tree.xyz[root]) / lateral
    return np.concatenate([centre + shift, radius[:, None], value[:, None]], axis=1)


def spots(rng: np.random.Generator, settings: BrainSettings) -> Balls:
    """Return puncta and soft cells; their numbers are per million voxels."""
    million = float(np.prod(settings.shape, dtype=np.float64)) / 1e6
    sharp, soft = rng.poisson(settings.puncta * million), rng.poisson(settings.blobs * million)
    at = rng.uniform(-0.5, 0.5, (sharp + soft, 3)) * settings.shape + 0.5 * (np.array(settings.shape) - 1)
    radius = np.append(rng.uniform(0.2, 1.0, sharp), rng.uniform(2.5, 6.0, soft))
    value = np.append(0.25 * np.exp(0.6 * rng.standard_normal(sharp)), rng.uniform(0.05, 0.3, soft))
    return Balls.sort(at, radius, value, settings.shape)


def haze(rng: np.random.Generator, settings: BrainSettings) -> NDArray[np.float32]:
    """Return the background on a lattice that reaches beyond the volume."""
    from scipy.ndimage import gaussian_filter

    size = [n // LATTICE + 2 for n in settings.shape]
    rough = gaussian_filter(rng.standard_normal([n + 8 for n in size]), 1.5)[4:-4, 4:-4, 4:-4]
    change = np.clip(rough / max(float(np.abs(rough).max()), 1e-9), -1, 1)
    return np.asarray(settings.background * (1 + settings.uneven * change), np.float32)
