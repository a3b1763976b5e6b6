"""A part of a volume traced by itself: its core, with a halo around it that its neighbours see as well.

Depth, evidence and cost of a voxel depend on what lies within a few voxels, and the way along a neurite on what lies there: so
what two neighbours grow in the voxels that both see is nearly the same. Each part answers for the nodes in its core, and says
how its branches go on in the next ones; `join` puts them together. Roots are not known yet: ways lead to the best voxel of each
component, and bodies are taken for somata when all parts are known.
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
from neurorecon.trace.chain import pick_sources, spur_limit, thresholds, voxel_edges
from neurorecon.trace.cloud import Cloud, Cut, Floats, FloodedError, make_cloud
from neurorecon.trace.cost import depth_of, smooth_evidence, travel_cost
from neurorecon.trace.cover import Cover, Heights, heights_of, ridge_of
from neurorecon.trace.geodesic import find_ways
from neurorecon.trace.grow import grow
from neurorecon.trace.light import Light, light_at
from neurorecon.trace.settings import TraceSettings
from neurorecon.trace.soma import BALL, LIKELY_SOMA, SURE_SOMA, Body, Looked, Ridge, Soma, given_soma

__all__ = ["GIVEN", "HALO", "Box", "Part", "crop", "heights_in", "trace_part"]

HALO = 48  # voxels: a body of that radius around a centre in the core is seen whole, and ways forget where they began
RIM = 16  # voxels around the core in which nodes are kept: how branches go on
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


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a volume says. N nodes, of its core and RIM voxels around.

    Attributes:
        core: the voxels that it answers for.
        zyx: (N, 3) int32 voxels of the volume.
        parent: (N,) int64 row of the parent, below the node's own; -1 for a root of this part.
        p: (N,) float32 probability.
        depth: (N,) float32 distance to the background.
        cost: (N,) float64 what a step costs there.
        worth: (N,) float32 depth times evidence.
        sure: (N,) bool, whether a voxel of its component reaches the threshold.
        light: that of the grey stack at the nodes, None where it was not at hand.
        bodies: level -> what may be a soma, with its middle in the core; `rows` are places in the volume.
        ridges: level -> depths of neurites outside of those bodies.
    """

    core: Box
    zyx: NDArray[np.int32]
    parent: Ints
    p: Floats
    depth: Floats
    cost: NDArray[np.float64]
    worth: Floats
    sure: NDArray[np.bool_]
    light: Light | None
    bodies: Mapping[int, Sequence[Body]]
    ridges: Mapping[int, Ridge]

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.zyx)

    def mapped(self, level: int) -> list[Body]:
        """Return the bodies of the soma map; see `soma.Found`."""
        return list(self.bodies.get(level, ()))

    def ball(self) -> Body | None:
        """Return the thickest place; see `soma.Found`."""
        return next(iter(self.bodies.get(BALL, ())), None)

    def ridge(self, without: int) -> Ridge:
        """Return the depths of neurites; see `soma.Found`."""
        return self.ridges.get(without, NOTHING)


def crop(probability: Probability, box: Box) -> tuple[Probability, Cut]:
    """Return a part of a map, read into memory, and its sides (3, 2) beyond which the map goes on."""
    neurite = np.ascontiguousarray(probability.neurite[box.slices])
    soma = None if probability.soma is None else np.ascontiguousarray(probability.soma[box.slices])
    cut = np.stack([np.array(box.low) > 0, np.array(box.high) < probability.shape], axis=1)
    return replace(probability, neurite=neurite, soma=soma), cut


def seen_cloud(probability: Probability, box: Box, settings: TraceSettings) -> tuple[Probability, Cloud] | None:
    """Return the map in a box and its foreground, None where there is none."""
    part, cut = crop(probability, box)
    part = replace(part, source=f"{probability.source or 'the volume'} at {box.low} to {box.high}")
    try:
        return part, make_cloud(part, *thresholds(probability, settings), cut)
    except FloodedError as error:
        log.warning("%s: it is left out", error)
        return None
    except NoNeuronError:
        return None


def heights_in(probability: Probability, core: Box, settings: TraceSettings) -> Heights:
    """Return what a part of a volume says of the height of neurites."""
    seen = seen_cloud(replace(probability, soma=None), core, settings)
    if seen is None:
        return Heights(0.0, 0)
    cloud = seen[1]
    depth = depth_of(cloud)
    return heights_of(cloud, ridge_of(cloud, depth, smooth_evidence(cloud)))


def trace_part(
    probability: Probability, core: Box, settings: TraceSettings, height: float, grey: Volume | None = None
) -> Part:
    """Trace the part of a volume around `core`.

    `height` is that of neurites by their width, in all of the volume; `grey` are the voxels that the map was made from.
    """
    box = core.wider(HALO, probability.shape)
    seen = seen_cloud(probability, box, settings)
    if seen is None:
        return empty_part(core)
    part, cloud = seen
    depth, low = depth_of(cloud), np.array(box.low)
    evidence = smooth_evidence(cloud)
    cost, worth = travel_cost(cloud, depth, evidence), depth * evidence
    ways = find_ways(cloud, cost, pick_sources(cloud, worth, []))
    spur_px = spur_limit(settings, voxel_edges(probability.voxel_size))
    skeleton = grow(Cover(cloud, depth, evidence, height), depth, ways, [], spur_px)
    skeleton = skeleton.take(core.wider(RIM, probability.shape).holds(skeleton.zyx + low))
    row = cloud.find(cloud.keys_of(skeleton.zyx.astype(np.int64)))
    placed = replace(skeleton, zyx=skeleton.zyx + low)
    light = None if grey is None else light_at(grey, placed, cloud.spacing)
    bodies, ridges = bodies_of(cloud, depth, part, (core, box, probability.shape), settings)
    return Part(
        core,
        placed.zyx.astype(np.int32),
        skeleton.parent,
        cloud.p[row],
        depth[row],
        cost[row],
        worth[row],
        sure_rows(cloud, thresholds(probability, settings)[0])[row],
        light,
        bodies,
        ridges,
    )


def empty_part(core: Box) -> Part:
    """Return the part of a volume in which nothing is."""
    none, nothing = np.zeros(0, np.float32), np.zeros((0, 3), np.int32)
    return Part(
        core, nothing, np.zeros(0, np.int64), none, none, np.zeros(0), none, np.zeros(0, np.bool_), None, {}, {}
    )


def sure_rows(cloud: Cloud, high: float) -> NDArray[np.bool_]:
    """Return which voxels (N,) hang together with one that reaches `high`."""
    count, label = cloud.labels()
    sure = np.zeros(count, bool)
    sure[label[cloud.p >= high]] = True
    return np.asarray(sure[label])


def bodies_of(
    cloud: Cloud,
    depth: Floats,
    part: Probability,
    boxes: tuple[Box, Box, tuple[int, int, int]],
    settings: TraceSettings,
) -> tuple[dict[int, list[Body]], dict[int, Ridge]]:
    """Return the bodies with their middle in the core and the depths of neurites in it, by level.

    `boxes` are the core, the box that was read, and the shape of the volume.
    """
    core, box, shape = boxes
    low = np.array(box.low)

    def placed(body: Body) -> Body:
        place = np.ravel_multi_index(tuple((cloud.zyx[body.soma.rows] + low).T), shape)
        return replace(body, soma=Soma(body.soma.zyx + low, body.soma.radius, np.sort(place)))

    if settings.soma:
        points = [np.array(point) * (part.planes, 1, 1) for point in settings.soma]
        own = [tuple(point - low) for point in points if core.holds(point)]
        somata = [given_soma(cloud, depth, replace(part, planes=1), point) for point in own]
        return {GIVEN: [placed(Body(soma, soma.radius, soma.radius)) for soma in somata]}, {}
    if not settings.find_somata:
        return {}, {}
    looked = Looked(cloud, depth, part, lambda zyx: core.holds(zyx + low))
    bodies = {level: looked.mapped(level) for level in (SURE_SOMA, LIKELY_SOMA)}
    ball = looked.ball()
    bodies[BALL] = [] if ball is None else [ball]
    ridges = {level: looked.ridge(level) for level in (0, *bodies)}
    return {level: [placed(body) for body in found] for level, found in bodies.items()}, ridges
