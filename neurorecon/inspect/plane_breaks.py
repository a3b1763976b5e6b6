"""Checks for a stack whose picture breaks between two planes, or never changes: turned, moved, appended or repeated planes.

Neighbours show nearly the same. Where two are far less alike than the pairs around, and a simple change explains it (the
one is turned or mirrored, lies aside, or goes on with a plane from elsewhere), the planes were put together like that. Without
such a reason nothing is said: a sparse neurite may end from one plane to the next.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.core.padding import padding_of
from neurorecon.inspect.exchanged_halves import check_halves
from neurorecon.inspect.glimpse import Glimpse, Planes, unit_rows
from neurorecon.inspect.plane_checks import (
    FARTHEST,
    LEAST_PLANES,
    SHIFTED,
    check_order,
    check_periods,
    check_shifts,
    noisy,
)
from neurorecon.inspect.shifts import middle, shift_of

__all__ = ["check_breaks", "check_change", "check_projection"]

Float = NDArray[np.float32]

# Chosen on 23 real stacks and 3 of them with turned, moved and appended planes, unless a line says more.
AROUND = 3  # pairs on either side that tell how alike neighbours are
ALIKE, DIP = 0.5, 0.1  # correlation of the pairs around, at least, and by how much a break falls below it
REGAINED = 0.7  # of the dip that the reason for a break takes away
MOST_BREAKS = 12  # that are looked into, the deepest first
# correlation around a break, or its depth, from which planes elsewhere are compared; and turned ones of a stack without noise
CLEAR, DEEP = 0.8, 0.3
SEQUEL = 0.9  # of the dip is gone where two planes in a row go on as elsewhere
# places, and their share, where single planes belong elsewhere: names sorted as text have 0.16
FEWEST_LONE, LONE = 3, 0.06
HELD = 0.001  # of a plane above its lowest value: less is a speck, and two specks are unlike
DRIFTS = 3  # times the step from plane to plane beside a jump, and SHIFTED more, is the jump
AS_BESIDE = 0.6  # of the correlation of the planes before or behind, that two planes have at the step between them
AWAY = 4  # planes within which another one as like it as any is expected
GAIN = 0.1  # of the correlation of two planes by a shift that explains a break
# times the difference of neighbours, and more, that the farthest planes have at least in a real stack
NOISE = 1.5, 0.002
SAME_LEAST = 0.9  # correlation of neighbours, below which noise hides whether the planes are all the same
LIVELY = 0.25  # of the pixels that change from plane to plane: the others are a frame, or padding
BACK_PLANES = 16  # of a stack taken there and back
BACK = 0.05  # by how much plane n - 1 - k is less like plane k than its neighbour is
PAIRED = 0.5  # of the difference of any two planes of both ends is left between plane k and plane n - 1 - k
TURNS: dict[str, Callable[[Any], Any]] = {
    "mirrored left to right": lambda plane: plane[:, ::-1],
    "mirrored top to bottom": lambda plane: plane[::-1],
    "turned by 180 degrees": lambda plane: plane[::-1, ::-1],
    "turned by 90 degrees": lambda plane: np.rot90(plane),
    "turned by 270 degrees": lambda plane: np.rot90(plane, 3),
    "transposed": lambda plane: plane.T,
    "transposed and turned": lambda plane: np.rot90(plane, 2).T,
}


@dataclass(frozen=True, slots=True)
class Break:
    """Two neighbours, z and z + 1, that are less alike than the pairs around.

    Attributes:
        z: number of the first one in the part of the stack.
        alike: their correlation.
        usual: that of the pairs around.
    """

    z: int
    alike: float
    usual: float

    @property
    def enough(self) -> float:
        """The correlation that a reason for the break has to reach."""
        return self.alike + REGAINED * (self.usual - self.alike)


def check_breaks(seen: Glimpse) -> Iterator[StackFinding]:
    """Say between which planes the picture is turned, lies aside, or goes on with a plane from elsewhere."""
    part = seen.liveliest
    if len(part.data) < LEAST_PLANES or any(check_periods(seen)):
        return
    small, rough = part.thumb_pictures(), noisy(part.thin)
    flat = unit_rows(small.reshape(len(small), -1))
    held = (part.thin != part.low[:, None, None]).mean((1, 2)) >= HELD
    found = [b for b in _breaks(flat) if held[b.z] and held[b.z + 1]][:MOST_BREAKS]
    found = sorted((b for b in found if rough or b.usual - b.alike >= DEEP), key=lambda b: b.z)
    turned = {b.z: word for b in found if (word := _turn(small, b))}
    if turned:
        word = max(set(turned.values()), key=list(turned.values()).count)
        text = f"from {_between(sorted(turned), part)} the picture is {word}"
        yield StackFinding("turned-planes", "warning", text, "turn those planes back, or leave them out")
    if not rough or seen.far_apart:
        return  # a drawing without noise may go on as it does elsewhere, and neurites run aside between such planes
    rest = [b for b in found if b.z not in turned]
    steps = {b.z: step for b in rest if (step := _step(part, b))}
    back = _places_elsewhere(flat, [b for b in rest if b.z not in steps])
    if not (steps or back) or any(f.name == "shifted-planes" for f in check_shifts(seen)):
        return
    if steps:
        y, x = max(steps.values(), key=lambda step: max(map(abs, step)))
        text = f"from {_between(sorted(steps), part)} the picture jumps aside, by {abs(y)} pixels along y and {abs(x)} along x"
        yield StackFinding("shifted-planes", "warning", text, "align the planes first (Fiji: StackReg)")
    if back and not any(check_order(seen)) and not any(check_halves(seen)):
        text = f"from {_between(back, part)} the stack goes on with a plane like one from elsewhere in it"
        way_out = (
            "are these several stacks, channels or times one after the other, or planes out of order? give one in order"
        )
        yield StackFinding("planes-out-of-order", "warning", text, way_out)


def check_change(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that all planes show the same, or that the second half is the first one backwards."""
    part = seen.liveliest
    count = len(part.data)
    if count < LEAST_PLANES or not noisy(part.thin) or np.array_equal(part.data[0], part.data[-1]):
        return  # planes equal to the voxel are said as such
    small = part.thumb_pictures().reshape(count, -1)
    lively = small.min(0) < small.max(0)
    if lively.mean() < LIVELY:
        return
    if _all_alike(small[:, lively]) and _all_alike(small[:, lively & ~_padded(seen, part)]):
        text = "all planes show the same picture, as frames of a time series, or copies of a projection, do"
        yield StackFinding("planes-alike", "warning", text, "give a stack whose planes lie at different depths")
    elif count >= BACK_PLANES and _back(small, max(2, count // 4)):
        text = "its second half shows the first one backwards, as a stack that was taken there and back"
        yield StackFinding("repeated-planes", "warning", text, "give one half")


def _all_alike(small: Float) -> bool:
    """Tell whether the first planes (n, pixels) are as like the last ones as neighbours are."""
    flat, ends = unit_rows(small), max(2, len(small) // 4)
    near = float(np.median((flat[1:] * flat[:-1]).sum(1)))
    far = float(np.median(flat[:ends] @ flat[-ends:].T))
    return near >= SAME_LEAST and 1 - far < NOISE[0] * (1 - near) + NOISE[1]


def _padded(seen: Glimpse, part: Planes) -> NDArray[np.bool_]:
    """Return which pixels of the small pictures, (pixels,), hold padding: beside -9999 all planes would look alike."""
    padding = padding_of(seen.stack)
    if padding is None:
        return np.zeros(1, bool)
    held = replace(part, data=part.data == part.data.dtype.type(padding.value))
    return np.asarray(held.thumb_pictures().reshape(len(part.data), -1).any(0))


def check_projection(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that the first or the last plane is the projection of all the others."""
    part = seen.liveliest
    rows, count = part.thin, len(part.data)
    if count < LEAST_PLANES or part.low.min() == part.high.max():
        return
    for z, others in ((0, rows[1:]), (count - 1, rows[:-1])):
        if np.array_equal(rows[z], others.max(0)) and not np.array_equal(rows[z], others[-1 if z else 0]):
            text = f"plane {z + part.first[0]} is the maximum of all the others, a projection"
            yield StackFinding("projection", "warning", text, "leave it out: everything is traced in it once more")


def _back(small: Float, ends: int) -> bool:
    """Tell whether planes at one end are like those at the other end in reversed order, and unlike those in the middle."""
    flat = unit_rows(small - small.min(0))  # what stays all along, as a drawing or shading, is alike everywhere
    middle_ones = flat[len(flat) // 2 - 1 : len(flat) // 2 + 1]
    near = float(np.median((flat[1:] * flat[:-1]).sum(1)))
    back = float(np.median((flat[:ends] * flat[::-1][:ends]).sum(1)))
    far, half = (float(np.median(flat[:ends] @ other.T)) for other in (flat[-ends:], middle_ones))
    return near >= ALIKE and back >= near - BACK and half <= near - 2 * BACK and 1 - back < PAIRED * (1 - far)


def _breaks(flat: Float) -> list[Break]:
    """Return all breaks, the deepest first."""
    alike = (flat[1:] * flat[:-1]).sum(1)
    found = []
    for z, value in enumerate(alike.tolist()):
        around = np.concatenate([alike[max(0, z - AROUND) : z], alike[z + 1 : z + 1 + AROUND]])
        usual = float(np.median(np.sort(around)[len(around) // 2 :]))  # a single odd plane makes two breaks
        if usual >= ALIKE and value <= usual - DIP:
            found.append(Break(z, value, usual))
    return sorted(found, key=lambda b: b.alike - b.usual)


def _turn(small: Float, b: Break) -> str:
    """Return the word for the turn that makes both planes alike; "" if none does."""
    first = unit_rows(small[b.z].ravel())
    best, word = b.enough, ""
    for name, turn in TURNS.items():
        plane = turn(small[b.z + 1])
        if plane.shape == small[b.z].shape and (alike := float(first @ unit_rows(plane.ravel()))) > best:
            best, word = alike, name
    return word


def _places_elsewhere(flat: Float, found: list[Break]) -> list[int]:
    """Return the breaks behind which the stack goes on as it does elsewhere, or at which many planes belong elsewhere."""
    found = [b for b in found if b.usual >= CLEAR or b.usual - b.alike >= DEEP]
    sequel = [b.z for b in found if _elsewhere(flat, b, following=True)]
    lone = [b.z for b in found if _elsewhere(flat, b, following=False)]
    return sequel or (lone if len(lone) >= max(FEWEST_LONE, min(MOST_BREAKS, LONE * len(flat))) else [])


def _elsewhere(flat: Float, b: Break, *, following: bool) -> bool:
    """Tell whether the second plane of a break, or that and the one following it, are like planes far from them."""
    at = b.z + 1
    alike = flat @ flat[at]
    alike[max(0, at - AWAY) : at + AWAY + 1] = -1
    if not following:
        return bool(alike.max() > b.enough)
    if at + 1 >= len(flat):
        return False
    least = b.usual - (1 - SEQUEL) * (b.usual - b.alike)
    next_one = flat @ flat[at + 1]
    beside = np.maximum(np.append(next_one[1:], -1), np.append(-1, next_one[:-1]))
    return bool((np.minimum(alike, beside) > least).any())


def _step(part: Planes, b: Break) -> tuple[int, int] | None:
    """Return by how many pixels (y, x) the second plane of a break lies aside, None if a step does not explain it."""
    step, alike, still = _shift(part, b.z)
    far = max(map(abs, step))
    if alike < still + GAIN or not SHIFTED <= far <= FARTHEST:
        return None
    beside = [_shift(part, z) for z in (b.z - 1, b.z + 1) if 0 <= z < len(part.data) - 1]
    drift, steady = min((max(map(abs, place)), -other) for place, other, _ in beside)
    return step if far >= SHIFTED + DRIFTS * drift and alike >= AS_BESIDE * -steady else None


def _shift(part: Planes, z: int) -> tuple[tuple[int, int], float, float]:
    return shift_of(middle(part.data[z]), middle(part.data[z + 1]))


def _between(places: list[int], part: Planes) -> str:
    """Return "plane 8 to 9" for the first break, and how many more there are."""
    z = places[0] + part.first[0]
    more = f" (and in {len(places) - 1} more places)" if len(places) > 1 else ""
    return f"plane {z} to {z + 1}{more}"
