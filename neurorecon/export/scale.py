"""Lengths of a tree in micrometres, nanometres or voxels, as the format of a file needs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import Tree

__all__ = ["Scale"]

# By definition.
NM_IN_UM = 1000.0  # nanometres in a micrometre

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """The voxel size of the stack of a tree, if it is known.

    Attributes:
        voxel_size: micrometres.
    """

    voxel_size: VoxelSize | None = None

    def in_um(self, tree: Tree) -> tuple[Floats, Floats]:
        """Return points (N, 3), xyz, and radii (N,) in micrometres.

        Raises:
            InputError: if the tree is in voxels, and their size is not known.
        """
        if tree.unit == "um":
            return tree.xyz, tree.radius
        size = self._known("in micrometres")
        return tree.xyz * size.zyx[::-1], tree.radius * _across(size)

    def in_voxels(self, tree: Tree) -> tuple[Floats, Floats]:
        """Return points (N, 3), xyz, and radii (N,) in voxels.

        Raises:
            InputError: if the tree is in micrometres, and the size of a voxel is not known.
        """
        if tree.unit == "voxel":
            return tree.xyz, tree.radius
        size = self._known("in voxels")
        return tree.xyz / size.zyx[::-1], tree.radius / _across(size)

    def voxel_nm(self) -> tuple[float, float, float]:
        """Return the edges (x, y, z) of a voxel in nanometres.

        Raises:
            InputError: if they are not known.
        """
        x, y, z = (self._known("in voxels").zyx[::-1] * NM_IN_UM).tolist()
        return x, y, z

    def _known(self, what: str) -> VoxelSize:
        if self.voxel_size is None:
            raise InputError(f"the format is {what}, and the size of a voxel is not known; give --voxel-size Z,Y,X")
        return self.voxel_size


def _across(size: VoxelSize) -> float:
    """Return the length that a radius of one voxel has: that across the planes, as in training and tracing."""
    return float(np.sqrt(size.y * size.x))
