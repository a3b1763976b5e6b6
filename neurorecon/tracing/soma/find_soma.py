"""Choose the somata: given by hand, from the soma map, or the one ball that is much thicker than any neurite."""

from collections.abc import Sequence

import numpy as np

from neurorecon.core.errors import InputError
from neurorecon.core.probability import Probability
from neurorecon.tracing.criteria import THICKER
from neurorecon.tracing.foreground import Cloud, Float32s
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.soma.body import BALL, LIKELY_SOMA, NEARLY_LARGEST, SURE_SOMA, Body, BodySource, Ridge, Soma
from neurorecon.tracing.soma.foreground_bodies import LEAST_RADIUS_PX, BodyFinder, body_rows, climbed

__all__ = ["choose_somata", "drop_overlaps", "find_somata", "given_soma", "largest_somata"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
USUAL = 0.75  # share of the neurites, by cross-section, that are no deeper: with the median a crossing of thick ones is a body
SEVERAL = 2  # sure somata: then there are many neurons, and likely somata count too, to keep these apart from their neighbours
SOLID = 0.5  # largest depth of a body by the radius of a ball of its size: a ball has 1


def find_somata(
    cloud: Cloud, depth: Float32s, probability: Probability, settings: TraceSettings, *, several: bool = False
) -> list[Soma]:
    """Return the somata: those of the settings, else those of the soma map, else the thickest ball, else none.

    With `several`, a single soma from the maps is not returned (see `choose_somata`).

    Raises:
        InputError: if a given soma lies outside the stack.
    """
    if settings.soma:
        return drop_overlaps(cloud, [given_soma(cloud, depth, probability, point) for point in settings.soma])
    if not settings.find_somata:
        return []
    return drop_overlaps(cloud, choose_somata([BodyFinder(cloud, depth, probability)], several=several))


def choose_somata(found: Sequence[BodySource], *, several: bool = False) -> list[Soma]:
    """Return the likely somata of a volume.

    With `several`, a single soma is not returned: the grey stack locates the body of a single neuron better (`grey_body.py`).
    """
    somata = _likely_somata(found)
    return [] if several and len(somata) < SEVERAL else somata


def _likely_somata(found: Sequence[BodySource]) -> list[Soma]:
    """Return the sure bodies of the soma map as somata; else the likeliest one; else the thickest ball of the foreground.

    A body is filled, and much thicker than a neurite. A tuft of neurites may be as large and compact, but is nowhere deep. If
    several bodies are sure, there are several neurons, and likely bodies count as well.
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


def given_soma(cloud: Cloud, depth: Float32s, probability: Probability, point: tuple[float, float, float]) -> Soma:
    """Return the soma at a point (z, y, x) in voxels of the stack: the body that holds it, or the nearest voxel of a neurite.

    Raises:
        InputError: if the point lies outside the stack.
    """
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
