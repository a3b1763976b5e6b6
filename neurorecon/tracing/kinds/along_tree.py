"""Kinds along a tree: what each section says by itself is joined with what its neighbours say.

A hidden Markov model on the tree (Crouse, Nowak and Baraniuk 1998): a neurite keeps its kind from the soma to its tips, but an
axon may begin at a branch of a dendrite; each neurite at a soma has a kind of its own; either all of a neuron has kinds, or it
is no neuron of a vertebrate. Messages go up and down once, so the result is exact.
"""

import numpy as np

from neurorecon.core.tree import NodeType
from neurorecon.tracing.kinds.sections import Floats, Ints, Sections

__all__ = ["smoothed"]

AXON_BEGINS = (
    0.01  # of a branch of a dendrite: 1 of some 50 branches near the soma in a third of the cells of the corpus
)
NEVER = 1e-5  # of any other change, which is a fault of the tracing
# of a change at a branch of a tree without a soma, whose root may be any tip: it passes the soma once
PASSES_SOMA = 0.02
WHOLE_UM = 50.0  # length from which a section has its full weight


def smoothed(log_p: Floats, sections: Sections, kinds: Ints, prior: Floats, trust: float) -> Floats:
    """Return the log probabilities (S, K) of the kinds with the tree around each section.

    Args:
        log_p: (S, K) of each section by itself.
        sections: of the forest.
        kinds: (K,) SWC types of the columns.
        prior: (K,) shares behind `log_p`.
        trust: weight of a section of WHOLE_UM or more; neighbours err together, so it is below 1.
    """
    weight = trust * np.minimum(sections.length / WHOLE_UM, 1.0)[:, None]
    evidence = weight * (log_p - np.log(prior))
    change = np.stack([_changes(kinds, prior, soma=soma) for soma in (False, True)])
    log_change = np.log(change)[(sections.body[sections.tree] > 0).astype(int)] if len(log_p) else np.zeros((0, 1, 1))
    return _by_messages(evidence, log_change, sections, _at_root(kinds, prior))


def _changes(kinds: Ints, prior: Floats, *, soma: bool) -> Floats:
    """Return the probability (K, K) that a section of kind i is followed by one of kind j."""
    table = np.full((len(kinds), len(kinds)), NEVER)
    known = kinds != NodeType.UNDEFINED
    if not soma:
        table[np.ix_(known, known)] = PASSES_SOMA * (prior[known] / prior[known].sum())[None]
    begins = known & (kinds != NodeType.AXON)
    table[begins, np.flatnonzero(kinds == NodeType.AXON)[0]] += AXON_BEGINS
    np.fill_diagonal(table, 0.0)
    np.fill_diagonal(table, 1 - table.sum(1))
    return table


def _at_root(kinds: Ints, prior: Floats) -> Floats:
    """Return the log probability (2, K) of a neurite's kind at the root: of a neuron without kinds, and of one with."""
    known = kinds != NodeType.UNDEFINED
    with np.errstate(divide="ignore"):
        return np.log(np.stack([np.where(known, 0.0, 1.0), np.where(known, prior, 0.0) / prior[known].sum()]))


def _by_messages(evidence: Floats, log_change: Floats, sections: Sections, at_root: Floats) -> Floats:
    """Return the log probabilities (S, K); `log_change` (S, K, K) is of the step into each section."""
    parent, tree = sections.parent.tolist(), sections.tree.tolist()
    count = len(sections.root)
    upward = evidence.copy()  # of a section and all below it
    message = np.zeros_like(evidence)  # from a section to its parent
    of_root = np.zeros((len(evidence), 2))  # from a primary to the root
    known = np.log(np.array([[0.5, 0.5]])).repeat(count, 0)  # no kinds, or kinds
    for row in range(len(parent) - 1, -1, -1):
        up = parent[row]
        if up >= 0:
            message[row] = _log_sum(log_change[row] + upward[row])
            upward[up] += message[row]
        else:
            of_root[row] = _log_sum(at_root + upward[row])
            known[tree[row]] += of_root[row]
    found = np.zeros_like(evidence)
    for row, up in enumerate(parent):
        if up >= 0:
            before = found[up] - message[row]
            found[row] = upward[row] + _log_sum(log_change[row].T + before)
        else:
            found[row] = upward[row] + _log_sum(at_root.T + (known[tree[row]] - of_root[row]))
        found[row] -= _log_sum(found[row][None])[0]
    return found


def _log_sum(values: Floats) -> Floats:
    """Return the logarithm of the sum of exponentials of each row."""
    top = values.max(1)
    return np.asarray(top + np.log(np.exp(values - top[:, None]).sum(1)))
