"""The experiment that decides: which way of bringing 2D knowledge into the 3D network pays, and by how much.

    python examples/ablation.py examples/ablation.toml            train, score and tabulate whatever is not there yet
    python examples/ablation.py examples/ablation.toml --table    only write the tables and the picture anew
    python examples/ablation.py examples/ablation.toml --cost     time the network of every arm, on one core

The TOML lists the arms, the seeds, the shares of the data and the stacks to be judged on. Each run leaves
`RESULTS/ARM-SHARE-SEED.json`, whole or not at all; a killed run goes on from its checkpoint, and several processes may
work on one list. Scores as in METRICS.md, intervals as in `neurorecon/training/compare.py`.
"""

import argparse
import fnmatch
import json
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_plan import Cell, Plan, asked_of, cells_of, comparable, load_result, missing, result_path, settings_of
from ablation_table import write_tables
from students import maker_of, tiles_of

from neurorecon.batch.state.leases import Leases
from neurorecon.core.errors import NeuroreconError
from neurorecon.core.files import write_text
from neurorecon.core.settings import as_dict, from_dict, from_toml
from neurorecon.io import read_stack
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.segmentation import segment
from neurorecon.training.score_stacks import as_model, score_stacks, torch_threads
from neurorecon.training.settings import TrainSettings

LEASE_SECONDS = 300.0  # on this machine a dead owner is known at once; on another after this long
REPEATS = 3  # of a timing; the least counts


def trained(settings: TrainSettings, student: str) -> tuple[torch.nn.Module, int, float]:
    """Train a run to its end, going on from its checkpoint; return the averaged network, its steps and seconds."""
    from neurorecon.training.loop import run_training

    run = run_training(settings, resume=True, student=maker_of(student))
    return run.average, run.step, run.seconds


def run_cell(plan: Plan, cell: Cell) -> None:
    """Train and judge one run, and write its result whole; of a run that is done only new stacks are judged."""
    start = time.perf_counter()
    net, steps, seconds = trained(settings_of(plan, cell), student_of(plan, cell.arm))
    old = load_result(plan, cell) or {"stacks": {}}
    ready = as_model(net).net
    scores = score_stacks(net, missing(plan, cell), threads=plan.threads, tiles=tiles_of(net))
    rows = {s.name: {key: finite(value) for key, value in s.as_dict().items() if key != "name"} for s in scores}
    result = {
        "arm": cell.arm,
        "share": cell.share,
        "seed": cell.seed,
        "steps": steps,
        "train_seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in ready.parameters()),
        "net": as_dict(ready.config) if isinstance(ready, NeuriteViT) else None,
        "asked": comparable(asked_of(plan, cell)),
        "stacks": {**old["stacks"], **rows},
    }
    write_text(result_path(plan, cell), json.dumps(result, indent=1) + "\n", overwrite=True)
    dice = np.mean([s.mask.dice for s in scores])
    print(f"{cell.key}: {steps} steps, Dice {dice:.3f}, {time.perf_counter() - start:.0f} s", flush=True)


def student_of(plan: Plan, arm: str) -> str:
    """Return which network an arm trains."""
    return str(plan.arms[arm].get("student", "vit"))


def finite(value: Any) -> Any:
    """Return None for infinity, which JSON has not."""
    return None if isinstance(value, float) and math.isinf(value) else value


def work(plan: Plan, only: str = "*") -> int:
    """Do all runs that nobody else has done or is doing; return how many others are still at work on."""
    scratch = plan.results / "leases" / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    leases = Leases(scratch.parent, scratch, LEASE_SECONDS)
    cells = [cell for cell in cells_of(plan) if fnmatch.fnmatch(cell.arm, only)]
    with leases.beating():
        while any(_try(plan, cell, leases) for cell in cells):
            pass  # any stops at the first run that was done here: another process may have died meanwhile
    return sum(bool(missing(plan, cell)) for cell in cells)


def _try(plan: Plan, cell: Cell, leases: Leases) -> bool:
    """Do a run unless it is done, or another process has it; return whether it was done here."""
    if not missing(plan, cell) or (token := leases.take(cell.key)) is None:
        return False
    try:
        if not missing(plan, cell):  # done between the question and the lease
            return False
        run_cell(plan, cell)
    finally:
        leases.give_back(cell.key, token)
    return True


def time_networks(plan: Plan) -> None:
    """Time the networks of all arms that have a result, turn by turn on the largest stack, on one core; write cost.json."""
    found = {cell.arm: (cell, result) for cell in cells_of(plan) if (result := load_result(plan, cell)) is not None}
    stack = max((read_stack(image) for image, _ in plan.pairs), key=lambda stack: stack.voxels)
    models = {arm: as_model(fresh_network(plan, cell, result["net"])) for arm, (cell, result) in found.items()}
    best = dict.fromkeys(models, math.inf)
    with torch_threads(1):
        for _ in range(REPEATS):
            for arm, model in models.items():
                start = time.perf_counter()
                segment(stack, tiles_of(model.net, "cpu"), model=model)
                best[arm] = min(best[arm], time.perf_counter() - start)
    cost = {arm: round(stack.voxels / seconds) for arm, seconds in best.items()}
    text = json.dumps({"stack": Path(stack.source).name, "voxels": stack.voxels, "voxels_per_second": cost}, indent=1)
    write_text(plan.results / "cost.json", text + "\n", overwrite=True)
    for arm, speed in cost.items():
        print(f"{arm}: {speed / 1e6:.2f} million voxels a second on one core")


def fresh_network(plan: Plan, cell: Cell, net: dict[str, Any] | None) -> torch.nn.Module:
    """Return the network of an arm, of the shape `net` if it is our own; fresh weights take as long as trained ones."""
    make = maker_of(student_of(plan, cell.arm))
    return NeuriteViT(from_dict(NetConfig, net or {})) if make is None else make(settings_of(plan, cell))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--table", action="store_true", help="only write the tables and the picture")
    parser.add_argument("--cost", action="store_true", help="only time the networks; then the tables hold their speed")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of the names of arms, as in 'dtt*'")
    options = parser.parse_args(arguments)
    logging.getLogger("neurorecon.evaluate").setLevel(logging.ERROR)  # specks without a skeleton, stack by stack
    try:
        plan = from_toml(Plan, options.config)
        plan.results.mkdir(parents=True, exist_ok=True)
        left = 0
        if options.cost:
            time_networks(plan)
        elif not options.table:
            left = work(plan, options.only)
        for path in write_tables(plan):
            print(path)
    except NeuroreconError as error:
        print(f"ablation: error: {error}", file=sys.stderr)
        return error.exit_code
    if left:
        print(f"{left} runs are still at work elsewhere; --table when they are done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
