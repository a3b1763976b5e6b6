"""OUT.png: the maximum projections along z, x and y, plain and with the tree on them, in true proportions.

The three views of a panel stand as in an orthoviewer: x-y top left, z-y to its right, x-z below it, one scale for all.
Lines are drawn three times too large and shrunk, which smooths their edges. Only numpy and Pillow: matplotlib would
cost more to import than the picture takes to draw.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import read_blocks
from neurorecon.core.errors import InputError
from neurorecon.core.files import write_beside
from neurorecon.core.geometry import VoxelSize, relative_edges, xyz_to_zyx
from neurorecon.core.stack import Volume
from neurorecon.core.tree import NodeType, Tree
from neurorecon.report.stretches import lines_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw as Pen

__all__ = ["draw_overlay", "projections", "stretch"]

# Set by hand; not tuned, unless a line says more.
LONGEST_PX = 1600  # fits a screen, and stays near a megabyte
LARGEST_STEP_PX = 8.0  # a voxel of a tiny stack is not blown up beyond this
MARGIN_PX, GAP_PX, STRIP_PX = 12, 4, 30  # around all, between views, height of the lines of text
SMOOTH = 3  # lines are drawn this many times too large
LINE_PX = 1.4  # width of a line
SOMA_PX = 5.0  # least radius of the circle round a soma
DARK, BRIGHT, GAMMA = 20.0, 99.8, 0.7  # percentiles that become black and white, then brightness ** GAMMA

# Set by hand; not tuned, unless a line says more.
# One colour a tree, bright on grey, told apart with the common colour blindnesses; then round again.
COLOURS = (
    (255, 74, 190), (0, 214, 255), (255, 212, 0), (96, 255, 128), (255, 140, 48), (172, 132, 255), (255, 96, 96),
)  # fmt: skip

# By convention of orthoviewers.
VIEWS = ((1, 2), (1, 0), (0, 2))  # (rows, columns) of the views along z, x, y, as axes of zyx


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a picture, in pixels.

    Attributes:
        scale: (3,) pixels a voxel along z, y, x.
        sizes: (rows, columns) of the three views, as VIEWS orders them.
        corners: (top, left) of each view within a panel.
        panel: (rows, columns) of a panel.
        side_by_side: plain and traced beside each other, or one below the other.
    """

    scale: NDArray[np.float64]
    sizes: tuple[tuple[int, int], ...]
    corners: tuple[tuple[int, int], ...]
    panel: tuple[int, int]
    side_by_side: bool


def draw_overlay(
    tree: Tree, volume: Volume, voxel_size: VoxelSize | None, path: Path, *, title: str = "", overwrite: bool = False
) -> None:
    """Write a PNG of the projections of `volume`, plain and with `tree` on them, with scale bar.

    Args:
        tree: in um or voxels; each tree in a colour of its own, somata circled.
        volume: (Z, Y, X), read once, slab by slab.
        voxel_size: micrometres; None draws voxels as cubes and the scale bar in voxels.
        path: the PNG.
        title: a line above the picture.
        overwrite: take the place of a file that exists.

    Raises:
        InputError: if the tree is in um and the voxel size is not known.
        OutputError: if the picture cannot be written.
    """
    if tree.unit == "um" and voxel_size is None:
        raise InputError("a tree in um cannot be drawn on a stack without voxel size; give --voxel-size Z,Y,X")
    from PIL import Image, ImageDraw

    points = xyz_to_zyx(tree.xyz, voxel_size if tree.unit == "um" else None)
    step = relative_edges(voxel_size)
    plan = _lay_out(np.array(volume.shape, dtype=np.float64) * step, step)
    plain, traced = _panel(plan), _panel(plan)
    for image, axes, size, corner in zip(projections(volume), VIEWS, plan.sizes, plan.corners, strict=True):
        grey = _resized(stretch(image), size)
        plain.paste(grey, corner[::-1])
        traced.paste(_traced(grey, tree, (points + 0.5) * plan.scale, axes), corner[::-1])
    rows, columns = plan.panel
    down, right = (0, columns + MARGIN_PX) if plan.side_by_side else (rows + STRIP_PX, 0)
    width, height = columns + right + 2 * MARGIN_PX, rows + down + 3 * STRIP_PX
    picture = Image.new("RGB", (max(width, 320), height), (16, 16, 20))
    pen = ImageDraw.Draw(picture)
    _write(pen, (MARGIN_PX, 6), title, size=15, room=picture.width - 2 * MARGIN_PX)
    for panel, name, k in ((plain, "maximum projections", 0), (traced, f"tracing, {len(tree)} nodes", 1)):
        left, top = MARGIN_PX + k * right, 2 * STRIP_PX + k * down
        picture.paste(panel, (left, top))
        _write(pen, (left, top - 20), name, size=12, room=columns)
    _scale_bar(pen, plan, voxel_size, height - STRIP_PX + 8)
    with write_beside(path, overwrite=overwrite) as beside:
        picture.save(beside, format="PNG", compress_level=6)


def projections(volume: Volume) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the maximum projections of a (Z, Y, X) volume: (Y, X) along z, (Y, Z) along x, (Z, X) along y.

    The volume is read once.
    """
    z, y, x = volume.shape
    kind = np.dtype(volume.dtype)
    least = -np.inf if kind.kind == "f" else 0
    along_z, along_x, along_y = np.full((y, x), least, kind), np.empty((y, z), kind), np.full((z, x), least, kind)
    for planes, rows, block in read_blocks(volume):
        along_z[rows] = np.maximum(along_z[rows], block.max(axis=0))
        along_x[rows, planes] = block.max(axis=2).T
        along_y[planes] = np.maximum(along_y[planes], block.max(axis=1))
    return along_z, along_x, along_y


def stretch(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return brightness 0 to 1: black and white at robust percentiles, then gamma; constant images become black."""
    grey = image.astype(np.float32)
    above = grey[grey > grey.min()]  # a background that is one exact value must not decide
    if not above.size:
        return np.zeros_like(grey)
    low = min(float(np.percentile(grey, DARK)), float(np.percentile(above, DARK)))
    high = float(np.percentile(above, BRIGHT))
    if high <= low:
        low, high = float(grey.min()), float(grey.max())
    bright: NDArray[np.float32] = np.clip((grey - low) / (high - low), 0, 1) ** np.float32(GAMMA)
    return bright


def _lay_out(lengths: NDArray[np.float64], step: NDArray[np.float64]) -> Layout:
    """Choose the largest scale at which both panels fit, side by side or one below the other."""
    z, y, x = lengths
    fixed = 2 * MARGIN_PX + 2 * GAP_PX + 4 * STRIP_PX
    beside = (LONGEST_PX - fixed) / max(2 * (x + z), y + z)
    below = (LONGEST_PX - fixed) / max(x + z, 2 * (y + z))
    scale = min(max(beside, below), LARGEST_STEP_PX)
    edges = [max(1, round(n * scale)) for n in lengths]
    sizes = tuple((edges[rows], edges[columns]) for rows, columns in VIEWS)
    corners = ((0, 0), (0, edges[2] + GAP_PX), (edges[1] + GAP_PX, 0))
    panel = (edges[1] + GAP_PX + edges[0], edges[2] + GAP_PX + edges[0])
    return Layout(np.array(edges) / (lengths / step), sizes, corners, panel, bool(beside >= below))


def _panel(plan: Layout) -> "Picture":
    from PIL import Image

    return Image.new("RGB", plan.panel[::-1], (40, 40, 48))


def _resized(bright: NDArray[np.float32], size: tuple[int, int]) -> "Picture":
    """Return a grey picture of (rows, columns) `size`; shrinking keeps maxima, so that thin neurites do not fade."""
    from PIL import Image

    box = [float(n) for n in bright.shape]
    for axis in (0, 1):
        factor = bright.shape[axis] // size[axis]
        if factor > 1:
            bright = np.maximum.reduceat(bright, np.arange(0, bright.shape[axis], factor), axis=axis)
            box[axis] /= factor
    grey = Image.fromarray(np.round(bright * 255).astype(np.uint8))
    return grey.resize(size[::-1], Image.Resampling.BICUBIC, box=(0, 0, box[1], box[0])).convert("RGB")


def _traced(grey: "Picture", tree: Tree, points: NDArray[np.float64], axes: tuple[int, int]) -> "Picture":
    """Draw the trees on a view; `points` are (N, 3) zyx in pixels, `axes` those of its rows and columns."""
    from PIL import Image, ImageDraw

    large = grey.resize((grey.width * SMOOTH, grey.height * SMOOTH), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large)
    flat = points[:, [axes[1], axes[0]]] * SMOOTH  # (N, 2) column, row
    colour = _colours(tree)
    for line in lines_of(tree):
        corners = np.round(flat[line]).astype(int)
        moved = np.r_[True, (np.diff(corners, axis=0) != 0).any(axis=1)]
        corners = corners[moved] if moved.sum() > 1 else corners[:1] + np.array([[0, 0], [1, 0]])  # seen end on
        pen.line([(int(c), int(r)) for c, r in corners], fill=colour[line[-1]], width=round(LINE_PX * SMOOTH))
    per_unit = _pixels_per_unit(tree, points)
    for row in _somata(tree):
        _circle(pen, flat[row], max(SOMA_PX, tree.radius[row] * per_unit) * SMOOTH, colour[row])
    return large.reduce(SMOOTH)


def _colours(tree: Tree) -> list[tuple[int, int, int]]:
    """Return the colour of each node: that of its tree."""
    order = np.cumsum(tree.parent < 0) - 1
    return [COLOURS[int(order[root]) % len(COLOURS)] for root in tree.root_of()]


def _somata(tree: Tree) -> list[int]:
    """Return one row for each soma: the first of its nodes."""
    soma = tree.type == NodeType.SOMA
    first = soma & ~(soma[tree.parent] & (tree.parent >= 0))
    return [int(row) for row in np.flatnonzero(first)]


def _pixels_per_unit(tree: Tree, points: NDArray[np.float64]) -> float:
    """Return pixels by length of the tree, from its longest extent; for the radius of somata."""
    there, here = np.ptp(points, axis=0), xyz_to_zyx(np.ptp(tree.xyz, axis=0))
    axis = int(here.argmax())
    return float(there[axis] / here[axis]) if here[axis] > 0 else 0.0


def _circle(pen: "Pen", centre: NDArray[np.float64], radius: float, colour: tuple[int, int, int]) -> None:
    """Draw a ring of the tree's colour between two black ones, so that it shows on any brightness."""
    for ring, ink in ((radius + SMOOTH, (0, 0, 0)), (radius, colour), (radius - SMOOTH, (0, 0, 0))):
        box = [float(v) for v in (*(centre - ring), *(centre + ring))]
        pen.ellipse(box, outline=ink, width=SMOOTH)


def _write(pen: "Pen", at: tuple[int, int], text: str, *, size: int, room: int) -> None:
    """Write one line of text, cut where there is no more room; letters that the font lacks become '?'."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=size)
    shown = "".join(c if c.isprintable() else "?" for c in text).encode("ascii", "replace").decode()
    line = shown
    while line and font.getlength(line) > room:
        shown = shown[:-1]
        line = shown + "..." if shown else ""
    pen.text(at, line, font=font, fill=(225, 225, 230))


def _scale_bar(pen: "Pen", plan: Layout, voxel_size: VoxelSize | None, top: int) -> None:
    """Draw a bar of a round length (1, 2 or 5 times a power of ten), about a fifth of the width of the x-y view."""
    per_unit = plan.scale[2] if voxel_size is None else plan.scale[2] / voxel_size.x
    aim = max(plan.sizes[0][1] / 5, 40) / per_unit
    power = 10.0 ** math.floor(math.log10(aim))  # of an aim a rounding below 100 it is 100
    length = max(n * power for n in (0.5, 1, 2, 5) if n * power <= aim)
    end = MARGIN_PX + max(1, round(length * per_unit))
    pen.rectangle([MARGIN_PX, top + 2, end, top + 6], fill=(255, 255, 255))
    unit = "um" if voxel_size is not None else "voxels (size unknown)"
    _write(pen, (end + 8, top - 4), f"{length:g} {unit}", size=14, room=300)
