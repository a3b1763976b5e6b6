"""By how much two pictures, or every second line of one, lie aside: the place of the largest correlation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELD", "line_step", "middle", "shift_of"]

# Set by hand; not tuned.
FIELD = (256, 512)  # pixels (y, x) of the middle of a plane that are compared
BRIGHTEST = 0.999  # rank above which light is cut off, so that a soma alone decides nothing
LIKE = 0.15  # correlation of every second line with those beside it, below which noise decides; real stacks have 0.2 to 0.98
AGREE = 0.3  # pixels by which two halves of the planes may differ


def middle(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return the middle of a plane, its light above the median alone, of mean 0."""
    y, x = (max(0, n // 2 - field // 2) for n, field in zip(plane.shape, FIELD, strict=True))
    light = plane[y : y + FIELD[0], x : x + FIELD[1]].astype(np.float32)
    filled = light[light != light.min()]  # padding is no background
    low, high = np.quantile(filled, (0.5, BRIGHTEST)) if filled.size else (0.0, 0.0)
    light = np.clip(light - low, 0, max(high - low, 0))
    return np.asarray(light - light.mean(), np.float32)


def shift_of(
    a: NDArray[np.float32], b: NDArray[np.float32], *, rows: bool = True
) -> tuple[tuple[int, int], float, float]:
    """Return by how many pixels (y, x) picture `b` lies from `a`, how alike they are then (correlation), and how without it.

    With `rows` false only steps along x are tried.
    """
    from scipy import fft

    b = b[: len(a)]
    a = a[: len(b)]
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size == 0:
        return (0, 0), 0.0, 0.0
    axes = (0, 1) if rows else (1,)
    match = fft.irfftn(
        np.conj(fft.rfftn(a, axes=axes)) * fft.rfftn(b, axes=axes), [a.shape[k] for k in axes], axes=axes
    )
    match = match if rows else match.sum(0, keepdims=True)
    place = np.unravel_index(int(match.argmax()), match.shape)
    y, x = (int(k) if k <= n // 2 else int(k) - n for k, n in zip(place, match.shape, strict=True))
    return (y, x), float(match.max()) / size, float(match[0, 0]) / size


def line_step(planes: Sequence[NDArray[np.float32]]) -> float | None:
    """Return by how many pixels every second row lies aside of the mean of both rows beside it; None if nothing tells it.

    Of a neurite that runs aslant one row lies before, the other one behind. The correlations of all planes (Y, X), of
    mean 0, are summed; the place of the largest one is that of the parabola through it and both beside it.
    """
    from scipy import fft

    if not planes:
        return None
    matches, size = [], 0.0
    for plane in planes:
        count = (len(plane) - 1) // 2
        odd, beside = plane[1 : 2 * count : 2], (plane[0 : 2 * count : 2] + plane[2 : 2 * count + 1 : 2]) / 2
        odd, beside = odd - odd.mean(), beside - beside.mean()
        scale = float(np.linalg.norm(odd) * np.linalg.norm(beside))
        if scale == 0:
            continue
        match = fft.irfft((np.conj(fft.rfft(beside, axis=1)) * fft.rfft(odd, axis=1)).sum(0), plane.shape[1])
        matches.append(match)
        size += scale
    if len(matches) < 2 or float(np.max(np.sum(matches, axis=0))) < LIKE * size:
        return None
    steps = [_peak(np.sum(some, axis=0)) for some in (matches, matches[::2], matches[1::2])]
    return steps[0] if abs(steps[1] - steps[2]) <= AGREE else None


def _peak(match: NDArray[Any]) -> float:
    """Return the place of the largest of the circular correlations (n,), between samples by a parabola."""
    at, count = int(match.argmax()), len(match)
    before, here, after = (float(match[(at + k) % count]) for k in (-1, 0, 1))
    bend = before - 2 * here + after
    return (at if at <= count // 2 else at - count) + (0.5 * (before - after) / bend if bend < 0 else 0.0)
