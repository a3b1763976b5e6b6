"""From the pruned skeleton to the tree: centre line, smoothing, radius, type and unit; then the steps that need the radius."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.forest import renumbered
from neurorecon.core.geometry import zyx_to_xyz
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Volume
from neurorecon.core.tree import NodeType, Tree, Unit
from neurorecon.tracing.beyond import with_ways_on
from neurorecon.tracing.calibre import with_calibre
from neurorecon.tracing.foreground import OFFSETS, Cloud, Float32s
from neurorecon.tracing.kinds.label_kinds import with_kinds_if_certain
from neurorecon.tracing.limits import even_points, pixel_in_unit, stack_edges, voxel_edges
from neurorecon.tracing.radius import radius_at
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.smooth import Line, centre, smooth
from neurorecon.tracing.teeth import without_teeth

__all__ = ["as_tree", "completed"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
LEAST_NEURON_PX = 15.0  # cable of all pieces: a network that is given noise answers with specks of 5 to 12 voxels
SAME_PLACE = 0.05  # of the shortest edge: nodes that lie nearer coincide


def as_tree(
    skeleton: Skeleton,
    cloud: Cloud,
    evidence: Float32s,
    probability: Probability,
    settings: TraceSettings,
    *,
    usual: float | None = None,
) -> Tree:
    """Return a pruned skeleton as a tree in its unit: centred, smoothed, with radius, type and confidence.

    Args:
        skeleton: one tree or a forest, nodes in voxels of the map; its `p` is the confidence.
        cloud: the foreground around it.
        evidence: (N,) smoothed probability of the cloud.
        probability: the map.
        settings: those of the tracing.
        usual: usual probability of a centre line, 0 to 1; None measures it in the skeleton.
    """
    if usual is None:
        row = cloud.find(cloud.keys_of(skeleton.zyx.round().astype(np.int64)))
        usual = float(np.median(cloud.p[row[row >= 0]])) if (row >= 0).any() else cloud.low
    line = smooth(centre(skeleton, cloud, evidence), cloud.spacing, settings.smooth_px, settings.step_px)
    line = without_repeats(line, cloud.spacing)
    voxel_size = None if settings.units == "voxel" else probability.voxel_size
    edges = voxel_edges(probability.voxel_size)
    edges = edges if voxel_size else edges / stack_edges(probability).min()
    radius = with_bodies(radius_at(cloud, line, edges, usual), line, skeleton, float(edges.min()))
    kind = np.where(line.soma >= 0, NodeType.SOMA, NodeType.UNDEFINED)
    unit: Unit = "um" if voxel_size else "voxel"
    bridged = ~has_evidence(cloud, line.zyx) & (kind == NodeType.UNDEFINED)
    zyx = line.zyx if voxel_size else line.zyx / (probability.planes, 1, 1)
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


def completed(
    tree: Tree,
    grey: Volume | None,
    probability: Probability,
    settings: TraceSettings,
    *,
    promise: float,
    trace_again: Callable[[TraceSettings], Tree],
) -> Tree:
    """Return the tree after the steps that need its radii: inner branches are cut, kinds are labelled, ways on are listed.

    Args:
        tree: one tree or a forest from `as_tree`.
        grey: the grey stack (Z, Y, X) on the grid of the map, where it is known: radii are measured in its light.
        probability: the map that the tree was traced in.
        settings: those of the tracing.
        promise: mean confidence by length before doubtful stretches were cut.
        trace_again: traces the same map with other settings; called for `settings.missing`.

    Raises:
        NoNeuronError: if the tree is no more than a speck.
    """
    tree = without_inner_branches(with_calibre(tree, grey, probability), probability)
    tree = replace(long_enough(tree, probability, settings), promise=promise, step_px=settings.step_px)
    tree = with_kinds_if_certain(tree, probability) if settings.kinds else tree
    return tree if settings.missing is None else with_ways_on(tree, probability, settings, trace_again)


def without_inner_branches(tree: Tree, probability: Probability) -> Tree:
    """Return a tree with its final radii, without end branches inside of thick neurites; see `without_teeth`."""
    points = even_points(tree, probability)
    if tree.unit == "voxel":
        points = points / stack_edges(probability).min()  # the unit of the radii
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
    find_repeats(line.zyx * spacing, parent, SAME_PLACE, keep)
    return Line(line.zyx[keep], renumbered(parent, np.flatnonzero(keep)), line.p[keep], line.soma[keep])
