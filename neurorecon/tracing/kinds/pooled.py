"""Kinds along a tree: the probability of a section is pooled with those of its subtree, its neurite and its neuron.

This is a logarithmic opinion pool (Genest and Zidek 1986). Its weights are fitted on neurons that the boosted trees have not
seen, so they are calibrated. It pools means and not sums, because errors of the sections of one neurite are correlated. A
hidden Markov tree takes them for independent: it had a log loss of 0.56, the pool 0.48, and single sections 0.50.
"""

from dataclasses import dataclass

import numpy as np

from neurorecon.core.forest import summed_below
from neurorecon.tracing.kinds.sections import Floats, Ints, Sections

__all__ = ["PARTS", "Pool", "Views", "views_of"]

PARTS = ("section", "behind", "neurite", "above", "neuron")
# Set by hand; not tuned, unless a line says more.
LEAST_LOG = -8.0  # log probability below which a part says no more: 1 in 3000 is not known of any section
LEAST_UM = 0.05  # weight of a section without length
USUAL_LOG_UM, SPREAD_LOG = 7.0, 1.5  # log cable of a tree in um, mean and deviation over the corpus


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The probabilities that are pooled for each of the S sections of a forest.

    Attributes:
        log_p: (5, S, K) log probabilities of the K kinds by each of PARTS.
        soma: (S,) 1 where the tree has a soma, else 0.
        cable: (S,) log cable of the tree, 0 where it is usual.
    """

    log_p: Floats
    soma: Floats
    cable: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Numbers of the pool.

        log p = exp(c0 soma + c1 cable + c2 soma cable) * sum of weight * log_p + shift + soma * with_soma + constant

    Attributes:
        weight: (5,) of PARTS.
        certainty: (3,) c0, c1 and c2: a whole neuron around its soma says more than a piece.
        shift: (K,) of every tree.
        with_soma: (K,) of those with a soma.
    """

    weight: Floats
    certainty: Floats
    shift: Floats
    with_soma: Floats

    def probability(self, views: Views) -> Floats:
        """Return the probabilities (S, K)."""
        soma, cable = views.soma, views.cable
        sure = np.exp(self.certainty[0] * soma + self.certainty[1] * cable + self.certainty[2] * soma * cable)
        value = sure[:, None] * np.tensordot(self.weight, views.log_p, 1) + self.shift + soma[:, None] * self.with_soma
        value = np.exp(value - value.max(1, keepdims=True, initial=-np.inf))
        return np.asarray(value / value.sum(1, keepdims=True))


def views_of(log_p: Floats, sections: Sections) -> Views:
    """Return the views of each section: its own `log_p` (S, K), and the means by length of each of PARTS."""
    own, length = np.maximum(log_p, LEAST_LOG), np.maximum(sections.length, LEAST_UM)
    parent, tree, trees = sections.parent, sections.tree, len(sections.root)
    weighed = own * length[:, None]
    columns = range(own.shape[1])
    cable = summed_below(parent, length)[:, None]
    behind = np.stack([summed_below(parent, weighed[:, k]) for k in columns], 1) / np.maximum(cable, LEAST_UM)
    primary, above = _from_above(parent, own, weighed, length)
    total = np.maximum(np.bincount(tree, length, trees), LEAST_UM)
    neuron = np.stack([np.bincount(tree, weighed[:, k], trees) for k in columns], 1) / total[:, None]
    return Views(
        log_p=np.stack([own, behind, behind[primary], above, neuron[tree]]),
        soma=(sections.body[tree] > 0).astype(float),
        cable=(np.log(total)[tree] - USUAL_LOG_UM) / SPREAD_LOG,
    )


def _from_above(parent: Ints, own: Floats, weighed: Floats, length: Floats) -> tuple[Ints, Floats]:
    """Return the first section of the neurite of each (S,), and the mean over the way from the root to it (S, K)."""
    primary, total, way = np.arange(len(parent)), np.zeros_like(own), np.zeros(len(parent))
    for row, up in enumerate(parent.tolist()):
        if up >= 0:
            primary[row] = primary[up]
            total[row] = total[up] + weighed[up]
            way[row] = way[up] + length[up]
    return primary, np.where(way[:, None] > 0, total / np.maximum(way, LEAST_UM)[:, None], own)
