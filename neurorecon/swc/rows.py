"""Rows of an SWC file as text, all at once: 0.5 us a node, where one format string a row takes 2.3 us.

Each number is a row of digits, four of them a look-up; a mask then drops leading zeros, trailing zeros and unused signs.
"""

import functools

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECIMALS", "rows_of"]

# Facts of the format and of floats, or limits set by hand; not tuned.
DECIMALS = 4  # 0.1 nm, or a ten-thousandth of a voxel: finer than any microscope, and short enough to read
GROUP = 10**DECIMALS  # of digits that are looked up at once
EXACT = 2**53 / GROUP  # above it the ten-thousandths of a float are no whole number any more
SLAB = 1 << 14  # rows at a time: 3 MB, which fits into the cache of a processor

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Part = tuple[Bytes, Bools]  # characters (N, W), and which of them are written


def rows_of(kinds: Ints, values: NDArray[np.float64], parents: Ints) -> str:
    """Return rows "id type x y z radius parent", ids from 1, each with its line break.

    Args:
        kinds: (N,) types, 0 or more.
        values: (N, 4) x, y, z and radius, rounded to four decimals, no -0.
        parents: (N,) ids of the parents, or -1.
    """
    if np.abs(values).max(initial=0.0) >= EXACT:
        rows = zip(kinds.tolist(), values.tolist(), parents.tolist(), strict=True)
        return "".join(f"{k} {t} {' '.join(map(_short, v))} {p}\n" for k, (t, v, p) in enumerate(rows, start=1))
    texts = []
    for low in range(0, len(kinds), SLAB):
        at = slice(low, low + SLAB)
        texts.append(_slab(np.arange(low + 1, low + 1 + len(kinds[at])), kinds[at], values[at], parents[at]))
    return "".join(texts)


def _short(value: float) -> str:
    """Return a number with at most four decimals, without the zeros at its end."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _slab(ids: Ints, kinds: Ints, values: NDArray[np.float64], parents: Ints) -> str:
    """Return some rows."""
    whole, decimals = np.divmod(np.rint(np.abs(values) * GROUP).astype(np.int64), GROUP)
    digits, trailing = _tables()
    space, row_end = (_sign(np.ones(len(ids), np.bool_), mark) for mark in " \n")
    point = _sign(decimals > 0, ".")
    parts = [_whole(ids), space, _whole(kinds), space]
    minus, front, back = _sign(values < 0, "-"), _whole(whole), (digits[decimals], trailing[decimals])
    for column in range(values.shape[1]):
        parts += [*((chars[:, column], shown[:, column]) for chars, shown in (minus, front, point, back)), space]
    parts += [_sign(parents < 0, "-"), _whole(np.abs(parents)), row_end]
    chars, shown = (np.concatenate([part[k] for part in parts], axis=1) for k in (0, 1))
    text: str = chars[shown].tobytes().decode("ascii")
    return text


def _sign(shown: Bools, mark: str) -> Part:
    """Return one character for each number, (..., 1), and its position."""
    return np.full((*shown.shape, 1), ord(mark), np.uint8), shown[..., None]


def _whole(number: Ints) -> Part:
    """Return the digits of whole numbers of 0 or more, (..., W)."""
    width = len(str(int(number.max(initial=0))))
    groups = -(-width // DECIMALS)
    parts = number[..., None] // GROUP ** np.arange(groups - 1, -1, -1) % GROUP
    chars = _tables()[0][parts].reshape(*number.shape, groups * DECIMALS)[..., -width:]
    shown = number[..., None] >= 10 ** np.arange(width - 1, -1, -1)
    shown[..., -1] = True
    return chars, shown


@functools.cache
def _tables() -> tuple[Bytes, Bools]:
    """Return the four digits of 0 ... 9999, (10000, 4), and which of them no zeros alone follow."""
    number = np.arange(GROUP)[:, None]
    digits = (number // 10 ** np.arange(DECIMALS - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)
    return digits, number % 10 ** np.arange(DECIMALS, 0, -1) > 0
