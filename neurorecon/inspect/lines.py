"""Checks from line to line, along rows and along columns: lines in turn, seams between tiles, a picture mirrored at its rim.

Neighbouring lines are more alike than lines two apart, and evenly so all over a picture, whatever it shows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import LABELS, Glimpse, Planes
from neurorecon.inspect.plane_checks import check_shifts, noisy
from neurorecon.inspect.views import check_views

__all__ = ["check_lines", "check_mirrored", "check_seams"]

Float = NDArray[np.float32]

# Chosen on 23 real stacks, 36 made from real projections, and 3 real ones with lines in turn, tiles aside and mirrored rims.
SEEN_PLANES, SEEN_PIXELS = 24, 40_000  # planes, evenly spread, and pixels of a line in all of them
FEWEST = 32  # lines: fewer are too few to compare
BRIGHT = 0.999  # rank above which light is cut off, so that a soma alone decides nothing
# Lines two apart are less alike than neighbours, by 0.002 to 0.19 of a correlation. Of lines in turn they are more alike, by
# 0.04 to 1.7, and of lines exchanged by twos by 0.018 to 0.09.
TWO_APART = 0.012
STILL = 0.02  # of the pixels have one value in all planes: padding, or a drawing, which is said as such
BESIDE = 8  # lines on either side that tell the usual difference
SEAM, SEAM_SPREADS = 0.25, 25.0  # of the usual difference, and times its usual spread, that a seam has more
PARTS = 16  # of a line, most of which a seam goes through, and no drawing
SEAMS, LONE = 4, 3.0  # seams at most, and how much larger than everything else they are
# Of halves that are exchanged the seam has RING more than is usual, at least, and the other ends FITS of that, at most; in the
# public stacks the ends have as much more as no line in between has.
RING, FITS = 0.12, 0.25
NARROWEST = 8  # lines of a part
RIM = 3  # lines at the ends that are no seam
MIRRORED = 8  # lines in a row that are to the voxel as those on the other side
WAY_OUT = "export it again, in one piece; a neurite may break, or be traced twice"


def check_lines(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that rows, or columns, stand in turn: of two fields, a camera with coloured pixels, a scanner there and back."""
    part = seen.liveliest
    for axis, word in ((1, "row"), (2, "column")):
        lines = _lines(part, axis)
        if lines is None:
            continue
        lines = _cut(lines)
        lines -= lines.mean(dtype=np.float64)
        even, odd, two = (
            _alike(lines[:-1:2], lines[1::2]),
            _alike(lines[1:-1:2], lines[2::2]),
            _alike(lines[:-2], lines[2:]),
        )
        if two > min(even, odd) + TWO_APART:
            if any(finding.name == "shifted-lines" for finding in check_shifts(seen)):
                return
            text = f"each {word} is more like the second one from it than like its neighbours: {word}s in turn?"
            way_out = (
                "interlaced fields, a colour camera, or a bidirectional scan? correct it, or take every second line"
            )
            yield StackFinding("lines-in-turn", "warning", text, way_out)
            return


def check_seams(seen: Glimpse) -> Iterator[StackFinding]:
    """Say where two neighbouring rows, or columns, are far less alike than all the others: where tiles meet that do not fit."""
    if not seen.whole or _still(seen.parts[0]) > STILL:
        return
    for axis, word in ((2, "column"), (1, "row")):
        lines = _lines(seen.parts[0], axis)
        place = None if lines is None else _ring(lines)
        if place is not None and not any(check_views(seen)):
            text = (
                f"the picture breaks at {word} {place + 1} in all planes, and its last {word} goes on at its first one"
            )
            way_out = f"exchange both parts (numpy: numpy.roll(stack, {-place - 1}, axis={axis}))"
            yield StackFinding("halves-exchanged", "warning", f"{text}: halves exchanged?", way_out)
            return
        places = [] if lines is None else _seams(lines)
        if lines is None or not places:
            continue
        if any(check_views(seen)):
            return
        fits = not set(places) & set(_seams(_levelled(lines)))
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        if fits:
            text = f"the brightness steps at {word} {places[0] + 1}{more} in all planes, as where tiles meet"
            yield StackFinding("seam", "note", text)
        else:
            text = (
                f"the picture breaks at {word} {places[0] + 1}{more} in all planes: tiles aside, or in the wrong order?"
            )
            yield StackFinding("seam", "warning", text, WAY_OUT)
        return


def check_mirrored(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a part of the picture is the mirror image of what is beside it, to the voxel: how programs fill a rim."""
    if not seen.whole or not noisy(seen.parts[0].thin):
        return
    for axis, word in ((2, "column"), (1, "row")):
        lines = _lines(seen.parts[0], axis)
        place = None if lines is None else _mirror(lines)
        if place is not None:
            text = f"both sides of {word} {place} are mirror images to the voxel, as in a filled rim"
            yield StackFinding("mirrored-rim", "warning", text, "cut the rim off: neurites are traced in it once more")
            return


def _still(part: Planes) -> float:
    """Return the share of the pixels that have one value in all planes, background cut to the lowest value apart."""
    thin = part.thin
    low = thin.min(0)
    return float(((low == thin.max(0)) & (low != low.min())).mean()) + float(_padded(thin))


def _padded(thin: NDArray[Any]) -> bool:
    """Tell whether whole lines hold the lowest value: padding."""
    blank = (thin == thin.min()).all(0)
    return bool(blank.all(0).any() or blank.all(1).any())


def _lines(part: Planes, axis: int) -> Float | None:
    """Return the rows (axis 1) or columns (axis 2) of some planes, (lines, pixels); None where they tell nothing."""
    if part.data.shape[axis] < FEWEST or len(np.unique(part.thin[:: max(1, len(part.data) // 4)])) <= LABELS:
        return None
    planes = part.spread(SEEN_PLANES)
    across = part.data.shape[3 - axis]
    step = max(1, len(planes) * across // SEEN_PIXELS)
    some = part.data[planes][:, ::step] if axis == 2 else part.data[planes][:, :, ::step]
    order = (axis, 3 - axis, 0)  # the planes last: parts of a line are parts of the field
    return np.ascontiguousarray(some.transpose(order)).reshape(some.shape[axis], -1).astype(np.float32)


def _alike(a: Float, b: Float) -> float:
    """Return how alike two sets of lines of mean 0 are: their correlation, 0 where one is empty."""
    count = min(len(a), len(b))
    size = float(np.linalg.norm(a[:count])) * float(np.linalg.norm(b[:count]))
    return float((a[:count] * b[:count]).sum(dtype=np.float64)) / size if size else 0.0


def _cut(lines: Float) -> Float:
    """Return lines whose light is cut off at the top."""
    return np.asarray(np.minimum(lines, np.quantile(lines[:, ::8], BRIGHT)), np.float32)


def _levelled(lines: Float) -> Float:
    """Return lines of equal mean and spread: a step of brightness is gone."""
    spread = lines.std(1, keepdims=True)
    return np.asarray((lines - lines.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1), np.float32)


def _ring(lines: Float) -> int | None:
    """Return the line at which two parts meet whose other ends fit each other, None if there is none."""
    cut = _cut(lines)
    steps = _steps(np.diff(cut, axis=0))
    more, usual = _more(steps)
    if not (usual > 0).all():
        return None  # blank ends fit anything
    share = more / usual
    share[:NARROWEST] = share[len(share) - NARROWEST :] = 0
    place = int(np.argmax(share))
    others = np.delete(share, place).max()
    ends = float(np.median(np.concatenate([steps[:BESIDE], steps[-BESIDE:]])))
    over = float(_steps(cut[:1] - cut[-1:])[0]) / ends - 1
    half = len(cut) // 2
    far = (
        float(np.median(_steps(cut[half : 2 * half] - cut[:half]) / usual[:half])) - 1
    )  # of an even ground all lines are alike
    alone = share[place] >= max(RING, LONE * float(others))
    return place if alone and far >= RING and over <= FITS * min(far, share[place]) else None


def _steps(apart: Float) -> NDArray[np.float64]:
    """Return how much is usual of the differences (lines, pixels) between lines, (lines,)."""
    parts = np.array_split(np.abs(apart), PARTS, axis=1)
    return np.asarray(np.median([part.mean(1, dtype=np.float64) for part in parts], axis=0))


def _more(steps: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much steps from line to line (lines,) are more than is usual around, and what is usual."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(steps, BESIDE, mode="reflect"), 2 * BESIDE + 1)
    usual = np.median(np.delete(windows, BESIDE, axis=1), axis=1)
    return steps - usual, usual


def _seams(lines: Float) -> list[int]:
    """Return the lines behind which the next one differs by far more than lines around do."""
    steps = _steps(np.diff(_cut(lines), axis=0))
    more, usual = _more(steps)
    spread = float(np.median(np.abs(more)))
    share = np.divide(more, usual, out=np.zeros_like(more), where=usual > 0)
    share[:RIM] = share[len(share) - RIM :] = 0
    order = np.argsort(share)[::-1]
    for count in range(1, SEAMS + 1):
        last, next_one = float(share[order[count - 1]]), float(share[order[count]])
        if last >= SEAM and last >= LONE * max(next_one, 0) and (more[order[:count]] >= SEAM_SPREADS * spread).all():
            return sorted(int(k) for k in order[:count])
    return []


def _mirror(lines: Any) -> int | None:
    """Return the line at which those on both sides are alike to the voxel, None if there is none."""
    for apart in (2, 1):  # the line itself is not repeated, or it is
        same = (lines[apart:] == lines[:-apart]).all(1)
        for k in np.flatnonzero(same).tolist():
            pairs = [(k - j, k + apart + j) for j in range(MIRRORED) if k - j >= 0 and k + apart + j < len(lines)]
            if len(pairs) < MIRRORED or not all(np.array_equal(lines[a], lines[b]) for a, b in pairs):
                continue
            if all(np.ptp(lines[a]) > 0 and not np.array_equal(lines[a], lines[a - 1]) for a, _ in pairs if a > 0):
                return int(k + apart // 2)
    return None
