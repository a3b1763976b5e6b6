"""Each figure of summary.csv, of our trees beside the expert's: error, correlation, bias, and a Bland-Altman picture.

    python benchmarks/morphometrics.py NAME=PRED:GOLD ... [--ids FILE] [--leave-out 47,90,174,263] [--picture OUT.png]

PRED holds ID.swc or SET_ID.swc, GOLD the expert's ID.gold.swc or ID.swc, all in voxels; each NAME is a set with a table.
`ways.py --out` and `real.py --out` keep such trees. Figures around the root (FROM_ROOT) leave out neurons without a soma in
the picture. Where GOLD has an index.csv, stacks go of which the expert traced a part. In a picture (Bland and Altman
1986) a dot is a stack, its height the difference by the mean of both.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from maps import say
from numpy.typing import NDArray
from scipy.stats import spearmanr

from neurorecon.core.files import read_ids
from neurorecon.core.tree import Tree
from neurorecon.evaluate import one_node_a_soma
from neurorecon.report import morphometrics
from neurorecon.swc import read_swc

FIGURES = {
    "cable_length": "cable length", "tips": "tips", "branch_points": "branch points", "strahler": "Strahler order",
    "tortuosity": "tortuosity", "path_length": "longest path", "sholl_maximum": "Sholl maximum",
    "sholl_radius": "Sholl radius", "extent": "extent", "soma_radius": "soma radius",
}  # fmt: skip
HEAD = ("figure", "n", "median error", "median difference", "Spearman", "95 % of the differences")
FROM_ROOT = ("path_length", "sholl_maximum", "sholl_radius", "soma_radius")
WITHOUT_SOMA = "47,90,174,263"  # of the Gold166 neurons: METRICS.md
LIMITS = 1.96  # standard deviations: 95 % of the differences, were they normal
TILE, MARGIN, DOT = 230, 34, 3  # px of the picture


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure of n stacks: ours and the expert's, (n,) each."""

    ours: NDArray[np.float64]
    gold: NDArray[np.float64]

    def share(self) -> NDArray[np.float64]:
        """Return the differences by the expert's, (n,)."""
        return (self.ours - self.gold) / np.where(self.gold == 0, 1, self.gold)

    def against_mean(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return means and the differences by them, (n,) each."""
        mean = (self.ours + self.gold) / 2
        return mean, (self.ours - self.gold) / np.where(mean == 0, 1, mean)


def figures(tree: Tree) -> dict[str, float | None]:
    """Return the figures of a tree, the outline of a soma as one node; a soma counts where it is larger than a neurite."""
    tree = one_node_a_soma(tree)
    found = morphometrics(tree).as_dict()
    usual = float(np.median(tree.radius)) if len(tree) else 0.0
    if found["soma_radius"] is not None and found["soma_radius"] <= 2 * usual:
        found["soma_radius"] = None  # a mark, not a measure
    return found


def pairs_of(told: str, wanted: set[str] | None, without: set[str]) -> dict[str, Pair]:
    """Return the figures of a set NAME=PRED:GOLD, those around the root without the stacks `without`."""
    pred, gold = (Path(part) for part in told.split("=", 1)[1].split(":"))
    index = gold / "index.csv"
    table = list(csv.DictReader(index.open(encoding="utf-8"))) if index.exists() else []
    part = {row["id"] for row in table if "0" in (row.get("scored", "1"), row.get("precision_asked", "1"))}
    rows: dict[str, list[tuple[float, float]]] = {key: [] for key in FIGURES}
    for path in sorted(pred.glob("*.swc")):
        stem = path.stem.split("_", 1)[1] if path.stem.split("_")[0] in ("lifted", "hard", "dim") else path.stem
        truth = next((file for file in (gold / f"{stem}.gold.swc", gold / f"{stem}.swc") if file.exists()), None)
        if truth is None or stem in part or (wanted is not None and stem not in wanted):
            continue
        ours, due = figures(read_swc(path)), figures(read_swc(truth))
        for key in FIGURES:
            a, b = ours[key], due[key]
            if a is not None and b is not None and not (key in FROM_ROOT and stem in without):
                rows[key].append((float(a), float(b)))
    say(f"{told}: {len(rows['cable_length'])} pairs")
    return {key: Pair(*np.array(values).reshape(-1, 2).T) for key, values in rows.items()}


def line_of(key: str, pair: Pair) -> str:
    """Return a line of the table."""
    if len(pair.gold) < 3:
        return f"| {FIGURES[key]} | {len(pair.gold)} | - | - | - | - |"
    share = pair.share()
    level = len(set(pair.gold)) < 2 or len(set(pair.ours)) < 2
    rank = "-" if level else f"{spearmanr(pair.ours, pair.gold).statistic:.2f}"
    _, apart = pair.against_mean()
    low, high = (apart.mean() + sign * LIMITS * apart.std(ddof=1) for sign in (-1, 1))
    cells = [
        FIGURES[key], str(len(share)), f"{100 * np.median(np.abs(share)):.0f} %", f"{100 * np.median(share):+.0f} %", rank,
        f"{100 * low:+.0f} to {100 * high:+.0f} %",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def draw(sets: dict[str, dict[str, Pair]], path: Path) -> None:
    """Draw one field a figure, a colour a set; the middle line of a field is no difference, its border one mean of both."""
    from PIL import Image, ImageDraw

    columns = 5
    rows = -(-len(FIGURES) // columns)
    picture = Image.new("RGB", (columns * TILE, rows * TILE + 24), "white")
    pen = ImageDraw.Draw(picture)
    colours = dict(zip(sets, ((31, 119, 180), (214, 96, 20), (44, 140, 60), (120, 80, 170)), strict=False))
    for place, key in enumerate(FIGURES):
        left, top = (place % columns) * TILE + MARGIN, (place // columns) * TILE + 20
        width, height = TILE - MARGIN - 8, TILE - 48
        pen.rectangle([left, top, left + width, top + height], outline=(150, 150, 150))
        pen.line([left, top + height / 2, left + width, top + height / 2], fill=(190, 190, 190))
        pen.text((left, top - 15), FIGURES[key], fill="black")
        for sign, label in ((1, "+100%"), (0, "0"), (-1, "-100%")):
            pen.text((left - MARGIN + 1, top + height * (1 - sign) / 2 - 5), label, fill=(90, 90, 90))
        for name, pairs in sets.items():
            field(pen, (left, top, width, height), pairs[key], colours[name])
    for place, (name, colour) in enumerate(colours.items()):
        pen.text((MARGIN + 160 * place, rows * TILE + 6), f"o {name}", fill=colour)
    picture.quantize(32).save(path, optimize=True)


def field(pen: "ImageDraw.ImageDraw", box: tuple[int, int, int, int], pair: Pair, colour: tuple[int, int, int]) -> None:  # noqa: F821
    """Draw the dots of a set, and its mean difference and limits of agreement."""
    left, top, width, height = box
    if not len(pair.gold):
        return
    mean, apart = pair.against_mean()
    span = max(float(np.log(mean.max() / max(mean.min(), 1e-9))), 1e-9)
    if mean.min() <= 0:
        span = 1e-9
    for x, y in zip(mean, np.clip(apart, -1, 1), strict=True):
        at = left + 6 + (width - 12) * (np.log(x / mean.min()) / span if span > 1e-8 else 0.5)
        high = top + height * (1 - y) / 2
        pen.ellipse([at - DOT, high - DOT, at + DOT, high + DOT], outline=colour)
    if len(apart) > 2:
        for level, wide in ((apart.mean(), 2), *((apart.mean() + s * LIMITS * apart.std(ddof=1), 1) for s in (-1, 1))):
            high = top + height * (1 - float(np.clip(level, -1, 1))) / 2
            pen.line([left, high, left + width, high], fill=colour, width=wide)


def main() -> None:
    """Print a table a set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="+", metavar="NAME=PRED:GOLD")
    parser.add_argument("--ids", type=Path)
    parser.add_argument("--leave-out", default=WITHOUT_SOMA)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    wanted = read_ids(args.ids) if args.ids else None
    sets = {}
    for told in args.sets:
        name, ids = told.split("=")[0], wanted
        sets[name] = pairs_of(told, None if "real" in name else ids, set(args.leave_out.split(",")))
        print(f"\n{name}:\n\n| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
        for key, pair in sets[name].items():
            print(line_of(key, pair))
    if args.picture:
        draw(sets, args.picture)


if __name__ == "__main__":
    main()
