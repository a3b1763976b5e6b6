"""A tree that was traced in blocks beside the one that was traced whole, and both beside the truth.

    python benchmarks/seams.py SETS WORK [--ids FILE] [--cuts 1,2,2 1,4,4 4,4,4]

SETS holds the folders lifted, hard and dim with ID.tif and its truth ID.swc, in voxels; maps of the network are kept in
WORK/net. A cut of 1,4,4 makes 16 blocks of a stack (z, y, x). F1 at 3 voxels; "whole" is of the tree in blocks against the
tree of the stack in one piece, "gold" against the truth, of the tree in blocks less that of the tree in one piece. A row of
the table: set, blocks, stacks, "whole" mean and least, "gold" mean and largest, cable in blocks by that in one piece, F1 of the
tree in one piece.
"""

import logging
from pathlib import Path

import numpy as np
from maps import load_map, network_map, sets_parser, stacks_of_sets

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.io import read_stack
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings, cut_volume, trace, trace_in_parts

SETTINGS = TraceSettings(units="voxel")


def cut_tree(probability: Probability, stack: Path, cut: tuple[int, int, int] | None) -> Tree | None:
    """Return the tree of a stack, in blocks if it is to be cut; None where there is no neuron."""
    grey = read_stack(stack)
    try:
        if cut is None:
            return trace(probability, SETTINGS, stack=grey)
        z, y, x = (-(-n // k) for n, k in zip(probability.shape, cut, strict=True))
        return trace_in_parts(probability, cut_volume(probability.shape, (z, y, x)), SETTINGS, stack=grey)
    except NoNeuronError:
        return None


def main() -> None:
    """Print a line a stack and cut, and the means."""
    parser = sets_parser(__doc__ or "")
    parser.add_argument("--cuts", nargs="+", default=["1,2,2", "1,4,4", "4,4,4"], help="pieces along z,y,x")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    cuts = [tuple(map(int, text.split(","))) for text in args.cuts]
    for name, stacks in stacks_of_sets(args).items():
        rows: dict[tuple[int, ...], list[tuple[float, float, float, float]]] = {cut: [] for cut in cuts}
        for stack in stacks:
            path = args.work / "net" / f"{name}_{stack.stem}.npz"
            if not path.exists():
                network_map(stack, path)
            probability, gold = load_map(path), read_swc(stack.with_suffix(".swc"))
            whole = cut_tree(probability, stack, None)
            if whole is None:
                continue
            before = score_trees(whole, gold).f1
            for cut in cuts:
                tree = cut_tree(probability, stack, cut)  # type: ignore[arg-type]
                same = 0.0 if tree is None else score_trees(tree, whole).f1
                after = 0.0 if tree is None else score_trees(tree, gold).f1
                ratio = 0.0 if tree is None else tree.cable_length / whole.cable_length
                rows[cut].append((same, after - before, ratio, before))
                print(
                    f"{name}_{stack.stem} {cut}: whole {same:.4f} gold {after - before:+.4f} length {ratio:.4f}",
                    flush=True,
                )
        for cut, found in rows.items():
            if found:
                same, change, ratio, first = np.array(found).T
                print(
                    f"| {name} | {int(np.prod(cut))} | {len(found)} | {same.mean():.4f} | {same.min():.4f} | "
                    f"{change.mean():+.4f} | {np.abs(change).max():.4f} | {ratio.mean():.4f} | {first.mean():.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
