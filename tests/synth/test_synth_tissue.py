"""Tissue: what it looks like, that it is never neurite, and that a stack without it stays as it was."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import find_objects, label

from neurorecon.core.errors import SettingsError
from neurorecon.core.tree import NodeType, Tree
from neurorecon.synth import SynthSettings, random_tree, randomized, synthesize
from neurorecon.synth import randomize as drawing
from neurorecon.synth.processing import reworked
from neurorecon.synth.surroundings import add_tissue, padded
from neurorecon.synth.tissue import (
    axial_tail,
    cells,
    jitter,
    puncta,
    scraps,
    sheets,
    specks,
    surrogate,
    texture,
    tissue_edge,
)

SHAPE = (24, 64, 64)
CALM = SynthSettings(
    crop_zyx=SHAPE, photons=1e4, read_noise=0.0, background=0.1, haze=0.0, gradient=0.0, puncta=0.0, blobs=0.0,
    flicker=0.0, attenuation=0.0, blur_growth=1.0, exposure=0.5,
)  # fmt: skip
TISSUE = {
    "texture": {"texture": 0.1}, "cells": {"cells": 0.5}, "sheets": {"sheets": 0.5}, "scraps": {"scraps": 400.0},
    "specks": {"specks": 2000.0}, "tail": {"tail": 0.4}, "bands": {"bands": 0.2}, "seam": {"seam": 0.4},
    "bleaching": {"bleaching": 1.0}, "outside": {"outside": 1.0}, "noise": {"noise_length_px": 1.0},
    "ringing": {"ringing": 1.0}, "median": {"median": 3}, "jitter": {"jitter_px": 1.5}, "black_level": {"black_level": 0.05},
}  # fmt: skip


@pytest.fixture(scope="module")
def tree():
    return random_tree(np.random.default_rng(5), (30.0, 40.0, 40.0), neurites=5, branchings=2, soma_radius=3.0)


@pytest.fixture(scope="module")
def calm(tree):
    return synthesize(tree, CALM)


def correlation(field, axis, lag):
    field = np.moveaxis(field, axis, 0)
    return float((field[:-lag] * field[lag:]).mean() / (field**2).mean())


# Mean and standard deviation of stacks as 0.3.0 made them: another stream of random numbers would shift both. The tree is drawn
# by hand, because a random one is not the same on all processors.
@pytest.mark.parametrize(
    ("seed", "mean", "deviation"), [(0, 31.5590, 41.0328), (1, 35.1009, 42.3651), (2, 33.4489, 38.9299)]
)
def test_a_stack_without_tissue_has_the_grey_values_that_it_had_before_there_was_tissue(seed, mean, deviation):
    xyz = np.array([(20.0, 20.0, 15.0), (26.0, 21.0, 15.0), (32.0, 26.0, 17.0), (34.0, 17.0, 13.0), (8.0, 15.0, 16.0)])
    kinds = np.array([NodeType.SOMA, *4 * [NodeType.DENDRITE]])
    drawn = Tree(xyz, np.array([3.0, 0.8, 0.5, 0.5, 0.6]), np.array([-1, 0, 1, 1, 0]), kinds)
    data = synthesize(drawn, SynthSettings(seed=seed, crop_zyx=(12, 40, 40), crop_at="soma")).stack.data
    assert data.mean() == pytest.approx(mean, abs=1e-3)
    assert data.std() == pytest.approx(deviation, abs=1e-3)


def test_a_texture_has_the_lengths_that_were_asked_for(rng):
    fine = texture(rng, (48, 96, 96), length_px=1.0, stretch=1.0, slope=2.0)
    long = texture(rng, (48, 96, 96), length_px=4.0, stretch=3.0, slope=2.0)
    assert fine.std() == pytest.approx(1, abs=1e-3)
    assert correlation(fine, 2, 4) < 0.1 < 0.3 < correlation(long, 2, 4)
    assert correlation(long, 0, 6) > correlation(long, 2, 6) + 0.1


def test_a_surrogate_keeps_grey_values_and_spectrum_and_breaks_a_line(rng):
    block = rng.normal(0, 0.1, (16, 48, 48)).astype(np.float32)
    block[8, 24] += 3
    other = surrogate(rng, block)
    np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(block, axis=None))
    assert label(other > 2)[1] > 3 > label(block > 2)[1]


def test_specks_are_as_many_as_asked_and_gather_in_clusters(rng):
    light = np.stack([specks(rng, (40, 100, 100), 1000) for _ in range(6)])
    assert (light > 0).sum() / light.size * 1e6 == pytest.approx(1000, rel=0.1)
    assert np.percentile(light[light > 0], 80) == pytest.approx(1, rel=0.15)
    counts = (light > 0).reshape(6, 2, 20, 4, 25, 4, 25).sum((2, 4, 6))
    assert counts.var() > 1.5 * counts.mean()  # of a Poisson process the two are equal


def test_scraps_are_short_and_thin(rng):
    light = scraps(rng, (40, 100, 100), 100, (2.0, 1.0, 1.0))
    number, pieces = label(light > 0, np.ones((3, 3, 3)))
    assert 20 < pieces < 60
    extent = [max(s.stop - s.start for s in box) for box in find_objects(number)]
    assert np.median(extent) <= 16


@pytest.mark.parametrize("make", [cells, sheets, puncta, tissue_edge, texture])
def test_what_tissue_is_made_of_is_finite_and_differs_from_draw_to_draw(make, rng):
    one, two = make(rng, SHAPE), make(rng, SHAPE)
    assert one.shape == SHAPE
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert not np.array_equal(one, two)


def test_a_tail_lies_on_one_side_and_has_the_light_that_was_asked_for(rng):
    light = np.zeros((41, 15, 15), np.float32)
    light[20, 7, 7] = 1
    seen = axial_tail(light, rng, strength=0.5, planes=3.0)
    below, above = seen[:20].sum(), seen[21:].sum()
    assert min(below, above) == 0
    assert max(below, above) == pytest.approx(0.5, rel=0.05)


def test_jitter_moves_lines_along_x_alone(rng):
    block = np.broadcast_to(np.arange(64, dtype=np.float32), SHAPE).copy()
    for _ in range(4):
        moved = jitter(block, rng)
        assert 0 < np.abs(moved - block)[:, :, 8:-8].max() <= 6
        assert np.array_equal(np.sort(moved[:, :, 20:40].mean(2), axis=1).shape, (24, 64))


@pytest.mark.parametrize("name", sorted(TISSUE))
def test_each_setting_changes_the_grey_values_and_neither_truth_nor_masks(tree, calm, name):
    made = synthesize(tree, dataclasses.replace(CALM, **TISSUE[name]))
    assert not np.array_equal(made.stack.data, calm.stack.data)
    np.testing.assert_array_equal(made.neurite, calm.neurite)
    np.testing.assert_array_equal(made.ignore, calm.ignore)
    np.testing.assert_array_equal(made.truth.xyz, calm.truth.xyz)
    again = synthesize(tree, dataclasses.replace(CALM, **TISSUE[name]))
    np.testing.assert_array_equal(made.stack.data, again.stack.data)


def test_padding_is_exactly_zero_and_holds_no_truth(tree):
    for seed in range(6):
        made = synthesize(tree, dataclasses.replace(CALM, seed=seed, padding=0.3, offset=20.0))
        empty = made.stack.data == 0
        assert empty.mean() == pytest.approx(0.3, abs=0.03)
        assert not (made.neurite & empty).any()
        if len(made.truth):
            z, y, x = np.rint(made.truth.xyz[:, ::-1]).astype(int).T
            assert not empty[z, y, x].any()
    assert padded(np.random.default_rng(0), SHAPE, CALM) is None


def test_a_black_level_cuts_the_ground_and_keeps_the_neurite(tree):
    made = synthesize(tree, dataclasses.replace(CALM, black_level=0.3, offset=0.0))
    ground = made.stack.data[~made.neurite]
    assert (ground == 0).mean() > 0.8
    assert np.median(made.stack.data[made.neurite]) > 10


def test_bands_change_from_plane_to_plane_and_a_seam_at_one_border(rng):
    flat = np.ones(SHAPE, np.float32)
    banded = add_tissue(flat.copy(), 0 * flat, None, rng, SynthSettings(bands=0.2))
    assert np.ptp(banded, axis=(1, 2)).max() < 1e-5
    assert banded[:, 0, 0].std() > 0.03
    torn = add_tissue(flat.copy(), 0 * flat, None, rng, SynthSettings(seam=0.5))
    assert min(np.ptp(torn, axis=1).max(), np.ptp(torn, axis=2).max()) == 0
    assert np.ptp(torn) > 0.2


def test_light_bleaches_from_one_end_of_the_stack_to_the_other(rng):
    light = add_tissue(np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.float32), None, rng, SynthSettings(bleaching=1.0))
    ends = sorted(light[[0, -1], 0, 0])
    assert ends == pytest.approx([np.exp(-1), 1], rel=1e-3)


def test_resampled_noise_keeps_its_strength_and_gets_neighbours(rng):
    rate = np.ones(SHAPE, np.float32)
    counts = rate + 0.1 * rng.standard_normal(SHAPE, np.float32)
    noise = reworked(counts, rate, rng, SynthSettings(noise_length_px=0.8, noise_planes=0.5)) - rate
    assert noise.std() == pytest.approx(0.1, rel=0.01)
    assert correlation(noise, 2, 1) > 0.5
    assert correlation(noise, 0, 1) > 0.2


def test_a_deconvolution_overshoots_beside_a_bright_line(rng):
    rate = np.full(SHAPE, 0.3, np.float32)
    rate[:, 32, :] = 1.3
    sharp = reworked(rate, rate, rng, SynthSettings(ringing=1.0))
    assert sharp[12, 29, 32] < 0.25
    assert sharp[12, 50, 32] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("shape", ["pear", "spindle", "star"])
def test_a_soma_of_any_shape_is_neurite_and_larger_than_a_ball(tree, shape):
    ball = synthesize(tree, dataclasses.replace(CALM, crop_at="soma", soma_radius_px=6.0))
    other = synthesize(tree, dataclasses.replace(CALM, crop_at="soma", soma_radius_px=6.0, soma_shape=shape))
    assert other.soma.sum() > ball.soma.sum()
    assert (other.neurite | ~other.soma).all()


def test_a_nucleus_is_dark_and_still_soma(tree):
    settings = dataclasses.replace(CALM, crop_at="soma", soma_radius_px=9.0)
    ball, hollow = synthesize(tree, settings), synthesize(tree, dataclasses.replace(settings, soma_nucleus=1.0))
    np.testing.assert_array_equal(ball.soma, hollow.soma)
    change = hollow.stack.data.astype(float) - ball.stack.data
    assert change[ball.soma].min() < -0.3 * ball.stack.data[ball.soma].max()


@pytest.mark.parametrize(("name", "value"), [("optics", "x-ray"), ("soma_shape", "cube")])
def test_an_unknown_word_is_answered_with_the_known_ones(name, value):
    with pytest.raises(SettingsError, match=f"{name} is '{value}'; it must be one of"):
        SynthSettings(**{name: value})


def test_about_half_of_the_random_stacks_have_tissue_and_the_rest_none():
    drawn = [randomized(np.random.default_rng(seed)) for seed in range(300)]
    with_tissue = [s for s in drawn if s.specks or s.texture or s.bands or s.optics != "gaussian"]
    assert 0.42 < len(with_tissue) / len(drawn) < 0.58
    assert np.mean([s.texture > 0 for s in with_tissue]) > 0.7
    assert {s.optics for s in with_tissue} == {"gaussian", "confocal", "widefield"}


@pytest.mark.parametrize("seed", range(5))
def test_a_random_stack_of_tissue_can_be_rendered_and_its_neurites_stand_out(tree, seed, monkeypatch):
    monkeypatch.setattr(drawing, "TISSUE", 1.0)
    rng = np.random.default_rng(seed)
    made = synthesize(tree, randomized(rng, tree, crop_zyx=(16, 48, 48)))
    assert made.stack.shape == (16, 48, 48)
    if made.neurite.any():
        assert made.stack.data[made.neurite].mean() > made.stack.data[~made.neurite].mean()
