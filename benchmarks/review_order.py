"""What a review in the order of its list gains: scores against the share of the looks that a simulated person took.

    python benchmarks/review_order.py OUT STACKS [OUT STACKS ...] [--ids FILE] [--gold .gold.swc] [--picture FILE.png]

STACKS holds the truth of OUT/ID.swc and OUT/ID.review.csv as ID.swc (or ID and the end that `--gold` names), in the
unit of the trees. The person is that of `neurorecon review simulate`, and so are the orders; `single` is a list
without looks, one stretch at a time. Printed is, for each pair of folders and each order, the number of looks for one
of the stretches; the share of the cable that 20 % of the looks show; and of each score the mean after 0, 10, 20 and
100 % of the looks, with the share of the gain of all looks that 10 and 20 % of them gain, and that as many looks gain
as 10 and 20 % of the stretches: all trees together, (sum of gains) / (sum of gains). `--picture` draws the means of all
trees.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np

from neurorecon.core.files import read_ids
from neurorecon.mend.listed import list_of, read_listed
from neurorecon.mend.simulation import MARKS, ORDERS, SCORES, Point, draw_curves, gained, simulate_tree
from neurorecon.swc import ids_in_file, read_swc

TOLD = (0.0, 0.1, 0.2, 1.0)
DENSE = (0.0, 0.1, 0.2, 0.5, 0.9, 1.0)  # marks without a picture: enough to read a fifth of the stretches off


def curves_of(swc: Path, gold: Path, marks: tuple[float, ...], orders: tuple[str, ...]) -> list[Point]:
    """Return the curves of a tree."""
    tree = read_swc(swc)
    listed = read_listed(list_of(swc), swc, tree, ids_in_file(swc))
    return simulate_tree(tree, read_swc(gold), listed, orders=orders, marks=marks)


def mean_of(curves: list[list[Point]]) -> list[Point]:
    """Return the mean of the curves of several trees."""
    return [
        Point(
            p[0].order,
            p[0].share,
            looks=sum(q.looks for q in p),
            stretches=sum(q.stretches for q in p),
            cable_share=float(np.mean([q.cable_share for q in p])),
            scores={s: float(np.mean([q.scores[s] for q in p])) for s in SCORES},
            done=(0, 0, 0, 0, 0),
        )
        for p in zip(*curves, strict=True)
    ]


def by_stretches(curves: list[list[Point]], order: str, score: str, share: float) -> float:
    """Return the share of the gain that as many looks bring as this share of the stretches of each tree."""
    now = whole = 0.0
    for points in curves:
        own = [point for point in points if point.order == order]
        value = [point.scores[score] for point in own]
        now += float(np.interp(share * own[-1].stretches, [point.looks for point in own], value)) - value[0]
        whole += value[-1] - value[0]
    return now / whole if whole else float("nan")


def say(name: str, curves: list[list[Point]], orders: tuple[str, ...]) -> None:
    """Print the lines of one pair of folders."""
    mean = mean_of(curves)
    for order in orders:
        own = [point for point in mean if point.order == order]
        at = {point.share: point for point in own}
        cells = [f"{own[-1].looks / own[-1].stretches:.2f}", f"{at[TOLD[2]].cable_share:.2f}"]
        for score in SCORES:
            values = " ".join(f"{at[share].scores[score]:.3f}" for share in TOLD)
            shares = [gained(mean, order, score, share) for share in TOLD[1:3]]
            shares += [by_stretches(curves, order, score, share) for share in TOLD[1:3]]
            cells.append(f"{values} ({' '.join(f'{share:.2f}' for share in shares)})")
        print(f"| {name} | {len(curves)} | {order} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folder of a batch and folder of its truth, in turn")
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are judged")
    parser.add_argument("--gold", default=".swc", help="end of the names of the truth")
    parser.add_argument("--orders", default=",".join(ORDERS))
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    wanted, orders = read_ids(args.ids) if args.ids else None, tuple(args.orders.split(","))
    if len(args.folders) % 2:
        parser.error("every folder of a batch needs the folder of its truth behind it")
    marks = MARKS if args.picture else DENSE
    head = [f"{score} at {', '.join(f'{share:.0%}' for share in TOLD)} (gained)" for score in SCORES]
    print("| trees | n | order | looks by stretches | cable seen | " + " | ".join(head) + " |\n" + "|---" * 8 + "|")
    everything = []
    for outdir, truth in zip(args.folders[::2], args.folders[1::2], strict=True):
        curves = []
        for path in sorted(outdir.glob("*.review.csv")):
            name = path.name.removesuffix(".review.csv")
            if wanted is None or name in wanted:
                curves.append(curves_of(outdir / f"{name}.swc", truth / f"{name}{args.gold}", marks, orders))
                print(f"{outdir.name} {name}", file=sys.stderr, flush=True)
        say(outdir.name, curves, orders)
        everything += curves
    say("all", everything, orders)
    if args.picture:
        draw_curves(mean_of(everything), args.picture, title=f"{len(everything)} trees", overwrite=True)


if __name__ == "__main__":
    main()
