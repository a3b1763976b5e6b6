"""What a review teaches a network: unseen stacks before and after a training on the corrections of a simulated person.

    python benchmarks/review_teach.py STACKS --model A=DIR --fold A --review ID,ID,ID --out DIR [--work DIR] [--share 0.2]
        [--minutes 10]

STACKS is a folder for real.py, and DIR of `--model` a network that has seen no stack of the fold. Each stack of `--review` is
reconstructed; a simulated person (`neurorecon review simulate`) takes the first `--share` of the looks of its list; `neurorecon
review apply --training` makes a pair of its verdicts. Then `neurorecon train --from MODEL --data PAIRS` runs for `--minutes`,
and the other stacks of the fold are reconstructed by the network that comes of it. Printed are the scores of each stack: of
reviewed ones before and after the verdicts, of the others before and after the training. `--work` keeps the maps of the first
network, as real.py does. Boxes of the column `ignore` are left out of the trees.
"""

import argparse
import dataclasses
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
from maps import load_map, say
from real import Entry, Networks, entries_of, outside, scores_of, traced

from neurorecon.core.files import hash_path
from neurorecon.core.tree import Tree
from neurorecon.io import write_stack
from neurorecon.mend import apply_file, check_lesson, format_verdicts, teach
from neurorecon.mend.listed import read_listed
from neurorecon.mend.simulation import reviewed
from neurorecon.report import file_rows, review_path, write_review
from neurorecon.swc import ids_in_file, read_swc, write_swc

TOLD = ("f1", "precision", "recall", "branch_f1", "tip_f1")


def written(tree: Tree, path: Path) -> Tree:
    """Write a tree and its review list, and return it as it is in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = file_rows(tree, path, single_file=True)
    write_swc(tree, path, overwrite=True)
    write_review(tree, files, review_path(path), overwrite=True)
    return read_swc(path)


def lesson(entry: Entry, tree: Tree, args: argparse.Namespace) -> Tree:
    """Review a tree, put the pair into the folder of the training, and return the mended tree."""
    swc = args.out / "before" / f"{entry.id}.swc"
    tree = written(outside(tree, entry.ignore), swc)
    ids = ids_in_file(swc)
    verdicts = [
        dataclasses.replace(
            one,
            node=int(ids[one.node]),
            top=None if one.top is None else int(ids[one.top]),
            to=None if one.to is None else int(ids[one.to]),
        )
        for one in reviewed(tree, read_swc(entry.gold), read_listed(review_path(swc), swc, tree, ids), args.share)
    ]
    said = swc.with_suffix(".verdicts.json")
    said.write_text(format_verdicts(verdicts, tree_file=swc.name, tree_sha256=hash_path(swc), by="a simulated person"))
    mended, pairs = args.out / "mended" / f"{entry.id}.swc", args.out / "pairs"
    mended.parent.mkdir(exist_ok=True)
    probability = load_map(args.work / f"{entry.id}.npz").on_stack
    kept = args.out / "before" / f"{entry.id}_prob.tif"
    write_stack(probability_stack(probability), kept, overwrite=True)
    check_lesson(pairs, mended, swc, stack=entry.stack, overwrite=True)
    applied = apply_file(swc, said, mended, probability=kept, stack=entry.stack, overwrite=True)
    teach(swc, applied, pairs, entry.id, stack=entry.stack, overwrite=True)
    deeds = [one.verdict.do for one in applied.mended.outcomes if one.done]
    say(f"{entry.id}: " + ", ".join(f"{do} {deeds.count(do)}" for do in dict.fromkeys(deeds)))
    return read_swc(mended)


def probability_stack(probability):
    """Return the neurite map as a stack, as `segment` would write it."""
    from neurorecon.core.stack import Stack

    return Stack(np.asarray(probability.neurite), probability.voxel_size)


def train(model: str, args: argparse.Namespace) -> Path:
    """Train for so many minutes, and return the folder of the network."""
    config = args.out / "teach.toml"
    config.write_text(f'minutes = {args.minutes}\nout = "{args.out / "run"}"\nname = "taught"\n')
    command = [
        sys.executable,
        "-m",
        "neurorecon",
        "train",
        str(config),
        "--from",
        model,
        "--data",
        str(args.out / "pairs"),
    ]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return args.out / "run" / "taught"


def row(entry: Entry, what: str, tree: Tree) -> dict[str, float]:
    """Print the scores of a tree, and return them."""
    found = scores_of(tree, entry)
    print(f"| {entry.id} | {what} | " + " | ".join(f"{found[key]:.3f}" for key in TOLD) + " |", flush=True)
    return {key: float(found[key]) for key in TOLD}


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stacks", type=Path, help="folder with index.csv, ID.tif and ID.gold.swc")
    parser.add_argument(
        "--model", action="append", required=True, metavar="FOLD=DIR", help="network that has not seen it"
    )
    parser.add_argument("--fold", required=True)
    parser.add_argument("--review", required=True, help="stacks that are reviewed, with commas between")
    parser.add_argument("--out", type=Path, required=True, help="folder for trees, pairs and the run")
    parser.add_argument("--work", type=Path, help="folder where maps of the first network are kept (default: OUT/maps)")
    parser.add_argument("--share", type=float, default=0.2, help="of the looks (default: 0.2)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the training (default: 10)")
    args = parser.parse_args()
    args.work, args.networks = args.work or args.out / "maps", Networks(args.model)
    return args


def main() -> None:
    """Print the table."""
    args = parse()
    logging.disable(logging.WARNING)
    entries = [entry for entry in entries_of(args.stacks) if entry.fold == args.fold and entry.asked]
    names = args.review.split(",")
    if unknown := set(names) - {entry.id for entry in entries}:
        raise SystemExit(f"not in fold {args.fold}: {', '.join(sorted(unknown))}")
    print("| stack | tree | " + " | ".join(TOLD) + " |\n" + "|---" * (2 + len(TOLD)) + "|")
    others = [entry for entry in entries if entry.id not in names]
    before = []
    for entry in entries:
        tree = traced("network", entry, args)[0]
        found = row(entry, "before", tree)
        if entry in others:
            before.append(found)
        else:
            row(entry, "reviewed", lesson(entry, tree, args))
    model = args.networks.of_fold.get(args.fold) or args.networks.single
    args.networks, args.work = Networks([str(train(model, args))]), args.out / "maps_after"
    after = [row(entry, "taught", traced("network", entry, args)[0]) for entry in others]
    for what, found in (("before", before), ("taught", after)):
        print(
            f"| mean of {len(found)} unseen | {what} | "
            + " | ".join(f"{np.mean([f[k] for f in found]):.3f}" for k in TOLD)
            + " |"
        )


if __name__ == "__main__":
    main()
