"""Which stacks there are, and the output name of each: no two alike, on any file system, whoever asks."""

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from neurorecon.batch.settings import BatchSettings
from neurorecon.core.errors import InputError
from neurorecon.io import find_stacks

__all__ = ["Item", "find_items", "plan", "shard_of"]

LONGEST_NAME = 220  # bytes: file systems take 255, and "_12.swc" or ".json" follows
NUMBERED = re.compile(r"(.+)_\d+")


@dataclass(frozen=True, slots=True)
class Item:
    """One stack of a batch.

    Attributes:
        input: its path below the folder of inputs, with forward slashes.
        output: path of its SWC below the folder of outputs, likewise.
        key: its name in the ledger.
    """

    input: str
    output: str
    key: str


def plan(paths: Iterable[str]) -> list[Item]:
    """Return an item for each input path (relative, forward slashes), in their order.

    The output keeps the folders and the whole name of the input: `sub/a.tif` gives `sub/a.tif.swc`, so `a.tif` and
    `a.v3draw` stay apart. Names that differ only in case or Unicode form, and names that could be taken for the trees
    of another stack (`a`, `a_1`), get a mark made from their own path. Nothing depends on a shard, or on an order.
    """
    names = list(paths)
    marked = _clashing(names)
    return [Item(name, _output(name, mark=name in marked), key_of(name)) for name in names]


def key_of(name: str) -> str:
    """Return the name of an input in the ledger: a hash, fit for any file system."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _folded(name: str) -> str:
    """Return what a file system that knows neither case nor Unicode forms makes of a name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _clashing(names: Sequence[str]) -> set[str]:
    """Return the names that need a mark: all of a group but the one that is its own folded form, if there is one."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[_folded(name)].append(name)
    alike = {name for group in groups.values() if len(group) > 1 for name in group if name != _folded(name)}
    numbered = {
        name
        for folded, group in groups.items()
        if (base := NUMBERED.fullmatch(folded)) is not None and base[1] in groups
        for name in group
    }
    return alike | numbered


def _output(name: str, *, mark: bool) -> str:
    """Return the path of the SWC of an input."""
    path = PurePosixPath(name)
    stem = path.name
    if mark or len(os.fsencode(stem)) > LONGEST_NAME:
        while len(os.fsencode(stem)) > LONGEST_NAME - 9:
            stem = stem[:-1]
        stem = f"{stem}~{key_of(name)[:8]}"
    return (path.parent / f"{stem}.swc").as_posix()


def shard_of(items: Sequence[Item], shard: tuple[int, int]) -> list[Item]:
    """Return every n-th item from the i-th on: the n shards are disjoint, and together they are the whole."""
    return list(items[shard[0] - 1 :: shard[1]])


def find_items(source: Path, outdir: Path, settings: BatchSettings) -> list[Item]:
    """Return the items of this shard: the stacks below `source`, without what lies in `outdir`.

    Raises:
        InputError: if the folder is not there, or holds no stack that matches.
    """
    found = find_stacks(source, pattern=settings.pattern, recursive=settings.recursive)
    own = outdir.resolve()
    if own != source.resolve():
        found = [path for path in found if not path.resolve().is_relative_to(own)]
    if not found:
        asked = f" that matches {settings.pattern!r}" if settings.pattern else ""
        below = " or below it" if settings.recursive else "; with --recursive the folders below it count too"
        raise InputError(f"{source}: no stack{asked} in it{below}")
    return shard_of(plan(path.relative_to(source).as_posix() for path in found), settings.shard)
