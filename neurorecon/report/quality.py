"""Estimate the quality of a tree without a truth."""

import logging
import math
from dataclasses import asdict, dataclass

import numpy as np

from neurorecon.core.tree import Tree
from neurorecon.report.stretches import pixel_of

__all__ = ["Quality", "Signs", "predicted_f1", "quality_of", "signs_of_error", "warn_if_doubtful"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
MARGIN_PX = 10.0  # round the box of a tree: a straight neurite fills no volume
DENSE = -2.75  # log10 of cable a voxel: 1 tree in 50 of the training neurons has more, 7 in 10 in textured haze
# benchmarks/fit_quality.py, on training neurons of lifted, hard and dim, on real_3d cross-validated, and on floods
DOUBT, UNSURE, CROWDED = 0.438, 1.438, 3.723
DOUBTFUL = 0.5  # predicted F1 below which a result comes with a warning: half of the cable is wrong, or missing


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of error, each 0 for a tree without fault, and none of them dependent on the unit of the tree.

        doubt   = sum of length * (1 - confidence) / sum of length
        unsure  = (1 - promise)^2, the mean doubt in all traced cable before doubtful stretches were removed
        crowded = max(0, log10(cable / volume of its box) - DENSE), in pixels

    Attributes:
        doubt, unsure, crowded: as above; if the promise is unknown, the mean confidence replaces it.
    """

    doubt: float
    unsure: float
    crowded: float


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of a result as a whole.

    Attributes:
        predicted_f1: the F1 (METRICS.md) that it is likely to reach.
        doubtful: it is below DOUBTFUL: most likely a flood, cable where the stack has texture.
        promise: see Tree.
        cable_per_voxel: of the box of the tree.
    """

    predicted_f1: float
    doubtful: bool
    promise: float | None
    cable_per_voxel: float

    def as_dict(self) -> dict[str, float | bool | None]:
        """Return it as plain JSON values."""
        return asdict(self)


def predicted_f1(tree: Tree) -> float | None:
    """Return the F1 (METRICS.md) that a tree is likely to reach, 0 to 1; None where its confidence is unknown.

        F1 = exp(-(DOUBT * doubt + UNSURE * unsure + CROWDED * crowded))

    with the `Signs` of the tree. If much of the traced cable was removed, the map is unreliable, and the remaining cable is
    worse than its confidence. A neurite that the map does not show cannot lower this estimate.
    """
    signs = signs_of_error(tree)
    if signs is None:
        return None
    loss = DOUBT * signs.doubt + UNSURE * signs.unsure + CROWDED * signs.crowded
    return round(math.exp(-loss), 6)


def signs_of_error(tree: Tree) -> Signs | None:
    """Return the signs of error of a tree; None without cable or where its confidence is unknown."""
    length = tree.edge_length if len(tree) else np.zeros(0)
    if tree.confidence is None or not length.any():
        return None
    share = length / length.sum()
    doubt = float((share * (1 - tree.confidence)).sum())
    promise = 1 - doubt if tree.promise is None else tree.promise
    return Signs(doubt, (1 - promise) ** 2, max(0.0, math.log10(cable_per_voxel(tree)) - DENSE))


def cable_per_voxel(tree: Tree) -> float:
    """Return the cable, in pixels, by the volume of the box round a tree with a margin."""
    pixel = pixel_of(tree)
    sides = np.ptp(tree.xyz, axis=0) / pixel + 2 * MARGIN_PX
    return float(tree.cable_length / pixel / sides.prod())


def quality_of(tree: Tree) -> Quality | None:
    """Return the quality of a tree as a whole; None if its confidence is unknown."""
    said = predicted_f1(tree)
    if said is None:
        return None
    promise = None if tree.promise is None else round(tree.promise, 6)
    return Quality(said, said < DOUBTFUL, promise, float(f"{cable_per_voxel(tree):.3g}"))


def warn_if_doubtful(tree: Tree, source: str, *, raw: bool = False) -> None:
    """Log one warning, with the ways out, where a tree is most likely bad; `raw` says that no network was used."""
    found = quality_of(tree)
    if found is None or not found.doubtful:
        return
    ways = "a higher --threshold" if raw else "trace --raw, a higher --threshold"
    log.warning(
        "%s: this tree is doubtful (predicted F1 %.2f): the stack is unlike the training data, and texture may have been "
        "traced; look at it, and try %s, or a network that was tuned to such stacks (neurorecon train --from)",
        source or "the stack", found.predicted_f1, ways,
    )  # fmt: skip
