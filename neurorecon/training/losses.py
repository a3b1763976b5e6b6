"""The loss of a training step: cross-entropy and Dice on the tube, recall of the centre line, cross-entropy on the soma.

Dice loss from MONAI. Skeleton recall: Kirchhoff et al. 2024 (arXiv 2404.03010): the share of the truth's centre line
that the probability covers; as telling as clDice for thin tubes, without skeletonising the prediction at every step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, SOMA, UNSURE_SOMA

__all__ = ["LossParts", "loss_of"]

# Set by hand; not tuned, unless a line says more.
NEURITE_WEIGHT = 3.0  # in the cross-entropy: tubes fill 1 to 3 % of a crop
RECALL_WEIGHT = 0.5  # of the recall of the centre line, beside 1 of cross-entropy and of Dice
SOMA_WEIGHT = (
    8.0  # in its cross-entropy: most crops hold none; with 4 the head gave 0.4 inside of bodies after 1300 steps
)
SOMA_PART = 1.0  # its cross-entropy is about a hundredth of the other parts
TINY = 1e-6  # avoids a division by 0 where a crop has no label


@dataclass(frozen=True, slots=True)
class LossParts:
    """The parts of the loss, each a scalar tensor; `total` is minimised. `latent` is weighted already."""

    cross_entropy: Tensor
    dice: Tensor
    skeleton: Tensor
    soma: Tensor
    latent: Tensor | float = 0.0

    @property
    def total(self) -> Tensor:
        """Weighted sum."""
        return self.cross_entropy + self.dice + RECALL_WEIGHT * self.skeleton + SOMA_PART * self.soma + self.latent


def loss_of(logits: Tensor, labels: Tensor) -> LossParts:
    """Return the loss of logits (B, 2, Z, Y, X), float32, against label bits (B, Z, Y, X), uint8."""
    from monai.losses.dice import DiceLoss

    low = labels & 3
    counted = (low != IGNORE).float()
    tube = ((low != IGNORE) & (low != BACKGROUND)).float()
    logit = logits[:, 0]
    weight = counted * (1 + (NEURITE_WEIGHT - 1) * tube)
    cross_entropy = functional.binary_cross_entropy_with_logits(logit, tube, weight=weight, reduction="sum")
    cross_entropy = cross_entropy / (counted.sum() + TINY)
    probability = torch.sigmoid(logit)
    dice = DiceLoss(batch=True, smooth_nr=1.0, smooth_dr=1.0)((probability * counted)[:, None], tube[:, None])
    centre = (low == CENTRE).float()
    skeleton = 1 - ((probability * centre).sum() + 1) / (centre.sum() + 1)
    body, sure = ((labels & SOMA) > 0).float(), ((labels & UNSURE_SOMA) == 0).float()
    soma = functional.binary_cross_entropy_with_logits(logits[:, 1], body, weight=sure * (1 + (SOMA_WEIGHT - 1) * body))
    return LossParts(cross_entropy, dice, skeleton, soma)
