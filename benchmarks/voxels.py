"""The network's maps, voxel by voxel: Dice, HD95 and clDice against tracings, and F1 on a plane that was labelled by hand.

    python benchmarks/voxels.py SETS WORK [--ids FILE] [--planes FOLDER]

SETS holds `lifted`, `hard` and `dim` with ID.tif and its truth ID.swc in voxels; WORK/net the network's maps SET_ID.npz as
benchmarks/tracer.py keeps them (made where they are not there). The truth is a tube of radius 1.5 voxels along the tracing; the
rim around it counts for neither side. Mean / median of the stacks by set, lengths in voxels. FOLDER holds NAME_volume.tif with
NAME_label.tif as TRAILMAP publishes them; the last labelled plane of each, which is never trained on, is scored at `LEVELS`
of probability: a voxel is right if the other side has one within 1 voxel in the plane.
"""

from pathlib import Path

import numpy as np
from maps import said_of, sets_parser, stacks_of_sets
from scipy.ndimage import binary_dilation

from neurorecon.io import read_stack
from neurorecon.segmentation import segment
from neurorecon.swc import read_swc
from neurorecon.training.score_stacks import score_map
from neurorecon.training.sources.labelled_planes import load_sparse
from neurorecon.training.sources.labels import BACKGROUND, IGNORE

LEVELS = (0.5, 0.35, 0.2)
NEAR = np.ones((3, 3), bool)  # 1 voxel, corners as well


def plane_scores(mask: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Return precision, recall and F1 of a plane (Y, X) of a mask; what is not labelled counts for neither side."""
    gold = (labels != IGNORE) & (labels != BACKGROUND)
    found = mask & (labels != IGNORE)
    precision = (found & binary_dilation(gold, NEAR)).sum() / max(found.sum(), 1)
    recall = (gold & binary_dilation(mask, NEAR)).sum() / max(gold.sum(), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def main() -> None:
    """Print the tables."""
    parser = sets_parser(__doc__)
    parser.add_argument("--planes", type=Path)
    args = parser.parse_args()
    print("| | stacks | Dice | HD95 | clDice |\n|---|---|---|---|---|")
    for name, stacks in stacks_of_sets(args).items():
        scores = [score_map(said_of(path, args.work), read_swc(path.with_suffix(".swc"))) for path in stacks]
        rows = [(found.dice, found.hd95, found.cldice) for found in scores]
        each = [f"{np.mean(column):.3f} / {np.median(column):.3f}" for column in zip(*rows, strict=True)]
        print(f"| `{name}` | {len(rows)} | " + " | ".join(each) + " |", flush=True)
    for source in load_sparse(args.planes, kept_back=True) if args.planes else []:
        path = args.planes / f"{source.name.split('/')[1]}_volume.tif"
        found = segment(read_stack(path))
        if found is not None:
            labels = source.labels & 3
            (plane,) = np.flatnonzero((labels != IGNORE).any((1, 2)))
            said = np.asarray(found.on_stack.neurite)[plane]
            for level in LEVELS:
                scores = plane_scores(said >= level * 255, labels[plane])
                told = "precision {:.3f}, recall {:.3f}, F1 {:.3f}".format(*scores)
                print(f"{path.name}, plane {plane}, from {level} on: {told}")


if __name__ == "__main__":
    main()
