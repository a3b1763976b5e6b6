"""How far the whole way holds: F1 on stacks that were made worse, one step at a time.

    python benchmarks/robustness.py STACKS [--ids FILE] [--most MVOX] [--only noise,planes] [--model NAME]

STACKS holds ID.tif and its truth ID.swc in voxels. Every stack is changed, reconstructed with the defaults (its voxel size
told: a voxel of the unchanged stack is 1 um), and its tree brought back to the voxels of the unchanged stack, where it is
scored (METRICS.md: F1 within 3). Mean, median and least F1 of the stacks by change. `noise`: Gaussian, as signal (bright
level above background) to standard deviation. `planes`: every k-th plane kept. `zoom`: pixels k times as fine
(straight-line interpolation) or coarser (mean over boxes). `bits`: grey values left between background and the brightest.
`thick`: every neurite (what lies within 3 voxels of its tracing) k voxels thicker. `blur`: sigma in voxels.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.files import read_ids
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_trees
from neurorecon.io import read_stack
from neurorecon.nets import Model, load_model
from neurorecon.pipeline import ReconstructSettings, reconstruct
from neurorecon.segmentation import SegmentSettings
from neurorecon.segmentation.normalise import levels_of_stack
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings
from neurorecon.training.sources.labels import BACKGROUND, label_tree

Grey = np.ndarray  # (Z, Y, X) float32
SEED = 0


@dataclass(frozen=True)
class Change:
    """What is done to a stack, and where its voxels lie afterwards.

    Attributes:
        kind, amount: for the table.
        change: grey (Z, Y, X), background, bright level, where neurites are (Z, Y, X) -> grey.
        step: (z, y, x) voxels of the unchanged stack from one voxel to the next.
        start: (z, y, x) where the first voxel lies.
    """

    kind: str
    amount: str
    change: Callable[[Grey, float, float, np.ndarray], Grey]
    step: tuple[float, float, float] = (1.0, 1.0, 1.0)
    start: tuple[float, float, float] = (0.0, 0.0, 0.0)


def noise(ratio: float) -> Change:
    """Add noise of 1 / `ratio` of the signal."""

    def change(grey: Grey, low: float, high: float, near: np.ndarray) -> Grey:
        draw = np.random.default_rng(SEED).standard_normal(grey.shape, np.float32)
        return grey + draw * np.float32((high - low) / ratio)

    return Change("noise", f"signal {ratio:g} to 1", change)


def planes(k: int) -> Change:
    """Keep every k-th plane."""
    return Change("planes", f"{k} x as far apart", lambda grey, *_: grey[::k], (k, 1.0, 1.0))


def finer(k: float) -> Change:
    """Interpolate along straight lines to pixels k times as fine."""
    from scipy.ndimage import map_coordinates

    def change(grey: Grey, low: float, high: float, near: np.ndarray) -> Grey:
        grid = np.meshgrid(*(np.arange(int((n - 1) * k) + 1) / k for n in grey.shape), indexing="ij", copy=False)
        return np.asarray(map_coordinates(grey, grid, order=1, mode="nearest"), np.float32)

    return Change("zoom", f"pixels {k:g} x as fine", change, (1 / k,) * 3)


def coarser(k: int) -> Change:
    """Take the mean of boxes of k x k x k; planes too few for it stay."""
    from skimage.measure import block_reduce

    def change(grey: Grey, low: float, high: float, near: np.ndarray) -> Grey:
        short = grey[tuple(slice(0, n - n % k) for n in grey.shape)]
        return np.asarray(block_reduce(short, (k, k, k), np.mean), np.float32)

    return Change("zoom", f"pixels {k} x as coarse", change, (k,) * 3, ((k - 1) / 2,) * 3)


def bits(count: int) -> Change:
    """Round to 2 ** `count` grey values between background and the brightest voxel."""

    def change(grey: Grey, low: float, high: float, near: np.ndarray) -> Grey:
        step = max((float(grey.max()) - low) / (2**count - 1), 1e-6)
        return np.rint((grey - low).clip(0) / step) * step

    return Change("bits", f"{count} bits", change)


def thicker(k: int) -> Change:
    """Take the brightest voxel of a neurite within k, smoothed over 0.7 voxels: no neurite has edges like a ball's.

    What lies around neurites stays: spread out, noise would become bubbles such as no microscope shows.
    """
    from scipy.ndimage import gaussian_filter, grey_dilation

    side = np.arange(-k, k + 1)
    ball = (side[:, None, None] ** 2 + side[:, None] ** 2 + side**2) <= (k + 0.5) ** 2

    def change(grey: Grey, low: float, high: float, near: np.ndarray) -> Grey:
        spread = grey_dilation(np.where(near, grey, np.float32(low)), footprint=ball)
        return np.maximum(grey, gaussian_filter(spread, 0.7))

    return Change("thick", f"{2 * k} voxels thicker", change)


def blur(sigma: float) -> Change:
    """Smooth with a Gaussian."""
    from scipy.ndimage import gaussian_filter

    return Change("blur", f"sigma {sigma:g}", lambda grey, *_: gaussian_filter(grey, sigma))


def all_changes() -> list[Change]:
    """Return the changes in the order of the table."""
    return [
        Change("none", "as it is", lambda grey, *_: grey),
        *map(noise, (10, 5, 3, 2, 1)),
        *map(planes, (2, 3, 5)),
        coarser(2),
        *map(finer, (1.5, 2)),
        *map(bits, (6, 4, 3, 2)),
        *map(thicker, (1, 2, 4)),
        *map(blur, (1, 2, 3)),
    ]


def score(stack: Stack, gold: Tree, change: Change, model: Model, settings: ReconstructSettings) -> float:
    """Return F1 of a changed stack."""
    levels = levels_of_stack(stack)
    near = label_tree(gold, stack.shape) & 3 != BACKGROUND
    grey = change.change(np.asarray(stack.data, np.float32), levels.low, levels.high, near)
    grey = np.asarray((grey - grey.min()) * np.float32(60000 / max(float(np.ptp(grey)), 1e-6)), np.uint16)
    try:
        tree = reconstruct(Stack(grey, VoxelSize(*change.step)), settings, model=model).tree
    except NoNeuronError:
        return 0.0
    step, start = np.array(change.step[::-1]), np.array(change.start[::-1])
    return score_trees(replace(tree, xyz=tree.xyz * step + start), gold).f1


def main() -> None:
    """Print the table, a row a change."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stacks", type=Path)
    parser.add_argument("--ids", type=Path, help="text file; only ids that open a line of it are used")
    parser.add_argument("--most", type=float, default=np.inf, help="leave out stacks of more million voxels")
    parser.add_argument("--only", help="kinds of changes, by comma")
    parser.add_argument("--model", default=SegmentSettings().model)
    args = parser.parse_args()
    wanted = read_ids(args.ids) if args.ids else None
    pairs = [
        (Stack(np.asarray(stack.data)), read_swc(path.with_suffix(".swc")))
        for path in sorted(args.stacks.glob("*.tif"))
        if (wanted is None or path.stem in wanted) and (stack := read_stack(path)).voxels <= args.most * 1e6
    ]
    settings = ReconstructSettings(SegmentSettings(model=args.model), TraceSettings(units="voxel"))
    model = load_model(args.model)
    print(f"| change, {len(pairs)} stacks | | F1 mean | median | least |\n|---|---|---|---|---|", flush=True)
    for change in all_changes():
        if args.only and change.kind not in args.only.split(","):
            continue
        each = [score(stack, gold, change, model, settings) for stack, gold in pairs]
        print(
            f"| {change.kind} | {change.amount} | {np.mean(each):.3f} | {np.median(each):.3f} | {min(each):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
