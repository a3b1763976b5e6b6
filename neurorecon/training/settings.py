"""What `neurorecon train CONFIG.toml` can be told; every default has its reason here."""

from dataclasses import dataclass, field
from pathlib import Path

from neurorecon.core.errors import SettingsError
from neurorecon.nets.config import STRIDE, NetConfig

__all__ = ["TrainSettings"]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Settings of a training run.

    Attributes:
        out: folder of the run: checkpoint, log and, at the end, the model.
        name: name of the model that is exported to `out/name`.
        pairs: folders of stacks ID.tif, each with its truth ID.swc beside it (voxel coordinates of the stack).
        leave_out: text file of ids, one a line, that must not be seen.
        dev: ids kept for watching the run; not trained on either.
        corpus: folder or zip of SWC files in micrometres, from which synthetic crops are made.
        synthetic: number of synthetic crops made from the corpus before the start.
        cache: folder for labels and synthetic crops, made once.
        synthetic_share: share of the crops of a step that are synthetic.
        crop: (z, y, x) voxels; multiples of 8. Deep enough for two planes of tokens on each side of a neurite.
        batch: crops a step.
        steps, minutes: the run ends at whichever comes first; the learning rate follows the nearer end.
        rate: highest learning rate (AdamW), after `warmup` steps, then a cosine to 1 % of it.
        weight_decay: of matrices and kernels.
        ema: decay of the weight average that is exported.
        seed: of weights, crops and augmentation.
        amp: bfloat16 where the processor multiplies it fast; no effect on the exported type.
        threads: of torch; 0 leaves torch its own choice.
        checkpoint_every: steps between checkpoints.
        net: shape of the network.
    """

    out: Path
    name: str = "custom"
    pairs: tuple[Path, ...] = ()
    leave_out: Path | None = None
    dev: tuple[str, ...] = ()
    corpus: Path | None = None
    synthetic: int = 200
    cache: Path | None = None
    synthetic_share: float = 0.25
    crop: tuple[int, int, int] = (32, 96, 96)
    batch: int = 2
    steps: int = 6000
    minutes: float = 1e6
    rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    ema: float = 0.998
    seed: int = 0
    amp: bool = True
    threads: int = 0
    checkpoint_every: int = 250
    net: NetConfig = field(default_factory=NetConfig)

    def __post_init__(self) -> None:
        """Check what would only fail after the data are read."""
        if any(side % STRIDE or side < STRIDE for side in self.crop):
            raise SettingsError(f"crop {self.crop}: every side must be a multiple of {STRIDE}")
        if not self.pairs and self.corpus is None:
            raise SettingsError(
                "nothing to train on: give `pairs` (folders of ID.tif + ID.swc) or `corpus` (SWC files)"
            )
        if self.batch < 1 or self.steps < 1 or self.rate <= 0 or not 0 <= self.synthetic_share <= 1:
            raise SettingsError("batch and steps must be at least 1, rate above 0, synthetic_share in 0 to 1")
