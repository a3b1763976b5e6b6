"""What may be a cell body: the types that the search for somata passes on, and the levels by which bodies are named.

The rules that choose somata among bodies stand in `find_soma.py`. `foreground_bodies.py` finds bodies in a foreground, and
`parts.part.Part` keeps those of a part of a volume; both are a `BodySource`.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize, relative_edges

__all__ = [
    "BALL",
    "LIKELY_SOMA",
    "NEARLY_LARGEST",
    "SURE_SOMA",
    "Body",
    "BodySource",
    "Ridge",
    "Soma",
    "body_metric",
    "radius_along",
]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
SURE_SOMA = 128  # of 255, in the soma map
LIKELY_SOMA = 76  # of 255: bodies of real stacks reach 80 to 120, neurites stay below but for thin rims
# of the radius of the largest soma; chosen on one saturated stack with false ones of 0.51 and 0.67
NEARLY_LARGEST = 0.75
BALL = -1  # in place of a level, by convention: the body of the thickest place


@dataclass(frozen=True, slots=True)
class Soma:
    """A cell body.

    Attributes:
        zyx: (3,) centre in voxels.
        radius: in units of the shortest edge of a voxel.
        rows: rows of the cloud that belong to it, at least one; in a part of a volume their places in the volume.
    """

    zyx: NDArray[np.float64]
    radius: float
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Body:
    """What may be a soma.

    Attributes:
        soma: all of the body.
        radius: of the part of it that the soma map shows, or of the thickest ball, in shortest edges of a voxel; 0 where the
        map
            shows only a few voxels.
        deepest: largest depth in that part, in shortest edges of a voxel.
        full: whether its surroundings are as full as in a tangle.
    """

    soma: Soma
    radius: float
    deepest: float
    full: bool = False


class Ridge(NamedTuple):
    """Depths along the middles of neurites: each value, ascending, and how often it is there; `deepest` of all voxels."""

    depth: NDArray[np.float64]
    times: NDArray[np.int64]
    deepest: float


class BodySource(Protocol):
    """The candidates for cell bodies in a volume, or in a part of one."""

    def mapped(self, level: int) -> list[Body]:
        """Return the compact bodies of the soma map at `level` (of 255).

        At LIKELY_SOMA these are also round bodies of which the map shows only a few voxels.
        """

    def ball(self) -> Body | None:
        """Return the thickest place, if it is thick."""

    def ridge(self, without: int) -> Ridge:
        """Return the depths of neurites outside of some bodies.

        `without` names the bodies: those mapped at SURE_SOMA, the largest one at LIKELY_SOMA, the ball (BALL), or none (0).
        """


def body_metric(voxel_size: VoxelSize | None) -> NDArray[np.float64]:
    """Return the edges of a voxel (3,) zyx in shortest edges: a cell body is larger than any blur, so its shape is as it is."""
    return relative_edges(voxel_size)


def radius_along(
    ways: NDArray[np.float64], radius: NDArray[np.float64], *, spacing: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the radii of cell bodies (N,) in the metric of neurites, in which planes may lie nearer than they do.

    Args:
        ways: (N, 3) voxels zyx, from the middles of the bodies, in whose direction they are measured.
        radius: (N,) in the metric of bodies.
        spacing: (3,) edges of a voxel in the metric of neurites (`foreground.shape_metric`).
        edges: (3,) likewise in that of bodies (`body_metric`).
    """
    true = np.linalg.norm(ways * edges, axis=-1)
    return np.asarray(radius * np.linalg.norm(ways * spacing, axis=-1) / np.where(true > 0, true, 1), np.float64)
