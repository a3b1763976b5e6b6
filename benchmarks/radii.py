"""Radii of traced neurites beside those that synthesis drew: bias and error by radius and light, as markdown.

    python benchmarks/radii.py [--seeds 11,12] [--anisotropy 1,2,4] [--photons 8,40,200] [--blur 0.8,1.0,1.2] [--json FILE]

Every stack holds ten curved neurites of radius 0.3 to 4 px, each of one radius; seed k has the k-th blur (lateral sigma in
px; axial 2.4 times that). The map is the truth drawn as tubes, so that the tracer finds the lines and the grey stack alone
tells the radii. The constants of tracing/calibre.py were chosen on the seeds 1 to 3.
"""

import argparse
import json
import logging
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from maps import draw_tube, line_points, say
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.synth import SynthSettings, synthesize
from neurorecon.tracing import TraceSettings, trace

RADII = (0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)  # px
LENGTH, APART, STEP = 80, 26, 4.0  # px: of a neurite, between two, between two nodes
COLUMNS = 5  # neurites side by side
NEAR = 2.0  # px from a traced node to the neurite that it belongs to
SETTINGS = TraceSettings(units="voxel", find_somata=False, confidence=0.0)


def neurites(seed: int) -> Tree:
    """Return ten gently curved neurites of one radius each, in a random order."""
    rng = np.random.default_rng(seed)
    xyz, radius, parent = [], [], []
    count = int(LENGTH / STEP) + 1
    for place, thick in enumerate(rng.permutation(RADII)):
        start = np.array([(place // COLUMNS) * (LENGTH + 20.0), (place % COLUMNS) * APART, 20.0])
        way = np.array([1, rng.uniform(-0.08, 0.08), rng.uniform(-0.3, 0.3)])
        bend = np.cumsum(np.cumsum(rng.normal(0, 0.05, (count, 3)), 0), 0) * (0, 0.3, 0.3)
        first = len(radius)
        xyz.append(start + STEP * np.arange(count)[:, None] * way + bend)
        radius += [thick] * count
        parent += [-1, *range(first, first + count - 1)]
    return Tree(np.concatenate(xyz), np.array(radius), np.array(parent), unit="voxel")


def measured(seed: int, blur: float, anisotropy: float, photons: float) -> dict[str, NDArray[np.float64]]:
    """Return true and measured radius of each traced node, whether it is resolved, and the finest radius of the stack."""
    settings = SynthSettings(
        seed=seed, voxel_size=(anisotropy, 1.0, 1.0), thinnest_px=0.3, photons=photons, boutons=0, gaps=0,
        membrane=1.0, wander_px=0.0, psf_lateral_px=blur, psf_axial_px=2.4 * blur,
    )  # fmt: skip
    made = synthesize(neurites(seed), settings)
    neurite = np.zeros(made.stack.shape, np.uint8)
    draw_tube(neurite, line_points(made.truth))
    tree = trace(Probability(neurite), SETTINGS, stack=replace(made.stack, voxel_size=None))
    distance, row = cKDTree(made.truth.xyz).query(tree.xyz)
    finest = np.full(len(tree), tree.finest)
    found = {"true": made.truth.radius[row], "light": tree.radius, "resolved": tree.radius >= finest, "finest": finest}
    return {key: np.asarray(values, np.float64)[distance <= NEAR] for key, values in found.items()}


def cell(found: NDArray[np.float64], true: float) -> str:
    """Return "bias / median error" of radii, in per cent."""
    share = found / true - 1
    return f"{100 * np.median(share):+.0f} / {100 * np.median(np.abs(share)):.0f}" if len(share) else "-"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, usual in (("seeds", "11,12"), ("anisotropy", "1,2,4"), ("photons", "8,40,200"), ("blur", "0.8,1.0,1.2")):
        parser.add_argument(f"--{name}", default=usual)
    parser.add_argument("--json", type=Path, help="write the table here")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    lights = [float(value) for value in args.photons.split(",")]
    seeds, shapes, blurs = (
        [float(value) for value in text.split(",")] for text in (args.seeds, args.anisotropy, args.blur)
    )
    rows: dict[float, dict[str, NDArray[np.float64]]] = {}
    for photons in lights:
        parts = []
        for (number, seed), shape in product(enumerate(seeds), shapes):
            parts.append(measured(int(seed), blurs[number % len(blurs)], shape, photons))
            say(
                f"{photons:g} photons, seed {seed:g}, planes {shape:g} px apart: finest {parts[-1]['finest'][0]:.2f} px"
            )
        rows[photons] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    head = [f"{photons:g} photons: bias / error, %, of resolved | resolved, %" for photons in lights]
    print("| radius, px | " + " | ".join(head) + " |\n" + "|---" * (1 + 2 * len(lights)) + "|")
    table = []
    for true in RADII:
        cells = []
        for found in rows.values():
            own = np.isclose(found["true"], true)
            seen = own & (found["resolved"] > 0)
            cells += [cell(found["light"][seen], true), f"{100 * seen.sum() / max(own.sum(), 1):.0f}"]
        table.append([f"{true:g}", *cells])
        print("| " + " | ".join(table[-1]) + " |")
    if args.json:
        args.json.write_text(json.dumps(table) + "\n")


if __name__ == "__main__":
    main()
