"""Is a voxel that the network calls 0.7 a neurite in seven of ten cases?

    python benchmarks/reliability.py SETS WORK [--ids FILE] [--picture OUT.png] [--fit MODEL]

SETS holds `lifted`, `hard` and `dim` with ID.tif and its truth ID.swc in voxels; WORK/net the network's maps SET_ID.npz as
benchmarks/tracer.py keeps them (made where they are not there). A voxel is a neurite within 1.5 voxels of the tracing;
nothing is asked of the rim around that, of which no tracing is exact. For every set and for all (each set counting alike):
share of neurites among the voxels by what was said of them, the mean distance of the two weighted by voxels of which at least
0.02 was said, and slope and shift of the logit that would make them agree best (least cross-entropy): 1 and 0 where 0.5 means
0.5. `--fit` prints the curve of a network instead (training/calibrate.py), on training neurons: a line for its `config.toml`.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from maps import said_of, sets_parser, stacks_of_sets
from numpy.typing import NDArray
from scipy.optimize import minimize

from neurorecon.nets import load_model
from neurorecon.swc import read_swc
from neurorecon.training.calibrate import count_levels, count_logits, fit_curve

EDGES = np.array([5, 26, 51, 77, 102, 128, 153, 179, 204, 230, 250, 256])  # of 255: 0.02, 0.1, 0.2 ... 0.9, 0.98, 1
SAID = np.arange(256) / 255
Counts = NDArray[np.float64]  # (2, 256): voxels by truth and by what was said


def best_line(counts: Counts) -> tuple[float, float]:
    """Return slope and shift of the logit with the least cross-entropy."""
    logit = np.log((SAID * 255 + 0.5) / (255.5 - SAID * 255))

    def loss(line: NDArray[np.float64]) -> float:
        x = line[0] * logit + line[1]
        return float((counts[0] * np.logaddexp(0, x) + counts[1] * np.logaddexp(0, -x)).sum() / counts.sum())

    slope, shift = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(shift)


def bins(counts: Counts) -> list[tuple[float, float, float]]:
    """Return what was said in the mean, the share of neurites and the number of voxels, bin by bin."""
    rows = []
    for low, high in pairwise(EDGES):
        part = counts[:, low:high]
        total = max(part.sum(), 1e-9)
        rows.append(
            (float((part.sum(0) * SAID[low:high]).sum() / total), float(part[1].sum() / total), float(part.sum()))
        )
    return rows


def draw(path: Path, rows: dict[str, list[tuple[float, float, float]]]) -> None:
    """Draw the diagram: what was said along x, what was so along y."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, points in rows.items():
        axes.plot([p[0] for p in points], [p[1] for p in points], marker="o", markersize=3, label=name)
    axes.set(xlabel="probability that the network gives", ylabel="share of neurite voxels", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    figure.savefig(path, format="png", dpi=120)


def main() -> None:
    """Print the table, and draw it."""
    parser = sets_parser(__doc__)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--fit", metavar="MODEL", help="name or folder of a network")
    args = parser.parse_args()
    stacks = stacks_of_sets(args)
    if args.fit:
        model = load_model(args.fit)
        curve = fit_curve([count_logits(model, [(p, p.with_suffix(".swc")) for p in each]) for each in stacks.values()])
        print("calibration =", [list(point) for point in curve])
        return
    counts = {
        name: sum(count_levels(said_of(path, args.work), read_swc(path.with_suffix(".swc"))) for path in each)
        for name, each in stacks.items()
    }
    counts["all"] = sum(each / each.sum() for each in counts.values()) / len(stacks)
    table = {name: bins(each) for name, each in counts.items()}
    print("| said | " + " | ".join(table) + " |\n|" + "---|" * (1 + len(table)))
    for k in range(len(EDGES) - 1):
        said = f"{EDGES[k] / 255:.2f} to {(EDGES[k + 1] - 1) / 255:.2f}"
        print(f"| {said} | " + " | ".join(f"{rows[k][1]:.2f}" for rows in table.values()) + " |")
    far = {
        name: sum(n * abs(said - so) for said, so, n in rows) / sum(n for *_, n in rows) for name, rows in table.items()
    }
    print("| mean distance | " + " | ".join(f"{value:.3f}" for value in far.values()) + " |")
    print(
        "| slope, shift | " + " | ".join("{:.2f}, {:+.2f}".format(*best_line(each)) for each in counts.values()) + " |"
    )
    if args.picture:
        draw(args.picture, table)


if __name__ == "__main__":
    main()
