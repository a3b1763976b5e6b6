"""What is done to each stack: the reconstruction, with the network loaded once a process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from neurorecon.core.files import hash_path
from neurorecon.core.settings import as_dict, settings_hash

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.nets import Model
    from neurorecon.segment import SegmentSettings
    from neurorecon.trace import TraceSettings

__all__ = ["Fingerprint", "Job", "ReconstructJob", "StackSettings"]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What decides a result besides the stack.

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
    """What a batch does to each stack; it is sent to worker processes, so it has to pickle."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Settings and model."""

    def prepare(self, threads: int | None) -> None:
        """Get ready in a worker process, once; `threads` is its share of the cores, None for all."""

    def identify(self, source: Path) -> str:
        """Return what tells one input from another: the hash of a stack, or of what describes a volume.

        Raises:
            InputError: if it is gone, or cannot be read.
        """

    def __call__(self, source: Path, name: str, swc: Path, input_sha256: str) -> Mapping[str, Any]:
        """Reconstruct the stack `source`, called `name`, write `swc` and what goes with it, return its manifest.

        All files go into the folder of `swc`, which is empty before and belongs to this call.

        Raises:
            NoNeuronError: if there is none.
            NeuroreconError: if the stack cannot be used.
        """


@dataclass(frozen=True, slots=True)
class StackSettings:
    """All that decides the result of a stack.

    Attributes:
        segment: settings of the first stage.
        trace: settings of the second.
        voxel_size: in place of the files' own.
        channel: the channel to take.
        single_file: one SWC file for several trees.
    """

    segment: "SegmentSettings"
    trace: "TraceSettings"
    voxel_size: "VoxelSize | None" = None
    channel: int | None = None
    single_file: bool = False


class ReconstructJob:
    """What `neurorecon run` does.

    Raises:
        ModelError: if the network is unknown or damaged: said before any stack is touched.
        InputError: if the device is not there: likewise.
    """

    def __init__(self, settings: StackSettings) -> None:
        from neurorecon.nets import verify_model
        from neurorecon.segment.device import pick_device

        pick_device(settings.segment.device)
        self.settings = settings
        config = verify_model(settings.segment.model)
        plain = as_dict(settings)
        self.fingerprint = Fingerprint(plain, settings_hash(settings), config.name, config.sha256)
        self._model: Model | None = None

    def prepare(self, threads: int | None) -> None:
        """Load the network."""
        from neurorecon.nets import load_model

        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        self._model = load_model(self.settings.segment.model)

    def identify(self, source: Path) -> str:
        """Return the hash of a stack."""
        return hash_path(source)

    def __call__(self, source: Path, name: str, swc: Path, input_sha256: str) -> Mapping[str, Any]:
        """Reconstruct one stack and write its files; see `Job`."""
        from neurorecon.io import read_stack
        from neurorecon.pipeline import ReconstructSettings, provenance_of, reconstruct
        from neurorecon.report import write_outputs

        chosen = self.settings
        settings = ReconstructSettings(chosen.segment, chosen.trace)
        stack = read_stack(source, channel=chosen.channel, voxel_size=chosen.voxel_size)
        result = reconstruct(stack, settings, model=self._model)
        provenance = provenance_of(result, settings, source=name, source_sha256=input_sha256)
        return write_outputs(result.tree, stack, provenance, swc, single_file=chosen.single_file)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded network out: each process loads its own."""
        return self.__dict__ | {"_model": None}


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
