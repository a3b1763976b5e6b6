"""Join the tree to a cell body at some distance from it.

The stem between a body and its arbour may be so faint that the network misses it, or a part of it. Then the soma map shows a
sure body, and the largest tree has no body and ends some way off. A bare body is joined to the end of the tree that points at
it best. A body with a piece of its stem is joined by the end of that piece that points best at the tree. The link is the
cheapest path through the probability.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.stack import Volume
from neurorecon.tracing.bridge import Ground, aim, children_of, end_direction, link_between, with_links
from neurorecon.tracing.criteria import FACING, SHARE_APART
from neurorecon.tracing.skeleton import Skeleton, orient
from neurorecon.tracing.soma.grey_body import SURE, likely_around

__all__ = ["joined_to_far_body"]

LONGEST_STEM = 100.0  # px from the middle of the body to the tree; set by hand (docs/method.md)
LEAST_STEM = 8.0  # px: a nearer body is on the tree already; set by hand, not tuned
WINDOW = 16  # voxels around the surest voxel, of which the middle is taken; set by hand, not tuned
NEAR_PEAK = 0.8  # of the largest value there: these voxels are the body; set by hand, not tuned
BOX = 64, 256, 256  # voxels (z, y, x) of the soma map that are read at a time: 4 MB; set by hand, not tuned
SHORT = 0.5  # of the cable of the largest tree: a longer piece may be a neuron of its own; set by hand, not tuned
STEM_CONFIDENCE = 0.5  # of a stem: its body is sure, its path is not; set by hand, not tuned

Floats = NDArray[np.float64]


def joined_to_far_body(
    skeleton: Skeleton, ground: Ground, soma: Volume | None, likely: Floats | None = None
) -> Skeleton:
    """Return a forest whose largest tree reaches the body of the stack; as it is where it holds one, or none is near.

    Args:
        skeleton: without somata.
        ground: the probability, and the edges of its voxels.
        soma: the soma map (Z, Y, X) uint8, where there is one.
        likely: (N,) the map around the nodes (`likely_around`), where it was read before.
    """
    if soma is None or len(skeleton) < 2:
        return skeleton
    likely = likely_around(skeleton, soma) if likely is None else likely
    piece = skeleton.pieces()
    cable = skeleton.cable_of_pieces(ground.spacing)
    tree = int(cable.argmax())
    held = np.unique(piece[likely >= SURE])
    if tree in held or len(held) > 1:
        return skeleton
    rows = np.flatnonzero(piece == tree)
    if len(held):
        own = np.flatnonzero(piece == held[0])
        short = cable[held[0]] <= SHORT * cable[tree]
        stem = end_of_stem(skeleton, own, rows, ground.spacing, likely) if short else None
        return skeleton if stem is None else joined_by(skeleton, ground, *stem)
    body = surest_body(soma, skeleton, ground.spacing)
    end = None if body is None else best_end(skeleton, body, rows, ground.spacing)
    if body is None or end is None:
        return skeleton
    more = Skeleton(
        np.concatenate([skeleton.zyx, body[None]]),
        np.append(skeleton.parent, -1),
        np.append(skeleton.p, STEM_CONFIDENCE),
        np.append(skeleton.depth, 1.0),
        np.append(skeleton.soma, -1),
    )
    return joined_by(more, ground, end[0], len(skeleton), end[1])


def joined_by(skeleton: Skeleton, ground: Ground, node: int, other: int, cosine: float) -> Skeleton:
    """Return a forest in which the tree of `node` reaches `other`, a node of another tree, whose root is one no more."""
    link = link_between(ground, skeleton, node, other, cosine)
    joined, edges = with_links(skeleton, [replace(link, p=np.full(len(link.p), STEM_CONFIDENCE))], ground.spacing)
    piece = skeleton.pieces()
    roots = np.flatnonzero(skeleton.parent < 0)
    return orient(joined, edges, roots[piece[roots] != piece[other]])


def end_of_stem(
    skeleton: Skeleton, own: NDArray[np.int64], tree: NDArray[np.int64], spacing: Floats, likely: Floats
) -> tuple[int, int, float] | None:
    """Return the node of a tree and the end of a piece that are to be joined, and how straight; None where no end aims at it.

    An end reaches no further than LONGEST_STEM and than its piece is long.

    Args:
        skeleton: the forest.
        own: rows of the piece, which holds a body.
        tree: rows of the tree.
        spacing: (3,) edges of a voxel.
        likely: (N,) the soma map around the nodes: an end in the body is none.
    """
    children, points = children_of(skeleton), skeleton.zyx * spacing
    length = float(np.linalg.norm(points[own] - points[own][likely[own].argmax()], axis=1).max())
    found = []
    for end in own[(skeleton.degree[own] == 1) & (likely[own] < SURE)].tolist():
        away = points[tree] - points[end]
        distance = np.linalg.norm(away, axis=1)
        cosine = away @ end_direction(skeleton, children, end, spacing) / np.maximum(distance, 1e-9)
        near = np.flatnonzero((distance <= min(LONGEST_STEM, SHARE_APART * length)) & (cosine >= FACING))
        worth = aim(distance[near], cosine[near])
        found += [(float(worth[k]), int(tree[near[k]]), end, float(cosine[near[k]])) for k in np.argsort(worth)[:1]]
    return min(found)[1:] if found else None


def surest_body(soma: Volume, skeleton: Skeleton, spacing: Floats) -> Floats | None:
    """Return the middle (3,) of the surest body up to LONGEST_STEM from the box of a skeleton; None where none is."""
    first = np.maximum(np.floor(skeleton.zyx.min(0) - LONGEST_STEM / spacing).astype(np.int64), 0)
    last = np.minimum(np.ceil(skeleton.zyx.max(0) + LONGEST_STEM / spacing).astype(np.int64) + 1, soma.shape)
    best, peak = round(255 * SURE) - 1, None
    for corner in np.ndindex(*(-(-(last - first) // BOX)).tolist()):
        low = first + np.array(corner) * BOX
        part = np.asarray(soma[slices_between(low, np.minimum(low + BOX, last))])
        if int(part.max()) > best:
            best = int(part.max())
            peak = low + np.array(np.unravel_index(int(part.argmax()), part.shape))
    if peak is None:
        return None
    low = np.maximum(peak - WINDOW, 0)
    near = np.asarray(soma[slices_between(low, peak + WINDOW + 1)])
    return np.asarray(low + np.argwhere(near >= NEAR_PEAK * best).mean(0))


def best_end(skeleton: Skeleton, body: Floats, rows: NDArray[np.int64], spacing: Floats) -> tuple[int, float] | None:
    """Return the node of a tree, which has `rows`, that is to be joined to a body, and how straight; None where none is near.

    An end that points at the body goes before a nearer place in the middle of a neurite (`bridge.aim`).
    """
    away = (body - skeleton.zyx[rows]) * spacing
    distance = np.linalg.norm(away, axis=1)
    if not LEAST_STEM <= distance.min() <= LONGEST_STEM:
        return None
    cosine = np.zeros(len(rows))
    children = children_of(skeleton)
    for k in np.flatnonzero((skeleton.degree[rows] == 1) & (distance <= LONGEST_STEM)).tolist():
        cosine[k] = away[k] @ end_direction(skeleton, children, int(rows[k]), spacing) / distance[k]
    best = int(aim(distance, cosine).argmin())
    return int(rows[best]), float(cosine[best])
