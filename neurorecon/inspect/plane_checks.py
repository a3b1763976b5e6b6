"""Checks from plane to plane: repeated, blank, of another brightness, of several channels in turn, or shifted sideways."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.shifts import FIELD, line_step, middle, shift_of

__all__ = [
    "check_blank",
    "check_flicker",
    "check_order",
    "check_pairs",
    "check_periods",
    "check_repeats",
    "check_shifts",
    "noisy",
]

# Set by hand; not tuned, unless a line says more.
LEAST_PLANES = 8  # fewer tell no period and no usual brightness
PERIODS = (2, 3, 4)  # channels that a file may hold in turn
ALIKE, BETTER = 0.2, 0.1  # correlation that planes a period apart have at least, and by which it beats nearer planes
AROUND = 3  # planes on either side that tell the usual brightness
JUMP, JUMP_MADS = 0.3, 8.0  # share of the brightness, and of its usual spread, by which a plane differs that flickers
JUMP_RANGE = 0.02  # of all grey values: less is a flicker between a few of the lowest
EMPTY = 0.5  # share of the lowest value from which planes without anything are usual
FILLED = 0.01  # of a plane above its lowest value, from which two planes are not alike by chance
HELD, APPENDED = (
    0.1,
    0.4,
)  # share of a plane that holds something, and of the planes: a stack twice in a row has one half
COPIES = 2  # copies of planes with noise
TURNS, FEWEST_LIT = (
    0.2,
    1000,
)  # of the pixels are above or below both neighbours in a row (of noise 0.67), and how many tell it
NOISE_PLANES = 16  # from which noise is told, at least
SHOWN = 5  # planes in a message
SHIFTED = 3  # pixels from plane to plane; in 5 of 5 real stacks that were looked at it is 0 in every pair of planes
PAIRS = 12  # pairs of neighbours that are compared
LIKE = 0.2  # correlation of two neighbours at their best shift, below which they are ignored
SAME_SHIFT = 0.75  # of the pairs have the usual shift, give or take a pixel: drift and jumps differ from pair to pair
# pixels by which every second line lies aside: in 34 real stacks and 24 made from projections 0.24 at most
ASIDE = 0.6
FARTHEST = 32  # pixels: a stage or a beating heart moves no further; two neurites may be as alike as that
JUMPING = 0.25  # of the pairs: fewer are knocks on the table, or a neurite that is all there is
NEAR_PLANES = 2  # from a plane, within which another one as like it as any is expected
# Of planes exchanged by pairs, how many show it: 0.93 of 16 stacks at least, 0.28 of 33 public ones and 15 made ones at most
EXCHANGED, FEWEST_PAIRS = 0.75, 5
ORDERED, REORDERED = 0.4, 0.5  # correlation of planes that belong together, and share of planes that do elsewhere


def check_repeats(seen: Glimpse) -> Iterator[StackFinding]:
    """Say which planes are earlier ones once more: copies, a stack that was appended to itself, or one taken there and back."""
    found = [_repeats(part) for part in seen.parts]
    near, far = (_in_all([one[kind] for one in found]) for kind in (0, 1))
    for repeats, which in ((near, "the plane before"), (far, "an earlier plane")):
        if repeats:
            text = f"{_listed(repeats)} to the voxel as {which}"
            way_out = "leave out the copies, and give the voxel size of what is left"
            yield StackFinding("repeated-planes", "warning", text, way_out)


def _repeats(part: Planes) -> tuple[set[int], set[int]]:
    """Return the planes that equal the one before, and those that equal one further up; blank ones apart.

    Of the latter there have to be many, of planes that hold much: a drawing without noise may be the same above and below.
    """
    rows = part.thin
    held = (rows != part.low[:, None, None]).mean((1, 2))
    filled = held >= FILLED
    earlier: dict[int, list[int]] = {}
    near: set[int] = set()
    far: set[int] = set()
    for z in np.flatnonzero(filled).tolist():
        alike = earlier.setdefault(hash(rows[z].tobytes()), [])
        twin = next((k for k in reversed(alike) if np.array_equal(part.data[k], part.data[z])), None)
        if twin is not None:
            (near if twin == z - 1 else far).add(z + part.first[0])
        alike.append(z)
    much = {z for z in far if held[z - part.first[0]] >= HELD}
    if len(much) >= COPIES and noisy(rows):
        return near, much
    return near, much if len(much) >= APPENDED * np.count_nonzero(filled) else set()


def noisy(rows: NDArray[Any]) -> bool:
    """Tell whether pixels (n, y, x) rise and fall by noise: then nothing is alike to the voxel by chance."""
    rows = rows[:: max(1, len(rows) // NOISE_PLANES)]
    lit = rows != rows.min()
    inner = lit[..., 2:] & lit[..., 1:-1] & lit[..., :-2]
    before, here, after = rows[..., :-2], rows[..., 1:-1], rows[..., 2:]
    turns = ((here > before) & (here > after)) | ((here < before) & (here < after))
    count = np.count_nonzero(inner)
    return bool(count >= FEWEST_LIT and np.count_nonzero(turns & inner) > TURNS * count)


def check_blank(seen: Glimpse) -> Iterator[StackFinding]:
    """Say which planes hold one value, between others that hold more."""
    first, count = seen.parts[0].first[0], len(seen.parts[0].data)
    blank = _in_all([set((np.flatnonzero(p.low == p.high) + p.first[0]).tolist()) for p in seen.parts])
    filled = sorted(set(range(first, first + count)) - set(blank))
    if not filled and seen.low == seen.high:
        yield StackFinding("blank-planes", "note", f"every voxel has the value {seen.low:g}: there is nothing to trace")
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
    part = seen.liveliest
    if len(part.data) < LEAST_PLANES or _exchanged(part) is not None:
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
        & (np.abs(off) > (0 if part.data.dtype.kind == "f" else 1))  # of photons that are counted one is the usual step
    )
    if len(odd):
        text = f"{_listed((odd + part.first[0]).tolist())} much brighter or darker than the planes around"
        yield StackFinding(
            "flickering-planes", "warning", text, "leave such planes out, or bring them to one brightness"
        )


def check_shifts(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that planes lie sideways of one another: a slanted light sheet, or planes that jump; or every second line does.

    A neurite goes its own way; all of a picture shifts only where the planes were taken, or put together, like that. The step
    is the place of the largest correlation of two neighbours.
    """
    part = seen.liveliest
    if len(part.data) < LEAST_PLANES or any(
        check_periods(seen)
    ):  # channels in turn lie on one another, but are not alike
        return
    starts = np.unique(np.linspace(0, len(part.data) - 2, PAIRS).astype(int))
    pairs = [(middle(part.data[z]), middle(part.data[z + 1])) for z in starts]
    found = [shift_of(*pair) for pair in pairs]
    steps = np.array([step for step, alike, _ in found if alike >= LIKE])
    gains = np.array([alike - still for _, alike, still in found if alike >= LIKE])
    if len(steps) * 2 >= len(found):
        yield from _said_shifts(steps, gains)
    step = line_step([plane for plane, _ in pairs if len(plane) >= FIELD[0] // 8])
    if step is not None and abs(step) >= ASIDE:
        pixels = "1 pixel" if f"{abs(step):.2g}" == "1" else f"{abs(step):.2g} pixels"
        text = f"every second line lies {pixels} aside, as in an uncorrected bidirectional scan"
        way_out = "correct the phase of the scan first: a neurite is traced twice, side by side"
        yield StackFinding("shifted-lines", "warning", text, way_out)


def _said_shifts(steps: NDArray[Any], gains: NDArray[Any]) -> Iterator[StackFinding]:
    """Return a finding if steps (n, 2) of pixels (y, x) from plane to plane are all equal and large, or if some are large.

    `gains` (n,) is the increase of the correlation of two planes by the step.
    """
    usual = np.median(steps, axis=0)
    same = (np.abs(steps - usual) <= 1).all(1).mean()
    if np.abs(usual).max() >= SHIFTED and same >= SAME_SHIFT:
        listed = " and ".join(f"{abs(n):g} pixels along {axis}" for n, axis in zip(usual, "yx", strict=True) if n)
        text = f"each plane lies {listed} from the one before, as in a stack of a slanted light sheet"
        way_out = (
            "deskew it (shear it by that step, interpolating between planes) first: a neurite is traced several times"
        )
        yield StackFinding("shifted-planes", "warning", text, way_out)
        return
    far = np.abs(steps).max(1)
    jumps = (far >= SHIFTED) & (far <= FARTHEST) & (gains >= BETTER)
    if jumps.mean() >= JUMPING:
        text = f"planes jump sideways, by {int(far[jumps].max())} pixels at most, from one to the next"
        yield StackFinding(
            "shifted-planes", "warning", text, "align them first (Fiji: StackReg, Linear Stack Alignment)"
        )


def check_order(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that planes are more like planes further away than like their neighbours: they stand in another order."""
    part = seen.liveliest
    if len(part.data) < LEAST_PLANES:
        return
    thumbs = part.thumbs()
    alike = thumbs @ thumbs.T
    z = np.arange(len(thumbs))
    apart = np.abs(z[:, None] - z)
    nearby = np.where((apart > 0) & (apart <= NEAR_PLANES), alike, -1).max(1)
    away = np.where(apart > max(PERIODS), alike, -1).max(1)
    if ((away > ORDERED) & (away > nearby + BETTER)).mean() > REORDERED:
        text = "planes are more like others far from them than like their neighbours: are they in order?"
        yield StackFinding(
            "planes-out-of-order", "warning", text, "sort them by their number or place, and save them again"
        )


def check_pairs(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that planes stand exchanged by pairs, 1, 0, 3, 2 and so on.

    Then planes k and k + 3 are neighbours, and k + 1 and k + 2 are three apart: k is every second plane, from 0 or from 1.
    """
    k = _exchanged(seen.liveliest)
    if k is not None and not any(check_order(seen)):
        text = (
            f"planes are exchanged by pairs: plane {k} is more like the 3rd one behind it than those between are alike"
        )
        way_out = "exchange them again (numpy: stack[order] with the order 1, 0, 3, 2 ...), or export the stack again"
        yield StackFinding("planes-out-of-order", "warning", text, way_out)


def _exchanged(part: Planes) -> int | None:
    """Return the first of the planes that are exchanged by pairs, None if they are not.

    Of channels in turn the planes from 0 and those from 1 look the same; of exchanged ones only half of them are odd.
    """
    if len(part.data) < LEAST_PLANES:
        return None
    thumbs = part.thumbs()
    held = (thumbs != 0).any(1)
    shares, firsts = [], []
    for start in (0, 1):
        k = np.arange(start, len(thumbs) - 3, 2)
        k = k[held[k] & held[k + 1] & held[k + 2] & held[k + 3]]
        if len(k) < FEWEST_PAIRS:
            return None
        outer, inner = ((thumbs[k + a] * thumbs[k + b]).sum(1) for a, b in ((0, 3), (1, 2)))
        shares.append(np.count_nonzero(outer > inner) / len(k))
        firsts.append(int(k[0]) + part.first[0])
    place = int(np.argmax(shares))
    return firsts[place] if shares[place] >= EXCHANGED and shares[1 - place] <= 1 - EXCHANGED else None
