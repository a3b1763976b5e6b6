"""Fine-tuning on one's own stacks, from the stacks to the score, with synthetic ones in the part of one's own.

    python examples/finetune.py [FOLDER] [STEPS]

makes three stacks from an imaginary microscope with very little light, in FOLDER ("finetune" if not given): one with a
tracing and one with a mask as truth, which the default network is tuned on, and one to see what that brought. It prints
the F1 score of that one before and after. STEPS is the length of the tuning; the default, for two stacks, takes a few
minutes on a CPU.
"""

import argparse
import sys
from pathlib import Path

from demo import neurorecon_command

import neurorecon

MODEL = "vit3d-dtt"
PHOTONS = 1.5  # in a bright neurite: half of the length is lost by the network as it is


def make_stacks(folder: Path) -> None:
    """Make FOLDER/traced/{a.tif, a.swc, b.tif, b_mask.tif} and FOLDER/{c.tif, c.truth.swc}."""
    traced = folder / "traced"
    traced.mkdir(parents=True)
    light = ("--photons", PHOTONS)
    neurorecon_command("synth", "demo", *light, "--seed", 1, "-o", traced / "a.tif", "--truth", traced / "a.swc")
    mask = ("--mask", traced / "b_mask.tif", "--truth", folder / "b.truth.swc")
    neurorecon_command("synth", "demo", *light, "--seed", 2, "-o", traced / "b.tif", *mask)
    neurorecon_command("synth", "demo", *light, "--seed", 3, "-o", folder / "c.tif")


def score(folder: Path, model: Path | str, name: str) -> float:
    """Reconstruct c.tif with `model`, and return the F1 score against its truth."""
    tree = folder / f"{name}.swc"
    neurorecon_command("run", folder / "c.tif", "-o", tree, "--units", "voxel", "--model", model)
    return neurorecon.score_trees(neurorecon.read_swc(tree), neurorecon.read_swc(folder / "c.truth.swc")).f1


def finetune(folder: Path, steps: int | None) -> tuple[float, float]:
    """Do it all in `folder`, which must not be there, and return the F1 scores before and after."""
    make_stacks(folder)
    length = () if steps is None else ("--steps", steps)
    neurorecon_command("train", "--from", MODEL, "--data", folder / "traced", "--out", folder / "run", *length)
    tuned = folder / "run" / f"{MODEL}-traced"
    return score(folder, MODEL, "before"), score(folder, tuned, "after")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("finetune"), metavar="FOLDER")
    parser.add_argument("steps", type=int, nargs="?", metavar="STEPS")
    given = parser.parse_args()
    place = given.folder
    if place.exists():
        sys.exit(f"{place}: exists already; give another folder")
    before, after = finetune(place, given.steps)
    print(
        f"F1 against the truth: {before:.3f} before, {after:.3f} after; the curves of the run: {place / 'run/log.png'}"
    )
