"""Synthetic crops beside real stacks: statistics of both, and a classifier that tries to tell them apart.

REAL are folders of stacks (`index.csv` may name their specimens; NAME.gold.swc is the tracing). `even` are crops without
tissue, `tissue` those with it, `drawn` half and half as the training sees them.
"""

import argparse
import csv
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from realism_classifier import PATCH, area_out_of_fold, boosted, features, trained_net
from realism_statistics import BRIGHT, NAMES, statistics

from neurorecon.core.errors import NeuroreconError
from neurorecon.io import read_stack
from neurorecon.swc import read_swc
from neurorecon.synth import randomize
from neurorecon.training.sources.labels import NEURITE, label_tree
from neurorecon.training.sources.synthetic import CROP, make_crop, unpack

LOW_BITS = 3  # of a label: which kind of voxel it is
TRIES = 20
LEAST_CABLE = 100  # voxels of neurite in a real block with a tracing
CLIPPED = (-1.0, 3.0)  # grey values of patches, on the scale of their block
ABREAST, SHOWN_GAMMA, JPEG_QUALITY = 3, 0.6, 75  # of the picture
QUANTILES = (10, 50, 90)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of grey values: where it comes from, and the neurites in it where they are known."""

    name: str
    group: str
    grey: NDArray[np.generic]
    neurite: NDArray[np.bool_] | None


def real_blocks(folders: list[Path], per_stack: int) -> Iterator[Block]:
    """Yield blocks of up to the size of a training crop, `per_stack` of each stack, where light is."""
    rng = np.random.default_rng(0)
    for path in sorted(p for folder in folders for p in folder.glob("*.tif")):
        grey = np.asarray(read_stack(path).data)
        gold = path.with_name(f"{path.stem}.gold.swc")
        neurite = (label_tree(read_swc(gold), _shape(grey)) & LOW_BITS) == NEURITE if gold.exists() else None
        bright = np.quantile(grey[::2, ::4, ::4], 0.995)
        size = np.minimum(grey.shape, CROP)
        for _ in range(per_stack):
            for _ in range(TRIES):
                at = rng.integers(0, np.array(grey.shape) - size + 1)
                box = tuple(slice(a, a + n) for a, n in zip(at, size, strict=True))
                if (grey[box] >= bright).any() and (neurite is None or neurite[box].sum() >= LEAST_CABLE):
                    break
            yield Block(path.stem, _specimen(path), grey[box], None if neurite is None else neurite[box])


def _shape(grey: NDArray[np.generic]) -> tuple[int, int, int]:
    z, y, x = grey.shape
    return z, y, x


def _specimen(path: Path) -> str:
    index = path.with_name("index.csv")
    if index.exists():
        with index.open(newline="") as rows:
            for row in csv.DictReader(rows):
                if row.get("id") == path.stem and row.get("specimen"):
                    return row["specimen"]
    return path.stem


def synthetic_blocks(corpus: Path, count: int, tissue: float, seed: int) -> Iterator[Block]:
    """Yield training crops of which a share of `tissue` has tissue around the neuron."""
    randomize.TISSUE = tissue
    with TemporaryDirectory() as folder:
        files = unpack(corpus, Path(folder) / "corpus")
        for number in range(count):
            grey, labels = make_crop(files, np.random.default_rng([seed, number]), crop=CROP)
            yield Block(f"{seed}_{number}", f"{seed}_{number}", grey, (labels & LOW_BITS) == NEURITE)


def patches_of(block: Block, count: int, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Return patches of a block, on the block's scale; those of one grey value are left out."""
    middle, bright = np.quantile(block.grey, (0.5, BRIGHT))
    grey = (np.asarray(block.grey, np.float32) - middle) / max(float(bright - middle), 1.0)
    found = []
    for _ in range(count):
        at = [int(rng.integers(0, max(1, n - m + 1))) for n, m in zip(grey.shape, PATCH, strict=True)]
        patch = np.clip(grey[tuple(slice(a, a + m) for a, m in zip(at, PATCH, strict=True))], *CLIPPED)
        if patch.std() > 0:
            short = [(0, m - n) for n, m in zip(patch.shape, PATCH, strict=True)]
            found.append(np.pad(patch, short, mode="reflect"))
    return found


def told_apart(real: list[Block], ours: list[Block], patches: int, seed: int) -> dict[str, float]:
    """Return the area under the curve, out of fold by specimen, of stumps and of a net."""
    rng = np.random.default_rng(seed)
    rows, kind, group = [], [], []
    names = {name: k for k, name in enumerate(sorted({block.group for block in [*real, *ours]}))}
    for blocks, is_real in ((real, True), (ours, False)):
        for block in blocks:
            some = patches_of(block, patches, rng)
            rows += some
            kind += [is_real] * len(some)
            group += [names[block.group]] * len(some)
    truth, groups = np.array(kind), np.array(group)
    table = np.array([features(row) for row in rows])
    return {
        "stumps": area_out_of_fold(table, truth, groups, boosted, seed=seed),
        "net": area_out_of_fold(np.array(rows), truth, groups, trained_net, seed=seed),
    }


def table_of(blocks: dict[str, list[Block]]) -> str:
    """Return a Markdown table: the 10th, 50th and 90th percentile of each statistic over the blocks of each kind."""
    lines = ["| statistic | " + " | ".join(blocks) + " |", "|---|" + "---|" * len(blocks)]
    found = {
        kind: np.array([[row[name] for name in NAMES] for row in (statistics(b.grey, b.neurite) for b in some)])
        for kind, some in blocks.items()
    }
    for column, name in enumerate(NAMES):
        cells = [
            ", ".join(f"{value:.0f}" if name == "spots" else f"{value:.2f}" for value in row)
            for row in (np.nanpercentile(values[:, column], QUANTILES) for values in found.values())
        ]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sheet(blocks: list[Block], path: Path) -> None:
    """Write a picture: of each block a plane from the front, one from the side, and the brightest voxels from the front."""
    z, y, x = CROP
    rows = -(-len(blocks) // ABREAST)
    canvas = np.zeros((rows * y, ABREAST * 3 * x), np.uint8)
    for k, block in enumerate(blocks):
        grey = np.asarray(block.grey, np.float32)
        low, high = np.quantile(grey, (0.01, BRIGHT))
        shown = (np.clip((grey - low) / max(float(high - low), 1.0), 0, 1) ** SHOWN_GAMMA * 255).astype(np.uint8)
        side = np.repeat(shown[:, y // 2], y // z, axis=0)
        row, column = divmod(k, ABREAST)
        views = np.concatenate([shown[z // 2], side, shown.max(0)], axis=1)
        canvas[row * y : (row + 1) * y, column * 3 * x : (column + 1) * 3 * x] = views
    Image.fromarray(canvas).save(path, quality=JPEG_QUALITY, optimize=True)


def main() -> None:
    """Print the table and the areas under the curve."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("real", type=Path, nargs="+", help="folders of real stacks")
    parser.add_argument("--corpus", type=Path, required=True, help="folder or zip of SWC files")
    parser.add_argument("--crops", type=int, default=48, help="synthetic crops of each kind")
    parser.add_argument("--blocks", type=int, default=4, help="of each real stack")
    parser.add_argument("--patches", type=int, default=3, help="of each block")
    parser.add_argument("--repeats", type=int, default=2, help="of the test, with other patches and folds")
    parser.add_argument("--seed", type=int, default=11, help="of the synthetic crops")
    parser.add_argument("--picture", type=Path, help="PNG or JPEG of the first 18 crops with tissue")
    args = parser.parse_args()
    try:
        blocks = {"real": list(real_blocks(args.real, args.blocks))}
        for kind, share in (("even", 0.0), ("tissue", 1.0)):
            blocks[kind] = list(synthetic_blocks(args.corpus, args.crops, share, args.seed))
    except NeuroreconError as error:
        parser.error(str(error))
    if args.picture:
        sheet(blocks["tissue"][:18], args.picture)
    print(table_of(blocks), flush=True)
    half = args.crops // 2
    blocks["drawn"] = blocks["even"][:half] + blocks["tissue"][half:]  # as the training has them: half and half
    for kind in ("even", "tissue", "drawn"):
        areas = [told_apart(blocks["real"], blocks[kind], args.patches, seed) for seed in range(args.repeats)]
        for judge in areas[0]:
            each = [area[judge] for area in areas]
            print(f"AUC {kind}, {judge}: {np.mean(each):.3f} ({', '.join(f'{a:.3f}' for a in each)})", flush=True)


if __name__ == "__main__":
    main()
