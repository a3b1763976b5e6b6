"""A body beyond doubt is one node, whatever the network draws inside; what only appears in the soma map is none."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import find_objects, label

from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType
from neurorecon.evaluate import score_trees
from neurorecon.tracing import (
    Box,
    TraceSettings,
    cut_volume,
    grow_parts,
    trace,
    trace_in_parts,
    trace_part,
)
from neurorecon.tracing.field import field_of
from neurorecon.tracing.parts.part_file import load_part, save_part
from neurorecon.tracing.soma.grey_body import Thickest, solid_at
from neurorecon.tracing.soma.map_pieces import piece_in
from neurorecon.tracing.soma.sure_body import PIECES, boxes_of, cells_of, holds, sure_bodies

SHAPE, MIDDLE = (44, 130, 130), np.array((22, 64, 64))
VOXELS = TraceSettings(units="voxel")


def ellipsoid(half, at=MIDDLE):
    """How far each voxel lies from a middle, by the half axes (z, y, x): the surface is 1."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    return np.linalg.norm((grid - at) / np.array(half), axis=-1)


def drawn(canvas, half=(9, 26, 20), *, level=1.0, edge=0.0, at=MIDDLE, light=250):
    """Map and stack of a flat body with four dendrites, in which the network draws a few thin tubes.

    The soma map has `level` in the body, `edge` less in all of it but a rim.
    """
    away = ellipsoid(half, at)
    painted = canvas(SHAPE)
    for end in ((22, 4, 64), (22, 126, 60), (22, 60, 4), (22, 70, 126)):
        painted = painted.tube([at, end], 2.0)
    for y in (-10, 0, 10):
        painted = painted.tube([at + (0, y, -12), at + (2, y + 3, 12)], 1.0)
    neurite = painted.probability().neurite
    grey = np.maximum(np.asarray(neurite) * 0.5, np.where(away <= 1, light, 0)) + 5
    grey += np.random.default_rng(0).normal(0, 2, SHAPE)
    soma = np.clip(level - edge * (away < 0.8), 0, 1) * (away <= 1)
    maps = Probability(neurite, soma=np.round(255 * soma).astype(np.uint8), source="drawn")
    return maps, Stack(np.clip(grey, 0, 255).astype(np.uint8)), away


def test_a_large_flat_body_is_one_node_of_its_volume_and_no_line_runs_inside(canvas):
    maps, stack, away = drawn(canvas)
    tree = trace(maps, VOXELS, stack=stack)
    (body,) = np.flatnonzero(tree.type == NodeType.SOMA)
    assert tree.parent[body] == -1
    assert np.linalg.norm(tree.xyz[body][::-1] - MIDDLE) <= 1.5
    assert tree.radius[body] == pytest.approx((9 * 26 * 20) ** (1 / 3), rel=0.05)
    others = np.rint(np.delete(tree.xyz, body, axis=0)[:, ::-1]).astype(int)
    hangs = np.delete(tree.parent, body) == body  # the first node of a straight way out of the body may lie in it
    assert (away[tuple(others[~hangs].T)] >= 0.9).mean() >= 0.9
    assert len(tree.tips) <= 5
    assert np.count_nonzero(tree.parent == body) == 4


def test_thick_stems_that_the_soma_map_shows_too_are_neurites(canvas):
    ends = ((22, 4, 64), (22, 126, 64), (22, 64, 126))
    painted = canvas(SHAPE).ball(MIDDLE, 14)
    stems = canvas(SHAPE)
    for end in ends:
        painted = painted.tube([MIDDLE, end], 5.0)
        stems = stems.tube([MIDDLE, MIDDLE + 28 * (np.array(end) - MIDDLE) / 62], 5.0)
    neurite = painted.probability().neurite
    soma = np.maximum(stems.map, painted.distance_to(MIDDLE) <= 14)
    grey = np.asarray(neurite) * 0.5 + np.random.default_rng(0).normal(20, 2, SHAPE)
    maps = Probability(neurite, soma=np.round(255 * soma).astype(np.uint8), source="drawn")
    tree = trace(maps, VOXELS, stack=Stack(np.clip(grey, 0, 255).astype(np.uint8)))
    (body,) = np.flatnonzero(tree.type == NodeType.SOMA)
    assert np.linalg.norm(tree.xyz[body][::-1] - MIDDLE) <= 2
    assert tree.radius[body] == pytest.approx(14, rel=0.15)
    assert len(tree.tips) == 3
    assert tree.cable_length > 3 * 40


def found(maps, stack):
    cloud = (field := field_of(maps, VOXELS)).cloud
    return sure_bodies(cloud, field.depth, maps.soma, np.asarray(stack.data), np.ones(3))


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 0.8},  # sure nowhere
        {"edge": 0.3},  # a bright rim around a core that is less sure
        {"half": (5, 11, 11)},  # small: grey_body.py finds such ones better
        {"half": (6, 60, 9)},  # a thick neurite
        {"at": np.array((22, 20, 64))},  # cut by a border of the stack
    ],
)
def test_what_is_less_sure_spread_small_or_cut_is_left_to_the_grey_values(canvas, changes):
    maps, stack, _ = drawn(canvas, light=130)
    assert len(found(maps, stack)) == 1
    maps, stack, _ = drawn(canvas, light=130, **changes)
    assert not found(maps, stack)


def test_a_body_without_a_neurite_and_a_map_without_a_body_are_none(canvas):
    maps, stack, _ = drawn(canvas)
    apart = canvas(SHAPE).tube([(3, 3, 3), (3, 3, 120)], 2.0).probability()
    for soma in (maps.soma, None, np.zeros(SHAPE, np.uint8)):
        assert not found(dataclasses.replace(apart, soma=soma), stack)


def two(canvas, radius=6.0, other=None, light=250):
    """Two bodies on one neurite from border to border, each with two more neurites: map and stack; `other` is a radius, too."""
    painted = canvas(SHAPE).tube([(22, 2, 64), (22, 128, 64)], 2.0)
    places = np.array([(22, 40, 64), (22, 95, 64)])
    soma, grey = np.zeros(SHAPE), np.zeros(SHAPE)
    for place, size in zip(places, (radius, other or radius), strict=True):
        for x in (4, 126):
            painted = painted.tube([place, (22, place[1], x)], 2.0)
        ball = np.clip(size + 0.5 - painted.distance_to(place), 0, 1)
        soma, grey = np.maximum(soma, ball), np.maximum(grey, light * ball)
    neurite = painted.probability().neurite
    grey = np.maximum(grey, 0.35 * neurite) + 5 + np.random.default_rng(0).normal(0, 2, SHAPE)
    maps = Probability(neurite, soma=np.round(245 * soma).astype(np.uint8), source="drawn")
    return maps, Stack(np.clip(grey, 0, 255).astype(np.uint8)), places


def test_two_bodies_that_shine_are_two_neurons(canvas):
    maps, stack, places = two(canvas)
    tree = trace(maps, VOXELS, stack=stack)
    bodies = np.flatnonzero(tree.type == NodeType.SOMA)
    assert (tree.parent[bodies] == -1).all()
    apart = np.linalg.norm(tree.xyz[bodies, None, ::-1] - places, axis=2)
    assert apart.shape == (2, 2)
    assert apart.min(0).max() <= 1.5
    own = tree.root_of()
    assert np.bincount(own)[bodies].min() >= 0.4 * len(tree)


@pytest.mark.parametrize("changes", [{"radius": 2.5}, {"light": 85}])
def test_a_bouton_and_what_is_hardly_brighter_than_neurites_do_not_shine(canvas, changes):
    assert len(found(*two(canvas)[:2])) == 2
    assert not found(*two(canvas, **changes)[:2])


def test_of_a_body_and_a_larger_bulb_neither_is_beyond_doubt(canvas):
    assert len(found(*two(canvas, other=7.0)[:2])) == 2
    assert not found(*two(canvas, other=9.0)[:2])


BLOCKS = [(44, 130, 130), (44, 70, 70), (32, 47, 61)]  # the last ones cut bodies, and cells of the soma map


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("made", [drawn, two])
def test_in_blocks_a_volume_has_the_bodies_that_it_has_in_one_piece(canvas, made, block):
    maps, stack, _ = made(canvas)
    trees = trace(maps, VOXELS, stack=stack), trace_in_parts(maps, cut_volume(SHAPE, block), VOXELS, stack=stack)
    whole, cut = (np.flatnonzero(tree.type == NodeType.SOMA) for tree in trees)
    assert len(whole) == len(cut) == (1 if made is drawn else 2)
    for body in whole:
        apart = np.linalg.norm(trees[1].xyz[cut] - trees[0].xyz[body], axis=1)
        assert apart.min() < 0.1
        assert trees[1].radius[cut[apart.argmin()]] == pytest.approx(trees[0].radius[body], rel=0.02)
    assert trees[1].cable_length == pytest.approx(trees[0].cable_length, rel=0.03)
    assert score_trees(trees[1], trees[0], tolerance=1.5).f1 > 0.97


@pytest.mark.parametrize("changes", [{"radius": 2.5}, {"light": 85}, {"other": 9.0}])
def test_in_blocks_what_does_not_shine_is_no_body_either(canvas, changes):
    found = []
    for more in ({}, changes):
        maps, stack, _ = two(canvas, **more)
        parts = [trace_part(maps, core, VOXELS, 1.0) for core in cut_volume(SHAPE, BLOCKS[-1])]
        found.append((grow_parts(maps, parts, stack, VOXELS).soma >= 0).sum())
    assert found == [2, 0]


def test_a_part_keeps_the_cells_of_the_soma_map_in_its_file(canvas, tmp_path):
    maps, _, _ = two(canvas)
    part = trace_part(maps, Box((0, 0, 0), (44, 70, 130)), VOXELS, 1.0)
    save_part(part, tmp_path / "part.npz")
    kept = load_part(tmp_path / "part.npz").cells
    np.testing.assert_array_equal(kept, part.cells)
    assert kept[:, 3].sum() == (np.asarray(maps.soma)[:, :70] >= 128).sum()
    with np.load(tmp_path / "part.npz") as file:
        former = {name: file[name] for name in file.files if name != "cells"}
    np.savez(tmp_path / "former.npz", **former)  # as neurorecon 0.10.0 left it
    assert not len(load_part(tmp_path / "former.npz").cells)


def test_no_cell_is_looked_for_where_the_settings_say_what_is_a_soma(canvas):
    maps, _, _ = two(canvas)
    for settings in (dataclasses.replace(VOXELS, find_somata=False), dataclasses.replace(VOXELS, soma=((22, 40, 64),))):
        assert not len(trace_part(maps, Box((0, 0, 0), SHAPE), settings, 1.0).cells)


@given(st.lists(st.tuples(*(st.integers(0, n - 1) for n in (9, 30, 30))), max_size=40))
def test_boxes_of_cells_are_those_of_a_dense_labelling(voxels):
    soma = np.zeros((9, 30, 30), np.uint8)
    for voxel in voxels:
        soma[voxel] = 200
    dense = np.zeros((3, 8, 8), bool)
    dense[tuple(np.argwhere(soma).T // 4)] = True
    expected = [
        [(4 * side.start, min(4 * side.stop, n)) for side, n in zip(box, soma.shape, strict=True)]
        for box in find_objects(label(dense, np.ones((3, 3, 3)))[0])
    ]
    found = [list(zip(low.tolist(), high.tolist(), strict=True)) for low, high in boxes_of(cells_of(soma), soma.shape)]
    assert len(found) == min(len(expected), PIECES)
    assert all(box in expected for box in found)


def test_of_many_pieces_the_largest_ones_are_looked_at():
    soma = np.zeros((12, 120, 120), np.uint8)
    soma[4, 4::12, 4::12] = 200  # 100 specks
    soma[4:8, 60:68, 60:68] = 200
    boxes = boxes_of(cells_of(soma), soma.shape)
    assert len(boxes) == PIECES
    assert [(low.tolist(), high.tolist()) for low, high in boxes[:1]] == [([4, 60, 60], [8, 68, 68])]


def test_the_settings_have_the_last_word(canvas):
    maps, stack, _ = drawn(canvas)
    tree = trace(maps, dataclasses.replace(VOXELS, find_somata=False), stack=stack)
    assert not (tree.type == NodeType.SOMA).any()


def test_a_place_in_a_solid_piece_takes_its_middle_and_its_size_and_is_a_soma(canvas):
    half = np.array((7, 9, 9))
    maps, _, _ = drawn(canvas, half=half)
    place = Thickest(0, MIDDLE + (0, 3, 2), 2.0, 1.0, plain=1.1, lead=1.2, likely=1.0, cut=False)
    assert not place.is_soma
    solid = solid_at(place, maps.soma, np.ones(3))
    assert solid.is_soma
    assert solid.room == pytest.approx(half.prod() ** (1 / 3), rel=0.05)
    assert np.abs(solid.zyx - MIDDLE).max() <= 1
    for at in (MIDDLE + (0, 30, 0), np.array((0, 0, 0))):  # outside of it
        assert solid_at(dataclasses.replace(place, zyx=at), maps.soma, np.ones(3)).zyx is at
    unsure = (np.asarray(maps.soma) * 0.8).astype(np.uint8)
    assert not solid_at(place, unsure, np.ones(3)).is_soma


@pytest.mark.parametrize(
    ("half", "sure", "solid"),
    [
        ((22, 22, 22), 0.80, True),
        ((22, 22, 22), 0.65, False),  # hardly sure
        ((16, 16, 16), 0.80, False),  # a tuft can be as large
        ((10, 12, 60), 0.80, False),  # long: a thick neurite
        ((12, 26, 30), 0.80, True),  # planes are few
        ((5, 40, 40), 0.80, False),  # flat
    ],
)
def test_less_is_asked_of_a_piece_that_is_larger_than_any_tuft(half, sure, solid):
    at, shape = np.array((40, 60, 60)), (80, 120, 120)
    away = np.sqrt((((np.indices(shape) - at[:, None, None, None]).T / half).T ** 2).sum(0))
    soma = np.where(away <= 1, round(255 * sure), 0).astype(np.uint8)
    whole = (np.zeros(3, np.int64), np.array(shape))
    assert piece_in(whole, soma, np.ones(3)).solid == solid
    half_of_it = soma[40:]  # the border of the stack cuts it
    assert not piece_in((np.zeros(3, np.int64), np.array(half_of_it.shape)), half_of_it, np.ones(3)).solid


def ball_of(radius, sure=0.99, *, planes=1, nucleus=0.0, shape=(60, 60, 60)):
    """Return a soma map (Z, Y, X) uint8 with a ball in its middle, `planes` pixels from plane to plane."""
    middle = np.array(shape)[:, None, None, None] // 2
    away = np.sqrt((((np.indices(shape) - middle).T * (planes, 1, 1)).T ** 2).sum(0))
    return np.where((away <= radius) & (away >= nucleus), round(255 * sure), 0).astype(np.uint8)


def whole_piece(soma, spacing=(1, 1, 1)):
    return piece_in((np.zeros(3, np.int64), np.array(soma.shape)), soma, np.array(spacing, float))


@pytest.mark.parametrize(
    ("radius", "sure", "is_round"),
    [(6, 0.97, True), (6, 0.92, False), (3.5, 0.99, False), (10, 0.88, True), (10, 0.8, False)],
)
def test_a_round_piece_is_a_body_where_the_map_is_sure_for_its_size(radius, sure, is_round):
    assert whole_piece(ball_of(radius, sure)).is_round == is_round


def test_a_tuft_is_not_round():
    soma = np.maximum(ball_of(5), np.roll(ball_of(5), 9, axis=2))
    soma = np.maximum(soma, np.roll(ball_of(5), 18, axis=2))
    assert whole_piece(soma).spread > 1
    assert not whole_piece(soma).is_round


@pytest.mark.parametrize("planes", [1, 2, 3, 5])
def test_a_body_has_its_radius_whatever_the_distance_of_the_planes(planes):
    piece = whole_piece(ball_of(15, planes=planes), (planes, 1, 1))
    assert piece.radius == pytest.approx(15, rel=0.05)
    assert piece.spread == pytest.approx(0.775, abs=0.02)


def test_a_dark_nucleus_in_the_soma_map_is_part_of_the_body():
    solid, hollow = (whole_piece(ball_of(12, nucleus=nucleus)) for nucleus in (0, 7))
    assert hollow.radius == solid.radius
    assert hollow.core == pytest.approx(solid.core)
    assert hollow.inside.all() == solid.inside.all()


def test_a_bright_bulb_is_no_body_beside_a_larger_round_one(canvas):
    maps, stack, _ = two(canvas, radius=9.0, other=5.0)
    dim = np.asarray(stack.data).copy()
    dim[:, :70] = np.minimum(dim[:, :70], 110)  # the larger one is no brighter than neurites
    assert len(found(maps, Stack(dim))) == 0
    near = np.asarray(maps.soma).copy()
    near[:, :70] = 0
    assert len(found(dataclasses.replace(maps, soma=near), Stack(dim))) == 1  # alone it is taken for one


def test_what_lies_close_to_the_surface_of_a_large_body_is_part_of_it():
    piece = whole_piece(ball_of(24, shape=(80, 80, 80)))
    at = np.array([[40, 40, 40 + radius] for radius in (24, 27, 30)])
    assert holds(piece, at).tolist() == [True, True, False]


@pytest.mark.parametrize("gap", [6, 20])
def test_a_neurite_that_points_at_a_body_and_ends_some_voxels_before_it_is_joined_to_it(canvas, gap):
    """The map of the body is a wall around a dark nucleus: between its surface and its middle nothing is missing."""
    shape, middle = (60, 60, 130), np.array((30, 30, 40))
    painted = canvas(shape).ball(middle, 16).tube([middle, (30, 30, 1)], 2.0)
    wall = np.where(painted.distance_to(middle) <= 12, 0, painted.map)
    apart = canvas(shape).tube([(30, 30, 56 + gap), (30, 30, 125)], 2.0)
    body = painted.distance_to(middle) <= 16
    neurite = np.round(255 * np.maximum(wall, apart.map)).astype(np.uint8)
    grey = np.maximum(np.where(body, 250, 0), neurite * 0.5) + np.random.default_rng(0).normal(20, 2, shape)
    maps = Probability(neurite, soma=np.where(body, 253, 0).astype(np.uint8), source="drawn")
    tree = trace(maps, VOXELS, stack=Stack(np.clip(grey, 0, 255).astype(np.uint8)))
    (soma,) = np.flatnonzero(tree.type == NodeType.SOMA)
    far = np.linalg.norm(tree.xyz - (125, 30, 30), axis=1).argmin()
    assert (tree.root_of()[far] == soma) == (gap == 6)


def test_a_larger_round_piece_without_neurites_takes_nothing_from_a_body_that_shines(canvas):
    maps, stack, _ = two(canvas, radius=6.0, other=6.0)
    alone = np.asarray(maps.soma).copy()
    alone[:, 70:] = 0  # one of both bodies
    assert len(found(dataclasses.replace(maps, soma=alone), stack)) == 1
    blob = np.linalg.norm(np.moveaxis(np.indices(SHAPE), 0, -1) - (22, 14, 100), axis=-1) <= 10
    grey = np.maximum(np.asarray(stack.data), np.where(blob, 60, 0)).astype(np.uint8)
    assert len(found(dataclasses.replace(maps, soma=np.where(blob, 245, alone).astype(np.uint8)), Stack(grey))) == 1
