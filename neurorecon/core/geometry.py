"""The only place that turns zyx into xyz, and voxels into micrometres.

Arrays are indexed `[z, y, x]`; a voxel index names the voxel's centre, so node (x, y, z) of a tree in voxel units is
`array[z, y, x]`. Points of trees are xyz.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurorecon.core.errors import InputError

__all__ = ["VoxelSize", "ball_radius", "parse_zyx", "relative_edges", "voxel_size_of", "xyz_to_zyx", "zyx_to_xyz"]

# Set by hand; not tuned, unless a line says more.
LARGEST_UM = 10_000.0  # a voxel of a centimetre is a unit error, not a microscope


@dataclass(frozen=True, slots=True)
class VoxelSize:
    """Edge lengths of a voxel in micrometres.

    Raises:
        InputError: if a length is not a finite number in (0, 10000] um.
    """

    z: float
    y: float
    x: float

    def __post_init__(self) -> None:
        """Check the three lengths once."""
        for axis, value in zip("zyx", (self.z, self.y, self.x), strict=True):
            if not math.isfinite(value) or not 0 < value <= LARGEST_UM:
                raise InputError(
                    f"voxel size along {axis} is {value} um; it must be above 0 and at most {LARGEST_UM:g} um: "
                    "give --voxel-size Z,Y,X in micrometres"
                )

    @property
    def zyx(self) -> NDArray[np.float64]:
        """The three lengths as an array (3,), zyx, um."""
        return np.array([self.z, self.y, self.x])

    @property
    def relative_zyx(self) -> NDArray[np.float64]:
        """Lengths in units of the smallest one, (3,), zyx; they make a geodesic isotropic without naming a unit."""
        return np.asarray(self.zyx / self.zyx.min())

    @property
    def anisotropy(self) -> float:
        """Axial by lateral length; 1 is isotropic, above 1 the planes lie further apart than the pixels."""
        return self.z / math.sqrt(self.y * self.x)

    @classmethod
    def parse(cls, text: str) -> "VoxelSize":
        """Read "Z,Y,X" in micrometres.

        Raises:
            InputError: if the text is not three numbers, or one is out of range.
        """
        return cls(*parse_zyx(text, what="--voxel-size"))

    def __str__(self) -> str:
        """Return "Z,Y,X" as `parse` reads it."""
        return ",".join(f"{value:g}" for value in (self.z, self.y, self.x))


def ball_radius(volume: float) -> float:
    """Return the radius of a ball of a volume."""
    return float((3 * volume / (4 * np.pi)) ** (1 / 3))


def voxel_size_of(given: object) -> VoxelSize | None:
    """Return a voxel size from three numbers (z, y, x) in micrometres, from text "Z,Y,X", or as it is; None for None.

    Raises:
        InputError: if it is anything else.
    """
    if given is None or isinstance(given, VoxelSize):
        return given
    if isinstance(given, str):
        return VoxelSize.parse(given)
    try:
        values = [float(value) for value in given]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        values = []
    if len(values) != 3:
        raise InputError(
            f"voxel_size got {given!r:.80}; give three numbers (z, y, x) in micrometres, or VoxelSize(z, y, x)"
        )
    return VoxelSize(*values)


def parse_zyx(text: str, *, what: str) -> tuple[float, float, float]:
    """Read three finite numbers "Z,Y,X".

    Raises:
        InputError: names `what` and the text if it holds anything else.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise InputError(f"{what} got {text!r}; give three numbers as Z,Y,X, for example 1,0.5,0.5")
    return values[0], values[1], values[2]


def zyx_to_xyz(points_zyx: ArrayLike, voxel_size: VoxelSize | None = None) -> NDArray[np.float64]:
    """Turn voxel indices (..., 3) zyx into points (..., 3) xyz: in um with a voxel size, in voxels without."""
    points = np.asarray(points_zyx, dtype=np.float64)
    if voxel_size is not None:
        points = points * voxel_size.zyx
    return np.ascontiguousarray(points[..., ::-1])


def xyz_to_zyx(points_xyz: ArrayLike, voxel_size: VoxelSize | None = None) -> NDArray[np.float64]:
    """Turn points (..., 3) xyz, in um with a voxel size and in voxels without, into voxel indices (..., 3) zyx."""
    points = np.ascontiguousarray(np.asarray(points_xyz, dtype=np.float64)[..., ::-1])
    return points if voxel_size is None else points / voxel_size.zyx


def relative_edges(voxel_size: VoxelSize | None) -> NDArray[np.float64]:
    """Return the edges of a voxel (3,), zyx, in units of the shortest one; 1 each where the voxel size is not known."""
    return np.ones(3) if voxel_size is None else voxel_size.relative_zyx
