"""Speed and memory of the tracer beside kimimaro and skeletonize + skan, side by side in one run: a markdown table.

    python benchmarks/trace_speed.py MAP ... [--tiles 1,2,4,8] [--repeats 3]

MAP is a probability: a file of `neurorecon segment`, or WORK/net/NAME.npz as tracer.py leaves it. kimimaro and skan get the
mask above Otsu's threshold, made before the clock starts; the tracer gets the map. Each runs in a process of its own:
seconds are the best of the repeats, after loading; the warm-up (import, and compiling on a small bar) stands apart; the peak
is the resident memory of the process, and `above loaded` what tracing itself takes. `--tiles` puts copies of the map side by
side, joined by a thin neurite along their borders, and shows how costs grow with the foreground. Needs Linux.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from maps import between, draw_tube, load_map
from numpy.typing import NDArray
from peers import kimimaro_skeletons, otsu_mask, skan_tree

from neurorecon.core.probability import Probability
from neurorecon.tracing import TraceSettings, trace

MOST_VOXELS = 1000 * 1000 * 500
OURS = "neurorecon"
TRACERS = {OURS: "numpy", "kimimaro": "kimimaro", "skeletonize + skan": "skan"}  # name: what it needs
HEAD = (
    "map", "tiles", "million voxels", "foreground", "tracer", "s", "s per million voxels", "time / ours",
    "warm-up s", "loaded MB", "peak MB", "above loaded MB", "above loaded / ours",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What one tracer took for one map."""

    seconds: float
    warm_up: float
    loaded_mb: float
    peak_mb: float

    @property
    def above_mb(self) -> float:
        """Memory beyond what was there before tracing."""
        return max(0.0, self.peak_mb - self.loaded_mb)


def resident_mb() -> tuple[float, float]:
    """Return the resident memory of this process: now, and at its peak."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024


def prepare(tracer: str, probability: Probability) -> tuple[Callable[[Any], object], Any]:
    """Return a tracer and what it takes, made from a map."""
    if tracer == OURS:
        settings = TraceSettings(units="voxel")
        return lambda taken: trace(taken, settings), probability
    return (kimimaro_skeletons if tracer == "kimimaro" else skan_tree), otsu_mask(probability)


def forget_peak() -> None:
    """Let the peak of the resident memory begin anew, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def measure(tracer: str, folder: Path, repeats: int) -> Cost:
    """Trace the map in `folder`, in this process."""
    bar = np.zeros((25, 25, 48), np.uint8)
    bar[10:15, 10:15, 4:44] = 255
    start = time.perf_counter()
    run, small = prepare(tracer, Probability(bar))
    run(small)
    warm_up = time.perf_counter() - start
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    run, taken = prepare(tracer, Probability(**arrays))
    arrays.clear()
    forget_peak()
    loaded, seconds = resident_mb()[0], []
    for _ in range(repeats):
        start = time.perf_counter()
        run(taken)
        seconds.append(time.perf_counter() - start)
    return Cost(min(seconds), warm_up, loaded, resident_mb()[1])


def measure_apart(tracer: str, folder: Path, repeats: int, limit: float) -> Cost | None:
    """Trace the map in `folder` in a process of its own; None where it fails or takes too long."""
    command = [sys.executable, __file__, str(folder), "--child", tracer, "--repeats", str(repeats)]
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=limit)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{tracer}: {error}", file=sys.stderr)
        return None
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def grid_of(tiles: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return how many copies stand along z, y and x: the shortest axis is doubled until there are so many."""
    grid = np.ones(3, np.int64)
    while grid.prod() < tiles:
        grid[np.argmin(grid * shape)] *= 2
    return int(grid[0]), int(grid[1]), int(grid[2])


def anchor_of(neurite: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the voxel of the largest object that lies nearest to the first corner, (3,), zyx."""
    from skimage.measure import label

    objects = label(neurite > 127, connectivity=3)
    size = np.bincount(objects.ravel())
    size[0] = 0
    place = np.argwhere(objects == size.argmax())
    return place[(place**2).sum(1).argmin()].astype(float)


def tile(neurite: NDArray[np.uint8], grid: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return copies side by side; a tube runs from each to its first corner, and on along the border to its neighbour's."""
    whole = np.tile(neurite, grid)
    if grid == (1, 1, 1):
        return whole
    anchor = anchor_of(neurite)
    ways = []
    for place in np.ndindex(*grid):
        corner = np.multiply(place, neurite.shape).astype(float)
        ways.append(between(corner + anchor, corner))
        if any(place):
            before = np.array(place)
            before[np.flatnonzero(place)[0]] -= 1
            ways.append(between(corner, before * neurite.shape))
    draw_tube(whole, np.concatenate(ways))
    return whole


def lay_out(probability: Probability, tiles: int, folder: Path) -> tuple[int, int]:
    """Write the tiled maps of `probability` into `folder`, and return their voxels and how many are foreground."""
    grid = grid_of(tiles, probability.shape)
    neurite = tile(np.asarray(probability.neurite), grid)
    np.save(folder / "neurite.npy", neurite)
    if probability.soma is not None:
        np.save(folder / "soma.npy", np.tile(probability.soma, grid))
    return neurite.size, int(otsu_mask(Probability(neurite)).sum())


def line_of(start: list[str], voxels: int, cost: Cost | None, ours: Cost | None) -> str:
    """Return one line of the table."""
    if cost is None:
        return "| " + " | ".join([*start, "failed", *[""] * (len(HEAD) - len(start) - 1)]) + " |"
    ratio = memory = ""
    if ours is not None:
        ratio = f"{cost.seconds / ours.seconds:.2f}"
        memory = f"{cost.above_mb / max(ours.above_mb, 1.0):.2f}"
    cells = [
        f"{cost.seconds:.2f}", f"{cost.seconds / (voxels / 1e6):.3f}", ratio,
        f"{cost.warm_up:.1f}", f"{cost.loaded_mb:.0f}", f"{cost.peak_mb:.0f}", f"{cost.above_mb:.0f}", memory,
    ]  # fmt: skip
    return "| " + " | ".join([*start, *cells]) + " |"


def slopes(name: str, points: dict[str, list[tuple[int, Cost]]]) -> list[str]:
    """Return, for each tracer, the exponents with which seconds and memory grow with the foreground."""
    lines = []
    for tracer, costs in points.items():
        if len(costs) > 1:
            size = np.log([foreground for foreground, _ in costs])
            time_exponent = np.polyfit(size, np.log([cost.seconds for _, cost in costs]), 1)[0]
            memory_exponent = np.polyfit(size, np.log([max(cost.above_mb, 1.0) for _, cost in costs]), 1)[0]
            lines.append(
                f"{name}, {tracer}: seconds grow as foreground^{time_exponent:.2f}, "
                f"memory above loaded as foreground^{memory_exponent:.2f}"
            )
    return lines


def compare(path: Path, tracers: list[str], args: argparse.Namespace) -> list[str]:
    """Print the lines of one map, and return how its costs grow."""
    probability = load_map(path)
    points: dict[str, list[tuple[int, Cost]]] = {tracer: [] for tracer in tracers}
    for tiles in args.tiles:
        if tiles * probability.voxels > MOST_VOXELS:
            print(f"{path.stem}: {tiles} tiles are more than 1000 x 1000 x 500 voxels: left out", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            voxels, foreground = lay_out(probability, tiles, Path(folder))
            ours = None
            for tracer in tracers:
                cost = measure_apart(tracer, Path(folder), args.repeats, args.limit)
                ours = cost if tracer == OURS else ours
                start = [path.stem, str(tiles), f"{voxels / 1e6:.1f}", str(foreground), tracer]
                print(line_of(start, voxels, cost, ours), flush=True)
                if cost is not None:
                    points[tracer].append((foreground, cost))
    return slopes(path.stem, points)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("maps", type=Path, nargs="+")
    parser.add_argument("--tiles", default="1", help="numbers of copies, powers of two (default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many counts (default: 3)")
    parser.add_argument(
        "--limit", type=float, default=1800.0, help="seconds for all repeats of a tracer (default: 1800)"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        cost = measure(args.child, args.maps[0], args.repeats)
        print(json.dumps({name: getattr(cost, name) for name in Cost.__slots__}))
        return
    args.tiles = [int(number) for number in args.tiles.split(",")]
    if any(number < 1 or number & (number - 1) for number in args.tiles):
        parser.error("--tiles takes powers of two: 1,2,4,8")
    tracers = [name for name, needed in TRACERS.items() if find_spec(needed) is not None]
    for name in TRACERS.keys() - set(tracers):
        print(f"{name} is left out: {TRACERS[name]} is not installed", file=sys.stderr)
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    growth = [line for path in args.maps for line in compare(path, tracers, args)]
    if growth:
        print("\n" + "\n".join(growth))


if __name__ == "__main__":
    main()
