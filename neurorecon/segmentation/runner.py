"""A network on its device: a normalised tile goes in, probabilities come out."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import DeviceMemoryError
from neurorecon.nets.config import STRIDE
from neurorecon.nets.model_registry import Model
from neurorecon.segmentation.device import pick_device, pick_dtype
from neurorecon.segmentation.settings import SegmentSettings

if TYPE_CHECKING:
    import torch

__all__ = ["Runner"]

log = logging.getLogger(__name__)

# 0.05: measured: none of 959 tiles that hold a neurite in real_3d, `lifted`, `hard` or `dim` had less at half the resolution.
LEAST_LOGIT = -2.94
FLIPS = [axes for count in (1, 2, 3) for axes in combinations(range(3), count)]  # all mirror images but the tile itself


@dataclass(frozen=True, slots=True)
class Runner:
    """A network on its device, in its number type.

    Attributes:
        net: gives logits (1, 2, Z, Y, X) of a tile (1, 1, Z, Y, X).
        device, dtype: where it runs, and the number type in which it computes.
        tta: it answers with the mean over all mirror images.
        calibration: see `nets/calibration.py`.
        half_share: see SegmentSettings.
        shift: added to the logit of neurites (segmentation/adapt/ground_noise.py).
        contrast: weight of the contrast of the picture in that logit (segmentation/fine_contrast.py).
    """

    net: "torch.nn.Module"
    device: "torch.device"
    dtype: "torch.dtype"
    tta: bool = False
    calibration: tuple[tuple[float, float], ...] = ()
    half_share: float = 0.0
    shift: float = 0.0
    contrast: float = 0.0

    @classmethod
    def make(cls, model: Model, settings: SegmentSettings) -> "Runner":
        """Put the network of `model` on the device of `settings`; `model` is not changed: another device or type gets a copy.

        Raises:
            InputError: if the device is not there, or has no such type.
            DeviceMemoryError: if the network does not fit into the memory of the device.
        """
        import torch

        device = pick_device(settings.device)
        dtype = pick_dtype(settings.precision, device)
        with enough_memory(device, "the network"):
            net = model.net if _is_on(model.net, device, dtype) else copy.deepcopy(model.net)
            net = net.to(device=device, dtype=dtype, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        number = str(dtype).removeprefix("torch.")
        log.info("network %s (sha256 %s) on %s in %s", model.config.name, model.config.sha256[:12], device, number)
        return cls(net, device, dtype, settings.tta, model.config.calibration, settings.half_share)

    def __call__(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (2, Z, Y, X) of a normalised tile (Z, Y, X) of any size.

        With `half_share` the first look is that at half the resolution; a tile in which it sees nothing is not looked at again.

        Raises:
            DeviceMemoryError: if it does not fit into the memory of the device.
        """
        import torch

        what = f"a tile of {tile.shape[0]} x {tile.shape[1]} x {tile.shape[2]} voxels"
        with enough_memory(self.device, what), torch.inference_mode():
            mean = self._answer(tile)
            if self.tta:
                for axes in FLIPS:
                    mean += self._answer(np.flip(tile, axes)).flip([axis + 1 for axis in axes])
                mean /= 1 + len(FLIPS)
            return np.asarray(mean.cpu().numpy(), np.float32)

    def _answer(self, tile: NDArray[np.float32]) -> "torch.Tensor":
        """Return probabilities (2, Z, Y, X) on the device."""
        import torch

        z, y, w = tile.shape
        padded = np.pad(tile, [(0, -n % STRIDE) for n in tile.shape], mode="edge")
        x = torch.from_numpy(padded)[None, None].to(self.device)
        logits = self._look(x) if self.half_share == 0 else self._look_twice(x)
        if self.shift:
            logits[:, 0] += self.shift
        if self.contrast:
            from neurorecon.segmentation.fine_contrast import fine_contrast

            logits[:, 0] += self.contrast * fine_contrast(x)[:, 0]
        return logits[0, :, :z, :y, :w].contiguous().sigmoid_()

    def _look_twice(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return logits (1, 2, Z, Y, X) of a tile: neurites from both looks, somata from the first one.

        The look at half the resolution comes first: where it sees nothing, its answer is enough.
        """
        from neurorecon.nets.second_look import half_look

        half = half_look(self._look, x)
        if float(half.max()) <= LEAST_LOGIT:
            return half
        logits = self._look(x)
        logits[:, 0].lerp_(half[:, 0], self.half_share)
        return logits

    def _look(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return calibrated logits (1, 2, Z, Y, X), float32, of a tile (1, 1, Z, Y, X) with sides of STRIDE n."""
        import torch

        from neurorecon.nets.calibration import calibrated

        logits: torch.Tensor = self.net(x.to(self.dtype, memory_format=torch.channels_last_3d)).float().contiguous()
        if self.calibration:
            logits[:, 0] = calibrated(logits[:, 0], self.calibration)
        return logits


def _is_on(net: "torch.nn.Module", device: "torch.device", dtype: "torch.dtype") -> bool:
    """Say whether a network lies on a device already, in a number type."""
    return all(weight.device == device and weight.dtype == dtype for weight in net.state_dict().values())


@contextmanager
def enough_memory(device: "torch.device", what: str) -> Iterator[None]:
    """Return the error that `what` does not fit into the memory of a GPU, with the way out."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{what} does not fit into the free memory of {device}; end what else uses it (nvidia-smi shows it), "
            "or give another --device: cpu works"
        ) from error
