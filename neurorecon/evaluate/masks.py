"""Scores of a mask against its gold standard. clDice after Shit et al. 2021; definitions in METRICS.md."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurorecon.core.errors import InputError
from neurorecon.evaluate.trees import ratio

__all__ = ["MaskScores", "score_masks"]

Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MaskScores:
    """How well a mask agrees with its gold standard.

    Attributes:
        dice: 2 * both / (pred + gold).
        hd95: 95th percentile of the surface distances each way, the larger of the two, in the unit of the spacing.
        cldice: harmonic mean of the shares of each skeleton that lie inside the other mask.
    """

    dice: float
    hd95: float
    cldice: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by the keys of METRICS.md, in its order."""
        return asdict(self)


def score_masks(pred: ArrayLike, gold: ArrayLike, *, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> MaskScores:
    """Score a mask against its gold standard.

    Args:
        pred: (Z, Y, X), voxels that are not 0 count.
        gold: (Z, Y, X) likewise.
        spacing: edge lengths of a voxel, zyx, in the unit wanted for hd95.

    Returns:
        The scores; 1, 0, 1 where both are empty, and 0, infinite, 0 where one is.

    Raises:
        InputError: if a mask is not 3D, the two differ in shape, or the spacing is not three numbers above 0.
    """
    p, g = np.asarray(pred) != 0, np.asarray(gold) != 0
    if p.shape != g.shape or p.ndim != 3:
        raise InputError(
            f"masks of shapes {p.shape} and {g.shape} cannot be compared; two 3D masks of one shape are needed"
        )
    lengths = np.asarray(spacing, dtype=np.float64)
    if lengths.shape != (3,) or not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError(f"the spacing is {tuple(spacing)}; three numbers above 0 are needed, as Z,Y,X")
    if not p.any() or not g.any():
        same = bool(p.any() == g.any())
        return MaskScores(float(same), 0.0 if same else math.inf, float(same))
    box = _bounds(p | g)
    p, g = np.ascontiguousarray(p[box]), np.ascontiguousarray(g[box])
    dice = 2 * int((p & g).sum()) / (int(p.sum()) + int(g.sum()))
    return MaskScores(float(dice), _hd95(p, g, lengths), _cldice(p, g))


def _bounds(mask: Mask) -> tuple[slice, ...]:
    """Return the slices of the smallest box that holds a mask: voxels outside do not change a score, and neurons are sparse."""
    slices = []
    for axis in range(mask.ndim):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        slices.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(slices)


def _surface(mask: Mask) -> NDArray[np.int64]:
    """Return the zyx indices (N, 3) of voxels with a 6-neighbour outside the mask; beyond the border is outside."""
    padded = np.pad(mask, 1)
    inside = mask.copy()
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inside &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return np.argwhere(mask & ~inside)


def _hd95(pred: Mask, gold: Mask, spacing: NDArray[np.float64]) -> float:
    """Return the larger 95th percentile of surface distances.

    By a search tree over surface voxels: the same as a distance transform of the volume, for the memory of the surface.
    """
    from scipy.spatial import cKDTree

    p, g = _surface(pred) * spacing, _surface(gold) * spacing
    to_gold = cKDTree(g).query(p)[0]
    to_pred = cKDTree(p).query(g)[0]
    return float(max(np.percentile(to_gold, 95), np.percentile(to_pred, 95)))


def _cldice(pred: Mask, gold: Mask) -> float:
    skeleton_p, skeleton_g = _skeleton(pred, "prediction"), _skeleton(gold, "gold")
    precision = ratio(int((skeleton_p & gold).sum()), int(skeleton_p.sum()))
    recall = ratio(int((skeleton_g & pred).sum()), int(skeleton_g.sum()))
    return ratio(2 * precision * recall, precision + recall)


def _skeleton(mask: Mask, name: str) -> Mask:
    """Return the skeleton of Lee et al. 1994, as METRICS.md defines it, and warn if it lost a whole component.

    scikit-image 0.26 erases bars of 2x2, 4x4 and 6x6 voxels altogether (its issue 3757), and small clumps. The score
    has to equal that of other programs, so a warning is logged and the skeleton is not repaired.
    """
    from scipy.ndimage import label
    from skimage.morphology import skeletonize

    thin: Any = skeletonize  # published without types
    skeleton: Mask = np.asarray(thin(mask)) > 0
    components, count = label(mask, structure=np.ones((3, 3, 3)))
    kept: Any = np.unique(components[skeleton])
    lost = int(count) - len(kept)
    if lost:
        log.warning("%s: scikit-image gives no skeleton to %d of %d components; cldice counts none", name, lost, count)
    return skeleton
