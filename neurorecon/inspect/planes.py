"""Checks from plane to plane: repeated, blank, of another brightness, or of several channels in turn."""

from collections.abc import Iterator, Sequence

import numpy as np

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes

__all__ = ["check_blank", "check_flicker", "check_periods", "check_repeats"]

LEAST_PLANES = 8  # fewer tell no period and no usual brightness
PERIODS = (2, 3, 4)  # channels that a file may hold in turn
ALIKE, BETTER = 0.2, 0.1  # correlation that planes a period apart have at least, and by which it beats nearer planes
AROUND = 3  # planes on either side that tell the usual brightness
JUMP, JUMP_MADS = 0.3, 8.0  # share of the brightness, and of its usual spread, by which a plane differs that flickers
JUMP_RANGE = 0.02  # of all grey values: less is a flicker between a few of the lowest
EMPTY = 0.5  # share of the lowest value from which planes without anything are usual
FILLED = 0.01  # of a plane above its lowest value, from which two planes are not alike by chance
SHOWN = 5  # planes in a message


def check_repeats(seen: Glimpse) -> Iterator[StackFinding]:
    """Say which planes are those before them once more."""
    repeats = _in_all([_repeats(part) for part in seen.parts])
    if repeats:
        text = f"{_listed(repeats)} to the voxel as the plane before"
        way_out = "leave out the copies, and give the voxel size of what is left"
        yield StackFinding("repeated-planes", "warning", text, way_out)


def _repeats(part: Planes) -> set[int]:
    """Return the planes that equal the one before, blank ones apart."""
    same = (part.low[1:] == part.low[:-1]) & (part.high[1:] == part.high[:-1])
    rows = part.thin
    filled = (rows[1:] != part.low[1:, None, None]).mean((1, 2)) >= FILLED
    near = [z + 1 for z in np.flatnonzero(same & filled) if np.array_equal(rows[z], rows[z + 1])]
    return {int(z) + part.first[0] for z in near if np.array_equal(part.data[z], part.data[z - 1])}


def check_blank(seen: Glimpse) -> Iterator[StackFinding]:
    """Say which planes hold one value, between others that hold more."""
    first, count = seen.parts[0].first[0], len(seen.parts[0].data)
    blank = _in_all([set((np.flatnonzero(p.low == p.high) + p.first[0]).tolist()) for p in seen.parts])
    filled = sorted(set(range(first, first + count)) - set(blank))
    if not blank or not filled:
        return
    inner = [z for z in blank if filled[0] < z < filled[-1]]
    if inner and seen.share(seen.low) < EMPTY:
        text = f"{_listed(inner)} of one value, between planes that are not"
        yield StackFinding("blank-planes", "warning", text, "copy or export the stack again")
    else:
        yield StackFinding("blank-planes", "note", f"{_listed(blank)} of one value")


def _in_all(found: Sequence[set[int]]) -> list[int]:
    """Return the planes that are in all of the sets."""
    return sorted(set.intersection(*found))


def _listed(planes: Sequence[int]) -> str:
    """Return "planes 3 to 5 and 9 are" for the numbers of planes."""
    groups = np.split(np.asarray(planes), np.flatnonzero(np.diff(planes) > 1) + 1)
    parts = [str(g[0]) if len(g) == 1 else f"{g[0]} to {g[-1]}" for g in groups]
    more = f" and {len(parts) - SHOWN} more places" if len(parts) > SHOWN else ""
    return f"plane {parts[0]} is" if len(planes) == 1 else f"planes {', '.join(parts[:SHOWN])}{more} are"


def check_periods(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that planes are more like the second or third one from them than like the next: channels in turn."""
    part = max(seen.parts, key=lambda part: float(part.thin.std(dtype=np.float64)))
    if len(part.data) < LEAST_PLANES:
        return
    thumbs = part.thumbs()
    alike = {k: float(np.median((thumbs[k:] * thumbs[:-k]).sum(1))) for k in range(1, max(PERIODS) + 1)}
    means = part.thin.mean((1, 2), dtype=np.float64)
    steps = {k: float(np.median(np.abs(means[k:] - means[:-k]))) for k in alike}
    for k in PERIODS:
        nearer = [j for j in alike if j < k]
        better = alike[k] > ALIKE and alike[k] > max(alike[j] for j in nearer) + BETTER
        level = abs(float(means.mean())) or 1.0
        steadier = min(steps[j] for j in nearer) > max(5 * steps[k], 0.1 * level)
        if better or steadier:
            text = f"each plane is like the {k}th from it, not like its neighbours: {k} channels or frames in turn?"
            yield StackFinding("planes-in-turn", "warning", text.replace("2th", "2nd").replace("3th", "3rd"), WAY_OUT)
            return


WAY_OUT = "split them (Fiji: Image > Hyperstacks > Stack to Hyperstack), and give one channel"


def check_flicker(seen: Glimpse) -> Iterator[StackFinding]:
    """Say which planes are much brighter or darker than those around them."""
    part = seen.parts[0]
    if len(part.data) < LEAST_PLANES:
        return
    level = np.median(part.thin, axis=(1, 2)).astype(np.float64)  # the background
    level[part.low == part.high] = np.nan  # blank ones are said as such
    near = [np.delete(level[max(0, z - AROUND) : z + AROUND + 1], min(z, AROUND)) for z in range(len(level))]
    usual = np.array([np.nanmedian(values) if np.isfinite(values).any() else np.nan for values in near])
    off = level - usual
    if not np.isfinite(off).any():
        return
    spread = float(np.nanmedian(np.abs(off)))
    odd = np.flatnonzero(
        (usual != 0)
        & (np.abs(off) > JUMP * np.abs(usual))
        & (np.abs(off) > JUMP_MADS * spread)
        & (np.abs(off) > JUMP_RANGE * (seen.high - seen.low))
    )
    if len(odd):
        text = f"{_listed((odd + part.first[0]).tolist())} much brighter or darker than the planes around"
        yield StackFinding(
            "flickering-planes", "warning", text, "leave such planes out, or bring them to one brightness"
        )
