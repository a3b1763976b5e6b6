"""Both stages in one call: from a raw stack to a tree, with costs and warnings."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from neurorecon.core.errors import InputError
from neurorecon.core.probability import Probability
from neurorecon.core.progress import Wanted
from neurorecon.core.settings import as_dict
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.inspect import examined
from neurorecon.io import checked_settings, stack_of
from neurorecon.report import Command, Provenance, warn_if_doubtful
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings

if TYPE_CHECKING:
    from neurorecon.nets import Model

__all__ = [
    "ReconstructSettings",
    "Reconstruction",
    "Segmented",
    "StageCost",
    "check_soma",
    "provenance_of",
    "reconstruct",
    "segment_stage",
    "trace_stage",
]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
SAMPLE_SECONDS = 0.02  # a peak that lasts less is missed; sampling faster would cost the work some of its time


@dataclass(frozen=True, slots=True)
class ReconstructSettings:
    """Settings of both stages."""

    segment: SegmentSettings = field(default_factory=SegmentSettings)
    trace: TraceSettings = field(default_factory=TraceSettings)


@dataclass(frozen=True, slots=True)
class StageCost:
    """What one stage took.

    Attributes:
        name: "segment" or "trace".
        seconds: wall-clock time.
        peak_bytes: largest resident memory of the process during the stage, its data and libraries included.
    """

    name: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Segmented:
    """The result of the first stage, which the second needs.

    Attributes:
        probability: the map on the grid that the network saw; `probability.on_stack` is on the grid of the stack.
        stages: cost of each stage, in their order.
        warnings: the warnings of the package, each once.
        model_name: the network.
        model_sha256: hash of its weights.
        device: where it ran, "cpu" or "cuda:0" say.
    """

    probability: Probability
    stages: tuple[StageCost, ...]
    warnings: tuple[str, ...]
    model_name: str
    model_sha256: str
    device: str


@dataclass(frozen=True, slots=True)
class Reconstruction(Segmented):
    """A reconstructed stack: what both stages gave, and the tree.

    Attributes:
        tree: one tree, or a forest of several neurons; in um where the voxel size is known, else in voxels.
        probability, stages, warnings, model_name, model_sha256, device: as in `Segmented`, of both stages.
    """

    tree: Tree


def reconstruct(
    stack: Any,
    settings: ReconstructSettings | None = None,
    *,
    model: "Model | str | Path | None" = None,
    voxel_size: Any = None,
    channel: int | None = None,
    time: int | None = None,
    progress: Wanted = None,
) -> Reconstruction:
    """Reconstruct the neurons of a raw stack: `segment`, then `trace`.

    Args:
        stack: (Z, Y, X): a Stack, a path, or an array of numpy, dask, zarr ...; read by blocks if lazy. Its oddities are
            logged (see `neurorecon.inspect`).
        settings: of both stages; None is the defaults.
        model: a name, a folder, or an open model for many stacks in a row; else the one that the settings name is loaded.
        voxel_size: (z, y, x) in micrometres, in place of the stack's own.
        channel: of a path with several channels.
        time: time point of a path that is a time series.
        progress: called with (tiles done, all tiles) while the network runs; True draws a bar, in a notebook too.

    Returns:
        The tree with the probability it was traced in, the costs and the warnings.

    Raises:
        NoNeuronError: if there is nothing to trace.
        ModelError: if the network is unknown or its weights are not what they should be.
        InputError: if a soma that was given lies outside the stack, or the stack holds NaN or infinity.
    """
    from neurorecon.tracing.rehearse import rehearsed

    way_out = "give ReconstructSettings(segment=SegmentSettings(...), trace=TraceSettings(...))"
    settings = checked_settings(settings, ReconstructSettings, "reconstruct", way_out)
    stack = examined(stack_of(stack, "reconstruct", voxel_size=voxel_size, channel=channel, time=time))
    with rehearsed():
        segmented = segment_stage(stack, settings, model=model, progress=progress)
    return trace_stage(stack, segmented, settings)


def segment_stage(
    stack: Stack,
    settings: ReconstructSettings,
    *,
    model: "Model | str | Path | None" = None,
    progress: Wanted = None,
) -> Segmented:
    """Do the first half of `reconstruct`, which wants a GPU; see there."""
    from neurorecon.nets import model_of
    from neurorecon.segmentation import segment
    from neurorecon.segmentation.device import pick_device

    check_soma(settings.trace, stack.shape)
    device = str(pick_device(settings.segment.device))
    model = model_of(model, settings.segment.model)
    stages: list[StageCost] = []
    with collected_warnings() as warnings, measured("segment", stages):
        probability = segment(stack, settings.segment, model=model, progress=progress)
    _say_cost(stages[-1])
    if probability is None:  # only where planes are streamed to a writer
        raise TypeError("segment gave no probability")
    return Segmented(
        probability=probability,
        stages=tuple(stages),
        warnings=tuple(warnings),
        model_name=model.config.name,
        model_sha256=model.config.sha256,
        device=device,
    )


def trace_stage(stack: Stack, segmented: Segmented, settings: ReconstructSettings) -> Reconstruction:
    """Do the second half of `reconstruct`, which uses the processor alone; see there."""
    from neurorecon.tracing import trace

    stages = list(segmented.stages)
    with collected_warnings() as warnings, measured("trace", stages):
        tree = trace(segmented.probability, settings.trace, stack=stack)
        warn_if_doubtful(tree, stack.source)
    _say_cost(stages[-1])
    both = {f.name: getattr(segmented, f.name) for f in fields(segmented)}
    both |= {"stages": tuple(stages), "warnings": tuple(dict.fromkeys([*segmented.warnings, *warnings]))}
    return Reconstruction(**both, tree=tree)


def _say_cost(cost: StageCost) -> None:
    """Log what a stage took."""
    log.info("%s: %.1f s, memory up to %.2f GB", cost.name, cost.seconds, cost.peak_bytes / 1e9)


def check_soma(settings: TraceSettings, shape: tuple[int, int, int]) -> None:
    """Raise InputError if a soma that was given lies outside a stack of `shape` (Z, Y, X): before the long work."""
    for point in settings.soma:
        if not all(-0.5 <= p < n - 0.5 for p, n in zip(point, shape, strict=True)):
            place, extent = ",".join(f"{p:g}" for p in point), ",".join(map(str, shape))
            raise InputError(f"--soma {place} lies outside the stack of {extent} voxels (z,y,x); give voxels, from 0")


def provenance_of(
    result: Reconstruction,
    settings: ReconstructSettings,
    *,
    source: str = "",
    source_sha256: str = "",
    command: Command | None = None,
) -> Provenance:
    """Return the provenance of a reconstruction; `source` is the path of the input as the report names it."""
    return Provenance(
        input=source,
        input_sha256=source_sha256,
        model_name=result.model_name,
        model_sha256=result.model_sha256,
        planes=result.probability.planes,
        voxels_as_one=result.probability.voxels_as_one,
        device=result.device,
        settings=as_dict(settings),
        stages=result.stages,
        warnings=result.warnings,
        command=command,
    )


class _Collector(logging.Handler):
    """Keeps the warnings, each text once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record's text."""
        if (text := record.getMessage()) not in self.texts:
            self.texts.append(text)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Give a list that fills with the package's warnings while the context lasts."""
    collector, logger = _Collector(), logging.getLogger("neurorecon")
    logger.addHandler(collector)
    try:
        yield collector.texts
    finally:
        logger.removeHandler(collector)


class _PeakMemory:
    """Samples the resident memory of the process in a thread of its own."""

    def __init__(self) -> None:
        import psutil

        self._memory: Callable[[], int] = lambda: int(process.memory_info().rss)
        process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="neurorecon-memory", daemon=True)
        self.peak_bytes = 0

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._memory())

    def __enter__(self) -> "_PeakMemory":
        self.peak_bytes = self._memory()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self.peak_bytes = max(self.peak_bytes, self._memory())


@contextmanager
def measured(name: str, stages: list[StageCost]) -> Iterator[None]:
    """Append the cost of what runs inside to `stages`."""
    start = time.perf_counter()
    with _PeakMemory() as memory:
        yield
    stages.append(StageCost(name, time.perf_counter() - start, memory.peak_bytes))
