"""Trees drawn by hand, for what is said of trees."""

import numpy as np
import pytest

from neurorecon.core.tree import Tree

STEP = 1.5  # the tracer's distance between nodes, in pixels


def even_points(corners):
    """Points at even steps of about 1.5 along a polyline, both ends kept."""
    corners = np.array(corners, float)
    way = np.r_[0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))]
    at = np.linspace(0, way[-1], max(2, round(way[-1] / STEP) + 1))
    return np.stack([np.interp(at, way, axis) for axis in corners.T], axis=1)


@pytest.fixture(scope="session")
def draw():
    """Make a tree of polylines through (x, y, z) corners, nodes 1.5 apart.

    A line that begins on a node of an earlier one hangs on it, any other begins a tree of its own. `somata` are the
    numbers of the lines whose first node is a soma. `scale` is the length of a pixel in the unit of the tree.
    """

    def make(*lines, somata=(0,), scale=1.0, unit="voxel", confidence=None, radius=1.0):
        points, parent, kind = [], [], []
        for number, corners in enumerate(lines):
            new = even_points(corners)
            distance = np.linalg.norm(np.array(points or [[np.inf] * 3]) - new[0], axis=1)
            hung = int(distance.argmin()) if distance.min() < STEP / 2 else -1
            new = new[1:] if hung >= 0 else new
            first = len(points)
            points += new.tolist()
            parent += [hung, *range(first, first + len(new) - 1)]
            kind += [1 if number in somata and hung < 0 else 0] + [0] * (len(new) - 1)
        n = len(points)
        sure = None if confidence is None else np.full(n, confidence)
        xyz, width = np.array(points) * scale, np.full(n, radius * scale)
        return Tree(xyz, width, np.array(parent), np.array(kind), unit, sure)

    return make
