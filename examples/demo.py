"""The whole way on a synthetic neuron: make a noisy stack, reconstruct it, score the result against the truth.

    python examples/demo.py [FOLDER]

leaves demo.tif, demo.truth.swc, demo.swc, demo.png, demo.html, demo.json and demo.review.csv in FOLDER ("demo" if not
given), and prints the F1 score. The end is 0 if it is 0.90 or more.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

import neurorecon
from neurorecon.cli import main

ENOUGH = 0.90


def neurorecon_command(*arguments: object) -> None:
    """Run one command of the program, and show it as it would be typed."""
    words = [str(argument) for argument in arguments]
    print(f"$ neurorecon {shlex.join(words)}", flush=True)
    code = main(words, prog_name="neurorecon", standalone_mode=False)
    if code:
        sys.exit(code)


def demo(folder: Path) -> float:
    """Run the demo in `folder`, and return the F1 score."""
    folder.mkdir(parents=True, exist_ok=True)
    stack, truth, out = folder / "demo.tif", folder / "demo.truth.swc", folder / "demo.swc"
    neurorecon_command("synth", "demo", "-o", stack, "--truth", truth, "--overwrite")
    # Voxels, because that is what the truth is in; without --units the tree would be in micrometres.
    neurorecon_command("run", stack, "-o", out, "--units", "voxel", "--overwrite")
    neurorecon_command("evaluate", out, truth)
    return neurorecon.score_trees(neurorecon.read_swc(out), neurorecon.read_swc(truth)).f1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo"), metavar="FOLDER")
    place, start = parser.parse_args().folder, time.perf_counter()
    f1 = demo(place)
    print(f"F1 against the truth: {f1:.3f} ({time.perf_counter() - start:.0f} s); look at {place / 'demo.png'}")
    sys.exit(0 if f1 >= ENOUGH else f"the score should be {ENOUGH:.2f} or more: run `neurorecon doctor`")
