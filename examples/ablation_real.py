"""Does 2D knowledge pay where few stacks of an unseen microscope are at hand? Students tuned on 1, 3 and 8 real stacks.

    python examples/ablation_real.py DATA SETS TEACHER WORK            train, tune, judge and tabulate what is not there yet
    python examples/ablation_real.py DATA SETS TEACHER WORK --table    only write the tables and the picture anew

DATA holds the folder real_3d (ID.tif, ID.gold.swc, index.csv) and validation_ids.txt, SETS the folders that
`ablation_real.toml` trains on, TEACHER the safetensors of DeiT-Tiny.

Every arm is trained without any stack of real_3d, then tuned on some stacks of two folds, and judged on the third: on a
window of each stack, all planes deep, where the most cable lies that the expert traced. All arms see the same crops. A
result is a line of `WORK/results.jsonl`, there whole or not at all; a run that was stopped goes on after the last one.

Seed k is judged on fold k first (all arms of a seed before the next), then on the next fold, until every seed was judged on
all: wherever it is stopped, all arms have been judged on the same stacks.
"""

import argparse
import dataclasses
import itertools
import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_plan import comparable
from recipe import FOLDS, link, prepare_real, rows_of
from torch import Tensor

from neurorecon.core.errors import InputError, NeuroreconError, SettingsError
from neurorecon.core.files import write_text
from neurorecon.core.settings import as_dict, from_dict, from_toml
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack, write_stack
from neurorecon.swc import read_swc, write_swc
from neurorecon.training import TrainSettings
from neurorecon.training.loop import Run
from neurorecon.training.score_stacks import score_stacks, torch_threads, without_places
from neurorecon.training.sources.labels import sample_edges
from neurorecon.training.sources.stream import batches, load_sources

HERE = Path(__file__).parent
KEPT = ("dice", "hd95", "cldice", "f1", "precision", "recall", "diagonal")  # scores of a stack that are written down
STRIDE = 8  # voxels between the windows that are tried

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the TOML says.

    Attributes:
        train: fields of TrainSettings that all arms share, folders by their names in SETS.
        tune: those that differ while a student is tuned.
        arms: by name, the fields that this arm changes.
        teacher: what every arm with a `teacher` shares of it.
        reference: arm that the others are compared with.
        against: arms that they are compared with besides.
        seeds: of weights, crops and stacks.
        sizes: numbers of stacks to tune on.
        window: side of the window of each unseen stack, voxels.
        places: size for which the students are judged without what their tokens say of places, too.
        threads: of torch.
    """

    train: dict  # type: ignore[type-arg]  # a bare type is what from_toml can check
    tune: dict  # type: ignore[type-arg]
    arms: dict  # type: ignore[type-arg]
    teacher: dict = field(default_factory=dict)  # type: ignore[type-arg]
    reference: str = "scratch"
    against: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    sizes: tuple[int, ...] = (1, 3, 8)
    window: int = 192
    places: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        missing = [name for name in (self.reference, *self.against) if name not in self.arms]
        if missing:
            raise SettingsError(f"arm {missing[0]!r} is named, but there is no [arms.{missing[0]!r}]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where things lie: the four folders and files of the command line."""

    data: Path
    sets: Path
    teacher: Path
    work: Path

    @property
    def results(self) -> Path:
        """Return the file of the results."""
        return self.work / "results.jsonl"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One tuned student: seed, unseen fold, number of stacks, arm."""

    seed: int
    fold: str
    size: int
    arm: str


def cells_of(plan: Plan) -> list[Cell]:
    """Return all students in the order in which they are made: seed k on fold k, then on the folds after it."""
    order = [
        (seed, FOLDS[(place + turn) % len(FOLDS)])
        for turn in range(len(FOLDS))
        for place, seed in enumerate(plan.seeds)
    ]
    return [Cell(seed, fold, size, arm) for seed, fold in order for size in plan.sizes for arm in plan.arms]


def settings_of(plan: Plan, arm: str, seed: int, place: Place, tuned_on: Path | None = None) -> TrainSettings:
    """Return the settings of a run: of the training, or of the tuning on the stacks of a folder."""
    asked: dict[str, Any] = {**plan.train, **plan.arms[arm], "seed": seed, "out": str(place.work)}
    asked |= {key: [str(place.sets / name) for name in asked[key]] for key in ("pairs", "bare") if key in asked}
    asked |= {"leave_out": str(place.data / "validation_ids.txt"), "cache": str(place.work / "cache")}
    if tuned_on is not None:
        asked |= {**plan.tune, "pairs": [str(tuned_on)], "bare": []}
    asked["net"] = {**plan.train.get("net", {}), **plan.arms[arm].get("net", {})}
    if "teacher" in asked:
        asked["teacher"] = {"weights": str(place.teacher), **plan.teacher, **asked["teacher"]}
    return from_dict(TrainSettings, asked, where=f"arm {arm!r}")


def drawn_stacks(rows: list[dict[str, str]], fold: str, seed: int, size: int) -> list[str]:
    """Return the ids to tune on: of the other folds, a smaller set part of a larger one, the same in all arms."""
    names = [row["id"] for row in rows if row["fold"] in FOLDS and row["fold"] != fold]
    if size > len(names):
        raise SettingsError(f"sizes: {size} stacks are asked, but only {len(names)} lie outside of fold {fold}")
    order = np.random.default_rng([FOLDS.index(fold), seed]).permutation(len(names))
    return [names[int(k)] for k in order[:size]]


def window_of(points: np.ndarray, shape: tuple[int, int, int], side: int, ignored: str) -> tuple[slice, slice]:
    """Return the window (y, x) that holds the most of the points (N, 3) zyx and nothing of the boxes that are ignored.

    Raises:
        InputError: if there is no such window.
    """
    boxes = [[tuple(map(int, span.split(":"))) for span in box.split()][1:] for box in ignored.split(";") if box]
    counts = np.histogramdd(points[:, 1:], [np.arange(n + 1) for n in shape[1:]])[0]
    summed = np.pad(counts, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    best, found = -1.0, None
    for y, x in itertools.product(*(range(0, max(n - side, 0) + 1, STRIDE) for n in shape[1:])):
        y1, x1 = min(y + side, shape[1]), min(x + side, shape[2])
        if any(y < b[0][1] and y1 > b[0][0] and x < b[1][1] and x1 > b[1][0] for b in boxes):
            continue
        inside = summed[y1, x1] - summed[y, x1] - summed[y1, x] + summed[y, x]
        if inside > best:
            best, found = inside, (slice(y, y1), slice(x, x1))
    if found is None:
        raise InputError(f"no window of {side} voxels lies outside of the boxes {ignored!r}; give a smaller `window`")
    return found


def cut_tree(tree: Tree, window: tuple[slice, slice]) -> Tree:
    """Return what a window (y, x) holds of a tree in voxels, cut to half a voxel, in the frame of the window."""
    points, radius, parent = [], [], []
    place = np.zeros(len(tree), np.int64)
    for node, above in enumerate(tree.parent):  # parents stand before their children
        first = node if above < 0 else int(above)
        steps = max(1, math.ceil(2 * float(np.linalg.norm(tree.xyz[node] - tree.xyz[first]))))
        last = -1 if above < 0 else int(place[first])
        for t in np.arange(1, steps + 1) / steps:
            points.append(tree.xyz[first] + t * (tree.xyz[node] - tree.xyz[first]))
            radius.append(tree.radius[first] + t * (tree.radius[node] - tree.radius[first]))
            parent.append(last)
            last = len(points) - 1
        place[node] = last
    xyz = np.array(points) - [window[1].start, window[0].start, 0]
    size = [window[1].stop - window[1].start, window[0].stop - window[0].start]
    inside = ((xyz[:, :2] >= -0.5) & (xyz[:, :2] < np.array(size) - 0.5)).all(1)
    fine = Tree(xyz, np.array(radius), np.array(parent, np.int64), unit="voxel")
    return fine.take(np.flatnonzero(inside))


def prepare(plan: Plan, place: Place, rows: list[dict[str, str]]) -> None:
    """Lay out the stacks to tune on, and the windows to judge on; what is there already stays."""
    folder = place.work / "windows"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        prepare_real(place.data, row, place.work / "real")
        name = row["id"]
        if row["precision_asked"] == "0" or (folder / f"{name}.swc").exists():
            continue
        stack = read_stack(place.data / "real_3d" / f"{name}.tif")
        tree = read_swc(place.data / "real_3d" / f"{name}.gold.swc")
        window = window_of(sample_edges(tree)[0], stack.shape, plan.window, row["ignore"])
        write_stack(np.asarray(stack.data)[:, *window], folder / f"{name}.tif", overwrite=True)
        write_swc(cut_tree(tree, window), folder / f"{name}.swc")


def pairs_of(place: Place, rows: list[dict[str, str]], fold: str) -> list[tuple[Path, Path]]:
    """Return the windows of a fold with their tracings."""
    names = [row["id"] for row in rows if row["fold"] == fold and row["precision_asked"] != "0"]
    return [(place.work / "windows" / f"{n}.tif", place.work / "windows" / f"{n}.swc") for n in names]


def crops_of(settings: TrainSettings) -> list[Batch]:
    """Return the batches of a run, which are the same in all arms."""
    sources, _ = load_sources(settings)
    stream = batches(sources, settings, seed=settings.seed)
    return [next(stream) for _ in range(settings.steps)]


def follow(run: Run, crops: list[Batch]) -> Run:
    """Take all steps of a run."""
    start = time.perf_counter()
    for images, labels in crops:
        run.update(images, labels)
    run.seconds = time.perf_counter() - start
    return run


class Trained:
    """The students before any real stack; each is trained when it is asked for, and kept in `WORK/trained`."""

    def __init__(self, plan: Plan, place: Place) -> None:
        """Train nothing yet."""
        self.plan, self.place = plan, place
        self.seed: int | None = None
        self.crops: list[Batch] = []

    def checkpoint(self, arm: str, seed: int) -> Path:
        """Return the checkpoint of a trained student."""
        path = self.place.work / "trained" / f"{arm.replace(' ', '_')}-{seed}" / "checkpoint.pt"
        if path.exists():
            return path
        settings = settings_of(self.plan, arm, seed, self.place)
        if seed != self.seed:
            self.seed, self.crops = seed, crops_of(settings)
        run = follow(Run(settings), self.crops)
        path.parent.mkdir(parents=True, exist_ok=True)
        run.settings = dataclasses.replace(settings, out=path.parent)
        run.save()
        print(f"trained: {arm}, seed {seed}, {run.seconds:.0f} s", flush=True)
        return path


def tuned(settings: TrainSettings, checkpoint: Path, crops: list[Batch]) -> Run:
    """Return a run that goes on from the averaged weights of a trained student, and with its distiller."""
    run = Run(settings)
    state = torch.load(checkpoint, weights_only=True)
    run.net.load_state_dict(state["average"])
    run.average.load_state_dict(state["average"])
    if run.distiller is not None:
        run.distiller.load_state_dict(state["distiller"])
    return follow(run, crops)


def judged(net: torch.nn.Module, pairs: list[tuple[Path, Path]], plan: Plan, *, places: bool = True) -> dict[str, Any]:
    """Return the scores of a network on stacks, by their ids; None for an infinite distance."""
    with nullcontext() if places else without_places():
        scores = score_stacks(net, pairs, threads=plan.threads)
    rows = {Path(s.name).name: {key: s.as_dict()[key] for key in KEPT} for s in scores}
    return {
        name: {key: None if math.isinf(value) else round(value, 5) for key, value in row.items()}
        for name, row in rows.items()
    }


def students(plan: Plan, place: Place, done: set[Cell]) -> Iterator[dict[str, Any]]:
    """Tune and judge all students that are not done, and give their results."""
    rows = list(rows_of(place.data))
    prepare(plan, place, rows)
    trained, key, crops, names = Trained(plan, place), None, [], []
    for cell in cells_of(plan):
        if cell in done:
            continue
        start = time.perf_counter()
        checkpoint = trained.checkpoint(cell.arm, cell.seed)
        folder = place.work / "tune" / f"{cell.fold}-{cell.seed}-{cell.size}"
        if key != folder:
            key, names = folder, drawn_stacks(rows, cell.fold, cell.seed, cell.size)
            link([path for n in names for path in (place.work / "real").glob(f"{n}[._]*")], folder)
            crops = crops_of(settings_of(plan, cell.arm, cell.seed, place, folder))
        run = tuned(settings_of(plan, cell.arm, cell.seed, place, folder), checkpoint, crops)
        pairs = pairs_of(place, rows, cell.fold)
        result = {**as_dict(cell), "tuned_on": names, "stacks": judged(run.average, pairs, plan)}
        if cell.size == plan.places:
            result["without_places"] = judged(run.average, pairs, plan, places=False)
        yield result | {"steps": run.step, "seconds": round(time.perf_counter() - start, 1)}


def load_results(place: Place) -> list[dict[str, Any]]:
    """Return the results that there are."""
    if not place.results.exists():
        return []
    return [json.loads(line) for line in place.results.read_text(encoding="utf-8").splitlines()]


def cell_of(result: dict[str, Any]) -> Cell:
    return Cell(result["seed"], result["fold"], result["size"], result["arm"])


def work(plan: Plan, place: Place) -> None:
    """Do whatever is not done, and write each result as it comes.

    Raises:
        InputError: if WORK holds results of another plan.
    """
    place.work.mkdir(parents=True, exist_ok=True)
    told, asked = place.work / "plan.json", json.dumps(comparable(as_dict(plan)), indent=1, sort_keys=True) + "\n"
    if told.exists() and told.read_text(encoding="utf-8") != asked:
        raise InputError(f"{told}: was made with other settings; remove {place.work}, or give another WORK")
    write_text(told, asked, overwrite=True)
    results = load_results(place)
    for result in students(plan, place, {cell_of(each) for each in results}):
        results.append(result)
        write_text(place.results, "".join(json.dumps(each) + "\n" for each in results), overwrite=True)
        dice = np.mean([row["dice"] for row in result["stacks"].values()])
        print(*(result[key] for key in ("seed", "fold", "size", "arm", "seconds")), f"Dice {dice:.3f}", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--config", type=Path, default=HERE / "ablation_real.toml")
    parser.add_argument("--table", action="store_true", help="only write the tables and the picture")
    options = parser.parse_args(arguments)
    logging.getLogger("neurorecon.evaluate").setLevel(logging.ERROR)  # specks without a skeleton, stack by stack
    place = Place(options.data, options.sets, options.teacher, options.work)
    try:
        plan = from_toml(Plan, options.config)
        if not options.table:
            with torch_threads(plan.threads):
                work(plan, place)
        from ablation_real_table import write_tables

        for path in write_tables(plan, load_results(place), place.work):
            print(path)
    except NeuroreconError as error:
        print(f"ablation_real: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
