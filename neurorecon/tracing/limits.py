"""The settings of the tracer applied to one map: thresholds, lengths and edges of voxels."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.tracing.settings import TraceSettings

__all__ = ["spur_limit", "thresholds", "voxel_edges"]


def thresholds(probability: Probability, settings: TraceSettings) -> tuple[float, float]:
    """Return the probabilities that make a neurite certain, and down to which a certain one is followed."""
    high = probability.certain if settings.threshold is None else settings.threshold
    return high, high * (probability.faint if settings.faint is None else settings.faint)


def voxel_edges(voxel_size: VoxelSize | None) -> NDArray[np.float64]:
    """Return the edges of a voxel (3,), zyx: micrometres, or 1 voxel where they are unknown."""
    return np.ones(3) if voxel_size is None else voxel_size.zyx


def spur_limit(settings: TraceSettings, edges: NDArray[np.float64]) -> float:
    """Return the shortest end branch to be grown, in voxels; the later cut by length removes all shorter ones anyway."""
    return settings.spur_px if settings.min_length is None else min(settings.spur_px, settings.min_length / edges.min())
