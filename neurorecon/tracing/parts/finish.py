"""A volume that does not fit in memory: traced part by part, joined, and finished tree by tree.

The steps after growing (bridging, crossings, fragments, confidence) get the joined skeleton of all parts, as of a volume in
one piece. Radius, centre line and gaps of a tree are read from the map around it alone. The second, generous tracing that
finds ways on (`beyond`) has parts of its own, joined and finished likewise: both tracings are compared as wholes.
"""

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import by_box, slices_between, whole_chunks
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack, Volume
from neurorecon.core.tree import Tree
from neurorecon.tracing.beyond import generous
from neurorecon.tracing.bridge import Ground
from neurorecon.tracing.cavities import with_cavities
from neurorecon.tracing.chain import (
    grey_of,
    is_cut_off,
    refine,
    rooted_at_somata,
)
from neurorecon.tracing.cost import smooth_evidence
from neurorecon.tracing.cover import mean_height
from neurorecon.tracing.finished_tree import as_tree, completed
from neurorecon.tracing.foreground import PAD, Cloud, assemble, bright_voxels, levels_of, shape_metric, strides_of
from neurorecon.tracing.light import KnownLight, Light
from neurorecon.tracing.limits import thresholds
from neurorecon.tracing.parts.join import join, without_overlaps
from neurorecon.tracing.parts.part import GIVEN, Box, Part, heights_of_part, trace_part
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.body import Soma, body_metric
from neurorecon.tracing.soma.find_soma import choose_somata, largest_somata
from neurorecon.tracing.soma.map_pieces import Piece
from neurorecon.tracing.soma.sure_body import counted, holds, sure_pieces, voxels_around

__all__ = ["cut_volume", "grow_parts", "height_in", "trace_parts", "trace_in_parts"]

# Set by hand; not tuned. `trace --verify-seams` and tests/tracing/test_parts_joined.py compare parts with the whole.
CELL = 16  # voxels: a tree's surroundings are read by cells
READ = 64, 256, 256  # voxels (z, y, x) read at a time, or the next whole chunks
AROUND = 1.5, 6.0  # of the depth, and voxels more: the part of the map that is read to finish a tree
PLACES = 64  # parts from which the height of neurites is taken
ENOUGH = 100_000  # voxels on centre lines from which it is measured

log = logging.getLogger(__name__)

Ints = NDArray[np.int64]


def cut_volume(shape: tuple[int, int, int], block: tuple[int, int, int]) -> list[Box]:
    """Return the cores of a volume: boxes of `block` voxels (z, y, x), smaller at its end, in the order of their places."""
    starts = [range(0, n, size) for n, size in zip(shape, block, strict=True)]
    return [
        Box((z, y, x), (min(z + block[0], shape[0]), min(y + block[1], shape[1]), min(x + block[2], shape[2])))
        for z in starts[0]
        for y in starts[1]
        for x in starts[2]
    ]


def height_in(probability: Probability, cores: Sequence[Box], settings: TraceSettings) -> float:
    """Return the height of neurites by their width, from parts of the volume in an order that only their number decides."""
    order = np.random.default_rng(len(cores)).permutation(len(cores))
    found = []
    for k in order[:PLACES]:
        found.append(heights_of_part(probability, cores[k], settings))
        if sum(one.number for one in found) >= ENOUGH:
            break
    return mean_height(found)


def trace_in_parts(
    probability: Probability, cores: Sequence[Box], settings: TraceSettings, *, stack: Stack | None = None
) -> Tree:
    """Trace a volume part by part, one after the other, in this process; see `trace`."""
    grey = None if stack is None else grey_of(stack, probability)

    def traced(by: TraceSettings) -> list[Part]:
        height = height_in(probability, cores, by)
        return [trace_part(probability, core, by, height, grey) for core in cores]

    more = [] if settings.missing is None else traced(generous(probability, settings))
    return trace_parts(probability, traced(settings), settings, stack=stack, more=more)


def trace_parts(
    probability: Probability,
    parts: Sequence[Part],
    settings: TraceSettings,
    *,
    stack: Stack | None = None,
    more: Sequence[Part] = (),
) -> Tree:
    """Return the trees of a volume from all of its parts.

    Args:
        probability: (Z, Y, X) maps, lazy where they are large; read around the trees alone.
        parts: what `trace_part` found, cores that make up the volume.
        settings: those that the parts were traced with.
        stack: the grey stack that the map was made from; read where the parts do not know its light.
        more: what `trace_part` found with the settings of `generous`, for the ways on that `settings.missing` asks for.

    Raises:
        NoNeuronError: as `trace` does.
        InputError: likewise.
    """
    grey = None if stack is None else grey_of(stack, probability)
    spacing = shape_metric(probability.voxel_size)
    high, low = thresholds(probability, settings)
    level = levels_of(high, low)[0] / 255
    skeleton = joined(probability, parts, grey, settings, cut_off=is_cut_off(stack, settings))
    if (lost := len(settings.soma) - sum(len(part.mapped(GIVEN)) for part in parts)) > 0:
        log.warning("%d of %d given somata have no neurite near by, and are left out", lost, len(settings.soma))
    usual = float(np.median(skeleton.p[skeleton.soma < 0])) if (skeleton.soma < 0).any() else level
    ground = Ground(probability.neurite, spacing, level, body_metric(probability.voxel_size))
    light_of = None if grey is None else known_light(grey, parts, spacing)
    skeleton, promise = refine(skeleton, ground, probability, settings, light_of)
    skeleton = rooted_at_somata(skeleton, ground, grey, probability, settings)
    trees = []
    for piece in skeleton.split():
        cloud = cloud_near(probability, piece, level)
        trees.append(
            as_tree(
                piece, cloud, evidence=smooth_evidence(cloud), probability=probability, settings=settings, usual=usual
            )
        )
    again = partial(trace_parts, probability, more, stack=stack)
    return completed(Tree.joined(trees), grey, probability, settings, promise=promise, trace_again=again)


def known_light(grey: Volume, parts: Sequence[Part], spacing: NDArray[np.float64]) -> KnownLight:
    """Return the light that the parts found at the nodes in their cores."""
    zyx, lights = [np.zeros((0, 3), np.int32)], []
    for part in parts:
        if part.light is not None:
            own = part.core.holds(part.zyx)
            zyx.append(part.zyx[own])
            lights.append(part.light.take(own))
    return KnownLight(grey, spacing, np.concatenate(zyx), Light.joined(lights))


def grow_parts(
    probability: Probability, parts: Sequence[Part], stack: Stack | None, settings: TraceSettings
) -> Skeleton:
    """Return the joined skeleton of all parts of a volume, before any bridging and pruning.

    `stack` is the grey stack, where it is known: somata are judged by it (see `join`).

    Raises:
        NoNeuronError: if there is nothing in any of them.
    """
    grey = None if stack is None else grey_of(stack, probability)
    return joined(probability, parts, grey, settings, cut_off=is_cut_off(stack, settings))


def joined(
    probability: Probability, parts: Sequence[Part], grey: Volume | None, settings: TraceSettings, *, cut_off: bool
) -> Skeleton:
    """Return the joined skeleton of all parts; where the light is cut off, only the largest somata are believed."""
    somata = somata_of(probability, parts, grey, settings)
    somata = largest_somata(somata) if cut_off else somata
    return join(parts, probability.shape, shape_metric(probability.voxel_size), probability.source, somata=somata)


def somata_of(
    probability: Probability, parts: Sequence[Part], grey: Volume | None, settings: TraceSettings
) -> list[Soma]:
    """Return the somata of a volume, by the same rules as in one piece (`chain.trace`)."""
    given = [body.soma for part in parts for body in part.mapped(GIVEN)]
    if found := without_overlaps(given or choose_somata(parts, several=grey is not None)):
        return found
    soma, spacing = probability.soma, body_metric(probability.voxel_size)
    if soma is None or grey is None or settings.soma or not settings.find_somata:
        return []

    def middles(pieces: list[Piece]) -> Ints:
        own = [part.zyx[part.core.holds(part.zyx) & (part.depth > 1)] for part in parts]
        zyx = np.concatenate([np.zeros((0, 3), np.int64), *own])
        return np.asarray(zyx[~np.any([holds(piece, zyx) for piece in pieces], axis=0)], np.int64)

    cells = np.concatenate([np.zeros((0, 4), np.int64), *(part.cells for part in parts)])
    bodies = sure_pieces(counted(cells[:, :3], cells[:, 3]), soma, grey, spacing=spacing, middles=middles)
    least = levels_of(*thresholds(probability, settings))[0]
    return without_overlaps([Soma(body.zyx, body.radius, places_in(body, probability, least)) for body in bodies])


def places_in(body: Piece, probability: Probability, least: int) -> Ints:
    """Return the places in the volume of the foreground, of at least `least`, in a body; with its cavities."""
    low, high = voxels_around(body, probability.shape)
    block = np.asarray(probability.neurite[slices_between(low, high)])
    bright, strides = block >= least, strides_of(probability.shape)
    zyx = np.argwhere(bright) + low
    key, spacing = (zyx + PAD) @ strides, shape_metric(probability.voxel_size)
    places, _, _ = with_cavities(zyx.astype(np.int32), key, block[bright], strides=strides, spacing=spacing)
    filled = places.astype(np.int64)
    return np.asarray(np.ravel_multi_index(tuple(filled[holds(body, filled)].T), probability.shape), np.int64)


def cloud_near(probability: Probability, skeleton: Skeleton, low: float) -> Cloud:
    """Return the voxels of at least `low` around a tree; little more than those is in memory."""
    shape = np.array(probability.shape, np.int64)
    strides = strides_of(probability.shape)
    spacing = shape_metric(probability.voxel_size)
    cells = cells_near(skeleton, spacing, shape)
    least = max(1, round(low * 255))
    found, values = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.uint8)]
    edges = whole_chunks(probability.neurite, READ)
    edges = np.where(edges % CELL, READ, edges)
    for first, own, block in by_box(probability.neurite, cells * CELL, edges):
        wanted = np.zeros(edges // CELL, bool)
        wanted[tuple((cells[own] - first // CELL).T)] = True
        flat, value = bright_voxels(block, least)
        zyx = np.stack(np.unravel_index(flat, block.shape), 1)
        near = wanted[tuple((zyx // CELL).T)]
        values.append(value[near])
        found.append(zyx[near] + first)
    places = np.concatenate(found)
    keys = (places + PAD) @ strides
    order = np.argsort(keys)
    filled, key, value = with_cavities(
        places[order].astype(np.int32), keys[order], np.concatenate(values)[order], strides=strides, spacing=spacing
    )
    return assemble(key, filled, value=value, strides=strides, voxel_size=probability.voxel_size, low=low)


def cells_near(skeleton: Skeleton, spacing: NDArray[np.float64], shape: Ints) -> Ints:
    """Return the cells (N, 3) of CELL voxels that come near to a node."""
    reach = (AROUND[0] * skeleton.depth[:, None] + AROUND[1]) / spacing
    first = np.maximum(skeleton.zyx - reach, 0).astype(np.int64) // CELL
    last = np.minimum(skeleton.zyx + reach, shape - 1).astype(np.int64) // CELL
    corners = np.unique(np.concatenate([first, last], axis=1), axis=0)
    grids = [
        np.stack(np.meshgrid(*(np.arange(i, j + 1) for i, j in zip(c[:3], c[3:], strict=True)), indexing="ij"), -1)
        for c in corners
    ]
    return np.unique(np.concatenate([grid.reshape(-1, 3) for grid in grids]), axis=0)
