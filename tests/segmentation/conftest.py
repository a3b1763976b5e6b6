"""What the tests of this room share."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


class Planes:
    """Keeps what a writer is given, and in what order."""

    def __init__(self):
        self.blocks = []

    def write(self, z0, block):
        assert z0 == sum(len(b) for b in self.blocks)
        self.blocks.append(block.copy())


@pytest.fixture
def planes():
    return Planes()


@pytest.fixture
def rods():
    """A function that draws neurites along x and along y with Gaussian profiles, `height` times as tall as wide."""

    def draw(height, noise=0.0, width=1.5, side=90, haze=0.0):
        z, y, x = np.ogrid[: side * 4 // 9, :side, :side]
        tall, grey = height * width, np.zeros((side * 4 // 9, side, side))
        for sixth in (1, 3, 5):
            k, depth = side * sixth / 6, side * (sixth + 1) / 18
            for across, here in ((y, x), (x, y)):
                grey += np.exp(-((across - k) ** 2) / (2 * width**2) - (z - depth) ** 2 / (2 * tall**2)) * (here >= 0)
        grey += noise * np.random.default_rng(0).standard_normal(grey.shape)
        grey += haze * np.cos(np.pi * (x / side - 0.5)) * np.cos(np.pi * (y / side - 0.5))
        return grey.astype(np.float32)

    return draw


@pytest.fixture
def grounds(rods):
    """A function that gives flat neurites on a ground of noise that is smoothed by `sigma` voxels (z, y, x)."""

    def draw(sigma, level=20.0):
        tubes = 200 * rods(1.0).clip(0, 1)[::2]
        noise = gaussian_filter(np.random.default_rng(0).standard_normal(tubes.shape), sigma)
        return (tubes + level * noise / noise.std()).astype(np.float32)

    return draw
