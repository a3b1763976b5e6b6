"""Fit the predicted F1 of `neurorecon/report/quality.py`, and measure how near to the true one it comes.

    python benchmarks/fit_quality.py SETS --ids FILE --work FOLDER [--model NAME] [--most MVOXELS]
        [--real STACKS --real-maps DIR --flood MODEL] [--check FILE] [--jobs 2]

The stacks are those of fit_confidence.py, which comes first: trees are finished with the confidence that stands in the
package. Of every finished tree of a network,

    F1 = exp(-(DOUBT * doubt + UNSURE * unsure + CROWDED * crowded)),   all coefficients 0 or more,

is fitted to the F1 at 3 voxels (METRICS.md) by least squares, weighted by SHARE of its group, with what is further off than
SOFT counting less (soft L1): a few stacks fail in ways that their trees do not show. An exponential and no logistic: it fits as
well, and falls off slowly beyond the trees it has seen. Of `--ids` and of the real stacks every specimen is predicted by a fit
on the others, of `--check` by the fit; trees of the stack itself (raw) are predicted, never fitted on. For comparison: the
mean confidence by length, and the same figure, the median of the fitted F1, for every tree.
"""

from dataclasses import astuple

import numpy as np
from cases import cases_of, real_cases
from fit_confidence import Floats, Seen, observe_all, parser_of, read_arguments
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from neurorecon.evaluate import score_trees
from neurorecon.report import quality
from neurorecon.report.manifest import confidence_summary

SOFT = 0.05  # F1
SHARE = {"flood": 0.5, "unlike": 0.25, "texture": 0.25}  # weight of a tree of a group
MAIN = ("lifted", "hard", "dim", "real")
NAMES = ("DOUBT", "UNSURE", "CROWDED")
POOLED = {**{group: (group,) for group in (*MAIN, "flood", "unlike", "texture", "raw")}, "real and sets": MAIN}


class Trees:
    """The finished trees as columns: group, neuron, signs (K, 3), mean confidence and true F1, (K,) each."""

    def __init__(self, seen: list[Seen]) -> None:
        """Score every tree."""
        seen = [one for one in seen if one.tree is not None and quality.signs_of_error(one.tree) is not None]
        self.group = np.array([one.group for one in seen])
        self.neuron = np.array([one.neuron for one in seen])
        self.signs = np.array([astuple(quality.signs_of_error(one.tree)) for one in seen])
        self.mean = np.array([confidence_summary(one.tree)["mean"] for one in seen])
        self.f1 = np.array([score_trees(one.tree, one.truth).f1 for one in seen])
        self.weight = np.array([SHARE.get(one.group, 1.0) for one in seen])

    @property
    def network(self) -> NDArray[np.bool_]:
        """Which trees were made from a network's map, (K,)."""
        return self.group != "raw"


def fit(trees: Trees, own: NDArray[np.bool_]) -> Floats:
    """Return the coefficients (3,) that fit the trees `own` (K,) best."""
    signs, f1, root = trees.signs[own], trees.f1[own], np.sqrt(trees.weight[own])
    found = least_squares(
        lambda c: root * (np.exp(-(signs @ c)) - f1), np.ones(3), bounds=(0, np.inf), loss="soft_l1", f_scale=SOFT
    )
    return np.asarray(found.x)


def left_out(trees: Trees) -> Floats:
    """Return the predicted F1 of all trees (K,), those of each specimen by a fit on the network's trees of all others."""
    said = np.zeros(len(trees.f1))
    for neuron in np.unique(trees.neuron):
        own = trees.neuron == neuron
        said[own] = np.exp(-(trees.signs[own] @ fit(trees, ~own & trees.network)))
    return said


def print_worth(title: str, trees: Trees, said: Floats, usual: float) -> None:
    """Print a table, as markdown: rank correlation with the true F1 and mean absolute error."""
    print(f"\n{title}: Spearman / mean absolute error\n")
    print(
        "| | n | true F1, mean | predicted | 9 in 10 within | Spearman / error | mean confidence | the same for all |"
    )
    print("|---" * 8 + "|")
    for name, groups in POOLED.items():
        own = np.isin(trees.group, groups)
        if own.sum() > 1:
            true, mine, mean = trees.f1[own], said[own], trees.mean[own]
            ranks = [float(spearmanr(values, true)[0]) for values in (mine, mean)]
            errors = [float(np.abs(values - true).mean()) for values in (mine, mean, np.full(own.sum(), usual))]
            within = float(np.quantile(np.abs(mine - true), 0.9))
            print(
                f"| {name} | {own.sum()} | {true.mean():.3f} | {mine.mean():.3f} | {within:.3f} | {ranks[0]:.2f} / "
                f"{errors[0]:.3f} | {ranks[1]:.2f} / {errors[1]:.3f} | {errors[2]:.3f} |"
            )


def main() -> None:
    """Print the coefficients and what they are worth."""
    args = read_arguments(parser_of(__doc__))
    trees = Trees(observe_all([*cases_of(args.ids, args), *real_cases(args)], args))
    coefficients = fit(trees, trees.network)
    print(f"{trees.network.sum()} trees of {len(np.unique(trees.neuron))} specimens")
    print(f"{', '.join(NAMES)} = {', '.join(f'{value:.3f}' for value in coefficients)}")
    print(f"# in quality.py now: {', '.join(f'{getattr(quality, name)}' for name in NAMES)}")
    usual = float(np.median(trees.f1[trees.network]))
    print_worth("Each specimen left out of its fit", trees, left_out(trees), usual)
    if args.check:
        other = Trees(observe_all(cases_of(args.check, args), args))
        print_worth("Other neurons", other, np.exp(-(other.signs @ coefficients)), usual)


if __name__ == "__main__":
    main()
