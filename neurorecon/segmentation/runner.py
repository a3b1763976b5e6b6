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

FLIPS = [axes for count in (1, 2, 3) for axes in combinations(range(3), count)]  # all mirror images but the tile itself


@dataclass(frozen=True, slots=True)
class Runner:
    """A network on its device, in its number type; with `tta` it answers with the mean over all mirror images."""

    net: "torch.nn.Module"
    device: "torch.device"
    dtype: "torch.dtype"
    tta: bool = False
    calibration: tuple[tuple[float, float], ...] = ()

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
        return cls(net, device, dtype, settings.tta, model.config.calibration)

    def __call__(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (2, Z, Y, X) of a normalised tile (Z, Y, X) of any size.

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

        from neurorecon.nets.calibration import calibrated

        z, y, w = tile.shape
        padded = np.pad(tile, [(0, -n % STRIDE) for n in tile.shape], mode="edge")
        x = torch.from_numpy(padded)[None, None].to(self.device, self.dtype)
        logits: torch.Tensor = self.net(x.to(memory_format=torch.channels_last_3d))[0, :, :z, :y, :w]
        logits = logits.float().contiguous()
        if self.calibration:
            logits[0] = calibrated(logits[0], self.calibration)
        return logits.sigmoid_()


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
