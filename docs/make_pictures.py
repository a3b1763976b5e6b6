"""Draw the pictures of README, docs/first_stack.md and docs/troubleshooting.md: `python docs/make_pictures.py [NAME ...]`.

Every picture comes from synthetic stacks and from commands as a user would type them, so anybody can draw them again. About
ten minutes of one core for all.
"""

import csv
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import cKDTree

import neurorecon
from neurorecon.cli import main
from neurorecon.core.tree import Tree
from neurorecon.report.picture import COLOURS, stretch
from neurorecon.synth import demo_tree

PICTURES = Path(__file__).resolve().parent / "pictures"
ZOOM = 2  # pixels a voxel: lines of two pixels stay apart
PAINT = tuple[int, int, int]
BLUE, YELLOW, ORANGE, WHITE = (74, 168, 255), (255, 220, 0), (255, 98, 0), (255, 255, 255)  # told apart by all eyes
LEAST_SHOWN = 0.8  # confidence that is drawn in orange, as all below it; 0.9 is yellow, 1 is blue
NEAR = 3.0  # voxels: the tolerance of `neurorecon evaluate`


def command(line: str) -> None:
    """Run one command of the program."""
    print(f"$ neurorecon {line}", flush=True)
    code = main(line.split(), prog_name="neurorecon", standalone_mode=False)
    if code:
        print(f"  (exit code {code})")


def settings(name: str, text: str) -> None:
    """Write a file of settings."""
    Path(name).write_text(text, encoding="utf-8")


def light(stack: str, axis: int = 0, tall: float = 1.0) -> Image.Image:
    """Return the maximum projection of a stack, rows `tall` times as high as columns are wide."""
    grey = stretch(np.asarray(neurorecon.read_stack(stack).data[...]).max(axis))
    picture = Image.fromarray((grey * 255).astype(np.uint8))
    rows, columns = grey.shape
    return picture.resize((columns * ZOOM, round(rows * ZOOM * tall))).convert("RGB")


def on(picture: Image.Image, tree: Tree, colours: list[PAINT], axis: int = 0, tall: float = 1.0) -> Image.Image:
    """Draw a tree in voxels with a colour a node, and a ring around each root: yellow for a soma, else white."""
    picture = picture.copy()
    pen = ImageDraw.Draw(picture)
    columns, rows = (0, 1) if axis == 0 else (0, 2)
    at = (tree.xyz[:, [columns, rows]] + 0.5) * ZOOM * np.array([1.0, tall])
    for node, parent in enumerate(tree.parent):
        if parent >= 0:
            pen.line([*at[node], *at[parent]], fill=colours[node], width=2)
    for root in np.flatnonzero(tree.parent < 0):
        ring(pen, at[root], 7, YELLOW if tree.type[root] == 1 else WHITE)
    return picture


def ring(pen: Any, at: NDArray[np.float64], radius: float, colour: PAINT) -> None:
    """Draw a circle."""
    pen.ellipse([*(at - radius), *(at + radius)], outline=colour, width=2)


def of_trees(tree: Tree) -> list[PAINT]:
    """Return a colour a node: one for each tree."""
    number = np.zeros(len(tree), int)
    for node, parent in enumerate(tree.parent):
        number[node] = number[parent] if parent >= 0 else (number[:node].max() + 1 if node else 0)
    return [COLOURS[k % len(COLOURS)] for k in number]


def by_distance(tree: Tree, other: Tree, far: PAINT) -> list[PAINT]:
    """Return blue for the nodes near another tree, and `far` for the rest."""
    distance, _ = cKDTree(dense(other)).query(tree.xyz)
    return [BLUE if d <= NEAR else far for d in distance]


def dense(tree: Tree) -> NDArray[np.float64]:
    """Return the nodes of a tree and the middles of its edges."""
    child = np.flatnonzero(tree.parent >= 0)
    return np.concatenate([tree.xyz, (tree.xyz[child] + tree.xyz[tree.parent[child]]) / 2])


def doubts(swc: str, tree: Tree) -> tuple[list[PAINT], list[tuple[int, NDArray[np.float64]]]]:
    """Return a colour a node, orange through yellow to blue by its confidence, and the first places of the review list."""
    colours, places = [BLUE] * len(tree), []
    with open(swc.replace(".swc", ".review.csv"), encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sure = 2 * np.clip((float(row["confidence"]) - LEAST_SHOWN) / (1 - LEAST_SHOWN), 0, 1)
            low, high, share = (ORANGE, YELLOW, sure) if sure < 1 else (YELLOW, BLUE, sure - 1)
            red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
            colour: PAINT = (red, green, blue)
            node, end = int(row["to_node"]) - 1, int(row["from_node"]) - 1
            while node != end:
                colours[node], node = colour, int(tree.parent[node])
            if int(row["rank"]) <= 5:
                places.append((int(row["rank"]), tree.xyz[int(row["node"]) - 1]))
    return colours, places


def titled(picture: Image.Image, title: str) -> Image.Image:
    """Return a picture with a line above it."""
    made = Image.new("RGB", (picture.width, picture.height + 22), (16, 16, 20))
    made.paste(picture, (0, 22))
    ImageDraw.Draw(made).text((4, 3), title, fill=(225, 225, 230), font=ImageFont.load_default(13))
    return made


def side_by_side(name: str, *panels: Image.Image) -> None:
    """Write panels beside each other."""
    made = Image.new("RGB", (sum(p.width for p in panels) + 4 * (len(panels) - 1), max(p.height for p in panels)))
    left = 0
    for panel in panels:
        made.paste(panel, (left, 0))
        left += panel.width + 4
    made.save(PICTURES / f"{name}.jpg", quality=80, optimize=True)
    print(f"{name}.jpg: {(PICTURES / f'{name}.jpg').stat().st_size // 1000} kB")


def panel(stack: str, swc: str, title: str) -> Image.Image:
    """Return the trees of a file on the light of a stack, a colour each."""
    tree = neurorecon.read_swc(swc)
    return titled(on(light(stack), tree, of_trees(tree)), title)


def first_stack() -> None:
    """Draw the three commands of README, and the steps between them."""
    command("synth demo -o cell.tif")
    command("segment cell.tif -o cell_prob.tif")
    command("run cell.tif -o cell.swc --units voxel")
    tree, truth = neurorecon.read_swc("cell.swc"), neurorecon.read_swc("cell.truth.swc")
    grey = light("cell.tif")
    grey.save(PICTURES / "first_1_stack.jpg", quality=88)
    on(grey, tree, of_trees(tree)).save(PICTURES / "first_2_tree.jpg", quality=88)
    compared = on(on(grey, truth, by_distance(truth, tree, YELLOW)), tree, by_distance(tree, truth, ORANGE))
    compared.save(PICTURES / "first_3_truth.jpg", quality=88)
    light("cell_prob.tif").save(PICTURES / "first_probability.jpg", quality=88)
    colours, places = doubts("cell.swc", tree)
    sure = on(grey, tree, colours)
    pen = ImageDraw.Draw(sure)
    middles = [(xyz[:2] + 0.5) * ZOOM for _, xyz in places]
    for (rank, _), at in zip(places, middles, strict=True):
        ring(pen, at, 9, WHITE)
        beside = any(0 < x - at[0] < 30 and abs(y - at[1]) < 20 for x, y in middles)  # a ring at the right: number left
        pen.text((at[0] + (-19 if beside else 11), at[1] - 8), str(rank), fill=WHITE, font=ImageFont.load_default(15))
    sure.save(PICTURES / "first_confidence.jpg", quality=88)


def fault_soma() -> None:
    """Draw a soma that is not seen: a small body, in a map without its stack."""
    settings("small_soma.toml", "soma_radius_px = 2.0\nsoma_brightness = 0.7\n")
    command("synth demo -o soma.tif --settings small_soma.toml")
    command("segment soma.tif -o soma.ome.zarr")
    settings("no_search.toml", "[trace]\nfind_somata = false\n")
    command("trace soma.ome.zarr -o wrong.swc --units voxel --settings no_search.toml")
    command("trace soma.ome.zarr -o right.swc --units voxel --soma 25,92,87")
    left = panel("soma.tif", "wrong.swc", "root at the thickest end (white ring)")
    side_by_side("fault_soma", left, panel("soma.tif", "right.swc", "--soma 25,92,87 (yellow ring)"))


def fault_twigs() -> None:
    """Short twigs that are no branches: puncta and spines beside the neurites."""
    settings("rough.toml", "spines = 12\npuncta = 300\nphotons = 15\n")
    command("synth demo -o twigs.tif --settings rough.toml")
    command("segment twigs.tif -o twigs.ome.zarr")
    command("trace twigs.ome.zarr --stack twigs.tif -o many.swc --units voxel --confidence 0 --min-length 1")
    command("trace twigs.ome.zarr --stack twigs.tif -o few.swc --units voxel --min-length 8")
    tips = [
        int((np.bincount(t.parent[t.parent >= 0], minlength=len(t)) == 0).sum()) for t in map(read, ("many", "few"))
    ]
    left = panel("twigs.tif", "many.swc", f"--confidence 0 --min-length 1: {tips[0]} tips")
    side_by_side("fault_twigs", left, panel("twigs.tif", "few.swc", f"--min-length 8: {tips[1]} tips"))


def read(name: str) -> Tree:
    """Return the tree of NAME.swc."""
    return neurorecon.read_swc(f"{name}.swc")


def fault_pieces() -> None:
    """Light so weak that the map is in pieces."""
    settings("dim.toml", "photons = 3.5\ngaps = 7\nstaining = 0.7\n")
    command("synth demo -o pieces.tif --settings dim.toml")
    command("segment pieces.tif -o pieces.ome.zarr")
    trace = "trace pieces.ome.zarr --stack pieces.tif --units voxel --single-file -o"
    command(f"{trace} kept.swc")
    command(f"{trace} more.swc --confidence 0.1 --fragments 10")
    left = panel("pieces.tif", "kept.swc", "defaults")
    side_by_side("fault_pieces", left, panel("pieces.tif", "more.swc", "--confidence 0.1 --fragments 10"))


def fault_one_tree() -> None:
    """Two neurons that touch, of which one soma was found."""
    two = demo_tree(0), demo_tree(3)
    shift = np.array([two[0].xyz[:, 0].max() - two[1].xyz[:, 0].min() - 12, 0, 0])
    second = two[1].parent + len(two[0])
    both = Tree(
        np.concatenate([two[0].xyz, two[1].xyz + shift]),
        np.concatenate([t.radius for t in two]),
        np.concatenate([two[0].parent, np.where(two[1].parent < 0, -1, second)]),
        np.concatenate([t.type for t in two]),
        two[0].unit,
    )
    neurorecon.write_swc(both, "both.swc")
    command("synth both.swc -o both.tif")
    command("segment both.tif -o both.ome.zarr")
    truth = neurorecon.read_swc("both.truth.swc")
    places = [",".join(f"{v:.0f}" for v in truth.xyz[k][::-1]) for k in np.flatnonzero(truth.parent < 0)]
    trace = "trace both.ome.zarr --stack both.tif --units voxel --single-file -o"
    command(f"{trace} one.swc --soma {places[0]}")
    command(f"{trace} apart.swc --soma {places[0]} --soma {places[1]}")
    left = panel("both.tif", "one.swc", "one soma is known: one tree")
    side_by_side("fault_one_tree", left, panel("both.tif", "apart.swc", "--soma twice: a tree each"))


def fault_spaghetti() -> None:
    """Debris of other fibres, followed because the limits are too low."""
    fibres = "scraps = 1500\nscrap_brightness = 0.6\nspecks = 600\nspeck_brightness = 0.4\n"
    settings("tissue.toml", f"texture = 0.15\n{fibres}cells = 0.3\nphotons = 20\n")
    command("synth demo -o tissue.tif --settings tissue.toml")
    command("segment tissue.tif -o tissue.ome.zarr")
    trace = "trace tissue.ome.zarr --stack tissue.tif --units voxel --single-file -o"
    command(f"{trace} flood.swc --threshold 0.05 --confidence 0 --fragments 5")
    command(f"{trace} plain.swc")
    left = panel("tissue.tif", "flood.swc", "--threshold 0.05 --confidence 0 --fragments 5")
    side_by_side("fault_spaghetti", left, panel("tissue.tif", "plain.swc", "defaults"))


def fault_nothing() -> None:
    """Dark neurites on a bright ground, as in brightfield."""
    command("synth demo -o plain.tif")
    stack = neurorecon.read_stack("plain.tif")
    neurorecon.write_stack(255 - np.asarray(stack.data[...]), "dark.tif", voxel_size=stack.voxel_size)
    command("run dark.tif -o dark.swc --units voxel --invert")
    dark = Image.fromarray(np.asarray(neurorecon.read_stack("dark.tif").data[...]).min(0))
    dark = dark.resize((dark.width * ZOOM, dark.height * ZOOM)).convert("RGB")
    side_by_side("fault_nothing", titled(dark, "refused: looks inverted"), panel("plain.tif", "dark.swc", "--invert"))


def fault_size() -> None:
    """Draw a wrong voxel size: the side view is flat, lengths are wrong."""
    command("synth demo -o size.tif")
    panels = []
    for size, tall in (("0.5,0.5,0.5", 1.0), ("1,0.5,0.5", 2.0)):
        command(f"run size.tif -o size.swc --voxel-size {size} --overwrite")
        tree = neurorecon.read_swc("size.swc")
        voxels = Tree(tree.xyz / (np.array([0.5, 0.5, 0.5 * tall])), tree.radius, tree.parent, tree.type, "voxel")
        drawn = on(light("size.tif", 1, tall), voxels, of_trees(voxels), 1, tall)
        panels.append(titled(drawn, f"--voxel-size {size}: {tree.cable_length:.0f} um"))
    side_by_side("fault_size", *panels)


ALL = {f.__name__: f for f in (
    first_stack, fault_soma, fault_twigs, fault_pieces, fault_one_tree, fault_spaghetti, fault_nothing, fault_size,
)}  # fmt: skip


def wanted(names: list[str]) -> Iterator[Any]:
    """Give the pictures that are named, or all."""
    for name, draw in ALL.items():
        if not names or name in names:
            yield draw


if __name__ == "__main__":
    for draw in wanted(sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            draw()
