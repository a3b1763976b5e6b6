"""`neurorecon evaluate`: score a tree, or a mask, against its gold standard."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.voice import voice_options
from neurorecon.core.errors import InputError

if TYPE_CHECKING:
    from neurorecon.core.tree import Tree
    from neurorecon.evaluate import SeveralScores

__all__ = ["command"]

TREE_SUFFIXES = (".swc", ".eswc")
COUNTED = ("splits", "truncations", "merges")
# Set by hand; not tuned, unless a line says more.
VOXEL_MARKS = ("voxels", "voxel", "vx", "px")
EXTENTS = 5.0  # times the tolerance that gold reaches over at least: in less nothing can be far from anything
OTHER_UNIT = 20.0  # times as far: a part of a neuron is less far from the whole, nm, um and mm are 1,000 times apart
APART = 0.2  # of what they reach over, by which two trees lie apart that are not of one stack
POOR = 0.5  # F1 from which down another frame is looked for
GOOD, OTHER_LENGTH = 0.8, 1.5  # F1 from which lengths should agree, and the ratio from which they do not

log = logging.getLogger(__name__)


def _spacing(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[float, float, float]:
    from neurorecon.core.geometry import parse_zyx

    return parse_zyx(text, what="--spacing")


@click.command()
@click.argument("pred", metavar="PRED", type=click.Path(path_type=Path))
@click.argument("gold", metavar="GOLD", type=click.Path(path_type=Path))
@click.option("--tolerance", default="3", show_default=True, metavar="LENGTH",
              help="Trees: largest distance of cable that counts as found, in their unit, or in voxels: 3vx, with --spacing."
              )  # fmt: skip
@click.option("--spacing", default="1,1,1", show_default=True, metavar="Z,Y,X", callback=_spacing,
              help="Voxel size: the unit of hd95 for volumes, and of a tolerance in voxels for trees.")  # fmt: skip
@click.option("--threshold", type=float, metavar="T",
              help="Volumes: least value of PRED that counts.  [default: 128 of 255; 0.5 where PRED is at most 1]",
              )  # fmt: skip
@click.option("--merge", type=float, metavar="LENGTH",
              help="Folders: cable of a neuron that a tree follows at least to hold it, in the unit of the trees.  "
              "[default: 50]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
@voice_options
def command(
    pred: Path,
    gold: Path,
    tolerance: str,
    spacing: tuple[float, float, float],
    threshold: float | None,
    merge: float | None,
    as_json: bool,
) -> None:
    """Score a reconstruction against a gold standard.

    PRED and GOLD are two SWC files in the same frame and unit (a header that states nm is converted), or two masks or
    volumes of the same shape; in GOLD, values above 0 count. Trees: precision, recall and f1 of cable, distances, branch
    points and tips; then root, paths to the soma, counts, Sholl profile and pieces. Volumes: dice, hd95, cldice.
    docs/results.md explains each score.

    Where GOLD is a folder of SWC files, one a neuron, and PRED a folder or one file, they are scored as many neurons of one
    volume: splits, merges, omissions and the expected run length (erl), a row a neuron.
    """
    if gold.is_dir():
        _print_neurons(_neuron_scores(pred, gold, _length(tolerance, spacing), merge), as_json=as_json)
        return
    if merge is not None or pred.is_dir():
        raise InputError(f"{gold} is no folder; for many neurons give a folder of SWC files, one a neuron, as GOLD")
    trees = [path.suffix.lower() in TREE_SUFFIXES for path in (pred, gold)]
    if trees[0] != trees[1]:
        raise InputError(f"{pred} and {gold} cannot be compared: two SWC files or two volumes are needed")
    scores = (
        _tree_scores(pred, gold, _length(tolerance, spacing))
        if trees[0]
        else _mask_scores(pred, gold, threshold, spacing)
    )
    if as_json:
        click.echo(json.dumps(scores))
    else:
        for key, value in scores.items():
            click.echo(f"{key:18s}{value:8.3f}")


def _length(text: str, spacing: tuple[float, float, float]) -> float:
    """Return a tolerance in the unit of the trees: "3", or "3vx" voxels of the smallest edge."""
    number = text.strip().casefold()
    voxels = next((mark for mark in VOXEL_MARKS if number.endswith(mark)), "")
    try:
        value = float(number.removesuffix(voxels))
    except ValueError as error:
        raise InputError(f"--tolerance got {text!r}; give a length as 3, or voxels as 3vx with --spacing") from error
    return value * min(spacing) if voxels else value


def _neuron_scores(pred: Path, gold: Path, tolerance: float, merge: float | None) -> "SeveralScores":
    from neurorecon.evaluate import MERGE, score_neurons
    from neurorecon.swc import read_swc, stated_unit

    files = [_swc_files(path) if path.is_dir() else [path] for path in (pred, gold)]
    units = [sorted({stated_unit(file) or "um" for file in of_side}) for of_side in files]
    if units[0] != units[1] or len(units[0]) > 1:
        said = " and ".join("/".join(of_side) for of_side in units)
        log.warning("%s and %s are in %s; the scores mean nothing unless a voxel is 1 um", pred, gold, said)
    trees = [{file.stem: read_swc(file, allow_empty=True) for file in of_side} for of_side in files]
    for path, of_side in zip((pred, gold), trees, strict=True):
        log.info("%s: %d files, %d trees", path, len(of_side), sum(len(tree.roots) for tree in of_side.values()))
    least = MERGE if merge is None else merge
    return score_neurons(list(trees[0].values()), trees[1], tolerance=tolerance, merge=least)


def _swc_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in TREE_SUFFIXES)
    if not files:
        raise InputError(f"{folder} holds no SWC file; give a folder with one file a neuron")
    return files


def _print_neurons(scores: "SeveralScores", *, as_json: bool) -> None:
    """Print a row a neuron, and the last for all together."""
    if as_json:
        click.echo(json.dumps(scores.as_dict()))
        return
    width = max(6, *(len(name) for name in scores.neurons))
    click.echo(" ".join([f"{'neuron':{width}s}", *(f"{key:>14s}" for key in scores.all.as_dict())]))
    for name, one in (*scores.neurons.items(), ("all", scores.all)):
        values = (f"{value:14.0f}" if key in COUNTED else f"{value:14.3f}" for key, value in one.as_dict().items())
        click.echo(" ".join([f"{name:{width}s}", *values]))


def _tree_scores(pred: Path, gold: Path, tolerance: float) -> dict[str, float]:
    from neurorecon.evaluate import frame_hint, score_morphology, score_trees
    from neurorecon.swc import read_swc, rows_in_file, stated_unit

    units = [stated_unit(path) for path in (pred, gold)]
    if units[0] != units[1] and "voxel" in units:
        said = [unit or "no stated unit, taken as um" for unit in units]
        log.warning(
            "%s is in %s and %s in %s; the scores mean nothing unless a voxel is 1 um", pred, said[0], gold, said[1]
        )
    trees = [read_swc(path, allow_empty=True) for path in (pred, gold)]
    for path, tree in zip((pred, gold), trees, strict=True):
        log.info(
            "%s: %d nodes, %d trees, %.4g %s of cable", path, len(tree), len(tree.roots), tree.cable_length, tree.unit
        )
    if not trees[1].cable_length > 0:
        log.warning("%s: GOLD holds no cable, so that every score is 0; is it the right file?", gold)
    scores = score_trees(*trees, tolerance=tolerance).as_dict()
    if all(len(tree) > 1 for tree in trees):
        for doubt in (*_doubts_of_frame(*trees), *_doubts_of_tolerance(trees[1], tolerance, scores)):
            log.warning("%s", doubt)
        if _same(*trees):
            log.warning(
                "PRED and GOLD are one tree, node by node, so that every score is perfect; are these the right files?"
            )
        if scores["f1"] < POOR and (hint := frame_hint(trees[0], trees[1], tolerance)):
            log.warning("%s", hint)
    morphology = score_morphology(*trees, pred_rows=rows_in_file(pred), gold_rows=rows_in_file(gold))
    return scores | morphology.as_dict()


def _same(pred: "Tree", gold: "Tree") -> bool:
    """Tell whether two trees have the same nodes and edges."""
    same = len(pred) == len(gold) and (pred.parent == gold.parent).all() and (pred.xyz == gold.xyz).all()
    return bool(same)


def _doubts_of_frame(pred: "Tree", gold: "Tree") -> Iterator[str]:
    """Warn if two trees cannot be in one frame and unit, whatever their headers state."""
    low = [tree.xyz.min(0) for tree in (pred, gold)]
    high = [tree.xyz.max(0) for tree in (pred, gold)]
    extent = [float((b - a).max()) for a, b in zip(low, high, strict=True)]
    factor = max(extent) / max(min(extent), 1e-12)
    if factor > OTHER_UNIT:
        yield (
            f"PRED reaches over {extent[0]:.4g} and GOLD over {extent[1]:.4g}: a factor of {factor:.3g}, as between units; "
            "write `# units: um`, `# units: nm` or `# units: voxel` into the files"
        )
    elif max(float((low[0] - high[1]).max()), float((low[1] - high[0]).max())) > APART * max(extent):
        yield "PRED and GOLD lie side by side, no box around them meets the other: one is shifted, or of another stack"


def _doubts_of_tolerance(gold: "Tree", tolerance: float, scores: dict[str, float]) -> Iterator[str]:
    """Warn if F1 says nothing at this tolerance."""
    extent = float((gold.xyz.max(0) - gold.xyz.min(0)).max())
    if tolerance * EXTENTS > extent:
        share = f"{tolerance / extent:.2g} times" if tolerance > extent else f"{tolerance / extent:.0%} of"
        yield (
            f"the tolerance of {tolerance:g} is {share} what GOLD reaches over ({extent:.3g}), so that nearly all cable counts "
            "as found; give --tolerance, or --tolerance 3vx with --spacing"
        )
    ratio = scores["length_ratio"]
    if scores["f1"] > GOOD and not 1 / OTHER_LENGTH < ratio < OTHER_LENGTH:
        yield f"PRED has {ratio:.2g} times the cable of GOLD, which F1 does not see: lines run side by side within --tolerance"


def _mask_scores(
    pred: Path, gold: Path, threshold: float | None, spacing: tuple[float, float, float]
) -> dict[str, float]:
    import numpy as np

    from neurorecon.core.probability import BACKGROUND, HALF
    from neurorecon.evaluate import score_masks
    from neurorecon.io import read_stack

    values: Any = np.asarray(read_stack(pred).data[...])
    truth: Any = np.asarray(read_stack(gold).data[...])
    for path, read in ((pred, values), (gold, truth)):
        log.info("%s: %s voxels (z, y, x), %s", path, " x ".join(map(str, read.shape)), read.dtype)
    if threshold is None:
        threshold = float(HALF)
        if 0 < values.max(initial=0) <= 1:
            threshold = 0.5
            log.warning("%s holds nothing above 1: taken as 0 to 1, with --threshold 0.5", pred)
    for path, read, ground in ((pred, values, BACKGROUND / HALF * threshold), (gold, truth, 0.0)):
        if float(np.median(read)) > ground:
            log.warning("%s: half of it is above %g, as in a grey stack; is it a mask or a probability?", path, ground)
    return score_masks(values >= threshold, truth > 0, spacing=spacing).as_dict()
