"""Fit the predicted F1 of `neurorecon/report/quality.py`, and measure how near to the true one it comes.

    python benchmarks/fit_quality.py SETS --ids FILE --work FOLDER [--check FILE] [--jobs 2]

SETS, `--work` and the stacks are those of fit_confidence.py. Of every finished tree of the network's three sets,

    F1 = exp(-(DOUBT * doubt + BRIDGED * sqrt(bridged))),   both coefficients 0 or more,

is fitted to the F1 at 3 voxels (METRICS.md) by least squares, with what is further off than SOFT counting less (soft L1):
a few stacks fail in ways that their trees do not show. An exponential and no logistic: it fits as well, and falls off
slowly beyond the trees it has seen. On `--ids` every neuron is predicted by a fit on the others, on `--check` by the
fit; trees of the stack itself (raw) are predicted, never fitted on. For comparison: the mean confidence by length, and the
same figure, the median of the fitted F1, for every tree.
"""

import numpy as np
from fit_confidence import Floats, Seen, observe_all, parser_of, read_arguments
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from neurorecon.evaluate import score_trees
from neurorecon.report.manifest import confidence_summary
from neurorecon.report.quality import BRIDGED, DOUBT, signs_of_error

SOFT = 0.05  # F1
NETWORK = ("lifted", "hard", "dim")
POOLED = {**{group: (group,) for group in (*NETWORK, "raw")}, "network, all": NETWORK}


class Trees:
    """The finished trees as columns: group, neuron, signs (K, 2), mean confidence and true F1, (K,) each."""

    def __init__(self, seen: list[Seen]) -> None:
        """Score every tree."""
        self.group = np.array([one.group for one in seen])
        self.neuron = np.array([one.neuron for one in seen])
        signs = np.array([signs_of_error(one.tree) for one in seen])
        self.signs = np.column_stack([signs[:, 0], np.sqrt(signs[:, 1])])
        self.mean = np.array([confidence_summary(one.tree)["mean"] for one in seen])
        self.f1 = np.array([score_trees(one.tree, one.truth).f1 for one in seen])

    @property
    def network(self) -> NDArray[np.bool_]:
        """Which trees were made from the network's map, (K,)."""
        return np.isin(self.group, NETWORK)


def fit(signs: Floats, f1: Floats) -> Floats:
    """Return (DOUBT, BRIDGED)."""
    found = least_squares(
        lambda c: np.exp(-(signs @ c)) - f1, np.ones(2), bounds=(0, np.inf), loss="soft_l1", f_scale=SOFT
    )
    return np.asarray(found.x)


def left_out(trees: Trees) -> Floats:
    """Return the predicted F1 of all trees (K,), those of each neuron by a fit on the network's trees of all others."""
    said = np.zeros(len(trees.f1))
    for neuron in np.unique(trees.neuron):
        own = trees.neuron == neuron
        others = ~own & trees.network
        said[own] = np.exp(-(trees.signs[own] @ fit(trees.signs[others], trees.f1[others])))
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
        if own.any():
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
    trees = Trees(observe_all(args.ids, args))
    coefficients = fit(trees.signs[trees.network], trees.f1[trees.network])
    print(f"{trees.network.sum()} trees of {len(np.unique(trees.neuron))} neurons")
    print(f"DOUBT, BRIDGED = {coefficients[0]:.3f}, {coefficients[1]:.3f}  # in quality.py now: {DOUBT}, {BRIDGED}")
    usual = float(np.median(trees.f1[trees.network]))
    print_worth("Each neuron left out of its fit", trees, left_out(trees), usual)
    if args.check:
        other = Trees(observe_all(args.check, args))
        print_worth("Other neurons", other, np.exp(-(other.signs @ coefficients)), usual)


if __name__ == "__main__":
    main()
