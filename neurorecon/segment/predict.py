"""The prediction loop: layer by layer of tiles, blended, flushed as uint8 as soon as a plane is finished."""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarse import Step, coarsen
from neurorecon.core.errors import DeviceMemoryError
from neurorecon.core.planes import fill
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.nets.config import STRIDE
from neurorecon.nets.registry import Model, load_model
from neurorecon.segment.device import pick_device, pick_dtype
from neurorecon.segment.intensity import Levels, checked_levels, normalise
from neurorecon.segment.look import look
from neurorecon.segment.rows import read_rows
from neurorecon.segment.settings import SegmentSettings
from neurorecon.segment.tiles import Box, Span, cut_axis, occupied, weight_of
from neurorecon.segment.writers import ArrayWriter, BlockWriter, EveryWriter, FinerWriter

if TYPE_CHECKING:
    import torch

__all__ = ["Progress", "Runner", "segment"]

log = logging.getLogger(__name__)

CARRIED = np.float32(65535)
MANY = 1 << 26  # voxels shared by two layers: beyond, a finished layer is a quarter of a gigabyte and more
# Sides of what a tile sees then: libraries keep kernels by shape, 10 MB each, a gigabyte for 150 shapes.
COARSE = 4 * STRIDE
CREW = 8  # tiles at a time at most: each has features of its own in memory
FLIPS = [axes for count in (1, 2, 3) for axes in combinations(range(3), count)]  # all mirror images but the tile itself

Progress = Callable[[int, int], None]
Tile = tuple[NDArray[Any], Span, Span]  # its voxels (Z, Y, X) and where they lie along y and x
Answer = tuple[Box, NDArray[np.float32]] | None


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
        """Put the network of `model` where `settings` say."""
        import torch

        device = pick_device(settings.device)
        dtype = pick_dtype(settings.precision, device)
        with enough_memory(device, "the network"):
            net = model.net.to(device=device, dtype=dtype, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
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


@contextmanager
def enough_memory(device: "torch.device", what: str) -> Iterator[None]:
    """Say in one line that `what` does not fit into the memory of a GPU, and how to go on."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{what} does not fit into the free memory of {device}; end what else uses it (nvidia-smi shows it), "
            "or give another --device: cpu works"
        ) from error


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
        out: takes the finished planes of the neurite probability, those of the stack, uint8; memory then stays that of a
            few dozen planes.
        progress: called with the number of finished and of all tiles.

    Returns:
        The probability with neurite and soma map, or None where `out` took it. Where the planes of the stack lie so far apart
        that neurites look flat (segment/flat.py), it holds planes between them, as many as its `planes` says. Where neurites
        are too thick for the network (segment/thick.py), that saw voxels put together, as many as `voxels_as_one` says.

    Raises:
        NoNeuronError: if the stack is constant.
        InputError: if it holds NaN or infinity, or the device is not there.
        DeviceMemoryError: if the memory of the device does not even hold a small tile.
        ModelError: if the model is unknown or damaged.
    """
    settings = settings or SegmentSettings()
    run = Runner.make(model or load_model(settings.model), settings)
    planes, as_one, levels = 1, (1, 1, 1), checked_levels(stack)
    settings = _fitting(run, stack.shape, settings)
    if settings.fit_voxels:
        planes, as_one, levels = look(stack, levels, partial(_spans, settings=settings), run)
    stack = fill(stack, planes)
    seen = coarsen(stack, as_one)
    if out is not None:
        own = out if planes == 1 else EveryWriter(out, planes)
        _stream(seen, settings, run, levels, (_finer(own, as_one, stack),), progress)
        return None
    neurite, soma = np.zeros(stack.shape, np.uint8), np.zeros(stack.shape, np.uint8)
    writers = tuple(_finer(ArrayWriter(array), as_one, stack) for array in (neurite, soma))
    _stream(seen, settings, run, levels, writers, progress)
    return Probability(neurite, stack.voxel_size, soma, stack.source, planes, voxels_as_one=as_one)


def _finer(writer: BlockWriter, step: Step, stack: Stack) -> BlockWriter:
    """Return a writer of planes in which `step` voxels of `stack` are one."""
    return writer if step == (1, 1, 1) else FinerWriter(writer, step, stack.shape)


def _fitting(run: Runner, shape: tuple[int, int, int], settings: SegmentSettings) -> SegmentSettings:
    """Return settings with a core that the memory of a GPU holds: halved until the largest tile of the stack runs.

    Tried before anything is written, so that all of a stack is cut alike.
    """
    import torch

    core = settings.core
    while run.device.type == "cuda":
        tile = [max(s.stop - s.start for s in spans) for spans in _spans(shape, settings)]
        smaller = _halved(settings)
        try:
            run(np.zeros(tile, np.float32))
            break
        except DeviceMemoryError:
            if smaller == settings:
                raise
        torch.cuda.empty_cache()  # outside of the handler: until then the error holds on to what the tile had taken
        settings = smaller
    if settings.core != core:
        log.warning(
            "tiles with a core of %s do not fit into the memory of %s: it is %s", core, run.device, settings.core
        )
    return settings


def _halved(settings: SegmentSettings) -> SegmentSettings:
    """Return `settings` with half the core, as far as they allow."""
    z, y, x = (max(c // 2, 2 * h, 8) for c, h in zip(settings.core, settings.halo, strict=True))
    return replace(settings, core=(z, y, x))


def _spans(shape: tuple[int, int, int], settings: SegmentSettings) -> list[list[Span]]:
    """Return the tiles along z, y and x."""
    return [cut_axis(n, c, h, STRIDE) for n, c, h in zip(shape, settings.core, settings.halo, strict=True)]


def _stream(
    stack: Stack,
    settings: SegmentSettings,
    run: Runner,
    levels: Levels,
    writers: tuple[BlockWriter, ...],
    progress: Progress | None,
) -> None:
    """Run all tiles, layer by layer, and hand on each plane once the last layer that touches it is done.

    The finished planes of a layer are written while the next one is computed, unless two layers are much to hold.
    """
    spans = _spans(stack.shape, settings)
    done, total = 0, math.prod(map(len, spans))

    def counted(answers: Iterator[Answer]) -> Iterator[Answer]:
        nonlocal done
        for answer in answers:
            done += 1
            if progress is not None:
                progress(done, total)
            yield answer

    carry = np.zeros((len(writers), spans[0][0].ramp_out, *stack.shape[1:]), np.uint16)  # planes of two layers
    with _crew(run.device, total // len(spans[0])) as crew:
        written: Future[object] = crew.submit(tuple)  # nothing yet
        for z in spans[0]:
            if carry.size > MANY:
                written.result()
            work = partial(_answer, z, (settings, run, levels), COARSE if carry.size > MANY else STRIDE)
            tiles = (
                (rows[:, :, x.slice], y, x)
                for y, rows in zip(spans[1], read_rows(stack, z, spans[1]), strict=True)
                for x in spans[2]
            )
            planes = _blend(counted(_in_order(crew, work, tiles)), (z, spans[1], spans[2]), carry)
            written.result()
            written = crew.submit(_write, writers, z.start, planes)
            del planes
        written.result()


def _blend(
    answers: Iterator[Answer], spans: tuple[Span, list[Span], list[Span]], carry: NDArray[np.uint16]
) -> NDArray[np.uint8]:
    """Add up the answers of a layer, in their order, and return the planes that are finished, (writers, n, Y, X).

    `carry`, (writers, planes, Y, X), holds the planes shared with the layer before, and then those shared with the next, as
    65535ths.
    Sums are kept for one row of tiles at a time: a seventh of a layer that is 830 voxels high.
    """
    z, rows, columns = spans
    depth, ready = z.stop - z.start, z.stop - z.start - z.ramp_out
    count, _, height, width = carry.shape
    planes = np.empty((count, ready, height, width), np.uint8)
    row = np.empty((count, depth, 0, width), np.float32)
    for y in rows:
        above, row = row, np.zeros((count, depth, y.stop - y.start, width), np.float32)
        row[:, :, : y.ramp_in] = above[:, :, above.shape[2] - y.ramp_in :]
        row[:, : z.ramp_in, y.ramp_in :] = carry[:, : z.ramp_in, y.start + y.ramp_in : y.stop]
        row[:, : z.ramp_in, y.ramp_in :] /= CARRIED
        for answer in islice(answers, len(columns)):
            if answer is not None:
                place, probability = answer
                row[(slice(None), *place)] += probability[:count]
        below = slice(y.start, y.stop - y.ramp_out)
        finished = row[:, :, : below.stop - below.start]
        carry[:, : z.ramp_out, below] = np.rint(finished[:, ready:] * CARRIED)
        planes[:, :, below] = _to_uint8(finished[:, :ready])
    return planes


def _in_order(crew: ThreadPoolExecutor, work: Callable[[Tile], Answer], tiles: Iterable[Tile]) -> Iterator[Answer]:
    """Yield the answers in the order of the tiles, so that sums do not depend on who is first; few wait at a time."""
    waiting: deque[Future[Answer]] = deque()
    for tile in tiles:
        waiting.append(crew.submit(work, tile))
        if len(waiting) > CREW:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _crew(device: "torch.device", tiles: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads that each run a tile at a time; on a CPU torch's threads are shared out among them.

    Two tiles on one core each are done sooner than two on two cores one after the other: nobody waits within a layer of the
    network. A GPU has one thread, which prepares tiles while the results of others are added up.
    """
    import torch

    threads = torch.get_num_threads()
    count = min(threads, tiles, CREW) if device.type == "cpu" else 1
    crew = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(threads // count,))
    try:
        yield crew
    finally:
        crew.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _answer(z: Span, tools: tuple[SegmentSettings, Runner, Levels], edge: int, place: Tile) -> Answer:
    """Run one tile, where it holds something: the place in the row of tiles, and weighted probabilities (2, Z, Y, X)."""
    settings, run, levels = tools
    tile, y, x = place
    box = occupied(tile, levels.grey(settings.empty), settings.empty_voxels, edge)
    if box is None:
        return None
    probability = run(normalise(tile[box], levels))
    probability *= weight_of(z, y, x)[box]
    return (box[0], box[1], slice(x.start + box[2].start, x.start + box[2].stop)), probability


def _to_uint8(layer: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return probabilities 0 ... 1 as 0 ... 255; the layer is used up."""
    layer *= 255
    return np.rint(layer, out=layer).astype(np.uint8)


def _write(writers: tuple[BlockWriter, ...], start: int, planes: NDArray[np.uint8]) -> None:
    """Hand finished planes (writers, n, Y, X) on, from plane `start`."""
    for writer, block in zip(writers, planes, strict=True):
        writer.write(start, block)
