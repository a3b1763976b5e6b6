"""False cable in stacks that hold no neurite: what a network makes of texture alone.

    python benchmarks/null.py STACKS --model A=DIR --model B=DIR --model C=DIR [--empty FILE ...] [--json FILE]

STACKS is a folder for real.py. A part of each of its stacks (`--size` z,y,x) is scrambled: the grey values and the spectrum
of its background stay, the phases are random (surrogate data, Theiler et al. 1992), twice with other random numbers. All
cable that is traced in it is false. `--empty` names whole stacks without neurites, such as neuropil; the network of fold A
sees them. Other stacks are seen by a network that has not seen their fold. Printed is the cable, in voxels, by the voxels
of the stack, and how many stacks have more than LIMIT.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import unlike
from real import Networks, entries_of

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.stack import Stack
from neurorecon.io import read_stack
from neurorecon.nets import Model
from neurorecon.pipeline import ReconstructSettings, reconstruct
from neurorecon.report.quality import predicted_f1
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings

LIMIT = 2e-5  # cable, in voxels, by voxels: 20 voxels of cable in a million voxels
SETTINGS = ReconstructSettings(trace=TraceSettings(units="voxel"))


def false_cable(stack: Stack, model: Model) -> tuple[float, float | None]:
    """Return the cable by the voxels of a stack without neurites, and the F1 that is predicted for it."""
    try:
        tree = reconstruct(stack, SETTINGS, model=model).tree
    except NoNeuronError:
        return 0.0, None
    return tree.cable_length / stack.voxels, predicted_f1(tree)


def main() -> None:
    """Print a line a stack, and how many are above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stacks", type=Path)
    parser.add_argument("--model", action="append", default=[], help="FOLD=FOLDER, or a name for all")
    parser.add_argument("--empty", type=Path, nargs="*", default=[])
    parser.add_argument("--size", default="48,192,192", help="of the parts, z,y,x")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    unlike.SIZE = tuple(map(int, args.size.split(",")))
    networks = Networks(args.model)
    found = {}
    for path in args.empty:
        found[path.stem] = false_cable(read_stack(path), networks.of("A"))
        print(path.stem, found[path.stem], flush=True)
    for entry in entries_of(args.stacks):
        if entry.asked:
            model = networks.of(entry.fold)
            whole, gold = read_stack(entry.stack), read_swc(entry.gold)
            whole = Stack(np.asarray(whole.data[...]), source=whole.source)
            for seed in (1, 2):
                stack, _ = unlike.unlike("scrambled", whole, gold, seed)
                name = f"{entry.id} scrambled {seed}"
                found[name] = false_cable(stack, model)
                print(name, found[name], flush=True)
    above = [name for name, (cable, _) in found.items() if cable > LIMIT]
    worst = max(cable for cable, _ in found.values())
    print(f"{len(above)} of {len(found)} above {LIMIT:g}, the worst {worst:.1e}: {', '.join(above) or 'none'}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
