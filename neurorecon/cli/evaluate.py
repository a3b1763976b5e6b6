"""`neurorecon evaluate`: score a tree, or a mask, against its gold standard."""

import json
import logging
from pathlib import Path
from typing import Any

import click

from neurorecon.core.errors import InputError

__all__ = ["command"]

TREE_SUFFIXES = (".swc", ".eswc")
HALF = 128.0  # probability 0.5 in a volume of 0 to 255

log = logging.getLogger(__name__)


def _spacing(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[float, float, float]:
    from neurorecon.core.geometry import parse_zyx

    return parse_zyx(text, what="--spacing")


@click.command()
@click.argument("pred", metavar="PRED", type=click.Path(path_type=Path))
@click.argument("gold", metavar="GOLD", type=click.Path(path_type=Path))
@click.option("--tolerance", type=float, default=3.0, show_default=True, metavar="LENGTH",
              help="Trees: distance up to which cable counts as found, in their unit.")  # fmt: skip
@click.option("--spacing", default="1,1,1", show_default=True, metavar="Z,Y,X", callback=_spacing,
              help="Volumes: voxel size; hd95 is in its unit.")  # fmt: skip
@click.option("--threshold", type=float, metavar="T",
              help="Volumes: PRED counts from this value on.  [default: 128 of 255; 0.5 where PRED is at most 1]",
              )  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def command(
    pred: Path,
    gold: Path,
    tolerance: float,
    spacing: tuple[float, float, float],
    threshold: float | None,
    as_json: bool,
) -> None:
    """Score a reconstruction against a gold standard.

    PRED and GOLD are two SWC files in one frame and unit, or two masks or volumes of one shape; in GOLD, what is
    above 0 counts. Trees: precision, recall and f1 of cable, distances, branch points and tips; then root, ways to the
    soma, counts, Sholl profile and pieces. Volumes: dice, hd95, cldice.
    """
    trees = [path.suffix.lower() in TREE_SUFFIXES for path in (pred, gold)]
    if trees[0] != trees[1]:
        raise InputError(f"{pred} and {gold} cannot be compared: two SWC files or two volumes are needed")
    scores = _tree_scores(pred, gold, tolerance) if trees[0] else _mask_scores(pred, gold, threshold, spacing)
    if as_json:
        click.echo(json.dumps(scores))
    else:
        for key, value in scores.items():
            click.echo(f"{key:18s}{value:8.3f}")


def _tree_scores(pred: Path, gold: Path, tolerance: float) -> dict[str, float]:
    from neurorecon.evaluate import score_morphology, score_trees
    from neurorecon.swc import read_swc, rows_in_file, stated_unit

    units = [stated_unit(path) for path in (pred, gold)]
    if None not in units and units[0] != units[1]:
        log.warning(
            "%s is in %s and %s in %s; the scores mean nothing unless a voxel is 1 um", pred, units[0], gold, units[1]
        )
    trees = [read_swc(path, allow_empty=True) for path in (pred, gold)]
    morphology = score_morphology(*trees, pred_rows=rows_in_file(pred), gold_rows=rows_in_file(gold))
    return score_trees(*trees, tolerance=tolerance).as_dict() | morphology.as_dict()


def _mask_scores(
    pred: Path, gold: Path, threshold: float | None, spacing: tuple[float, float, float]
) -> dict[str, float]:
    import numpy as np

    from neurorecon.evaluate import score_masks
    from neurorecon.io import read_stack

    values: Any = np.asarray(read_stack(pred).data[...])
    truth: Any = np.asarray(read_stack(gold).data[...])
    if threshold is None:
        threshold = HALF
        if 0 < values.max(initial=0) <= 1:
            threshold = 0.5
            log.warning("%s holds nothing above 1: taken as 0 to 1, with --threshold 0.5", pred)
    return score_masks(values >= threshold, truth > 0, spacing=spacing).as_dict()
