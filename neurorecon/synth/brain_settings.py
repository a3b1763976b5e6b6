"""Settings of a brain-like volume; every default has its reason beside it."""

import math
from dataclasses import dataclass
from typing import Literal

from neurorecon.core.errors import SettingsError

__all__ = ["BrainSettings"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
SMALLEST = 32  # voxels along an axis: less holds no soma
# name: (lowest, highest) of every plain number
RANGES: dict[str, tuple[float, float]] = {
    "neurons": (0, 10_000), "axon": (0.02, 2), "brightness": (1, 250), "background": (0, 100), "uneven": (0, 1),
    "read_noise": (0, 50),
    "gain": (0, 10), "puncta": (0, 1000), "blobs": (0, 10), "psf_lateral_px": (0.3, 2), "psf_axial_px": (0.3, 4),
    "seed": (0, 2**63 - 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainSettings:
    """The contents of a brain-like volume, and its imaging.

    Lengths that end in `_px` are in lateral voxels (the x edge), also along z; grey values are those of 8 bits.

    Raises:
        SettingsError: names the field that is out of range.
    """

    shape: tuple[int, int, int] = (256, 1024, 1024)  # zyx; 268 million voxels, made in seconds
    neurons: int = 4  # sparse, as in brains labelled to be traced: 50 in 20 billion voxels
    axon: float = 1.0  # multiplies the length of axons; 0.2 leaves most of a volume empty
    seed: int = 0  # the same settings give the same voxels, whatever the blocks and their order
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)  # zyx, um; light sheets image whole brains at about 1 um
    bit_depth: Literal[8, 16] = 8  # 16: the grey values times 16, as uint16

    brightness: float = 140.0  # grey value of a filled neurite that is wider than the blur: leaves room for somata
    background: float = 6.0  # mean grey value of empty tissue: cleared brains are dark
    uneven: float = 0.35  # relative change of the background over millimetres
    read_noise: float = 0.7  # standard deviation in grey values: low, so that 20 billion voxels pack into 7 GB
    gain: float = 0.12  # variance of the grey value by its mean: shot noise
    puncta: float = 2.0  # bright spots per million voxels
    blobs: float = 0.05  # soft autofluorescent cells per million voxels
    psf_lateral_px: float = 0.8  # sigma
    psf_axial_px: float = 1.8  # sigma; light sheets blur z about twice as much

    def __post_init__(self) -> None:
        """Check every field once."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise SettingsError(f"{name} is {value}; it must lie in {low:g} to {high:g}")
        if min(self.shape) < SMALLEST:
            raise SettingsError(f"shape is {self.shape}; three numbers z, y, x of {SMALLEST} or more are needed")
        vz, vy, vx = self.voxel_size
        if not all(math.isfinite(v) and 0.2 <= v <= 5 for v in (vz, vy, vx)):
            raise SettingsError(f"voxel_size is {self.voxel_size}; lengths z, y, x of 0.2 to 5 um can be drawn")
        if not 1 <= vz / vx <= 8 or not 0.5 <= vy / vx <= 2:
            raise SettingsError(f"voxel_size is {self.voxel_size}; z may be x to eight times x, y half to twice x")
        if self.bit_depth not in (8, 16):
            raise SettingsError(f"bit_depth is {self.bit_depth}; 8 or 16 can be written")
