"""The steps of the tracer in their order: probability in, tree out."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, NoNeuronError, expected
from neurorecon.core.filled import fill
from neurorecon.core.findings import warnings_of
from neurorecon.core.geometry import zyx_to_xyz
from neurorecon.core.left_out import LeftOut
from neurorecon.core.padding import padding_of, without_padding
from neurorecon.core.probability import Probability
from neurorecon.core.scaled_floats import scaled_floats
from neurorecon.core.stack import Stack, Volume
from neurorecon.core.tree import NodeType, Tree, Unit
from neurorecon.io import checked_settings, read_probability, stack_of
from neurorecon.tracing.beyond import generous, ways_on
from neurorecon.tracing.bridge import Ground, bridge
from neurorecon.tracing.calibre import with_calibre
from neurorecon.tracing.confidence import asked, cut_doubtful
from neurorecon.tracing.crossing import uncross
from neurorecon.tracing.field import field_of, grown
from neurorecon.tracing.foreground import OFFSETS, Cloud, Float32s
from neurorecon.tracing.kinds.tell import told
from neurorecon.tracing.light import LightOf, light_at
from neurorecon.tracing.limits import spur_limit, voxel_edges
from neurorecon.tracing.long_gaps import reach
from neurorecon.tracing.prune import LEAST_PX, Limits, choose_roots, cut_spines, cut_spurs, drop_fragments
from neurorecon.tracing.radius import radius_at
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.smooth import Line, centre, smooth
from neurorecon.tracing.soma.far_body import joined_to_far_body
from neurorecon.tracing.soma.find_soma import find_somata, largest_somata
from neurorecon.tracing.soma.grey_body import hung_on_bodies, likely_around
from neurorecon.tracing.soma.sure_body import sure_bodies
from neurorecon.tracing.tails import cut_tails
from neurorecon.tracing.teeth import without_teeth
from neurorecon.tracing.touching import share

__all__ = [
    "finish",
    "grey_of",
    "hung_on_roots",
    "is_cut_off",
    "long_enough",
    "refine",
    "trace",
    "with_ways_on",
    "without_inner_branches",
]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
SHARED = 2  # rounds of sharing: ends reassigned in round 1 can meet others in round 2
LEAST_NEURON_PX = 15.0  # cable of all pieces: a network that is given noise answers with specks of 5 to 12 voxels


def trace(
    probability: Probability | str | Path, settings: TraceSettings = TraceSettings(), *, stack: Any = None
) -> Tree:
    """Trace the neurons in a probability map.

    Args:
        probability: (Z, Y, X) uint8 maps of neurite and, where there is one, of soma; or the path of such a map.
        settings: see TraceSettings; the defaults fit the output of `segment` and of `evidence_of`.
        stack: the grey stack that the map was made from, a Stack, a path or an array. With it the light of a branch counts as
            well: it distinguishes faint neurites of neighbours from those of the neuron.

    Returns:
        One tree a soma, the soma as root; where no soma is found one tree from its thickest end; and one tree for
        every long piece that nothing joins to them. In micrometres where the voxel size is known, else in voxels;
        `confidence` is how likely each stretch is right.

    Raises:
        NoNeuronError: if nothing passes the threshold, or nothing of it is long enough.
        InputError: if a soma of the settings lies outside the stack, or the stack has another shape than the map.
    """
    probability = _map_of(probability)
    way_out = (
        "those of the network are for segment(), both for reconstruct(): ReconstructSettings(segment=..., trace=...)"
    )
    settings = checked_settings(settings, TraceSettings, "trace", way_out)
    stack = None if stack is None else stack_of(stack, "trace", voxel_size=probability.voxel_size)
    grey = None if stack is None else grey_of(stack, probability)
    field = field_of(probability, settings)
    cloud = field.cloud
    somata = find_somata(cloud, field.depth, probability, settings, several=grey is not None)
    if not somata and grey is not None and settings.find_somata:
        somata = sure_bodies(cloud, field.depth, probability.soma, grey)
    if is_cut_off(stack, settings):
        somata = largest_somata(somata)
    spur_px = spur_limit(settings, voxel_edges(probability.voxel_size))
    skeleton = grown(field, field.cost, somata, spur_px=spur_px)
    ground = Ground(probability.neurite, cloud.spacing, cloud.low)
    light_of = None if grey is None else lambda made: light_at(grey, made, cloud.spacing)
    skeleton, promise = refine(skeleton, ground, probability, settings, light_of)
    skeleton = seated(skeleton, ground, grey, probability, settings)
    tree = with_calibre(finish(skeleton, cloud, field.evidence, probability, settings), grey, probability)
    tree = without_inner_branches(tree, probability)
    tree = dataclasses.replace(long_enough(tree, probability, settings), promise=promise)
    tree = told(tree, probability) if settings.kinds else tree
    again = partial(trace, probability, stack=stack)
    return tree if settings.missing is None else with_ways_on(tree, probability, settings, again)


def with_ways_on(
    tree: Tree, probability: Probability, settings: TraceSettings, trace_again: Callable[[TraceSettings], Tree]
) -> Tree:
    """Return the tree with the ways on that a second, generous tracing goes and the tree does not.

    Both are compared in micrometres where the voxel size is known: in voxels a plane would count no more than a pixel.
    `trace_again` traces the same map with other settings.
    """
    edges, again = voxel_edges(probability.voxel_size), generous(probability, settings)
    isotropic = tree.unit == "um" or probability.voxel_size is None
    xyz = np.ones(3) if isotropic else (edges * (probability.planes, 1, 1))[::-1]
    seen = tree if isotropic else dataclasses.replace(tree, xyz=tree.xyz * xyz, unit="um")
    ways = ways_on(seen, lambda: trace_again(again), settings.missing or 0.0, float(edges.min()))
    return dataclasses.replace(tree, left_out=ways if isotropic else tuple(in_voxels(way, tree, xyz) for way in ways))


def in_voxels(way: LeftOut, tree: Tree, edges: NDArray[np.float64]) -> LeftOut:
    """Return a way on from a tree in voxels, which comes in micrometres; `edges` (3,) are those of a voxel, x first."""
    xyz = way.xyz / edges
    steps = np.diff(np.concatenate([tree.xyz[[way.row]], xyz]), axis=0)
    px, um = (float(np.linalg.norm(steps * size, axis=1).sum()) for size in (np.ones(3), edges))
    return dataclasses.replace(way, xyz=xyz, length=way.length * px / um)


def _map_of(given: Probability | str | Path) -> Probability:
    """Return a probability; a path is read.

    Raises:
        InputError: if it is anything else: a bare array may as well be a grey stack.
    """
    if isinstance(given, str | Path):
        return read_probability(given)
    grey = "trace(evidence_of(stack), stack=stack) traces a grey stack, reconstruct(stack) runs the network first"
    way_out = f"Probability(array, voxel_size) makes one of a map of uint8, 0 to 255; {grey}"
    return expected(given, Probability, "trace takes a Probability or the path of one", way_out)


def is_cut_off(stack: Stack | None, settings: TraceSettings) -> bool:
    """Return whether the findings of a grey stack say saturated; its somata are then checked, but not those of the user."""
    return stack is not None and not settings.soma and any(f.name == "saturated" for f in warnings_of(stack.findings))


def grey_of(stack: Stack, probability: Probability) -> Volume:
    """Return the voxels (Z, Y, X) of a grey stack on the grid of the probability that was made from it.

    Its padding has the value of the ground, and floats are as large as 8 bit grey values.

    Raises:
        InputError: if they have different shapes.
    """
    stack = fill(scaled_floats(without_padding(stack, padding_of(stack))), probability.planes)
    if stack.shape != probability.shape:
        what, shape = stack.source or "the stack", probability.shape
        raise InputError(
            f"{what} has shape {stack.shape}, its probability {shape}; give the stack that it was made from"
        )
    return stack.data


def refine(
    skeleton: Skeleton, ground: Ground, probability: Probability, settings: TraceSettings, light_of: LightOf | None
) -> tuple[Skeleton, float]:
    """Join the grown skeleton across gaps and prune it; the `p` of the result is its confidence.

    The second value is the mean confidence by length, before the last step removes doubtful stretches.

    `light_of` returns the light of the grey stack at the nodes of a skeleton, if there is a stack.

    Raises:
        NoNeuronError: if nothing is left.
    """
    edges, spacing = voxel_edges(probability.voxel_size), ground.spacing
    skeleton, links = bridge(skeleton, ground, settings.gap_px)
    skeleton = hung_on_roots(skeleton, links)
    skeleton = without_spurs(skeleton, spacing, settings, edges)
    if light_of is not None:
        skeleton = cut_tails(skeleton, light_of, probability.shape, probability.planes)
    for _ in range(SHARED):
        skeleton = hung_on_roots(skeleton, share(skeleton, spacing))
    skeleton = hung_on_roots(skeleton, uncross(skeleton, spacing))
    skeleton, links = reach(skeleton, ground, settings.reach_px)
    skeleton = hung_on_roots(skeleton, links)
    skeleton = without_fragments(skeleton, spacing, settings, edges)
    if probability.voxel_size is not None and settings.min_length is None and not settings.spines:
        skeleton = cut_spines(skeleton, edges)
    light = None if light_of is None else light_of(skeleton)
    skeleton, confidence, promise = cut_doubtful(skeleton, spacing, light, settings.confidence, raw=probability.graded)
    if len(skeleton) < 2:
        what, least = probability.source or "the stack", asked(settings.confidence, promise)
        raise NoNeuronError(
            f"{what}: no neuron found: no stretch reaches confidence {least:.2g}; try trace --raw, or a lower --confidence"
        )
    return dataclasses.replace(skeleton, p=confidence), promise


def seated(
    skeleton: Skeleton, ground: Ground, grey: Volume | None, probability: Probability, settings: TraceSettings
) -> Skeleton:
    """Return the forest rooted at the cell bodies of the grey stack, if there is a stack and no soma was found."""
    if grey is None or settings.soma or not settings.find_somata or (skeleton.soma >= 0).any():
        return skeleton
    soma = probability.soma
    likely = None if soma is None else likely_around(skeleton, soma)
    joined = joined_to_far_body(skeleton, ground, soma, likely)
    return hung_on_bodies(joined, grey, soma, likely if joined is skeleton else None)


def hung_on_roots(skeleton: Skeleton, links: NDArray[np.int64]) -> Skeleton:
    """Return the nodes attached along the edges `links` (E, 2) to the best root of each piece."""
    return orient(skeleton, links, choose_roots(skeleton, links))


def without_spurs(
    skeleton: Skeleton, spacing: NDArray[np.float64], settings: TraceSettings, edges: NDArray[np.float64]
) -> Skeleton:
    """Return the skeleton without spurs; a limit that the user set is a length in his unit."""
    if settings.min_length is None:
        return cut_spurs(skeleton, spacing, Limits(0.0, settings.spur_px))
    return cut_spurs(skeleton, edges, Limits(settings.min_length, 0.0))


def without_fragments(
    skeleton: Skeleton, spacing: NDArray[np.float64], settings: TraceSettings, edges: NDArray[np.float64]
) -> Skeleton:
    """Return the skeleton without small pieces; a limit set by the user is a length in the unit of the tree."""
    stub = 0.0 if settings.soma else LEAST_PX  # somata given by the user are kept however short their neurites are
    if settings.fragments is None:
        return drop_fragments(skeleton, spacing, None, stub)
    return drop_fragments(skeleton, edges, settings.fragments, stub * float(edges.min()))


def finish(
    skeleton: Skeleton,
    cloud: Cloud,
    evidence: Float32s,
    probability: Probability,
    settings: TraceSettings,
    usual: float | None = None,
) -> Tree:
    """Return the tree in its unit: centred, smoothed, with radius, type and confidence.

    `usual` is the usual probability of a centre line; None measures it in the skeleton.
    """
    if usual is None:
        row = cloud.find(cloud.keys_of(skeleton.zyx.round().astype(np.int64)))
        usual = float(np.median(cloud.p[row[row >= 0]])) if (row >= 0).any() else cloud.low
    line = smooth(centre(skeleton, cloud, evidence), cloud.spacing, settings.smooth_px, settings.step_px)
    line = without_repeats(line, cloud.spacing)
    voxel_size = None if settings.units == "voxel" else probability.voxel_size
    edges, per_plane = voxel_edges(probability.voxel_size), np.array([probability.planes, 1, 1])
    edges = edges if voxel_size else edges / (edges * per_plane).min()
    radius = with_bodies(radius_at(cloud, line, edges, usual), line, skeleton, float(edges.min()))
    kind = np.where(line.soma >= 0, NodeType.SOMA, NodeType.UNDEFINED)
    unit: Unit = "um" if voxel_size else "voxel"
    bridged = ~has_evidence(cloud, line.zyx) & (kind == NodeType.UNDEFINED)
    zyx = line.zyx if voxel_size else line.zyx / per_plane
    return Tree(
        zyx_to_xyz(zyx, voxel_size),
        radius,
        parent=line.parent,
        type=kind,
        unit=unit,
        confidence=np.clip(line.p, 0, 1),
        bridged=bridged,
        step_px=settings.step_px,
    )


def with_bodies(radius: NDArray[np.float64], line: Line, skeleton: Skeleton, pixel: float) -> NDArray[np.float64]:
    """Return the radii (N,) of a line; a soma has at least the radius that the skeleton gives it.

    The map may show but a thin tube through a body. `pixel` is the shortest edge of a voxel in the unit of the radii.
    """
    known = np.zeros(max(skeleton.soma.max(initial=-1), line.soma.max(initial=-1)) + 2)
    np.maximum.at(known, skeleton.soma, skeleton.depth * pixel)
    known[-1] = 0.0  # of all that is no soma
    return np.maximum(radius, known[line.soma])


def without_inner_branches(tree: Tree, probability: Probability) -> Tree:
    """Return a tree with its final radii, without end branches inside of thick neurites; see `without_teeth`."""
    points, size = tree.xyz, probability.voxel_size
    if tree.unit == "voxel" and size is not None:
        edges = size.zyx * (probability.planes, 1, 1)  # of a voxel of the stack; the radii are in the shortest of them
        points = points * (edges / edges.min())[::-1]
    return without_teeth(tree, pixel_in_unit(tree, probability), points)


def long_enough(tree: Tree, probability: Probability, settings: TraceSettings) -> Tree:
    """Return a tree that is more than a speck.

    Raises:
        NoNeuronError: if it is not.
    """
    what = probability.source or "the stack"
    if len(tree) < 2:
        raise NoNeuronError(f"{what}: no neuron found: nothing in it is longer than a speck")
    least = LEAST_NEURON_PX * pixel_in_unit(tree, probability)
    if settings.min_length is None and tree.cable_length < least and not (tree.type == NodeType.SOMA).any():
        raise NoNeuronError(f"{what}: no neuron found: all that is there is {tree.cable_length:.1f} {tree.unit} long")
    return tree


def pixel_in_unit(tree: Tree, probability: Probability) -> float:
    """Return the length of a pixel in the unit of a tree."""
    return float(voxel_edges(probability.voxel_size).min()) if tree.unit == "um" else 1.0


def has_evidence(cloud: Cloud, zyx: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (N, 3) in voxels lie in the foreground, or beside a voxel of it."""
    keys = cloud.keys_of(zyx.round().astype(np.int64))
    found = cloud.find(keys) >= 0
    dark = np.flatnonzero(~found)
    for offset in OFFSETS @ cloud.strides:
        found[dark] |= cloud.find(keys[dark] + offset) >= 0
    return np.asarray(found)


def without_repeats(line: Line, spacing: NDArray[np.float64]) -> Line:
    """Remove the nodes of a line that coincide with their parent; their children are attached to the parent."""
    from neurorecon.tracing.kernels.line_kernels import find_repeats

    parent, keep = line.parent.copy(), np.ones(len(line.parent), bool)
    find_repeats(line.zyx * spacing, parent, 0.05, keep)
    rename = np.full(len(parent) + 1, -1, np.int64)
    rename[:-1][keep] = np.arange(keep.sum())
    return Line(line.zyx[keep], rename[parent[keep]], line.p[keep], line.soma[keep])
