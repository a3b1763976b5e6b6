"""The radius of a neurite from the light of the grey stack, with the blur of the optics taken off.

Across a neurite, in the plane of the finest sampling, the light is that of a filled cylinder of radius r behind a point
spread that is a Gaussian of standard deviation s in that plane and of AXIAL * s at right angles to it:

    I(x) = b + a K(x; r, s),   K = (disc of radius r  *  Gaussian)  on the line through the middle of the disc

a, b and r are fitted to the profile of each node by least squares. For a given r the best a and b give a correlation, so r is
the row of a table of K with the highest correlation. s is one number for each stack, because it belongs to the optics. It is
the width of the thinnest neurites, which are thinner than light can resolve. If profiles fit clearly better with a smaller s,
even the thinnest neurites are thick, and the smaller one is taken (`blur_of`).

A profile hardly changes with r if r is less than s. So no radius below RESOLVED * s is resolved; `Tree.finest` states that
limit.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import cuts_between, root_of
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Volume
from neurorecon.core.tree import NodeType, Tree
from neurorecon.tracing.light import grey_at
from neurorecon.tracing.limits import even_points, stack_edges, voxel_edges
from neurorecon.tracing.radius import interpolated
from neurorecon.tracing.smooth import TANGENT

__all__ = ["with_calibre"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Set by hand on synthetic neurites (benchmarks/radii.py), unless a line says more; no sweep is recorded.
REACH = 12  # px that a profile goes to both sides: the thickest of the table and three widths of usual blur
AXIAL = 2.4  # of the lateral blur: confocal stacks of 0.8 to 1.2 NA have 2 to 3 (Gibson and Lanni 1992)
RADII = np.concatenate([np.arange(0, 2, 0.1), np.arange(2, 7.01, 0.2)])  # px: beyond, a profile has no ground left
SPREADS = np.arange(0.5, 4.01, 0.1)  # px: Gaussians that profiles are compared with
EVEN = 0.1  # px between the samples by which shapes are made
# Strides of `evened`: 7 and 10 nodes of standard deviation. The next five chosen on synthesis of the seeds 1 to 3; reported on
# others (benchmarks/radii.py).
STRIDES, STRIDES_OF_BLUR = (1, 2, 4, 6), (1, 2, 4, 8)
THINNEST = 10  # percentile of the widths that is the blur
THICK = 0.95  # times the misfit, by which profiles have to fit better with less blur
LESS = (0.9, 0.8, 0.7, 0.6, 0.5)  # ... and how much less
RESOLVED = 1.25  # times the blur
UNLIKE = 0.15  # share of a profile that no shape explains: then it is noise, or another thing
THICKEST_PX = 5.5  # radius beyond which the edge of the evidence is as good
AT_ONCE = 20_000  # nodes that are measured at a time: 25 values of 8 bytes each, ten times over
MIXER = 2_654_435_761  # 2^32 by the golden ratio (Knuth 1973): neighbouring numbers come apart
PLACES = 4  # decimals of a radius in px: what gain and offset change lies below
FLATTER = 1.2  # edges of a voxel by which one axis is the coarse one; else it is z


def with_calibre(tree: Tree, data: Volume | None, probability: Probability) -> Tree:
    """Return a tree with the radii measured in the grey stack, and `finest`, the smallest radius that its optics resolve.

    Smaller radii are raised to half of `finest`. Somata and neurites thicker than THICKEST_PX keep their radii.

    Args:
        tree: traced in `probability`, in its unit.
        data: the grey stack (Z, Y, X) on the grid of the map; without it the tree is returned unchanged.
        probability: the map.
    """
    neurite = tree.type != NodeType.SOMA
    if data is None or not neurite.any():
        return tree
    edges = voxel_edges(probability.voxel_size)  # of the map, on whose grid the light is read
    zyx = xyz_to_zyx(tree.xyz) / edges if tree.unit == "um" else xyz_to_zyx(tree.xyz) * (probability.planes, 1, 1)
    pixel = float(edges.min() if tree.unit == "um" else edges.min() / stack_edges(probability).min())
    links = along(tree.parent)
    run = root_of(np.where(links[0] == np.arange(len(tree)), -1, links[0]))
    step, groups = across(zyx, tree.parent, edges, *links), groups_of(run)
    blur: float | None = None
    fit, known = np.zeros(len(tree)), np.zeros(len(tree), bool)
    for rows in groups:
        profile = profiles(data, zyx[rows], step[rows])
        up, down = (np.searchsorted(rows, link[rows]) for link in links)
        if blur is None:
            blur = blur_of(falling(evened(profile, up, down, STRIDES_OF_BLUR)), neurite[rows])
        if blur is not None:
            shapes = falling(evened(profile, up, down, STRIDES))
            match = shapes @ table(blur).T
            fit[rows] = peak(match, RADII).round(PLACES)
            known[rows] = (1 - match.max(1) ** 2 < UNLIKE) & shapes.any(1) & neurite[rows]
    if blur is None:
        return tree
    finest = RESOLVED * blur
    fit = np.maximum(fit, finest / 2) * pixel
    fit = interpolated(*settled(fit, known, run, finest / 2 * pixel), tree.parent, even_points(tree, probability))
    radius = np.where(neurite & (tree.radius < THICKEST_PX * pixel), fit, tree.radius)
    return replace(tree, radius=radius, finest=finest * pixel)


def groups_of(run: Ints) -> list[Ints]:
    """Return the rows of whole runs (N,), ascending, about AT_ONCE at a time; mixed, so that the first are a sample."""
    mixed = (run * MIXER) % (1 << 32)
    order = np.lexsort((np.arange(len(run)), run, mixed))
    starts = np.flatnonzero(np.diff(run[order], prepend=-1))
    return [np.sort(rows) for rows in np.split(order, cuts_between(starts, len(run), AT_ONCE))]


def settled(radius: Floats, known: NDArray[np.bool_], run: Ints, least: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return radii (N,) and which are known (N,); a run without a measurement gets `least`, not the radius of its stem."""
    dark = (np.bincount(run, known, len(run)) == 0)[run]
    return np.where(dark, least, radius), known | dark


def along(parent: Ints) -> tuple[Ints, Ints]:
    """Return the previous and the next node on the unbranched run of each node, (N,) each; at an end the node itself."""
    own = np.arange(len(parent))
    children = np.bincount(parent[parent >= 0], minlength=len(parent))
    up = np.where((parent >= 0) & (children[parent] == 1), parent, own)
    down = own.copy()
    single = up != own
    down[up[single]] = own[single]
    return up, down


def evened(values: Floats, up: Ints, down: Ints, strides: Sequence[int]) -> Floats:
    """Return values (N, M) weighted along runs, of which `up` and `down` are the next nodes.

    Two rounds of (1/4, 1/2, 1/4) with the nodes each stride away: weights of the variance sum(stride^2) nodes (a trous,
    Holschneider 1989), so that few rounds reach far.
    """
    ahead = back = np.arange(len(up))
    at = 0
    for stride in strides:
        for _ in range(stride - at):
            ahead, back = down[ahead], up[back]
        at = stride
        for _ in range(2):
            values = 0.5 * values + 0.25 * (values[ahead] + values[back])
    return values


def across(zyx: Floats, parent: Ints, edges: Floats, up: Ints, down: Ints) -> Floats:
    """Return steps (N, 3) of 1 px, in voxels, at right angles to the neurite and in the plane of its finest sampling."""
    ahead = back = np.arange(len(parent))
    for _ in range(TANGENT):
        ahead, back = down[ahead], up[back]
    back = np.where(ahead == back, np.maximum(parent, 0), back)  # a branch point, or beside one
    way = (zyx[ahead] - zyx[back]) * edges
    axis = int(edges.argmax()) if edges.max() > FLATTER * edges.min() else 0
    step = np.cross(way, np.eye(3)[axis])
    step[np.linalg.norm(step, axis=1) < 1e-6] = np.eye(3)[(axis + 1) % 3]
    step /= np.linalg.norm(step, axis=1)[:, None]
    return np.asarray(step * edges.min() / edges)


def profiles(data: Volume, zyx: Floats, step: Floats) -> Floats:
    """Return grey values (N, 2 * REACH + 1) on lines of `step` (N, 3) through points; values beyond the border repeat it.

    Linear between voxels in the plane of the lines; across it, the nearest voxel.
    """
    x = np.arange(-REACH, REACH + 1)
    flat = int(np.abs(step).sum(0).argmin())
    plane = [axis for axis in range(3) if axis != flat]
    last = np.array(data.shape) - 1
    size = len(zyx), len(x)
    voxel = np.broadcast_to(np.clip(np.rint(zyx[:, flat]), 0, last[flat]).astype(np.int64)[:, None], size)
    at = [zyx[:, axis, None] + x * step[:, axis, None] for axis in plane]
    low = [np.floor(way) for way in at]
    total = np.zeros(size)
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        index, share = [voxel] * 3, np.ones(size)
        for k, axis in enumerate(plane):
            index[axis] = np.clip(low[k].astype(np.int64) + corner[k], 0, last[axis])
            share = share * (at[k] - low[k] if corner[k] else 1 - at[k] + low[k])
        total += share * values_at(data, index)
    return total


def values_at(data: Volume, index: Sequence[Ints]) -> Floats:
    """Return grey values at voxels z, y, x (n, m) each, 0 where they are no number."""
    if isinstance(data, np.ndarray):  # ten times as fast as box by box
        return np.nan_to_num(data[tuple(index)].astype(np.float64))
    return np.nan_to_num(grey_at(data, np.stack(index, -1)).astype(np.float64))


def falling(profile: Floats) -> Floats:
    """Return profiles (N, M), normed, made to fall away from their middle, so that a neighbouring neurite does not count."""
    right = np.minimum.accumulate(profile[:, REACH:], axis=1)
    left = np.minimum.accumulate(profile[:, REACH::-1], axis=1)
    return normed(np.concatenate([left[:, :0:-1], right], axis=1))


def normed(shapes: Floats) -> Floats:
    """Return shapes (N, M) of mean 0 and length 1, so that a product is a correlation; a flat one is 0."""
    shapes = shapes - shapes.mean(1, keepdims=True)
    length = np.linalg.norm(shapes, axis=1, keepdims=True)
    return np.where(length > 1e-6, shapes / np.maximum(length, 1e-6), 0)


def blur_of(shapes: Floats, neurite: NDArray[np.bool_]) -> float | None:
    """Return the standard deviation of the blur in px, to 0.02; None if no profile has the shape of a neurite."""
    x = np.arange(-REACH, REACH + 1)
    match = shapes @ normed(np.exp(-0.5 * (x / SPREADS[:, None]) ** 2)).T
    good = neurite & (1 - match.max(1) ** 2 < UNLIKE)
    if not good.any():
        return None
    thinnest = float(np.percentile(peak(match[good], SPREADS), THINNEST))
    best, least = thinnest, THICK * misfit(shapes[good], thinnest)
    for share in LESS:
        found = misfit(shapes[good], share * thinnest)
        if share * thinnest >= SPREADS[0] and found < least:
            best, least = share * thinnest, found
    return rounded(best)


def rounded(blur: float) -> float:
    """Return a blur by which tables are kept."""
    return round(blur / 0.02) * 0.02


def misfit(shapes: Floats, blur: float) -> float:
    """Return the mean share of the profiles that the best shape of a blur does not explain."""
    return float((1 - (shapes @ table(rounded(blur)).T).max(1) ** 2).mean())


@lru_cache(maxsize=32)
def table(blur: float) -> Floats:
    """Return the profile (R, M), normed, of each of the radii behind a blur.

    At x the chord of the disc runs to +-h(x) along the axis of sight; the Gaussian there lets through
    erf(h / (sqrt(2) AXIAL s)) of it.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.special import erf

    fine = np.arange(-REACH - 8, REACH + 8 + EVEN / 2, EVEN)
    chord = np.sqrt(np.maximum(RADII[:, None] ** 2 - fine**2, 0))
    share = erf(chord / (np.sqrt(2) * AXIAL * blur))
    share[0] = fine == fine[np.abs(fine).argmin()]
    rows = gaussian_filter1d(share, blur / EVEN, axis=1, truncate=5)
    return normed(np.array([np.interp(np.arange(-REACH, REACH + 1), fine, row) for row in rows]))


def peak(match: Floats, grid: Floats) -> Floats:
    """Return where on a grid (G,) each row of matches (N, G) is largest, by the parabola through the three best."""
    k, row = np.clip(match.argmax(1), 1, len(grid) - 2), np.arange(len(match))
    before, here, after = (match[row, k + step] for step in (-1, 0, 1))
    left, right = grid[k] - grid[k - 1], grid[k + 1] - grid[k]
    rise, fall = (here - before) / left, (after - here) / right
    bend = np.minimum((fall - rise) / (left + right), -1e-12)
    slope = (rise * right + fall * left) / (left + right)
    return np.asarray(grid[k] + np.clip(-slope / (2 * bend), -left, right))
