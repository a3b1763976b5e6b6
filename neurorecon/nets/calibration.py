"""Calibrate the output of a network: a rising curve of straight pieces on the logit, stored in `config.toml`.

A loss that rewards overlap makes a network answer 0.98 or 0.02, and hardly anything between. The curve, fitted on whole stacks
(training/calibrate.py), brings its logit x to logit(share of neurites among the voxels with that x); its order stays. After
Zadrozny and Elkan 2002 (isotonic regression), with straight pieces for its steps.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["calibrated"]


def calibrated(logits: Tensor, points: Sequence[Sequence[float]]) -> Tensor:
    """Return logits brought to the curve through `points` (logit of the network, logit of the share), of any shape.

    The curve goes on straight beyond both ends; without points it is the identity.
    """
    if not points:
        return logits
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    bends = [(x, after - before) for (x, _), before, after in zip(points[1:-1], slopes[:-1], slopes[1:], strict=True)]
    # a bend adds `turn * max(logit - x, 0)`, which is `turn * max(logit, x)` less a constant
    start = points[0][1] - slopes[0] * points[0][0] - sum(turn * x for x, turn in bends)
    out, risen = logits * slopes[0] + start, torch.empty_like(logits)
    for x, turn in bends:
        out.add_(torch.clamp(logits, min=x, out=risen), alpha=turn)
    return out
