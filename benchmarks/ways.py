"""Root, ways to the soma, Sholl profile, tips and branch points of the trees of lifted, hard and dim.

    python benchmarks/ways.py SETS --ids FILE --work FOLDER [--leave-out 47,90,174,263] [--out FOLDER]

SETS holds lifted, hard and dim with ID.tif and its truth ID.swc, in voxels; FOLDER the maps that tracer.py kept. Left out are
neurons whose soma is not in the picture. Printed are the means of each set; `--out` keeps the trees.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from maps import SETS, load_map, say

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.files import read_ids
from neurorecon.evaluate import score_morphology
from neurorecon.io import read_stack
from neurorecon.swc import read_swc, write_swc
from neurorecon.tracing import TraceSettings, trace

KEYS = (
    "root_at_soma", "soma_found", "false_somata", "path_agreement", "path_rerooted", "sholl", "tip_f1", "branch_f1",
)  # fmt: skip
WITHOUT_SOMA = "47,90,174,263"  # of the Gold166 neurons in the sets
SETTINGS = TraceSettings(units="voxel")


def main() -> None:
    """Print a row a set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--leave-out", default=WITHOUT_SOMA)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    wanted = read_ids(args.ids) - set(args.leave_out.split(","))
    print("| set | n | " + " | ".join(KEYS) + " |\n|" + "---|" * (2 + len(KEYS)))
    for name in SETS:
        rows = []
        for path in sorted((args.sets / name).glob("*.tif")):
            if path.stem not in wanted:
                continue
            gold, stack = read_swc(path.with_suffix(".swc")), replace(read_stack(path), voxel_size=None)
            found = replace(load_map(args.work / "net" / f"{name}_{path.stem}.npz"), voxel_size=None)
            try:
                tree = trace(found, SETTINGS, stack=stack)
            except NoNeuronError:
                rows.append([0.0] * len(KEYS))
                continue
            if args.out is not None:
                args.out.mkdir(parents=True, exist_ok=True)
                write_swc(tree, args.out / f"{name}_{path.stem}.swc", overwrite=True)
            scores = score_morphology(tree, gold)
            rows.append([float(getattr(scores, key)) for key in KEYS])
            say(f"{name} {path.stem}")
        print(f"| {name} | {len(rows)} | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
