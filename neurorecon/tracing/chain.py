"""The steps of the tracer in their order: probability in, tree out."""

import dataclasses
import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, NoNeuronError, expected
from neurorecon.core.filled import fill
from neurorecon.core.findings import warnings_of
from neurorecon.core.padding import padding_of, without_padding
from neurorecon.core.probability import Probability
from neurorecon.core.scaled_floats import scaled_floats
from neurorecon.core.stack import Stack, Volume
from neurorecon.core.tree import Tree
from neurorecon.io import checked_settings, read_probability, stack_of
from neurorecon.tracing.bridge import Ground, bridge
from neurorecon.tracing.confidence import MOST_RIGHT, cut_doubtful, cut_doubtful_by_own_level, least_confidence
from neurorecon.tracing.crossing import uncross
from neurorecon.tracing.field import field_of, grown
from neurorecon.tracing.finished_tree import as_tree, completed
from neurorecon.tracing.light import Light, LightOf, light_at
from neurorecon.tracing.limits import spur_limit, voxel_edges
from neurorecon.tracing.long_gaps import reach
from neurorecon.tracing.prune import LEAST_PX, Limits, choose_roots, cut_spines, cut_spurs, drop_fragments
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.soma.body import body_metric
from neurorecon.tracing.soma.far_body import joined_to_far_body
from neurorecon.tracing.soma.find_soma import find_somata, largest_somata
from neurorecon.tracing.soma.grey_body import likely_around
from neurorecon.tracing.soma.root_at_body import rooted_at_bodies
from neurorecon.tracing.soma.sure_body import sure_bodies
from neurorecon.tracing.tails import cut_tails
from neurorecon.tracing.touching import share

__all__ = [
    "grey_of",
    "rooted_along",
    "is_cut_off",
    "refine",
    "trace",
]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
SHARED = 2  # rounds of sharing: ends reassigned in round 1 can meet others in round 2

log = logging.getLogger(__name__)


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
        somata = sure_bodies(cloud, field.depth, probability.soma, grey, body_metric(probability.voxel_size))
    if is_cut_off(stack, settings):
        somata = largest_somata(somata)
    spur_px = spur_limit(settings, voxel_edges(probability.voxel_size))
    skeleton = grown(field, field.cost, somata, spur_px=spur_px)
    ground = Ground(probability.neurite, cloud.spacing, cloud.low, body_metric(probability.voxel_size))
    light_of = None if grey is None else lambda made: light_at(grey, made, cloud.spacing)
    skeleton, promise = refine(skeleton, ground, probability, settings, light_of)
    skeleton = rooted_at_somata(skeleton, ground, grey, probability, settings)
    tree = as_tree(skeleton, cloud, field.evidence, probability, settings)
    again = partial(trace, probability, stack=stack)
    return completed(tree, grey, probability, settings, promise=promise, trace_again=again)


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
    skeleton = rooted_along(skeleton, links)
    skeleton = without_spurs(skeleton, spacing, settings, edges)
    if light_of is not None:
        skeleton = cut_tails(skeleton, light_of, probability.shape, probability.planes)
    for _ in range(SHARED):
        skeleton = rooted_along(skeleton, share(skeleton, spacing, ground.body_spacing))
    skeleton = rooted_along(skeleton, uncross(skeleton, spacing))
    skeleton, links = reach(skeleton, ground, settings.reach_px)
    skeleton = rooted_along(skeleton, links)
    skeleton = without_fragments(skeleton, spacing, settings, edges)
    if probability.voxel_size is not None and settings.min_length is None and not settings.spines:
        skeleton = cut_spines(skeleton, edges)
    light = None if light_of is None else light_of(skeleton)
    skeleton, confidence, promise = without_doubtful(skeleton, spacing, light, probability, settings)
    if len(skeleton) < 2:
        what, least = probability.source or "the stack", least_confidence(settings.confidence, promise)
        raise NoNeuronError(
            f"{what}: no neuron found: no stretch reaches confidence {least:.2g}; "
            f"try trace --raw, or {how_to_keep(probability)}"
        )
    return dataclasses.replace(skeleton, p=confidence), promise


def without_doubtful(
    skeleton: Skeleton,
    spacing: NDArray[np.float64],
    light: Light | None,
    probability: Probability,
    settings: TraceSettings,
) -> tuple[Skeleton, NDArray[np.float64], float]:
    """Return what `cut_doubtful` returns; a map that neurorecon did not make is judged by its own level if need be."""
    cut = cut_doubtful(skeleton, spacing, light, settings.confidence, raw=probability.graded)
    if cut[2] >= MOST_RIGHT or not probability.foreign:
        return cut
    what = probability.source or "the map"
    by_own_level = cut_doubtful_by_own_level(skeleton, spacing, light, settings.confidence)
    if by_own_level is not None:
        log.warning(
            "%s: even clear neurites have lower values than in the maps of neurorecon's networks; confidences are by the "
            "level of this map, and less certain",
            what,
        )
        return by_own_level
    if len(cut[0]) > 1 and settings.confidence:
        log.warning(
            "%s: most of what is in it is left out as doubtful; to keep it try %s", what, how_to_keep(probability)
        )
    return cut


def how_to_keep(probability: Probability) -> str:
    """Return what to try where too much is left out as doubtful."""
    return (
        "--confidence 0 (a blurred map, or one of another program?)" if probability.foreign else "a lower --confidence"
    )


def rooted_at_somata(
    skeleton: Skeleton, ground: Ground, grey: Volume | None, probability: Probability, settings: TraceSettings
) -> Skeleton:
    """Return the forest rooted at the cell bodies of the grey stack, if there is a stack and no soma was found."""
    if grey is None or settings.soma or not settings.find_somata or (skeleton.soma >= 0).any():
        return skeleton
    soma = probability.soma
    likely = None if soma is None else likely_around(skeleton, soma)
    joined = joined_to_far_body(skeleton, ground, soma, likely)
    return rooted_at_bodies(
        joined, grey, soma, likely if joined is skeleton else None, spacing=body_metric(probability.voxel_size)
    )


def rooted_along(skeleton: Skeleton, links: NDArray[np.int64]) -> Skeleton:
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
