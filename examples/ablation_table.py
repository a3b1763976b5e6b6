"""From the results of `ablation.py` to table.md, table.csv and table.png."""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ablation_plan import Cell, Plan, cells_of, load_result

from neurorecon.core.errors import InputError
from neurorecon.core.files import write_beside, write_text
from neurorecon.training.compare import Difference, paired_difference

METRICS = {"dice": "Dice", "hd95": "HD95", "cldice": "clDice", "f1": "F1@3", "esa": "ESA", "dsa": "DSA", "pds": "PDS"}
IN_PERCENT = ("dice", "hd95")
DISTANCES = ("hd95", "esa", "dsa")
DRAWN = ("dice", "hd95", "f1")


@dataclass(frozen=True, slots=True)
class Row:
    """An arm at a share of the neurons, beside arm `against`, on a group of stacks; `parameters` at inference."""

    group: str
    against: str
    arm: str
    share: float
    seeds: int
    neurons: int
    stacks: int
    scores: dict[str, Difference]
    parameters: int
    minutes: float


@dataclass(frozen=True, slots=True)
class Results:
    """All results there are, on the stacks that all of them have."""

    plan: Plan
    by_cell: dict[Cell, dict[str, Any]]
    names: list[str]

    @classmethod
    def load(cls, plan: Plan) -> "Results":
        """Read what is there.

        Raises:
            InputError: if nothing is.
        """
        found = {cell: result for cell in cells_of(plan) if (result := load_result(plan, cell)) is not None}
        names = [name for name in plan.names if all(name in result["stacks"] for result in found.values())]
        if not found or not names:
            raise InputError(f"{plan.results}: holds no results to tabulate yet")
        return cls(plan, found, names)

    def seeds(self, against: str, arm: str, share: float) -> list[int]:
        """Return the seeds for which both arms are there."""
        both = (arm, against)
        return [seed for seed in self.plan.seeds if all(Cell(name, share, seed) in self.by_cell for name in both)]

    def matrix(self, metric: str, cells: list[Cell], names: list[str]) -> np.ndarray:
        """Return scores (runs, stacks); the diagonal of the stack stands for an infinite distance."""
        stacks = [self.by_cell[cell]["stacks"] for cell in cells]
        known = [[(row[name][metric], row[name]["diagonal"]) for name in names] for row in stacks]
        return np.array([[far if value is None else value for value, far in row] for row in known], np.float64)

    def rows(self) -> Iterator[Row]:
        """Give all rows: all stacks first, then each group; in each, against one arm after the other."""
        for group, ids in (("all", None), *self.plan.groups.items()):
            names = [name for name in self.names if ids is None or neuron_of(name) in ids]
            for against in self.plan.references:
                for share in (1.0, *self.plan.shares):
                    for arm in self.plan.arms:
                        if names and self.seeds(against, arm, share):
                            yield self.row(group, against, Cell(arm, share, 0), names)

    def row(self, group: str, against: str, cell: Cell, names: list[str]) -> Row:
        """Compare an arm with another at the same share, by neuron and seed."""
        neurons = [neuron_of(name) for name in names]
        seeds = self.seeds(against, cell.arm, cell.share)
        mine, theirs = ([Cell(arm, cell.share, seed) for seed in seeds] for arm in (cell.arm, against))
        scores = {
            metric: paired_difference(*(self.matrix(metric, cells, names) for cells in (mine, theirs)), neurons)
            for metric in METRICS
        }
        runs = [self.by_cell[run] for run in mine]
        minutes = float(np.mean([run["train_seconds"] for run in runs])) / 60
        counts = (len(seeds), len(set(neurons)), len(names))
        return Row(group, against, cell.arm, cell.share, *counts, scores, runs[0]["parameters"], minutes)

    def infinite(self, metric: str) -> int:
        """Count the infinite values of a score."""
        return sum(run["stacks"][name][metric] is None for run in self.by_cell.values() for name in self.names)

    def speeds(self) -> dict[str, float]:
        """Return the voxels a second of each arm on one core, as `--cost` found them; else none."""
        path = self.plan.results / "cost.json"
        speeds: dict[str, float] = json.loads(path.read_text())["voxels_per_second"] if path.exists() else {}
        return speeds


def neuron_of(name: str) -> str:
    """Return the neuron that a stack is made of."""
    return name.split("/")[-1]


def write_tables(plan: Plan) -> list[Path]:
    """Write table.md, table.csv and table.png, and return their paths.

    Raises:
        InputError: if there are no results yet.
    """
    results = Results.load(plan)
    rows = list(results.rows())
    if all(row.against != plan.reference for row in rows):
        raise InputError(
            f"{plan.results}: no seed of {plan.reference!r} is done yet, so there is nothing to compare with"
        )
    paths = [plan.results / f"table.{kind}" for kind in ("md", "csv", "png")]
    write_text(paths[0], markdown(results, rows), overwrite=True)
    with write_beside(paths[1], overwrite=True) as beside, open(beside, "w", newline="") as handle:
        write_csv(handle, rows, results.speeds())
    with write_beside(paths[2], overwrite=True) as beside:
        draw(beside, rows, plan)
    return paths


def markdown(results: Results, rows: list[Row]) -> str:
    """Return the tables of means and of differences, for all stacks and for each group, and what has to be known."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        here = [row for row in rows if row.group == group]
        lines += [f"## {group}: {here[0].stacks} stacks of {here[0].neurons} neurons", ""]
        lines += means_table([row for row in here if row.against == results.plan.reference], results.speeds())
        for against in dict.fromkeys(row.against for row in here):
            lines += ["", f"Difference to `{against}` trained on the same neurons, with its 95 % interval:", ""]
            lines += gaps_table([row for row in here if row.against == against != row.arm])
        lines.append("")
    return "\n".join(lines + notes(results)) + "\n"


def means_table(rows: list[Row], speeds: dict[str, float]) -> list[str]:
    """Return the lines of the table of means and costs."""
    lines = table_of(("arm", "neurons", "seeds", *METRICS.values(), "parameters", "Mvoxel/s", "training"))
    for row in rows:
        speed = f"{speeds[row.arm] / 1e6:.2f}" if row.arm in speeds else "-"
        means = [f"{score.mean:.{places(metric)}f}" for metric, score in row.scores.items()]
        cost = [f"{row.parameters / 1e6:.2f} M", speed, f"{row.minutes:.0f} min"]
        lines.append(line_of([row.arm, f"{row.share:.0%}", str(row.seeds), *means, *cost]))
    return lines


def gaps_table(rows: list[Row]) -> list[str]:
    """Return the lines of the table of differences."""
    titles = [t for key, title in METRICS.items() for t in ((title, f"{title}, %") if key in IN_PERCENT else (title,))]
    return table_of(("arm", "neurons", *titles)) + [line_of([row.arm, f"{row.share:.0%}", *gaps(row)]) for row in rows]


def table_of(titles: tuple[str, ...]) -> list[str]:
    return [line_of(list(titles)), line_of(["---"] * len(titles))]


def line_of(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def places(metric: str) -> int:
    """Return the decimals that are worth printing."""
    return 2 if metric in DISTANCES else 3


def gaps(row: Row) -> list[str]:
    """Return the differences of a row as text, those in percent beside the others."""
    cells, enough = [], row.seeds > 1 and row.neurons > 1
    for metric, score in row.scores.items():
        cells.append(interval(score.absolute, places(metric), enough=enough))
        if metric in IN_PERCENT:
            cells.append(interval(score.percent, 1, enough=enough))
    return cells


def interval(values: tuple[float, float, float], digits: int, *, enough: bool) -> str:
    """Return "value [low, high]"; bold where the interval does not hold 0 and there are several seeds and neurons."""
    if math.isnan(values[0]):
        return "-"
    value, low, high = (f"{number:+.{digits}f}" for number in values)
    text = f"{value} [{low}, {high}]"
    return f"**{text}**" if enough and (values[1] > 0 or values[2] < 0) else text


def notes(results: Results) -> list[str]:
    """Return what has to be known to read the tables."""
    neurons = len({neuron_of(name) for name in results.names})
    done, asked = len(results.by_cell), len(cells_of(results.plan))
    infinite = ", ".join(f"{METRICS[metric]} {results.infinite(metric)}" for metric in DISTANCES)
    steps = sorted({run["steps"] for run in results.by_cell.values()})
    return [
        f"{done} of {asked} runs are done, each of {', '.join(map(str, steps))} steps; {len(results.names)} whole stacks of "
        f"{neurons} neurons that no run has seen. Means over stacks and seeds; HD95, ESA and DSA in voxels, and there less is "
        "better, as in PDS. Intervals by 10,000 resamples of neurons, each with all its stacks, and of seeds; bold where "
        "they do not hold 0. Few seeds make them somewhat narrow, and they are not corrected for the number of arms.",
        "",
        f"Infinite values (an empty mask or tree), for which the diagonal of the stack stands: {infinite}, of "
        f"{done * len(results.names)} each.",
    ]


def write_csv(handle: Any, rows: list[Row], speeds: dict[str, float]) -> None:
    """Write one line a row and score."""
    writer = csv.writer(handle)
    parts = ("low", "high", "percent", "percent_low", "percent_high")
    about = ("group", "against", "arm", "share", "seeds", "stacks", "parameters", "train_minutes", "voxels_per_second")
    writer.writerow((*about, "score", "mean", "reference", "difference", *parts))
    for row in rows:
        counts = (row.seeds, row.stacks, row.parameters, round(row.minutes, 2))
        known = (row.group, row.against, row.arm, row.share, *counts)
        for metric, score in row.scores.items():
            numbers = (score.mean, score.reference, *score.absolute, *score.percent)
            writer.writerow((*known, speeds.get(row.arm, ""), metric, *(round(number, 5) for number in numbers)))


def draw(path: Path, rows: list[Row], plan: Plan) -> None:
    """Draw the differences in percent with their intervals; the shares of the neurons in paler colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    here = [row for row in rows if row.group == "all" and row.against == plan.reference != row.arm]
    shares = (1.0, *plan.shares)
    arms = list(dict.fromkeys(row.arm for row in here))
    figure = Figure(figsize=(4 * len(DRAWN), 1.4 + 0.5 * len(arms)), layout="constrained")
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    for panel, metric in zip(panels, DRAWN, strict=True):
        panel.axvline(0, color="0.7", linewidth=1)
        for k, share in enumerate(shares):
            picked = [row for row in here if row.share == share]
            values = np.array([row.scores[metric].percent for row in picked]).reshape(-1, 3)
            height = np.array([arms.index(row.arm) for row in picked]) + 0.22 * k
            reach = np.maximum(np.abs(values[:, 1:] - values[:, :1]).T, 0)
            colour = str(0.1 + 0.6 * k / len(shares))
            panel.errorbar(values[:, 0], height, xerr=reach, fmt="o", color=colour, markersize=4, label=f"{share:.0%}")
        less = " (less is better)" if metric in DISTANCES else ""
        panel.set_xlabel(f"{METRICS[metric]}: % of {plan.reference}{less}")
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].invert_yaxis()
    if len(shares) > 1:
        panels[-1].legend(title="neurons", fontsize="small")
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=120)
