"""OBJ: tubes around the edges, for programs that draw meshes (Blender, ParaView, MeshLab); in the unit of the tree.

Each unbranched line is one tube with rings of SIDES corners, as wide as its nodes; a soma is a sphere. The frame of a ring is
carried along the line without turning (Wang et al. 2008 call it rotation minimizing).
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.tree import NodeType, Tree
from neurorecon.export.scale import Scale

__all__ = ["obj_of"]

# Set by hand; not tuned, unless a line says more.
SIDES = 8  # corners of a ring: round enough from any distance, and 16 triangles a node

Floats = NDArray[np.float64]


def obj_of(tree: Tree, scale: Scale, name: str) -> str:
    """Return a tree or a forest as the text of an OBJ file; `scale` is not used."""
    from neurorecon.report.stretches import lines_of

    lines = [f"# tubes, {tree.unit}", "o " + "".join(c if c.isalnum() else "_" for c in name)]
    first = 1
    for rows in lines_of(tree):
        points, radius = tree.xyz[rows], tree.radius[rows].copy()
        radius[0] = min(radius[0], radius[1])  # a twig does not begin as wide as its trunk, or its soma
        moved = np.r_[True, np.linalg.norm(np.diff(points, axis=0), axis=1) > 0]
        points, radius = points[moved], radius[moved]
        if len(points) < 2:
            continue
        lines += _tube(points, radius, first)
        first += len(points) * SIDES
    turn = np.linspace(0, np.pi, SIDES + 1)[:, None]
    for row in np.flatnonzero(tree.type == NodeType.SOMA).tolist():
        points = tree.xyz[row] + tree.radius[row] * np.cos(turn) * (0, 0, 1)
        lines += _tube(points, tree.radius[row] * np.sin(turn[:, 0]), first)
        first += len(points) * SIDES
    return "\n".join(lines) + "\n"


def _tube(points: Floats, radius: Floats, first: int) -> list[str]:
    """Return the lines of a tube around points (N, 3) whose first corner has the number `first`."""
    corners = _rings(points, radius).reshape(-1, 3)
    return [*(f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in corners), *_faces(len(points), first)]


def _rings(points: Floats, radius: Floats) -> Floats:
    """Return the corners of the rings around the points (N, 3) of a line, (N, SIDES, 3)."""
    along = np.gradient(points, axis=0)
    along[np.linalg.norm(along, axis=1) == 0] = points[-1] - points[0] + 1e-9  # a line that turns back on itself
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along[0], np.eye(3)[np.abs(along[0]).argmin()])
    sides = []
    for direction in along:
        side = side - direction * (side @ direction)
        side /= max(float(np.linalg.norm(side)), 1e-12)
        sides.append(side)
    across = np.array(sides)
    other = np.cross(along, across)
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    circle = np.cos(turn)[None, :, None] * across[:, None] + np.sin(turn)[None, :, None] * other[:, None]
    corners: Floats = points[:, None] + radius[:, None, None] * circle
    return corners


def _faces(count: int, first: int) -> list[str]:
    """Return the triangles between the rings of a tube, both ends closed; corners are counted from `first`."""
    faces = []
    for ring in range(count - 1):
        a, b = first + ring * SIDES, first + (ring + 1) * SIDES
        for k in range(SIDES):
            n = (k + 1) % SIDES
            faces += [f"f {a + k} {a + n} {b + k}", f"f {a + n} {b + n} {b + k}"]
    last = first + (count - 1) * SIDES
    for k in range(1, SIDES - 1):
        faces += [f"f {first} {first + k + 1} {first + k}", f"f {last} {last + k} {last + k + 1}"]
    return faces
