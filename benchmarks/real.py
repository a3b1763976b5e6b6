"""Real microscope stacks with expert tracings: neurorecon, its tracer without a network, and a classical baseline.

    python benchmarks/real.py STACKS --model A=DIR --model B=DIR --model C=DIR [--out DIR] [--work DIR] [--pictures DIR]
                              [--rows network,raw,classical] [--ids ID,ID] [--fold A] [--kept] [--json FILE]

STACKS holds ID.tif, ID.gold.swc (in voxels) and index.csv with the columns id, specimen, set, fold, scored, precision_asked
and ignore; of those only `id` has to be there. `--model A=DIR` names the network that judges the stacks of fold A: one that
has seen no stack of that fold. `--model NAME` names one for all; the table then says that it is not cross-validated.

Rows of the table:

- network: `neurorecon run --units voxel`;
- raw: `neurorecon trace --raw --units voxel`;
- classical: Gaussian of 1.2 voxels minus Gaussian of (6, 15, 15), less 4 median absolute deviations, Otsu's threshold,
  skeletonize and skan (`pip install skan`); the row is left out, with a word, where skan is missing.

Printed are means (of F1 also median and least) over the stacks whose precision is asked; `path_rerooted` is the mean over
those of the set diadem_op. Predicted cable in the boxes of the column `ignore` (z0:z1 y0:y1 x0:x1;...) is left out: a real
neurite goes on there that the expert did not trace. A stack without a tree scores 0. Seconds: from the stack in memory to
the tree, all cores that the process has; of a map that was kept, those that it took when it was made.

`--out` keeps the trees, DIR/ROW/ID.swc, and `--kept` scores trees that lie there, of whatever program (ID.swc, or ID_1.swc,
ID_2.swc ...), without tracing. `--work` keeps the maps of the network (ID.npz, see maps.py) with the sha256 of the network; a
map of another network is made again. `--pictures` draws every tree on its projections, front and side, beside the expert's.
"""

import argparse
import csv
import json
import logging
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from maps import kept_map, say
from numpy.typing import NDArray
from peers import otsu_mask, skan_tree

from neurorecon.core.errors import NeuroreconError, NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.evaluate import one_node_a_soma, score_morphology, score_trees
from neurorecon.io import read_stack
from neurorecon.nets import Model, load_model
from neurorecon.report.picture import projections, stretch
from neurorecon.report.quality import predicted_f1
from neurorecon.segmentation import SegmentSettings
from neurorecon.swc import read_swc, rows_in_file, write_swc
from neurorecon.tracing import TraceSettings, evidence_of, trace

ROWS = {
    "network": "neurorecon",
    "raw": "neurorecon --raw",
    "classical": "Gaussian minus Gaussian, Otsu, skeletonize + skan",
}
HEAD = (
    "method", "n", "F1@3 mean", "median", "least", "precision", "recall", "branch_f1", "tip_f1", "path_rerooted",
    "length ratio", "seconds",
)  # fmt: skip
TOLD = ("f1", "precision", "recall", "length_ratio", "branch_f1", "tip_f1", "path_rerooted", "predicted_f1", "seconds")
PATHS = "diadem_op"  # the set whose tracings are whole, so that ways along them can be trusted (METRICS.md)
FINE_PX, COARSE_PX, NOISE = 1.2, (6.0, 15.0, 15.0), 4.0  # the baseline that shared/baselines was measured with
SETTINGS = TraceSettings(units="voxel")
NOTHING = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64), unit="voxel")
PAPER, EXPERT, OURS = (16, 16, 20), (0, 200, 255), (255, 150, 0)  # of pictures; told apart by all eyes
GAP = 4  # pixels between panels


@dataclass(frozen=True, slots=True)
class Entry:
    """A stack of the index.

    Attributes:
        id: its name.
        specimen: what it was taken of; stacks of one specimen are not told apart.
        set: the collection that it is from.
        fold: A, B, C, or "-".
        asked: precision counts.
        ignore: boxes (K, 3, 2), zyx, start and stop.
        folder: where it lies.
    """

    id: str
    specimen: str
    set: str
    fold: str
    asked: bool
    ignore: NDArray[np.float64]
    folder: Path

    @property
    def stack(self) -> Path:
        """Return the path of the picture."""
        return self.folder / f"{self.id}.tif"

    @property
    def gold(self) -> Path:
        """Return the path of the expert's tracing."""
        return self.folder / f"{self.id}.gold.swc"


def entries_of(folder: Path) -> list[Entry]:
    """Return the stacks of a folder that are scored."""
    with (folder / "index.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [
        Entry(
            row["id"],
            row.get("specimen") or row["id"],
            row.get("set") or "",
            row.get("fold") or "-",
            row.get("precision_asked") != "0",
            boxes_of(row.get("ignore") or ""),
            folder,
        )
        for row in rows
        if row.get("scored") != "0"
    ]


def boxes_of(text: str) -> NDArray[np.float64]:
    """Return the boxes (K, 3, 2) of a text z0:z1 y0:y1 x0:x1;..."""
    boxes = [[[float(end) for end in span.split(":")] for span in box.split()] for box in text.split(";") if box]
    return np.array(boxes).reshape(-1, 3, 2)


def in_boxes(xyz: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (N, 3), voxels, lie in a box."""
    zyx = xyz[:, None, ::-1]
    return ((zyx >= boxes[None, :, :, 0]) & (zyx < boxes[None, :, :, 1])).all(2).any(1)


def outside(tree: Tree, boxes: NDArray[np.float64]) -> Tree:
    """Return a tree (voxels) without its nodes in the boxes, and without the edges at these."""
    return tree.take(np.flatnonzero(~in_boxes(tree.xyz, boxes)))


class Networks:
    """The network of each fold, read when it is needed."""

    def __init__(self, told: list[str]) -> None:
        """Take what `--model` said: A=DIR, or one NAME for all."""
        self.of_fold = dict(word.split("=", 1) for word in told if "=" in word)
        single = [word for word in told if "=" not in word]
        if len(single) > 1 or (single and self.of_fold):
            raise SystemExit("give --model FOLD=DIR for every fold, or --model NAME once")
        self.single = single[0] if single else None if self.of_fold else SegmentSettings().model
        self.load = cache(load_model)

    @property
    def crossed(self) -> bool:
        """Return whether every fold has a network of its own."""
        return self.single is None

    def of(self, fold: str) -> Model:
        """Return the network that judges a fold."""
        name = self.single or self.of_fold.get(fold)
        if name is None:
            raise SystemExit(f"no network for fold {fold}: give --model {fold}=DIR")
        return self.load(name)


def traced(row: str, entry: Entry, args: argparse.Namespace) -> tuple[Tree, float]:
    """Return what a method makes of a stack, in voxels, and its seconds."""
    stack = read_stack(entry.stack)
    stack = Stack(np.asarray(stack.data[...]), stack.voxel_size, source=stack.source)
    probability, before = None, 0.0
    if row == "network":
        probability, before = kept_map(args.work / f"{entry.id}.npz", stack, args.networks.of(entry.fold))
    start = time.perf_counter()
    try:
        if row == "classical":
            tree = skan_tree(otsu_mask(Probability(risen(np.asarray(stack.data)))))
        else:
            tree = trace(probability or evidence_of(stack), SETTINGS, stack=stack)
    except NoNeuronError:
        tree = NOTHING
    return tree, before + time.perf_counter() - start


def risen(data: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return how far voxels (Z, Y, X) rise above their surroundings and the noise, as 0 to 255."""
    from scipy.ndimage import gaussian_filter

    grey = data.astype(np.float32)
    clear = gaussian_filter(grey, FINE_PX) - gaussian_filter(grey, COARSE_PX)
    clear -= NOISE * np.median(np.abs(clear - np.median(clear)))
    np.maximum(clear, 0, out=clear)
    return np.rint(clear * (255 / max(float(clear.max()), 1e-9))).astype(np.uint8)


def kept_tree(folder: Path, name: str) -> Tree:
    """Return the tree, or the forest of the trees, of a stack that lies in a folder."""
    whole = folder / f"{name}.swc"
    paths = [whole] if whole.exists() else sorted(folder.glob(f"{name}_[0-9]*.swc"))
    return Tree.joined([read_swc(path, allow_empty=True) for path in paths]) if paths else NOTHING


def scores_of(tree: Tree, entry: Entry) -> dict[str, float]:
    """Return the scores of a tree in voxels."""
    gold = read_swc(entry.gold)
    seen = outside(one_node_a_soma(tree), entry.ignore)
    return (
        score_trees(seen, gold).as_dict() | score_morphology(seen, gold, gold_rows=rows_in_file(entry.gold)).as_dict()
    )


def judged(row: str, entry: Entry, args: argparse.Namespace) -> dict[str, object]:
    """Trace and score one stack; without tracing where trees are kept."""
    path, note = args.out / row / f"{entry.id}.swc", args.out / row / f"{entry.id}.json"
    told: dict[str, object] = {"seconds": float("nan"), "predicted_f1": float("nan")}
    if args.kept:
        told |= json.loads(note.read_text()) if note.exists() else {}
    else:
        tree, seconds = traced(row, entry, args)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if len(tree):
            write_swc(tree, path)
        said = predicted_f1(tree)
        told |= {"seconds": round(seconds, 2), "predicted_f1": float("nan") if said is None else said}
        note.write_text(json.dumps(told) + "\n")
    tree = kept_tree(path.parent, entry.id)  # as it is written, to four decimals
    if args.pictures:
        draw(args.pictures / row / f"{entry.id}.png", entry, tree)
    same = {"id": entry.id, "set": entry.set, "fold": entry.fold, "asked": entry.asked}
    return same | scores_of(tree, entry) | told


def draw(path: Path, entry: Entry, tree: Tree) -> None:
    """Draw a stack from the front and from the side: plain, with the expert's tree, and with this one."""
    from PIL import Image

    stack = read_stack(entry.stack)
    front, _, side = projections(stack.data)
    height = 1.0 if stack.voxel_size is None else float(stack.voxel_size.relative_zyx[0])
    rows = []
    for image, axis, tall in ((front, 1, 1.0), (side, 2, height)):
        grey = Image.fromarray(np.rint(stretch(image) * 255).astype(np.uint8)).convert("RGB")
        grey = grey.resize((grey.width, max(1, round(grey.height * tall))))
        rows.append([grey, lined(grey, read_swc(entry.gold), axis, tall, EXPERT), lined(grey, tree, axis, tall, OURS)])
    width = sum(panel.width for panel in rows[0]) + 2 * GAP
    sheet = Image.new("RGB", (width, sum(row[0].height for row in rows) + GAP), PAPER)
    top = 0
    for row in rows:
        for k, panel in enumerate(row):
            sheet.paste(panel, (k * (panel.width + GAP), top))
        top += row[0].height + GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def lined(grey, tree: Tree, axis: int, tall: float, colour: tuple[int, int, int]):
    """Return a picture with a tree on it: x to the right, and `axis` of xyz downwards, each voxel `tall` pixels."""
    from PIL import ImageDraw

    picture = grey.copy()
    pen = ImageDraw.Draw(picture)
    places = np.column_stack([tree.xyz[:, 0] + 0.5, (tree.xyz[:, axis] + 0.5) * tall])
    for child in np.flatnonzero(tree.parent >= 0):
        pen.line([*places[child], *places[tree.parent[child]]], fill=colour, width=1)
    return picture


def line_of(name: str, rows: list[dict[str, object]]) -> str:
    """Return one line of the table."""
    asked = [row for row in rows if row["asked"]]

    def mean(key: str, of: list[dict[str, object]] = asked) -> float:
        return float(np.mean([row[key] for row in of])) if of else float("nan")

    f1 = [row["f1"] for row in asked] or [float("nan")]
    ways = mean("path_rerooted", [row for row in asked if row["set"] == PATHS])
    cells = [
        name, str(len(asked)), f"**{np.mean(f1):.3f}**", f"{np.median(f1):.3f}", f"{np.min(f1):.3f}",
        *(f"{mean(key):.3f}" for key in ("precision", "recall", "branch_f1", "tip_f1")), f"{ways:.3f}",
        f"{mean('length_ratio'):.2f}", f"{mean('seconds'):.1f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    """Return the arguments, rows that cannot be run left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stacks", type=Path, help="folder with index.csv, ID.tif and ID.gold.swc")
    parser.add_argument("--model", action="append", default=[], metavar="FOLD=DIR", help="network that judges a fold")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {','.join(ROWS)} (default: all)")
    parser.add_argument("--ids", help="only these, with commas between")
    parser.add_argument("--fold", help="only this fold")
    parser.add_argument("--out", type=Path, help="keep the trees here (default: a folder that goes again)")
    parser.add_argument("--work", type=Path, help="keep the maps here (likewise)")
    parser.add_argument("--pictures", type=Path, help="draw every tree here")
    parser.add_argument("--kept", action="store_true", help="score the trees that lie in --out")
    parser.add_argument("--json", type=Path, help="write the scores of every stack here")
    args = parser.parse_args()
    args.rows = args.rows.split(",")
    if unknown := [row for row in args.rows if row not in ROWS and not args.kept]:
        parser.error(f"unknown rows {', '.join(unknown)}; known are {', '.join(ROWS)}")
    if args.kept and args.out is None:
        parser.error("--kept scores what lies in --out DIR")
    if "classical" in args.rows and not args.kept and not find_spec("skan"):
        say("left out without skan (pip install skan): classical")
        args.rows.remove("classical")
    args.networks = Networks(args.model)
    return args


def main() -> None:
    """Print the table."""
    args = parse()
    logging.disable(logging.WARNING)
    wanted = set(args.ids.split(",")) if args.ids else None
    entries = [
        entry
        for entry in entries_of(args.stacks)
        if (wanted is None or entry.id in wanted) and (args.fold is None or entry.fold == args.fold)
    ]
    scores: dict[str, list[dict[str, object]]] = {row: [] for row in args.rows}
    with tempfile.TemporaryDirectory() as folder:
        args.out, args.work = args.out or Path(folder, "out"), args.work or Path(folder, "maps")
        say("row        stack        fold " + " ".join(f"{key[:12]:>12s}" for key in TOLD))
        for row in args.rows:
            for entry in entries:
                try:
                    found = judged(row, entry, args)
                except NeuroreconError as error:
                    raise SystemExit(f"{row}, {entry.id}: {error}") from error
                scores[row].append(found)
                say(f"{row:10s} {entry.id:12s} {entry.fold:4s} " + " ".join(f"{found[key]:12.3f}" for key in TOLD))
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for row, of_stacks in scores.items():
        note = " (cross-validated)" if args.networks.crossed else f" ({args.networks.single}, not cross-validated)"
        print(line_of(ROWS.get(row, row) + (note if row == "network" else ""), of_stacks))
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    main()
