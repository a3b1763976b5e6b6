"""Which stacks there are, and the output name of each: no two alike, on any file system, whoever asks."""

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from neurorecon.batch.settings import BatchSettings
from neurorecon.core.errors import InputError
from neurorecon.io import find_stacks, known_suffix

__all__ = ["Item", "find_items", "plan", "shard_of"]

LONGEST_NAME = 220  # bytes: file systems take 255, and "_12.swc" or ".review.csv" follows
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

    The output keeps the folders and the name: `sub/a.tif` gives `sub/a.swc`. Where another stack has that name too
    (`a.tif`, `a.v3draw`), all of them keep their whole names (`a.tif.swc`). Names that still differ only in case or
    Unicode form, and names that could be taken for the neurons of another stack (`a`, `a_1`), get a mark made from
    their own path. Nothing depends on a shard, or on an order.
    """
    names = list(paths)
    stems = dict(zip(names, _stems(names), strict=True))
    marked = _clashing(stems)
    return [Item(name, _output(name, stems[name], mark=name in marked), key_of(name)) for name in names]


def _stems(names: Sequence[str]) -> list[str]:
    """Return each path without its suffix, or whole where two paths without theirs would be one."""
    short = []
    for name in names:
        suffix = known_suffix(Path(name)) or ""
        bare = re.sub(r"\.ome$", "", name[: len(name) - len(suffix)], flags=re.IGNORECASE)
        short.append(bare if PurePosixPath(bare).name and not bare.endswith("/") else name)
    count = Counter(map(_folded, short))
    return [stem if count[_folded(stem)] == 1 else name for stem, name in zip(short, names, strict=True)]


def key_of(name: str) -> str:
    """Return the name of an input in the ledger: a hash, fit for any file system."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _folded(name: str) -> str:
    """Return what a file system that knows neither case nor Unicode forms makes of a name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _clashing(stems: Mapping[str, str]) -> set[str]:
    """Return the paths whose stem needs a mark: all of a group but the one that is its own folded form, if any."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, stem in stems.items():
        groups[_folded(stem)].append(name)
    marked = set()
    for folded, group in groups.items():
        numbered = NUMBERED.fullmatch(folded)
        plain = [name for name in group if stems[name] == folded]
        if numbered is not None and numbered[1] in groups:
            marked.update(group)
        elif len(group) > 1:
            marked.update(group if len(plain) > 1 else set(group) - set(plain))
    return marked


def _output(name: str, stem: str, *, mark: bool) -> str:
    """Return the path of the SWC of an input."""
    path = PurePosixPath(stem)
    last = path.name
    if mark or len(os.fsencode(last)) > LONGEST_NAME:
        while len(os.fsencode(last)) > LONGEST_NAME - 9:
            last = last[:-1]
        last = f"{last}~{key_of(name)[:8]}"
    return (path.parent / f"{last}.swc").as_posix()


def shard_of(items: Sequence[Item], shard: tuple[int, int]) -> list[Item]:
    """Return every n-th item from the i-th on: the n shards are disjoint, and together they are the whole."""
    return list(items[shard[0] - 1 :: shard[1]])


def find_items(source: Path, outdir: Path, settings: BatchSettings) -> list[Item]:
    """Return the items of this shard: the stacks below `source`, without what lies in `outdir`.

    Raises:
        InputError: if the folder is not there, or holds no stack that matches.
    """
    found = _below(source, outdir, settings.pattern, recursive=settings.recursive)
    if not found:
        asked = f" that matches {settings.pattern!r}" if settings.pattern else ""
        below = " or below it" if settings.recursive else "; with --recursive the folders below it count too"
        raise InputError(f"{source}: no stack{asked} in it{below}")
    # Names are given to all stacks: `--pattern` must not change the name of a stack from one batch to the next.
    every = found if settings.pattern is None else _below(source, outdir, None, recursive=settings.recursive)
    items = {item.input: item for item in plan(dict.fromkeys([*every, *found]))}
    return shard_of([items[name] for name in found], settings.shard)


def _below(source: Path, outdir: Path, pattern: str | None, *, recursive: bool) -> list[str]:
    """Return the stacks below `source` as relative paths, without what lies in `outdir`."""
    found = find_stacks(source, pattern=pattern, recursive=recursive)
    own = outdir.resolve()
    if own != source.resolve():
        found = [path for path in found if not path.resolve().is_relative_to(own)]
    return [path.relative_to(source).as_posix() for path in found]
