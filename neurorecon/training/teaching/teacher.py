"""The teacher: a 2D ViT that was trained on natural images, opened through timm and never trained further.

DINO (Caron et al. 2021, arXiv 2104.14294), DINOv2 (2304.07193), DINOv3 (2508.10104) and DeiT (2012.12877) are among
those that timm names. Weights come from a local safetensors file, or by name through timm's own download.
"""

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.core.errors import InputError, ModelError

__all__ = ["Teacher", "load_teacher", "load_timm"]

log = logging.getLogger(__name__)

_LIBRARIES: list[torch.library.Library] = []  # the operators live as long as this object does


def load_timm() -> ModuleType:
    """Import timm, also where torchvision's compiled half does not load beside a CPU build of torch.

    timm needs only the Python half; the two operators whose lack stops the import are declared first, without a body.
    """
    try:
        return importlib.import_module("timm")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        log.info("torchvision's compiled operators do not load here; their names are declared for timm's sake")
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _LIBRARIES.append(library)
        return importlib.import_module("timm")


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen 2D ViT.

    Attributes:
        name: in timm.
        net: the model, in evaluation mode.
        mean, std: of the grey values in 0 to 1 that it expects, by colour (3,).
    """

    name: str
    net: nn.Module
    mean: Tensor
    std: Tensor

    @property
    def width(self) -> int:
        """Channels of a token."""
        return int(self.part("embed_dim"))

    @property
    def heads(self) -> int:
        """Attention heads."""
        return int(getattr(self.part("blocks")[0].attn, "num_heads"))  # noqa: B009  # typed as Any on purpose

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.part("blocks"))

    @property
    def prefix(self) -> int:
        """Tokens before those of the patches: class token and registers."""
        return int(self.part("num_prefix_tokens"))

    @property
    def patch(self) -> int:
        """Pixels a patch side."""
        return int(self.part("patch_embed").proj.kernel_size[0])

    @property
    def positions(self) -> str:
        """Kind of positions: "planes" for absolute ones, "rotary" for rotary ones."""
        return "planes" if getattr(self.net, "pos_embed", None) is not None else "rotary"

    def part(self, name: str) -> Any:
        """Return an attribute of the timm model."""
        return getattr(self.net, name)

    def tokens(self, slices: Tensor, blocks: tuple[int, int], zoom: float) -> Tensor:
        """Return the tokens of the teacher for grey slices.

        Args:
            slices: (N, H, W), background at 0 and bright at 1.
            blocks: first and last of the blocks whose tokens are taken, counted from 0.
            zoom: of the slices before the teacher sees them, bilinear; the result must hold whole patches.

        Returns:
            (N, C, h, w): tokens normalised over their channels, averaged over the blocks.
        """
        grey = slices.clamp(0, 1)[:, None]
        if zoom != 1:
            grey = functional.interpolate(grey, scale_factor=zoom, mode="bilinear", align_corners=False)
        colour = (grey - self.mean.view(1, 3, 1, 1)) / self.std.view(1, 3, 1, 1)  # (N, 3, H, W)
        with torch.no_grad():
            found: list[Tensor] = self.part("forward_intermediates")(
                colour,
                indices=list(range(blocks[0], blocks[1] + 1)),
                stop_early=True,
                output_fmt="NCHW",
                intermediates_only=True,
            )
            return torch.stack([normalised(tokens.float()) for tokens in found]).mean(0)


def normalised(tokens: Tensor) -> Tensor:
    """Return tokens (N, C, ...) with mean 0 and variance 1 over their channels."""
    return functional.layer_norm(tokens.movedim(1, -1), tokens.shape[1:2]).movedim(-1, 1)


def load_teacher(name: str, weights: Path | None) -> Teacher:
    """Open the teacher `name`, with the weights of a local file or those that timm fetches.

    Raises:
        InputError: if timm does not know the name, it is no plain ViT, or its weights cannot be fetched.
        ModelError: if the file is missing or does not hold the weights of this teacher; it names the expected ones.
    """
    timm = load_timm()
    if not timm.is_model(name.split(".")[0]):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:3]
        raise InputError(f"teacher {name!r}: timm knows no such model; there are {', '.join(near)} and others")
    options = {"num_classes": 0, "dynamic_img_size": True}
    try:
        net = timm.create_model(name, pretrained=weights is None, **options)
    except TypeError as error:
        raise InputError(f"teacher {name!r} is no plain ViT; take one like vit_small_patch16_224.dino") from error
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"teacher {name!r}: its weights could not be fetched ({str(error).splitlines()[0]}); "
            "give a local safetensors file by --teacher-weights"
        ) from error
    if not hasattr(net, "forward_intermediates") or not hasattr(net, "blocks"):
        raise InputError(f"teacher {name!r} is no plain ViT; take one like vit_small_patch16_224.dino")
    if weights is not None:
        _fill(net, weights, name)
    config = timm.data.resolve_model_data_config(net)
    net.eval().requires_grad_(False)
    return Teacher(name, net, torch.tensor(config["mean"]), torch.tensor(config["std"]))


def _fill(net: nn.Module, path: Path, name: str) -> None:
    """Put the weights of a file into the teacher; a head for classes is left out, everything else has to fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f"{path}: no such file; the weights of {name} as safetensors are expected here")
    try:
        found = {key: value.float() for key, value in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error}); expected the weights of {name}") from error
    expected = net.state_dict()
    missing = sorted(expected.keys() - found.keys())
    if missing:
        raise ModelError(f"{path}: holds no {missing[0]} ({len(missing)} missing); expected the weights of {name}")
    for key, value in expected.items():
        if value.shape != found[key].shape:
            have, want = tuple(found[key].shape), tuple(value.shape)
            raise ModelError(f"{path}: {key} has shape {have}, {name} has {want}; expected the weights of {name}")
    foreign = sorted(key for key in found.keys() - expected.keys() if not key.startswith(("head", "fc")))
    if foreign:
        raise ModelError(f"{path}: holds {foreign[0]}, which {name} has not; expected the weights of {name}")
    net.load_state_dict({key: found[key] for key in expected})
