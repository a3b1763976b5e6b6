"""Surfaces of somata: balls and ellipsoids of known volume."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.left_out import LeftOut
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType, Tree
from neurorecon.tracing.outline import outlined

SHAPE = 60, 100, 140  # px
MIDDLE = np.array([30.0, 50.0, 60.0])


def scene(half_axes=(12, 12, 12), *, planes_apart=1, nucleus=0.0, pixel=0.5, noise=4):
    """Return a stack of an ellipsoid with two neurites of radius 2 along x, and the tree with lines right through it."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), -1)
    away = np.linalg.norm((grid - MIDDLE) / half_axes, axis=-1)
    lit = np.where(away <= 1, 150.0, 0.0)
    lit = np.maximum(lit, np.where(np.hypot(grid[..., 0] - 30, grid[..., 1] - 50) <= 2, 100.0, 0.0))
    lit[away <= nucleus] = 20
    grey = 20 + gaussian_filter(lit, 0.8)[::planes_apart]
    grey += np.random.default_rng(0).normal(0, noise, grey.shape)
    x = np.arange(3.0, 137, 1.5)
    right, left = x[x > 60], x[x < 60][::-1]
    px = np.concatenate([[60.0], right, left])
    xyz = np.c_[px, np.full(len(px), 50.0), np.full(len(px), 30.0)] * pixel
    parent = np.arange(len(px)) - 1
    parent[len(right) + 1] = 0
    kinds = np.r_[NodeType.SOMA, np.zeros(len(px) - 1, int)]
    tree = Tree(xyz, np.r_[9.0, np.full(len(px) - 1, 2.0)] * pixel, parent, kinds)
    return Stack(np.clip(grey, 0, 255).astype(np.uint8), VoxelSize(planes_apart * pixel, pixel, pixel)), tree


def test_ways_on_stay_where_they_leave_the_tree_and_those_from_inside_a_body_leave_its_root():
    stack, tree = scene()
    leaves, inside, other = len(tree) - 1, 2, len(tree) - 4
    way = np.array([[4.0, 4.0, 4.0]])
    ways = (LeftOut(leaves, way, 5.0, 0.6), LeftOut(inside, way, 4.0, 0.5, meets=other))
    found, (outline,) = outlined(dataclasses.replace(tree, left_out=ways), stack)
    assert len(found) < len(tree)
    first, second = found.left_out
    np.testing.assert_array_equal(found.xyz[first.row], tree.xyz[leaves])
    np.testing.assert_array_equal(found.xyz[second.row], outline.centre)
    np.testing.assert_array_equal(found.xyz[second.meets], tree.xyz[other])
    assert (first.length, first.confidence, first.meets) == (5.0, 0.6, -1)


@pytest.mark.parametrize("planes_apart", [1, 4])
@pytest.mark.parametrize("half_axes", [(12, 12, 12), (10, 14, 18)])
def test_volume_and_radius_are_those_of_the_body(planes_apart, half_axes):
    stack, tree = scene(half_axes, planes_apart=planes_apart)
    found, (outline,) = outlined(tree, stack)
    volume = 4 / 3 * np.pi * np.prod(half_axes) * 0.5**3
    assert outline.volume == pytest.approx(volume, rel=0.08 if planes_apart == 1 else 0.15)
    assert found.radius[0] == pytest.approx(np.cbrt(3 * outline.volume / (4 * np.pi)))


@pytest.mark.parametrize("planes_apart", [1, 4])
def test_no_line_is_in_the_body_and_neurites_start_at_its_surface(planes_apart):
    stack, tree = scene(planes_apart=planes_apart)
    found, _ = outlined(tree, stack)
    away = np.linalg.norm(found.xyz - MIDDLE[::-1] * 0.5, axis=1) / 0.5
    assert found.type[0] == NodeType.SOMA
    assert away[1:].min() >= 11
    starts = np.flatnonzero(found.parent == 0)
    assert len(starts) == 2
    assert away[starts].max() <= 12 + 3
    assert len(found.tips) == 2


def test_the_surface_lies_in_the_frame_of_the_tree_and_is_closed():
    stack, tree = scene()
    _, (outline,) = outlined(tree, stack)
    away = np.linalg.norm(outline.vertices - MIDDLE[::-1] * 0.5, axis=1) / 0.5
    assert np.median(away) == pytest.approx(12, abs=0.5)
    edges = np.sort(
        np.concatenate([outline.faces[:, [0, 1]], outline.faces[:, [1, 2]], outline.faces[:, [2, 0]]]), axis=1
    )
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_a_dark_nucleus_is_part_of_the_body():
    volume = 4 / 3 * np.pi * 12**3 * 0.5**3
    stack, tree = scene(nucleus=0.5)
    assert outlined(tree, stack)[1][0].volume == pytest.approx(volume, rel=0.1)


def test_a_dark_nucleus_has_no_surface_of_its_own():
    stack, tree = scene(nucleus=0.6)
    _, (outline,) = outlined(tree, stack)
    away = np.linalg.norm(outline.vertices[:, ::-1] / 0.5 - MIDDLE, axis=1)
    assert away.min() > 10  # that of the nucleus would lie at 7


def test_an_obj_file_holds_every_vertex_and_face():
    stack, tree = scene()
    _, (outline,) = outlined(tree, stack)
    lines = outline.as_obj().splitlines()
    assert lines[0].startswith("# soma, micrometres")
    assert sum(line.startswith("v ") for line in lines) == len(outline.vertices)
    faces = np.array([line.split()[1:] for line in lines if line.startswith("f ")], int)
    assert (faces.min(), faces.max()) == (1, len(outline.vertices))


def test_a_soma_without_light_stays_and_is_warned_of(caplog):
    stack, tree = scene()
    dark = Stack(np.full(stack.shape, 20, np.uint8), stack.voxel_size)
    found, outlines = outlined(tree, dark)
    assert not outlines
    assert len(found) == len(tree)
    assert "the stack: the soma at x, y, z = 30.0, 25.0, 15.0 um shows no surface" in caplog.text


def test_a_soma_that_is_darker_than_its_surroundings_has_no_surface(caplog):
    stack, tree = scene(noise=0)
    negative = Stack(255 - stack.data, stack.voxel_size)
    found, outlines = outlined(tree, negative)
    assert not outlines
    np.testing.assert_array_equal(found.radius, tree.radius)
    assert "the stack: the soma at x, y, z = 30.0, 25.0, 15.0 um shows no surface" in caplog.text


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_body_at_any_border_of_the_stack_is_closed_there(axis, last):
    stack, tree = scene()
    data, zyx = np.asarray(stack.data)[30:], tree.xyz[:, ::-1] / 0.5 - (30, 0, 0)
    if last:
        data, zyx = data[::-1], np.abs(zyx - (len(data) - 1, 0, 0))
    data = np.ascontiguousarray(np.moveaxis(data, 0, axis))
    zyx = np.insert(zyx[:, 1:], axis, zyx[:, 0], axis=1)
    moved = Tree(zyx[:, ::-1] * 0.5, tree.radius, tree.parent, tree.type)
    _, (outline,) = outlined(moved, Stack(data, stack.voxel_size))
    assert outline.volume == pytest.approx(2 / 3 * np.pi * 12**3 * 0.5**3, rel=0.15)
    edges = np.sort(outline.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()  # each edge lies between two faces


def test_a_larger_body_beside_a_soma_is_not_taken_for_it():
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), -1)
    own, other = (np.linalg.norm(grid - (30, 50, x), axis=-1) for x in (40, 72))
    lit = np.where((own <= 10) | (other <= 19), 150.0, 0.0)
    stack = Stack((20 + gaussian_filter(lit, 0.8)).astype(np.uint8))
    tree = Tree(
        np.array([(40.0, 50, 30), (20, 50, 30)]), np.array([12.0, 1]), np.array([-1, 0]), np.array([1, 0]), "voxel"
    )
    _, (outline,) = outlined(tree, stack)
    assert outline.radius == pytest.approx(10, rel=0.1)


def test_a_tree_in_micrometres_is_not_looked_for_in_voxels_of_unknown_size():
    stack, tree = scene()
    with pytest.raises(InputError, match="its voxel size is not known, and the tree is in micrometres; give"):
        outlined(tree, Stack(stack.data))


def test_a_tree_in_voxels_has_a_surface_in_voxels():
    stack, tree = scene()
    voxels = Tree(tree.xyz / 0.5, tree.radius / 0.5, tree.parent, tree.type, "voxel")
    um, px = outlined(tree, stack)[1][0], outlined(voxels, stack)[1][0]
    assert px.volume == pytest.approx(8 * um.volume, rel=1e-6)
    assert px.unit == "voxel"
