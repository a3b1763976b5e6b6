"""The noise of the ground: texture or white, and the shift of the answer where light is short."""

from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.stack import Stack
from neurorecon.nets import load_model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.adapt.ground_noise import SHIFT, GroundNoise, noise_of
from neurorecon.segmentation.adapt.survey import survey_by, take_survey
from neurorecon.segmentation.predict import segment_box
from neurorecon.segmentation.runner import Runner

SETTINGS = SegmentSettings(device="cpu", precision="fp32")


def test_the_ground_is_textured_where_it_is_strongly_correlated_from_plane_to_plane(grounds):
    assert noise_of([grounds((1, 1, 1))], 200).textured
    assert noise_of([grounds((0.7, 1, 1)), grounds((1, 0.5, 0.5))], 200).textured
    assert not noise_of([grounds((0, 0, 0))], 200).textured
    assert not noise_of([grounds((0, 1, 1))], 200).textured  # planes are independent
    assert not noise_of([grounds((1, 1, 1), level=1.0)], 200).textured
    assert not noise_of([grounds((1, 1, 1), level=1e-12) * np.float32(1e-12)], 200e-12).textured
    assert noise_of([], 200) == GroundNoise()


def test_a_few_bright_specks_are_no_texture(rng):
    tile = rng.normal(0, 1, (16, 80, 80)).astype(np.float32)
    z, y, x = rng.integers(0, (15, 80, 80), (100, 3)).T
    tile[z, y, x] = tile[z + 1, y, x] = 15  # in two planes each
    assert abs(noise_of([tile], 100).along_z) < 0.05


def test_spread_and_correlations_are_those_of_the_noise(grounds):
    white = noise_of([grounds((0, 0, 0), level=10.0)], 200)
    assert white.spread == pytest.approx(10 / 200, rel=0.1)
    assert abs(white.along_z) < 0.05
    assert abs(white.along_y) < 0.08  # and the flanks of the neurites
    flat = noise_of([grounds((0, 1, 1), level=10.0)], 200)
    assert abs(flat.along_z) < 0.05
    assert flat.along_y > 0.5


@pytest.mark.parametrize(
    ("noise", "shift"),
    [
        (GroundNoise(0.05), 0.0),
        (GroundNoise(0.13), 0.0),
        (GroundNoise(0.155), SHIFT / 2),
        (GroundNoise(0.2), SHIFT),
        (GroundNoise(0.2, 0.3, 0.0), 0.0),
        (GroundNoise(0.2, 0.0, 0.3), 0.0),
    ],
)
def test_strong_white_noise_alone_shifts_the_answer_the_stronger_the_more(noise, shift):
    assert noise.shift == pytest.approx(shift)


@pytest.fixture
def noisy(rods):
    """A function that gives a stack of neurites in white noise of such a deviation, as a share of their light."""

    def draw(noise):
        seen = rods(1.2).clip(0, 1)
        seen = seen + noise * np.random.default_rng(0).standard_normal(seen.shape)
        return Stack((4000 + 3000 * seen).clip(0, 65535).astype(np.uint16))

    return draw


def test_strong_noise_shifts_the_answer_and_weak_noise_does_not(noisy, bright_model):
    model = load_model(str(bright_model))
    strong, less, weak = (take_survey(noisy(n), SETTINGS, model=model).shift for n in (0.3, 0.18, 0.1))
    assert strong > less > weak == 0
    assert take_survey(noisy(0.3), replace(SETTINGS, fit_voxels=False), model=model).shift == strong


def test_the_shift_is_added_to_the_logit_of_neurites_alone(noisy, bright_model):
    model, stack = load_model(str(bright_model)), noisy(0.01)
    survey = take_survey(stack, SETTINGS, model=model)
    plain, moved = (segment(stack, SETTINGS, model=model, survey=replace(survey, shift=s)) for s in (0.0, 1.0))
    p = plain.neurite.astype(float) / 255
    sure = (plain.neurite > 20) & (plain.neurite < 235)
    due = 255 / (1 + np.exp(-(np.log(p[sure] / (1 - p[sure])) + 1)))
    assert sure.sum() > 1000
    np.testing.assert_allclose(moved.neurite[sure], due, atol=3)
    assert np.array_equal(moved.soma, plain.soma)


def test_blocks_are_shifted_like_the_whole(noisy, bright_model):
    model, stack = load_model(str(bright_model)), noisy(0.3)
    run = Runner.make(model, SETTINGS)
    survey = survey_by(run, stack, SETTINGS)
    assert survey.shift > 0
    box = tuple(slice(0, n) for n in stack.shape)
    whole = segment(stack, SETTINGS, model=model)
    assert np.array_equal(segment_box(stack, box, survey, run=run, settings=SETTINGS)[0], whole.neurite)
