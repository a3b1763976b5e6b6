"""Hot pixels, stripes, drawings blended into one plane, exchanged halves, ranges that ran over, turned planes without noise."""

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.stack import Stack
from neurorecon.inspect import examined

SHAPE = (32, 96, 110)


@pytest.fixture(scope="module")
def light():
    """Neurites on uneven tissue (Z, Y, X), without noise: photons up to some hundred, on 40 to 90."""
    rng = np.random.default_rng(4)
    lit = np.zeros(SHAPE)
    for start in range(6, 96, 10):
        x = np.arange(SHAPE[2])
        y = np.clip(np.rint(start + np.cumsum(rng.normal(0, 0.6, len(x)))), 0, SHAPE[1] - 1).astype(int)
        z = np.clip(np.rint(16 + 18 * np.sin(x / rng.uniform(8, 20) + rng.uniform(0, 6))), 0, SHAPE[0] - 1).astype(int)
        lit[z, y, x] = 9000
    tissue = ndimage.gaussian_filter(rng.random(SHAPE), (5, 9, 9))
    tissue = 40 + 50 * (tissue - tissue.min()) / np.ptp(tissue)
    tissue += np.linspace(0, 40, SHAPE[1])[:, None] + np.linspace(0, 40, SHAPE[2])  # uneven light
    return tissue + ndimage.gaussian_filter(lit, (1.5, 1.5, 1.5))


@pytest.fixture(scope="module")
def clean(light):
    """The same with the noise of photons, 16 bit."""
    return np.random.default_rng(7).poisson(light).astype(np.uint16)


def warned(data):
    found = examined(Stack(np.ascontiguousarray(data))).findings
    return {finding.name: str(finding) for finding in found if finding.level == "warning"}


def test_a_stack_without_faults_gives_no_warning(clean, light):
    assert warned(clean) == {}
    assert warned(light.astype(np.uint16)) == {}


def test_what_is_empty_lowers_no_limit_of_hot_pixels():
    """Where chunks of an OME-Zarr are not there, pixels are 0, and 0 has no noise."""
    ground = np.random.default_rng(3).poisson(10, SHAPE).astype(np.uint16)
    assert "hot-pixels" not in warned(ground)
    ground[:, :50] = ground[:, 50:, :20] = 0
    assert "hot-pixels" not in warned(ground)


def test_hot_pixels_are_said_with_their_number_and_the_place_of_one(clean):
    hot = clean.copy()
    hot[:, 9:90:16, 9:100:18] = 700  # 6 x 6
    said = warned(hot)
    assert list(said) == ["hot-pixels"]
    assert "36 single pixels (y=9, x=9 and others)" in said["hot-pixels"]


def test_noise_of_few_photons_has_no_hot_pixels():
    """In 12 planes some pixels are bright in all by chance."""
    few = np.random.default_rng(0).poisson(2.0, (40, 160, 160)) * 10
    assert "hot-pixels" not in warned(few.astype(np.uint8))
    few[:, 9:150:16, 9:150:18] = 200
    assert "hot-pixels" in warned(few.astype(np.uint8))


def test_a_few_hot_pixels_are_no_pattern(clean):
    hot = clean.copy()
    hot[:, 5::20, 50] = 400
    assert warned(hot) == {}


@pytest.mark.parametrize(("axis", "word"), [(1, "rows"), (2, "columns")])
def test_stripes_of_a_camera_are_said(clean, axis, word):
    shape = [1, 1, 1]
    shape[axis] = SHAPE[axis]
    gain = 1 + 0.25 * np.random.default_rng(2).standard_normal(SHAPE[axis]).clip(-2, 2)
    said = warned((clean * gain.reshape(shape)).astype(np.uint16))
    assert list(said) == ["stripes"]
    assert said["stripes"].startswith(word)


def test_shadows_of_a_light_sheet_are_said(clean):
    gain = np.ones(SHAPE[1])
    for start in (10, 30, 55, 80):
        gain[start : start + 4] = 0.4
    assert "stripes" in warned((clean * gain[:, None]).astype(np.uint16))


@pytest.mark.parametrize("plane", [0, 13, SHAPE[0] - 1])
def test_a_bar_that_was_blended_into_one_plane_is_said_with_its_place(clean, plane):
    drawn = clean.astype(float)
    drawn[plane, 80:84, 60:100] = 0.7 * drawn[plane, 80:84, 60:100] + 0.3 * 900
    said = warned(drawn.astype(np.uint16))
    assert list(said) == ["drawn-in-plane"]
    assert f"plane {plane} alone is brighter by the same at y=80 to " in said["drawn-in-plane"]
    assert (
        plane != 13 or "y=80 to 83, x=60 to 99" in said["drawn-in-plane"]
    )  # beside one plane alone, noise sticks to it


def test_letters_that_were_blended_into_one_plane_are_said(clean):
    drawn = clean.astype(float)
    for left in range(10, 50, 8):
        for rows, columns in ((slice(80, 90), slice(left, left + 2)), (slice(88, 90), slice(left, left + 5))):
            drawn[13, rows, columns] = 0.7 * clean[13, rows, columns] + 0.3 * 900
    said = warned(drawn.astype(np.uint16))
    assert list(said) == ["drawn-in-plane"]
    assert "y=80 to 89, x=10 to 46" in said["drawn-in-plane"]


@pytest.mark.parametrize(("axis", "by", "place"), [(0, 12, "plane 11 to 12"), (1, 50, "row 50"), (2, 50, "column 50")])
def test_halves_that_are_exchanged_are_said_with_the_step_that_mends_them(clean, axis, by, place):
    across = clean.transpose(0, 2, 1) if axis == 1 else clean  # neurites run along the axis
    said = warned(np.roll(across, by, axis))
    assert list(said) == ["halves-exchanged"]
    assert place in said["halves-exchanged"]
    back = f"numpy.roll(stack, {-by}, axis={axis})"
    assert back in said["halves-exchanged"]


@pytest.mark.parametrize("turn", [lambda p: p[::-1, ::-1], lambda p: p[:, ::-1], lambda p: p[::-1]])
def test_a_turned_plane_of_a_stack_without_noise_is_said(light, turn):
    turned = light.astype(np.uint16)
    turned[15] = turn(turned[15])
    said = warned(turned)
    assert "turned-planes" in said
    assert "from plane 14 to 15" in said["turned-planes"]


@pytest.fixture(scope="module")
def bright():
    """Bodies and thick neurites of whole numbers up to 1.3 times 2^16, little noise."""
    rng = np.random.default_rng(3)
    lit = np.zeros(SHAPE)
    for y in range(10, 90, 16):
        lit[8:24, y, 8:100] = 1
    wide = ndimage.gaussian_filter(lit, (2, 3, 3))
    return np.rint(5000 + wide / wide.max() * 80_000 + rng.normal(0, 200, SHAPE)).astype(np.int64)


@pytest.mark.parametrize(
    "stored",
    [
        lambda values: (values & 65535).astype(np.uint16),
        lambda values: ((values >> 4) & 4095).astype(np.uint16),  # 12 bits in 16
        lambda values: ((values >> 2) & 16383).astype(np.uint16),  # 14 bits in 16
        lambda values: ((values << 16) & 0xFFFFFFFF).astype(np.float32),  # uint32, as it is read
        lambda values: ((values >> 1) & 65535).astype(np.uint16).view(np.int16).astype(np.float32),  # int16
    ],
    ids=["16", "12", "14", "uint32", "int16"],
)
def test_values_that_ran_over_are_said_in_every_range(bright, stored):
    assert "overflow" in warned(stored(bright))


def test_values_that_stay_in_their_range_are_not_called_so(bright):
    for most in (4095, 16383, 65535):
        assert "overflow" not in warned((bright * (most / bright.max())).astype(np.uint16))


def test_bright_columns_of_a_noisy_stack_are_no_hot_pixels():
    gain = np.clip(1 + 0.3 * np.random.default_rng(2).standard_normal(500), 0.2, 2)
    noise = np.random.default_rng(5).poisson(3, (15, 500, 500)) * gain * 20
    assert not {"hot-pixels", "halves-exchanged"} & set(warned(noise.astype(np.uint16)))


def test_noise_under_one_pattern_has_no_halves():
    """All planes are alike then, and the last one goes on at the first one as at any other."""
    gain = np.clip(1 + 0.3 * np.random.default_rng(2).standard_normal(220), 0.2, 2)
    noise = np.random.default_rng(5).poisson(8, (15, 220, 220)) * gain * 20
    assert "halves-exchanged" not in warned(noise.astype(np.uint16))
