"""Find the cell body at the root of a tracing in the stack: the tracing has its position, but seldom its size.

    seen    = Gaussian(stack, SIGMA) >= background + HALF * (light at the root - background), holes filled
    centre  = the deepest voxel of `seen` near the root, of depth r
    body    = the part of `seen` within CORE * r of voxels as deep as CORE * r around the centre (an opening)

It is a body if it is much deeper than the neurites of the same tracing, and no rod. Otherwise the body is unknown.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.tree import Tree
from neurorecon.tracing.criteria import THICKER_LABELLED
from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, NEURITE, SOMA, UNSURE_SOMA

__all__ = ["body_at", "label_bodies"]

Mask = NDArray[np.bool_]

# Set by hand; not tuned, unless a line says more.
SIGMA = 1.0  # voxels
HALF = 0.4  # of the light at the root; lower, and the glow around a body is one with it
LIGHT_WITHIN = 3  # voxels around the root
REACH = 60  # voxels around the root: a body of 120
NEAR = 12.0  # voxels from the root to the middle of its body, or as much as the traced radius
CORE = 0.5  # share of the depth of the middle
LEAST_DEPTH = 2.5  # voxels: a smaller one is a swelling
LONGEST = (
    1.15  # root mean square distance from the middle by the radius of a ball of that size: ball 0.77, rod of 5 to 1 1.3
)
EDGE = 2.0, 0.4  # voxels, and shares of its radius, around a body that the loss ignores


def label_bodies(labels: NDArray[np.uint8], image: NDArray[np.generic], tree: Tree) -> None:
    """Label the bodies of a stack at the roots of its tracing, and ignore the voxels close around them, in place.

    Args:
        labels: (Z, Y, X), see `labels`.
        image: (Z, Y, X) of the stack.
        tree: in voxels.
    """
    from scipy.ndimage import distance_transform_edt

    for root in tree.roots:
        found = body_at(image, tree, int(root))
        if found is None:
            continue
        box, body = found
        least, share = EDGE
        edge = ~body & (distance_transform_edt(~body) <= least + share * _radius(body))
        low = labels[box] & 3
        low[body & (low != CENTRE)] = NEURITE
        low[edge & (low == BACKGROUND)] = IGNORE
        labels[box] = low | np.uint8(UNSURE_SOMA) * edge | np.uint8(SOMA) * body


def body_at(image: NDArray[np.generic], tree: Tree, root: int) -> tuple[tuple[slice, ...], Mask] | None:
    """Return a window of the stack and the body in it that the root of a tracing lies in; None where none is plain."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label

    at = xyz_to_zyx(tree.xyz[root])
    middle = np.clip(np.rint(at).astype(int), 0, np.array(image.shape) - 1)
    box = tuple(slice(max(0, int(m) - REACH), int(m) + REACH + 1) for m in middle)
    low = np.array([b.start for b in box])
    grey = gaussian_filter(np.asarray(image[box], np.float32), SIGMA)
    close = tuple(slice(max(0, m - LIGHT_WITHIN), m + LIGHT_WITHIN + 1) for m in middle - low)
    ground = float(np.median(np.asarray(image, np.float32)))
    seen = binary_fill_holes(grey >= ground + HALF * (float(grey[close].max()) - ground))
    depth = distance_transform_edt(np.pad(seen, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    zyx = np.argwhere(seen)
    distance = np.linalg.norm(zyx + low - at, axis=1)
    zyx, distance = (part[distance <= max(NEAR, float(tree.radius[root]))] for part in (zyx, distance))
    if not len(zyx):
        return None
    value = depth[tuple(zyx.T)]
    centre = zyx[int(np.argmax(value - 0.1 * distance))]
    radius = float(depth[tuple(centre)])
    if radius < max(LEAST_DEPTH, THICKER_LABELLED * _depth_of_neurites(depth, tree, low, centre, 3 * radius)):
        return None
    away = np.linalg.norm(np.indices(seen.shape).reshape(3, -1).T - centre, axis=1).reshape(seen.shape)
    parts, _ = label((depth >= CORE * radius) & (away <= 2.5 * radius))
    core = parts == parts[tuple(centre)]
    body = seen & (distance_transform_edt(~core) <= CORE * radius)
    spread = float(np.sqrt(np.argwhere(body).var(0).sum())) / _radius(body)
    return (box, body) if spread <= LONGEST else None


def _radius(body: Mask) -> float:
    """Return the radius of a ball of the volume of `body`, in voxels."""
    return float(np.cbrt(3 * float(body.sum()) / (4 * np.pi)))


def _depth_of_neurites(
    depth: NDArray[np.float64], tree: Tree, low: NDArray[np.int64], centre: NDArray[np.int64], beyond: float
) -> float:
    """Return the depth that a quarter of the tracing's nodes in a window exceed, those within `beyond` of its body left out."""
    nodes = np.rint(xyz_to_zyx(tree.xyz)).astype(int) - low
    nodes = nodes[((nodes >= 0) & (nodes < depth.shape)).all(1)]
    nodes = nodes[np.linalg.norm(nodes - centre, axis=1) > beyond]
    return float(np.quantile(depth[tuple(nodes.T)], 0.75)) if len(nodes) else 0.0
