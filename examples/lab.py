"""What 1, 3 and 10 stacks of a new lab bring: a network that has not seen the lab is tuned on some of its stacks.

    python examples/lab.py examples/lab.toml --list              which labs have enough stacks
    python examples/lab.py examples/lab.toml --write-ids FILE    ids that the base must not see (its `leave_out`)
    python examples/lab.py examples/lab.toml --base MODEL        the experiment; goes on where it was interrupted

Only training ids of the lab are used. Neurons are kept apart by specimen: those that are scored are the same for all
runs, and no form of them is tuned on. The choices of a draw are nested: its 3 stacks hold its 1. In OUT come out
lab.csv (every stack), lab.md (the table: means, and the paired difference to the base with its 95 % interval over neurons
and draws) and lab.png.
"""

import argparse
import csv
import io
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurorecon.core.errors import InputError, NeuroreconError, SettingsError
from neurorecon.core.files import read_ids, write_beside, write_text
from neurorecon.core.settings import from_toml
from neurorecon.nets import load_model

SCORES = ("f1", "dice", "cldice", "esa", "dsa", "pds", "hd95")
PART_OF_SPECIMEN = re.compile(r"_seg\d+.*$")  # FlyCircuit: several neurons cut out of one brain


@dataclass(frozen=True, slots=True)
class Plan:
    """What the TOML says; see there.

    Attributes:
        least_scored: neurons that must be left to be scored.
        cache: folder for labels, made once.
        threads: of torch.
    """

    out: Path
    lab: str
    index: Path
    validation: Path
    sets: tuple[Path, ...]
    counts: tuple[int, ...] = (1, 3, 10)
    draws: int = 2
    minutes: float = 4.0
    seed: int = 0
    least_scored: int = 5
    cache: Path | None = None
    threads: int = 0

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 1 or self.draws < 1 or not self.sets:
            raise SettingsError("counts must be 1 or more, draws at least 1, and sets at least one folder")


@dataclass(frozen=True, slots=True)
class Neuron:
    id: str
    lab: str
    specimen: str


def neurons_of(plan: Plan) -> list[Neuron]:
    """Return the neurons of the index that stand in every set and are not kept for validation."""
    validation = read_ids(plan.validation)
    rows = csv.DictReader(io.StringIO("\n".join(lines_of(plan.index))))
    found = []
    for row in rows:
        lab, _, specimen = row["group"].partition("/")
        here = all((folder / f"{row['id']}{end}").is_file() for folder in plan.sets for end in (".tif", ".swc"))
        if here and row["id"] not in validation:
            found.append(Neuron(row["id"], lab, PART_OF_SPECIMEN.sub("", specimen)))
    return found


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def split(plan: Plan, neurons: Iterable[Neuron]) -> tuple[list[Neuron], list[Neuron]]:
    """Return the lab's neurons to tune on and those that are scored: whole specimens, chosen by the seed."""
    specimens: dict[str, list[Neuron]] = defaultdict(list)
    for neuron in neurons:
        if neuron.lab == plan.lab:
            specimens[neuron.specimen].append(neuron)
    names = np.random.default_rng(plan.seed).permutation(sorted(specimens)).tolist()
    tuned: list[Neuron] = []
    while names and len(tuned) < max(plan.counts):
        tuned += specimens[names.pop()]
    scored = [neuron for name in names for neuron in specimens[name]]
    if len(tuned) < max(plan.counts) or len(scored) < plan.least_scored:
        total = len(tuned) + len(scored)
        raise InputError(
            f"{plan.lab}: {total} training neurons of {len(specimens)} specimens are too few for {max(plan.counts)} to tune "
            f"on and {plan.least_scored} to score; see --list, or give smaller `counts`"
        )
    return tuned, scored


def chosen(plan: Plan, tuned: list[Neuron], count: int, draw: int) -> list[tuple[Path, Neuron]]:
    """Return (folder, neuron) of the stacks of a run: one a neuron, the forms taking turns."""
    order = np.random.default_rng([plan.seed, draw]).permutation(len(tuned))[:count]
    return [(plan.sets[(draw + k) % len(plan.sets)], tuned[i]) for k, i in enumerate(order)]


def tune(plan: Plan, base: str, stacks: list[tuple[Path, Neuron]], folder: Path, seed: int) -> Path:
    """Fine-tune the base on copies of some stacks, and return the folder of the network."""
    from neurorecon.training import train
    from neurorecon.training.finetune import configure

    data = folder / "stacks"
    data.mkdir(parents=True, exist_ok=True)
    for place, neuron in stacks:
        for end in (".tif", ".swc"):
            shutil.copyfile(place / f"{neuron.id}{end}", data / f"{place.name}_{neuron.id}{end}")
    given = {
        "out": folder,
        "name": "tuned",
        "minutes": plan.minutes,
        "seed": seed,
        "cache": plan.cache or plan.out / "cache",
    }
    return train(configure({}, start=base, data=data, threads=plan.threads, **given), resume=True)


def scores_of(plan: Plan, model: str, scored: list[Neuron]) -> list[dict[str, object]]:
    """Return the scores of a network on every form of the neurons that are kept for it."""
    from neurorecon.training.score_stacks import score_stacks

    pairs = [(place / f"{one.id}.tif", place / f"{one.id}.swc") for place in plan.sets for one in scored]
    rows = []
    for neuron, score in zip(
        scored * len(plan.sets), score_stacks(load_model(model).net, pairs, threads=plan.threads), strict=True
    ):
        values = {name: score.bounded(name) for name in SCORES}
        rows.append({"stack": score.name, "neuron": neuron.specimen, **values})
    return rows


def run(plan: Plan, base: str) -> list[dict[str, object]]:
    """Tune and score whatever is not done yet, and return all rows: count, draw, stack and its scores."""
    tuned, scored = split(plan, neurons_of(plan))
    sha256 = load_model(base).config.sha256
    jobs = [(0, 0), *((count, draw) for count in plan.counts for draw in range(plan.draws))]
    rows = []
    for count, draw in jobs:
        folder = plan.out / f"{count}_stacks_draw_{draw}"
        stacks = chosen(plan, tuned, count, draw)
        key = {"base": sha256, "stacks": [f"{p.name}/{n.id}" for p, n in stacks], "scored": [n.id for n in scored]}
        key |= {"minutes": plan.minutes, "sets": [p.name for p in plan.sets]}
        done = folder / "scores.json"
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{count} stacks, draw {draw}: {', '.join(key['stacks']) or 'the base as it is'}", flush=True)
            model = str(tune(plan, base, stacks, folder, draw)) if count else base
            write_text(done, json.dumps({"key": key, "rows": scores_of(plan, model, scored)}, indent=1))
        found = json.loads(done.read_text(encoding="utf-8"))
        if found["key"] != key:
            raise InputError(f"{done}: is of another base or choice of stacks; give another `out`, or move it away")
        rows += [{"count": count, "draw": draw, **row} for row in found["rows"]]
    return rows


def grid(rows: list[dict[str, object]], count: int, score: str, draws: int) -> np.ndarray:
    """Return a score of the runs with `count` stacks, (draws, stacks); the base counts for every draw."""
    by_draw = [[row[score] for row in rows if row["count"] == count and row["draw"] == d] for d in range(draws)]
    return np.array([by_draw[0]] * draws if count == 0 else by_draw, float)


def table(plan: Plan, rows: list[dict[str, object]]) -> str:
    """Return the table as Markdown."""
    from neurorecon.training.compare import paired_difference

    base = [row for row in rows if row["count"] == 0]
    neurons = [str(row["neuron"]) for row in base]
    lines = [
        f"{plan.lab}: {len(base)} stacks of {len(set(neurons))} specimens scored, {plan.draws} draws, "
        f"at most {plan.minutes:g} minutes of tuning. Means; in brackets the difference to 0 stacks, with 95 % interval.",
        "",
        "| stacks | F1@3 | Dice | clDice | ESA | DSA | PDS | HD95 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for count in (0, *plan.counts):
        cells = []
        for score in SCORES:
            values = grid(rows, count, score, plan.draws)
            cell = f"{values.mean():.3f}"
            if count:
                gain = paired_difference(values, grid(rows, 0, score, plan.draws), neurons).absolute
                cell += " ({:+.3f}, {:+.3f} to {:+.3f})".format(*gain)
            cells.append(cell)
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(plan: Plan, rows: list[dict[str, object]], path: Path) -> None:
    """Draw F1 and Dice against the number of stacks: grey a line for every stack, the mean in colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = [0, *plan.counts]
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axis, (score, name) in zip(
        figure.subplots(1, 2), (("f1", "F1@3 after tracing"), ("dice", "Dice")), strict=True
    ):
        values = np.array([grid(rows, count, score, plan.draws) for count in counts])  # (counts, draws, stacks)
        axis.plot(range(len(counts)), values.mean(1), color="0.75", lw=0.8)
        for k in range(plan.draws):
            axis.plot(range(len(counts)), values[:, k].mean(1), "o", color="#56b4e9", ms=4)
        axis.plot(range(len(counts)), values.mean((1, 2)), "o-", color="#0072b2", lw=2, ms=6)
        axis.set_xticks(range(len(counts)), [str(count) for count in counts])
        axis.set_xlabel("stacks of the new lab")
        axis.set_title(name, loc="left")
        axis.grid(alpha=0.3)
    figure.suptitle(f"{plan.lab}: blue the mean (small: each draw), grey each of {values.shape[2]} stacks", fontsize=10)
    with write_beside(path, overwrite=True) as beside:
        figure.savefig(beside, format="png")


def report(plan: Plan, rows: list[dict[str, object]]) -> str:
    """Write lab.csv, lab.md and lab.png, and return the table."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["count", "draw", "stack", "neuron", *SCORES], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(plan.out / "lab.csv", text.getvalue(), overwrite=True)
    found = table(plan, rows)
    write_text(plan.out / "lab.md", found, overwrite=True)
    draw(plan, rows, plan.out / "lab.png")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", metavar="PLAN.toml", type=Path)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--base", metavar="MODEL", help="name or folder of a network that has not seen the lab")
    action.add_argument("--list", action="store_true", help="say which lab has how many neurons")
    action.add_argument("--write-ids", metavar="FILE", type=Path, help="write the ids that the base must not see")
    given = parser.parse_args(arguments)
    plan = from_toml(Plan, given.plan)
    neurons = neurons_of(plan)
    if given.list:
        for lab in sorted({neuron.lab for neuron in neurons}):
            of_lab = [neuron for neuron in neurons if neuron.lab == lab]
            print(f"{len(of_lab):3d} neurons of {len({neuron.specimen for neuron in of_lab}):2d} specimens: {lab}")
    elif given.write_ids:
        ids = [f"{neuron.id} {neuron.lab}" for neuron in neurons if neuron.lab == plan.lab]
        write_text(given.write_ids, "\n".join([*lines_of(plan.validation), *ids]) + "\n")
    else:
        print(report(plan, run(plan, given.base)), end="")


if __name__ == "__main__":
    try:
        main()
    except NeuroreconError as problem:
        sys.exit(f"lab.py: {problem}")
