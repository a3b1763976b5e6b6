"""The stacks of the three sets and probability maps of them: the network's, kept on disk, and perfect ones drawn from trees.

A map is kept as FOLDER/net/NAME.npz or FOLDER/perfect/NAME.npz: `neurite` and, of a network, `soma` (uint8, zyx), `vs`
(voxel size, um, zyx; empty where unknown) and `planes` (of the map for one of the stack).
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from neurorecon.core.files import read_ids, write_beside
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import CERTAIN, Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.io import read_probability, read_stack
from neurorecon.nets import Model
from neurorecon.segmentation import segment
from neurorecon.segmentation.adapt.survey import Survey

SETS = ("lifted", "hard", "dim")
TUBE_SIGMA_PX = 1.5
TUBE_REACH_PX = 6  # 255 exp(-d^2 / 4.5) is below one half from 5.3 on
STEP_PX = 0.25  # between neighbouring points of a drawn line
POINTS_AT_ONCE = 1000


def sets_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser of what all that measures the maps of the three sets asks for: SETS WORK [--ids FILE]."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument(
        "sets", type=Path, help="folder of lifted, hard and dim: ID.tif and its truth ID.swc, in voxels"
    )
    parser.add_argument("work", type=Path, help="folder where maps are kept")
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are used")
    return parser


def stacks_of_sets(args: argparse.Namespace) -> dict[str, list[Path]]:
    """Return the stacks of each set that `sets_parser` was told of."""
    wanted = read_ids(args.ids) if args.ids else None
    return {
        name: [path for path in sorted((args.sets / name).glob("*.tif")) if wanted is None or path.stem in wanted]
        for name in SETS
    }


def said_of(stack: Path, work: Path) -> NDArray[np.uint8]:
    """Return what the network says of the voxels (Z, Y, X) of a stack SETS/NAME/ID.tif; the map is made if it is not kept."""
    path = work / "net" / f"{stack.parent.name}_{stack.stem}.npz"
    if not path.exists():
        network_map(stack, path)
    return np.asarray(load_map(path).on_stack.neurite)


def say(text: str) -> None:
    """Print what is going on beside the table."""
    print(text, file=sys.stderr, flush=True)


def save_map(path: Path, probability: Probability) -> None:
    """Write a map, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"neurite": np.asarray(probability.neurite)}
    if probability.soma is not None:
        arrays["soma"] = np.asarray(probability.soma)
    arrays["vs"] = np.zeros(0) if probability.voxel_size is None else probability.voxel_size.zyx
    arrays["planes"] = np.array(probability.planes)
    with write_beside(path, overwrite=True) as beside:
        np.savez_compressed(beside, **arrays)


def load_map(path: Path) -> Probability:
    """Read a map, or any file that `neurorecon trace` takes for a probability, into memory."""
    if path.suffix != ".npz":
        read = read_probability(path)
        return Probability(np.asarray(read.neurite[:, :, :]), read.voxel_size, source=str(path))
    with np.load(path) as arrays:
        soma = arrays["soma"] if "soma" in arrays and arrays["soma"].size else None
        edges = arrays["vs"] if "vs" in arrays else np.zeros(0)
        planes = int(arrays["planes"]) if "planes" in arrays else 1
        size = VoxelSize(*edges) if len(edges) else None
        certain = 0.5 if soma is None else CERTAIN  # perfect maps have none
        return Probability(arrays["neurite"], size, soma, str(path), planes, certain=certain)


def network_map(stack: Path, path: Path) -> None:
    """Segment a stack with the default network, and keep the map at `path`."""
    found = segment(read_stack(stack))
    if found is not None:
        save_map(path, found)


def kept_map(path: Path, stack: Stack, model: Model, *, survey: Survey | None = None) -> tuple[Probability, float]:
    """Return the map of a stack by a network and the seconds that it took: the one at `path` if this network made it.

    The sha256 of the network stands beside the map, in a file of the same name with the suffix .json.
    """
    note = path.with_suffix(".json")
    if is_kept(path, model):
        return load_map(path), json.loads(note.read_text())["seconds"]
    start = time.perf_counter()
    found = segment(stack, model=model, survey=survey)
    seconds = time.perf_counter() - start
    save_map(path, found)
    kept = {"model": model.config.name, "sha256": model.config.sha256, "seconds": round(seconds, 2)}
    note.write_text(json.dumps(kept) + "\n")
    return found, seconds


def is_kept(path: Path, model: Model) -> bool:
    """Return whether `kept_map` made the map at `path` with this network."""
    note = path.with_suffix(".json")
    return path.exists() and note.exists() and bool(json.loads(note.read_text())["sha256"] == model.config.sha256)


def perfect_map(stack: Path, gold: Tree, path: Path) -> None:
    """Draw a tracing (voxels) on the grid of its stack, and keep the map at `path`."""
    neurite = np.zeros(read_stack(stack).shape, np.uint8)
    draw_tube(neurite, line_points(gold))
    save_map(path, Probability(neurite))


def line_points(tree: Tree) -> NDArray[np.float64]:
    """Return points (M, 3), zyx, along all edges of a tree, and its nodes."""
    zyx = tree.xyz[:, ::-1]
    child = np.flatnonzero(tree.parent >= 0)
    return np.concatenate([zyx[tree.parent < 0], *(between(zyx[tree.parent[k]], zyx[k]) for k in child)])


def between(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (M, 3) from `a` (left out) to `b`."""
    count = max(1, int(np.ceil(np.linalg.norm(b - a) / STEP_PX)))
    return a + (b - a) * (np.arange(1, count + 1) / count)[:, None]


def draw_tube(volume: NDArray[np.uint8], points: NDArray[np.float64]) -> None:
    """Draw a line of points (M, 3), zyx, into a volume: 255 exp(-d^2 / (2 sigma^2)), d the distance to the line."""
    tree = cKDTree(points)
    middles = np.unique(points.round().astype(np.int64), axis=0)
    ball = np.stack(np.meshgrid(*[np.arange(-TUBE_REACH_PX, TUBE_REACH_PX + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    ball = ball[(ball**2).sum(1) <= TUBE_REACH_PX**2]
    flat = volume.reshape(-1)  # a view: volumes here are contiguous
    for start in range(0, len(middles), POINTS_AT_ONCE):
        near = (middles[start : start + POINTS_AT_ONCE, None] + ball).reshape(-1, 3)
        near = near[((near >= 0) & (near < volume.shape)).all(1)]
        rows = np.unique(np.ravel_multi_index(tuple(near.T), volume.shape))
        distance = tree.query(np.stack(np.unravel_index(rows, volume.shape), -1))[0]
        value = np.rint(255 * np.exp(-(distance**2) / (2 * TUBE_SIGMA_PX**2))).astype(np.uint8)
        flat[rows] = np.maximum(flat[rows], value)
