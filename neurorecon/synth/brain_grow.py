"""Neurons of a brain: a soma, branched dendrites, and an axon with collaterals that runs through the whole volume."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import zyx_to_xyz
from neurorecon.core.tree import NodeType, Tree

__all__ = ["grow_neuron"]

Points = NDArray[np.float64]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
RIM_UM = 15.0  # neurites stay so far inside, so that none is cut
WALL_UM = 120.0  # where they begin to turn back
STRIDE_UM = 15.0  # a neurite is laid in strides, and a cubic spline through them
STEP_UM = 2.0  # between nodes
TURN = 0.22  # change of the heading at a stride: straight over about 300 um
SOMA_UM = (6.0, 9.0)  # radius
FROM_CENTRE_UM = (150.0, 200.0, 200.0)  # zyx; somata stay so far inside, where the volume is large enough
STEMS = (4, 7)  # dendrites of a soma
SPLITS = 3  # of a dendrite on its way to a tip
SEGMENT_UM = (35.0, 75.0)  # between two splits
SPLIT_ANGLE = 0.6  # sideways part of a daughter's heading
DENDRITE_RADIUS_UM = (1.3, 1.0, 0.8, 0.65)  # by the number of splits before
TRUNK = (1.0, 2.5)  # length of the axon by the longest edge of the volume
COLLATERALS = (4, 9)  # of an axon
COLLATERAL = (0.08, 0.4)  # length of one, by the longest edge
TRUNK_RADIUS_UM, COLLATERAL_RADIUS_UM = 0.85, 0.65  # of the axon


class _Growth:
    """Nodes of a neuron while it grows; points are zyx in um from the corner of the volume."""

    def __init__(self, rng: np.random.Generator, extent: Points) -> None:
        self.rng, self.extent, self.rim = rng, extent, np.minimum(RIM_UM, 0.1 * extent)
        self.points: list[Points] = []
        self.radius: list[NDArray[np.float64]] = []
        self.parent: list[NDArray[np.int64]] = []
        self.kind: list[NDArray[np.int64]] = []
        self.count = 0

    def add(self, points: Points, radius: float, kind: int, parent: int) -> range:
        """Add a run of nodes below row `parent`; return its rows."""
        rows = range(self.count, self.count + len(points))
        self.points.append(points)
        self.radius.append(np.full(len(points), radius))
        self.parent.append(np.append(parent, np.arange(rows.start, rows.stop - 1)).astype(np.int64))
        self.kind.append(np.full(len(points), kind))
        self.count = rows.stop
        return rows

    def lay(self, start: Points, heading: Points, length: float) -> Points:
        """Return points (N, 3) of a smooth path from `start`, without it; it turns back before the walls."""
        from scipy.interpolate import CubicSpline

        stride = min(STRIDE_UM, 0.08 * float(self.extent.min()))
        strides = max(3, round(length / stride))
        way = heading / np.linalg.norm(heading)
        wall = np.minimum(WALL_UM, 0.3 * self.extent)
        here, knots = start, [start]
        for noise in self.rng.standard_normal((strides, 3)):
            low, high = (here - self.rim) / wall, (self.extent - self.rim - here) / wall
            push = np.clip(1 - low, 0, 1) * (way < 0) - np.clip(1 - high, 0, 1) * (way > 0)
            way = way + TURN * noise + 0.5 * push
            way /= np.linalg.norm(way)
            here = np.clip(here + stride * way, self.rim, self.extent - self.rim)
            knots.append(here)
        spline = CubicSpline(np.arange(len(knots)), np.array(knots))
        count = max(4, round(strides * stride / STEP_UM))
        return np.asarray(spline(np.linspace(0, strides, count + 1)[1:]))

    def aside(self, onward: Points) -> Points:
        """Return a random unit vector at a right angle to `onward`."""
        side = self.rng.standard_normal(3)
        side -= (side @ onward) * onward / (onward @ onward)
        return np.asarray(side / np.linalg.norm(side))


def grow_neuron(rng: np.random.Generator, extent: Points, axon: float = 1.0) -> Tree:
    """Grow one neuron in a volume.

    Args:
        rng: source of all choices.
        extent: (3,) lengths of the volume, zyx, um.
        axon: multiplies the lengths of the axon and its collaterals.

    Returns:
        One tree in um from the centre of the volume's first voxel, rooted in its soma, within the volume.
    """
    grow = _Growth(rng, extent)
    inside = np.minimum(FROM_CENTRE_UM, 0.35 * extent)
    soma = inside + rng.uniform(0, 1, 3) * (extent - 2 * inside)
    grow.add(soma[None], min(rng.uniform(*SOMA_UM), 0.1 * float(extent.min())), NodeType.SOMA, -1)
    turn = rng.uniform(0, 2 * np.pi)
    stems = int(rng.integers(*STEMS))
    for k in range(stems):
        angle = turn + 2 * np.pi * (k + rng.uniform(-0.3, 0.3)) / stems
        grow_dendrite(grow, 0, np.array([rng.uniform(-0.7, 0.7), np.sin(angle), np.cos(angle)]))
    grow_axon(grow, axon)
    points = np.concatenate(grow.points)
    parent, kind = np.concatenate(grow.parent), np.concatenate(grow.kind)
    return Tree(zyx_to_xyz(points), np.concatenate(grow.radius), parent, kind, "um")


def grow_dendrite(grow: _Growth, root: int, heading: Points) -> None:
    """Grow one dendrite from row `root`, the soma."""
    scale = min(1.0, float(grow.extent.max()) / 400)  # smaller in a small volume
    front = [(root, grow.points[0][0], heading, 0)]
    while front:
        parent, start, heading, level = front.pop()
        path = grow.lay(start, heading, grow.rng.uniform(*SEGMENT_UM) * scale)
        rows = grow.add(path, DENDRITE_RADIUS_UM[level], NodeType.DENDRITE, parent)
        if level < SPLITS:
            onward = path[-1] - path[-3]
            onward /= np.linalg.norm(onward) + 1e-9
            side = SPLIT_ANGLE * grow.aside(onward)
            front += [(rows[-1], path[-1], onward + way, level + 1) for way in (side, -side)]


def grow_axon(grow: _Growth, scale: float) -> None:
    """Grow the axon: a trunk from the soma, collaterals from the trunk, of which every other one forks once more."""
    rng, longest = grow.rng, scale * float(grow.extent.max())
    trunk = grow.lay(grow.points[0][0], rng.standard_normal(3), rng.uniform(*TRUNK) * longest)
    rows = grow.add(trunk, TRUNK_RADIUS_UM, NodeType.AXON, 0)
    for _ in range(int(rng.integers(*COLLATERALS))):
        at = int(rng.integers(min(20, len(trunk) // 4), len(trunk) - 2))
        onward = trunk[at + 1] - trunk[at]
        heading = 0.4 * onward / np.linalg.norm(onward) + grow.aside(onward)
        path = grow.lay(trunk[at], heading, rng.uniform(*COLLATERAL) * longest)
        branch = grow.add(path, COLLATERAL_RADIUS_UM, NodeType.AXON, rows[at])
        if rng.uniform() < 0.5:
            at = int(rng.integers(len(path) // 3, len(path) - 1))
            onward = path[at + 1] - path[at]
            twig = grow.lay(path[at], onward / np.linalg.norm(onward) + grow.aside(onward), 0.4 * STEP_UM * len(path))
            grow.add(twig, COLLATERAL_RADIUS_UM, NodeType.AXON, branch[at])
