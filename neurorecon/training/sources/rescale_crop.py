"""Crops at another scale than their stack: neurites thicker or thinner, planes further apart.

Along z a crop takes every n-th plane, as a coarse scan does; sideways it averages, as larger pixels do. Labels go to
the nearest voxel, and the tube around the centre lines is drawn again, so that it is as thick as in any stack.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, NEURITE, RIM_RADIUS, TUBE_RADIUS, UNSURE_SOMA

__all__ = ["SAME", "Window", "cut_image", "cut_labels", "draw_steps"]

Float = NDArray[np.float32]
Scale = tuple[float, float, float]

SAME: Scale = (1.0, 1.0, 1.0)
# Set by hand; not tuned, unless a line says more.
ZOOM = (0.5, 2.0)  # voxels of the stack per voxel of the crop, sideways
COARSEST = 6.0  # planes of the stack per plane of the crop, before the zoom
INSIDE = 0.7  # share of the crop that lies in the stack at least; the rest is mirrored and ignored
NARROW = 0.9  # voxels of the stack per voxel of the crop: below, a neurite is thicker in the crop than its tube
PAD_LABEL = IGNORE | UNSURE_SOMA
FILL = (0.25, 0.5, 0.75)  # points set between neighbours on a centre line, so that a magnified one has no holes
HALF = tuple(o for o in np.ndindex(3, 3, 3) if o > (1, 1, 1))  # 13 of the 26 neighbours, + 1: each pair once


@dataclass(frozen=True, slots=True)
class Window:
    """The positions of the voxels of a crop in a stack.

    Attributes:
        start: (z, y, x) of the crop's first voxel, in voxels of the stack.
        step: voxels of the stack per voxel of the crop along each axis.
        shape: of the crop, in the axis order of the stack.
        full: shape of the stack.
    """

    start: Scale
    step: Scale
    shape: tuple[int, int, int]
    full: tuple[int, int, int]

    @classmethod
    def around(
        cls, point: NDArray[np.int64], shape: tuple[int, ...], full: tuple[int, ...], rng: np.random.Generator,
        *, step: Scale = SAME
    ) -> "Window":  # fmt: skip
        """Return a window with `point` exactly on one of its voxels; as much of it inside the stack as can be."""
        starts = []
        for p, n, m, f in zip(point.tolist(), shape, full, step, strict=True):
            last = max(0.0, m - 1 - (n - 1) * f)  # of the starts with the whole window inside
            least, most = int(np.ceil((p - last) / f - 1e-9)), int(np.floor(p / f + 1e-9))
            k = int(rng.integers(n))
            k = min(max(k, min(least, most)), most, n - 1)
            starts.append(p - k * f)
        z, y, x = shape
        deep, high, wide = full
        return cls((starts[0], starts[1], starts[2]), step, (z, y, x), (deep, high, wide))

    @property
    def plain(self) -> bool:
        """Whether voxels of the crop are voxels of the stack."""
        return self.step == SAME

    def positions(self, axis: int) -> NDArray[np.float64]:
        """Return where the crop's voxels lie along an axis of the stack, (n,)."""
        return np.asarray(self.start[axis] + self.step[axis] * np.arange(self.shape[axis]), np.float64)

    def nearest(self, axis: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the nearest voxels of the stack along an axis, mirrored at its ends, and which lie inside, (n,)."""
        at = np.rint(self.positions(axis)).astype(np.int64)
        return _mirror(at, self.full[axis]), (at >= 0) & (at < self.full[axis])


def draw_steps(rng: np.random.Generator, shape: tuple[int, ...], full: tuple[int, ...]) -> Scale:
    """Draw voxels of the stack per voxel of the crop: a zoom of all axes, planes left out, never far over the edge."""
    room = [m / (INSIDE * n) for n, m in zip(shape, full, strict=True)]
    side = float(np.exp(rng.uniform(*np.log(ZOOM))))
    side = min(side, max(1.0, min(room[1:])))
    apart = float(rng.uniform(1, COARSEST)) if rng.random() < 0.5 else 1.0
    return max(min(side * apart, max(min(side, 1.0), room[0])), ZOOM[0]), side, side


def cut_image(image: NDArray[np.uint8], table: Float, window: Window) -> Float:
    """Return the crop of grey values `table[image]`, float32: every n-th plane, or between planes; averaged sideways."""
    near = [window.nearest(axis)[0] for axis in range(3)]
    if window.plain:
        return np.asarray(np.take(table, image[np.ix_(*near)]), np.float32)
    thin = window.step[0] >= 1
    planes = near[0] if thin else _reach(window, 0)
    rows, columns = (_reach(window, a) if window.step[a] != 1 else near[a] for a in (1, 2))
    block = np.take(table, image[np.ix_(planes, rows, columns)])
    if window.step[2] != 1:
        block = block @ _splines(window, 2).T
    if window.step[1] != 1:
        block = _splines(window, 1) @ block
    if not thin:
        block = np.tensordot(_splines(window, 0), block, axes=1)
    return np.asarray(block, np.float32)


def cut_labels(labels: NDArray[np.uint8], centre: NDArray[np.int64], window: Window) -> NDArray[np.uint8]:
    """Return the crop of label bits; `centre` (N,) are flat indices that hold the centre lines. Outside: ignored."""
    (z, in_z), (y, in_y), (x, in_x) = (window.nearest(axis) for axis in range(3))
    cut = labels[np.ix_(z, y, x)]
    if not window.plain:
        cut = _redraw(cut, labels, centre, window)
    for axis, inside in enumerate((in_z, in_y, in_x)):
        if not inside.all():
            cut[(slice(None),) * axis + (~inside,)] = PAD_LABEL
    return np.asarray(cut)


def _mirror(at: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return indices mirrored at both ends of an axis of `n` voxels."""
    if n == 1:
        return np.zeros_like(at)
    at = np.abs(at) % (2 * n - 2)
    return np.asarray(np.minimum(at, 2 * n - 2 - at))


def _span(window: Window, axis: int) -> tuple[int, int]:
    """Return the first voxel of the stack, and the one after the last, that the crop is averaged from along an axis."""
    at, wide = window.positions(axis), 1.5 * max(1.0, window.step[axis])
    return int(np.floor(at[0] - wide)) + 1, int(np.ceil(at[-1] + wide))


def _reach(window: Window, axis: int) -> NDArray[np.int64]:
    """Return these voxels, mirrored at the ends of the stack."""
    return _mirror(np.arange(*_span(window, axis)), window.full[axis])


def _splines(window: Window, axis: int) -> Float:
    """Return weights (n, voxels) of a quadratic B-spline as wide as the larger of the two voxels.

    Linear interpolation would leave noise strong on the stack's voxels and weak between them: a grid that shows.
    """
    away = np.abs(window.positions(axis)[:, None] - np.arange(*_span(window, axis))) / max(1.0, window.step[axis])
    weight = np.where(away < 0.5, 0.75 - away**2, 0.5 * np.clip(1.5 - away, 0, None) ** 2)
    return np.asarray(weight / weight.sum(1, keepdims=True), np.float32)


def _redraw(
    cut: NDArray[np.uint8], labels: NDArray[np.uint8], centre: NDArray[np.int64], window: Window
) -> NDArray[np.uint8]:
    """Return labels with tube and rim of their usual size around the centre lines; the rest of a wider tube is ignored."""
    points = _lines(labels, centre, window)
    if not len(points):
        return cut
    reach = int(np.ceil(RIM_RADIUS))
    pad = 2 * reach  # points up to `reach` outside still draw inside the padded frame
    low, high = np.pad(cut & 3, pad, constant_values=BACKGROUND), np.pad(cut & ~np.uint8(3), pad)
    if min(window.step) < NARROW:
        low[(low == NEURITE) | (low == CENTRE)] = IGNORE
    else:
        low[low == CENTRE] = NEURITE
    at = (points - window.start) / np.array(window.step)
    at = at[((at > -reach) & (at < np.array(window.shape) - 1 + reach)).all(1)] + pad
    base = np.rint(at).astype(np.int64)
    line, first = np.unique(np.ravel_multi_index(tuple(base.T), low.shape), return_index=True)  # one point a voxel
    apart, grid = (base[first] - at[first]).astype(np.float32), _ball(reach)
    z, y, x = ((apart[:, a, None] + grid[:, a].astype(np.float32)) ** 2 for a in range(3))
    distance = z + y + x  # (N, K)
    voxel = line[:, None] + grid @ np.array([low.shape[1] * low.shape[2], low.shape[2], 1])
    view = low.reshape(-1)
    rim = voxel[distance <= RIM_RADIUS**2]
    view[rim[view[rim] == BACKGROUND]] = IGNORE
    view[voxel[distance <= TUBE_RADIUS**2]] = NEURITE
    view[line] = CENTRE
    return np.asarray((low | high)[pad:-pad, pad:-pad, pad:-pad])


def _ball(reach: int) -> NDArray[np.int64]:
    """Return offsets (K, 3) to the voxels that may lie within the rim of a point in a voxel."""
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1].reshape(3, -1).T
    return np.asarray(grid[np.linalg.norm(grid, axis=1) <= RIM_RADIUS + 0.87])


def _lines(labels: NDArray[np.uint8], centre: NDArray[np.int64], window: Window) -> NDArray[np.float64]:
    """Return points (N, 3) of the centre lines in and near the window, in voxels of the stack."""
    rim = np.array(window.step) * (RIM_RADIUS + 1)
    low = np.maximum(np.floor(window.start - rim), 0).astype(np.int64)
    high = np.minimum(np.array([window.positions(a)[-1] for a in range(3)]) + rim, np.array(window.full) - 1)
    z = centre // (window.full[1] * window.full[2])
    near = centre[(z >= low[0]) & (z <= high[0])]
    points = np.stack(np.unravel_index(near, window.full), axis=1)
    keep = ((points >= low) & (points <= high)).all(1)
    near, points = near[keep], points[keep]
    keep = (labels.reshape(-1)[near] & 3) == CENTRE
    near, points = near[keep], points[keep]
    if min(window.step) >= NARROW or not len(near):
        return np.asarray(points, np.float64)
    between = []
    for offset in HALF:
        other = points + offset - 1
        inside = ((other >= low) & (other <= high)).all(1)
        here, there = points[inside], np.ravel_multi_index(tuple(other[inside].T), window.full)
        place = np.minimum(np.searchsorted(near, there), len(near) - 1)
        pair = here[near[place] == there].astype(np.float64)
        between += [pair + t * (np.array(offset) - 1) for t in FILL]
    found: NDArray[np.float64] = np.concatenate([points.astype(np.float64), *between])
    return found
