"""Morphologies grown from a seed, so that the demo, the tests and the training need no file."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import zyx_to_xyz
from neurorecon.core.tree import NodeType, Tree

__all__ = ["demo_tree", "random_tree"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
STEP = 1.0  # um between nodes
TURN = 0.18  # standard deviation of the heading's change at each step
TAPER = 0.985  # radius kept at each step ...
THINNEST = 0.45  # ... down to this, um
BRANCH_ANGLE = 0.7  # sideways part of a daughter's heading


class _Growth:
    """Nodes of a tree while it grows; points are zyx in um."""

    def __init__(self, rng: np.random.Generator, extent: tuple[float, float, float]) -> None:
        self.rng, self.extent = rng, np.array(extent)
        self.points: list[NDArray[np.float64]] = []
        self.radius: list[float] = []
        self.parent: list[int] = []

    def add(self, point: NDArray[np.float64], radius: float, parent: int) -> int:
        self.points.append(point)
        self.radius.append(radius)
        self.parent.append(parent)
        return len(self.points) - 1

    def unit(self) -> NDArray[np.float64]:
        """Return a random heading that favours the plane as far as the box is flat."""
        way = self.rng.standard_normal(3) * np.sqrt(self.extent / self.extent.max())
        return np.asarray(way / np.linalg.norm(way))

    def walk(
        self, start: int, heading: NDArray[np.float64], radius: float, steps: int
    ) -> tuple[int, NDArray[np.float64]]:
        """Grow one run from node `start`; it turns back at the walls. Return its last node and heading."""
        here, row = self.points[start], start
        for _ in range(steps):
            heading = heading + TURN * self.rng.standard_normal(3)
            outward = 2 * here / self.extent
            too_far = np.clip(np.abs(outward) - 0.75, 0, None) * (heading * outward > 0)
            heading = heading - 0.5 * np.sign(outward) * too_far
            heading /= np.linalg.norm(heading)
            ahead = np.clip(here + STEP * heading, -0.5 * self.extent, 0.5 * self.extent)
            if np.linalg.norm(ahead - here) < 0.2 * STEP:
                break
            here, radius = ahead, max(THINNEST, radius * TAPER)
            row = self.add(here, radius, row)
        return row, heading


def random_tree(
    rng: np.random.Generator,
    extent: tuple[float, float, float] = (46.0, 90.0, 90.0),
    *,
    neurites: int = 6,
    branchings: int = 2,
    soma_radius: float = 4.0,
) -> Tree:
    """Grow a neuron of curved, tapering, branching neurites in a box.

    Args:
        rng: source of all choices.
        extent: lengths of the box, zyx, um; the soma lies near its middle, the origin.
        neurites: number of stems.
        branchings: how often a run splits in two on its way to a tip.
        soma_radius: um.

    Returns:
        One tree in um, rooted in its soma, a node about every micrometre.
    """
    grow = _Growth(rng, extent)
    root = grow.add(0.1 * rng.uniform(-1, 1, 3) * grow.extent, soma_radius, -1)
    steps = max(4, int(0.75 * max(extent) / (branchings + 1)))
    turn = rng.uniform(0, 2 * np.pi)
    for k in range(neurites):
        angle = turn + 2 * np.pi * (k + rng.uniform(-0.25, 0.25)) / neurites
        heading = np.array([rng.uniform(-1, 1) * extent[0] / max(extent), np.sin(angle), np.cos(angle)])
        front = [(root, heading / np.linalg.norm(heading), rng.uniform(0.8, 1.3), branchings)]
        while front:
            start, heading, radius, left = front.pop()
            row, heading = grow.walk(start, heading, radius, int(steps * rng.uniform(0.7, 1.3)))
            if left and row != start:
                thinner = max(THINNEST, 0.85 * grow.radius[row])
                side = grow.unit()
                side -= (side @ heading) * heading
                side *= BRANCH_ANGLE / (np.linalg.norm(side) + 1e-9)
                front += [(row, heading + side, thinner, left - 1), (row, heading - side, thinner, left - 1)]
    kind = np.full(len(grow.points), NodeType.DENDRITE)
    kind[root] = NodeType.SOMA
    return Tree(zyx_to_xyz(np.array(grow.points)), np.array(grow.radius), np.array(grow.parent), kind, "um")


def demo_tree(seed: int = 0) -> Tree:
    """Return the built-in morphology: a soma and six branching neurites, about 48x200x200 voxels of 1x0.5x0.5 um."""
    return random_tree(np.random.default_rng(seed), (34.0, 88.0, 88.0))
