"""What the segmentation can be told; every default has its reason here."""

from dataclasses import dataclass
from typing import Literal

from neurorecon.core.errors import SettingsError

__all__ = ["DEFAULT_MODEL", "Precision", "SegmentSettings"]

DEFAULT_MODEL = "vit3d-dtt"
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """Settings of `segment`.

    Attributes:
        model: name of an installed model, or a folder that holds one.
        device: auto, cpu, cuda, cuda:N or mps; auto takes a GPU where there is one.
        precision: of the arithmetic; auto is bf16 where the processor multiplies it fast, else fp32.
        core: (z, y, x) voxels of a tile without its halo.
        halo: (z, y, x) voxels that a tile sees beyond its core on each side, and over which two tiles are blended.
        empty: tiles in which fewer than `empty_voxels` voxels rise above this normalised value are not run, and of others only
            what is near such voxels.
        empty_voxels: see `empty`; 0 runs all of every tile.
        skip_dark: tiles in which nothing long rises out of the tile's noise (`tiles.lit`) are not run, and of others only what
            is near it: for large volumes that hold little. Off, for neurites fainter than that are missed.
        fit_voxels: bring the stack to voxels that the network knows, and its answer back: planes are put between those of the
            stack where neurites look flat and the voxel size is known, voxels put together where neurites are thick.
        tta: each tile is seen in all 8 mirror images (along z, y and x) and the mean is taken: 8 times the time.
    """

    model: str = DEFAULT_MODEL
    device: str = "auto"
    precision: Precision = "auto"
    core: tuple[int, int, int] = (48, 96, 96)
    halo: tuple[int, int, int] = (8, 12, 12)
    empty: float = 0.02
    empty_voxels: int = 4
    skip_dark: bool = False
    fit_voxels: bool = True
    tta: bool = False

    def __post_init__(self) -> None:
        """Check what would only fail in the middle of a stack."""
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise SettingsError(f"precision {self.precision!r} is not known; one of auto, fp32, bf16, fp16 is needed")
        if any(c < 8 or h < 0 or 2 * h > c for c, h in zip(self.core, self.halo, strict=True)):
            raise SettingsError(
                f"tile core {self.core} must be 8 voxels or more and twice the halo {self.halo} along every axis"
            )
        if not 0 <= self.empty <= 1:
            raise SettingsError(f"empty is {self.empty}; 0 to 1 is needed")
        if self.empty_voxels < 0:
            raise SettingsError(f"empty_voxels is {self.empty_voxels}; 0 or more is needed")
