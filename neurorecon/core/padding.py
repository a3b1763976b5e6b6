"""Padding: voxels of one constant value that no microscope recorded, around or within the recorded ones.

Deskewed, registered and fused stacks have them. A stack whose background was cut to 0 is similar, but has no padding: there
the same value lies everywhere among the signal, and its neighbours are dim. Some planes are read in cells of 8 x 8 pixels.
A cell is blank if all of it has one constant value, near if it touches a blank cell, and clear otherwise. The value is that of
padding if

    there are more clear cells than near ones,
    at most SHARE of the voxels of clear cells have the value, and
    |step - ground| <= max(STEP |value - ground|, spread / 2).

`ground` and `spread` are the median and the median absolute deviation of the other voxels of clear cells. `step` is the median
of the voxels beside the value in near cells: beside padding, the light begins at once. In 15 stacks of fly neurons, 8 others
and 4 of vessels, 14 of them cut to 0, the first or second fails, or the step is at most 0.55 of the way (0.10 to 0.33 mostly).
"""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.derived import Derived
from neurorecon.core.stack import Stack

__all__ = ["Padding", "Unpadded", "padding_of", "some_boxes", "without_padding"]

# SHARE and STEP lie between the values measured above; the others were set by hand and not tuned.
CELL = 8  # pixels
FEWEST_BLANK, LEAST_BLANK = 16, 0.002  # cells, and their share: less padding than that decides nothing
SHARE = 0.2  # of photon noise that was cut at 0, 0.09 is zero; in stacks cut to 0 around neurites 0.26 and more
STEP = 0.4  # largest distance of `step` from the ground, as a share of that of the value (see above)
TEXTURED = 0.5  # of the clear cells: a drawing without noise has no padding
BOXES, BOX, SMALL_BOX = 16, (3, 1024, 1024), (3, 256, 256)  # places, and their voxels (z, y, x); in a large stack
LARGE = 1 << 30  # voxels: of more than that, chunks of 64 planes would be decoded for whole planes
NEAR = 5, 41, 41  # voxels (z, y, x): sides of the box around one whose mean is the ground
FAR = 0.02  # of such a box: with a smaller share of recorded voxels the ground is that of the stack
BRIGHTEST = 4.5  # median absolute deviations: 3 standard deviations of noise, above which is light
KEPT = 4096  # voxels of a place that are remembered
STEPS = 0.8191725, 0.6710436, 0.5497005  # powers of 1 / 1.2207441: numbers that fill a cube evenly (Roberts 2018)


@dataclass(frozen=True, slots=True)
class Padding:
    """The padding of a stack.

    Attributes:
        value: grey value of its voxels.
        share: of the voxels that are no padding, how many have that value by chance.
        ground: grey value of the background, which takes its place.
        spread: median absolute deviation of the voxels that are no padding.
    """

    value: float
    share: float
    ground: float
    spread: float


@dataclass(frozen=True, slots=True)
class Sight:
    """Counts of a few planes: the most common constant value, numbers of cells, and voxels of clear and beside blank cells."""

    value: float
    blank: int
    near: int
    clear: int
    textured: int
    inside: NDArray[Any]
    beside: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Unpadded(Derived):
    """A volume with the ground in place of its padding; computed as it is read.

    A voxel of padding becomes the mean of the recorded voxels within NEAR, and gradually the ground further away. With the
    ground alone a network drew cable along an edge of 50 pixels, where the ground beside the padding was brighter than
    elsewhere by a third of its noise. A margin is read as well, so that a voxel has one value in whatever part (z, y, x) it is
    read.

    Attributes:
        data: the volume (Z, Y, X).
        padding: the padding; every voxel of its value is replaced.
    """

    padding: Padding

    def __getitem__(self, key: Any) -> Any:
        """Return the part that `key` names."""
        block = np.asarray(self.data[key])
        padded = block == self.dtype.type(self.padding.value)
        if not padded.any():
            return block
        block, parts = block.copy(), parts_of(key)
        if parts is None:
            block[padded] = self.padding.ground
            return block
        outer, inner = widened(parts, self.shape)
        around = np.asarray(self.data[outer])
        gaps = around == self.dtype.type(self.padding.value)
        block[padded] = self.padding.ground if gaps.all() else ground_near(around, gaps, self.padding)[inner][padded]
        return block


def parts_of(key: Any) -> tuple[slice, ...] | None:
    """Return the three slices of a key, None if it is no box: if it has numbers, or steps backwards."""
    keys = key if isinstance(key, tuple) else (key,)
    at = next((k for k, part in enumerate(keys) if part is Ellipsis), len(keys))
    rest = keys[at + 1 :]
    keys = (*keys[:at], *(slice(None),) * (3 - at - len(rest)), *rest)
    return keys if all(isinstance(part, slice) and (part.step or 1) > 0 for part in keys) else None


def widened(parts: Sequence[slice], shape: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return a part of a volume with half of NEAR around it, and where the part lies in that."""
    outer, inner = [], []
    for part, length, near in zip(parts, shape, NEAR, strict=True):
        start, stop, step = part.indices(length)
        low = max(0, start - near // 2)
        outer.append(slice(low, min(length, stop + near // 2)))
        inner.append(slice(start - low, stop - low, step))
    return tuple(outer), tuple(inner)


def ground_near(block: NDArray[Any], padded: NDArray[np.bool_], padding: Padding) -> NDArray[Any]:
    """Return the ground at every voxel of a block (Z, Y, X), rounded as its type asks: light is cut off before the mean."""
    from scipy.ndimage import uniform_filter

    far = BRIGHTEST * max(padding.spread, math.ulp(padding.ground))
    rise = ((block.astype(np.float64) - padding.ground).clip(-far, far) / far).astype(np.float32)  # any unit: -1 to 1
    rise[padded] = 0
    share = uniform_filter((~padded).astype(np.float32), NEAR, mode="constant")
    mean = uniform_filter(rise, NEAR, mode="constant") / (share + FAR)
    ground = padding.ground + far * mean.astype(np.float64)
    return np.asarray(ground if block.dtype.kind == "f" else np.rint(ground))


def without_padding(stack: Stack, padding: Padding | None) -> Stack:
    """Return a stack with the ground in place of its padding; without padding, the stack itself."""
    return stack if padding is None else replace(stack, data=Unpadded(stack.data, padding))


def padding_of(stack: Stack) -> Padding | None:
    """Return the padding of a stack, None where it has none; a few planes of some places are read."""
    return padding_seen(sight_of(np.asarray(stack.data[box])) for box in some_boxes(stack.shape))


def some_boxes(shape: tuple[int, int, int]) -> Iterator[tuple[slice, ...]]:
    """Give a few boxes, some planes deep and up to 1024 pixels wide, that lie evenly in a volume."""
    edges = SMALL_BOX if math.prod(shape) > LARGE else BOX
    starts = {
        tuple(int((0.5 + k * step) % 1 * (1 + max(0, n - b))) for n, b, step in zip(shape, edges, STEPS, strict=True))
        for k in range(BOXES)
    }
    for start in sorted(starts):
        yield tuple(slice(s, min(s + b, n)) for s, b, n in zip(start, edges, shape, strict=True))


def padding_seen(sights: Iterable[Sight]) -> Padding | None:
    """Return the padding of a stack by the counts of some of its planes."""
    seen = list(sights)
    blank: dict[float, int] = {}
    for sight in seen:
        blank[sight.value] = blank.get(sight.value, 0) + sight.blank
    value = max(blank, key=lambda v: blank[v])
    own = [sight for sight in seen if sight.value == value or not sight.blank]
    near, clear, textured = (sum(getattr(sight, name) for sight in own) for name in ("near", "clear", "textured"))
    cells = blank[value] + near + clear
    if blank[value] < max(FEWEST_BLANK, LEAST_BLANK * cells) or near >= clear or textured < TEXTURED * clear:
        return None
    inside, beside = (np.concatenate([getattr(sight, name) for sight in own]) for name in ("inside", "beside"))
    share, light = float((inside == value).mean()), inside[inside != value].astype(np.float64)
    if share > SHARE:
        return None
    ground = float(np.median(light))
    spread = float(np.median(np.abs(light - ground)))
    beside = beside[beside != value]
    step = float(np.median(beside)) if len(beside) else ground
    if not abs(step - ground) <= max(STEP * abs(value - ground), spread / 2):
        return None
    return Padding(value, share, ground, spread)


def sight_of(planes: NDArray[Any]) -> Sight:
    """Count the cells of a few planes (n, Y, X)."""
    depth, high, wide = planes.shape[0], planes.shape[1] // CELL, planes.shape[2] // CELL
    cells = planes[:, : high * CELL, : wide * CELL].reshape(depth, high, CELL, wide, CELL)
    low, top = (by_cells(planes, reduced) for reduced in (np.minimum, np.maximum))
    constant = low == top
    values, counts = np.unique(low[constant], return_counts=True)
    if not len(values):
        return Sight(
            math.nan,
            0,
            near=0,
            clear=constant.size,
            textured=constant.size,
            inside=some(planes.ravel()),
            beside=planes[:0].ravel(),
        )
    value = values[counts.argmax()]
    blank = constant & (low == value)
    near = grown(blank) & ~blank
    clear = ~(near | blank)
    by_cell = np.moveaxis(cells, 2, 3)  # (depth, high, wide, CELL, CELL)
    border = by_cell[near]
    padded = border == value
    beside = np.zeros_like(padded)
    beside[:, 1:] |= padded[:, :-1]
    beside[:, :-1] |= padded[:, 1:]
    beside[:, :, 1:] |= padded[:, :, :-1]
    beside[:, :, :-1] |= padded[:, :, 1:]
    return Sight(
        float(value),
        int(blank.sum()),
        near=int(near.sum()),
        clear=int(clear.sum()),
        textured=int((clear & ~constant).sum()),
        inside=some(by_cell[clear].ravel()),
        beside=some(border[beside & ~padded]),
    )


def by_cells(planes: NDArray[Any], reduced: np.ufunc) -> NDArray[Any]:
    """Return the least or the largest value of each whole cell, (n, Y, X) / CELL; slices are 10 times as fast as an axis."""
    for axis in (2, 1):
        whole = planes.shape[axis] // CELL * CELL
        parts = [planes[(slice(None),) * axis + (slice(k, whole, CELL),)] for k in range(CELL)]
        planes = functools.reduce(reduced, parts)
    return planes


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask (Z, Y, X) with the 26 neighbours of all that is in it."""
    for axis in range(3):
        wide = mask.copy()
        ahead, behind = (
            tuple(part if a == axis else slice(None) for a in range(3)) for part in (slice(1, None), slice(None, -1))
        )
        wide[ahead] |= mask[behind]
        wide[behind] |= mask[ahead]
        mask = wide
    return mask


def some(values: NDArray[Any]) -> NDArray[Any]:
    """Return at most KEPT of some values, evenly taken."""
    return values[:: max(1, -(-len(values) // KEPT))]
