"""From the results of `ablation_real.py` to table.md, table.csv and table.png."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ablation_table import interval, line_of, places, table_of

from neurorecon.core.errors import InputError
from neurorecon.core.files import write_beside, write_text
from neurorecon.training.compare import Difference, paired_difference

METRICS = {"dice": "Dice", "hd95": "HD95", "cldice": "clDice", "f1": "F1@3"}
IN_PERCENT = ("dice", "hd95")
DRAWN = ("dice", "hd95", "cldice", "f1")
SPECIMEN = {"in40_body": "in40", "in40_tail": "in40"}  # two stacks of one animal count as one drawing

Key = tuple[int, str, int, str]  # seed, fold, size, arm


@dataclass(frozen=True, slots=True)
class Row:
    """An arm tuned on `size` stacks beside arm `against`, on all stacks on which both were judged."""

    against: str
    arm: str
    size: int
    pairs: int
    scores: dict[str, Difference]


@dataclass(frozen=True, slots=True)
class Results:
    """The results of the groups (seed, fold, size) in which every arm is there."""

    plan: Any
    by_key: dict[Key, dict[str, Any]]
    names: list[str]

    @classmethod
    def of(cls, plan: Any, results: list[dict[str, Any]]) -> "Results":
        """Keep the groups that are whole.

        Raises:
            InputError: if none is.
        """
        found = {(r["seed"], r["fold"], r["size"], r["arm"]): r for r in results}
        whole = {key: r for key, r in found.items() if all((*key[:3], arm) in found for arm in plan.arms)}
        if not whole:
            raise InputError(
                "there is no seed and fold yet for which every arm is done, so there is nothing to compare"
            )
        return cls(plan, whole, sorted({name for r in whole.values() for name in r["stacks"]}))

    def matrix(self, metric: str, arm: str, size: int, *, part: str = "stacks") -> np.ndarray:
        """Return scores (seeds, stacks), NaN where there is none; the diagonal stands for an infinite distance."""
        out = np.full((len(self.plan.seeds), len(self.names)), np.nan)
        for (seed, _, of_size, of_arm), result in self.by_key.items():
            if (of_size, of_arm) == (size, arm):
                for name, row in result.get(part, {}).items():
                    value = row["diagonal"] if row[metric] is None else row[metric]
                    out[self.plan.seeds.index(seed), self.names.index(name)] = value
        return out

    def difference(self, metric: str, size: int, arm: str, against: str) -> Difference:
        """Compare two arms, by specimen and seed."""
        mine, theirs = (self.matrix(metric, name, size) for name in (arm, against))
        specimens = [SPECIMEN.get(name, name) for name in self.names]
        return paired_difference(mine, theirs, specimens, judged=np.isfinite(mine))

    def rows(self) -> Iterator[Row]:
        """Give all rows, against one arm after the other."""
        for against in (self.plan.reference, *self.plan.against):
            for size in self.plan.sizes:
                for arm in self.plan.arms:
                    pairs = int(np.isfinite(self.matrix("dice", arm, size)).sum())
                    if pairs:
                        scores = {metric: self.difference(metric, size, arm, against) for metric in METRICS}
                        yield Row(against, arm, size, pairs, scores)

    def infinite(self) -> int:
        """Count the masks that were empty."""
        return sum(row["hd95"] is None for r in self.by_key.values() for row in r["stacks"].values())


def write_tables(plan: Any, results: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Write table.md, table.csv and table.png, and return their paths.

    Raises:
        InputError: if there is no group of results in which every arm is there.
    """
    known = Results.of(plan, results)
    rows = list(known.rows())
    paths = [folder / f"table.{kind}" for kind in ("md", "csv", "png")]
    write_text(paths[0], "\n".join(markdown(known, rows)) + "\n", overwrite=True)
    with write_beside(paths[1], overwrite=True) as beside, open(beside, "w", newline="") as handle:
        write_csv(handle, rows)
    with write_beside(paths[2], overwrite=True) as beside:
        draw(beside, [row for row in rows if row.against == plan.reference != row.arm], plan)
    return paths


def markdown(known: Results, rows: list[Row]) -> list[str]:
    """Return the lines of all tables, and what has to be known."""
    lines = table_of(("tuned on", "arm", *METRICS.values()))
    for row in rows:
        if row.against == known.plan.reference:
            means = [f"{score.mean:.{places(metric)}f}" for metric, score in row.scores.items()]
            lines.append(line_of([stacks(row.size), row.arm, *means]))
    for against in (known.plan.reference, *known.plan.against):
        lines += ["", f"Difference to `{against}`, with its 95 % interval:", ""]
        lines += table_of(("tuned on", "arm", *(f"{t}, %" if k in IN_PERCENT else t for k, t in METRICS.items())))
        for row in rows:
            if row.against == against != row.arm:
                gaps = [
                    interval(score.percent, 1, enough=True)
                    if m in IN_PERCENT
                    else interval(score.absolute, 3, enough=True)
                    for m, score in row.scores.items()
                ]
                lines.append(line_of([stacks(row.size), row.arm, *gaps]))
    lines += token_table(known)
    counts = ", ".join(
        f"{rows_of_size[0].pairs} for {stacks(size)}"
        for size in known.plan.sizes
        if (rows_of_size := [row for row in rows if row.size == size])
    )
    return [
        *lines, "",
        f"{len(known.by_key)} tuned students; pairs of seed and unseen stack of each arm: {counts}, of {len(known.names)} "
        f"stacks. Intervals by 10,000 resamples of specimens and seeds; bold where they do not hold 0. {known.infinite()} "
        "masks were empty; there the diagonal of the window stands for HD95.",
    ]  # fmt: skip


def token_table(known: Results) -> list[str]:
    """Return the lines of the table of students without what their tokens say of places."""
    size, lines = known.plan.places, []
    for arm in known.plan.arms:
        cells = []
        for metric in METRICS:
            without = known.matrix(metric, arm, size, part="without_places")
            seen = np.isfinite(without)
            if seen.any():
                told = known.matrix(metric, arm, size)[seen].mean()
                cells += [f"{told:.{places(metric)}f}", f"{without[seen].mean():.{places(metric)}f}"]
        if cells:
            lines.append(line_of([arm, *cells]))
    if not lines:
        return []
    titles = [part for title in METRICS.values() for part in (title, "without")]
    return ["", f"Tuned on {stacks(size)}, with the tokens and with each tile's tokens replaced by their mean:", "",
            *table_of(("arm", *titles)), *lines]  # fmt: skip


def stacks(size: int) -> str:
    return f"{size} stack{'s' if size > 1 else ''}"


def write_csv(handle: Any, rows: list[Row]) -> None:
    """Write one line a row and score."""
    writer = csv.writer(handle)
    parts = ("low", "high", "percent", "percent_low", "percent_high")
    writer.writerow(("against", "arm", "size", "pairs", "score", "mean", "reference", "difference", *parts))
    for row in rows:
        for metric, score in row.scores.items():
            numbers = (score.mean, score.reference, *score.absolute, *score.percent)
            known = (row.against, row.arm, row.size, row.pairs, metric)
            writer.writerow((*known, *(round(number, 5) for number in numbers)))


def draw(path: Path, rows: list[Row], plan: Any) -> None:
    """Draw the differences in percent with their intervals; fewer stacks in darker colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    arms = list(dict.fromkeys(row.arm for row in rows))
    figure = Figure(figsize=(3.6 * len(DRAWN), 1.4 + 0.6 * len(arms)), layout="constrained")
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    for panel, metric in zip(panels, DRAWN, strict=True):
        panel.axvline(0, color="0.7", linewidth=1)
        for k, size in enumerate(plan.sizes):
            picked = [row for row in rows if row.size == size]
            values = np.array([row.scores[metric].percent for row in picked]).reshape(-1, 3)
            height = np.array([arms.index(row.arm) for row in picked]) + 0.22 * (k - 1)
            reach = np.maximum(np.abs(values[:, 1:] - values[:, :1]).T, 0)
            colour = str(0.1 + 0.6 * k / len(plan.sizes))
            panel.errorbar(
                values[:, 0], height, xerr=reach, fmt="o", color=colour, markersize=4, label=f"tuned on {stacks(size)}"
            )
        less = " (less is better)" if metric == "hd95" else ""
        panel.set_xlabel(f"{METRICS[metric]}: % of {plan.reference}{less}")
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].invert_yaxis()
    figure.legend(
        *panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=len(plan.sizes), fontsize="small"
    )
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=120)
