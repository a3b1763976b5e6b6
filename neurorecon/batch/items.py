"""The stacks of a batch, and the output name of each: no two are equal, on any file system and in any process."""

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from neurorecon.batch.settings import BatchSettings
from neurorecon.core.errors import InputError, NeuroreconError
from neurorecon.io import ALL, chosen_in, find_stacks, known_suffix, marked, open_file

__all__ = ["Item", "Taken", "find_items", "in_shard", "plan", "shard_of", "stacks_below"]

Note = Callable[[Path, OSError], None]  # told of folders that cannot be read
# Set by hand; not tuned, unless a line says more.
LONGEST_NAME = 220  # bytes: file systems take 255, and "_12.swc" or ".review.csv" follows
NUMBERED = re.compile(r"(.+)_\d+")
OWN = "report"  # OUTDIR/report.html is the batch's own: a stack of that name may not leave its page there


@dataclass(frozen=True, slots=True)
class Item:
    """One stack of a batch.

    Attributes:
        input: its path below the folder of inputs, with forward slashes.
        output: path of its SWC below the folder of outputs, likewise.
        key: its name in the ledger.
        channel: the one to take, where all of an input are done one by one; else None.
        time: likewise.
        marks: parts of the name that distinguish channels and time points of one input: t000, c0.
    """

    input: str
    output: str
    key: str
    channel: int | None = None
    time: int | None = None
    marks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name in records and messages: "a.tif", or "a.tif, t000, c1"."""
        return ", ".join([self.input, *self.marks])


class Taken:
    """Output names that were given for good, by input."""

    def __init__(self, outputs: Mapping[str, str] | None = None) -> None:
        self.outputs: dict[str, str] = {}
        self._stems: set[str] = set()
        self._numbered: set[str] = set()
        for name, output in (outputs or {}).items():
            self.add(name, output)

    def add(self, name: str, output: str) -> None:
        """Give a name for good."""
        stem = _folded(output.removesuffix(".swc"))
        self.outputs[name] = output
        self._stems.add(stem)
        if (numbered := NUMBERED.fullmatch(stem)) is not None:
            self._numbered.add(numbered[1])

    def meets(self, stem: str) -> bool:
        """Return whether a file of a stack with this stem could have a name that is already taken."""
        folded = _folded(stem)
        numbered = NUMBERED.fullmatch(folded)
        return (
            folded in self._stems or folded in self._numbered or (numbered is not None and numbered[1] in self._stems)
        )


def plan(paths: Iterable[str], taken: Taken | None = None) -> list[Item]:
    """Return an item for each input path (relative, forward slashes), in their order.

    The output keeps the folders and the name: `sub/a.tif` gives `sub/a.swc`. Where another stack has that name too
    (`a.tif`, `a.v3draw`), all of them keep their whole names (`a.tif.swc`). Names that still differ only in case or
    Unicode form, and names that could be taken for the neurons of another stack (`a`, `a_1`), get a mark made from
    their own path; so does `report`, whose page would be the report of the batch. The names depend neither on the shard nor on
    the order of the stacks.

    If stacks arrive one after another, those that have a name keep it (`taken`), and a new one that would clash gets its whole
    name or the mark.
    """
    taken = taken or Taken()
    every = list(paths)
    names = [name for name in every if name not in taken.outputs]
    stems = dict(zip(names, _stems(names), strict=True))
    stems = {name: name if taken.meets(stem) else stem for name, stem in stems.items()}
    marked = _clashing(stems) | {name for name, stem in stems.items() if taken.meets(stem)}
    new = {name: _output(name, stems[name], mark=name in marked) for name in names}
    return [Item(name, new[name] if name in new else taken.outputs[name], key_of(name)) for name in every]


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
    """Return a name as a file system without case and Unicode forms would store it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _clashing(stems: Mapping[str, str]) -> set[str]:
    """Return the paths whose stem needs a mark: all of a group but the one that is its own folded form, if any."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, stem in stems.items():
        groups[_folded(stem)].append(name)
    marked = set(groups[OWN]) if OWN in groups else set()
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


def in_shard(name: str, shard: tuple[int, int]) -> bool:
    """Return whether an input is of shard i of n: by its name alone, as stacks may arrive while the shards are listed."""
    part, parts = shard
    return int(key_of(name), 16) % parts == part - 1


def shard_of(items: Sequence[Item], shard: tuple[int, int]) -> list[Item]:
    """Return the items of shard i of n: the n shards are disjoint, and together they are the whole; see `in_shard`."""
    return [item for item in items if in_shard(item.input, shard)]


def find_items(source: Path, outdir: Path, settings: BatchSettings, taken: Taken | None = None) -> list[Item]:
    """Return the items of this shard: the stacks below `source`, without what lies in `outdir`.

    Where all channels or time points are asked for, each is an item; the shards share the stacks.

    Raises:
        InputError: if the folder is not there, or holds no stack that matches.
    """
    found = stacks_below(source, outdir, settings.pattern, recursive=settings.recursive)
    if not found:
        asked = f" that matches {settings.pattern!r}" if settings.pattern else ""
        below = " or below it" if settings.recursive else "; with --recursive the folders below it count too"
        raise InputError(f"{source}: no stack{asked} in it{below}")
    # Names are given to all stacks: `--pattern` must not change the name of a stack from one batch to the next.
    every = found if settings.pattern is None else stacks_below(source, outdir, None, recursive=settings.recursive)
    items = {item.input: item for item in plan(dict.fromkeys([*every, *found]), taken)}
    own = shard_of([items[name] for name in found], settings.shard)
    if ALL not in (settings.channel, settings.time):
        return own
    named = Taken({item.input: item.output for item in items.values()})
    return [part for item in own for part in parts_of(item, source, settings, named)]


def parts_of(item: Item, source: Path, settings: BatchSettings, named: Taken) -> list[Item]:
    """Return an item for each channel and time point of a stack; the stack as it is where its header cannot be read.

    `named` are the names of all stacks: `a_c1.tif` keeps its own, and channel 1 of `a.tif` gives way with a mark.
    """
    try:
        chosen = chosen_in(open_file(source / item.input), settings.channel, settings.time)
    except (NeuroreconError, OSError):
        return [item]  # it fails with the reason when its turn comes
    parts = []
    for one in chosen:
        output = marked(PurePosixPath(item.output), one.marks)
        key = key_of("\n".join([item.input, *one.marks]))
        if named.meets(output.as_posix().removesuffix(".swc")):
            output = output.with_name(f"{output.name.removesuffix('.swc')}~{key[:8]}.swc")
        parts.append(Item(item.input, output.as_posix(), key=key, channel=one.channel, time=one.time, marks=one.marks))
    return parts


def stacks_below(
    source: Path, outdir: Path, pattern: str | None, *, recursive: bool, note: Note | None = None
) -> list[str]:
    """Return the stacks below `source` as relative paths, without what lies in `outdir`; see `find_stacks`."""
    found = find_stacks(source, pattern=pattern, recursive=recursive, note=note)
    own, above = outdir.resolve(), source.resolve()
    names = [path.relative_to(source).as_posix() for path in found]
    if own == above:
        return names
    # Only a link can lead to a place that its path does not show: the others need not be asked of the disk.
    inside = f"{own.relative_to(above).as_posix()}/" if own.is_relative_to(above) else None
    return [
        name
        for path, name in zip(found, names, strict=True)
        if not (inside is not None and f"{name}/".startswith(inside))
        and not (os.path.islink(path) and path.resolve().is_relative_to(own))
    ]
