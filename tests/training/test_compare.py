"""Intervals of paired differences: known answers, known widths, and neurons that count as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.training.compare import paired_difference


def test_a_constant_difference_has_an_interval_of_no_width(rng):
    base = rng.random((3, 12))
    found = paired_difference(base + 0.1, base, [str(k) for k in range(12)])
    assert found.absolute == pytest.approx((0.1, 0.1, 0.1))
    assert found.reference == pytest.approx(base.mean())
    assert found.percent[0] == pytest.approx(10 / base.mean())
    assert found.percent[1] < found.percent[0] < found.percent[2]


def test_one_seed_and_independent_neurons_give_the_standard_error_of_a_mean(rng):
    """The bootstrap's normal limit: +- 1.96 s / sqrt(n)."""
    gap = rng.normal(0.5, 2.0, (1, 400))
    _, low, high = paired_difference(gap, np.zeros((1, 400)), [str(k) for k in range(400)]).absolute
    assert (high - low) / 2 == pytest.approx(1.96 * gap.std() / 20, rel=0.05)
    assert low < 0.5 < high


def test_stacks_of_one_neuron_count_as_one_drawing(rng):
    """Four copies of every neuron tell no more than one."""
    gap = rng.normal(0, 1, (1, 50))
    one = paired_difference(gap, np.zeros((1, 50)), [str(k) for k in range(50)]).absolute
    four = paired_difference(np.tile(gap, 4), np.zeros((1, 200)), [str(k) for k in range(50)] * 4).absolute
    assert four == pytest.approx(one)


def test_seeds_that_differ_widen_the_interval():
    names = [str(k) for k in range(20)]
    alike, apart = np.full((3, 20), 1.0), np.repeat([[0.0], [1.0], [2.0]], 20, axis=1)
    narrow, wide = (paired_difference(gap, np.zeros((3, 20)), names).absolute for gap in (alike, apart))
    assert narrow == pytest.approx((1, 1, 1))
    assert wide == pytest.approx((1, 0, 2))  # one seed drawn three times happens in 2 x 1/27 of the resamples


def test_scores_that_no_seed_was_judged_on_are_not_looked_at(rng):
    """Each half of the stacks by a seed of its own: the mean is over what is there, NaN elsewhere does not matter."""
    judged = np.array([[True] * 6 + [False] * 6, [False] * 6 + [True] * 6])
    base = np.where(judged, rng.random((2, 12)), np.nan)
    found = paired_difference(base + 0.1, base, [str(k) for k in range(12)], judged=judged)
    assert found.absolute == pytest.approx((0.1, 0.1, 0.1))
    assert found.mean == pytest.approx(np.nanmean(base) + 0.1)


def test_seeds_with_a_part_of_the_stacks_each_widen_the_interval_as_whole_ones_do():
    judged = np.array([[True] * 20 + [False] * 20, [False] * 20 + [True] * 20])
    gap = np.repeat([[0.0], [1.0]], 40, axis=1)
    found = paired_difference(gap, np.zeros((2, 40)), [str(k) for k in range(40)], judged=judged)
    assert found.absolute == pytest.approx((0.5, 0, 1))


def test_everything_judged_is_what_nothing_said_is(rng):
    values, base, names = rng.random((3, 8)), rng.random((3, 8)), [str(k // 2) for k in range(8)]
    assert paired_difference(values, base, names) == paired_difference(
        values, base, names, judged=np.ones((3, 8), bool)
    )


@given(st.floats(-3, 3), st.floats(0.1, 5))
def test_shift_and_scale_of_the_scores_are_those_of_the_interval(shift, scale):
    rng = np.random.default_rng(4)
    names, gap = [str(k // 2) for k in range(10)], rng.normal(0, 1, (2, 10))
    plain = paired_difference(gap, np.zeros((2, 10)), names, resamples=200).absolute
    moved = paired_difference(scale * gap + shift, np.zeros((2, 10)), names, resamples=200).absolute
    assert moved == pytest.approx(tuple(scale * value + shift for value in plain), abs=1e-9)


def test_a_reference_of_zero_gives_no_percent(rng):
    assert np.isnan(paired_difference(rng.random((1, 4)), np.zeros((1, 4)), list("abcd")).percent).all()


def test_resamples_without_any_reference_score_are_left_out_of_the_percent():
    found = paired_difference(np.array([[0.0, 2.0]]), np.array([[0.0, 1.0]]), list("ab"))
    assert found.percent == pytest.approx((100, 100, 100))


@pytest.mark.parametrize(
    ("values", "reference", "what"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2)), "paired"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "paired"),
        (np.full((1, 3), np.inf), np.zeros((1, 3)), "finite"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(values, reference, what):
    with pytest.raises(InputError, match=what):
        paired_difference(values, reference, list("abc"))


@pytest.mark.parametrize("judged", [np.zeros((1, 3), bool), np.ones((2, 3), bool)])
def test_a_say_of_what_was_judged_that_fits_no_score_is_refused(judged):
    with pytest.raises(InputError, match="judged"):
        paired_difference(np.zeros((1, 3)), np.zeros((1, 3)), list("abc"), judged=judged)
