"""A layer of napari as a stack: its data, its voxel size in micrometres, and the way back into its place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.address import Address, path_or_address
from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize, voxel_size_of
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.io import stack_of
from neurorecon.napari_plugin.layer_data import Frame3, metadata_of

__all__ = ["Placed", "placed_stack", "voxel_size_text"]

MICROMETRES = {
    "picometer": 1e-6, "nanometer": 1e-3, "angstrom": 1e-4, "micrometer": 1.0, "micron": 1.0, "millimeter": 1e3,
    "centimeter": 1e4, "meter": 1e6,
}  # fmt: skip
"""Micrometres of each unit of length that a layer may have (SI)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A stack, and how its layer lies in the world.

    Attributes:
        stack: the stack.
        from_file: the stack is the one that its `source` holds, so that a record can name it.
        frame: of the voxels.
        given: the voxel size, where it takes the place of the file's own.
    """

    stack: Stack
    from_file: bool
    frame: Frame3
    given: VoxelSize | None = None

    def frame_of(self, tree: Tree) -> Frame3:
        """Return the frame of a tree that was traced in the stack: it lies where the layer lies."""
        size = self.stack.voxel_size
        if tree.unit == "voxel" or size is None:
            return self.frame
        z, y, x = (scale / edge for scale, edge in zip(self.frame.scale, size.zyx.tolist(), strict=True))
        return Frame3((z, y, x), self.frame.unit, self.frame.others)


def voxel_size_text(layer: Any) -> str:
    """Return the voxel size of a layer as "Z, Y, X" in micrometres; "" where it is not known.

    A scale without a unit is taken for micrometres unless all of it is 1, which is napari's own default.
    """
    known = metadata_of(layer).get("stack")
    if isinstance(known, Stack):
        size = known.voxel_size
        return "" if size is None else ", ".join(f"{value:g}" for value in size.zyx.tolist())
    scale = [float(value) for value in np.asarray(layer.scale)[-3:]]
    units = [str(unit) for unit in (getattr(layer, "units", None) or ())][-3:]
    factors = [MICROMETRES.get(unit) for unit in units]
    if len(factors) == len(scale) == 3 and None not in factors:
        scale = [value * float(factor or 1) for value, factor in zip(scale, factors, strict=True)]
    elif all(value == 1 for value in scale):
        return ""
    return ", ".join(f"{value:g}" for value in scale)


def placed_stack(layer: Any, voxel_size: str, *, point: Sequence[int] = ()) -> Placed:
    """Return the stack that a layer shows.

    Args:
        layer: of type image; of more than three axes the last three are taken, at `point` on the others.
        voxel_size: "Z, Y, X" in micrometres, "" where it is not known.
        point: the place of the sliders, one number an axis.

    Raises:
        InputError: if it is a picture in colour, has fewer axes, or no stack of grey levels.
    """
    name = str(layer.name)
    if getattr(layer, "rgb", False):
        raise InputError(f"{name}: is a picture in colour; choose a stack of grey levels, one layer a channel")
    if layer.ndim < 3:
        raise InputError(f"{name}: has {layer.ndim} axes; a stack (z, y, x) is needed")
    size = voxel_size_of(voxel_size.strip() or None)
    frame = _frame(layer)
    known = metadata_of(layer).get("stack")
    if isinstance(known, Stack) and known.data is layer.data:
        if voxel_size.strip() == voxel_size_text(layer):
            return Placed(known, from_file=_is_there(known.source), frame=frame)
        there = size is not None and _is_there(known.source)
        return Placed(replace(known, voxel_size=size), from_file=there, frame=frame, given=size)
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if len(data.shape) > 3:
        data = data[tuple(int(step) for step in point[-len(data.shape) : -3])]
    return Placed(replace(stack_of(data, "Reconstruct", voxel_size=size), source=""), from_file=False, frame=frame)


def _is_there(source: str) -> bool:
    """Say whether a source names a file or an address; what was made in memory has none."""
    place = path_or_address(source) if source else Path()
    return bool(source) and (isinstance(place, Address) or place.exists())


def _frame(layer: Any) -> Frame3:
    """Return the frame of the last three axes of a layer."""
    z, y, x = (float(value) for value in np.asarray(layer.scale)[-3:])
    units = [str(unit) for unit in (getattr(layer, "units", None) or ("pixel",))]
    others: dict[str, Any] = {"translate": np.asarray(layer.translate)[-3:]}
    if layer.ndim == 3:
        others |= {"rotate": layer.rotate, "shear": layer.shear, "affine": _matrix(layer.affine)}
    return Frame3((z, y, x), units[-1], others)


def _matrix(affine: Any) -> NDArray[np.float64]:
    """Return the matrix of an affine transform."""
    return np.asarray(getattr(affine, "affine_matrix", affine), np.float64)
