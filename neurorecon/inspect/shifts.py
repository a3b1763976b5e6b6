"""By how much two pictures lie aside of one another: the place of the largest correlation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELD", "middle", "shift_of"]

# Set by hand; not tuned.
FIELD = (256, 512)  # pixels (y, x) of the middle of a plane that are compared
BRIGHTEST = 0.999  # rank above which light is cut off, so that a soma alone decides nothing


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
