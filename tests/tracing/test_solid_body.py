"""A large body is one node, whatever the network draws inside; what only shines in the soma map is none."""

import dataclasses

import numpy as np
import pytest

from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType
from neurorecon.tracing import TraceSettings, trace

SHAPE, MIDDLE = (44, 130, 130), np.array((22, 64, 64))
VOXELS = TraceSettings(units="voxel")


def ellipsoid(half, at=MIDDLE):
    """How far each voxel lies from a middle, by the half axes (z, y, x): the surface is 1."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    return np.linalg.norm((grid - at) / np.array(half), axis=-1)


def drawn(canvas, half=(9, 26, 20), level=1.0, edge=0.0, at=MIDDLE):
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
    grey = np.maximum(np.asarray(neurite) * 0.5, np.where(away <= 1, 250, 0)) + 5
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
    from neurorecon.tracing.field import field_of
    from neurorecon.tracing.soma.solid_body import solid_body

    maps, _, _ = drawn(canvas)
    cloud = field_of(maps, VOXELS).cloud
    assert solid_body(cloud, maps.soma) is not None
    maps, _, _ = drawn(canvas, **changes)
    assert solid_body(field_of(maps, VOXELS).cloud, maps.soma) is None


def test_a_body_without_a_neurite_and_a_map_without_a_body_are_none(canvas):
    from neurorecon.tracing.field import field_of
    from neurorecon.tracing.soma.solid_body import solid_body

    maps, _, _ = drawn(canvas)
    apart = canvas(SHAPE).tube([(3, 3, 3), (3, 3, 120)], 2.0).probability()
    cloud = field_of(apart, VOXELS).cloud
    assert solid_body(cloud, maps.soma) is None
    assert solid_body(cloud, None) is None
    assert solid_body(cloud, np.zeros(SHAPE, np.uint8)) is None


def test_the_settings_have_the_last_word(canvas):
    maps, stack, _ = drawn(canvas)
    tree = trace(maps, dataclasses.replace(VOXELS, find_somata=False), stack=stack)
    assert not (tree.type == NodeType.SOMA).any()
