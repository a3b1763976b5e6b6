"""A part of a volume traced by itself: its core, with a halo around it that its neighbours see as well.

Depth, evidence and cost of a voxel depend on its surroundings of a few voxels, and a path on the neurite that it follows. So
two neighbours grow nearly the same lines in the voxels that both see. Each part keeps the nodes of its core, and records how
its branches continue in the next parts; `join` connects them. Roots are not known yet: paths lead to the best voxel of each
component, and somata are chosen among the bodies when all parts are traced.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Volume
from neurorecon.tracing.cover import Heights, measured_heights, ridge_of
from neurorecon.tracing.field import Field, field_of, grown
from neurorecon.tracing.foreground import Cloud, Cut, Float32s, FloodedError
from neurorecon.tracing.light import Light, light_at
from neurorecon.tracing.limits import spur_limit, thresholds, voxel_edges
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.soma.body import BALL, LIKELY_SOMA, SURE_SOMA, Body, Ridge, Soma
from neurorecon.tracing.soma.find_soma import given_soma
from neurorecon.tracing.soma.foreground_bodies import BodyFinder
from neurorecon.tracing.soma.sure_body import cells_of

__all__ = ["GIVEN", "HALO", "Box", "Part", "crop", "heights_of_part", "trace_part"]

# Set by hand; not tuned. `trace --verify-seams` and tests/tracing/test_parts_joined.py compare parts with the whole.
HALO = 48  # voxels: a body of that radius with its centre in the core is complete, and paths no longer depend on their start
RIM = 16  # voxels around the core in which nodes are kept: they show how branches continue
GIVEN = -2  # in place of a level: a soma that the user gave

log = logging.getLogger(__name__)

Ints = NDArray[np.int64]
NOTHING = Ridge(np.zeros(0), np.zeros(0, np.int64), 0.0)


@dataclass(frozen=True, slots=True)
class Box:
    """Voxels low <= v < high, each (z, y, x)."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    def wider(self, by: int, shape: tuple[int, int, int]) -> "Box":
        """Return the box with `by` voxels more on each side, within a volume of `shape`."""
        z, y, x = (max(0, n - by) for n in self.low)
        last_z, last_y, last_x = (min(n + by, end) for n, end in zip(self.high, shape, strict=True))
        return Box((z, y, x), (last_z, last_y, last_x))

    def holds(self, zyx: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which points (N, 3) lie in it, by their nearest voxel."""
        voxel = np.rint(zyx)
        return np.asarray(((voxel >= self.low) & (voxel < self.high)).all(-1))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as slices of an array."""
        z, y, x = (slice(low, high) for low, high in zip(self.low, self.high, strict=True))
        return z, y, x


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The result of one part of a volume: N nodes, of its core and RIM voxels around.

    Attributes:
        core: the voxels that belong to this part alone.
        zyx: (N, 3) int32 voxels of the volume.
        parent: (N,) int64 row of the parent, below the node's own; -1 for a root of this part.
        p: (N,) float32 probability.
        depth: (N,) float32 distance to the background.
        cost: (N,) float64 what a step costs there.
        worth: (N,) float32 depth times evidence.
        sure: (N,) bool, whether a voxel of its component reaches the threshold.
        light: light of the grey stack at the nodes, None without a stack.
        bodies: level -> candidate somata with their middle in the core; `rows` are places in the volume.
        ridges: level -> depths of neurites outside of those bodies.
        cells: (C, 4) of the soma map in the core (`sure_body.cells_of`).
    """

    core: Box
    zyx: NDArray[np.int32]
    parent: Ints
    p: Float32s
    depth: Float32s
    cost: NDArray[np.float64]
    worth: Float32s
    sure: NDArray[np.bool_]
    light: Light | None
    bodies: Mapping[int, Sequence[Body]]
    ridges: Mapping[int, Ridge]
    cells: Ints

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.zyx)

    def mapped(self, level: int) -> list[Body]:
        """Return the bodies of the soma map; see `BodySource`."""
        return list(self.bodies.get(level, ()))

    def ball(self) -> Body | None:
        """Return the thickest place; see `BodySource`."""
        return next(iter(self.bodies.get(BALL, ())), None)

    def ridge(self, without: int) -> Ridge:
        """Return the depths of neurites; see `BodySource`."""
        return self.ridges.get(without, NOTHING)


def crop(probability: Probability, box: Box) -> tuple[Probability, Cut]:
    """Return a part of a map, read into memory, and its sides (3, 2) beyond which the map goes on."""
    neurite = np.ascontiguousarray(probability.neurite[box.slices])
    soma = None if probability.soma is None else np.ascontiguousarray(probability.soma[box.slices])
    cut = np.stack([np.array(box.low) > 0, np.array(box.high) < probability.shape], axis=1)
    return replace(probability, neurite=neurite, soma=soma), cut


def seen_field(probability: Probability, box: Box, settings: TraceSettings) -> tuple[Probability, Field] | None:
    """Return the map in a box and its field, None where there is no foreground."""
    part, cut = crop(probability, box)
    part = replace(part, source=f"{probability.source or 'the volume'} at {box.low} to {box.high}")
    try:
        return part, field_of(part, settings, cut)
    except FloodedError as error:
        log.warning("%s: it is left out", error)
        return None
    except NoNeuronError:
        return None


def heights_of_part(probability: Probability, core: Box, settings: TraceSettings) -> Heights:
    """Measure the height of neurites in a part of a volume."""
    seen = seen_field(replace(probability, soma=None), core, settings)
    if seen is None:
        return Heights(0.0, 0)
    field = seen[1]
    return measured_heights(field.cloud, ridge_of(field.cloud, field.depth, field.evidence))


def trace_part(
    probability: Probability, core: Box, settings: TraceSettings, height: float, grey: Volume | None = None
) -> Part:
    """Trace the part of a volume around `core`.

    `height` is the height of neurites by their width in the whole volume; `grey` are the voxels that the map was made from.
    """
    box = core.wider(HALO, probability.shape)
    seen = seen_field(probability, box, settings)
    if seen is None:
        return empty_part(core, cells_in(probability.soma, core, settings))
    part, field = seen
    cloud, depth, cost, low = field.cloud, field.depth, field.cost, np.array(box.low)
    spur_px = spur_limit(settings, voxel_edges(probability.voxel_size))
    skeleton = grown(field, cost, [], spur_px=spur_px, height=height)
    skeleton = skeleton.take(core.wider(RIM, probability.shape).holds(skeleton.zyx + low))
    row = cloud.find(cloud.keys_of(skeleton.zyx.astype(np.int64)))
    placed = replace(skeleton, zyx=skeleton.zyx + low)
    light = None if grey is None else light_at(grey, placed, cloud.spacing)
    bodies, ridges = bodies_of(field, part, core, settings, low=box.low, shape=probability.shape)
    return Part(
        core=core,
        zyx=placed.zyx.astype(np.int32),
        parent=skeleton.parent,
        p=cloud.p[row],
        depth=depth[row],
        cost=cost[row],
        worth=field.worth[row],
        sure=sure_rows(cloud, thresholds(probability, settings)[0])[row],
        light=light,
        bodies=bodies,
        ridges=ridges,
        cells=cells_in(part.soma, core, settings, box.low),
    )


def cells_in(soma: Volume | None, core: Box, settings: TraceSettings, low: tuple[int, int, int] = (0, 0, 0)) -> Ints:
    """Return the cells (C, 4) of the soma map in a core, if somata are looked for; the map begins at the voxel `low`."""
    if soma is None or settings.soma or not settings.find_somata:
        return np.zeros((0, 4), np.int64)
    own = tuple(slice(first - n, end - n) for first, end, n in zip(core.low, core.high, low, strict=True))
    return cells_of(np.ascontiguousarray(soma[own]), core.low)


def empty_part(core: Box, cells: Ints) -> Part:
    """Return the part of a volume in which no neurite is."""
    none = np.zeros(0, np.float32)
    return Part(
        core=core,
        zyx=np.zeros((0, 3), np.int32),
        parent=np.zeros(0, np.int64),
        p=none,
        depth=none,
        cost=np.zeros(0),
        worth=none,
        sure=np.zeros(0, np.bool_),
        light=None,
        bodies={},
        ridges={},
        cells=cells,
    )


def sure_rows(cloud: Cloud, high: float) -> NDArray[np.bool_]:
    """Return which voxels (N,) are connected to one that reaches `high`."""
    count, label = cloud.labels()
    sure = np.zeros(count, bool)
    sure[label[cloud.p >= high]] = True
    return np.asarray(sure[label])


def bodies_of(
    field: Field,
    part: Probability,
    core: Box,
    settings: TraceSettings,
    *,
    low: tuple[int, int, int],
    shape: tuple[int, int, int],
) -> tuple[dict[int, list[Body]], dict[int, Ridge]]:
    """Return the bodies with their middle in the core and the depths of neurites in it, by level.

    `part` is the map in the box that was read, which begins at the voxel `low` of a volume of `shape`.
    """
    cloud, depth, first = field.cloud, field.depth, np.array(low)

    def placed(body: Body) -> Body:
        place = np.ravel_multi_index(tuple((cloud.zyx[body.soma.rows] + first).T), shape)
        return replace(body, soma=Soma(body.soma.zyx + first, body.soma.radius, np.sort(place)))

    if settings.soma:
        points = [np.array(point) * (part.planes, 1, 1) for point in settings.soma]
        own = [tuple(point - first) for point in points if core.holds(point)]
        somata = [given_soma(cloud, depth, replace(part, planes=1), point) for point in own]
        return {GIVEN: [placed(Body(soma, soma.radius, soma.radius)) for soma in somata]}, {}
    if not settings.find_somata:
        return {}, {}
    finder = BodyFinder(cloud, depth, part, lambda zyx: core.holds(zyx + first))
    bodies = {level: finder.mapped(level) for level in (SURE_SOMA, LIKELY_SOMA)}
    ball = finder.ball()
    bodies[BALL] = [] if ball is None else [ball]
    ridges = {level: finder.ridge(level) for level in (0, *bodies)}
    return {level: [placed(body) for body in found] for level, found in bodies.items()}, ridges
