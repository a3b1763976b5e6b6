"""Point spreads: closed forms without aberration, and another library with it."""

import dataclasses

import numpy as np
import pytest
from scipy.special import j1

from neurorecon.synth import SynthSettings
from neurorecon.synth.psf import Optics, convolve, gibson_lanni, point_spread

CLEAR = Optics(aperture=0.6, immersion=1.33, sample=1.33, depth=30.0, wavelength=0.5)
CONFOCAL = SynthSettings(optics="confocal", voxel_size=(1.0, 0.5, 0.5), sample_index=1.518)


def test_the_focal_plane_without_aberration_is_an_airy_disc():
    radius = np.linspace(0.01, 2, 60)
    v = 2 * np.pi / CLEAR.wavelength * CLEAR.aperture * radius
    np.testing.assert_allclose(gibson_lanni(CLEAR, radius, np.zeros(1))[0], (2 * j1(v) / v) ** 2, atol=1e-6)


def test_the_axis_without_aberration_has_its_first_zero_where_the_pupil_cancels():
    zero = CLEAR.wavelength / (CLEAR.immersion - np.sqrt(CLEAR.immersion**2 - CLEAR.aperture**2))
    assert gibson_lanni(CLEAR, np.zeros(1), np.array([zero]))[0, 0] < 0.02
    low = dataclasses.replace(CLEAR, aperture=0.2)
    zero = low.wavelength / (low.immersion - np.sqrt(low.immersion**2 - low.aperture**2))
    assert gibson_lanni(low, np.zeros(1), np.array([zero]))[0, 0] < 1e-4


def test_without_a_mismatch_the_depth_does_not_matter_and_both_sides_are_alike():
    height, radius = np.linspace(-6, 6, 25), np.linspace(0, 2, 9)
    seen = gibson_lanni(CLEAR, radius, height)
    np.testing.assert_allclose(seen, seen[::-1], atol=1e-9)
    np.testing.assert_allclose(seen, gibson_lanni(dataclasses.replace(CLEAR, depth=0.0), radius, height), atol=1e-9)


@pytest.mark.parametrize(
    ("aperture", "immersion", "sample", "depth"),
    [(0.8, 1.33, 1.33, 0.0), (1.2, 1.518, 1.33, 10.0), (0.7, 1.0, 1.38, 30.0), (1.3, 1.518, 1.46, 20.0)],
)
def test_an_index_mismatch_gives_what_psfmodels_gives(aperture, immersion, sample, depth):
    psfmodels = pytest.importorskip("psfmodels", reason="the oracle of this test; the extra `dev` brings it")
    stage, radius = np.arange(depth - 20, depth + 20, 0.25), 0.1 * np.arange(16)
    glass = {"tg": 170, "tg0": 170, "ng": 1.515, "ng0": 1.515}
    objective = {"NA": aperture, "ni": immersion, "ni0": immersion, "ns": sample} | glass
    theirs = psfmodels.scalar_psf(stage, nx=31, dxy=0.1, pz=depth, wvl=0.52, params=objective)[:, 15, 15:]
    ours = gibson_lanni(Optics(aperture, immersion, sample, depth, 0.52), radius, depth - stage)
    assert np.abs(ours / ours.max() - theirs / theirs.max()).max() < 0.03  # theirs averages over pixels, ours does not
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


def test_a_mismatch_draws_a_tail_on_one_side():
    height = np.arange(-25, 25, 0.05)

    def sides(sample):
        axis = gibson_lanni(Optics(1.1, 1.518, sample, 40.0, 0.5), np.zeros(1), height)[:, 0]
        seen = height[axis > 0.1 * axis.max()] - height[axis.argmax()]
        return sorted((-seen[0], seen[-1]))

    short, long = sides(1.518)
    assert long == pytest.approx(short, abs=0.06)
    short, long = sides(1.38)
    assert long > 1.8 * short


def test_a_pinhole_makes_the_point_spread_shorter():
    def length(kind):
        axis = point_spread(dataclasses.replace(CONFOCAL, optics=kind, numerical_aperture=0.5))[:, 14, 14]
        return float((axis > 0.5 * axis.max()).sum())

    assert length("confocal") < length("widefield")


@pytest.mark.parametrize("kind", ["gaussian", "confocal", "widefield"])
def test_a_point_keeps_its_light_and_its_place(kind):
    spread = point_spread(dataclasses.replace(CONFOCAL, optics=kind))
    light = np.zeros((41, 41, 41), np.float32)
    light[20, 20, 20] = 2.0
    seen = convolve(light, spread)
    assert all(n % 2 for n in spread.shape)
    assert seen.sum() == pytest.approx(2.0, rel=0.02)
    assert np.unravel_index(seen.argmax(), seen.shape) == (20, 20, 20)


def test_a_large_stack_gives_the_same_in_blocks(rng):
    light = rng.random((70, 500, 490), np.float32)
    spread = point_spread(dataclasses.replace(CONFOCAL, numerical_aperture=1.2))[:, 10:19, 10:19]
    whole = convolve(light, spread)
    part = convolve(np.ascontiguousarray(light[:40, :60, :60]), spread)
    np.testing.assert_allclose(whole[12:28, 12:48, 12:48], part[12:28, 12:48, 12:48], atol=1e-4)
