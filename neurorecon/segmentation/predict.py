"""The prediction loop: layer by layer of tiles, blended, flushed as uint8 as soon as a plane is finished."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.coarsened import Step, coarsen
from neurorecon.core.filled import fill
from neurorecon.core.padding import without_padding
from neurorecon.core.probability import CERTAIN, Probability
from neurorecon.core.progress import Progress, Wanted, reported
from neurorecon.core.stack import Stack
from neurorecon.io import check_finite, checked_settings, stack_of
from neurorecon.io.guard import check_room
from neurorecon.nets.config import STRIDE
from neurorecon.nets.model_registry import Model, model_of
from neurorecon.segmentation.adapt.survey import Survey, survey_by
from neurorecon.segmentation.fit_memory import shrunk_to_memory
from neurorecon.segmentation.normalise import Levels, normalise
from neurorecon.segmentation.runner import Runner
from neurorecon.segmentation.settings import SegmentSettings
from neurorecon.segmentation.tile_rows import read_rows
from neurorecon.segmentation.tiles import Box, Span, cut_stack, lit, occupied, part_of, weight_of
from neurorecon.segmentation.writers import ArrayWriter, BlockWriter, EveryWriter, FinerWriter

if TYPE_CHECKING:
    import torch

__all__ = ["Runner", "segment", "segment_box"]

CARRIED = np.float32(65535)
# Set by hand; not tuned, unless a line says more.
MANY = 1 << 26  # voxels shared by two layers: beyond, a finished layer is a quarter of a gigabyte and more
# Sides of the part of a tile that is run: libraries cache kernels by shape, 10 MB each, a gigabyte for 150 shapes.
COARSE = 4 * STRIDE
CREW = 8  # tiles at a time at most: each has features of its own in memory

Tile = tuple[NDArray[Any], Span, Span]  # its voxels (Z, Y, X) and where they lie along y and x
Answer = tuple[Box, NDArray[np.float32]] | None


@dataclass(frozen=True, slots=True)
class Tools:
    """The network and the settings for all tiles of a stack; the sides of the part that is run are multiples of `edge`."""

    settings: SegmentSettings
    run: Runner
    levels: Levels
    edge: int


def segment(
    stack: Any,
    settings: SegmentSettings | None = None,
    *,
    model: Model | str | Path | None = None,
    voxel_size: Any = None,
    survey: Survey | None = None,
    out: BlockWriter | None = None,
    progress: Wanted = None,
) -> Probability | None:
    """Raise the neurites of a stack out of its noise.

    Args:
        stack: (Z, Y, X), a Stack, a path or an array; lazy data are read by slabs, twice (once for the levels).
        settings: see SegmentSettings.
        model: a name, a folder, or an open model for many stacks in a row; else `settings.model` is loaded.
        voxel_size: (z, y, x) in micrometres, in place of the stack's own.
        survey: the measurements of the stack by `take_survey`; None makes them first.
        out: takes the finished planes of the neurite probability, those of the stack, uint8; memory then stays that of a
            few dozen planes.
        progress: called with the number of finished and of all tiles; True draws a bar.

    Returns:
        The probability with neurite and soma map, or None where `out` took it. Where the planes of the stack lie so far apart
        that neurites look flat (adapt/missing_planes.py), it holds planes between them, as many as its `planes` says. Where
        neurites are too thick for the network (adapt/thick_neurites.py), that saw voxels put together, as many as
        `voxels_as_one` says.

    Raises:
        NoNeuronError: if the stack is constant.
        InputError: if it holds NaN or infinity, looks inverted, the device is not there, or the memory cannot hold both maps
            and `out` is not given.
        DeviceMemoryError: if the memory of the device does not even hold a small tile.
        ModelError: if the model is unknown or damaged.
    """
    way_out = "trace settings are for trace(), both for reconstruct(): ReconstructSettings(segment=..., trace=...)"
    settings = checked_settings(settings, SegmentSettings, "segment", way_out)
    stack = stack_of(stack, "segment", voxel_size=voxel_size)
    if out is None:
        check_room(stack.source, *_maps_of(stack))  # the survey of a large stack takes minutes
    run = Runner.make(model_of(model, settings.model), settings)
    settings = shrunk_to_memory(run, stack.shape, settings)
    known = survey or survey_by(run, stack, settings)
    run, planes, as_one = known.applied_to(run), known.planes, known.voxels_as_one
    stack = fill(without_padding(stack, known.padding), planes)
    seen = coarsen(stack, as_one)
    spans, maps = cut_stack(seen.shape, settings.core, settings.halo), 1 if out is not None else 2
    tools = Tools(settings, run, known.levels, _edge(seen, spans, maps))
    if out is not None:
        own = out if planes == 1 else EveryWriter(out, planes)
        with reported(progress, "segment", "tile") as report:
            _stream(seen, spans, tools, (_finer(own, as_one, stack.shape),), report)
        return None
    check_room(stack.source, *_maps_of(stack))
    neurite, soma = np.zeros(stack.shape, np.uint8), np.zeros(stack.shape, np.uint8)
    writers = tuple(_finer(ArrayWriter(array), as_one, stack.shape) for array in (neurite, soma))
    with reported(progress, "segment", "tile") as report:
        _stream(seen, spans, tools, writers, report)
    return Probability(neurite, stack.voxel_size, soma, stack.source, planes, voxels_as_one=as_one, certain=CERTAIN)


def _maps_of(stack: Stack) -> tuple[str, int]:
    """Return the name and the bytes of the result of `segment`."""
    return "neurite and soma map", 2 * stack.voxels


def segment_box(
    stack: Stack, box: Box, survey: Survey, *, run: Runner, settings: SegmentSettings
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a part of the neurite map and of the soma map that `segment` gives, from the tiles that have a core in it.

    Tiles are those of the whole stack, and see the same voxels. So the part equals that of the whole map, except where a border
    of `box` lies between two tiles: there the two are not blended.

    Args:
        stack: (Z, Y, X); only the voxels of these tiles are read, at once.
        box: the part, in voxels of the map: with the planes between, if the survey tells of any.
        survey: of the whole stack.
        run: the network.
        settings: as `shrunk_to_memory` returns them for the whole stack.

    Raises:
        InputError: if it holds NaN or infinity.
    """
    stack = fill(without_padding(stack, survey.padding), survey.planes)
    seen, step = coarsen(stack, survey.voxels_as_one), survey.voxels_as_one
    spans = cut_stack(seen.shape, settings.core, settings.halo)
    edge = _edge(seen, spans, 2)
    first, tiles = zip(
        *(part_of(cut, b.start // k, -(-b.stop // k)) for cut, b, k in zip(spans, box, step, strict=True)), strict=True
    )
    data = np.asarray(seen.data[tuple(slice(f, f + cut[-1].stop) for f, cut in zip(first, tiles, strict=True))])
    check_finite(data, stack.source or "the stack", z0=first[0], y0=first[1], x0=first[2])
    offset = [f * k for f, k in zip(first, step, strict=True)]
    inner = tuple(slice(b.start - o, b.stop - o) for b, o in zip(box, offset, strict=True))
    shape = tuple(min(n * k, m - o) for n, k, m, o in zip(data.shape, step, stack.shape, offset, strict=True))
    neurite, soma = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    if settings.empty_voxels == 0 or data.max() > survey.levels.grey(
        settings.empty
    ):  # else no tile has anything to run
        writers = tuple(_finer(ArrayWriter(array), step, shape) for array in (neurite, soma))
        tools = Tools(settings, survey.applied_to(run), survey.levels, edge)
        _stream(replace(seen, data=data), list(tiles), tools, writers, None)
    return neurite[inner], soma[inner]


def _edge(stack: Stack, spans: list[list[Span]], maps: int) -> int:
    """Return the number of voxels of which the sides of the part of a tile that is run are multiples."""
    return COARSE if _carried(stack.shape, spans, maps) > MANY else STRIDE


def _carried(shape: tuple[int, int, int], spans: list[list[Span]], maps: int) -> int:
    """Return how many voxels two layers of tiles share, in all maps."""
    return maps * spans[0][0].ramp_out * shape[1] * shape[2]


def _finer(writer: BlockWriter, step: Step, shape: tuple[int, int, int]) -> BlockWriter:
    """Return a writer of planes in which `step` voxels of `shape` (Z, Y, X) are one."""
    return writer if step == (1, 1, 1) else FinerWriter(writer, step, shape)


def _stream(
    stack: Stack,
    spans: list[list[Span]],
    tools: Tools,
    writers: tuple[BlockWriter, ...],
    progress: Progress | None,
) -> None:
    """Run all tiles, layer by layer, and hand on each plane once the last layer that touches it is done.

    The finished planes of a layer are written while the next one is computed, unless two layers would fill too much memory.
    """
    done, total = 0, math.prod(map(len, spans))

    def counted(answers: Iterator[Answer]) -> Iterator[Answer]:
        nonlocal done
        for answer in answers:
            done += 1
            if progress is not None:
                progress(done, total)
            yield answer

    carry = np.zeros((len(writers), spans[0][0].ramp_out, *stack.shape[1:]), np.uint16)  # planes of two layers
    with _crew(tools.run.device, total // len(spans[0])) as crew:
        written: Future[object] = crew.submit(tuple)  # nothing yet
        for z in spans[0]:
            if carry.size > MANY:
                written.result()
            work = partial(_answer, z, tools)
            tiles = (
                (rows[:, :, x.slice], y, x)
                for y, rows in zip(spans[1], read_rows(stack, z, spans[1]), strict=True)
                for x in spans[2]
            )
            planes = _blend(counted(_in_order(crew, work, tiles)), z, spans[1:], carry)
            written.result()
            written = crew.submit(_write, writers, z.start, planes)
            del planes
        written.result()


def _blend(
    answers: Iterator[Answer], z: Span, across: list[list[Span]], carry: NDArray[np.uint16]
) -> NDArray[np.uint8]:
    """Add up the answers of a layer, in their order, and return the planes that are finished, (writers, n, Y, X).

    The layer is `z`; `across` are its rows of tiles along y and its columns along x.
    `carry`, (writers, planes, Y, X), holds the planes shared with the layer before, and then those shared with the next, as
    65535ths.
    Sums are kept for one row of tiles at a time: a seventh of a layer that is 830 voxels high.
    """
    rows, columns = across
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

    Two tiles at a time, one core each, are faster than one tile at a time on two cores, because no thread waits within a layer
    of the network. A GPU gets one thread, which prepares tiles while the results of others are added up.
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


def _answer(z: Span, tools: Tools, place: Tile) -> Answer:
    """Run one tile, where it holds something: the place in the row of tiles, and weighted probabilities (2, Z, Y, X)."""
    settings, levels = tools.settings, tools.levels
    tile, y, x = place
    box = occupied(tile, levels.grey(settings.empty), settings.empty_voxels, tools.edge)
    if box is None or (settings.skip_dark and (box := lit(tile)) is None):
        return None
    probability = tools.run(normalise(tile[box], levels))
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
