"""The contrast of the picture: high on narrow neurites, none on tails, glow and even ground; and where it counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d, maximum_filter, uniform_filter1d

from neurorecon.core.errors import SettingsError
from neurorecon.core.stack import Stack
from neurorecon.nets import load_model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.adapt.ground_noise import GroundNoise
from neurorecon.segmentation.adapt.survey import take_survey
from neurorecon.segmentation.fine_contrast import fine_contrast
from neurorecon.segmentation.normalise import compress

SETTINGS = SegmentSettings(device="cpu", precision="fp32")


def contrast_of(light):
    """Contrast (Z, Y, X) of light, 0 at the background and 1 at the bright level."""
    return fine_contrast(torch.from_numpy(compress(light.astype(np.float32)))[None, None])[0, 0].numpy()


def lines(*offsets, sigma=1.0, light=1.0, shape=(25, 40, 60)):
    """Light of straight neurites along x in the middle plane."""
    z, y, _ = np.ogrid[tuple(map(slice, shape))]
    away = (z - shape[0] // 2) ** 2
    seen = sum(np.exp(-(away + (y - shape[1] // 2 - off) ** 2) / (2 * sigma**2)) for off in offsets)
    return light * np.broadcast_to(seen, shape)


def test_even_light_has_no_contrast_however_bright():
    for light in (0.0, 0.3, 1.0, 3.0):
        np.testing.assert_allclose(contrast_of(np.full((9, 20, 20), light)), 0, atol=1e-5)


def test_a_narrow_neurite_stands_out_and_a_broad_glow_does_not():
    narrow, broad = (contrast_of(lines(0, sigma=sigma, light=0.5)) for sigma in (1.0, 9.0))
    assert narrow[12, 20, 30] > 0.25
    assert abs(broad[12, 20, 30]) < 0.05


def test_glaring_light_has_no_contrast():
    assert np.abs(contrast_of(lines(0, sigma=2.0, light=4.0))[12, 18:23, 30]).max() < 0.02


def test_the_gap_between_two_neurites_is_darker_than_their_surroundings():
    contrast = contrast_of(lines(-2.5, 2.5))
    assert contrast[12, 20, 30] < -0.1 < 0.1 < contrast[12, 17, 30]


def test_a_faint_neurite_has_more_contrast_for_its_light_than_a_bright_one():
    faint, bright = (contrast_of(lines(0, light=light))[12, 20, 30] for light in (0.2, 1.0))
    assert faint > 0.2 * bright * 1.5


def test_a_faint_neurite_beside_a_bright_one_has_less_contrast_than_alone():
    light = lines(0, light=0.2)
    alone = contrast_of(light)[12, 20, 30]
    beside = contrast_of(np.maximum(light, np.roll(lines(0), 6, axis=0)))[12, 20, 30]  # six planes below
    assert beside < 0.6 * alone


def test_the_axial_tail_of_a_neurite_does_not_stand_out():
    light = np.zeros((40, 40, 60))
    for plane in range(10, 40):
        light[plane] = lines(0)[12] * np.exp(-(plane - 10) / 8)
    contrast = contrast_of(light)
    assert contrast[10, 20, 30] > 0.2
    assert (contrast[16:34, 20, 30] <= 0).all()


def test_a_neurite_along_z_stands_out():
    light = np.moveaxis(lines(0, shape=(41, 41, 41)), 2, 0)
    assert contrast_of(light)[20, 20, 20] > 0.3


def test_the_contrast_is_that_of_its_formula(rng):
    light = rng.uniform(0, 1.4, (12, 30, 20)).astype(np.float32)
    seen = convolve1d(light, [0.125, 0.75, 0.125], axis=0, mode="nearest")
    own, around = seen, seen
    for axis in (1, 2):
        own = convolve1d(own, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
        around = uniform_filter1d(uniform_filter1d(around, 7, axis=axis, mode="nearest"), 7, axis=axis, mode="nearest")
    most = maximum_filter(own, (15, 5, 5), mode="nearest")
    due = (own - around) / (most + 0.2) * np.maximum(1 - most / 1.5, 0)
    along_z = uniform_filter1d(uniform_filter1d(own, 7, axis=0, mode="nearest"), 7, axis=0, mode="nearest")
    due = np.where((own < 0.98 * along_z) & (due > 0), 0, due)
    np.testing.assert_allclose(contrast_of(light), due, atol=2e-4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (2, 40, 1)])
def test_tiles_of_any_size_have_a_contrast(shape, rng):
    contrast = contrast_of(rng.uniform(0, 1, shape))
    assert contrast.shape == shape
    assert np.isfinite(contrast).all()


def test_mirrored_tiles_have_the_mirrored_contrast(rng):
    light = rng.uniform(0, 1, (9, 16, 16))
    for axis in range(3):
        np.testing.assert_allclose(contrast_of(np.flip(light, axis)), np.flip(contrast_of(light), axis), atol=1e-5)


@pytest.mark.parametrize(
    ("noise", "even"),
    [
        (GroundNoise(), 1.0),
        (GroundNoise(0.17, 0.02, 0.03), 1.0),  # strong, but white
        (GroundNoise(0.005, 0.4, 0.5), 1.0),  # correlated, but weak
        (GroundNoise(0.005, 0.9, 0.2), 0.0),  # weak, but as smooth as neurites
        (GroundNoise(0.001, 0.1, 0.65), 0.5),
        (GroundNoise(0.05, 0.3, 0.04), 0.0),
        (GroundNoise(0.05, 0.04, 0.3), 0.0),
        (GroundNoise(0.032, 0.29, 0.0), 0.5),
    ],
)
def test_a_ground_is_even_without_noise_that_is_strong_and_correlated_or_smooth(noise, even):
    assert noise.evenness == pytest.approx(even)


def test_the_contrast_counts_in_white_noise_and_not_in_texture(grounds, bright_model):
    model = load_model(str(bright_model))

    def weight(mixed, settings=SETTINGS):
        tile = 4000 + 20 * grounds(mixed, level=10.0)
        return take_survey(Stack(tile.clip(0, 65535).astype(np.uint16)), settings, model=model).contrast

    assert weight((0, 0, 0)) == SETTINGS.contrast
    assert weight((1, 1, 1)) == 0
    assert weight((0, 0, 0), replace(SETTINGS, contrast=1.5)) == 1.5
    assert weight((0, 0, 0), replace(SETTINGS, contrast=0.0)) == 0


def test_the_contrast_is_added_to_the_logit_of_neurites_alone(rods, bright_model):
    model, stack = load_model(str(bright_model)), Stack((4000 + 3000 * rods(1.2).clip(0, 1)).astype(np.uint16))
    survey = take_survey(stack, SETTINGS, model=model)
    plain, moved = (segment(stack, SETTINGS, model=model, survey=replace(survey, contrast=c)) for c in (0.0, 2.0))
    level = survey.levels
    due = contrast_of((stack.data.astype(np.float64) - level.low) / (level.high - level.low))
    p = plain.neurite.astype(float) / 255
    sure = (plain.neurite > 20) & (plain.neurite < 235)
    inner = np.zeros(stack.shape, bool)
    inner[8:-8, 16:-16, 16:-16] = True
    sure &= inner
    assert sure.sum() > 300
    expected = 255 / (1 + np.exp(-(np.log(p[sure] / (1 - p[sure])) + 2 * due[sure])))
    assert np.abs(moved.neurite[sure] - expected).mean() < 3  # but at the borders of the parts that are run
    assert np.array_equal(moved.soma, plain.soma)


def test_a_weight_below_0_is_refused():
    with pytest.raises(SettingsError, match="contrast"):
        SegmentSettings(contrast=-1.0)
