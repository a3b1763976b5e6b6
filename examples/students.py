"""The networks that `ablation.py` can train: neurorecon's own, a plain U-Net, and three of MONAI.

MONAI's networks are those of its tutorials (UNet: Kerfoot et al. 2018; UNETR: Hatamizadeh et al. 2022; SwinUNETR:
Hatamizadeh et al. 2022, at half its width), with grey values in and the logits of neurite and soma out. They learn and
run on windows of the crop's size, as MONAI's sliding window gives them.
"""

from collections.abc import Callable

import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNETR, SwinUNETR, UNet
from torch import Tensor, nn

from neurorecon.core.errors import SettingsError
from neurorecon.nets.config import HEADS
from neurorecon.nets.student import PRIOR
from neurorecon.segmentation import SegmentSettings
from neurorecon.training.baseline import plain_unet
from neurorecon.training.settings import TrainSettings

__all__ = ["Windowed", "maker_of", "tiles_of"]

Size = tuple[int, int, int]
OVERLAP = 0.25  # of neighbouring windows: MONAI's default


class Windowed(nn.Module):
    """A network for one size of window, run on any tile."""

    def __init__(self, net: nn.Module, window: Size) -> None:
        """Take the network and its window (z, y, x)."""
        super().__init__()
        self.net = net
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 2, Z, Y, X) of a normalised tile (B, 1, Z, Y, X); neurites are rare at the start."""
        if x.shape[2:] == self.window:
            out = self.net(x)
        else:
            out = sliding_window_inference(x, self.window, 1, self.net, overlap=OVERLAP, mode="gaussian")
        return torch.add(out, PRIOR)


def unet(window: Size) -> nn.Module:
    """Return the residual U-Net of MONAI's spleen tutorial, with instance norm."""
    return UNet(3, 1, len(HEADS), channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2)


def unetr(window: Size) -> nn.Module:
    """Return UNETR as published: ViT-B on patches of 16 voxels."""
    return UNETR(1, len(HEADS), window, feature_size=16)


def swin_unetr(window: Size) -> nn.Module:
    """Return SwinUNETR of width 24."""
    return SwinUNETR(in_channels=1, out_channels=len(HEADS), feature_size=24)


MONAI: dict[str, Callable[[Size], nn.Module]] = {"monai unet": unet, "unetr": unetr, "swinunetr": swin_unetr}


def maker_of(student: str) -> Callable[[TrainSettings], nn.Module] | None:
    """Return what makes the network called `student`; None for neurorecon's own, which training makes itself.

    Raises:
        SettingsError: if the name is not known.
    """
    if student == "vit":
        return None
    if student == "unet":
        return lambda settings: plain_unet()
    if student in MONAI:
        return lambda settings: Windowed(MONAI[student](settings.crop), settings.crop)
    raise SettingsError(f"student {student!r} is not known; one of vit, unet, {', '.join(MONAI)} is needed")


def tiles_of(net: nn.Module, device: str = "auto") -> SegmentSettings:
    """Return how stacks are cut for a network, as always or into windows that overlap as MONAI's do, for a single look."""
    if not isinstance(net, Windowed):
        return SegmentSettings(device=device, half_share=0.0)
    z, y, x = (round(n * OVERLAP / 2) for n in net.window)
    core = tuple(n - 2 * h for n, h in zip(net.window, (z, y, x), strict=True))
    return SegmentSettings(device=device, core=core, halo=(z, y, x), half_share=0.0)
