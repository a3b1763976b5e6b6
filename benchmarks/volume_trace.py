"""A large probability traced in blocks: F1 against the truth, neurons kept apart, seconds, peak memory of a process.

    python benchmarks/volume_trace.py PROBABILITY.ome.zarr TRUTH.swc FOLDER [--stack STACK] [--jobs 1] [--block Z,Y,X]

TRUTH holds a tree a neuron, in the unit of the map, as `neurorecon synth brain` writes it. "Own" is the share of the cable that
lies in the tree of its neuron: a tree belongs to the neuron that most of it lies on. Somata: how many of the truth have one
within 10. "After the blocks" is what one process does when the last block is written.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from volume import watched

from neurorecon.core.tree import NodeType, Tree
from neurorecon.evaluate import score_trees
from neurorecon.swc import read_swc

NEAR = 10.0


class Blocks:
    """When the last block came into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.last = folder, 0, time.perf_counter()

    def look(self) -> None:
        """Count the blocks."""
        count = len(list(self.folder.glob("*.npz")))
        if count > self.count:
            self.count, self.last = count, time.perf_counter()


def own_share(tree: Tree, truth: Tree) -> float:
    """Return the share of the cable of `tree` that lies nearest to the neuron which most of its tree lies on."""
    _, neuron = np.unique(truth.root_of(), return_inverse=True)
    _, nearest = cKDTree(truth.xyz).query(tree.xyz)
    _, piece = np.unique(tree.root_of(), return_inverse=True)
    table = np.zeros((piece.max() + 1, neuron.max() + 1))
    np.add.at(table, (piece, neuron[nearest]), tree.edge_length)
    return float(table.max(axis=1).sum() / table.sum())


def main() -> None:
    """Trace, and print what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("probability", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stack", type=Path)
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--block", default="256,768,768")
    args = parser.parse_args()
    out = args.folder / "traced.swc"
    command = [sys.executable, "-m", "neurorecon", "trace", str(args.probability), "-o", str(out), "--overwrite"]
    command += ["--single-file", "--jobs", args.jobs, "--block", args.block]
    command += [] if args.stack is None else ["--stack", str(args.stack)]
    start, blocks = time.perf_counter(), Blocks(args.folder / "traced.swc.part" / "blocks")
    seconds, peak = watched(command, blocks.look)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tree, truth = read_swc(out), read_swc(args.truth)
    scores = score_trees(tree, truth)
    somata = tree.xyz[tree.type == NodeType.SOMA]
    found = (cKDTree(somata).query(truth.xyz[truth.roots])[0] < NEAR).sum() if len(somata) else 0
    print(
        f"{seconds:.0f} s, {seconds - (blocks.last - start):.0f} of them after {blocks.count} blocks, "
        f"{used.ru_utime + used.ru_stime:.0f} CPU s, {peak:.0f} MB; "
        f"F1 {scores.f1:.3f}, precision {scores.precision:.3f}, recall {scores.recall:.3f}; "
        f"cable {tree.cable_length / 1000:.1f} of {truth.cable_length / 1000:.1f} mm; {len(tree.roots)} trees of "
        f"{len(truth.roots)} neurons, {found} somata found, {len(somata) - found} more; own {own_share(tree, truth):.3f}"
    )


if __name__ == "__main__":
    main()
