"""Rows that were lost in single planes, and rows that only look so."""

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.stack import Stack
from neurorecon.inspect import examined

SHAPE = (24, 90, 100)
LOST = [(4, 30), (9, 51), (9, 80), (17, 30)]  # plane, row


@pytest.fixture(scope="module")
def clean():
    """Uneven tissue with the noise of photons (Z, Y, X), 16 bit."""
    tissue = ndimage.gaussian_filter(np.random.default_rng(4).random(SHAPE), (4, 8, 8))
    return np.random.default_rng(7).poisson(40 + 60 * (tissue - tissue.min()) / np.ptp(tissue)).astype(np.uint16)


def said(data):
    return [str(one) for one in examined(Stack(np.ascontiguousarray(data))).findings if one.name == "dropped-rows"]


@pytest.mark.parametrize("value", [0, 55, 65535])
@pytest.mark.parametrize("thick", [1, 3])
def test_rows_of_one_value_in_single_planes_are_said(clean, value, thick):
    lost = clean.copy()
    for z, y in LOST:
        lost[z, y : y + thick] = value
    (text,) = said(lost)
    assert text.startswith(f"{len(LOST) * thick} rows of single planes hold one value (plane 4, row 30 and others)")


def test_rows_that_repeat_the_one_before_are_said(clean):
    lost = clean.copy()
    for z, y in LOST:
        lost[z, y] = lost[z, y - 1]
    (text,) = said(lost)
    assert "4 rows of single planes repeat the row before to the voxel (plane 4, row 30 and others)" in text


@pytest.mark.parametrize(
    "change",
    [
        lambda data: None,
        lambda data: data[:, 40].fill(0),  # a dead row of the camera
        lambda data: data[:, :12].fill(0),  # padding
        lambda data: data[5:9, 70:].fill(0),  # a field that is cut off in some planes
        lambda data: data[6, 20:60].fill(0),  # a block that was lost
        lambda data: data[3, 20].fill(0),  # one row
        lambda data: np.copyto(data, np.where(data > 120, data, 0)),  # next to nothing above a cut background
        lambda data: np.copyto(data, data // 40 * 40),  # few grey values
        lambda data: np.copyto(data, data[:, np.arange(SHAPE[1]) // 2]),  # enlarged
    ],
)
def test_other_rows_are_none_that_were_lost(clean, change):
    data = clean.copy()
    change(data)
    assert said(data) == []


def test_a_picture_without_noise_may_repeat_a_row():
    smooth = np.repeat(np.linspace(0, 4000, SHAPE[2])[None, None].astype(np.uint16), SHAPE[1], 1).repeat(SHAPE[0], 0)
    smooth[:, ::7] += 5
    assert said(smooth) == []
