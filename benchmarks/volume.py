"""A large volume segmented in blocks: seconds, peak memory of a worker, voxels a second, and how they grow with the volume.

    python benchmarks/volume.py VOLUME.ome.zarr FOLDER [--parts 0.25,0.5,1] [--jobs 1] [--block Z,Y,X]

copies the first part of the volume along x into FOLDER, segments the copy by `neurorecon segment`, in processes of its own,
start-up and survey included, and removes both. Peak memory is the largest resident set of any of these processes, looked at
twenty times a second. The last line gives the powers of the number of voxels with which both grow.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from neurorecon.core.stack import Stack
from neurorecon.io import read_stack, write_stack

LOOK_SECONDS = 0.05


class First:
    """The first columns of a volume, as lazy as that."""

    def __init__(self, stack: Stack, columns: int) -> None:
        self.data, self.dtype = stack.data, stack.data.dtype
        self.shape = (*stack.shape[:2], columns)

    def __getitem__(self, planes: Any) -> Any:
        """Return some planes."""
        return self.data[planes, :, : self.shape[2]]


def watched(command: list[str], look: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """Run a command, and `look` now and then; return its seconds, and the peak megabytes of the largest of its processes."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    root = psutil.Process(process.pid)
    while process.poll() is None:
        look()
        with suppress(psutil.NoSuchProcess):
            for one in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    peak = max(peak, one.memory_info().rss)
        time.sleep(LOOK_SECONDS)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start, peak / 1e6


def main() -> None:
    """Print a line a part, and the slopes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", default="0.25,0.5,1")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--block")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    stack = read_stack(args.volume)
    part, answer = args.folder / "volume.ome.zarr", args.folder / "probability.ome.zarr"
    rows = []
    for share in map(float, args.parts.split(",")):
        first = First(stack, max(1, round(share * stack.shape[2])))
        write_stack(first, part, voxel_size=stack.voxel_size, overwrite=True)
        command = [sys.executable, "-m", "neurorecon", "segment", str(part), "-o", str(answer), "--jobs", args.jobs]
        seconds, peak = watched([*command, *(["--block", args.block] if args.block else [])])
        voxels = float(np.prod(first.shape, dtype=np.int64))
        files = [path.stat().st_size for path in answer.rglob("*") if path.is_file()]
        print(
            f"{voxels / 1e9:.2f} gigavoxels: {seconds:.0f} s, {voxels / 1e6 / seconds:.1f} million voxels/s, {peak:.0f} MB "
            f"a process, {len(files)} files of {sum(files) / 1e6:.0f} MB",
            flush=True,
        )
        rows.append((voxels, seconds, peak))
        shutil.rmtree(part)
        shutil.rmtree(answer)
    if len(rows) > 1:
        n, seconds, peak = np.log(np.array(rows)).T
        slopes = np.polyfit(n, seconds, 1)[0], np.polyfit(n, peak, 1)[0]
        print(f"seconds grow as voxels to the {slopes[0]:.2f}, memory to the {slopes[1]:.2f}")


if __name__ == "__main__":
    main()
