"""The command of a result as OUT.json records it, so that `neurorecon rerun` can repeat it."""

import os
from dataclasses import dataclass
from pathlib import Path

from neurorecon.core.geometry import VoxelSize

__all__ = ["Command", "absolute"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command and those of its options that decide the result besides the settings of both stages.

    Attributes:
        name: "run" or "batch".
        input: where the stack lay, from the root of the disk.
        model: the network's name, or its folder from the root of the disk.
        voxel_size: --voxel-size, None where the file's own was taken.
        channel: --channel.
        invert: --invert or --no-invert.
        single_file: --single-file.
        time: --time; of several time points or channels in one run, the one of this result.
        soma_outline: --soma-outline.
    """

    name: str
    input: str
    model: str
    voxel_size: VoxelSize | None = None
    channel: int | None = None
    invert: bool | None = None
    single_file: bool = False
    time: int | None = None
    soma_outline: bool = False


def absolute(path: Path) -> str:
    """Return an absolute path; an address is not changed."""
    return os.path.abspath(path) if path.exists() else str(path)
