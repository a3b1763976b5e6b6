"""The job of a batch for each stack: the reconstruction, with the network loaded once per process."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from neurorecon.core.errors import InputError, ModelError
from neurorecon.core.files import hash_path
from neurorecon.core.settings import as_dict, settings_hash

if TYPE_CHECKING:
    from neurorecon.batch.items import Item
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.stack import Stack
    from neurorecon.nets import Model
    from neurorecon.pipeline import ReconstructSettings, Segmented
    from neurorecon.segmentation import SegmentSettings
    from neurorecon.tracing import TraceSettings

__all__ = ["Fingerprint", "Job", "PartJob", "ReconstructJob", "StackSettings", "StagedJob", "checked_model"]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that decides a result besides the stack.

    Attributes:
        settings: every setting, plain JSON values.
        settings_sha256: their hash.
        model_name: the network.
        model_sha256: hash of its weights.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_sha256: str = ""
    model_name: str = ""
    model_sha256: str = ""


class Job(Protocol):
    """The work of a batch on each stack; it is sent to worker processes, so it has to pickle."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Settings and model."""

    def prepare(self, threads: int | None) -> None:
        """Get ready in a worker process, once; `threads` is its share of the cores, None for all."""

    def identify(self, source: Path) -> str:
        """Return a hash that identifies an input: of the files of a stack, or of the description of a volume.

        Raises:
            InputError: if it does not exist, or cannot be read.
        """

    def outputs(self, item: "Item") -> Sequence[str]:
        """Return the names of the files that an item may leave beside its output, as far as they are known before the work."""

    def __call__(self, source: Path, name: str, out: Path, input_sha256: str, /) -> Mapping[str, Any]:
        """Do the item `source`, called `name`, write `out` and what goes with it, return its manifest.

        All files go into the folder of `out`, which is empty before and belongs to this call.

        Raises:
            NoNeuronError: if there is none.
            NeuroreconError: if the stack cannot be used.
        """


@runtime_checkable
class StagedJob(Job, Protocol):
    """A job that can also be done in two stages, perhaps on two machines: the first wants a GPU, the second does not.

    Both give what one call of the job gives, to the byte. `prepare` is called before the first stage only.
    """

    def first(self, source: Path, name: str, half: Path) -> None:
        """Do the first stage, and write its result into the folder `half`, which is empty.

        Raises:
            NeuroreconError: as the job does.
        """

    def second(self, source: Path, name: str, swc: Path, input_sha256: str, *, half: Path) -> Mapping[str, Any]:
        """Do the second stage from the files in `half`; else like a call of the job."""


@runtime_checkable
class PartJob(Job, Protocol):
    """A job that can take one channel and one time point of an input that has several."""

    def of_part(self, channel: int | None, time: int | None) -> Job:
        """Return the same job for one of them, with the same fingerprint."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """All that decides the result of a stack.

    Attributes:
        segment: settings of the first stage.
        trace: settings of the second.
        voxel_size: in place of the files' own.
        channel: the channel to take; "all" for each one, as a stack of its own.
        single_file: one SWC file for several trees.
        invert: see `read_stack`.
        time: the time point to take; "all" likewise.
        soma_outline: measure the somata in the stack, and write their surfaces.
    """

    segment: "SegmentSettings"
    trace: "TraceSettings"
    voxel_size: "VoxelSize | None" = None
    channel: int | str | None = None
    single_file: bool = False
    invert: bool | None = None
    time: int | str | None = None
    soma_outline: bool = False


def checked_model(model: "Model", prints: Fingerprint, what: str) -> "Model":
    """Return a model that is the one of `prints`; `what` was begun with that, "batch" say.

    Raises:
        ModelError: if it is another.
    """
    if model.config.sha256 != prints.model_sha256:
        raise ModelError(
            f"{model.path}: is another model than that of the {what}, {prints.model_sha256[:12]}; "
            "install the same neurorecon everywhere, or give --model a folder that all machines see"
        )
    return model


class ReconstructJob:
    """The work of `neurorecon run`.

    Args:
        settings: all that decides the result.
        here: the network runs on this machine. Without, the device is looked for where the work is done.
        strict: a stack that causes a warning fails; the results of the others are the same.
        model: where the network lies, if not where the settings say.
        called: the command that the record names.
        page: write OUT.html too; it adds no result, so it is no part of the fingerprint.

    Raises:
        ModelError: if the network is unknown or damaged; raised before the first stack.
        InputError: if the device is not there: likewise.
    """

    def __init__(
        self,
        settings: StackSettings,
        *,
        here: bool = True,
        strict: bool = False,
        model: str | None = None,
        called: str = "batch",
        page: bool = True,
    ) -> None:
        from neurorecon.io import ALL, one_of
        from neurorecon.nets import place_of_model, verify_model
        from neurorecon.segmentation.device import pick_device

        if here:
            pick_device(settings.segment.device)
        self.settings = settings
        self.strict = strict
        self.called = called
        self.page = page
        name = model or settings.segment.model
        config = verify_model(name)
        self._place = place_of_model(name)
        several = ALL in (settings.channel, settings.time)  # then `of_part` says which
        self._part = None if several else (one_of(settings.channel), one_of(settings.time))
        plain = as_dict(settings)
        self.fingerprint = Fingerprint(plain, settings_hash(settings), config.name, config.sha256)
        self._model: Model | None = None

    def prepare(self, threads: int | None) -> None:
        """Load the network.

        Raises:
            ModelError: if it is not here, or is another.
            InputError: if the device is not here.
        """
        from neurorecon.nets import load_model
        from neurorecon.segmentation.device import pick_device

        # oneDNN keeps 1,024 kernels, some 30 for each shape of a tile, 0.15 MB each: stacks of many sizes would fill the
        # memory. It reads its limit from here alone, at its first kernel; 128 are enough for the shapes of one stack.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        pick_device(self.settings.segment.device)
        self._model = checked_model(load_model(self._place), self.fingerprint, "batch")

    def of_part(self, channel: int | None, time: int | None) -> "ReconstructJob":
        """Return the same job for one channel and time point; see `PartJob`."""
        job = copy.copy(self)
        job._part = channel, time
        return job

    def identify(self, source: Path) -> str:
        """Return the hash of a stack."""
        return hash_path(source)

    def outputs(self, item: "Item") -> Sequence[str]:
        """Return the names of the SWC files, of one or of several neurons, and of the files beside them."""
        from neurorecon.report import side_paths, swc_paths

        swc = Path(item.output)
        return [path.name for path in (swc, swc_paths(swc, 2)[0], *side_paths(swc))]

    def __call__(self, source: Path, name: str, swc: Path, input_sha256: str) -> Mapping[str, Any]:
        """Reconstruct one stack and write its files; see `Job`."""
        stack = self._read(source)
        return self._finish(stack, self._segment(stack), source, name, swc=swc, input_sha256=input_sha256)

    def first(self, source: Path, name: str, half: Path) -> None:
        """Let the network run; see `StagedJob`."""
        from neurorecon.batch.stage_files import save_half

        save_half(self._segment(self._read(source)), half)

    def second(self, source: Path, name: str, swc: Path, input_sha256: str, *, half: Path) -> Mapping[str, Any]:
        """Trace, and write the files; see `StagedJob`."""
        from neurorecon.batch.stage_files import load_half

        return self._finish(self._read(source), load_half(half), source, name, swc=swc, input_sha256=input_sha256)

    def _read(self, source: Path) -> "Stack":
        from neurorecon.inspect import examined
        from neurorecon.io import read_stack

        chosen = self.settings
        if self._part is None:
            raise self._unplanned(source)
        channel, time = self._part
        of_file: dict[str, Any] = {"channel": channel, "time": time, "invert": chosen.invert}
        return examined(read_stack(source, voxel_size=chosen.voxel_size, **of_file), strict=self.strict)

    def _unplanned(self, source: Path) -> InputError:
        """Return why a stack was not parted into its channels or time points when the batch was planned."""
        from neurorecon.io import chosen_in, open_file

        try:
            chosen_in(open_file(source), self.settings.channel, self.settings.time)
        except InputError as error:
            return error
        return InputError(f"{source}: could not be read when the batch began; run the batch again")

    def _both(self) -> "ReconstructSettings":
        from neurorecon.pipeline import ReconstructSettings

        return ReconstructSettings(self.settings.segment, self.settings.trace)

    def _segment(self, stack: "Stack") -> "Segmented":
        from neurorecon.pipeline import segment_stage

        return segment_stage(stack, self._both(), model=self._model)

    def _finish(
        self, stack: "Stack", segmented: "Segmented", source: Path, name: str, *, swc: Path, input_sha256: str
    ) -> Mapping[str, Any]:
        from neurorecon.page import write_page
        from neurorecon.pipeline import provenance_of, trace_stage
        from neurorecon.report import Command, absolute, write_outputs
        from neurorecon.tracing import outlined

        settings, chosen = self._both(), self.settings
        channel, time = self._part or (None, None)
        place = absolute(source), self._place
        made = Command(
            self.called,
            *place,
            chosen.voxel_size,
            channel,
            chosen.invert,
            chosen.single_file,
            time,
            chosen.soma_outline,
        )
        result = trace_stage(stack, segmented, settings)
        provenance = provenance_of(result, settings, source=name, source_sha256=input_sha256, command=made)
        tree, outlines = outlined(result.tree, stack) if chosen.soma_outline else (result.tree, None)
        extra: dict[str, Any] = {"outlines": outlines, "page": write_page if self.page else None}
        return write_outputs(tree, stack, provenance, swc, single_file=chosen.single_file, **extra)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded network out: each process loads its own."""
        return self.__dict__ | {"_model": None}
