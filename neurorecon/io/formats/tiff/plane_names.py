"""The planes of a folder by their names: the number that counts planes, and those of channels, positions, times.

Every maker of microscopes has its own dialect (Olympus `s_C001Z001`, Zeiss `_z01c1`, Micro-Manager `img_000000000_DAPI_000`,
ThorImage `ChanA_0001_0001_0001_0001`, Opera `r01c01f01p01-ch1sk1fk1fl1`, Yokogawa `T0001F001L01A01Z01C01`). None is asked
for by name: numbers and words are compared over all files, so that series that only look like one never become one.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from neurorecon.core.errors import InputError
from neurorecon.core.findings import StackFinding
from neurorecon.io.sorting import natural_key

__all__ = ["PlaneOrder", "joined_times", "order_planes", "order_times"]

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)  # MetaXpress
PLAIN = (
    r"(?:\d+[.,]\d+(?=\s*(?:um|\u00b5m|\u03bcm|mm|nm)\b)|\d+)"  # z_0.5um is one number, with a decimal comma as well
)
NUMBER = re.compile(PLAIN)
SIGN = r"(?<=[zZ_ =])[-+](?=\d)"  # of a place above or below the middle: z-5, z_+2.5um
SIGNED, SIGNED_NUMBER = re.compile(SIGN), re.compile(f"(?:{SIGN})?{PLAIN}")
WORD_BEFORE = re.compile(r"([A-Za-z]+)[\s_\-=:.]*$")
# Files that programs put beside the planes of a series: projections (ImageJ), thumbnails (MetaXpress, ThorImage), copies.
BESIDE = re.compile(
    r"^(max|min|avg|sum|std|med)_|(^|[_\-. ])(thumb|thumbnail|preview|projection|mip|overview)([_\-. \d]|$)"
    r"|^copy of | - copy|[_\-. ]copy( \d+)?$",
    re.IGNORECASE,
)
Z_WORDS = frozenset({"z", "zpos", "zstep", "zslice", "zplane"})
C_WORDS = frozenset(
    {"c", "ch", "chan", "channel", "w", "wv", "wave", "wavelength", "ex", "em", "lambda", "laser", "cam", "camera"}
)
T_WORDS = frozenset({"t", "time", "timepoint", "tp"})
# Facts of the format, or limits set by hand; not tuned.
FEW = 4  # names of another kind are left out where they are a quarter of the series at most; more are another series
STRANGERS = 2  # times all names of other kinds together are the series at least: else it may be planes in hexadecimal
REGULAR = 0.5  # of the steps from plane to plane are the commonest one: else the numbers do not count planes
STEP_SLACK = 0.01  # of a step: distances with decimals are rounded
SHOWN = 5  # names in a message
FEW_TURNS, RUN = 3, 3  # places where another number changes, and planes between them: of a second stack, no time stamp

Key = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PlaneOrder:
    """The series of planes in a folder.

    Attributes:
        series: the files of each series in the order of their planes, by the name of the series ("" for a single one).
        channels: the series are channels by their names; else they may be channels, positions or anything else.
        findings: files that are left out, and planes that are missing.
        later: of a time series the same series at the second time point, the third and so on.
    """

    series: Mapping[str, tuple[Path, ...]]
    channels: bool = True
    findings: tuple[StackFinding, ...] = ()
    later: tuple[Mapping[str, tuple[Path, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Name:
    """A file name: its words with "#" for each number, in lower case, and the numbers."""

    path: Path
    words: str
    texts: tuple[str, ...]
    before: tuple[str, ...]
    numbers: Key


def order_planes(folder: Path, files: Sequence[Path]) -> PlaneOrder:
    """Return the series that single-plane files make up.

    Raises:
        InputError: if they are frames of a time series, series of unequal length, or no series at all.
    """
    findings: list[StackFinding] = []
    names = _parsed(files)
    kept = [name for name in names if not BESIDE.search(name.path.stem)]
    kept = kept if len(kept) > 1 else names
    groups = _by_words(folder, kept)
    dropped = {name.path for name in names} - {name.path for group in groups for name in group}
    if len(files) < 2:
        return PlaneOrder({"": tuple(files)})
    if all(len(group) == 1 for group in groups):
        return PlaneOrder({"": tuple(files)}, findings=_unnumbered(files))
    series: dict[str, list[tuple[float, _Name]]] = {}
    channels = len(groups) == 1
    for group, word in zip(groups, _differing(groups), strict=True):
        found, by_channel, twins = _by_numbers(folder, group)
        dropped |= twins
        channels = channels and by_channel
        for label, planes in found.items():
            series[" ".join(filter(None, (word, label)))] = planes
    if dropped:
        findings.append(_left_out(dropped))
    _check_equal(folder, series, channels=channels)
    findings += [*_gaps(next(iter(series.values()))), *_changes(next(iter(series.values())))]
    ordered = {label: tuple(name.path for _, name in planes) for label, planes in series.items()}
    return PlaneOrder(ordered if len(ordered) > 1 else {"": next(iter(ordered.values()))}, channels, tuple(findings))


def order_times(folder: Path, files: Sequence[Path]) -> PlaneOrder | None:
    """Return the series of planes at each time point, None where no number in the names counts time beside one of planes.

    Raises:
        InputError: if the time points are unequal, or the files of one make up no series.
    """
    names = _parsed([path for path in files if not BESIDE.search(path.stem)])
    groups: defaultdict[str, list[_Name]] = defaultdict(list)
    for name in names:
        groups[name.words].append(name)
    times: defaultdict[float, list[Path]] = defaultdict(list)
    for group in groups.values():
        varying = [k for k in range(len(group[0].numbers)) if len({name.numbers[k] for name in group}) > 1]
        counting = [k for k in varying if _role(group[0], k) == "t"]
        if len(counting) != 1:
            return None
        for name in group:
            times[name.numbers[counting[0]]].append(name.path)
    if len(times) < 2 or min(map(len, times.values())) < 2:
        return None
    orders = [order_planes(folder, times[time]) for time in sorted(times)]
    if any(len(planes) < 2 for order in orders for planes in order.series.values()):
        return None
    return joined_times(folder, orders)


def joined_times(folder: Path, orders: Sequence[PlaneOrder]) -> PlaneOrder:
    """Return the series of one time point after the other.

    Raises:
        InputError: if they differ in their series, or in the number of planes.
    """
    first, *later = orders
    for time, order in enumerate(later, start=1):
        here, there = ({name: len(planes) for name, planes in o.series.items()} for o in (order, first))
        if here != there:
            count, usual = sum(here.values()), sum(there.values())
            what = f"is a time series whose time point {time} has {count} planes, the first one {usual}"
            raise InputError(
                f"{folder}: {what}, or other channels; keep those that are complete, or copy what is missing"
            )
    findings = tuple(dict.fromkeys(finding for order in orders for finding in order.findings))
    return PlaneOrder(first.series, first.channels, findings, tuple(order.series for order in later))


def _parsed(files: Sequence[Path]) -> list[_Name]:
    """Return the names of files; a minus sign is one where not all names have it, else it parts words."""
    stems = [GUID.sub("", re.sub(r"\.ome$", "", path.stem, flags=re.IGNORECASE)) for path in files]
    signs = {tuple(SIGNED.findall(stem)) for stem in stems}
    number = SIGNED_NUMBER if len(signs) > 1 else NUMBER
    return [_name(path, stem, number) for path, stem in zip(files, stems, strict=True)]


def _name(path: Path, stem: str, number: re.Pattern[str]) -> _Name:
    texts = tuple(number.findall(stem))
    plain = [text.replace(",", ".") for text in texts]
    numbers = tuple(float(text) if "." in text else int(text) for text in plain)
    return _Name(path, number.sub("#", stem).casefold(), texts, tuple(number.split(stem)), numbers)


def _by_words(folder: Path, names: Sequence[_Name]) -> list[list[_Name]]:
    """Return the groups of names that differ in numbers alone, without kinds of which there are only a few.

    Raises:
        InputError: if there are several kinds, unequal in number, and none is a mere handful.
    """
    found: defaultdict[str, list[_Name]] = defaultdict(list)
    for name in names:
        found[name.words].append(name)
    most = max(map(len, found.values()))
    groups = sorted((g for g in found.values() if len(g) * FEW > most), key=lambda g: natural_key(g[0].path.name))
    if most > 1 and len({len(group) for group in groups}) > 1:
        listed = ", ".join(f"{len(group)} like {group[0].path.name}" for group in groups[:SHOWN])
        what = f"its series of planes have unequal numbers of planes by their names ({listed})"
        raise InputError(f"{folder}: {what}; keep one series in the folder")
    left = sorted((g[0].path.name for g in found.values() if g not in groups), key=natural_key)
    if most > 1 and (len(names) - sum(map(len, groups))) * STRANGERS > most:
        what = (
            f"{len(groups[0])} planes are like {groups[0][0].path.name}, but many are not ({', '.join(left[:SHOWN])})"
        )
        raise InputError(
            f"{folder}: by its file names {what}; number the planes of one stack from 1, with digits alone"
        )
    return groups


def _differing(groups: Sequence[Sequence[_Name]]) -> list[str]:
    """Return the word that distinguishes each group from the others, "" for a single one."""
    if len(groups) == 1:
        return [""]
    words = [re.split(r"([^A-Za-z0-9#.+]+)", NUMBER.sub("#", group[0].path.stem)) for group in groups]
    if len({len(parts) for parts in words}) > 1:
        return [group[0].path.stem for group in groups]
    differ = [k for k in range(len(words[0])) if len({parts[k].casefold() for parts in words}) > 1]
    named = [" ".join(parts[k].strip("#") or parts[k] for k in differ) for parts in words]
    return named if len(set(named)) == len(named) else [group[0].path.stem for group in groups]


def _role(name: _Name, k: int) -> str:
    """Return the meaning of number `k` of a name by the word before it: "z", "c", "t", or "" if it has none."""
    if re.match(r"nm\b|nm_", name.before[k + 1], re.IGNORECASE):
        return "c"
    match = WORD_BEFORE.search(name.before[k])
    if match is None:
        return ""
    word = match.group(1)
    camel = re.search(r"[a-z]([A-Z][a-z]*)$", word)  # cellZ001, imageC1
    for text in (word, camel.group(1) if camel else word):
        low = text.casefold()
        for role, words in (("z", Z_WORDS), ("c", C_WORDS), ("t", T_WORDS)):
            if low in words:
                return role
    low = word.casefold()
    return "z" if low.endswith("z") else "c" if low.endswith(("ch", "chan", "channel")) else ""


def _by_numbers(folder: Path, names: Sequence[_Name]) -> tuple[dict[str, list[tuple[float, _Name]]], bool, set[Path]]:
    """Return the series in names of one kind, whether they are channels, and files that repeat another's numbers.

    Raises:
        InputError: if they are frames of a time series.
    """
    own: dict[Key, _Name] = {}
    twins = {name.path for name in names if own.setdefault(name.numbers, name) is not name}
    names, every = list(own.values()), len(names)
    first = names[0]
    varying = [k for k in range(len(first.numbers)) if len({name.numbers[k] for name in names}) > 1]
    roles = {k: _role(first, k) for k in varying}
    _check_wells(first, varying, roles)
    fixed = [k for k in varying if roles[k] in ("c", "t")]
    free = [k for k in varying if k not in fixed]
    if not free:  # the one number in the names only looks like a channel
        _check_time(folder, names, [k for k in varying if roles[k] == "t"])
        free, fixed = varying[-1:], varying[:-1]
    if not free:
        return {"": [(0, first)]}, True, twins
    _check_time(folder, names, [k for k in fixed if roles[k] == "t"])
    z = _plane_number(names, free, fixed, roles)
    keys = _needed(names, z, fixed, [k for k in free if k != z])
    found: defaultdict[Key, dict[float, _Name]] = defaultdict(dict)
    for name in names:
        planes = found[tuple(name.numbers[k] for k in keys)]
        if planes.setdefault(name.numbers[z], name) is not name:
            twins.add(name.path)
    if len(twins) * FEW > every and len(names) > every - len(twins):
        raise InputError(
            f"{folder}: its file names do not say which plane is which ({first.path.name}, {names[1].path.name}); "
            "number the planes of one stack from 1"
        )
    labels = {key: _label(next(iter(planes.values())), keys, roles) for key, planes in found.items()}
    series = {labels[key]: sorted(planes.items(), key=lambda item: item[0]) for key, planes in sorted(found.items())}
    return series, all(roles[k] == "c" for k in keys), twins


def _check_wells(name: _Name, varying: Sequence[int], roles: dict[int, str]) -> None:
    """Take a `c` beside a `ch` for a column of wells, as Opera writes it."""
    words = {k: match.group(1).casefold() for k in varying if (match := WORD_BEFORE.search(name.before[k]))}
    if re.search(r"ch\d", name.path.stem, re.IGNORECASE):
        roles.update({k: "" for k, word in words.items() if word == "c"})


def _check_time(folder: Path, names: Sequence[_Name], where: Sequence[int]) -> None:
    for k in where:
        frames = len({name.numbers[k] for name in names})
        if frames > 1:
            what = f"is by its file names a time series of {frames} frames"
            raise InputError(f"{folder}: {what}; give a folder of one time point")


def _plane_number(names: Sequence[_Name], free: Sequence[int], fixed: Sequence[int], roles: Mapping[int, str]) -> int:
    """Return the number that counts the planes: the one called z; else one that differs in all planes; else the last."""
    called = [k for k in free if roles[k] == "z"]
    if called:
        return max(called, key=lambda k: len({name.numbers[k] for name in names}))
    alone = [k for k in free if _unique(names, [*fixed, k])]
    if alone:
        return max(alone, key=lambda k: (_evenness([name.numbers[k] for name in names]), k))
    return max(free, key=lambda k: (len({name.numbers[k] for name in names}), k))


def _unique(names: Sequence[_Name], where: Sequence[int]) -> bool:
    return len({tuple(name.numbers[k] for k in where) for name in names}) == len(names)


def _evenness(values: Sequence[float]) -> float:
    """Return the share of the commonest step between sorted numbers."""
    ordered = sorted(set(values))
    steps = Counter(round(b - a, 6) for a, b in pairwise(ordered))
    return max(steps.values(), default=0) / max(1, len(values) - 1)


def _needed(names: Sequence[_Name], z: int, fixed: Sequence[int], others: Sequence[int]) -> list[int]:
    """Return the numbers that distinguish series: channels, and others as far as planes have one number without them."""
    keys = list(fixed)
    for k in sorted(others, key=lambda k: len({name.numbers[k] for name in names})):
        if _unique(names, [*keys, z]):
            break
        before = len({tuple(name.numbers[j] for j in [*keys, z]) for name in names})
        if len({tuple(name.numbers[j] for j in [*keys, k, z]) for name in names}) > before:
            keys.append(k)
    return sorted(keys)


def _label(name: _Name, keys: Sequence[int], roles: Mapping[int, str]) -> str:
    """Return a name for a series: the words and numbers that distinguish it from the others."""
    parts = []
    for k in keys:
        match = WORD_BEFORE.search(name.before[k])
        parts.append((match.group(1) if match else "") + name.texts[k])
    return " ".join(parts)


def _check_equal(folder: Path, series: Mapping[str, Sequence[tuple[float, _Name]]], *, channels: bool) -> None:
    """Raise InputError unless all series have the same planes."""
    counts = {len(planes) for planes in series.values()}
    if len(counts) > 1:
        kind = "channels" if channels else "series of planes"
        listed = ", ".join(f"{len(planes)} of {label}" for label, planes in series.items())
        way_out = "keep one of them in the folder, or copy what is missing"
        raise InputError(f"{folder}: its {kind} have unequal numbers of planes ({listed}); {way_out}")


def _left_out(paths: set[Path]) -> StackFinding:
    listed = sorted((path.name for path in paths), key=natural_key)
    text = ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
    return StackFinding(
        "left-out-files",
        "warning",
        f"left out {text}: the names do not fit the series of planes",
        "move them elsewhere",
    )


def _unnumbered(files: Sequence[Path]) -> tuple[StackFinding, ...]:
    text = f"no number in the names counts the planes ({files[0].name}, {files[1].name}); they stand in natural order"
    return (StackFinding("unnumbered-planes", "warning", text, "number the planes from 1"),)


def _gaps(planes: Sequence[tuple[float, _Name]]) -> list[StackFinding]:
    """Return a finding on the numbers that are missing in a series that counts evenly."""
    numbers = [number for number, _ in planes]
    steps = Counter(round(b - a, 6) for a, b in pairwise(numbers))
    if not steps:
        return []
    usual = min(step for step, count in steps.items() if count == max(steps.values()))
    if steps[usual] < REGULAR * (len(numbers) - 1):
        return []
    found, missing = [], 0
    for (a, before), (b, after) in pairwise(planes):
        if b - a > usual * (1 + STEP_SLACK):
            count = max(1, round((b - a) / usual) - 1)
            missing += count
            first = next((k for k, n in enumerate(before.numbers) if n == a and after.numbers[k] == b), 0)
            wide = len(before.texts[first])
            low, high = (f"{n:0{wide}d}" if isinstance(n, int) else f"{n:g}" for n in (a + usual, b - usual))
            what = low if count == 1 else f"{low} to {high}"
            found.append(f"{what} between {before.path.name} and {after.path.name}")
    if not found:
        return _late_start(planes, usual)
    text = f"{'a plane is' if missing == 1 else f'{missing} planes are'} missing by their numbers: {', '.join(found[:SHOWN])}"
    text += f" and in {len(found) - SHOWN} more places" if len(found) > SHOWN else ""
    way_out = "what lies behind a gap is traced too high: copy the planes, or number them anew if there never were any"
    return [StackFinding("missing-planes", "warning", text, way_out)]


def _changes(planes: Sequence[tuple[float, _Name]]) -> list[StackFinding]:
    """Return a finding if a number behind a word, other than that of the plane, changes once or twice in the series."""
    names = [name for _, name in planes]
    for k in range(len(names[0].numbers)):
        values = [name.numbers[k] for name in names]
        turns = [z for z in range(1, len(values)) if values[z] != values[z - 1]]
        if not 1 <= len(turns) <= FEW_TURNS or len(set(values)) != len(turns) + 1:
            continue
        shortest = min(b - a for a, b in pairwise([0, *turns, len(values)]))
        if shortest >= RUN and WORD_BEFORE.search(names[0].before[k]):
            before, after = (names[turns[0] + step].path.name for step in (-1, 0))
            text = f"the planes are numbered on from {before} to {after}: two stacks, or one in two parts?"
            return [StackFinding("series-change", "warning", text, "keep one of them in the folder, if there are two")]
    return []


def _late_start(planes: Sequence[tuple[float, _Name]], usual: float) -> list[StackFinding]:
    """Return a finding if whole numbers start above the first step: planes before them may be missing."""
    first, name = planes[0]
    if not isinstance(first, int) or first <= usual:
        return []
    text = f"the planes are numbered from {first} on ({name.path.name}): earlier ones are not in the folder, if there were any"
    return [StackFinding("planes-start-late", "note", text)]
