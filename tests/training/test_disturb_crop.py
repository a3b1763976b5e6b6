"""Another microscope: noise as strong as said, levels as a whole stack would have them, nothing that is not finite."""

import numpy as np
import pytest

from neurorecon.segmentation.normalise import levels_of_histogram
from neurorecon.training.sources import disturb_crop as disturb
from neurorecon.training.sources import pairs as data
from neurorecon.training.sources.disturb_crop import (
    Greys,
    disturb_mildly,
    disturb_widely,
    err_in_levels,
    shuffle_ground,
)
from neurorecon.training.sources.pairs import Source, crops, encode

CLEAN = Greys(np.array([0.0, 1.0]), np.array([0.99, 0.01]))


def test_levels_under_noise_are_those_of_a_noisy_stack():
    rng = np.random.default_rng(0)
    stack = rng.choice([0.0, 1.0], 400_000, p=[0.99, 0.01]) + rng.normal(0, 0.3, 400_000)
    values, counts = np.unique(np.round(stack, 3), return_counts=True)
    want = levels_of_histogram(values, counts)
    low, high = CLEAN.levels(np.full(2, 0.3))
    assert low == pytest.approx(want.low, abs=0.02)
    assert high == pytest.approx(want.high, abs=0.03)


def test_noise_of_a_stack_is_read_from_the_dark_half_of_its_values():
    values = np.linspace(-2, 2, 401)
    share = np.exp(-0.5 * (values / 0.25) ** 2)
    assert Greys(values, share / share.sum()).noise == pytest.approx(0.25, abs=0.02)


def test_noise_reaches_down_to_a_ratio_of_one_and_a_half():
    ratios = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        grey = np.zeros((8, 32, 32), np.float32)
        grey[:, :16] = 1
        noisy = disturb._noise(grey, CLEAN, rng)
        ratios.append((noisy[:, :16].mean() - noisy[:, 16:].mean()) / noisy[:, :16].std())
    assert min(ratios) == pytest.approx(1.5, rel=0.15)
    assert max(ratios) > 12


def test_a_stack_that_is_noisy_already_gets_less_noise_on_top():
    grey = np.zeros((8, 32, 32), np.float32)
    values = np.linspace(-3, 3, 200)
    share = np.exp(-0.5 * (values / 0.7) ** 2)
    noisy = Greys(values, share / share.sum())
    assert all((disturb._noise(grey, noisy, np.random.default_rng(seed)) == 0).all() for seed in range(20))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_the_crop_stays_finite_float32_and_seeded(seed):
    grey = np.random.default_rng(seed).normal(0, 0.1, (8, 24, 24)).astype(np.float32)
    twice = []
    for _ in range(2):
        rng = np.random.default_rng(seed)
        twice.append(err_in_levels(disturb_mildly(disturb_widely(grey, CLEAN, rng), rng), rng))
    assert np.array_equal(*twice)
    assert twice[0].shape == grey.shape
    assert twice[0].dtype == np.float32
    assert np.isfinite(twice[0]).all()


def test_sixteen_bits_keep_the_faint_end_of_a_stack_with_a_bright_soma():
    rng = np.random.default_rng(0)
    stack = rng.normal(1000, 20, (10, 60, 60)).clip(0).astype(np.uint16)
    stack[5, 30, 10:50] += 300
    stack[4:7, 5:9, 5:9] = 60_000
    codes, grey = encode(stack)
    assert len(np.unique(codes[0])) > 20
    assert np.abs(grey[codes] + stack.min() - stack)[stack < 2000].max() < 15
    assert (np.diff(grey) >= 0).all()


def test_an_eight_bit_stack_is_its_own_code_and_a_flat_one_has_one():
    stack = np.random.default_rng(0).integers(0, 256, (4, 5, 6)).astype(np.uint8)
    assert encode(stack)[0] is stack or np.array_equal(encode(stack)[0], stack)
    assert np.array_equal(encode(stack)[1], np.arange(256))
    assert not encode(np.full((4, 5, 6), 700, np.uint16))[0].any()


def test_about_half_of_the_crops_are_neither_rescaled_nor_from_another_microscope(monkeypatch):
    changed = set()
    crop = 0

    def seen(function):
        def call(*arguments):
            changed.add(crop)
            return function(*arguments)

        return call

    monkeypatch.setattr(data, "draw_steps", seen(data.draw_steps))
    monkeypatch.setattr(data, "disturb_widely", seen(data.disturb_widely))
    image = np.random.default_rng(0).integers(0, 255, (24, 40, 40)).astype(np.uint8)
    source = Source.make("noise", image, np.zeros(image.shape, np.uint8))
    stream = crops([source], (8, 16, 16), np.random.default_rng(0))
    for crop in range(200):  # noqa: B007 - read by `call`
        next(stream)
    assert len(changed) == pytest.approx(100, abs=20)


def test_shuffled_ground_keeps_the_neurite_and_every_grey_value():
    rng = np.random.default_rng(0)
    grey = rng.random((8, 16, 24), np.float32)
    labels = np.zeros(grey.shape, np.uint8)
    labels[3:5, 6:8] = 1
    shuffled = shuffle_ground(grey, labels, rng)
    assert np.array_equal(shuffled[labels == 1], grey[labels == 1])
    assert np.array_equal(np.sort(shuffled, axis=None), np.sort(grey, axis=None))
    assert (shuffled != grey)[labels == 0].mean() > 0.95
