"""Check that blocks do not change the trees: the surroundings of some seams are traced again in one piece, and compared.

The grown skeletons are compared: later steps (fragments, confidence) need the whole tree and cannot be judged from a part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import zyx_to_xyz
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.tracing import Box, Part, TraceSettings, grow_parts, trace_part
from neurorecon.volumes.trace_in_blocks import TracedVolume

__all__ = ["SeamScore", "seam_scores"]

# Set by hand; not tuned, unless a line says more.
HALF = 64  # voxels to each side of a place at a seam
SEED = 0  # of the places: the same call checks the same ones


@dataclass(frozen=True, slots=True)
class SeamScore:
    """How well the tree in blocks agrees with that in one piece around a seam.

    Attributes:
        place: (z, y, x) voxel in the middle.
        f1: of the two within 3 voxels, over the 128 voxels around.
        cable: length of the tree in blocks there, in voxels.
    """

    place: tuple[int, int, int]
    f1: float
    cable: float

    @property
    def line(self) -> str:
        """The score as a line for people."""
        z, y, x = self.place
        where = f"seam at z={z} y={y} x={x}"
        return f"{where}: F1 {self.f1:.3f} of the tree in blocks ({self.cable:.0f} voxels) to that in one piece"


def seam_scores(volume: TracedVolume, settings: TraceSettings, sample: int) -> list[SeamScore]:
    """Return the scores at `sample` places where a neurite leaves a block, or as many as there are.

    The places are drawn evenly among all of them, each time the same ones.
    """
    probability = volume.probability
    skeleton = grow_parts(probability, volume.parts, volume.stack, settings)
    places = np.unique(np.concatenate([passages(part) for part in volume.parts]), axis=0)
    chosen = np.random.default_rng(SEED).permutation(places)[:sample]
    scores = []
    for zyx in chosen[np.lexsort(chosen.T[::-1])]:
        box = around(zyx, probability.shape)
        whole = trace_part(probability, box, settings, volume.height)
        trees = [
            clipped(skeleton.zyx, skeleton.parent, box),
            clipped(whole.zyx.astype(np.float64), whole.parent, box),
        ]
        z, y, x = zyx.tolist()
        scores.append(SeamScore((z, y, x), score_trees(*trees).f1, trees[0].cable_length))
    return scores


def passages(part: Part) -> NDArray[np.int64]:
    """Return the voxels (N, 3) at which sure branches of a part leave its core, whether they go on there or not."""
    inside = part.core.holds(part.zyx)
    child = np.flatnonzero((part.parent >= 0) & part.sure)
    crossing = child[inside[child] != inside[part.parent[child]]]
    return np.asarray(part.zyx[np.where(inside[crossing], crossing, part.parent[crossing])], np.int64)


def around(zyx: NDArray[np.int64], shape: tuple[int, int, int]) -> Box:
    """Return the box around a voxel, within a volume."""
    low = np.maximum(zyx - HALF, 0).tolist()
    high = np.minimum(zyx + HALF, shape).tolist()
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def clipped(zyx: NDArray[np.float64], parent: NDArray[np.int64], box: Box) -> Tree:
    """Return the part of a skeleton within a box, in voxels."""
    tree = Tree(zyx_to_xyz(zyx), np.ones(len(zyx)), parent, unit="voxel")
    return tree.take(np.flatnonzero(box.holds(zyx)))
