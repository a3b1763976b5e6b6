"""The settings of the tracer applied to one map: thresholds, lengths, edges of voxels, and the units of its tree."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize, xyz_to_zyx
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.tracing.settings import TraceSettings

__all__ = ["even_points", "pixel_in_unit", "spur_limit", "stack_edges", "thresholds", "voxel_edges"]


def thresholds(probability: Probability, settings: TraceSettings) -> tuple[float, float]:
    """Return the probabilities that make a neurite certain, and down to which a certain one is followed."""
    high = probability.certain if settings.threshold is None else settings.threshold
    return high, high * (probability.faint if settings.faint is None else settings.faint)


def voxel_edges(voxel_size: VoxelSize | None) -> NDArray[np.float64]:
    """Return the edges of a voxel (3,), zyx: micrometres, or 1 voxel where they are unknown."""
    return np.ones(3) if voxel_size is None else voxel_size.zyx


def stack_edges(probability: Probability) -> NDArray[np.float64]:
    """Return the edges of a voxel of the stack (3,), zyx: micrometres, or 1 voxel where they are unknown.

    The map may hold `probability.planes` planes for one plane of the stack; `voxel_edges` has the edges of the map.
    """
    return np.asarray(voxel_edges(probability.voxel_size) * (probability.planes, 1, 1), np.float64)


def even_points(tree: Tree, probability: Probability) -> NDArray[np.float64]:
    """Return the nodes of a tree as points (N, 3) with one unit along all axes: micrometres where they are known, else voxels.

    They are for distances: a tree in voxels counts planes along z and pixels along x and y. Axes are in the order of the tree,
    or z first where voxels become micrometres.
    """
    if tree.unit == "um" or probability.voxel_size is None:
        return tree.xyz
    return np.asarray(xyz_to_zyx(tree.xyz) * (probability.planes, 1, 1) * probability.voxel_size.zyx, np.float64)


def pixel_in_unit(tree: Tree, probability: Probability) -> float:
    """Return the length of a pixel in the unit of a tree."""
    return float(voxel_edges(probability.voxel_size).min()) if tree.unit == "um" else 1.0


def spur_limit(settings: TraceSettings, edges: NDArray[np.float64]) -> float:
    """Return the shortest end branch to be grown, in voxels; the later cut by length removes all shorter ones anyway."""
    return settings.spur_px if settings.min_length is None else min(settings.spur_px, settings.min_length / edges.min())
