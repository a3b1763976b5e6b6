"""Find the cell bodies: given by hand, from the soma map, or the one ball that is much thicker than any neurite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import ball_radius
from neurorecon.core.probability import Probability
from neurorecon.tracing.cost import largest_near
from neurorecon.tracing.criteria import THICKER
from neurorecon.tracing.foreground import Cloud, Float32s, bright_voxels, find_components
from neurorecon.tracing.settings import TraceSettings

__all__ = [
    "BALL",
    "LIKELY_SOMA",
    "NEARLY_LARGEST",
    "SURE_SOMA",
    "Body",
    "BodySource",
    "BodyFinder",
    "Ridge",
    "Soma",
    "choose_somata",
    "find_somata",
    "given_soma",
    "largest_somata",
]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
USUAL = 0.75  # share of the neurites, by cross-section, that are no deeper: with the median a crossing of thick ones is a body
LEAST_RADIUS_PX = 4.0  # of the thickest ball: a smaller one may be a varicosity
FULLEST_SPHERE = 0.43  # share of a sphere of twice the radius: a ball fills 1/8, a cylinder 3/8, a tangle more
CORE = 0.5  # share of the radius that a voxel's depth must have to count as body, not as neurite leaving it
SURE_SOMA = 128  # of 255, in the soma map
LIKELY_SOMA = 76  # of 255: bodies of real stacks reach 80 to 120, neurites stay below but for thin rims
LEAST_SOMA_VOXELS = 30  # of the soma map: fewer are a speck
SEVERAL = 2  # sure somata: then there are many neurons, and likely somata count too, to keep these apart from their neighbours
SOLID = 0.5  # largest depth of a body by the radius of a ball of its size: a ball has 1
WIDEST = 1.6  # spread (`spread_of`) of a body in the map, which may be ragged
BALL = -1  # in place of a level: the body of the thickest place
LONGEST = 1.0  # spread of a body with all that is thick around it: an ellipsoid of 3 to 1 has 1.0, a dendrite more

NEARLY_LARGEST = (
    0.75  # of the radius of the largest soma; chosen on one saturated stack with false ones of 0.51 and 0.67
)

Own = Callable[[NDArray[Any]], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Soma:
    """A cell body.

    Attributes:
        zyx: (3,) centre in voxels.
        radius: in units of the shortest edge of a voxel.
        rows: rows of the cloud that belong to it, at least one; in a part of a volume their places in the volume.
    """

    zyx: NDArray[np.float64]
    radius: float
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Body:
    """What may be a soma.

    Attributes:
        soma: all of the body.
        radius: of the part of it that the soma map shows, 0 where that is but a speck, or of the thickest ball.
        deepest: largest depth in that part.
        full: whether its surroundings are as full as in a tangle.
    """

    soma: Soma
    radius: float
    deepest: float
    full: bool = False


class Ridge(NamedTuple):
    """Depths along the middles of neurites: each value, ascending, and how often it is there; `deepest` of all voxels."""

    depth: NDArray[np.float64]
    times: NDArray[np.int64]
    deepest: float


class BodySource(Protocol):
    """The candidates for cell bodies in a volume, or in a part of one."""

    def mapped(self, level: int) -> list[Body]:
        """Return the compact bodies of the soma map at `level` (of 255); at LIKELY_SOMA also round bodies it hardly shows."""

    def ball(self) -> Body | None:
        """Return the thickest place, if it is thick."""

    def ridge(self, without: int) -> Ridge:
        """Return the depths of neurites outside of some bodies.

        These are those mapped at SURE_SOMA, the largest at LIKELY_SOMA, the ball (BALL), or none (0).
        """


def find_somata(
    cloud: Cloud, depth: Float32s, probability: Probability, settings: TraceSettings, *, several: bool = False
) -> list[Soma]:
    """Return the somata: those of the settings, else those of the soma map, else the thickest ball, else none.

    `several`: none where it would be one alone (see `choose_somata`).

    Raises:
        InputError: if a given soma lies outside the stack.
    """
    if settings.soma:
        return drop_overlaps(cloud, [given_soma(cloud, depth, probability, point) for point in settings.soma])
    if not settings.find_somata:
        return []
    return drop_overlaps(cloud, choose_somata([BodyFinder(cloud, depth, probability)], several=several))


def choose_somata(found: Sequence[BodySource], *, several: bool = False) -> list[Soma]:
    """Return the likely somata of a volume; with `several`, none where there is one alone.

    If there is a grey stack, it locates the body of a single neuron better (`grey_body.py`).
    """
    somata = _likely_somata(found)
    return [] if several and len(somata) < SEVERAL else somata


def _likely_somata(found: Sequence[BodySource]) -> list[Soma]:
    """Return a soma for every body that the map is sure of; else the one that it thinks most likely; else the thickest ball.

    A body is filled, and much thicker than a neurite: a tuft of neurites may be as large and compact, but is nowhere deep.
    Where several are sure, there are many neurons, and those that are only likely count as well.
    """
    sure, likely = ([body for one in found for body in one.mapped(level)] for level in (SURE_SOMA, LIKELY_SOMA))
    for level, bodies in ((SURE_SOMA, sure), (LIKELY_SOMA, [] if sure else largest(likely))):
        if not bodies:
            continue
        least = THICKER * usual_depth([one.ridge(level) for one in found])
        kept = [body.soma for body in bodies if body.deepest >= max(least, SOLID * body.radius)]
        if len(kept) >= SEVERAL:
            least = max(least, LEAST_RADIUS_PX)
            solid = [body for body in bodies if body.deepest >= max(least, SOLID * body.radius)]
            thick = [body.soma for body in solid if not body.full]
            if len(thick) < SEVERAL:  # boutons and tangles may be sure as well, and one neuron has many
                return thick or kept[:1]
            kept = thick
            kept += apart([body.soma for body in likely if body.deepest >= max(least, SOLID * body.radius)], kept)
        if kept:
            return kept
    balls = [one.ball() for one in found]
    best, owner = max(((0.0 if ball is None else ball.radius, k) for k, ball in enumerate(balls)), default=(0.0, -1))
    ball = balls[owner] if best > 0 else None
    if ball is None or ball.full:
        return []
    usual = usual_depth([one.ridge(BALL if k == owner else 0) for k, one in enumerate(found)])
    return [ball.soma] if ball.radius >= THICKER * usual else []


def largest_somata(somata: list[Soma]) -> list[Soma]:
    """Return the somata that are not much smaller than the largest: in a saturated stack thick neurites resemble somata."""
    largest = max((soma.radius for soma in somata), default=0.0)
    return [soma for soma in somata if soma.radius >= NEARLY_LARGEST * largest]


def apart(somata: Sequence[Soma], taken: Sequence[Soma]) -> list[Soma]:
    """Return the somata, one after the other, that share no voxel with those that are taken."""
    claimed = set(np.concatenate([soma.rows for soma in taken]).tolist())
    found = []
    for soma in somata:
        rows = soma.rows.tolist()
        if claimed.isdisjoint(rows):
            claimed.update(rows)
            found.append(soma)
    return found


def largest(bodies: Sequence[Body]) -> list[Body]:
    """Return the largest body, if it is thick."""
    return sorted((body for body in bodies if body.radius >= LEAST_RADIUS_PX), key=lambda body: -body.radius)[:1]


def usual_depth(ridges: Sequence[Ridge]) -> float:
    """Return the usual depth of neurites along their middle: three quarters of them, by cross-section, are no deeper.

    Without any ridge it is the largest depth.
    """
    depth = np.concatenate([ridge.depth for ridge in ridges])
    if not len(depth):
        return max(ridge.deepest for ridge in ridges)
    order = np.argsort(depth, kind="stable")
    section = np.cumsum(np.concatenate([ridge.times for ridge in ridges])[order] * depth[order] ** 2)
    return float(depth[order][np.searchsorted(section, USUAL * section[-1])])


def drop_overlaps(cloud: Cloud, somata: list[Soma]) -> list[Soma]:
    """Assign each voxel to the first soma that claims it; a soma without a voxel of its own is dropped."""
    free = np.ones(len(cloud), bool)
    kept = []
    for soma in somata:
        own = soma.rows[free[soma.rows]]
        if len(own):
            kept.append(Soma(soma.zyx, soma.radius, own))
            free[own] = False
    return kept


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


def given_soma(cloud: Cloud, depth: Float32s, probability: Probability, point: tuple[float, float, float]) -> Soma:
    """Return the soma at a point in voxels: the body that holds it, or the nearest voxel of a neurite."""
    zyx = np.array(point, np.float64) * (probability.planes, 1, 1)
    half = np.array((probability.planes, 1, 1)) / 2  # of a voxel of the stack: as `pipeline.check_soma` has it
    if (zyx < -half).any() or (zyx >= np.array(probability.shape) - 1 + half).any():
        shape = probability.on_stack.shape
        raise InputError(f"soma {point} lies outside the stack of shape {shape} (z, y, x in voxels)")
    distance = np.linalg.norm(cloud.points - zyx * cloud.spacing, axis=1)
    row = climbed(cloud, depth, int(distance.argmin()))
    if depth[row] < LEAST_RADIUS_PX or np.linalg.norm(cloud.points[row] - zyx * cloud.spacing) > 2 * depth[row]:
        row = int(distance.argmin())
        return Soma(cloud.zyx[row].astype(np.float64), float(depth[row]), np.array([row]))
    return Soma(cloud.zyx[row].astype(np.float64), float(depth[row]), body_rows(cloud, depth, row))


def climbed(cloud: Cloud, depth: Float32s, row: int) -> int:
    """Return the row of the middle of the body in which a row lies: where no neighbour is deeper."""
    while True:
        near = cloud.near[row]
        near = near[near < len(cloud)]
        best = int(near[depth[near].argmax()]) if len(near) else row
        if depth[best] <= depth[row]:
            return row
        row = best


class BodyFinder:
    """The bodies of a cloud, each computed on demand."""

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
            found = components(self.cloud, self.probability, level)
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
        """Return the balls of which the soma map shows but a rim or a speck; `parts` are the rows of its components."""
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
    """Return a soma with all of the body that it is the core of: no neurite runs inside a body that the map half covers."""
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


def components(cloud: Cloud, probability: Probability, level: int) -> list[NDArray[np.int64]]:
    """Return the rows in each piece of the soma map at `level` (of 255).

    A piece is joined in the map, though the foreground may show it in parts: in a body with a dark nucleus it is a few tubes.
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
