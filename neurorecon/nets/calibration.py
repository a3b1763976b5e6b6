"""From what a network says to what is so: a rising curve of straight pieces on the logit, kept in `config.toml`.

A loss that rewards overlap makes a network say 0.98 or 0.02, and hardly anything between. The curve, fitted on whole stacks
(training/calibrate.py), brings its logit x to logit(share of neurites among the voxels with that x); its order stays. After
Zadrozny and Elkan 2002 (isotonic regression), with straight pieces for its steps.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

__all__ = ["calibrated"]


def calibrated(logits: Tensor, points: Sequence[Sequence[float]]) -> Tensor:
    """Return logits brought to the curve through `points` (logit of the network, logit of the share), of any shape.

    The curve goes on straight beyond both ends; without points it is the identity.
    """
    if not points:
        return logits
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    out = (logits - points[0][0]).mul_(slopes[0]).add_(points[0][1])
    for (x, _), before, after in zip(points[1:-1], slopes[:-1], slopes[1:], strict=True):
        out.add_((logits - x).clamp_(min=0), alpha=after - before)
    return out
