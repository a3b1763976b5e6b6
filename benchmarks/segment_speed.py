"""What `segment` costs, what this machine could do at best, and MONAI's sliding window with the same network.

    python benchmarks/segment_speed.py STACK [--rounds 3] [--threads 2]

prints, for the default network and tile,

- arithmetic and traffic of a tile, counted call by call as torch runs it: each reads its arguments and writes its result once;
- a matrix product of the shape of a 3x3x3 convolution of 32 channels, and a copy, both on one core;
- the floor they give, the time of a tile on one core, and the share of it that the floor is (median of the rounds);
- seconds and million voxels a second of `segment` and of `sliding_window_inference` (windows of 96 voxels or the stack,
  overlap 0.25, gaussian blending) on STACK, in turn, start-up and files left out, best of the rounds.

Needs monai. On a machine with other work only the ratios mean something.
"""

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from neurorecon.core.stack import Stack
from neurorecon.io import read_stack
from neurorecon.nets import load_model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.normalise import levels_of_stack, normalise
from neurorecon.segmentation.predict import Runner

COPIED = 1 << 27  # bytes, beyond every cache
WINDOW = 96


class Traffic(TorchDispatchMode):
    """Adds up the bytes of the arguments and results of all calls that are not views."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the call, and count it."""
        out = func(*args, **(kwargs or {}))
        made = out if isinstance(out, tuple) else (out,)
        if not func.is_view:
            self.bytes[str(func)] += sum(t.nbytes for t in (*args, *made) if isinstance(t, torch.Tensor))
        return out


def best(calls: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Return the least seconds of processor time of each call; they take turns, so that other work meets all alike."""
    least = [math.inf] * len(calls)
    for _ in range(rounds + 1):
        for k, call in enumerate(calls):
            start = time.process_time()
            call()
            least[k] = min(least[k], time.process_time() - start)
    return least


def roofline(run: Runner, shape: tuple[int, int, int], rounds: int) -> None:
    """Print the floor of a tile on one core, and how near the network comes."""
    x = torch.rand(1, 1, *shape).to(run.dtype).to(memory_format=torch.channels_last_3d)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
        run.net(x)
    with torch.no_grad(), Traffic() as traffic:
        run.net(x)
    work, moved = flops.get_total_flops() / x.numel(), traffic.bytes.total() / x.numel()
    columns, kernel = torch.rand(14, 7168, 864).to(run.dtype), torch.rand(14, 864, 32).to(run.dtype)
    square = torch.rand(2048, 2048).to(run.dtype)
    source, target = torch.ones(COPIED, dtype=torch.uint8), torch.ones(COPIED, dtype=torch.uint8)
    thin, wide = 2 * columns.numel() * 32, 2 * 2048**3
    calls = (lambda: columns @ kernel, lambda: square @ square, lambda: target.copy_(source), lambda: run.net(x))
    with torch.inference_mode():
        thin_seconds, wide_seconds, copy_seconds, tile_seconds = best(calls, 5 * rounds)
    speed, stream = wide / wide_seconds, 2 * COPIED / copy_seconds
    floors, reached = (1e9 * work / speed, 1e9 * moved / stream), 1e9 * tile_seconds / x.numel()
    print(f"tile {shape}, {run.dtype}: {work / 1e3:.1f} thousand operations and {moved:.0f} bytes a voxel")
    print(
        f"one core: product {speed / 1e12:.2f} Top/s (of a kernel's shape {thin / thin_seconds / 1e12:.2f}),", end=" "
    )
    print(f"copy {stream / 1e9:.1f} GB/s")
    print(f"floor: operations {floors[0]:.0f} ns, bytes {floors[1]:.0f} ns a voxel; reached {reached:.0f} ns,", end=" ")
    print(f"{1e3 / reached:.2f} million voxels/s: {sum(floors) / reached:.0%} of both floors one after the other")


def windows(run: Runner, stack: Stack) -> Any:
    """Run MONAI's sliding window over a stack, and return the probabilities (2, Z, Y, X)."""
    levels = levels_of_stack(stack)
    x = torch.from_numpy(normalise(np.asarray(stack.data[:, :, :]), levels))[None, None].to(run.dtype)
    roi = [min(WINDOW, -(-n // 8) * 8) for n in stack.shape]
    with torch.inference_mode():
        return torch.sigmoid(sliding_window_inference(x, roi, 1, run.net, overlap=0.25, mode="gaussian").float())


def main() -> None:
    """Print the floor, then one line a method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stack", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    settings, model, read = SegmentSettings(device="cpu"), load_model("vit3d-dtt"), read_stack(args.stack)
    stack = Stack(np.asarray(read.data[:, :, :]), read.voxel_size)
    run = Runner.make(model, settings)
    torch.set_num_threads(1)
    z, y, x = (c + 2 * h for c, h in zip(settings.core, settings.halo, strict=True))
    roofline(run, (z, y, x), args.rounds)
    torch.set_num_threads(args.threads)
    calls = {"segment": lambda: segment(stack, settings, model=model), "MONAI": lambda: windows(run, stack)}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(args.rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    for name, all_seconds in seconds.items():
        least = min(all_seconds)
        print(f"{name:8s} {least:7.2f} s  {stack.voxels / 1e6 / least:6.2f} million voxels/s, {args.threads} threads")
    ratios = [m / s for m, s in zip(seconds["MONAI"], seconds["segment"], strict=True)]
    print(f"MONAI / segment, round by round: {', '.join(f'{r:.2f}' for r in ratios)}")


if __name__ == "__main__":
    main()
