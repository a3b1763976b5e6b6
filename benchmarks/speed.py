"""Speed and peak memory of both stages, as a user meets them: each command in a process of its own, start-up included.

    python benchmarks/speed.py STACK [--raw]

prints seconds, million voxels a second and peak resident megabytes of `neurorecon segment STACK` and of `neurorecon trace` on
its probability (with `--raw` also on the stack itself). Needs a Unix system.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from neurorecon.io import read_stack


def run(*arguments: str) -> tuple[float, float]:
    """Run one command, and return its seconds and its peak resident megabytes."""
    start = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", "neurorecon", *arguments], dict(os.environ))
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"failed: neurorecon {' '.join(arguments)}")
    return time.perf_counter() - start, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def main() -> None:
    """Print one line a command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stack", type=Path)
    parser.add_argument("--raw", action="store_true", help="trace the stack itself, too")
    args = parser.parse_args()
    voxels = read_stack(args.stack).voxels
    with tempfile.TemporaryDirectory() as folder:
        probability = f"{folder}/p.tif"
        commands = {
            "segment": ("segment", str(args.stack), "-o", probability),
            "trace": ("trace", probability, "-o", f"{folder}/p.swc"),
        }
        if args.raw:
            commands["trace --raw"] = ("trace", str(args.stack), "-o", f"{folder}/r.swc", "--raw")
        for name, command in commands.items():
            seconds, peak = run(*command)
            print(f"{name:12s} {seconds:7.1f} s  {voxels / 1e6 / seconds:7.2f} million voxels/s  {peak:7.0f} MB")


if __name__ == "__main__":
    main()
