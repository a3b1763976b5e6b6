"""Paths between the nodes of a tree: length, order, bends."""

import numpy as np
import pytest

from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.core.tree import Tree
from neurorecon.synth import SynthSettings, random_tree
from neurorecon.synth.curve import bend, resample, smooth_noise, thicken, typical_radius
from neurorecon.synth.staining import grow_spines, stain, swell


def curve_of(tree, radius=None):
    return resample(tree, xyz_to_zyx(tree.xyz), tree.radius if radius is None else radius)


def lengths(curve):
    up = np.where(curve.parent < 0, np.arange(len(curve.parent)), curve.parent)
    return np.linalg.norm(curve.points - curve.points[up], axis=1)


@pytest.fixture(scope="module")
def arbour():
    return random_tree(np.random.default_rng(3), (40.0, 60.0, 60.0), neurites=4)


def test_resampling_keeps_the_length_and_steps_at_most_a_voxel(arbour):
    far = Tree(3.7 * arbour.xyz, arbour.radius, arbour.parent, arbour.type)
    curve = curve_of(far)
    assert lengths(curve).sum() == pytest.approx(far.cable_length, rel=1e-9)
    assert lengths(curve).max() <= 1.0 + 1e-9
    assert (curve.parent < np.arange(len(curve.parent))).all()


def test_resampling_keeps_branch_points_and_tips(arbour):
    curve = curve_of(arbour)
    count = np.bincount(curve.parent[curve.parent >= 0], minlength=len(curve.points))
    assert (count == 0).sum() == (arbour.children_count == 0).sum()
    assert (count > 1).sum() == (arbour.children_count > 1).sum()


def test_a_branch_is_one_stretch_of_the_order(y_tree):
    curve = curve_of(y_tree)
    branch = curve.branch[curve.order]
    assert (np.diff(np.flatnonzero(np.diff(branch, prepend=-1))) > 0).all()
    assert len(np.unique(branch)) == 1 + np.count_nonzero(np.diff(branch))
    assert len(np.unique(branch)) == 4  # the root itself, the stem, two daughters


def test_bending_moves_the_way_but_neither_branch_points_nor_tips(arbour, rng):
    far = Tree(4 * arbour.xyz, arbour.radius, arbour.parent, arbour.type)
    straight = curve_of(far)
    bent = bend(straight, rng, 1.5)
    count = np.bincount(straight.parent[straight.parent >= 0], minlength=len(straight.points))
    fixed = (count != 1) | (straight.parent < 0)
    np.testing.assert_array_equal(bent.points[fixed], straight.points[fixed])
    moved = np.linalg.norm(bent.points - straight.points, axis=1)[~fixed]
    assert 0.5 < moved.mean() < 6
    assert lengths(bent).max() < 3


def test_a_corner_is_rounded(rng):
    corner = np.array([(0, 0, 0), (30, 0, 0), (30, 30, 0)], float)
    curve = curve_of(Tree(corner, np.ones(3), np.array([-1, 0, 1])))
    bent = bend(curve, rng, 0.0)
    step = np.diff(bent.points, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    assert (step[:-1] * step[1:]).sum(1).min() > 0.8  # no turn above 37 degrees; it was 90


def test_a_stem_is_no_cone_as_wide_as_its_soma():
    tree = Tree(np.array([(0, 0, 0), (20, 0, 0.0)]), np.array([8.0, 1.0]), np.array([-1, 0]), np.array([1, 3]))
    assert curve_of(tree).radius[1:].max() == pytest.approx(1.0)
    smooth = Tree(tree.xyz, tree.radius, tree.parent, np.array([3, 3]))
    assert curve_of(smooth).radius[1:].max() > 7


def test_typical_radius_weighs_by_length_and_leaves_the_soma_out():
    xyz = np.array([(0, 0, 0), (1, 0, 0), (2, 0, 0), (50, 0, 0)], float)
    tree = Tree(xyz, np.array([9.0, 3.0, 3.0, 0.5]), np.array([-1, 0, 1, 2]), np.array([1, 3, 3, 3]))
    assert typical_radius(tree) == 0.5
    assert typical_radius(Tree(xyz[:1], np.ones(1), np.array([-1]))) == 1.0


def test_radii_follow_the_tree_or_the_wanted_diameter():
    radius = np.array([0.5, 1.0, 2.0, 100.0])
    own = thicken(radius, 1.0, 0.5, SynthSettings(thinnest_px=1.5, thickest_px=10.0))
    np.testing.assert_allclose(own, [1.5, 2.0, 4.0, 10.0])
    scaled = thicken(radius, 1.0, 0.5, SynthSettings(diameter_px=6.0, thickest_px=50.0))
    np.testing.assert_allclose(scaled, [1.5, 3.0, 6.0, 12.0])  # at most four times the median


@pytest.mark.parametrize("length", [3.0, 12.0, 30.0])
def test_noise_along_a_path_has_unit_variance_and_the_stated_length(rng, length):
    noise = smooth_noise(rng, 40_000, length)[:, 0]
    assert noise.std() == pytest.approx(1, abs=0.12)
    lag = int(length)
    assert np.corrcoef(noise[:-lag], noise[lag:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.1)


def test_gaps_dim_short_stretches_and_leave_the_rest(arbour, rng):
    curve = curve_of(arbour)
    quiet = {"branch_spread": 0.0, "staining": 0.0, "membrane": 0.0}
    even = stain(curve, rng, SynthSettings(gaps=0, **quiet))
    np.testing.assert_array_equal(even, 1.0)
    gapped = stain(curve, rng, SynthSettings(gaps=1.0, **quiet))
    assert gapped.min() < 0.5
    assert np.median(gapped) > 0.95


def test_a_coated_membrane_makes_thin_neurites_brighter_than_a_filled_one_does(arbour, rng):
    curve = curve_of(arbour, np.linspace(0.6, 4, len(arbour)))
    quiet = {"branch_spread": 0.0, "staining": 0.0, "gaps": 0.0}
    coated = stain(curve, rng, SynthSettings(membrane=1.0, **quiet))
    assert np.corrcoef(coated, 1 / curve.radius)[0, 1] > 0.999


def test_swellings_are_thicker_and_brighter_and_stay_on_their_branch(arbour, rng):
    curve = curve_of(arbour, np.full(len(arbour), 1.0))
    value = np.ones(len(curve.points))
    radius, bright = swell(curve, value, rng, SynthSettings(boutons=2.0))
    assert radius.max() > 1.4
    assert (radius >= 1.0).all()
    assert bright[radius > 1.3].mean() > 1.05
    np.testing.assert_array_equal(value, 1.0)


def test_spines_stand_beside_their_neurite(arbour, rng):
    curve = curve_of(arbour, np.full(len(arbour), 1.0))
    points, radius, value = grow_spines(curve, np.ones(len(curve.points)), rng, SynthSettings(spines=5.0))
    away = np.linalg.norm(points[:, None] - curve.points[None], axis=-1).min(1)
    assert len(points) == len(radius) == len(value) > 20
    assert away.max() <= 1.0 + 4.0
    assert np.median(away) > 0.9


@pytest.mark.parametrize("length", [2.0, np.nextafter(2.0, 3.0), np.nextafter(2.0, 1.0)])
def test_the_last_bit_of_a_length_adds_no_point(length):
    """Processors round it differently; one point more, and every random number after it is another one."""
    xyz = np.array([(0.0, 0, 0), (length, 0, 0)])
    tree = Tree(xyz, np.ones(2), np.array([-1, 0]), np.array([1, 3]), "voxel")
    assert len(curve_of(tree).points) == 3
