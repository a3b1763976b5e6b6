"""Measure what a network's ViT is worth: whole stacks with its tokens, and with each tile's tokens replaced by their mean.

    python benchmarks/token_use.py MODEL STACK.tif ...

Beside each STACK.tif lies its truth STACK.swc, in voxels of the stack. A network whose convolutions do all the work scores
alike in both rows: where its tokens say what they say is then of no use to it.
"""

import argparse
from pathlib import Path

import numpy as np

from neurorecon.nets import load_model
from neurorecon.nets.model_registry import Model
from neurorecon.training.score_stacks import score_stack, without_places

SHOWN = ("f1", "precision", "recall", "dice", "hd95", "cldice", "pds")


def report(row: str, model: Model, pairs: list[tuple[Path, Path]]) -> None:
    """Print the mean scores of a network on the stacks."""
    scores = [score_stack(model, *pair).as_dict() for pair in pairs]
    means = "  ".join(f"{key} {np.mean([score[key] for score in scores]):.3f}" for key in SHOWN)
    print(f"{row:>10}  {means}  (n = {len(scores)})", flush=True)


def main() -> None:
    """Print two rows: mean scores with the tokens, and without what they say about places."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="name or folder")
    parser.add_argument("stacks", type=Path, nargs="+")
    args = parser.parse_args()
    pairs = [(path, path.with_suffix(".swc")) for path in args.stacks]
    model = load_model(args.model)
    report("tokens", model, pairs)
    with without_places():
        report("their mean", model, pairs)


if __name__ == "__main__":
    main()
