"""Root, ways to the soma, Sholl profile, tips and branch points of the trees of lifted, hard and dim.

    python benchmarks/ways.py SETS --ids FILE --work FOLDER [--leave-out 47,90,174,263] [--out FOLDER] [--picture OUT.jpg]

SETS holds lifted, hard and dim with ID.tif and its truth ID.swc, in voxels; FOLDER the maps that tracer.py kept. Left out are
neurons whose soma is not in the picture. Printed are the means of each set; `--out` keeps the trees, and `--picture` draws
those of `lifted` with the expert's root (a wide blue ring) and ours (yellow).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from maps import SETS, load_map, say
from PIL import Image, ImageDraw

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.files import read_ids
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_morphology
from neurorecon.io import read_stack
from neurorecon.report.picture import COLOURS, stretch
from neurorecon.swc import read_swc, write_swc
from neurorecon.tracing import TraceSettings, trace

KEYS = (
    "root_at_soma", "soma_found", "false_somata", "path_agreement", "path_rerooted", "sholl", "tip_f1", "branch_f1",
)  # fmt: skip
WITHOUT_SOMA = "47,90,174,263"  # of the Gold166 neurons in the sets
SETTINGS = TraceSettings(units="voxel")
TILE, ACROSS = 264, 6  # pixels of a neuron in the picture, and neurons in a row
BLUE, YELLOW, WHITE = (74, 168, 255), (255, 220, 0), (235, 235, 240)  # told apart by all eyes
WIDE, NARROW = 8.0, 4.0  # voxels: radii of the rings round the expert's root and ours, and 5 and 3 pixels at least


def drawn(name: str, light: np.ndarray, tree: Tree, gold: Tree) -> Image.Image:
    """Return a neuron: its maximum projection along z (Y, X), its tree, the expert's root and those of the trees."""
    grey = Image.fromarray(np.rint(stretch(light) * 255).astype(np.uint8)).convert("RGB")
    zoom = TILE / max(grey.size)
    grey = grey.resize((round(grey.width * zoom), round(grey.height * zoom)))
    pen = ImageDraw.Draw(grey)
    at = (tree.xyz[:, :2] + 0.5) * zoom
    for child in np.flatnonzero(tree.parent >= 0):
        pen.line([*at[child], *at[tree.parent[child]]], fill=COLOURS[0], width=1)
    rings = [((gold.xyz[0, :2] + 0.5) * zoom, max(5.0, WIDE * zoom), BLUE)]
    rings += [(at[root], max(3.0, NARROW * zoom), YELLOW) for root in np.flatnonzero(tree.parent < 0)]
    for place, radius, colour in rings:
        pen.ellipse([*(place - radius), *(place + radius)], outline=colour, width=2)
    pen.text((3, 1), name, fill=WHITE)
    return grey


def sheet(tiles: list[Image.Image]) -> Image.Image:
    """Return the neurons in rows."""
    made = Image.new("RGB", (TILE * ACROSS, TILE * -(-len(tiles) // ACROSS)))
    for k, tile in enumerate(tiles):
        made.paste(tile, (TILE * (k % ACROSS), TILE * (k // ACROSS)))
    return made


def main() -> None:
    """Print a row a set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--leave-out", default=WITHOUT_SOMA)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    wanted = read_ids(args.ids) - set(args.leave_out.split(","))
    tiles: list[Image.Image] = []
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
            if args.picture is not None and name == SETS[0]:
                tiles.append(drawn(path.stem, np.asarray(stack.data[...]).max(0), tree, gold))
            scores = score_morphology(tree, gold)
            rows.append([float(getattr(scores, key)) for key in KEYS])
            say(f"{name} {path.stem}")
        print(f"| {name} | {len(rows)} | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)) + " |")
    if args.picture is not None:
        sheet(tiles).save(args.picture, quality=82, optimize=True)


if __name__ == "__main__":
    main()
