"""Radii from the light of the stack: neurites of known radius behind a known blur."""

import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.tree import NodeType, Tree
from neurorecon.report.manifest import radius_summary
from neurorecon.tracing.calibre import with_calibre

BLUR = 1.0  # px, lateral; 2.4 times that along z
THIN = (0.4, 0.4)


def cylinders(radii, *, planes_apart=1.0, photons=400, seed=0, bright=1.0):
    """Return a stack (Z, Y, X) of cylinders along x, 24 px apart, and their tree in voxels, a node every 1.5 px."""
    fine = 4  # samples an edge: the border of a disc is drawn to a fraction of a voxel
    z, y = np.mgrid[0 : 24 : 1 / fine, 0 : 24 * len(radii) : 1 / fine]
    section = np.zeros(z.shape)
    for number, radius in enumerate(radii):
        section += bright * (np.hypot(z - 12, y - 12 - 24 * number) <= radius) * min(1.0, 3 / radius**2)
    section = gaussian_filter(section, (2.4 * BLUR * fine, BLUR * fine))
    section /= section.max()
    at = np.rint(np.arange(0, 24, planes_apart) * fine).astype(int)
    stack = np.repeat((20 + 200 * section[at][:, ::fine])[:, :, None], 90, axis=2)
    noisy = np.random.default_rng(seed).poisson(stack / 200 * photons) * 200 / photons
    x = np.arange(6, 84, 1.5)
    xyz = np.concatenate(
        [np.c_[x, np.full(len(x), 12 + 24 * k), np.full(len(x), 12 / planes_apart)] for k in range(len(radii))]
    )
    parent = np.arange(len(xyz)) - 1
    parent[:: len(x)] = -1
    return noisy, Tree(xyz, np.full(len(xyz), 2.0), parent, unit="voxel")


def blank(stack, voxel_size=None):
    return Probability(np.zeros(stack.shape, np.uint8), voxel_size)


def by_neurite(tree, count):
    return np.median(tree.radius.reshape(count, -1), axis=1)


@pytest.mark.parametrize("planes_apart", [1.0, 4.0])
@pytest.mark.parametrize("photons", [60, 400])
def test_radii_are_those_of_the_cylinders_from_two_pixels_on(planes_apart, photons):
    radii = (*THIN, 2.0, 3.0, 4.0)
    stack, tree = cylinders(radii, planes_apart=planes_apart, photons=photons)
    size = VoxelSize(planes_apart, 1.0, 1.0)
    found = with_calibre(tree_in_um(tree, size), stack, blank(stack, size))
    assert by_neurite(found, 5)[2:] == pytest.approx(radii[2:], rel=0.1)


def tree_in_um(tree, size):
    return Tree(tree.xyz * size.zyx[::-1], tree.radius * size.x, tree.parent, tree.type)


def test_what_is_thinner_than_the_blur_is_not_resolved_and_counted():
    stack, tree = cylinders((*THIN, 3.0))
    found = with_calibre(tree, stack, blank(stack))
    assert found.finest == pytest.approx(1.25 * BLUR, rel=0.15)
    said = radius_summary(found)
    assert (said["not_resolved"], said["nodes"]) == (104, 156)
    assert found.radius.min() >= found.finest / 2
    assert radius_summary(tree) is None


def test_thick_neurites_alone_are_not_taken_for_the_blur():
    stack, tree = cylinders((3.0, 3.5, 4.0))
    found = with_calibre(tree, stack, blank(stack))
    assert found.finest < 2.4
    assert by_neurite(found, 3) == pytest.approx((3.0, 3.5, 4.0), rel=0.12)


def test_radii_go_with_the_size_of_a_voxel():
    stack, tree = cylinders((*THIN, 3.0))
    size = VoxelSize(0.2, 0.2, 0.2)
    voxels, um = (
        with_calibre(tree, stack, blank(stack)),
        with_calibre(tree_in_um(tree, size), stack, blank(stack, size)),
    )
    np.testing.assert_allclose(um.radius, 0.2 * voxels.radius, rtol=1e-6)
    assert um.finest == pytest.approx(0.2 * voxels.finest)


def test_radii_are_the_same_in_voxels_and_in_micrometres():
    """Also in the dark, between a thin and a thick neurite, on a way that climbs: by its length, not by its planes."""
    stack, tree = cylinders((2.0, 4.0), planes_apart=4.0)
    dark = np.random.default_rng(1).normal(300, 200, (*stack.shape[:2], 60))  # noise like no neurite
    stack, half, size = np.concatenate([stack, dark], axis=2), len(tree) // 2, VoxelSize(2.0, 0.5, 0.5)
    out = [(x, 12, 3) for x in range(86, 136, 3)] + [(136, 12, z) for z in (4, 5)]
    back = [(136, y, 5) for y in range(12, 37, 3)] + [(x, 36, 3) for x in range(134, 84, -3)]
    xyz = np.concatenate([tree.xyz[:half], out, back, tree.xyz[half:][::-1]])
    px = Tree(xyz, np.full(len(xyz), 2.0), np.arange(len(xyz)) - 1, unit="voxel")
    found = [with_calibre(one, stack, blank(stack, size)).radius for one in (px, tree_in_um(px, size))]
    assert len(np.unique(found[0][half : half + len(out)].round(3))) > 10  # it changes all the way
    np.testing.assert_allclose(0.5 * found[0], found[1])


def test_a_dark_stretch_has_the_radius_of_its_ends():
    stack, tree = cylinders((*THIN, 3.0))
    stack[:, :, 40:46] = 20
    found = with_calibre(tree, stack, blank(stack)).radius.reshape(3, -1)[2]
    assert found == pytest.approx(np.full(len(found), 3.0), rel=0.15)


def test_a_dark_branch_is_thin_and_not_as_thick_as_its_stem():
    stack, tree = cylinders((*THIN, 3.0, 3.0))
    stack[:, 72:] = np.random.default_rng(1).poisson(20, stack[:, 72:].shape)
    nodes = len(tree) // 4
    tree.parent[3 * nodes] = 2 * nodes + 25  # the dark one hangs on the thick one before it
    found = with_calibre(tree, stack, blank(stack))
    assert np.median(found.radius[3 * nodes + 10 :]) < found.finest


def test_a_neighbour_six_pixels_away_changes_little():
    stack, tree = cylinders((*THIN, 2.0))
    near = np.maximum(stack, 0.5 * (np.roll(stack, 7, axis=1) - 20) + 20)
    found = with_calibre(tree, near, blank(stack))
    assert by_neurite(found, 3)[2] == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(("before", "measured"), [(5.0, True), (6.0, False)])
def test_a_neurite_that_is_thicker_than_a_profile_shows_keeps_its_radius(before, measured):
    stack, tree = cylinders((*THIN, 3.0))
    tree.radius[104:] = before
    found = with_calibre(tree, stack, blank(stack)).radius[104:]
    assert np.median(found) == (pytest.approx(3.0, rel=0.1) if measured else before)


def test_somata_and_trees_without_a_stack_keep_their_radii():
    stack, tree = cylinders((*THIN, 3.0))
    kinds = np.zeros(len(tree), np.int64)
    kinds[0] = NodeType.SOMA
    soma = Tree(tree.xyz, np.r_[9.0, tree.radius[1:]], tree.parent, kinds, "voxel")
    assert with_calibre(soma, stack, blank(stack)).radius[0] == 9
    assert with_calibre(tree, None, blank(stack)) is tree
    flat = np.full(stack.shape, 7, np.uint8)
    assert with_calibre(tree, flat, blank(stack)) is tree


def test_a_tree_measured_in_many_parts_has_the_radii_of_one(monkeypatch):
    stack, tree = cylinders((*THIN, 2.0, 3.0, 4.0))
    whole = with_calibre(tree, stack, blank(stack))
    monkeypatch.setattr(sys.modules["neurorecon.tracing.calibre"], "AT_ONCE", 130)
    parts = with_calibre(tree, stack, blank(stack))
    clear = tree.parent.size // 5 * 2
    np.testing.assert_allclose(parts.radius[clear:], whole.radius[clear:], rtol=0.15)
    monkeypatch.setattr(sys.modules["neurorecon.tracing.calibre"], "AT_ONCE", 10**6)
    np.testing.assert_array_equal(with_calibre(tree, stack, blank(stack)).radius, whole.radius)
