"""The folder in which the output of one huge volume grows, block by block, until it is whole.

OUT.part stands beside the output, with the ledger of a batch in it (.neurorecon), and survey.json: measurements of the whole
volume that every block needs, made by the process that comes first. The process that does the last block puts the output in
place and removes the folder.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurorecon.batch.batch_run import Progress, exclusive, run_items
from neurorecon.batch.engines import Engine
from neurorecon.batch.items import Item
from neurorecon.batch.job import Fingerprint, Job
from neurorecon.batch.settings import BatchSettings
from neurorecon.batch.state.file_stamp import written
from neurorecon.batch.state.leases import Leases
from neurorecon.batch.state.ledger import Ledger, differs
from neurorecon.core.errors import NeuroreconError, OutputError, SettingsError
from neurorecon.core.files import take_away, write_text
from neurorecon.core.settings import as_dict
from neurorecon.core.stack import Stack
from neurorecon.core.voxel_hash import describe_stack

__all__ = ["BlockFolder", "content_of", "fingerprint_of", "parse_block", "part_path"]

FILES = "files"  # the key of the attributes that distinguish files with the same voxels
SETTINGS = BatchSettings(overwrite=True)  # the files of the folder are of no other batch


def part_path(output: Path) -> Path:
    """Return the folder in which an output grows."""
    return output.with_name(f"{output.name}.part")


def parse_block(text: str) -> tuple[int, int, int]:
    """Read "Z,Y,X".

    Raises:
        SettingsError: if the text is anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        raise SettingsError(f"--block got {text!r}; give voxels as Z,Y,X, for example 384,768,768")
    z, y, x = map(int, parts)
    return z, y, x


def fingerprint_of(
    settings: Any, stacks: Mapping[str, Stack | None], more: Mapping[str, Any], model: tuple[str, str] = ("", "")
) -> Fingerprint:
    """Return the fingerprint of everything that decides the output of a volume.

    Args:
        settings: a settings dataclass.
        stacks: the volumes that the output is made from, by name; None for one that was not given.
        more: plain values that count too.
        model: name and hash of the network.
    """
    plain = as_dict(settings) | {name: stack and describe_stack(stack) for name, stack in stacks.items()} | dict(more)
    plain[FILES] = {name: written(Path(stack.source)) for name, stack in stacks.items() if stack and stack.source}
    return Fingerprint(plain, hash_of(plain), *model)


def content_of(prints: Fingerprint) -> tuple[dict[str, Any], str]:
    """Return the settings without the parts that change when a file is copied, and their hash: for records."""
    plain = {name: value for name, value in prints.settings.items() if name != FILES}
    return plain, hash_of(plain)


def hash_of(plain: Mapping[str, Any]) -> str:
    """Return the sha256 hex digest of plain values."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class BlockFolder:
    """The folder of an output.

    Args:
        output: what it will be.
        prints: what decides it.
        others: names under which it may stand, too.
    """

    def __init__(self, output: Path, prints: Fingerprint, others: Sequence[Path] = ()) -> None:
        self.output, self.path, self.prints, self.others = output, part_path(output), prints, others
        self.ledger = Ledger(self.path)
        self.leases = Leases(self.ledger.leases, self.ledger.scratch, SETTINGS.lease_seconds)

    @contextmanager
    def opened(self, *, overwrite: bool) -> Iterator[None]:
        """Make the folder, or continue in it; with `overwrite` a folder of other settings is removed first.

        Raises:
            OutputError: if it cannot be written, or was taken away meanwhile: by another process that ended, mostly.
            SettingsError: if it was begun with other settings, another model or another volume.
        """
        before = self.ledger.fingerprint()  # None, too, where another process has made the folder just now
        if overwrite and before is not None and differs(before, self.prints):
            take_away(self.path)
        try:
            self.ledger.make()
            if not overwrite and any(path.exists() for path in (self.output, *self.others)):
                take_away(self.path)  # made just now: another process has ended since this one began
                raise OutputError(f"{self.output}: exists already")
            with self.leases.beating():
                yield
        except (OSError, NeuroreconError) as error:
            if not self.path.exists() and is_of_files(error):
                reason = f"{self.output}: another process has finished it, or {self.path} was removed"
                raise OutputError(reason) from error
            if isinstance(error, OSError) and str(self.path) in str(error.filename):
                raise OutputError(f"{error.filename}: cannot be read or written: {error.strerror or error}") from error
            raise

    def known(self, find_out: Callable[[], Any]) -> Mapping[str, Any]:
        """Return the survey as plain values: the one in the folder, else the result of `find_out`, which is stored.

        Raises:
            NeuroreconError: as `find_out` does; then the folder goes.
        """
        path = self.ledger.root / "survey.json"
        with exclusive(self.leases, "settings"):
            begun = self.ledger.fingerprint() is not None
            self.ledger.begin(self.prints, overwrite=False)
            if begun and path.exists():
                return dict(json.loads(path.read_text(encoding="utf-8")))
            try:
                found = as_dict(find_out())
            except NeuroreconError:
                take_away(self.path)  # there is nothing in it yet
                raise
            write_text(path, json.dumps(found, indent=1) + "\n", overwrite=True)
            return found

    def work(self, items: Sequence[Item], source: Path, job: Job, engine: Engine, progress: Progress | None) -> None:
        """Do all blocks that are not done.

        Raises:
            NeuroreconError: if some failed; the others are kept for the next call.
        """
        result = run_items(items, source, self.path, job, SETTINGS, engine=engine, progress=progress)
        if failed := result.with_status("failed"):
            raise NeuroreconError(
                f"{self.output}: {len(failed)} of {len(items)} blocks failed, block {failed[0].input}: "
                f"{failed[0].reason}; the same command does them again, the others are kept in {self.path}"
            )

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Let one process at a time put the output in place; then the folder goes."""
        with exclusive(self.leases, "finish"):
            yield
            take_away(self.path)


def is_of_files(error: Exception) -> bool:
    """Return whether the removal of the folder may have caused an error: of files, of outputs, or of blocks that failed."""
    return isinstance(error, OSError | OutputError) or type(error) is NeuroreconError
