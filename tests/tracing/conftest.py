"""What the tests of the tracer share: probabilities drawn from lines whose length and places are known."""

import numpy as np
import pytest

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability


class Canvas:
    """An empty probability, (Z, Y, X), on which lines and balls are drawn; points are zyx, lengths in voxel edges."""

    def __init__(self, shape, voxel_size=None):
        self.map = np.zeros(shape)
        self.soma = None
        self.voxel_size = None if voxel_size is None else VoxelSize(*voxel_size)
        self.edges = np.ones(3) if voxel_size is None else np.array(voxel_size) / min(voxel_size)

    def distance_to(self, point):
        """Distance of every voxel to a point, in units of the shortest edge."""
        axes = [np.arange(n) for n in self.map.shape]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        return np.linalg.norm((grid - point) * self.edges, axis=-1)

    def ball(self, point, radius, level=1.0):
        """A ball with a soft rim."""
        self.map = np.maximum(self.map, level * np.clip(radius + 0.5 - self.distance_to(point), 0, 1))
        return self

    def tube(self, points, radius=1.5, level=1.0):
        """A tube round the polyline through `points`."""
        points = np.asarray(points, float)
        axes = [np.arange(n) for n in self.map.shape]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1) * self.edges
        nearest = np.full(self.map.shape, np.inf)
        for a, b in zip(points[:-1] * self.edges, points[1:] * self.edges, strict=True):
            way = b - a
            share = np.clip((grid - a) @ way / (way @ way), 0, 1)
            nearest = np.minimum(nearest, np.linalg.norm(grid - a - share[..., None] * way, axis=-1))
        self.map = np.maximum(self.map, level * np.clip(radius + 0.5 - nearest, 0, 1))
        return self

    def soma_map(self, point, radius, level):
        """A ball in the soma map."""
        ball = np.where(self.distance_to(point) <= radius, level, 0.0)
        self.soma = ball if self.soma is None else np.maximum(self.soma, ball)
        return self

    def probability(self):
        """The drawing as a Probability."""
        soma = None if self.soma is None else np.round(255 * self.soma).astype(np.uint8)
        return Probability(np.round(255 * self.map).astype(np.uint8), self.voxel_size, soma, "drawn")


@pytest.fixture(scope="session")
def canvas():
    """`canvas(shape, voxel_size)` is an empty probability to draw on."""
    return Canvas
