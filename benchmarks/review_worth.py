"""Measure what the review lists are worth: the share of all errors within the first tenth and fifth of the listed cable.

    neurorecon batch STACKS -o OUT --units voxel
    python benchmarks/review_worth.py OUT STACKS [OUT STACKS ...] [--ids FILE]

STACKS holds the truth of OUT/ID.review.csv as ID.swc, in voxels of the stack. Both trees are cut into pieces of at most 0.5
(METRICS.md). A piece of the tree further than 3 from the truth is `wrong`, and counts for the stretch that it lies on; a
piece of the truth further than 3 from the tree is `missed`, and counts for the stretch that holds the nearest piece of the
tree. A list in random order has a tenth of the errors in its first tenth. A stretch that the limit cuts counts in part.
The second table says how much of the cable with each reason is wrong, and what share of it the confidence did not know of:
1 - (1 - wrong) / confidence, what the weights in `report/review_list.py` come from.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from score_batch import joined

from neurorecon.core.files import read_ids
from neurorecon.core.tree import Tree
from neurorecon.evaluate import pieces_of
from neurorecon.swc import read_swc

TOLERANCE = 3.0
SHARES = (0.1, 0.2)
KINDS = ("wrong", "missed", "both")


@dataclass(frozen=True)
class Listed:
    """The stretches of one list in its order: length, confidence, wrong and missed length of each, and its reasons."""

    length: np.ndarray
    confidence: np.ndarray
    errors: dict[str, np.ndarray]
    reasons: list[list[str]]


def read_list(path: Path) -> tuple[Tree, np.ndarray, list[dict[str, str]]]:
    """Return the trees of a list as one forest, the line (from 0) that each node's edge stands on, and the lines."""
    with open(path, newline="", encoding="utf-8") as handle:
        lines = [line for line in csv.DictReader(handle) if line["to_node"]]  # a way on that the tree lacks has none
    names = sorted({line["file"] for line in lines})
    paths = [path.with_name(name.removeprefix("'")) for name in names]
    start = dict(zip(names, np.cumsum([0, *(len(read_swc(file)) for file in paths[:-1])]).tolist(), strict=True))
    forest = joined(paths)
    line_of = np.full(len(forest), -1)
    for number, line in enumerate(lines):
        row, top = (start[line["file"]] + int(line[key]) - 1 for key in ("to_node", "from_node"))
        while row != top:
            line_of[row], row = number, forest.parent[row]
    if (line_of[forest.parent >= 0] < 0).any():
        raise SystemExit(f"{path}: does not cover the whole tree; are the SWC files of the same run?")
    return forest, line_of, lines


def judge(path: Path, gold: Tree) -> Listed | None:
    """Return what each stretch of a list holds of the errors; None if the list is empty."""
    tree, line_of, lines = read_list(path)
    if not lines:
        return None
    p, weight_p, edge = pieces_of(tree)
    g, weight_g, _ = pieces_of(gold)
    line = line_of[edge]
    to_gold = cKDTree(g).query(p)[0]
    to_pred, nearest = cKDTree(p).query(g)
    n = len(lines)
    wrong = np.bincount(line, weights=weight_p * (to_gold > TOLERANCE), minlength=n)
    missed = np.bincount(line[nearest], weights=weight_g * (to_pred > TOLERANCE), minlength=n)
    length = np.bincount(line, weights=weight_p, minlength=n)
    errors = {"wrong": wrong, "missed": missed, "both": wrong + missed}
    confidence = np.array([float(line["confidence"] or 1) for line in lines])
    return Listed(length, confidence, errors, [line["reason"].split("; ") for line in lines])


def share_within(length: np.ndarray, error: np.ndarray, limit: float) -> float:
    """Return the share of the errors within the first `limit` of the cable; NaN where there is no error."""
    if not error.sum():
        return float("nan")
    return float(np.interp(limit, np.cumsum(length) / length.sum(), np.cumsum(error) / error.sum()))


def say_reasons(lists: list[Listed]) -> None:
    """Print how much cable each reason stands on, how much of it is wrong or missed there, and what confidence knew."""
    length, sure, errors = defaultdict(float), defaultdict(float), {kind: defaultdict(float) for kind in KINDS}
    for listed in lists:
        for k, reasons in enumerate(listed.reasons):
            for reason in (*reasons, "all"):
                length[reason] += listed.length[k]
                sure[reason] += listed.length[k] * listed.confidence[k]
                for kind in KINDS:
                    errors[kind][reason] += listed.errors[kind][k]
    print(f"\n{'reason':16} {'share of cable':>14} {'wrong':>7} {'missed':>7} {'confidence':>10} {'beyond':>7}")
    for reason in sorted(length, key=lambda name: -errors["wrong"][name] / length[name]):
        share, rates = length[reason] / length["all"], [errors[kind][reason] / length[reason] for kind in KINDS[:2]]
        mean, beyond = sure[reason] / length[reason], 1 - (1 - rates[0]) * length[reason] / sure[reason]
        print(f"{reason or 'none':16} {share:14.4f} {rates[0]:7.3f} {rates[1]:7.3f} {mean:10.3f} {beyond:7.3f}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folder of a batch and folder of its truth, in turn")
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are judged")
    args = parser.parse_args()
    wanted = read_ids(args.ids) if args.ids else None
    if len(args.folders) % 2:
        parser.error("every folder of a batch needs the folder of its truth behind it")
    lists = []
    for outdir, truth in zip(args.folders[::2], args.folders[1::2], strict=True):
        for path in sorted(outdir.glob("*.review.csv")):
            name = path.name.removesuffix(".review.csv")
            if wanted is None or name in wanted:
                listed = judge(path, read_swc(truth / f"{name}.swc"))
                lists += [] if listed is None else [listed]
    print(f"{len(lists)} lists; share of the errors within the first part of the cable, mean over lists (all pooled)")
    for kind in KINDS:
        cells = []
        for limit in SHARES:
            each = [share_within(listed.length, listed.errors[kind], limit) for listed in lists]
            weight = [listed.errors[kind].sum() for listed in lists]
            pooled = np.nansum(np.array(each) * weight) / np.sum(weight)
            cells.append(f"{limit:.0%} of the cable: {np.nanmean(each):.3f} ({pooled:.3f})")
        print(f"{kind:8} " + "   ".join(cells))
    say_reasons(lists)


if __name__ == "__main__":
    main()
