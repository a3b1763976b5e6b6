"""From a map to the skeleton grown in it, for whole stacks and for the parts of a large volume alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.probability import Probability
from neurorecon.tracing.cost import depth_of, smooth_evidence, travel_cost
from neurorecon.tracing.cover import Cover
from neurorecon.tracing.foreground import UNCUT, Cloud, Cut, Float32s, make_cloud
from neurorecon.tracing.geodesic import find_ways
from neurorecon.tracing.grow import grow
from neurorecon.tracing.limits import thresholds
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.body import Soma

__all__ = ["Field", "field_of", "grown"]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """The foreground of a map, and the two values of its voxels on which all ways through it depend.

    Attributes:
        cloud: the foreground, N voxels.
        depth: (N,) distance to the background.
        evidence: (N,) smoothed probability.
    """

    cloud: Cloud
    depth: Float32s
    evidence: Float32s

    @property
    def worth(self) -> Float32s:
        """How good each voxel is as the root of a piece, (N,)."""
        return self.depth * self.evidence

    @property
    def cost(self) -> NDArray[np.float64]:
        """The cost of a step, (N,); computed on each call."""
        return travel_cost(self.cloud, self.depth, self.evidence)


def field_of(probability: Probability, settings: TraceSettings, cut: Cut = UNCUT) -> Field:
    """Return the field of a map; `cut` marks the sides (3, 2) beyond which a larger map continues.

    Raises:
        NoNeuronError: if nothing passes the threshold.
    """
    cloud = make_cloud(probability, *thresholds(probability, settings), cut)
    return Field(cloud, depth_of(cloud), smooth_evidence(cloud))


def grown(
    field: Field, cost: NDArray[np.float64], somata: list[Soma], *, spur_px: float, height: float | None = None
) -> Skeleton:
    """Return the skeleton of a field: the longest cheapest ways to a soma, or to the best voxel of a piece without one.

    Args:
        field: of the map.
        cost: (N,) of a step, `field.cost`.
        somata: they become the first nodes, and roots.
        spur_px: end branches that are shorter are not grown.
        height: of neurites by their width; measured in the field where None.
    """
    ways = find_ways(field.cloud, cost, pick_sources(field.cloud, field.worth, somata))
    return grow(Cover(field.cloud, field.depth, field.evidence, height), field.depth, ways, somata, spur_px)


def pick_sources(cloud: Cloud, worth: Float32s, somata: list[Soma]) -> NDArray[np.int64]:
    """Return the rows where ways end: all rows of the somata, and the best row of every component without one."""
    best, label = cloud.best_rows(worth)
    taken = np.concatenate([np.zeros(0, np.int64), *(soma.rows for soma in somata)])
    free = np.ones(len(best), bool)
    free[label[taken]] = False
    return np.concatenate([taken, best[free]])
