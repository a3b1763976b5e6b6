"""log.png of a run: parts of the loss, scores on the `dev` stacks and the learning rate, against the steps."""

from pathlib import Path
from typing import Any

from neurorecon.core.files import write_beside
from neurorecon.training.logbook import Row, read_log

__all__ = ["draw_log"]

NO_CURVE = ("step", "seconds", "rate")
WATCHED = "dev_"  # prefix of the names of scores on stacks outside of the training
IN_VOXELS = ("dev_hd95", "dev_esa", "dev_dsa")  # scores with an axis of their own: the others lie between 0 and 1
# Set by hand; not tuned, unless a line says more.
LARGEST_SIDE_PX = 800
# Told apart with the common colour blindnesses (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


def draw_log(log: Path, picture: Path) -> bool:
    """Draw the curves of `log` to the PNG `picture`, whole or not at all; what was there is replaced.

    Returns:
        False where the log is missing or holds no row yet: then nothing is written.

    Raises:
        FormatError: if `log` is no log.
        OutputError: if the picture cannot be written.
    """
    columns, rows = read_log(log)
    if not rows:
        return False
    curves = [name for name in columns if name not in NO_CURVE and any(row[name] for row in rows)]
    losses = [name for name in curves if not name.startswith(WATCHED)]
    shares = [name for name in curves if name.startswith(WATCHED) and name not in IN_VOXELS]
    lengths = [name for name in curves if name in IN_VOXELS]
    panels = [("loss, its parts", losses), ("watched, 0 to 1", shares), ("watched, voxels", lengths)]
    if any(row.get("rate") for row in rows):
        panels.append(("learning rate", ["rate"]))
    _draw([(title, names) for title, names in panels if names], rows, picture)
    return True


def _draw(panels: list[tuple[str, list[str]]], rows: list[Row], picture: Path) -> None:
    """Draw one panel below the other, with the steps in common."""
    # Not pyplot: it keeps a global state, and opens windows.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = min(2.2 * len(panels) + 0.6, LARGEST_SIDE_PX / 100)
    figure = Figure(figsize=(LARGEST_SIDE_PX / 100, inches), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(0.08, 0.45 / inches, 0.98, 1 - 0.3 / inches, hspace=0.25)  # constrained layout takes longer
    for axis, (title, names) in zip(axes, panels, strict=True):
        for name, colour in zip(names, COLOURS * len(names), strict=False):
            _curve(axis, name, rows, colour)
        axis.set_title(title, loc="left", fontsize=9)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
        if len(names) > 1 or names[0] != "rate":
            axis.legend(fontsize=7, loc="best", ncols=min(4, len(names)))
    axes[-1].set_xlabel("step", fontsize=9)
    with write_beside(picture, overwrite=True) as beside:
        figure.savefig(beside, format="png")


def _curve(axis: Any, name: str, rows: list[Row], colour: str) -> None:
    """Draw one column, where it has values; few of them as points on the line."""
    points = [(float(row["step"]), float(row[name])) for row in rows if row[name]]
    marker = "o" if len(points) <= 30 else ""
    axis.plot(*zip(*points, strict=True), label=name.removeprefix(WATCHED), color=colour, lw=1.2, marker=marker, ms=3)
