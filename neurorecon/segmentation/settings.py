"""Settings of the segmentation; every default has its reason here."""

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
        device: auto, cpu, cuda, cuda:N or mps; auto is a GPU if there is one.
        precision: arithmetic of the network; auto is bf16 if the processor multiplies it fast, else fp32.
        core: (z, y, x) voxels of a tile without its halo.
        halo: (z, y, x) voxels that a tile sees beyond its core on each side; two tiles are blended there.
        empty: tiles with fewer than `empty_voxels` voxels above this normalised value are skipped; of others only the
            surroundings of such voxels are run.
        empty_voxels: see `empty`; 0 runs all of every tile.
        skip_dark: skip tiles without anything long above the noise (`tiles.lit`), and of others run only the surroundings of
            such structures: for large volumes that are mostly empty. Off, because fainter neurites are missed.
        fit_voxels: fit the voxels to the network: interpolate planes if neurites look flat and the voxel size is known, average
            voxels if neurites are thick. The map is brought back to the voxels of the stack.
        half_share: share of the answer about neurites (logit) that comes from a second look at each tile, with half as many
            voxels along y and x; 0: no second look.
        contrast: weight of the contrast of the picture (-1 to 1) in the answer about neurites (logit), where the ground has no
            texture; 0: the network alone.
        tta: average over all 8 mirror images (along z, y and x) of each tile: 8 times the time.
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
    half_share: float = 0.3
    contrast: float = 5.0  # chosen on the 39 training neurons: 4 to 6 are as good
    tta: bool = False

    def __post_init__(self) -> None:
        """Check settings that would otherwise fail in the middle of a stack."""
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise SettingsError(f"precision {self.precision!r} is not known; one of auto, fp32, bf16, fp16 is needed")
        if any(c < 8 or h < 0 or 2 * h > c for c, h in zip(self.core, self.halo, strict=True)):
            raise SettingsError(
                f"tile core {self.core} must be 8 voxels or more and twice the halo {self.halo} along every axis"
            )
        if not 0 <= self.empty <= 1:
            raise SettingsError(f"empty is {self.empty}; 0 to 1 is needed")
        if not 0 <= self.half_share < 1:
            raise SettingsError(f"half_share is {self.half_share}; 0 or more and less than 1 is needed")
        if self.contrast < 0:
            raise SettingsError(f"contrast is {self.contrast}; 0 or more is needed")
        if self.empty_voxels < 0:
            raise SettingsError(f"empty_voxels is {self.empty_voxels}; 0 or more is needed")
