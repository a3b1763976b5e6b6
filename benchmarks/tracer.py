"""What the tracer makes of a probability, beside other tracers on the same one: its table, as markdown.

    python benchmarks/tracer.py SETS [--ids FILE] [--work FOLDER] [--jobs 2] [--app2 PROGRAM] [--real FOLDER] [--rows ROWS]

SETS holds the folders lifted, hard and dim with ID.tif and its truth ID.swc, in voxels; `--real` one with ID.tif and
ID.gold.swc. Maps of the network and perfect ones (the truth drawn as tubes, sigma 1.5 voxels) are made once and kept in
`--work`. A stack without a tree counts F1 0 and PDS 1. Seconds: tracing alone, after loading; of APP2 its whole process.
"""

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from maps import SETS, load_map, network_map, perfect_map, say
from peers import app2_tree, otsu_mask, skan_tree

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.files import read_ids
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.io import read_stack
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings, evidence_of, trace

ROWS = {  # name: input, tracer and sets of a row of the table
    "raw": ("stack itself", "neurorecon --raw", ("lifted", "hard")),
    "network": ("network", "neurorecon", SETS),
    "network+skan": ("network", "skeletonize + skan", SETS),
    "network+app2": ("network", "APP2", SETS),
    "perfect": ("perfect", "neurorecon", ("lifted",)),
    "perfect+skan": ("perfect", "skeletonize + skan", ("lifted",)),
    "perfect+app2": ("perfect", "APP2", ("lifted",)),
    "real": ("network", "neurorecon", ("real",)),
}
REAL_IDS = ("g166_245", "g166_258")
HEAD = (
    "input", "tracer", "set", "n", "F1@3 mean", "median", "min", "PDS", "length ratio",
    "branch points recall / precision", "tips recall / precision", "s per million voxels",
)  # fmt: skip
SETTINGS = TraceSettings(units="voxel")
NOTHING = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64), unit="voxel")

Tracer = Callable[[Probability], Tree]


@dataclass(frozen=True, slots=True)
class Job:
    """One stack in one row of the table."""

    row: str
    set: str
    stack: Path
    truth: Path
    map: Path
    app2: Path | None


def our_tree(probability: Probability, stack: Stack | None = None) -> Tree:
    """Return the tree of `neurorecon run`, or of `neurorecon trace` where there is no stack."""
    return trace(probability, SETTINGS, stack=stack)


def in_stack(tree: Tree, probability: Probability) -> Tree:
    """Return a peer's tree, in voxels of the map, in those of the stack."""
    return replace(tree, xyz=tree.xyz / (1, 1, probability.planes))


def tracer_of(job: Job) -> Tracer:
    """Return the tracer of a row."""
    if job.app2 is not None and job.row.endswith("app2"):
        program = job.app2
        return lambda probability: in_stack(app2_tree(program, probability), probability)
    if job.row.endswith("skan"):
        return lambda probability: in_stack(skan_tree(otsu_mask(probability)), probability)
    if job.row == "raw":
        stack = read_stack(job.stack)
        return lambda _: our_tree(evidence_of(stack), stack)
    return our_tree if job.row == "perfect" else partial(our_tree, stack=read_stack(job.stack))


def run(job: Job) -> tuple[Job, dict[str, float]]:
    """Trace one stack, and return its scores with the seconds per million voxels."""
    warm_up()
    probability = Probability(np.zeros((1, 1, 1), np.uint8)) if job.row == "raw" else load_map(job.map)
    voxels = read_stack(job.stack).voxels
    tracer = tracer_of(job)
    start = time.perf_counter()
    try:
        tree = tracer(probability)
    except NoNeuronError:
        tree = NOTHING
    seconds = time.perf_counter() - start
    scores = score_trees(tree, read_swc(job.truth)).as_dict()
    return job, scores | {"seconds_per_mvoxel": seconds / (voxels / 1e6), "failed": float(not len(tree))}


@cache
def warm_up() -> None:
    """Load and compile, once a worker, what the first stack would otherwise pay for."""
    logging.disable(logging.WARNING)
    neurite = np.zeros((25, 25, 48), np.uint8)
    neurite[10:15, 10:15, 4:44] = 255
    our_tree(Probability(neurite))
    if find_spec("skan"):
        skan_tree(neurite > 0)


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """Return what there is to do, row by row."""
    wanted = read_ids(args.ids) if args.ids else None
    jobs = []
    for row in args.rows:
        kind = "perfect" if row.startswith("perfect") else "net"
        for name in ROWS[row][2]:
            for stack, truth in pairs_of(args, name):
                if wanted is None or name == "real" or stack.stem in wanted:
                    stem = stack.stem if name == "real" else f"{name}_{stack.stem}"
                    place = args.work / kind / f"{stem}.npz"
                    jobs.append(Job(row, stack.stem if name == "real" else name, stack, truth, place, args.app2))
    return jobs


def pairs_of(args: argparse.Namespace, name: str) -> list[tuple[Path, Path]]:
    """Return the stacks of a set and their truths."""
    if name == "real":
        return [(args.real / f"{stem}.tif", args.real / f"{stem}.gold.swc") for stem in REAL_IDS]
    stacks = sorted((args.sets / name).glob("*.tif"))
    return [(path, path.with_suffix(".swc")) for path in stacks if path.with_suffix(".swc").exists()]


def make_maps(jobs: list[Job]) -> None:
    """Make the maps that are not there yet, one after the other; the network takes all cores."""
    missing = {job.map: job for job in jobs if job.row != "raw" and not job.map.exists()}
    for path, job in missing.items():
        say(f"making {path}")
        if job.row.startswith("perfect"):
            perfect_map(job.stack, read_swc(job.truth), path)
        else:
            network_map(job.stack, path)


def line_of(row: str, name: str, scores: list[dict[str, float]]) -> str:
    """Return one line of the table."""

    def middle(key: str) -> float:
        return float(np.median([score[key] for score in scores]))

    f1 = [score["f1"] for score in scores]
    failed = int(sum(score["failed"] for score in scores))
    cells = [
        *ROWS[row][:2], name, f"{len(scores)}" + (f" ({failed} without a tree)" if failed else ""),
        f"{np.mean(f1):.3f}", f"{np.median(f1):.3f}", f"{min(f1):.3f}",
        f"{middle('pds'):.3f}", f"{middle('length_ratio'):.2f}",
        f"{middle('branch_recall'):.2f} / {middle('branch_precision'):.2f}",
        f"{middle('tip_recall'):.2f} / {middle('tip_precision'):.2f}",
        f"{middle('seconds_per_mvoxel'):.2f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    """Return the arguments, rows that cannot be run left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", type=Path, help="folder of lifted, hard and dim")
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are traced")
    parser.add_argument("--work", type=Path, help="folder where maps are kept (default: one that goes again)")
    parser.add_argument("--jobs", type=int, default=2, help="stacks at a time (default: 2)")
    parser.add_argument("--app2", type=Path, help="PROGRAM RAW NX NY NZ THRESHOLD OUT.swc: see peers.py")
    parser.add_argument("--real", type=Path, help="folder of g166_245 and g166_258")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {','.join(ROWS)} (default: all)")
    parser.add_argument("--json", type=Path, help="write the scores of every stack here")
    args = parser.parse_args()
    args.rows = args.rows.split(",")
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error(f"unknown rows {', '.join(unknown)}; known are {', '.join(ROWS)}")
    for word, given, what in (
        ("app2", args.app2, "--app2"),
        ("real", args.real, "--real"),
        ("skan", find_spec("skan"), "skan (pip install skan)"),
    ):
        left_out = [row for row in args.rows if row.endswith(word)]
        if given is None and left_out:
            say(f"left out without {what}: {', '.join(left_out)}")
            args.rows = [row for row in args.rows if row not in left_out]
    return args


def main() -> None:
    """Print the table."""
    args = parse()
    with tempfile.TemporaryDirectory() as folder:
        args.work = args.work or Path(folder)
        jobs = jobs_of(args)
        make_maps(jobs)
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers: there are as many as cores
        scores: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
        with get_context("spawn").Pool(args.jobs) as pool:
            for done, (job, score) in enumerate(pool.imap(run, jobs), 1):
                scores.setdefault((job.row, job.set), {})[job.stack.stem] = score
                say(f"{done}/{len(jobs)} {job.row} {job.set} {job.stack.stem} F1 {score['f1']:.3f}")
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for (row, name), of_stack in scores.items():
        print(line_of(row, name, list(of_stack.values())))
    if args.json:
        text = {f"{row} {name}": of_stack for (row, name), of_stack in scores.items()}
        args.json.write_text(json.dumps(text, indent=1) + "\n")


if __name__ == "__main__":
    main()
