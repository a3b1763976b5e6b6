"""What the ways on that a tree lacks are worth in its review list: scores with them and without, after as many looks.

    python benchmarks/review_missing.py OUT STACKS [OUT STACKS ...] [--ids FILE] [--gold .gold.swc]

OUT/ID.swc and OUT/ID.review.csv are made with `--missing P`; STACKS holds the truth, as for `review_order.py`. The list
without them is the same one without their lines: the trees are the same. Printed is, for each pair of folders, the mean of each
score after as many looks as 0, 10, 20, 50 and 100 % of those of the list without them, and after all; the number of ways on in
all lists, those that the simulated person added, and the looks of both lists.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from review_order import case_of

from neurorecon.core.files import read_ids
from neurorecon.mend.listed import Listed
from neurorecon.mend.simulation import SCORES, Point, simulate_tree

SHARES = (0.0, 0.1, 0.2, 0.5, 1.0)


def curves_of(swc: Path, gold: Path) -> tuple[list[Point], list[Point], int]:
    """Return the points without ways on and with them, after as many looks each, then after all; and the number of ways on."""
    tree, truth, listed = case_of(swc, gold)
    lists: tuple[list[Listed], ...] = ([one for one in listed if not one.way], listed)
    looks = [simulate_tree(tree, truth, one, orders=("list",), marks=(1,))[0].looks for one in lists]
    counts = [round(share * looks[0]) for share in SHARES]
    without, with_them = (
        simulate_tree(tree, truth, one, orders=("list",), marks=[*(min(n / whole, 1.0) for n in counts), 1.0])
        for one, whole in zip(lists, looks, strict=True)
    )
    return without, with_them, len(lists[1]) - len(lists[0])


def mean(curves: list[list[Point]], score: str) -> NDArray[np.float64]:
    """Return the mean of a score at each mark."""
    return np.array([[point.scores[score] for point in points] for points in curves]).mean(axis=0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folder of a batch and folder of its truth, in turn")
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are judged")
    parser.add_argument("--gold", default=".swc", help="end of the names of the truth")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    wanted = read_ids(args.ids) if args.ids else None
    if len(args.folders) % 2:
        parser.error("every folder of a batch needs the folder of its truth behind it")
    head = [f"{share:.0%}" for share in SHARES]
    print(f"| trees | n | score | list | {' | '.join(head)} | all looks |\n" + "|---" * (len(head) + 5) + "|")
    for outdir, truth in zip(args.folders[::2], args.folders[1::2], strict=True):
        found = []
        for path in sorted(outdir.glob("*.review.csv")):
            name = path.name.removesuffix(".review.csv")
            if wanted is None or name in wanted:
                found.append(curves_of(outdir / f"{name}.swc", truth / f"{name}{args.gold}"))
                print(f"{outdir.name} {name}", file=sys.stderr, flush=True)
        for score in SCORES:
            for place, name in enumerate(("without", "with")):
                values = " | ".join(f"{value:.3f}" for value in mean([one[place] for one in found], score))
                print(f"| {outdir.name} | {len(found)} | {score} | {name} | {values} |", flush=True)
        ways, added = sum(one[2] for one in found), sum(one[1][-1].done[-1] for one in found)
        looks = [sum(one[place][-1].looks for one in found) for place in (0, 1)]
        print(f"\n{outdir.name}: {ways} ways on, {added} added; {looks[0]} looks without them, {looks[1]} with\n")


if __name__ == "__main__":
    main()
