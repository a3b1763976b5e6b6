"""Pictures that are shown twice, rows of another length, numbers of another width, and pixels that were enlarged."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.stack import Stack
from neurorecon.inspect import examined

SHAPE = (24, 150, 160)


@pytest.fixture(scope="module")
def clean():
    """Crooked neurites in all directions (Z, Y, X), with the noise of photons, 8 bit."""
    rng = np.random.default_rng(5)
    lit = np.zeros(SHAPE)
    for _ in range(26):
        way = np.cumsum(rng.normal(0, 0.25, 200)) + rng.uniform(0, 6)
        places = np.array(
            [
                12 + np.cumsum(rng.normal(0, 0.4, 200)),
                rng.uniform(0, SHAPE[1]) + np.cumsum(np.sin(way)),
                rng.uniform(0, SHAPE[2]) + np.cumsum(np.cos(way)),
            ]
        )
        inside = ((places >= 0) & (places < np.array(SHAPE)[:, None] - 1)).all(0)
        lit[tuple(np.rint(places[:, inside]).astype(int))] = 2000
    light = 8 + ndimage.gaussian_filter(lit, (1.5, 1.2, 1.2))
    return np.clip(np.random.default_rng(6).poisson(light), 0, 255).astype(np.uint8)


def warned(data):
    found = examined(Stack(np.ascontiguousarray(data))).findings
    return {finding.name: str(finding) for finding in found if finding.level == "warning"}


@pytest.mark.parametrize("turn", [(0, 1, 2), (0, 2, 1), (1, 0, 2)])
def test_a_sound_stack_gives_no_warning(clean, turn):
    assert warned(clean.transpose(turn)) == {}


@pytest.mark.parametrize(
    ("aside", "said"), [((9, -14), "9 pixels aside along y and 14 along x"), ((20, 0), "20 pixels")]
)
@pytest.mark.parametrize("half", [True, False])
def test_a_picture_that_is_shown_twice_is_said_with_the_step(clean, aside, said, half):
    other = np.roll(clean, aside, (1, 2)).astype(np.float32)
    doubled = (clean + other) / 2 if half else np.maximum(clean, 0.8 * other)
    found = warned(doubled.astype(np.uint8))
    assert said in found["double-picture"]


def test_parallel_neurites_and_repeated_letters_are_no_second_picture(clean):
    bundle = clean.copy()
    for start in range(10, 140, 17):  # straight, aslant, unevenly far apart
        x = np.arange(SHAPE[2])
        y = np.rint(start + (start * 7) % 5 + x / 6).astype(int)
        inside = y < SHAPE[1] - 1
        bundle[12, y[inside], x[inside]] = 200
        bundle[12, y[inside] + 1, x[inside]] = 200
    assert "double-picture" not in warned(bundle)
    letters = clean.copy()
    for k in range(6):
        letters[:, 10:20, 20 + 12 * k : 22 + 12 * k] = 255
    assert "double-picture" not in warned(letters)


@pytest.mark.parametrize("more", [9, -12])
def test_rows_of_another_length_are_said(clean, more):
    wide = SHAPE[2] + more
    rows = SHAPE[1] * SHAPE[2] // wide
    cut = clean.reshape(SHAPE[0], -1)[:, : rows * wide].reshape(SHAPE[0], rows, wide)
    assert f"each row lies {abs(more)} pixels aside" in warned(cut)["slanted-rows"]


@pytest.mark.parametrize("slope", [0.1, 0.3, 1.0, 3.0])
def test_one_straight_neurite_aslant_has_no_slanted_rows(slope):
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    across = (y - 75 - slope * (x - 80)) / np.hypot(1, slope)
    light = 8 + 150 * np.exp(-(across**2) / (2 * 0.7**2)) * np.ones((SHAPE[0], 1, 1))
    found = warned(np.random.default_rng(1).poisson(light).astype(np.uint8))
    assert not {"slanted-rows", "double-picture"} & set(found)


def test_pixels_of_8_bit_that_were_read_by_twos_are_said(clean):
    assert "pixels of 8 bit that were read by twos" in warned(clean.view("<u2"))["byte-order"]
    assert warned(clean.astype(np.uint16) * 257) == {}
    assert warned(clean.astype(np.uint16) * 37 + 100) == {}


def test_the_bits_of_floats_read_as_whole_numbers_are_said(clean):
    bits = (clean.astype(np.float32) + 1).view(np.uint32)
    assert "as the bits of floats do" in warned(bits.astype(np.float32))["byte-order"]
    assert "byte-order" not in warned(clean.astype(np.float32) * 4e6)


@pytest.mark.parametrize("times", [(2, 2), (1, 3), (4, 1)])
def test_pixels_that_were_repeated_are_said(clean, times):
    large = clean[:, :80, :90].repeat(times[0], 1).repeat(times[1], 2)
    assert f"{times[0]} times along y and {times[1]} times along x" in warned(large)["enlarged"]


def test_smoothly_enlarged_pixels_are_not_called_repeated(clean):
    assert "enlarged" not in warned(ndimage.zoom(clean[:, :80, :90], (1, 2, 2), order=1))


@pytest.mark.parametrize("shape", [(51, 50, 1), (51, 1, 50), (2, 2, 2), (3, 5, 5), (20, 21, 22)])
def test_the_smallest_stacks_are_looked_at_without_a_fault(shape):
    data = np.random.default_rng(2).integers(0, 255, shape).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        examined(Stack(data))
