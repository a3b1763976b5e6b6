"""Settings of a batch, apart from those that decide the result of a stack."""

import math
import re
from dataclasses import dataclass

from neurorecon.core.errors import SettingsError

__all__ = ["BatchSettings", "parse_shard"]


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Settings of a batch; none of them changes a result.

    Attributes:
        pattern: only stacks whose name or path matches, as the shell does it; None is all.
        recursive: folders below the folder as well.
        jobs: stacks worked on at a time.
        shard: (i, n): the i-th of n parts, from 1.
        overwrite: go on under other settings than the output folder was begun with, and take the place of files that
            are not from a batch.
        lease_seconds: a process on another machine that has given no sign for so long has lost its stack. A minute:
            heartbeats come five times as often, and survive a slow network disk.
        settle_seconds: while watching, a stack whose sizes and times have stayed the same for so long is complete. A
            minute: stages move and cameras wait for seconds between planes, and a network disk may show what it saw up
            to a minute ago (nfs(5): acregmax is 60 s).
        channel: "all" for every channel of each stack; a number or None says nothing here: it is the job's.
        time: "all" for every time point, likewise.

    Raises:
        SettingsError: if a number is out of range.
    """

    pattern: str | None = None
    recursive: bool = True
    jobs: int = 1
    shard: tuple[int, int] = (1, 1)
    overwrite: bool = False
    lease_seconds: float = 60.0
    settle_seconds: float = 60.0
    channel: int | str | None = None
    time: int | str | None = None

    def __post_init__(self) -> None:
        """Check the numbers once."""
        if self.jobs < 1:
            raise SettingsError(f"--jobs is {self.jobs}; 1 or more is needed")
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise SettingsError(f"--shard is {self.shard[0]}/{self.shard[1]}; I/N with I from 1 to N is needed, as 1/4")
        if not (math.isfinite(self.lease_seconds) and self.lease_seconds > 0):
            raise SettingsError(f"lease_seconds is {self.lease_seconds}; a number above 0 is needed")
        if not (math.isfinite(self.settle_seconds) and self.settle_seconds > 0):
            raise SettingsError(f"--settle is {self.settle_seconds}; a number of seconds above 0 is needed")


def parse_shard(text: str) -> tuple[int, int]:
    """Read "I/N".

    Raises:
        SettingsError: if the text is anything else.
    """
    parts = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
        raise SettingsError(f"--shard got {text!r}; give I/N with I from 1 to N, for example 1/4")
    return int(parts[1]), int(parts[2])
