"""From voxels to a centre line: the centre of the evidence across the path, smoothed along it, in even steps.

A certain run is smoothed little, because the bends of a neurite are cable unless they are shorter than the neurite is thick. In
a doubtful run most bends are noise, so it is smoothed more.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.tracing.foreground import OFFSETS, Cloud
from neurorecon.tracing.fork import settle_forks
from neurorecon.tracing.skeleton import Skeleton

__all__ = ["Line", "centre", "smooth"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
LARGEST_SHIFT = 0.7  # of a voxel
TANGENT = 3  # nodes to each side that give a direction, as one step has only 26 of them; also in calibre.py
# Chosen on 18 stacks of `lifted` and 22 of `hard` of the training neurons: path_rerooted 0.843 to 0.853 and 0.819 to 0.826,
# the distance from the gold tracing (esa) 0.89 to 0.87 and 0.84 to 0.83 voxels.
SURE, DOUBTFUL = 0.95, 0.6  # mean probability of a run that is followed closely, and of one that is not
CLOSELY = 0.33  # times `smooth_px` for each voxel of depth, up to 1, of a sure run
LOOSELY = 1.5  # times `smooth_px`, of a doubtful run; between both a straight line
FINE_PX = 0.5  # steps of the lines that are smoothed, and by which branch points settle


@dataclass(frozen=True, slots=True)
class Line:
    """Nodes of the finished tree, in the order of SWC: parents first.

    Attributes:
        zyx: (N, 3) float64, voxels.
        parent: (N,) int64, -1 for a root.
        p: (N,) probability or confidence: `p` of the skeleton at the same share of the length of the run.
        soma: (N,) int64 number of the soma that the node is the centre of, -1 for all others.
    """

    zyx: NDArray[np.float64]
    parent: NDArray[np.int64]
    p: NDArray[np.float64]
    soma: NDArray[np.int64]


def centre(skeleton: Skeleton, cloud: Cloud, evidence: NDArray[np.float32]) -> Skeleton:
    """Return the skeleton with every node in the centre of the evidence of its 27 neighbours, across its path."""
    row = cloud.find(cloud.keys_of(skeleton.zyx.round().astype(np.int64)))
    rows = np.flatnonzero((row >= 0) & (skeleton.soma < 0) & (skeleton.degree <= 2))
    near = cloud.near[row[rows]]
    weight = np.append(evidence.astype(np.float64), 0.0)[near] ** 2
    own = evidence[row[rows]].astype(np.float64) ** 2
    shift = (weight @ OFFSETS) / (weight.sum(1) + own)[:, None]
    after = np.full(len(skeleton), -1, np.int64)
    has = np.flatnonzero(skeleton.parent >= 0)
    after[skeleton.parent[has]] = has
    forward, back = rows, rows
    for _ in range(TANGENT):
        forward = np.where(after[forward] < 0, forward, after[forward])
        back = np.where(skeleton.parent[back] < 0, back, skeleton.parent[back])
    tangent = (skeleton.zyx[forward] - skeleton.zyx[back]) * cloud.spacing
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1), 1e-9)[:, None]
    moved = shift * cloud.spacing
    moved -= (moved * tangent).sum(1)[:, None] * tangent
    zyx = skeleton.zyx.copy()
    zyx[rows] += np.clip(moved / cloud.spacing, -LARGEST_SHIFT, LARGEST_SHIFT)
    return Skeleton(zyx, skeleton.parent, skeleton.p, skeleton.depth, skeleton.soma)


def even_steps(points: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return points (M, 3) at even distances of about `step` along a polyline (N, 3), both ends kept."""
    from neurorecon.tracing.kernels.line_kernels import evenly

    return evenly(np.ascontiguousarray(points), step)


def gaussian(sigma: float) -> NDArray[np.float64]:
    """Return the weights of a Gaussian that is cut at 4 sigma, (2 * R + 1,); they add up to 1."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 / sigma**2 * np.arange(-reach, reach + 1) ** 2)
    return np.asarray(weights / weights.sum(), np.float64)


def smooth_run(points: NDArray[np.float64], sigma: float, step: float) -> NDArray[np.float64]:
    """Return a polyline (N, 3) smoothed by a Gaussian along its length, both ends held, in steps of about `step`.

    It is mirrored through its ends, so that they stay where they are and the line does not shrink away from them.
    """
    from neurorecon.tracing.kernels.line_kernels import smoothed

    fine = even_steps(points, FINE_PX)
    reach = min(len(fine) - 1, int(np.ceil(4 * sigma / FINE_PX)))
    if sigma > 0 and reach > 0:
        fine = smoothed(fine, gaussian(min(sigma / FINE_PX, reach / 2)), reach)
    return even_steps(fine, step)


def width_for(p: NDArray[np.float64], depth: NDArray[np.floating], sigma: float) -> float:
    """Return the standard deviation with which a run of probabilities and depths (N,) is smoothed, `sigma` the usual one."""
    closely = min(CLOSELY * float(np.median(depth)), 1.0)
    return sigma * float(np.interp(p.mean(), (DOUBTFUL, SURE), (LOOSELY, closely)))


def smooth(skeleton: Skeleton, spacing: NDArray[np.float64], sigma: float, step: float) -> Line:
    """Return the skeleton's runs smoothed and resampled; somata and tips keep their places, branch points settle.

    `sigma` is the usual standard deviation of the smoothing: runs that are certain get less, uncertain ones more.
    """
    points = skeleton.zyx * spacing
    place = np.full(len(skeleton), -1, np.int64)
    roots = np.flatnonzero(skeleton.parent < 0)
    place[roots] = np.arange(len(roots))
    found = skeleton.runs()  # ends ascend, and parents come first, so a run's base has its place before the run
    starts = [int(skeleton.soma[run[0]] >= 0 and len(run) > 2) for run in found]  # straight ways out of somata stay so
    lines = [
        smooth_run(points[run[start:]], width_for(skeleton.p[run[1:]], skeleton.depth[run[1:]], sigma), FINE_PX)
        for run, start in zip(found, starts, strict=True)
    ]
    ends = np.array([(run[start], run[-1]) for run, start in zip(found, starts, strict=True)], np.int64).reshape(-1, 2)
    lines = settle_forks(np.flatnonzero((skeleton.degree >= 3) & (skeleton.soma < 0)), ends, lines, FINE_PX)
    heads = points[roots]
    for (first, _), line in zip(ends, lines, strict=True):
        if place[first] >= 0:
            heads[place[first]] = line[0]  # a root may be a branch point
    xyz, parent = [heads], [np.full(len(roots), -1)]
    p, soma = [skeleton.p[roots]], [skeleton.soma[roots]]
    count = len(roots)
    for run, start, settled in zip(found, starts, lines, strict=True):
        line = even_steps(settled, step)
        new = line if start else line[1:]
        chain = np.arange(count, count + len(new))
        xyz.append(new)
        parent.append(np.concatenate([[place[run[0]]], chain[:-1]]))
        way = np.cumsum(np.linalg.norm(np.diff(points[run], axis=0), axis=1))
        share = np.arange(1, len(new) + 1) / len(new)
        p.append(skeleton.p[run[1:]][np.searchsorted(way, share * way[-1] * (1 - 1e-9)).clip(0, len(way) - 1)])
        if skeleton.parent[run[0]] < 0 and skeleton.soma[run[0]] < 0:
            p[0][place[run[0]]] = p[-1][0]  # an end that is a root is as sure as its run
        soma.append(np.full(len(new), -1))
        count += len(new)
        place[run[-1]] = count - 1
    return Line(np.concatenate(xyz) / spacing, np.concatenate(parent), np.concatenate(p), np.concatenate(soma))
