"""Settings: checked when made, read from TOML, drawn at random."""

import dataclasses

import numpy as np
import pytest

from neurorecon.core.errors import SettingsError
from neurorecon.core.settings import as_dict, from_dict, settings_hash
from neurorecon.synth import SynthSettings, fit_voxel_size, random_tree, randomized, synthesize
from neurorecon.synth.settings import RANGES
from neurorecon.synth.window import near_window

OUT_OF_RANGE = [
    ("photons", 0.0), ("photons", float("nan")), ("gradient", 1.5), ("seed", -1), ("bit_depth", 10),
    ("voxel_size", (1.0, 0.0, 1.0)), ("voxel_size", (1.0, float("inf"), 1.0)), ("crop_zyx", (10, 0, 10)),
    ("diameter_px", 0.0), ("soma_radius_px", 999.0), ("neighbours", -1), ("gamma", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        SynthSettings(**{name: value})


def test_thinnest_above_thickest_is_refused():
    with pytest.raises(SettingsError, match="thinnest_px"):
        SynthSettings(thinnest_px=9.0, thickest_px=3.0)


def test_every_range_names_a_field_and_every_number_has_one():
    fields = {f.name: f.default for f in dataclasses.fields(SynthSettings)}
    numbers = {name for name, value in fields.items() if isinstance(value, int | float)}
    assert set(RANGES) == numbers - {"seed", "bit_depth"}


def test_settings_survive_a_table_and_an_unknown_key_is_answered():
    settings = SynthSettings(seed=4, voxel_size=(2.0, 1.0, 1.0), crop_zyx=(8, 16, 16), bit_depth=16)
    again = from_dict(SynthSettings, as_dict(settings))
    assert settings_hash(again) == settings_hash(settings)
    with pytest.raises(SettingsError, match="did you mean 'photons'"):
        from_dict(SynthSettings, {"photon": 3})


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [randomized(rng) for _ in range(400)]


def test_random_settings_cover_what_microscopes_do(drawn):
    photons = np.array([s.photons for s in drawn])
    anisotropy = np.array([s.voxel_size[0] / s.voxel_size[2] for s in drawn])
    diameter = np.array([s.diameter_px for s in drawn])
    assert photons.min() < 5
    assert photons.max() > 150
    assert anisotropy.min() == 1.0
    assert 5 < anisotropy.max() <= 6
    assert diameter.min() >= 1
    assert diameter.max() <= 12
    assert ((diameter >= 2) & (diameter <= 5)).mean() > 0.6
    assert {s.bit_depth for s in drawn} == {8, 12, 16}
    assert 0.1 < np.mean([s.clip > 0 for s in drawn]) < 0.4
    assert np.mean([s.exposure >= 1 for s in drawn]) > 0.1


def test_random_settings_keep_the_signal_above_the_noise(drawn):
    for s in drawn:
        noise = np.sqrt(s.photons * (1 + s.background + s.haze) + s.read_noise**2)
        assert s.photons / noise >= 1.5
        assert s.exposure * (s.background * (1 + s.gradient) + 2 * s.haze) <= 0.51


def test_random_settings_come_from_the_generator_alone():
    first, second = (randomized(np.random.default_rng(9)) for _ in range(2))
    assert first == second
    assert first != randomized(np.random.default_rng(10))


@pytest.mark.parametrize("seed", range(4))
def test_a_random_window_of_a_tree_can_be_rendered_and_holds_neurite(seed):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, (60.0, 120.0, 120.0), neurites=5, branchings=3)
    settings = randomized(rng, tree, crop_zyx=(16, 40, 40))
    made = synthesize(tree, settings)
    assert made.stack.shape == (16, 40, 40)
    assert made.neurite.any()
    assert made.stack.data.max() > made.stack.data.min()


def test_the_voxel_size_is_fitted_to_hold_the_wanted_cable():
    rng = np.random.default_rng(1)
    tree = random_tree(rng, (80.0, 80.0, 80.0), neurites=5, branchings=3)
    crop, found = (16, 40, 40), []
    size = fit_voxel_size(tree, crop, rng, anisotropy=1.0, cable_px=100.0)
    assert size[0] == pytest.approx(size[2])
    for seed in range(10):
        made = synthesize(tree, SynthSettings(seed=seed, crop_zyx=crop, voxel_size=size, wander_px=0.0))
        found.append(made.truth.cable_length)
    assert 35 < np.mean(found) < 300
    assert fit_voxel_size(tree, crop, rng, anisotropy=3.0, coarsest=0.2)[2] <= 0.2
    axial, _, lateral = fit_voxel_size(tree, crop, rng, anisotropy=3.0)
    assert axial == pytest.approx(3 * lateral)


def test_the_part_near_a_window_keeps_every_edge_that_enters_it():
    tree = random_tree(np.random.default_rng(2), (60.0, 60.0, 60.0), neurites=6)
    low, high = np.array([-10.0, -5.0, -20.0]), np.array([10.0, 15.0, 0.0])
    part = near_window(tree, low, high, 2.0)
    zyx = tree.xyz[:, ::-1]
    inside = ((zyx >= low - 2.0) & (zyx <= high + 2.0)).all(1)
    kept = {tuple(p) for p in part.xyz}
    assert all(tuple(p) in kept for p in tree.xyz[inside])
    assert len(part) < 0.7 * len(tree)
