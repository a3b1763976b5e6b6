"""Score what `neurorecon batch` left against expert tracings, one row a stack and the mean and median of each figure.

    neurorecon batch STACKS -o OUT --units voxel
    python benchmarks/score_batch.py OUT STACKS [--ids FILE] [--json FILE]

STACKS holds ID.tif and its truth ID.swc, in voxels of the stack. A stack without a tree counts as F1 0. `--ids` keeps
only the ids that open a line of FILE. The keys are those of `neurorecon evaluate`.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from neurorecon.core.files import read_ids
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.swc import read_swc

TREE = ("f1", "precision", "recall", "esa", "pds", "length_ratio")
SHOWN = (*TREE, "branch_recall", "branch_precision", "tip_recall", "tip_precision")
NOTHING = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64), unit="voxel")


def joined(paths: list[Path]) -> Tree:
    """Return the trees of all files as one forest."""
    trees = [read_swc(path) for path in paths]
    if not trees:
        return NOTHING
    first = np.cumsum([0, *(len(tree) for tree in trees[:-1])])
    parent = np.concatenate([np.where(t.parent < 0, -1, t.parent + k) for t, k in zip(trees, first, strict=True)])
    xyz, radius = np.concatenate([t.xyz for t in trees]), np.concatenate([t.radius for t in trees])
    return Tree(xyz, radius, parent, unit="voxel")


def outputs(outdir: Path, output: str, name: str) -> list[Path]:
    """Return the SWC files of the stack `name`: `output` itself, or all its neurons where that is the first of several."""
    path = outdir / output
    if not output or path.stem == name:
        return [path] if output else []
    return sorted(path.parent.glob(f"{name}_[0-9]*{path.suffix}"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("outdir", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are scored")
    parser.add_argument("--json", type=Path, help="write the scores of every stack here")
    args = parser.parse_args()
    wanted = read_ids(args.ids) if args.ids else None
    scores = {}
    with open(args.outdir / "summary.csv", newline="") as handle:
        for row in csv.DictReader(handle):
            name = Path(row["input"]).stem
            if wanted is None or name in wanted:
                gold = read_swc(args.truth / f"{name}.swc")
                scores[name] = score_trees(joined(outputs(args.outdir, row["output"], name)), gold).as_dict()
                print(f"{name:>6s}  " + "  ".join(f"{key} {scores[name][key]:.3f}" for key in SHOWN))
    for word, average in (("mean", np.mean), ("median", np.median)):
        figures = "  ".join(f"{key} {average([s[key] for s in scores.values()]):.3f}" for key in SHOWN)
        print(f"{word:>6s}  {figures}  (n = {len(scores)})")
    print(f"   min  f1 {min(s['f1'] for s in scores.values()):.3f}")
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    main()
