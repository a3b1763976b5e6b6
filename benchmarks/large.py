"""A volume larger than the memory: seconds and peak memory of `neurorecon segment`, and how they grow with it.

    python benchmarks/large.py STACK FOLDER [--planes 128,256,512] [--side 4000] [--apart 1000]

lays copies of STACK (brought to uint16) on a dark volume of planes x side x side, one every `apart` pixels and for each of its
depths, writes it into FOLDER as OME-Zarr, and segments that into another one, in a process of its own, start-up included. Peak
memory is the largest resident set. The last line gives the powers of the number of voxels with which both grow. Needs a
Unix system and, for 4000 x 4000 x 512, 4 GB of disk.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from speed import run

from neurorecon.io import open_writer, read_stack
from neurorecon.segmentation.normalise import levels_of_stack

DEEP = 32  # planes written at once


def write_volume(path: Path, copy: np.ndarray, shape: tuple[int, int, int], apart: int) -> None:
    """Write a volume with copies of a stack (Z, Y, X) as OME-Zarr."""
    with open_writer(path, shape, dtype=np.uint16, overwrite=True) as out:
        for z0 in range(0, shape[0], DEEP):
            block = np.zeros((min(DEEP, shape[0] - z0), *shape[1:]), np.uint16)
            planes = copy[np.arange(z0, z0 + len(block)) % len(copy)]
            for y in range(0, shape[1] - copy.shape[1] + 1, apart):
                for x in range(0, shape[2] - copy.shape[2] + 1, apart):
                    block[:, y : y + copy.shape[1], x : x + copy.shape[2]] = planes
            out.write(z0, block)


def main() -> None:
    """Print a line a volume, and the slopes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stack", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--planes", default="128,256,512")
    parser.add_argument("--side", type=int, default=4000)
    parser.add_argument("--apart", type=int, default=1000)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    stack = read_stack(args.stack)
    levels = levels_of_stack(stack)
    above = np.asarray(stack.data, np.float32) - np.float32(levels.low)
    copy = np.clip(above * np.float32(2000 / (levels.high - levels.low)), 0, 65535).astype(np.uint16)
    rows = []
    for planes in map(int, args.planes.split(",")):
        volume, answer = args.folder / "volume.ome.zarr", args.folder / "probability.ome.zarr"
        shape = (planes, args.side, args.side)
        write_volume(volume, copy, shape, args.apart)
        seconds, peak = run("segment", str(volume), "-o", str(answer), "--overwrite")
        rows.append((float(np.prod(shape, dtype=np.int64)), seconds, peak))
        voxels = rows[-1][0]
        print(
            f"{voxels / 1e9:.2f} gigavoxels: {seconds:.0f} s, {voxels / 1e6 / seconds:.1f} million voxels/s, {peak:.0f} MB",
            flush=True,
        )
        shutil.rmtree(volume)
        shutil.rmtree(answer)
    if len(rows) > 1:
        n, seconds, peak = np.log(np.array(rows)).T
        print(
            f"seconds grow as voxels to the {np.polyfit(n, seconds, 1)[0]:.2f}, memory to the {np.polyfit(n, peak, 1)[0]:.2f}"
        )


if __name__ == "__main__":
    main()
