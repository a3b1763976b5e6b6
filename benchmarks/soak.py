"""Does a batch keep anything of the stacks that it has done? Memory, files, threads and processes over a thousand of them.

    python benchmarks/soak.py [--stacks 1000] [--shapes 1] [--every 50] [--work FOLDER]

Crops of 24 x 48 x 48 voxels of drawn neurites, each another one, go through the real job (network and tracer) in this very
process. Every so often: resident memory, open files, threads, child processes. At the end the slope of the memory in kB a
stack, by least squares over the second half (the first warms up), and what is left open. `--shapes N` takes stacks of N
shapes in turn: libraries keep compiled kernels by shape. It ends with exit code 1 if memory grows by more than 20 kB a stack.
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from neurorecon.batch import ReconstructJob, Record, StackSettings, run_batch, run_here
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import write_stack
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings

SIDES = (24, 48, 48)
MOST_KB = 20.0  # a stack: 20 MB in a thousand, less than one neuron of a common size


def crop(number: int, sides: Sequence[int]) -> NDArray[np.uint8]:
    """Return a stack (Z, Y, X) uint8 with one bent neurite in noise."""
    draw = np.random.default_rng(number)
    z, y, x = (np.arange(n, dtype=np.float64) for n in sides)
    way = np.linspace(0, 1, 200)
    phase, turns = draw.uniform(0, 6), draw.uniform(0.3, 1)
    at_z = sides[0] * (0.5 + 0.2 * np.sin(phase + way))
    at_y = sides[1] * (0.5 + 0.3 * np.sin(phase + 6 * turns * way))
    at_x = 3 + (sides[2] - 6) * way
    light = np.zeros(tuple(sides))
    for a, b, c in zip(at_z, at_y, at_x, strict=True):
        near = ((z - a) ** 2)[:, None, None] + ((y - b) ** 2)[None, :, None] + ((x - c) ** 2)[None, None, :]
        np.maximum(light, np.exp(-near / 4), out=light)
    return np.clip(draw.poisson(8, light.shape) + 150 * light, 0, 255).astype(np.uint8)


def shape_of(number: int, shapes: int) -> tuple[int, int, int]:
    """Return the sides of a stack: `shapes` different ones in turn."""
    k = number % shapes
    return SIDES[0] + k % 7, SIDES[1] + 3 * (k % 11), SIDES[2] + 5 * (k % 13)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Does a batch keep anything of the stacks that it has done?")
    parser.add_argument("--stacks", type=int, default=1000)
    parser.add_argument("--shapes", type=int, default=1)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--work", type=Path, help="a folder for the stacks; it has to be new")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp()) / "soak"
    (work / "in").mkdir(parents=True)
    for number in range(options.stacks):
        data = crop(number, shape_of(number, options.shapes))
        write_stack(data, work / "in" / f"cell{number:05d}.tif", voxel_size=VoxelSize(1.0, 0.5, 0.5))
    process, start = psutil.Process(), time.perf_counter()
    seen: list[tuple[int, int, int, int, int]] = []

    def look(done: int, _total: int, _record: Record) -> None:
        if done % options.every == 0:
            gc.collect()
            rss, children = process.memory_info().rss, len(process.children(recursive=True))
            seen.append((done, rss, len(os.listdir("/proc/self/fd")), threading.active_count(), children))
            print(
                f"{done:6} stacks {time.perf_counter() - start:7.0f} s  {rss / 1e6:8.1f} MB  {seen[-1][2]:3} files  "
                f"{seen[-1][3]:3} threads  {children:3} processes",
                flush=True,
            )

    job = ReconstructJob(StackSettings(SegmentSettings(device="cpu"), TraceSettings()))
    result = run_batch(work / "in", work / "out", job, engine=run_here, progress=look)
    counts = {status: len(result.with_status(status)) for status in ("done", "no neuron", "failed")}
    late = np.array(seen[len(seen) // 2 :], dtype=np.float64)
    slope = float(np.polyfit(late[:, 0], late[:, 1] / 1e3, 1)[0])
    first, last = seen[len(seen) // 2], seen[-1]
    print(f"{counts}; slope {slope:.1f} kB a stack over the stacks from {first[0]} to {last[0]}")
    print(f"files {first[2]} -> {last[2]}, threads {first[3]} -> {last[3]}, processes {first[4]} -> {last[4]}")
    shutil.rmtree(work)
    sys.exit(int(slope > MOST_KB or any(last[k] > first[k] for k in (2, 3, 4))))


if __name__ == "__main__":
    main()
