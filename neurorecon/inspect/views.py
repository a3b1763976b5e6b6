"""A check for several pictures in one: two views or channels side by side, as a beam splitter and montages leave them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes

__all__ = ["check_views"]

# Set by hand; not tuned, unless a line says more.
NARROWEST = 16  # pixels of a view
EMPTY = 0.3  # of the pixels hold the lowest value in all planes: then a column of it says nothing
ASIDE = 16  # pixels by which the two colours of a beam splitter lie on one another
# Correlation of two halves that show the same, at their best shift, and times that at the next one, PEAK pixels off. Two
# colours of one field have 1 and 0.1 to 0.8; a neurite that goes through both has 0.5 and 0.5, real stacks 0.04 and 0.1.
ALIKE, LONE, PEAK = 0.6, 0.85, 4
LONGEST = 512  # pixels along a side of a half that is compared: of more every k-th counts
LIT_PIXELS = 200  # of a half: a few spots may stand alike by chance
FINE = 15  # pixels: what is wider is shading
BRIGHTEST = 0.999  # rank above which light is cut off, so that a soma alone decides nothing
STEP, STEP_LEVEL = 12.0, 0.25  # times the usual step from column to column, and share of the level, of a seam
SIDES = 0.5  # of the step is between the two sides as well
WAY_OUT = "cut out one of them (Fiji: Image > Crop) and give that"


def check_views(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a picture consists of several: a gap in it, halves that are alike, or a step of brightness at its middle."""
    part = seen.parts[0]
    if not seen.whole or part.has_labels:
        return
    low, high = part.data.min(0), part.data.max(0)
    for axis, word in ((1, "column"), (0, "row")):
        text = (
            _gap(low, high, axis, word)
            or _halves(np.where(low == high, np.median(high), high), axis, word)
            or _seam(part, axis, word)
        )
        if text:
            yield StackFinding("views-side-by-side", "warning", text, WAY_OUT)
            return


def _gap(low: NDArray[np.generic], high: NDArray[np.generic], axis: int, word: str) -> str:
    """Say which columns (axis 1) or rows (axis 0) hold one value in all planes, between others that do not; "" if none do."""
    across = 1 - axis
    still = (low == high).all(across) & (low.min(across) == low.max(across))
    filled = np.flatnonzero(~still)
    if not filled.size or ((high == low.min()).mean() > EMPTY):
        return ""
    inner = [k for k in np.flatnonzero(still).tolist() if filled[0] + NARROWEST <= k <= filled[-1] - NARROWEST]
    if not inner:
        return ""
    where = f"{word}s {inner[0]} to {inner[-1]} hold" if len(inner) > 1 else f"{word} {inner[0]} holds"
    return f"{where} one value in all planes, between parts that do not: views side by side, or a gap between tiles?"


def _halves(high: NDArray[np.generic], axis: int, word: str) -> str:
    """Say that the two halves of the highest values along z (Y, X), hot pixels apart, show the same; "" if they do not."""
    half = high.shape[axis] // 2
    if half < NARROWEST:
        return ""
    pair = [_light(np.take(high, range(start, start + half), axis)) for start in (0, high.shape[axis] - half)]
    size = float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1]))
    if min(map(_lit, pair)) < LIT_PIXELS:
        return ""
    from scipy import fft

    wide = [n + ASIDE for n in pair[0].shape]  # so that one edge does not meet the other
    match = fft.irfftn(np.conj(fft.rfftn(pair[0], wide)) * fft.rfftn(pair[1], wide), wide) / size
    near = [min(ASIDE, n // 2) for n in match.shape]
    rolled = np.roll(match, near, (0, 1))
    place = np.unravel_index(rolled[: 2 * near[0] + 1, : 2 * near[1] + 1].argmax(), (2 * near[0] + 1, 2 * near[1] + 1))
    centred = np.roll(rolled, [PEAK - int(k) for k in place], (0, 1))  # the peak comes to PEAK, PEAK
    peak = float(centred[PEAK, PEAK])
    centred[: 2 * PEAK + 1, : 2 * PEAK + 1] = 0
    if peak < ALIKE or float(centred.max()) > LONE * peak:
        return ""
    return f"both halves of the picture, parted at {word} {half}, show the same: two views or channels side by side?"


def _lit(light: NDArray[np.float32]) -> float:
    """Return how many pixels share the light: the participation ratio of its squares, 0 without any."""
    squares = np.square(light, dtype=np.float64)
    fourth = float(np.square(squares).sum())
    return float(squares.sum()) ** 2 / fourth if fourth else 0.0


def _light(half: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return what is fine in a picture, cut off at the top, of mean 0: shading alone is alike everywhere."""
    from scipy.ndimage import uniform_filter

    step = max(1, max(half.shape) // LONGEST)
    light = half[::step, ::step].astype(np.float32)
    light = light - uniform_filter(light, FINE)
    light = np.clip(light, 0, float(np.quantile(light, BRIGHTEST)))
    return np.asarray(
        (light - light.mean()) / (light.max() or 1.0), np.float32
    )  # squares of large floats would overflow


def _seam(part: Planes, axis: int, word: str) -> str:
    """Say that the brightness steps at the middle, in all planes alike and nowhere else as much; "" if it does not."""
    length = part.data.shape[1 + axis]
    if length < 2 * NARROWEST:
        return ""
    means = part.data.mean(2 - axis, dtype=np.float64)  # (planes, length)
    steps = np.median(np.diff(means, axis=1), axis=0)
    middle = length // 2
    at = middle - 1 + int(np.abs(steps[middle - 2 : middle + 1]).argmax()) - 1
    size, usual = abs(float(steps[at])), float(np.median(np.abs(steps)))
    level = float(np.median(means)) - float(part.low.min())
    sides = abs(float(np.median(means[:, at + 1 :])) - float(np.median(means[:, : at + 1])))
    if usual == 0 or sides < SIDES * size:  # a drawing without noise, or a neurite along the middle
        return ""
    if size < np.abs(steps).max() or size < STEP * usual or size < STEP_LEVEL * level or size == 0:
        return ""
    return f"the brightness steps at {word} {at + 1}, the middle, in all planes: two views side by side?"
