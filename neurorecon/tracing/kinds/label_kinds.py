"""Axon, dendrite or apical dendrite: the kind of each neurite, where it is certain."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurorecon.core.errors import InputError, expected
from neurorecon.core.geometry import VoxelSize, voxel_size_of
from neurorecon.core.probability import Probability
from neurorecon.core.tree import NodeType, Tree
from neurorecon.swc import read_swc
from neurorecon.tracing.kinds.boosted_trees import KindModel, kind_model
from neurorecon.tracing.kinds.pooled import views_of
from neurorecon.tracing.kinds.section_features import features_of
from neurorecon.tracing.kinds.sections import Floats, Sections, sections_of

__all__ = ["LEAST_PROBABILITY", "with_kinds", "with_kinds_if_certain"]

log = logging.getLogger(__name__)

# share of the cable: where more has no known calibre, axons were called dendrites (benchmarks/kinds.py --traced)
MOST_UNRESOLVED = 0.5
LEAST_PROBABILITY = 0.9  # from which a neurite gets a kind: at least 9 of 10 are right then (benchmarks/kinds.py)


@dataclass(frozen=True, slots=True, eq=False)
class SectionKinds:
    """The S sections of a tree, and the `probability` (S, K) of each kind of the model."""

    sections: Sections
    probability: Floats


def with_kinds(
    tree: Tree | str | Path, voxel_size: VoxelSize | None = None, *, least: float = LEAST_PROBABILITY
) -> Tree:
    """Return a tree whose nodes have the type of their neurite: 2 axon, 3 dendrite, 4 apical dendrite; 0 where uncertain.

    Former types are replaced, except 1 (soma). The tree is that of a vertebrate neuron (docs/kinds.md). The model was fitted to
    whole and to partly traced neurons of rodents, cats, guinea pigs and humans, and to fly neurons, which have no kinds here.

    Args:
        tree: a Tree or the path of an SWC file, in micrometres or, with `voxel_size`, in voxels.
        voxel_size: (z, y, x) in micrometres; needed for a tree in voxels.
        least: probability (0.5 to 1) from which a neurite gets a kind.

    Raises:
        InputError: if the tree is in voxels and their size is unknown, or `least` is out of range.
    """
    found = read_swc(tree) if isinstance(tree, str | Path) else tree
    tree = expected(found, Tree, "with_kinds takes a Tree or the path of an SWC file")
    if not 0.5 <= least <= 1:
        raise InputError(f"least is {least}; a probability from 0.5 to 1 is needed")
    kinds = probabilities(_in_um(tree, voxel_size_of(voxel_size)), kind_model())
    return _typed(tree, kinds, least)


def with_kinds_if_certain(tree: Tree, probability: Probability) -> Tree:
    """Return a tree traced in a map, with kinds; unchanged, with a warning, where voxel size or calibre is unknown."""
    size = probability.voxel_size
    if size is None:
        log.warning(
            "%s: kinds of neurites need lengths in micrometres, and the voxel size is unknown; give --voxel-size",
            probability.source or "the stack",
        )
        return tree
    if tree.finest is not None and _below(tree, tree.finest) > MOST_UNRESOLVED:
        log.warning(
            "%s: %.0f %% of the cable is thinner than the optics resolve, so kinds of neurites stay undefined",
            probability.source or "the stack", 100 * _below(tree, tree.finest),
        )  # fmt: skip
        return tree
    return with_kinds(tree, VoxelSize(size.z * probability.planes, size.y, size.x))


def _below(tree: Tree, radius: float) -> float:
    """Return the share (0 to 1) of the cable of neurites, without somata, that is thinner than a radius."""
    length = np.where(tree.type == NodeType.SOMA, 0.0, tree.edge_length)
    return float(length[tree.radius < radius].sum() / max(length.sum(), 1e-9))


def probabilities(tree: Tree, model: KindModel) -> SectionKinds:
    """Return the probabilities of the kinds of all sections of a tree in um."""
    sections = sections_of(tree)
    alone = model.forest.log_probability(features_of(sections))
    return SectionKinds(sections, model.pool.probability(views_of(alone, sections)))


def _in_um(tree: Tree, size: VoxelSize | None) -> Tree:
    """Return a tree in micrometres."""
    if tree.unit == "um":
        return tree
    if size is None:
        raise InputError("the kinds of a tree in voxels need the voxel size; give voxel_size=(z, y, x) in micrometres")
    edges = np.array(size.zyx)
    return replace(tree, xyz=tree.xyz * edges[::-1], radius=tree.radius * edges.min(), unit="um")


def _typed(tree: Tree, found: SectionKinds, least: float) -> Tree:
    """Return the tree with types, where they are certain, and the probability of the likeliest kind of each node."""
    kinds = kind_model().kinds
    columns = np.flatnonzero(kinds != NodeType.UNDEFINED)
    likely = found.probability[:, columns]
    best = likely.argmax(1) if len(likely) else np.zeros(0, np.int64)
    section = found.sections.of_node
    inside = section >= 0
    probability, kind = np.zeros(len(tree)), np.zeros(len(tree), np.int64)
    if inside.any():
        probability[inside] = likely.max(1)[section[inside]]
        kind[inside] = kinds[columns][best][section[inside]]
    kind[probability < least] = NodeType.UNDEFINED
    kind[tree.type == NodeType.SOMA] = NodeType.SOMA
    return replace(tree, type=kind, kind_probability=probability)
