"""Rows of an SWC file are what a format string gives, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.swc.rows import EXACT, SLAB, rows_of

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(-1e11, 1e11),
    st.integers(-(10**8), 10**8).map(lambda k: k / 1e4),
    st.integers(-12000, 12000).map(float),
).map(lambda value: float(np.round(value, 4) + 0.0))


def plain(kinds, values, parents):
    """The same rows, one format string each."""

    def short(value):
        return f"{value:.4f}".rstrip("0").rstrip(".")

    rows = zip(kinds.tolist(), values.tolist(), parents.tolist(), strict=True)
    return "".join(f"{k} {t} {' '.join(map(short, v))} {p}\n" for k, (t, v, p) in enumerate(rows, start=1))


@given(st.lists(st.tuples(st.integers(0, 19), *[NUMBERS] * 4, st.integers(1, 10**7) | st.just(-1)), max_size=12))
def test_rows_are_those_of_a_format_string(rows):
    table = np.array(rows, np.float64).reshape(-1, 6)
    given_rows = table[:, 0].astype(int), table[:, 1:5], table[:, 5].astype(int)
    assert rows_of(*given_rows) == plain(*given_rows)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 9999, 10_000, SLAB, SLAB + 1, 100_001])
def test_any_number_of_rows_counts_from_one(count, rng):
    values = np.round(rng.normal(0, 900, (count, 4)), 4) + 0.0
    given_rows = rng.integers(0, 20, count), values, np.arange(count) - (np.arange(count) == 0)
    assert rows_of(*given_rows) == plain(*given_rows)


@pytest.mark.parametrize("value", [EXACT - 1, EXACT, 1e15, -1e300, 2.0**60])
def test_numbers_too_large_for_ten_thousandths_are_written_too(value):
    given_rows = np.array([1]), np.array([[value, 0.0, -0.5, 1.0]]), np.array([-1])
    assert rows_of(*given_rows) == plain(*given_rows)
