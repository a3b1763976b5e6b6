"""Compare two ways of training: paired differences of scores, with intervals by a bootstrap in two levels.

Both ways have a score, d_sk and r_sk, for every seed s and stack k; the result is the mean of d_sk - r_sk. Stacks made of one
neuron are not independent, nor are the stacks of one seed. So a resample draws seeds with replacement, and neurons
with replacement, each neuron with all its stacks (Davison and Hinkley 1997, section 3.8, for crossed levels): with v_s and
w_k counting how often seed and stack were drawn,

    mean* = sum_sk v_s w_k (d_sk - r_sk) / (sum_s v_s sum_k w_k),

and the interval is that between the percentiles of 10,000 such means. With three seeds the seeds' part is coarse. Where not
every seed was judged on every stack (each fold by a seed of its own, say), both sums go over the pairs that were.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError

__all__ = ["Difference", "paired_difference"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean score beside that of a reference.

    Attributes:
        mean, reference: means over seeds and stacks.
        absolute: the difference and its interval (value, low, high), in the unit of the score.
        percent: the same in percent of the reference's mean of the same resample; NaN where that mean is 0.
    """

    mean: float
    reference: float
    absolute: tuple[float, float, float]
    percent: tuple[float, float, float]


def paired_difference(
    values: Floats,
    reference: Floats,
    neurons: Sequence[str],
    *,
    judged: NDArray[np.bool_] | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Difference:
    """Return the mean difference of scores to those of a reference, with its interval.

    Args:
        values: (S, K) by seed and stack, finite.
        reference: (S, K) of the same seeds and stacks.
        neurons: (K,) of which neuron each stack is made.
        judged: (S, K) which seed was judged on which stack; the other scores are ignored. None: every seed on every stack.
        resamples: of the bootstrap; its random numbers are the same at every call.
        level: of the interval.

    Raises:
        InputError: if the shapes differ, or there is nothing to compare, or a score is not finite.
    """
    if values.shape != reference.shape or values.shape[1:] != (len(neurons),) or not values.size:
        raise InputError(f"scores {values.shape} and {reference.shape} of {len(neurons)} stacks cannot be paired")
    known = np.ones(values.shape, bool) if judged is None else judged
    if known.shape != values.shape or not known.any():
        raise InputError(f"judged {known.shape} marks none of the scores {values.shape}")
    if not (np.isfinite(values[known]).all() and np.isfinite(reference[known]).all()):
        raise InputError("a score is not finite; say first what stands for an infinite distance")
    rng = np.random.default_rng(0)
    seeds = drawn(len(values), resamples, rng)  # (R, S)
    names, neuron = np.unique(list(neurons), return_inverse=True)
    stacks = drawn(len(names), resamples, rng)[:, neuron]  # (R, K)
    values, reference = (np.where(known, each, 0.0) for each in (values, reference))
    gap, base = (_means(each, known, seeds, stacks) for each in (values - reference, reference))
    tails = [50 * (1 - level), 50 * (1 + level)]
    mean, usual = float(values[known].mean()), float(reference[known].mean())
    low, high = np.percentile(gap, tails)
    percent, low_percent, high_percent = np.nan, np.nan, np.nan
    if usual:
        percent = 100 * (mean - usual) / usual
        some = base != 0  # a resample of stacks that all score 0 has no percent
        low_percent, high_percent = np.percentile(100 * gap[some] / base[some], tails)
    return Difference(
        mean,
        usual,
        (mean - usual, float(low), float(high)),
        (percent, float(low_percent), float(high_percent)),
    )


def drawn(count: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Return how often each of `count` things was drawn in every resample, (R, count)."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)


def _means(values: Floats, known: NDArray[np.bool_], seeds: Floats, stacks: Floats) -> Floats:
    """Return the weighted mean of the known values (S, K) in every resample that drew any, (R,) or fewer."""
    total, weight = (((seeds @ each) * stacks).sum(1) for each in (values, known.astype(np.float64)))
    return np.asarray(total[weight > 0] / weight[weight > 0], np.float64)
