"""The surface of the cell bodies of a tree in its grey stack, and the tree outside of them.

    inside = smoothed light above the middle between the ground and the body, holes (a dark nucleus) filled
    core   = inside, at least CORE * (depth of the middle) away from its border, where it is connected to the middle
    body   = inside, no further than that from the core (an opening: what leaves as a thin neurite is cut off)

The surface is where the light of the body falls below that level (marching cubes, Lewiner et al. 2003). The root of the tree
gets the radius of a ball of the same volume. Neurites that leave the body are attached to the root: inside a body there is no
cable.
"""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.errors import InputError
from neurorecon.core.forest import groups, root_of
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.stack import Stack
from neurorecon.core.surface import Outline
from neurorecon.core.tree import NodeType, Tree
from neurorecon.tracing.soma.foreground_bodies import CORE, LEAST_SOMA_VOXELS

__all__ = ["outlined"]

log = logging.getLogger(__name__)

# Set by hand; not tuned. tests/tracing/test_trace_outline.py measures drawn bodies with them.
AROUND, BEYOND = 2.2, 5.0  # times the radius, and px more: half the side of the box that is read
SMOOTHED = 1.0  # px, standard deviation: one voxel of noise is no hole
GROUND = 25  # percentile of the light in the box, most of which lies outside of the body
BODY, WITHIN = 75, 0.75  # percentile of the light within so many radii: a nucleus is dark

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]


def outlined(tree: Tree, stack: Stack) -> tuple[Tree, list[Outline]]:
    """Return a tree whose somata have the size measured in the stack, without nodes inside them, and their surfaces.

    A soma whose body does not stand out in the stack is not changed and has no surface; a warning says so.

    Args:
        tree: traced in `stack`, in micrometres or voxels.
        stack: the grey stack; read around the somata alone.

    Raises:
        InputError: if the tree is in micrometres, and the size of a voxel of the stack is not known.
    """
    if tree.unit == "um" and stack.voxel_size is None:
        what = f"{stack.source or 'the stack'}: its voxel size is not known, and the tree is in micrometres"
        raise InputError(f"{what}; give the voxel size that the tree was made with")
    found: list[Outline] = []
    somata = tree.roots[tree.type[tree.roots] == NodeType.SOMA]
    gone = np.zeros(len(tree), bool)
    parent, radius = tree.parent.copy(), tree.radius.copy()
    edges = np.ones(3) if stack.voxel_size is None else stack.voxel_size.zyx
    unit = edges if tree.unit == "um" else np.ones(3)  # edges of a voxel in the unit of the tree
    zyx = xyz_to_zyx(tree.xyz) / unit
    for root, rows in zip(somata.tolist(), groups(root_of(parent), somata), strict=True):
        reach = tree.radius[root] / unit.min() * edges.min() / edges  # voxels
        low, grey = _around(stack, zyx[root], reach)
        made = _body(grey, zyx[root] - low, reach, edges)
        if made is None:
            log.warning(
                "%s: the soma at x, y, z = %s %s shows no surface in the stack; it keeps its radius, and no OBJ is written",
                stack.source or "the stack", ", ".join(f"{v:.1f}" for v in tree.xyz[root]), tree.unit,
            )  # fmt: skip
            continue
        body, level = made
        vertices, faces = _surface(_light(body, grey, level), level, low, unit)
        outline = Outline(vertices, faces, tree.xyz[root], tree.unit)
        at = np.rint(zyx[rows] - low).astype(np.int64)
        near = ((at >= 0) & (at < body.shape)).all(1)
        gone[rows[near]] = body[tuple(at[near].T)]
        gone[root] = False
        above = parent[rows]
        parent[rows] = np.where((above >= 0) & gone[above], root, above)
        radius[root] = outline.radius
        found.append(outline)
    return _without(replace(tree, parent=parent, radius=radius), gone), found


def _without(tree: Tree, gone: Mask) -> Tree:
    """Return a tree without some nodes (N,), none of which has a child left; ways on from them leave their roots."""
    kept = np.where(gone, tree.root_of(), np.arange(len(tree)))
    place = (np.cumsum(~gone) - 1)[kept]
    ways = [
        replace(way, row=int(place[way.row]), meets=-1 if way.meets < 0 else int(place[way.meets]))
        for way in tree.left_out
    ]
    return replace(tree.take(np.flatnonzero(~gone)), left_out=tuple(ways))


def _around(stack: Stack, centre: NDArray[np.float64], reach: NDArray[np.float64]) -> tuple[NDArray[np.int64], Grey]:
    """Return the first voxel of a box around a soma, one beyond the stack at its border, and the light in it."""
    half = AROUND * reach + BEYOND
    low = np.maximum(np.floor(centre - half).astype(np.int64), 0)
    high = np.minimum(np.ceil(centre + half).astype(np.int64) + 1, stack.shape)
    grey = np.asarray(stack.data[slices_between(low, high)], np.float32)
    return low - 1, np.pad(np.nan_to_num(grey), 1, mode="edge")


def _body(
    grey: Grey, centre: NDArray[np.float64], reach: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[Mask, float] | None:
    """Return the voxels of the body around `centre`, and its level; smooths `grey` in place. None where there is none."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label

    gaussian_filter(grey, SMOOTHED * edges.min() / edges, output=grey)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in grey.shape), indexing="ij"), -1)
    away = np.linalg.norm((grid - centre) / np.maximum(reach, 1e-9), axis=-1)  # in radii
    middle = away <= max(WITHIN, float(away.min()))
    ground = float(np.percentile(grey, GROUND))
    level = (ground + float(np.percentile(grey[middle], BODY))) / 2
    inside = np.zeros(grey.shape, bool)
    rim = (slice(1, -1),) * 3  # a body ends at the border of its box
    inside[rim] = binary_fill_holes(grey[rim] > level)
    depth = np.asarray(distance_transform_edt(inside, sampling=edges))
    deepest = np.where(away <= 1, depth, 0).argmax()
    least = CORE * float(depth.flat[deepest])
    core, _ = label(depth >= least)
    if least <= 0 or core.flat[deepest] == 0:
        return None
    body = inside & (distance_transform_edt(core != core.flat[deepest], sampling=edges) <= least)
    return (body, level) if body.sum() >= LEAST_SOMA_VOXELS and level > ground else None


def _light(body: Mask, grey: Grey, level: float) -> Grey:
    """Return the light of a body and of the voxels beside it, where it falls below the level; it has no holes."""
    from scipy.ndimage import binary_dilation, binary_erosion

    light = np.where(binary_dilation(body), grey, grey.min())
    deep = binary_erosion(body)
    return np.where(deep, np.maximum(light, np.float32(level + 1e-3 * abs(level) + 1e-6)), light)


def _surface(
    light: Grey, level: float, low: NDArray[np.int64], unit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return vertices (V, 3) xyz and triangles (F, 3) of the surface at a level of the light in a box.

    `low` is the first voxel of the box, `unit` are the edges of a voxel, both zyx.
    """
    from skimage.measure import marching_cubes

    triangles: Any = marching_cubes  # published without types
    light[[0, -1]], light[:, [0, -1]], light[:, :, [0, -1]] = (light.min(),) * 3
    vertices, faces, *_ = triangles(light, level)
    xyz = ((vertices.astype(np.float64) + low) * unit)[:, ::-1]
    return np.ascontiguousarray(xyz), np.asarray(faces, np.int64)
