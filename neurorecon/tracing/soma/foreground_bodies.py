"""The bodies of a foreground: those that the soma map shows, and the thickest ball.

A body is a deep core of the foreground with what lies close to it (an opening), so that neurites that leave it are cut off.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import ball_radius
from neurorecon.core.probability import Probability
from neurorecon.tracing.cost import largest_near
from neurorecon.tracing.foreground import Cloud, Float32s, bright_voxels, find_components
from neurorecon.tracing.soma.body import BALL, LIKELY_SOMA, SURE_SOMA, Body, Ridge, Soma

__all__ = ["CORE", "LEAST_RADIUS_PX", "LEAST_SOMA_VOXELS", "BodyFinder", "body_rows", "climbed"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
LEAST_RADIUS_PX = 4.0  # of the thickest ball: a smaller one may be a varicosity
FULLEST_SPHERE = 0.43  # share of a sphere of twice the radius: a ball fills 1/8, a cylinder 3/8, a tangle more
CORE = 0.5  # share of the radius that a voxel's depth must have to count as body, not as neurite leaving it
LEAST_SOMA_VOXELS = 30  # of the soma map: fewer are a speck
WIDEST = 1.6  # spread (`spread_of`) of a body in the map, which may be ragged
LONGEST = 1.0  # spread of a body with all that is thick around it: an ellipsoid of 3 to 1 has 1.0, a dendrite more

Own = Callable[[NDArray[Any]], NDArray[np.bool_]]


class BodyFinder:
    """The bodies of a foreground, each computed on demand; see `BodySource`."""

    def __init__(self, cloud: Cloud, depth: Float32s, probability: Probability, own: Own | None = None) -> None:
        """Take the foreground of `probability`; of a part of a volume `own` says which points (N, 3) are in its core."""
        self.cloud, self.depth, self.probability = cloud, depth, probability
        self._own: Own = own or (lambda zyx: np.ones(len(zyx), bool))
        self._inside = self._own(cloud.zyx)
        self._mapped: dict[int, list[Body]] = {}
        self._found: dict[int, NDArray[np.int64]] = {0: np.zeros(0, np.int64)}  # rows of bodies, before they grow whole

    def mapped(self, level: int) -> list[Body]:
        """Return the compact bodies of the soma map; see `BodySource`."""
        if level not in self._mapped:
            found = pieces_of_map(self.cloud, self.probability, level)
            cores = [core for core in compact(self.cloud, found) if self._own(core.zyx[None])[0]]
            thick = [core for core in cores if level == SURE_SOMA or core.radius >= LEAST_RADIUS_PX]
            thick = thick[:1] if level == LIKELY_SOMA else thick
            self._found[level] = np.concatenate([self._found[0], *(core.rows for core in thick)])
            self._mapped[level] = [self._body(core) for core in cores]
            if level == LIKELY_SOMA:
                self._mapped[level] += self._balls(found)
        return self._mapped[level]

    def _body(self, core: Soma) -> Body:
        """Return the body of which the soma map shows the part `core`."""
        deepest = int(core.rows[self.depth[core.rows].argmax()])
        full = self._is_full(deepest)
        return Body(whole_body(self.cloud, self.depth, core), core.radius, float(self.depth[deepest]), full)

    def _is_full(self, centre: int) -> bool:
        """Return whether more is around the row `centre` than a round body of its depth and its neurites are."""
        radius, points = float(self.depth[centre]), self.cloud.points
        within = (np.linalg.norm(points - points[centre], axis=1) <= 2 * radius).sum()
        return bool(within > FULLEST_SPHERE * 4 / 3 * np.pi * (2 * radius) ** 3 / np.prod(self.cloud.spacing))

    def _balls(self, parts: list[NDArray[np.int64]]) -> list[Body]:
        """Return the balls of which the soma map shows only a rim or a speck; `parts` are the rows of its pieces."""
        tops = {climbed(self.cloud, self.depth, int(rows[self.depth[rows].argmax()])) for rows in parts}
        found = []
        for row in sorted(tops, key=lambda top: (-self.depth[top], top)):  # of two in one body the deeper counts
            radius = float(self.depth[row])
            if radius >= LEAST_RADIUS_PX and self._inside[row]:
                soma = soma_of(self.cloud, body_rows(self.cloud, self.depth, row))
                if spread_of(self.cloud, soma) <= LONGEST:
                    found.append(Body(soma, 0.0, radius))
        return found

    def ball(self) -> Body | None:
        """Return the thickest place as a body; full where more is around it than a round body and its neurites are."""
        cloud, centre = self.cloud, int(np.where(self._inside, self.depth, 0).argmax())
        radius = float(self.depth[centre])
        if radius < LEAST_RADIUS_PX or not self._inside[centre]:
            return None
        rows = self._found[BALL] = body_rows(cloud, self.depth, centre)
        soma = Soma(cloud.zyx[centre].astype(np.float64), radius, rows)
        return Body(soma, radius, radius, self._is_full(centre))

    def ridge(self, without: int) -> Ridge:
        """Return the depths along the middles of neurites; see `BodySource`."""
        middle = (self.depth >= largest_near(self.cloud, self.depth, 1)) & (self.depth > 1)
        middle &= self._inside
        middle[self._found.get(without, self._found[0])] = False
        depth, times = np.unique(self.depth[middle], return_counts=True)
        return Ridge(depth.astype(np.float64), times.astype(np.int64), float(self.depth.max()))


def whole_body(cloud: Cloud, depth: Float32s, soma: Soma) -> Soma:
    """Return a soma extended to the whole body around it, so that no neurite runs inside a body that the map half covers."""
    deepest = int(soma.rows[depth[soma.rows].argmax()])
    if depth[deepest] < LEAST_RADIUS_PX:
        return soma
    whole = soma_of(cloud, np.union1d(soma.rows, body_rows(cloud, depth, deepest)))
    return whole if spread_of(cloud, whole) <= LONGEST else soma


def soma_of(cloud: Cloud, rows: NDArray[np.int64]) -> Soma:
    """Return rows of the cloud as a soma: their middle, and the radius of a ball of their volume."""
    volume = len(rows) * float(np.prod(cloud.spacing))
    return Soma(cloud.zyx[rows].mean(0), ball_radius(volume), rows)


def spread_of(cloud: Cloud, soma: Soma) -> float:
    """Return the root mean square distance from the middle by the radius: ball 0.77, rod of 5 to 1 diameters 1.2."""
    return float(np.sqrt(cloud.points[soma.rows].var(0).sum()) / soma.radius)


def pieces_of_map(cloud: Cloud, probability: Probability, level: int) -> list[NDArray[np.int64]]:
    """Return the rows in each piece of the soma map at `level` (of 255).

    A piece is connected in the soma map. In the foreground it may consist of parts: a body with a dark nucleus is a few tubes
    there.
    """
    if probability.soma is None:
        return []
    flat, _ = bright_voxels(probability.soma, level)
    if not len(flat):
        return []
    keys = cloud.keys_of(np.stack(np.unravel_index(flat, probability.shape), 1))
    rows, (_, label) = cloud.find(keys), find_components(keys, cloud.strides)
    inside = rows >= 0
    rows, label = rows[inside], label[inside]
    order = np.argsort(label, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(label[order])) + 1) if len(rows) else []


def compact(cloud: Cloud, parts: list[NDArray[np.int64]]) -> list[Soma]:
    """Return the components that are large and compact, the largest first.

    A network may mark a whole arbour as soma. The arbour must survive, so a region that spreads like one is no body.
    """
    somata = [soma_of(cloud, own) for own in parts if len(own) >= LEAST_SOMA_VOXELS]
    somata = [soma for soma in somata if spread_of(cloud, soma) <= WIDEST]
    return sorted(somata, key=lambda soma: -soma.radius)


def body_rows(cloud: Cloud, depth: Float32s, centre: int) -> NDArray[np.int64]:
    """Return the voxels of the body around row `centre`: its deep core and what lies close to it (an opening)."""
    from scipy.spatial import cKDTree

    points, radius = cloud.points, float(depth[centre])
    distance = np.linalg.norm(points - points[centre], axis=1)
    core = (depth >= CORE * radius) & (distance <= 2.5 * radius)
    part = cloud.take(core)
    _, label = part.labels()
    core_rows = np.flatnonzero(core)
    core_rows = core_rows[label == label[np.searchsorted(core_rows, centre)]]
    around = np.flatnonzero(distance <= (2.5 + CORE) * radius + 1)
    gap, _ = cKDTree(points[core_rows]).query(points[around])
    return np.asarray(around[gap <= CORE * radius], np.int64)


def climbed(cloud: Cloud, depth: Float32s, row: int) -> int:
    """Return the row of the middle of the body in which a row lies: where no neighbour is deeper."""
    while True:
        near = cloud.near[row]
        near = near[near < len(cloud)]
        best = int(near[depth[near].argmax()]) if len(near) else row
        if depth[best] <= depth[row]:
            return row
        row = best
