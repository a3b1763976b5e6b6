"""A stack with known truth: reproducible, in the frame it states, and bright where the truth lies."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.geometry import VoxelSize, xyz_to_zyx
from neurorecon.core.tree import Tree
from neurorecon.synth import SynthSettings, demo_tree, random_tree, synthesize

CLEAN = SynthSettings(
    photons=1e5, read_noise=0.0, background=0.02, haze=0.0, puncta=0.0, blobs=0.0, gaps=0.0, boutons=0.0, flicker=0.0,
    staining=0.0, branch_spread=0.0, attenuation=0.0, blur_growth=1.0, gradient=0.0, offset=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def small_tree():
    return random_tree(np.random.default_rng(5), (16.0, 30.0, 30.0), neurites=4, branchings=1, soma_radius=2.5)


@pytest.fixture(scope="module")
def made(small_tree):
    return synthesize(small_tree)


def at_nodes(volume, tree):
    index = np.rint(xyz_to_zyx(tree.xyz)).astype(int)
    return volume[tuple(np.clip(index, 0, np.array(volume.shape) - 1).T)]


def straight(length=40.0, radius=1.0, unit="um"):
    xyz = np.array([(0.0, 0.0, 0.0), (length, 0.0, 0.0)])
    return Tree(xyz, np.full(2, radius), np.array([-1, 0]), np.array([3, 3]), unit)


def test_the_same_seed_and_settings_give_the_same_bytes(small_tree, made):
    again = synthesize(small_tree, SynthSettings())
    np.testing.assert_array_equal(made.stack.data, again.stack.data)
    np.testing.assert_array_equal(made.truth.xyz, again.truth.xyz)
    other = synthesize(small_tree, SynthSettings(seed=1))
    assert other.stack.shape == made.stack.shape
    assert (other.stack.data != made.stack.data).mean() > 0.3


def test_the_truth_is_in_voxels_of_the_stack_and_inside_its_mask(made):
    assert made.truth.unit == "voxel"
    assert made.stack.voxel_size == VoxelSize(1.0, 0.5, 0.5)
    assert made.neurite.shape == made.soma.shape == made.ignore.shape == made.stack.shape
    assert at_nodes(made.neurite, made.truth).mean() > 0.99


def test_the_truth_keeps_the_shape_of_the_morphology(small_tree, made):
    assert len(made.truth.roots) == 1
    assert (made.truth.children_count == 0).sum() == (small_tree.children_count == 0).sum()
    physical = made.truth.xyz * (0.5, 0.5, 1.0)
    length = np.linalg.norm(physical - physical[made.truth.parent], axis=1)[made.truth.parent >= 0].sum()
    assert length == pytest.approx(small_tree.cable_length, rel=0.25)  # wandering makes it longer


def test_neurites_are_brighter_than_what_lies_beside_them(small_tree):
    clean = synthesize(small_tree, CLEAN)
    data = clean.stack.data.astype(float)
    away = distance_transform_edt(~clean.neurite, sampling=(2, 1, 1))
    assert np.median(at_nodes(data, clean.truth)) > 4 * np.median(data[(away > 4) & (away < 6)])
    assert data[away > 15].mean() < 0.1 * np.median(at_nodes(data, clean.truth))


def test_the_brightest_line_of_a_straight_tube_is_its_truth():
    clean = synthesize(straight(), dataclasses.replace(CLEAN, wander_px=0.0, voxel_size=(0.5, 0.5, 0.5)))
    data = clean.stack.data.astype(float)
    z, y, x = xyz_to_zyx(clean.truth.xyz)[len(clean.truth) // 2]
    slab = data[:, :, int(x) - 3 : int(x) + 4].sum(2)
    assert (np.indices(slab.shape)[0] * slab).sum() / slab.sum() == pytest.approx(z, abs=0.1)
    assert (np.indices(slab.shape)[1] * slab).sum() / slab.sum() == pytest.approx(y, abs=0.1)
    assert clean.truth.cable_length == pytest.approx(80.0, rel=1e-6)
    np.testing.assert_allclose(clean.truth.radius, 2.0)


def test_the_reference_voxel_holds_the_photons_that_were_asked_for():
    still = {"read_noise": 0.0, "background": 0.0, "offset": 0.0, "exposure": 0.5, "wander_px": 0.0}
    made = synthesize(straight(120.0), dataclasses.replace(CLEAN, photons=25.0, **still))
    line = (
        at_nodes(made.stack.data.astype(float), made.truth)[20:-20] * 1.6 / (0.5 * 255)
    )  # 1.6: 25 + 3 * sqrt(25) over 25
    assert line.mean() == pytest.approx(1.0, abs=0.06)
    assert line.std() == pytest.approx(0.2, abs=0.05)  # 25 photons: one in five


def test_a_window_has_the_asked_shape_and_holds_neurite(small_tree):
    for seed in range(6):
        made = synthesize(small_tree, SynthSettings(seed=seed, crop_zyx=(12, 20, 24)))
        assert made.stack.shape == (12, 20, 24)
        assert len(made.truth) > 3
        index = xyz_to_zyx(made.truth.xyz)
        assert (index >= -0.5).all()
        assert (index <= np.array(made.stack.shape) - 0.5).all()


def test_a_window_at_the_soma_holds_soma(small_tree):
    settings = SynthSettings(crop_zyx=(12, 24, 24), crop_at="soma", soma_radius_px=6.0)
    made = synthesize(small_tree, settings)
    assert made.soma.sum() > 100
    assert made.neurite[made.soma].all()


def test_a_soma_has_about_the_volume_of_its_radius(small_tree):
    made = synthesize(small_tree, dataclasses.replace(CLEAN, soma_radius_px=6.0, voxel_size=(0.5, 0.5, 0.5)))
    assert made.soma.sum() == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.35)


def test_a_forest_gives_one_stack_of_several_neurons(small_tree):
    n = len(small_tree)
    both = Tree(
        np.concatenate([small_tree.xyz, small_tree.xyz + (25.0, 0, 0)]),
        np.tile(small_tree.radius, 2),
        np.concatenate([small_tree.parent, np.where(small_tree.parent < 0, -1, small_tree.parent + n)]),
        np.tile(small_tree.type, 2),
    )
    made = synthesize(both)
    assert len(made.truth.roots) == 2
    assert at_nodes(made.neurite, made.truth).mean() > 0.99
    assert at_nodes(made.soma, made.truth.take(made.truth.roots)).all()


def test_a_morphology_in_voxels_gives_a_stack_of_unknown_voxel_size():
    made = synthesize(straight(unit="voxel"), SynthSettings(voxel_size=(1.0, 1.0, 1.0)))
    assert made.stack.voxel_size is None
    assert made.truth.unit == "voxel"


def test_wide_planes_are_sampled_and_the_mask_follows():
    made = synthesize(straight(), SynthSettings(voxel_size=(3.0, 0.5, 0.5)))
    assert at_nodes(made.neurite, made.truth).mean() > 0.99
    assert made.stack.shape[0] < 12


def test_fibres_of_others_and_spines_are_in_the_ignore_mask_alone(small_tree):
    settings = SynthSettings(neighbours=4, out_of_focus=2, spines=4.0, neighbour_brightness=1.0, photons=500)
    made = synthesize(small_tree, settings)
    assert made.ignore.sum() > 200
    assert not (made.ignore & made.neurite).any()
    data = made.stack.data
    assert data[made.ignore].mean() > 2 * data[~made.ignore & ~made.neurite].mean()


def test_clutter_is_bright_and_no_neurite(small_tree):
    made = synthesize(small_tree, dataclasses.replace(CLEAN, puncta=200.0, blobs=20.0))
    plain = synthesize(small_tree, CLEAN)
    away = distance_transform_edt(~made.neurite) > 6
    assert made.stack.data[away].max() > 3 * plain.stack.data[away].max()


def test_deep_planes_lose_light():
    tall = Tree(np.array([(0, 0, 0), (0, 0, 40.0)]), np.ones(2), np.array([-1, 0]), np.array([3, 3]))
    made = synthesize(tall, dataclasses.replace(CLEAN, attenuation=0.6, wander_px=0.0))
    line = at_nodes(made.stack.data.astype(float), made.truth)
    first, last = line[15:25].mean(), line[-25:-15].mean()
    assert last < 0.75 * first


def test_a_window_without_neurite_nearby_still_renders():
    lone = Tree(np.array([(0.0, 0.0, 0.0)]), np.ones(1), np.array([-1]), np.array([3]))
    made = synthesize(lone, SynthSettings(crop_zyx=(6, 8, 8)))
    assert made.stack.shape == (6, 8, 8)


def test_an_empty_morphology_is_refused():
    empty = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, int))
    with pytest.raises(InputError, match="no nodes"):
        synthesize(empty)


def test_a_stack_beyond_memory_is_refused_with_advice():
    with pytest.raises(SettingsError, match="larger voxel size"):
        synthesize(demo_tree(), SynthSettings(voxel_size=(0.01, 0.01, 0.01)))


def test_the_demo_stack_has_the_promised_size():
    made = synthesize(demo_tree(), SynthSettings(blur_growth=1.0))
    assert np.abs(np.array(made.stack.shape) - (48, 200, 200)).max() <= 25
    assert made.stack.data.dtype == np.uint8
