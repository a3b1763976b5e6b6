"""The surface of a body as triangles, and the text of an OBJ file of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import ball_radius
from neurorecon.core.tree import Unit

__all__ = ["Outline"]

# By convention of our SWC files.
DECIMALS = 4  # decimals of a coordinate, the same as in SWC files


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The closed surface of a soma, in the frame of its tree.

    Attributes:
        vertices: (V, 3) float64, x first, in `unit`.
        faces: (F, 3) int64 rows of `vertices`, all turned the same way round.
        centre: (3,) of the root that it belongs to, x first, in `unit`.
        unit: "um" or "voxel".
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    centre: NDArray[np.float64]
    unit: Unit = "um"

    @property
    def volume(self) -> float:
        """Volume within, in the cube of `unit`: by the divergence theorem a sixth of the sum of a . (b x c) of the faces."""
        a, b, c = (self.vertices[self.faces[:, k]] - self.centre for k in range(3))
        return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum())) / 6

    @property
    def radius(self) -> float:
        """Radius of a ball of the same volume, in `unit`."""
        return ball_radius(self.volume)

    def as_obj(self) -> str:
        """Return the text of a Wavefront OBJ file."""
        unit = "micrometres" if self.unit == "um" else "voxels"
        lines = [f"# soma, {unit}, x y z as in the SWC file; volume {self.volume:.6g}"]
        lines += [f"v {x:.{DECIMALS}f} {y:.{DECIMALS}f} {z:.{DECIMALS}f}" for x, y, z in self.vertices.tolist()]
        lines += [f"f {a} {b} {c}" for a, b, c in (self.faces + 1).tolist()]
        return "\n".join(lines) + "\n"
