"""The job of a batch (see `batch/job.py`) whose items are the blocks of one volume."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from neurorecon.batch import Fingerprint, Item
from neurorecon.pipeline import StageCost, collected_warnings, measured

__all__ = ["BlockJob"]

Opened = TypeVar("Opened")


class BlockJob(ABC, Generic[Opened]):
    """A job whose items are the blocks of one volume; each process opens the volume once.

    Args:
        prints: fingerprint of everything that decides the output of the volume.
    """

    stage: ClassVar[str]
    """Name of the stage in the costs."""

    def __init__(self, prints: Fingerprint) -> None:
        self.fingerprint = prints
        self._opened: Opened | None = None

    @abstractmethod
    def opened(self, threads: int | None) -> Opened:
        """Open the inputs of every block; `threads` is the share of the cores, None for all."""

    @abstractmethod
    def outputs(self, item: Item) -> Sequence[str]:
        """Return the names of the files that a block leaves, as far as they are known before the work."""

    @abstractmethod
    def work(self, opened: Opened, name: str, out: Path) -> None:
        """Do the block that is called `name`; `out` is its place in a folder of its own."""

    def prepare(self, threads: int | None) -> None:
        """Open the inputs of every block, once in a worker process."""
        self._opened = self.opened(threads)

    def identify(self, source: Path) -> str:
        """Return a hash of the fingerprint of the volume and the name of the block, which identifies the block."""
        return hashlib.sha256(f"{self.fingerprint.settings_sha256} {source.name}".encode()).hexdigest()

    def __call__(self, source: Path, name: str, out: Path, input_sha256: str, /) -> Mapping[str, Any]:
        """Do one block; return its costs and warnings."""
        if self._opened is None:
            raise RuntimeError("prepare was not called")
        costs: list[StageCost] = []
        with collected_warnings() as warnings, measured(self.stage, costs):
            self.work(self._opened, name, out)
        return {"stages": [{"peak_bytes": cost.peak_bytes} for cost in costs], "warnings": warnings}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the inputs, which each process opens itself."""
        return self.__dict__ | {"_opened": None}
