"""Dask workers: how much faster two are than one, and what is left when workers and schedulers are killed meanwhile.

    python benchmarks/cluster.py crops SET WORK [--count 8] [--size 48,160,160]
    python benchmarks/cluster.py speed WORK [--workers 1,2]
    python benchmarks/cluster.py kills WORK [--workers 2] [--worker-kills 20] [--scheduler-kills 3] [--seed 0]
    python benchmarks/cluster.py stages WORK

`crops` cuts stacks of SET from their middle, and puts them into WORK/stacks. The others start a scheduler and workers of
one core each by hand, over TCP, and run `neurorecon batch WORK/stacks` with them. `speed` prints the seconds from the first
stack to the last, once all workers are there; each has to load the network first. `kills` ends workers and the scheduler
at random moments, starts others, and compares every file with that of `--engine local`; with few stacks it does them
all again until all kills are done. `stages` declares one of two workers to have a GPU, and prints when each was
at which stage of which stack.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from neurorecon.io import read_stack, write_stack

ONE_CORE = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


class Town:
    """A scheduler and workers, started by hand."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / "scheduler.json"
        self.log = open(folder / "town.log", "ab")  # noqa: SIM115 - closed with the town
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | ONE_CORE
        words = [sys.executable, "-m", "dask", *command, "--no-dashboard"]
        process = subprocess.Popen(words, stdout=self.log, stderr=self.log, env=environment)
        self.processes.append(process)
        return process

    def scheduler(self) -> None:
        self.file.unlink(missing_ok=True)
        self.head = self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file))
        while not self.file.exists():
            time.sleep(0.05)

    def worker(self, *options: str) -> None:
        common = ("--nthreads", "1", "--memory-limit", "0", "--local-directory", str(self.folder / "dask"))
        self.start("worker", "--scheduler-file", str(self.file), *common, *options)

    def at_work(self) -> list[int]:
        """Processes of workers, without the nannies that start them again."""
        found = []
        for process in self.processes:
            if process is not self.head and process.poll() is None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    children = psutil.Process(process.pid).children(recursive=True)
                    found += [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
        return found

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        address = json.loads(self.file.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
            process.wait()
        self.log.close()


def batch(work: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `neurorecon batch` on the crops."""
    command = [sys.executable, "-m", "neurorecon", "batch", str(work / "stacks"), "-o", str(out), "--device", "cpu"]
    return subprocess.run([*command, *options], env=os.environ | ONE_CORE, text=True, capture_output=True, check=False)


def crops(args: argparse.Namespace) -> None:
    """Cut the middles out of stacks."""
    folder = args.work / "stacks"
    folder.mkdir(parents=True, exist_ok=True)
    size = [int(n) for n in args.size.split(",")]
    for path in sorted(args.set.glob("*.tif"))[: args.count]:
        stack = read_stack(path)
        low = [max(0, (n - m) // 2) for n, m in zip(stack.shape, size, strict=True)]
        part = stack.data[tuple(slice(a, a + m) for a, m in zip(low, size, strict=True))]
        write_stack(part, folder / path.name, voxel_size=stack.voxel_size, overwrite=True)
    print(f"{len(list(folder.glob('*.tif')))} stacks of at most {args.size} voxels in {folder}")


def speed(args: argparse.Namespace) -> None:
    """Print the seconds with each number of workers."""
    for count in (int(n) for n in args.workers.split(",")):
        town = Town(args.work / "town")
        try:
            town.scheduler()
            for _ in range(count):
                town.worker()
            town.wait_for_workers(count)
            out = args.work / f"speed{count}"
            shutil.rmtree(out, ignore_errors=True)
            start = time.perf_counter()
            done = batch(args.work, out, "--scheduler", str(town.file))
            if done.returncode:
                sys.exit(done.stderr)
            print(f"{count} workers: {time.perf_counter() - start:.1f} s; {done.stdout.splitlines()[0]}", flush=True)
        finally:
            town.close()


class Killer(threading.Thread):
    """Kills workers and schedulers of a town at random moments, in random order, and starts others."""

    def __init__(self, town: Town, args: argparse.Namespace) -> None:
        super().__init__()
        self.town, self.workers, self.draw = town, int(args.workers), random.Random(args.seed)
        self.left = ["worker"] * args.worker_kills + ["scheduler"] * args.scheduler_kills
        self.draw.shuffle(self.left)
        self.over = threading.Event()

    def begin(self) -> None:
        self.town.scheduler()
        for _ in range(self.workers):
            self.town.worker()

    def run(self) -> None:
        while self.left and not self.over.wait(self.draw.uniform(1.0, 6.0)):
            if self.left[-1] == "scheduler":
                self.town.head.kill()
                self.town.head.wait()
                self.begin()
            elif pids := self.town.at_work():
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(self.draw.choice(pids)).kill()
            else:
                continue
            self.left.pop()


def kills(args: argparse.Namespace) -> None:
    """Kill workers and schedulers at random, and compare what is left with a batch on local processes."""
    calm, out = args.work / "calm", args.work / "killed"
    shutil.rmtree(calm, ignore_errors=True)
    batch(args.work, calm)
    expected, wrong, lost, rounds = content(calm), set(), 0, 0
    town = Town(args.work / "town")
    killer = Killer(town, args)
    total = len(killer.left)
    try:
        killer.begin()
        killer.start()
        while killer.left:
            shutil.rmtree(out, ignore_errors=True)
            rounds += 1
            done = batch(args.work, out, "--scheduler", str(town.file))
            lost += done.stderr.count("its worker was lost")
            found = content(out)
            wrong |= {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
            stray = [*(out / ".neurorecon" / "leases").iterdir(), *(out / ".neurorecon" / "scratch").iterdir()]
            print(f"round {rounds}: exit code {done.returncode}, {total - len(killer.left)} of {total} kills, "
                  f"{len(found)} files, {len(stray)} left over", flush=True)  # fmt: skip
            if done.returncode:
                print(done.stderr, flush=True)
    finally:
        killer.over.set()
        killer.join()
        town.close()
    print(f"{total} kills in {rounds} rounds; stacks begun again: {lost}; files that differ: {sorted(wrong) or 0}")


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a batch without times: a manifest loses what may differ between two runs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or ".neurorecon" in path.parts or path.name in ("summary.csv", "report.html"):
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            data = re.sub(rb'"(created|seconds|peak_bytes)": [^,}\n]*', b"", data)
        found[path.relative_to(folder).as_posix()] = data
    return found


class Watcher(threading.Thread):
    """Notes when the folders of unfinished stacks come and go."""

    def __init__(self, scratch: Path) -> None:
        super().__init__()
        self.scratch, self.over = scratch, threading.Event()
        self.seen: dict[str, dict[str, float]] = {}

    def run(self) -> None:
        while not self.over.wait(0.02):
            now = time.perf_counter()
            for folder in self.scratch.glob("*.*"):
                for name in ("half", "half/half.json", "out"):
                    if (folder / name).exists():
                        self.seen.setdefault(folder.name, {}).setdefault(name, now)
            for key, times in self.seen.items():
                if not (self.scratch / key).exists():
                    times.setdefault("done", now)


def stages(args: argparse.Namespace) -> None:
    """Print who was at which stage when, by the times in the records and the half-done stacks on the disk."""
    town, out, calm = Town(args.work / "town"), args.work / "stages", args.work / "calm"
    for folder in (calm, out):
        shutil.rmtree(folder, ignore_errors=True)
    batch(args.work, calm)
    watcher = Watcher(out / ".neurorecon" / "scratch")
    try:
        town.scheduler()
        town.worker("--resources", "GPU=1")
        town.worker()
        town.wait_for_workers(2)
        watcher.start()
        done = batch(args.work, out, "--scheduler", str(town.file))
    finally:
        watcher.over.set()
        town.close()
    watcher.join()
    seen = watcher.seen
    print(done.stdout.splitlines()[0] if done.returncode == 0 else done.stderr)
    zero = min(times["half"] for times in seen.values() if "half" in times)
    print("stack     segment from  to     trace from  to     (seconds)")
    for key, times in sorted(seen.items(), key=lambda item: item[1].get("half", 0.0)):
        if {"half", "half/half.json", "out", "done"} <= times.keys():
            a, b, c, d = (times[name] - zero for name in ("half", "half/half.json", "out", "done"))
            print(f"{key[:8]}  {a:12.1f}  {b:4.1f}  {c:11.1f}  {d:4.1f}")
    differ = [name for name, data in content(calm).items() if content(out).get(name) != data]
    print(f"files that differ from those of --engine local: {differ or 0}")


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_subparsers(required=True)
    for function in (crops, speed, kills, stages):
        one = what.add_parser(function.__name__)
        one.set_defaults(function=function)
        if function is crops:
            one.add_argument("set", type=Path)
        one.add_argument("work", type=Path)
        if function is crops:
            one.add_argument("--count", type=int, default=8)
            one.add_argument("--size", default="48,160,160")
        if function is speed:
            one.add_argument("--workers", default="1,2")
        if function is kills:
            one.add_argument("--workers", default="2")
            one.add_argument("--worker-kills", type=int, default=20)
            one.add_argument("--scheduler-kills", type=int, default=3)
            one.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
