"""What a review in the order of its list gains: scores against the share of the looks that a simulated person took.

    python benchmarks/review_order.py OUT STACKS [OUT STACKS ...] [--ids FILE] [--gold .gold.swc] [--picture FILE.png]

STACKS holds the truth of OUT/ID.swc and OUT/ID.review.csv as ID.swc (or ID and the end that `--gold` names), in the
unit of the trees. Where it has an index.csv with boxes to ignore (see real.py), the tree and its list end at these boxes:
neurites go on there that the expert did not trace. The person is that of `neurorecon review simulate`, and so are the
orders; `single` is a list without looks, one stretch at a time. Printed is, for each pair of folders and each order, the
number of looks for one of the stretches; the share of the cable that 20 % of the looks show; and of each score the mean
after 0, 10, 20 and 100 % of the looks. In brackets stands the share of the gain of all looks, all trees together, (sum of
gains) / (sum of gains), that is gained by 10 and 20 % of the looks; by as many looks as 10 and 20 % of the stretches; and
by the looks that show 10 and 20 % of the stretches. `--bound` adds the share that 20 % of the looks gain in F1 in the order
of what each gained in the order of the list: a bound for all orders, nearly. `--picture` draws the means of all trees.
"""

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from real import entries_of, in_boxes

from neurorecon.core.files import read_ids
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.mend.listed import Listed, list_of, looks_within, read_listed
from neurorecon.mend.person import Person
from neurorecon.mend.simulation import MARKS, ORDERS, SCORES, Point, draw_curves, gained, simulate_tree
from neurorecon.swc import ids_in_file, read_swc

TOLD = (0.0, 0.1, 0.2, 1.0)
DENSE = (0.0, 0.05, 0.1, 0.2, 0.5, 0.9, 1.0)  # marks without a picture: enough to read a fifth of the stretches off


def case_of(swc: Path, gold: Path) -> tuple[Tree, Tree, list[Listed]]:
    """Return a tree, the expert's and the lines of its list, all outside the boxes to ignore."""
    tree = read_swc(swc)
    listed = read_listed(list_of(swc), swc, tree, ids_in_file(swc))
    index = gold.with_name("index.csv")
    boxes = [entry.ignore for entry in entries_of(gold.parent) if entry.gold == gold] if index.exists() else []
    if boxes and len(boxes[0]):
        tree, listed = outside_of(tree, listed, boxes[0])
    return tree, read_swc(gold), listed


def outside_of(tree: Tree, listed: list[Listed], boxes: NDArray[np.float64]) -> tuple[Tree, list[Listed]]:
    """Return a tree without its nodes in the boxes, and the lines of its list that lie wholly outside of them."""
    keep = ~in_boxes(tree.xyz, boxes)
    row_of = np.cumsum(keep) - 1
    found = []
    for one in listed:
        rows = [*one.rows, one.top, *([] if one.meets is None else [one.meets])]
        if keep[rows].all() and not in_boxes(np.array(one.way).reshape(-1, 3), boxes).any():
            top, node, meets = (None if row is None else int(row_of[row]) for row in (one.top, one.node, one.meets))
            found.append(replace(one, rows=tuple(row_of[list(one.rows)].tolist()), top=top, node=node, meets=meets))
    return tree.take(np.flatnonzero(keep)), found


def curves_of(swc: Path, gold: Path, marks: tuple[float, ...], orders: tuple[str, ...]) -> list[Point]:
    """Return the curves of a tree."""
    tree, truth, listed = case_of(swc, gold)
    return simulate_tree(tree, truth, listed, orders=orders, marks=marks)


def bound_of(swc: Path, gold: Path) -> tuple[float, float]:
    """Return what a fifth of the looks of a tree, those that gain most F1, gain, and what all gain."""
    tree, truth, listed = case_of(swc, gold)
    looks = [[listed[place] for place in places] for places in looks_within(listed)]
    gain = gains(tree, truth, looks)
    again = gains(tree, truth, [looks[k] for k in np.argsort(-gain, kind="stable")])
    so_far = np.interp(TOLD[2] * len(looks), np.arange(len(looks) + 1), np.r_[0.0, np.cumsum(again)])
    return float(so_far), float(gain.sum())


def gains(tree: Tree, truth: Tree, looks: list[list[Listed]]) -> NDArray[np.float64]:
    """Return by how much each look raises F1 (L,), one after the other."""
    person, f1, done = Person(tree, truth), [score_trees(tree, truth).f1], {}
    for look in looks:
        for one in look:
            person.look(one)
        changes = {key: count for key, count in person.done.items() if key != "keep"}
        f1.append(f1[-1] if changes == done else score_trees(person.mender.draft.tree()[0], truth).f1)
        done = changes
    return np.diff(f1)


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


def by_stretches(curves: list[list[Point]], order: str, score: str, share: float, *, shown: bool) -> float:
    """Return the share of the gain that as many looks bring as this share of the stretches of each tree.

    If `shown`, that of the looks that show this share of the stretches.
    """
    now = whole = 0.0
    for points in curves:
        own = [point for point in points if point.order == order]
        value = [point.scores[score] for point in own]
        seen = [point.stretches if shown else point.looks for point in own]
        now += float(np.interp(share * own[-1].stretches, seen, value)) - value[0]
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
            for shown in (False, True):
                shares += [by_stretches(curves, order, score, share, shown=shown) for share in TOLD[1:3]]
            cells.append(f"{values} ({' '.join(f'{share:.2f}' for share in shares)})")
        print(f"| {name} | {len(curves)} | {order} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folder of a batch and folder of its truth, in turn")
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are judged")
    parser.add_argument("--gold", default=".swc", help="end of the names of the truth")
    parser.add_argument("--orders", default=",".join(ORDERS))
    parser.add_argument("--bound", action="store_true")
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
        curves, bounds = [], []
        for path in sorted(outdir.glob("*.review.csv")):
            name = path.name.removesuffix(".review.csv")
            if wanted is None or name in wanted:
                case = outdir / f"{name}.swc", truth / f"{name}{args.gold}"
                curves.append(curves_of(*case, marks, orders))
                bounds += [bound_of(*case)] if args.bound else []
                print(f"{outdir.name} {name}", file=sys.stderr, flush=True)
        say(outdir.name, curves, orders)
        if bounds:
            part, whole = np.sum(bounds, axis=0)
            print(f"{outdir.name}: {part / whole:.2f} of the gain in F1 by a fifth of the looks, those that gain most")
        everything += curves
    say("all", everything, orders)
    if args.picture:
        draw_curves(mean_of(everything), args.picture, title=f"{len(everything)} trees", overwrite=True)


if __name__ == "__main__":
    main()
