"""Neurite probability on the grid of a stack: the output of `segment`, and the input of `trace`."""

import math
from dataclasses import dataclass

import numpy as np

from neurorecon.core.errors import InputError
from neurorecon.core.foreign import is_array
from neurorecon.core.geometry import VoxelSize, voxel_size_of
from neurorecon.core.stack import Volume, check_volume

__all__ = ["BACKGROUND", "CERTAIN", "FAINT", "HALF", "Probability"]

CERTAIN = 0.7  # of a network's map; on training neurons and real stacks 0.5 gives thicker foregrounds, worse trees
HALF = 128  # of 255: probability 0.5, by definition of a map
BACKGROUND = 13  # of 255: in the map of a network at least half of the voxels are no more; set by hand, not tuned
FAINT = 0.7  # see Probability; chosen on training neurons for maps of networks whose 0.5 means 0.5


@dataclass(frozen=True, slots=True)
class Probability:
    """Probability of neurite, and of soma where the model has that head.

    Attributes:
        neurite: (Z, Y, X) uint8, 0 to 255 for 0 to 1.
        voxel_size: of this map, micrometres, or None where unknown.
        soma: (Z, Y, X) uint8 likewise, or None.
        source: path of the file it came from ("" when made in memory).
        planes: of the map for one of its stack (core/filled.py); voxels of trees and somata are those of the stack.
        faint: share of the threshold down to which a certain neurite is followed, unless the settings of the tracer say more;
            chosen on training neurons for maps of networks whose 0.5 means 0.5.
        certain: probability that makes a neurite certain, unless the settings of the tracer give another.
        voxels_as_one: (z, y, x) voxels that the network saw as one (core/coarsened.py); the map has them all.
        graded: made without a network: values grade how far voxels rise above their surroundings (tracing/grey_evidence.py).

    Raises:
        InputError: if a map is not 3D uint8, or the two differ in shape.
    """

    neurite: Volume
    voxel_size: VoxelSize | None = None
    soma: Volume | None = None
    source: str = ""
    planes: int = 1
    faint: float = FAINT
    voxels_as_one: tuple[int, int, int] = (1, 1, 1)
    graded: bool = False
    certain: float = 0.5

    def __post_init__(self) -> None:
        """Check both maps once."""
        what = self.source or "the probability"
        if not is_array(self.neurite):
            what = f"a Probability is made of an array (z, y, x) of uint8, not of {type(self.neurite).__name__}"
            raise InputError(f"{what}; neurorecon.read_probability(path) reads one")
        object.__setattr__(self, "voxel_size", voxel_size_of(self.voxel_size))
        check_volume(self.neurite, what=what, dtypes=(np.dtype(np.uint8),))
        if self.soma is not None:
            check_volume(self.soma, what=f"soma map of {what}", dtypes=(np.dtype(np.uint8),))
            if tuple(self.soma.shape) != tuple(self.neurite.shape):
                raise InputError(
                    f"{what}: soma map {self.soma.shape} and neurite map {self.neurite.shape} differ in shape"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the axes, zyx."""
        z, y, x = self.neurite.shape
        return int(z), int(y), int(x)

    @property
    def foreign(self) -> bool:
        """Whether nothing says that neurorecon made the map: a mask, or the map of another program."""
        return self.certain != CERTAIN and not self.graded

    @property
    def on_stack(self) -> "Probability":
        """The map at the planes of its stack alone."""
        if self.planes == 1:
            return self
        size = self.voxel_size
        return Probability(
            self.neurite[:: self.planes],
            None if size is None else VoxelSize(size.z * self.planes, size.y, size.x),
            None if self.soma is None else self.soma[:: self.planes],
            self.source,
            faint=self.faint,
            voxels_as_one=self.voxels_as_one,
            graded=self.graded,
            certain=self.certain,
        )

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)
