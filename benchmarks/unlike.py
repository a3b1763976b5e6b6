"""Stacks unlike those that a network was trained on, made from real ones, with their truth: what a score has to call bad.

- crop: a part of a stack round its tracing, as it is;
- scrambled: the same grey values, with the spectrum of the background and random phases (surrogate data, Theiler et al. 1992,
  amplitude adjusted): no neurite is left, so that all cable in it is false;
- haze: textured haze added, as bright as the neurites' median;
- padded: zeros around it.
"""

import numpy as np
from maps import line_points
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree

KINDS = ("crop", "scrambled", "haze", "padded")
SIZE = 32, 128, 128  # voxels of a crop: half a million, which a network sees in seconds
NEURITE_PX = 6.0  # voxels nearer than this to the tracing are no background
HAZE_PX = 1.5  # standard deviation of the grains of haze: seen in real tissue as a correlation of 0.3 two voxels off
PAD = 8, 40, 40  # voxels of zeros on each side

Grey = NDArray[np.float32]


def unlike(kind: str, stack: Stack, gold: Tree, seed: int) -> tuple[Stack, Tree]:
    """Return a stack of a kind and its truth, in voxels; the same seed gives the same stack."""
    data, gold = cropped(np.asarray(stack.data[...]), gold)
    rng = np.random.default_rng(seed)
    if kind == "scrambled":
        data, gold = scrambled(data, gold, rng), gold.take(np.zeros(0, np.int64))
    elif kind == "haze":
        data = hazed(data, gold, rng)
    elif kind == "padded":
        pad = np.array(PAD)
        data = np.pad(data, np.column_stack([pad, pad]))
        gold = Tree(gold.xyz + pad[::-1], gold.radius, gold.parent, gold.type, "voxel")
    return Stack(data, stack.voxel_size, source=kind), gold


def cropped(data: NDArray[np.generic], gold: Tree) -> tuple[NDArray[np.generic], Tree]:
    """Return the part of a stack round the middle of the tracing, and the tracing in it."""
    shape, size = np.array(data.shape), np.minimum(SIZE, data.shape)
    middle = np.median(line_points(gold), axis=0).round().astype(int)
    start = np.clip(middle - size // 2, 0, shape - size)
    part = data[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
    zyx = gold.xyz[:, ::-1] - start
    inside = gold.take(np.flatnonzero(((zyx >= 0) & (zyx <= size - 1)).all(1)))
    return part, Tree(inside.xyz - start[::-1], inside.radius, inside.parent, inside.type, "voxel")


def scrambled(data: NDArray[np.generic], gold: Tree, rng: np.random.Generator) -> NDArray[np.generic]:
    """Return noise with the spectrum and the grey values of the background of a stack."""
    grid = np.stack(np.meshgrid(*map(np.arange, data.shape), indexing="ij"), -1).reshape(-1, 3)
    near = cKDTree(line_points(gold)).query(grid, distance_upper_bound=NEURITE_PX)[0] <= NEURITE_PX
    background = data.ravel()[~near]
    values = data.ravel().copy()
    values[near] = rng.choice(background, near.sum())
    ranks = np.argsort(np.argsort(values + rng.uniform(0, 1e-3, values.size)))
    normal = np.sort(rng.standard_normal(values.size))[ranks].reshape(data.shape)  # the same picture, of normal values
    phases = np.angle(np.fft.rfftn(rng.standard_normal(data.shape)))
    noise = np.fft.irfftn(np.abs(np.fft.rfftn(normal)) * np.exp(1j * phases), data.shape)
    return np.sort(values)[np.argsort(np.argsort(noise.ravel()))].reshape(data.shape)


def hazed(data: NDArray[np.generic], gold: Tree, rng: np.random.Generator) -> NDArray[np.generic]:
    """Return a stack with textured haze, as bright as the neurites' median above the median of the stack."""
    z, y, x = np.clip(line_points(gold).round().astype(int), 0, np.array(data.shape) - 1).T
    bright = max(float(np.median(data[z, y, x])) - float(np.median(data)), 1.0)
    grains: Grey = gaussian_filter(rng.standard_normal(data.shape).astype(np.float32), HAZE_PX)
    cloud: Grey = gaussian_filter(rng.standard_normal(data.shape).astype(np.float32), (8, 30, 30))
    amount = np.clip(cloud / cloud.std() + 0.5, 0, None) * np.clip(grains / grains.std(), 0, None)
    most = np.iinfo(data.dtype).max if data.dtype.kind in "iu" else np.inf
    return np.clip(data + 0.5 * bright * amount, 0, most).astype(data.dtype)
