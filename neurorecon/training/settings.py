"""Settings of `neurorecon train CONFIG.toml`; every default has its reason here."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from neurorecon.core.errors import SettingsError
from neurorecon.nets.config import STRIDE, NetConfig

__all__ = ["TeacherSettings", "TrainSettings"]


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """The transfer from a 2D ViT that was trained on natural images: its weights, and its latent space.

    Attributes:
        name: of the teacher in timm.
        weights: safetensors file of the teacher; without one, timm fetches the weights by name.
        blocks: whether blocks, positions and prefix tokens are carried over.
        patch: how the 2D patch kernel becomes a 3D one; see `transfer`.
        kind: of `dtt`: offsets that are the same everywhere, or predicted from the features of each patch.
        distil: weight of the distillation in the latent space at the start; falls to 0 along a cosine. 0: none.
        distil_blocks: first and last of the teacher's blocks whose tokens are matched, counted from 0.
        zoom: of the slices that the teacher sees; 2 brings its patches of 16 pixels to the student's 8 voxels.
        slices: share of the slices of a crop that the teacher sees at a step.
    """

    name: str = "vit_small_patch16_224.dino"
    weights: Path | None = None
    blocks: bool = True
    patch: Literal["scratch", "average", "center", "tubular", "dtt"] = "dtt"
    kind: Literal["static", "dynamic"] = "static"
    distil: float = 0.0
    distil_blocks: tuple[int, int] = (6, 9)
    zoom: float = 2.0
    slices: float = 0.25

    def __post_init__(self) -> None:
        """Check settings that timm would refuse late."""
        first, last = self.distil_blocks
        if self.distil < 0 or not 0 < self.slices <= 1 or self.zoom <= 0 or not 0 <= first <= last:
            raise SettingsError(
                "teacher: distil must be 0 or more, slices in 0 to 1, zoom above 0, distil_blocks [first, last]"
            )


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Settings of a training run.

    Attributes:
        out: folder of the run: checkpoint, log and, at the end, the model.
        name: name of the model that is exported to `out/name`.
        pairs: folders of stacks, each with its truth beside it: a tracing ID.swc (in voxels of the stack unless it states
            `# units: um`) or a mask ID_mask.tif (0 in the background).
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
        amp: bfloat16 where the processor multiplies it fast (float16 on GPUs that have no other); no effect on the
            exported type.
        device: auto, cpu, cuda or cuda:N; auto takes a CUDA device where there is one.
        threads: of torch; 0 leaves torch its own choice.
        checkpoint_every: steps between checkpoints.
        teacher: the transfer from a 2D ViT; without it the network starts from random weights.
        start: model to start from (name or folder), instead of random weights; its shape replaces `net`.
        widen: factor by which the convolutions of `start` get more channels, its answers unchanged; 1: none.
        skips: of the network, in place of those of `start` (see NetConfig); its weights are kept. None leaves them.
        layer_decay: factor of the learning rate from each block to the one before it; 1: all alike.
        flat: folders of projections ID.png with tracings ID.gold.swc: real texture, laid on tilted planes.
        sparse: folders of stacks NAME_volume.tif with voxel labels on some planes in NAME_label.tif, as in TRAILMAP
            (0 not labelled, 1 background, 2 axon, 3 artefact, 4 rim).
        flat_share, sparse_share: share of the crops of a step that come from them.
        real: folders of pairs, as `pairs`, whose stacks are as a microscope leaves them: tissue and noise are their own.
        real_share: share of the crops of a step that come from them.
        grounds: folders of real stacks into which synthetic neurites are laid (`real_backgrounds.py`), with or without truth
            beside them; in a stack without truth the loss ignores voxels brighter than their surroundings.
        empty: the same, of stacks that hold no neurites.
        grounds_share: share of the crops of a step that come from both.
        laid: number of neurites, made from `corpus`, that are laid into grounds.
        tissue: share of the crops of `pairs`, `corpus` and `flat` that get tissue around their neurites (`dress_crop.py`).
        rooted: those folders of `pairs` and `real` whose tracings begin at a cell body, which is found in the stack
            (`labels_soma.py`).
        bodies: channels of a head for cell bodies (NetConfig) that the network of `start` gets, unless it has one as wide; it
            alone learns then. 0: all learns.
        bodies_share: share of the crops that lie around a body of a stack in `rooted`.
        bare: those folders of `pairs` that get none: neurites so faint that tissue would bury them.
        fresh: seconds between new synthetic crops that a second process makes during the run; 0: none are made.
        watch_every: steps between inferences on the whole stacks of `dev`; 0: never. The best network is exported. The
            time that it takes does not count in `minutes`.
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
    device: str = "auto"
    threads: int = 0
    checkpoint_every: int = 250
    teacher: TeacherSettings | None = None
    start: str | None = None
    widen: int = 1
    skips: int | None = None
    layer_decay: float = 1.0
    flat: tuple[Path, ...] = ()
    sparse: tuple[Path, ...] = ()
    flat_share: float = 0.1
    sparse_share: float = 0.02
    real: tuple[Path, ...] = ()
    real_share: float = 0.3
    grounds: tuple[Path, ...] = ()
    empty: tuple[Path, ...] = ()
    grounds_share: float = 0.2
    laid: int = 200
    tissue: float = 0.0
    rooted: tuple[Path, ...] = ()
    bodies: int = 0
    bodies_share: float = 0.0
    bare: tuple[Path, ...] = ()
    fresh: float = 0.0
    watch_every: int = 0
    net: NetConfig = field(default_factory=NetConfig)

    def __post_init__(self) -> None:
        """Check settings that would otherwise fail after the data are read."""
        if any(side % STRIDE or side < STRIDE for side in self.crop):
            raise SettingsError(f"crop {self.crop}: every side must be a multiple of {STRIDE}")
        if not self.pairs and not self.real and self.corpus is None:
            raise SettingsError(
                "nothing to train on: give `pairs` (folders of ID.tif + ID.swc) or `corpus` (SWC files)"
            )
        if self.batch < 1 or self.steps < 1 or self.rate <= 0 or not 0 <= self.synthetic_share <= 1:
            raise SettingsError("batch and steps must be at least 1, rate above 0, synthetic_share in 0 to 1")
        parts = (
            (self.corpus, self.synthetic_share), (self.flat, self.flat_share), (self.sparse, self.sparse_share),
            (self.real, self.real_share), (self.grounds or self.empty, self.grounds_share),
            (self.rooted, self.bodies_share),
        )  # fmt: skip
        if min(share for _, share in parts) < 0 or sum(share for data, share in parts if data) > 1:
            raise SettingsError(
                "synthetic_share, flat_share, sparse_share, real_share, grounds_share and bodies_share must be 0 or more, "
                "together at most 1"
            )
        if self.laid < 1 or not 0 <= self.tissue <= 1:
            raise SettingsError("laid must be 1 or more, tissue in 0 to 1")
        if not set(self.bare) <= set(self.pairs) or not set(self.rooted) <= {*self.pairs, *self.real}:
            raise SettingsError("bare and rooted name folders of `pairs`, as they are written there")
        if self.bodies < 0 or (self.bodies and self.start is None):
            raise SettingsError(
                "bodies must be 0 or more, and needs a network to `start` from, for nothing else learns"
            )
        if self.fresh < 0 or not 0 < self.layer_decay <= 1 or self.widen < 1:
            raise SettingsError("fresh must be 0 or more, layer_decay above 0 and at most 1, widen 1 or more")
