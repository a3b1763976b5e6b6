"""The prediction loop: layer by layer of tiles, blended, flushed as uint8 as soon as a plane is finished."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.io import check_finite
from neurorecon.nets.config import STRIDE
from neurorecon.nets.registry import Model, load_model
from neurorecon.segment.device import pick_device, pick_dtype
from neurorecon.segment.intensity import Levels, levels_of_stack, normalise
from neurorecon.segment.settings import SegmentSettings
from neurorecon.segment.tiles import Span, cut_axis, cut_layer, weight_of

if TYPE_CHECKING:
    import torch

__all__ = ["BlockWriter", "Progress", "Runner", "segment"]

Progress = Callable[[int, int], None]


class BlockWriter(Protocol):
    """Takes finished planes, from the first to the last."""

    def write(self, z0: int, block: NDArray[np.uint8]) -> None:
        """Store planes z0, z0 + 1, ... (n, Y, X)."""


@dataclass(frozen=True, slots=True)
class ArrayWriter:
    """Keeps finished planes in memory."""

    array: NDArray[np.uint8]

    def write(self, z0: int, block: NDArray[np.uint8]) -> None:
        """Store planes z0, z0 + 1, ... (n, Y, X)."""
        self.array[z0 : z0 + len(block)] = block


@dataclass(frozen=True, slots=True)
class Runner:
    """A network on its device, in its number type."""

    net: "torch.nn.Module"
    device: "torch.device"
    dtype: "torch.dtype"

    @classmethod
    def make(cls, model: Model, settings: SegmentSettings) -> "Runner":
        """Put the network of `model` where `settings` say."""
        import torch

        device = pick_device(settings.device)
        dtype = pick_dtype(settings.precision, device)
        net = model.net.to(device=device, dtype=dtype, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return cls(net, device, dtype)

    def __call__(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (2, Z, Y, X) of a normalised tile (Z, Y, X) of any size."""
        import torch

        missing = [(0, -n % STRIDE) for n in tile.shape]
        padded = np.pad(tile, missing, mode="edge")
        with torch.inference_mode():
            x = torch.from_numpy(padded)[None, None].to(self.device, self.dtype)
            y = torch.sigmoid(self.net(x.to(memory_format=torch.channels_last_3d))[0].float()).cpu().numpy()
        z, h, w = tile.shape
        return np.asarray(y[:, :z, :h, :w], np.float32)


def segment(
    stack: Stack,
    settings: SegmentSettings | None = None,
    *,
    model: Model | None = None,
    out: BlockWriter | None = None,
    progress: Progress | None = None,
) -> Probability | None:
    """Raise the neurites of a stack out of its noise.

    Args:
        stack: (Z, Y, X); lazy data are read by slabs, twice (once for the levels).
        settings: see SegmentSettings.
        model: an open model, for many stacks in a row; else `settings.model` is loaded.
        out: takes the finished planes of the neurite probability, uint8; memory then stays that of one layer of tiles.
        progress: called with the number of finished and of all tiles.

    Returns:
        The probability with neurite and soma map, or None where `out` took it.

    Raises:
        NoNeuronError: if the stack is constant.
        InputError: if it holds NaN or infinity, or the device is not there.
        ModelError: if the model is unknown or damaged.
    """
    settings = settings or SegmentSettings()
    run = Runner.make(model or load_model(settings.model), settings)
    levels = levels_of_stack(stack)
    if not math.isfinite(levels.low) or not math.isfinite(levels.high):
        raise InputError(f"{stack.source or 'the stack'} holds NaN or infinity; replace them first")
    if levels.flat:
        raise NoNeuronError(f"{stack.source or 'the stack'} is constant: no neuron found")
    if out is not None:
        _stream(stack, settings, run, levels, (out,), progress)
        return None
    neurite, soma = np.zeros(stack.shape, np.uint8), np.zeros(stack.shape, np.uint8)
    _stream(stack, settings, run, levels, (ArrayWriter(neurite), ArrayWriter(soma)), progress)
    return Probability(neurite, stack.voxel_size, soma, stack.source)


def _stream(
    stack: Stack,
    settings: SegmentSettings,
    run: Runner,
    levels: Levels,
    writers: tuple[BlockWriter, ...],
    progress: Progress | None,
) -> None:
    """Run all tiles, layer by layer, and hand on each plane once the last layer that touches it is done."""
    spans = [cut_axis(n, c, h, STRIDE) for n, c, h in zip(stack.shape, settings.core, settings.halo, strict=True)]
    tiles = cut_layer(spans[1], spans[2])
    done, total = 0, len(spans[0]) * len(tiles)
    carry = np.zeros((len(writers), 0, *stack.shape[1:]), np.float32)  # planes that the next layer still adds to
    for z in spans[0]:
        slab = np.asarray(stack.data[z.slice])
        check_finite(slab, stack.source or "the stack", z0=z.start)
        layer = np.zeros((len(writers), *slab.shape), np.float32)
        layer[:, : carry.shape[1]] = carry
        for y, x in tiles:
            _add_tile(layer, slab, (z, y, x), (settings, run, levels))
            done += 1
            if progress is not None:
                progress(done, total)
        ready = len(slab) - z.ramp_out
        for writer, plane in zip(writers, layer, strict=True):
            writer.write(z.start, np.rint(plane[:ready] * 255).clip(0, 255).astype(np.uint8))
        carry = layer[:, ready:].copy()


def _add_tile(
    layer: NDArray[np.float32],
    slab: NDArray[np.generic],
    spans: tuple[Span, Span, Span],
    tools: tuple[SegmentSettings, Runner, Levels],
) -> None:
    """Add one tile's weighted probabilities to the layer; a tile without anything above the background adds 0."""
    settings, run, levels = tools
    z, y, x = spans
    tile = normalise(slab[:, y.slice, x.slice], levels)
    if np.count_nonzero(tile > settings.empty) < settings.empty_voxels:
        return
    layer[:, :, y.slice, x.slice] += run(tile)[: len(layer)] * weight_of(z, y, x)
