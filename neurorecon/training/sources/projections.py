"""Projections with tracings, laid on tilted and curved planes of a stack: real texture where no stack was published.

A maximum projection keeps the real brightness, blur and gaps along every neurite; only the depth is lost. It is laid on a
smooth surface z(y, x) of a stack, and spread along z by the microscope and the thickness of the neurite. The rest of the stack
has the background of the projection itself: its noise, for each plane from another place of the picture.
"""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.tree import Tree
from neurorecon.swc import read_swc
from neurorecon.training.sources.labels import LARGEST_RADIUS, label_tree, sample_edges
from neurorecon.training.sources.labels_rim import label_dark_rim
from neurorecon.training.sources.pairs import Source, count

__all__ = ["Projection", "load_flat"]

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

# Set by hand; not tuned, unless a line says more.
MARGIN = 64  # pixels kept around the tracing
USES = 3  # crops of a stack before a new stack is made from the picture
NEAR = 2.5  # pixels beyond the traced radius that are still the neurite's light
FLOOR_PX = 12.0  # the background is smooth over so many pixels
BRIGHT_SIGMAS = 3.0  # above the noise: neighbours and debris, which lie on the surface as well
FEWEST_PIXELS = 8  # of a neighbour; less is noise
REACH_PX = 30.0  # tracing kept around a window: a path cut there is no root whose soma would be in doubt inside
DEPTH = 2.0  # of the stack in depths of a crop
WIDTH = 1.5  # of the stack in widths of a crop
AXIAL_PX = (1.0, 3.0)  # sigma of the light along z
SLOPE, WAVE_PX, WAVE_LENGTH_PX = 0.6, 6.0, (60.0, 200.0)  # of the surface: steepest tilt, highest and shortest waves
DIM = (0.5, 1.0)  # background of a plane, of that of the projection: the largest of many planes is brighter than each
LOUD = (1.0, 2.0)  # noise of a plane, of that of the projection: the largest of many varies less
GLARE_SIGMAS = 6.0  # above the background: light of a neurite or a cell body
HALO_PX = 10  # pixels around them that are no background
LEAST_DARK = 0.05  # share of the picture that must be left as background
VOID = 0.95  # share of zeros around a pixel outside of what was imaged
LEAST_SEEN = 0.15  # share of the picture that holds a background of its own; with less, zero is the background
COLUMNS = 4000  # of pixels from which the grey values of the whole stack are counted


@dataclass(frozen=True, slots=True)
class _Layers:
    """The components of a picture; every array (H, W).

    Attributes:
        signal: light above the background, 0 where there is nothing but noise.
        floor: smooth background.
        noise: the rest, with neurites replaced by noise from elsewhere.
        radius: of the nearest neurite, pixels, 0 away from the tracing.
    """

    signal: NDArray[np.uint8]
    floor: NDArray[np.uint8]
    noise: NDArray[np.int8]
    radius: NDArray[np.uint8]


class Projection:
    """A projection from which stacks are made on request of crops; a few crops come from each.

    Args:
        name: for logs.
        image: (H, W) uint8.
        tree: tracing; x and y are pixels, z is not used.
        crop: (z, y, x) of the crops that will be cut.
    """

    def __init__(self, name: str, image: NDArray[np.uint8], tree: Tree, crop: tuple[int, int, int]) -> None:
        """Keep the part of the picture around the tracing."""
        low = np.maximum(np.floor(tree.xyz[:, :2].min(0)).astype(int) - MARGIN, 0)
        high = np.ceil(tree.xyz[:, :2].max(0)).astype(int) + MARGIN + 1
        self.name = name
        self.image = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
        if not self.image.size:
            raise InputError(f"{name}: the tracing lies outside the picture of {image.shape[::-1]} pixels")
        self.tree = Tree(tree.xyz - [*low, 0], tree.radius, tree.parent, tree.type, "voxel")
        wide = int(WIDTH * max(crop))
        self.shape = (int(DEPTH * min(crop)), min(wide, self.image.shape[0]), min(wide, self.image.shape[1]))
        self._made: Source | None = None
        self._uses = 0

    def source(self, rng: np.random.Generator) -> Source:
        """Return a stack, made anew after every few crops."""
        if self._made is None or self._uses >= USES:
            self._made, self._uses = self.lay(rng), 0
        self._uses += 1
        return self._made

    @cached_property
    def layers(self) -> _Layers:
        """Background, noise and light of the picture."""
        return _layers_of(self.image, self.tree)

    def lay(self, rng: np.random.Generator) -> Source:
        """Return a stack of `shape` with the picture around a random point of the tracing laid into it."""
        _, height, width = self.shape
        anchor = xyz_to_zyx(self.tree.xyz[int(rng.integers(len(self.tree)))])[1:]
        room = np.array(self.image.shape) - (height, width)
        low = np.clip(np.rint(anchor - rng.uniform(0.2, 0.8, 2) * (height, width)), 0, room).astype(int)
        surface = _Surface.draw(rng, self.shape)
        box = (slice(low[0], low[0] + height), slice(low[1], low[1] + width))
        axial, dim, loud = rng.uniform(*AXIAL_PX), rng.uniform(*DIM), rng.uniform(*LOUD)
        y, x = np.nonzero(self.layers.signal[box])
        light = self.layers.signal[box][y, x].astype(np.float32)
        spread = np.hypot(axial, 0.5 * self.layers.radius[box][y, x]).astype(np.float32)
        volume = self._noise(rng, loud)
        volume += np.float32(dim) * self.layers.floor[box]
        volume[:, y, x] += _columns(self.shape[0], surface.at(y, x), light, spread)
        codes = _grey(volume)
        labels = label_dark_rim(codes, label_tree(self._tree_in(low, surface), self.shape))
        made = Source.make(self.name, codes, labels)
        whole = self._histogram(rng, axial, dim, loud)
        return Source(self.name, codes, labels, whole, made.centre)

    def _noise(self, rng: np.random.Generator, loud: float) -> Float:
        """Return noise (Z, Y, X): each plane is that of the picture from another place, mirrored by chance."""
        depth, height, width = self.shape
        volume = np.empty(self.shape, np.float32)
        for z in range(depth):
            y, x = (int(rng.integers(n - m + 1)) for n, m in zip(self.image.shape, (height, width), strict=True))
            step_y, step_x = rng.choice((-1, 1), 2)
            volume[z] = self.layers.noise[y : y + height, x : x + width][::step_y, ::step_x]
        return np.asarray(volume * np.float32(loud))

    def _tree_in(self, low: NDArray[np.int64], surface: "_Surface") -> Tree:
        """Return the tracing on the surface, in voxels of the window whose first pixel is `low` (y, x)."""
        y, x = self.tree.xyz[:, 1] - low[0], self.tree.xyz[:, 0] - low[1]
        _, height, width = self.shape
        near = (y > -REACH_PX) & (y < height + REACH_PX) & (x > -REACH_PX) & (x < width + REACH_PX)
        points = np.stack([x, y, surface.at(y, x)], axis=1)
        tree = Tree(points, self.tree.radius, self.tree.parent, self.tree.type, "voxel")
        return tree.take(np.flatnonzero(near))

    def _histogram(self, rng: np.random.Generator, axial: float, dim: float, loud: float) -> NDArray[np.int64]:
        """Return how often each grey value is in the stack that the whole picture would give, from some columns."""
        layers, depth = self.layers, self.shape[0]
        at = rng.integers(0, self.image.size, COLUMNS)
        noise = layers.noise.ravel()[rng.integers(0, self.image.size, (depth, COLUMNS))]
        spread = np.hypot(axial, 0.5 * layers.radius.ravel()[at]).astype(np.float32)
        middle = rng.uniform(0.25, 0.75, COLUMNS) * depth
        light = _columns(depth, middle, layers.signal.ravel()[at].astype(np.float32), spread)
        return count(_grey(light + np.float32(dim) * layers.floor.ravel()[at] + np.float32(loud) * noise))


@dataclass(frozen=True, slots=True)
class _Surface:
    """The surface z = middle + (slope, normal to it) . (y, x) + a wave."""

    middle: tuple[float, float, float]
    slope: tuple[float, float]
    wave: tuple[float, float]
    height: float
    phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator, shape: tuple[int, ...]) -> "_Surface":
        """Return a surface through the middle third of a stack of `shape`."""
        depth, height, width = shape
        tilt, turn, way = SLOPE * rng.uniform() ** 1.5, 2 * np.pi * rng.uniform(), 2 * np.pi * rng.uniform()
        number = 2 * np.pi / rng.uniform(*WAVE_LENGTH_PX)
        return cls(
            (depth * rng.uniform(1 / 3, 2 / 3), height / 2, width / 2),
            (tilt * np.sin(turn), tilt * np.cos(turn)),
            (number * np.sin(way), number * np.cos(way)),
            rng.uniform(0, WAVE_PX),
            rng.uniform(0, 2 * np.pi),
        )

    def at(self, y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float64]:
        """Return the depth (N,) at rows `y` and columns `x`, in voxels."""
        z, middle_y, middle_x = self.middle
        dy, dx = y - middle_y, x - middle_x
        wave = self.height * np.sin(self.wave[0] * dy + self.wave[1] * dx + self.phase)
        return np.asarray(z + self.slope[0] * dy + self.slope[1] * dx + wave)


def load_flat(folder: Path, crop: tuple[int, int, int], *, leave_out: frozenset[str]) -> list[Projection]:
    """Load every ID.png of `folder` with ID.gold.swc beside it, but the ids in `leave_out`.

    Raises:
        InputError: if the folder holds no such pair.
    """
    from PIL import Image

    found = []
    for path in sorted(folder.glob("*.png")):
        truth = path.with_suffix(".gold.swc")
        if path.stem not in leave_out and truth.exists():
            with Image.open(path) as picture:
                image = np.asarray(picture.convert("L"), np.uint8)
            found.append(Projection(f"{folder.name}/{path.stem}", image, read_swc(truth), crop))
    if not found:
        raise InputError(f"{folder}: holds no pair ID.png and ID.gold.swc to train on")
    log.info("%s: %d projections", folder, len(found))
    return found


def _layers_of(image: NDArray[np.uint8], tree: Tree) -> _Layers:
    """Part a picture into light of structures, smooth background and noise."""
    from scipy.ndimage import gaussian_filter, label

    radius, near = _near(tree, image.shape)
    void = _void(image)
    plain = ~near & ~void
    dark = plain & ~_glare(image, near, plain)
    plain = dark if dark.mean() > LEAST_DARK else plain
    plain &= image <= (np.percentile(image[plain], 95) if plain.any() else 0)
    usual = np.float32(image[plain].mean() if plain.any() else image.min())
    weight = gaussian_filter(plain.astype(np.float32), FLOOR_PX, truncate=3) + np.float32(1e-6)
    above = gaussian_filter(np.where(plain, image - usual, np.float32(0)), FLOOR_PX, truncate=3)
    floor = np.asarray(above / weight + usual, np.float32)
    excess = np.asarray(image - floor, np.float32)
    sigma = float(excess[plain].std()) if plain.any() else 0.0
    parts, _ = label(gaussian_filter(excess, 1.0, truncate=3) > BRIGHT_SIGMAS * sigma + 2)
    size = np.bincount(parts.ravel())[parts]
    structure = near | ((size >= FEWEST_PIXELS) & (parts > 0))
    noise = np.clip(np.rint(excess), -127, 127).astype(np.int8)
    quiet = np.flatnonzero(~structure & ~void)
    filled = structure | void
    if len(quiet):
        rng = np.random.default_rng(image.size)
        noise[filled] = noise.ravel()[quiet[rng.integers(0, len(quiet), int(filled.sum()))]]
    else:
        noise[:] = 0
    signal = np.where(structure, np.clip(excess, 0, 255), 0)
    return _Layers(_grey(signal), _grey(floor), noise, np.where(near, radius, 0).astype(np.uint8))


def _glare(image: NDArray[np.uint8], near: NDArray[np.bool_], plain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of light of the traced neuron: bright pieces that touch it, cell bodies above all, and their halo."""
    from scipy.ndimage import binary_dilation, label

    if not plain.any():
        return near
    usual = np.median(image[plain])
    spread = 1.4826 * np.median(np.abs(image[plain] - usual))
    parts, _ = label(near | (image > usual + GLARE_SIGMAS * spread + GLARE_SIGMAS))
    lit = np.isin(parts, np.setdiff1d(parts[near], 0))
    return np.asarray(binary_dilation(lit, iterations=HALO_PX))


def _void(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where the picture was cut out and set to zero; nowhere, if nearly all of its background is zero."""
    from scipy.ndimage import binary_dilation, uniform_filter

    zero = image == 0
    void = binary_dilation(uniform_filter(zero.astype(np.float32), 5) > VOID, iterations=3, mask=zero)
    return np.asarray(void if (~void & (image > 0)).mean() > LEAST_SEEN else np.zeros_like(void))


def _near(tree: Tree, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return for each pixel the radius of the nearest traced neurite, and whether the pixel is part of its light."""
    from scipy.ndimage import distance_transform_edt

    points, radius = sample_edges(Tree(tree.xyz * [1, 1, 0], tree.radius, tree.parent, tree.type, "voxel"))
    at = np.rint(points[:, 1:]).astype(int)
    inside = ((at >= 0) & (at < shape)).all(1)
    thick = np.zeros(shape)
    line = np.zeros(shape, bool)
    line[tuple(at[inside].T)] = True
    np.maximum.at(thick, tuple(at[inside].T), np.clip(radius[inside], 1, LARGEST_RADIUS))
    distance, nearest = distance_transform_edt(~line, return_indices=True)
    radius_map = thick[tuple(nearest)]
    return radius_map, distance <= radius_map + NEAR


def _columns(depth: int, middle: NDArray[np.float64], light: Float, spread: Float) -> Float:
    """Return (depth, N) light of N pixels spread as a Gaussian around their depths."""
    away = (np.arange(depth, dtype=np.float32)[:, None] - middle.astype(np.float32)) / spread
    return np.asarray(light * np.exp(np.float32(-0.5) * away * away), np.float32)


def _grey(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
