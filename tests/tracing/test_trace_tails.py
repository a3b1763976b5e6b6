"""End branches that are the axial tail of a neurite go; twigs along z stay."""

import numpy as np
import pytest

from neurorecon.tracing.light import light_at
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.tails import cut_tails

SHAPE = (40, 60, 120)
ONES = np.ones(3)


def neurite_with(side):
    """A neurite along x at z = 10 with a branch down from its middle: rows and nodes."""
    trunk = [(10, 30, x) for x in range(5, 116)]
    branch = [(10 + k, 30 + round(k * side), 60) for k in range(1, 15)]
    parent = [*range(-1, 110), 55, *range(111, 124)]
    n = len(parent)
    nothing = np.full(n, -1)
    return Skeleton(np.array(trunk + branch, float), np.array(parent), np.ones(n), np.full(n, 2.0), nothing)


def stack(rng, tail=0.0, tilt=0.0, twig=0.0):
    """A tube along x, its light falling off below it by `tail` a plane, brighter at spots, and perhaps a twig along z."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    below = np.maximum(z - 10, 0)
    spots = 1 + 0.8 * np.cos(2 * np.pi * (x - 60) / 15)
    width = 1.5 + 0.1 * below
    fall = np.where(z < 10, np.exp(-((z - 10) ** 2) / 4.0), tail**below if tail else np.exp(-((z - 10) ** 2) / 4.0))
    grey = 100 * spots * fall * np.exp(-((y - 30 - tilt * below) ** 2) / (2 * width**2))
    if twig:
        grey = grey + twig * np.exp(-((y - 30 - tilt * below) ** 2 + (x - 60) ** 2) / 4.5) * (z >= 10) * (z <= 24)
    return 20 + grey + rng.normal(0, 1, SHAPE)


def cut(grey, side=0.0):
    made = neurite_with(side)
    return made, cut_tails(made, lambda s: light_at(grey, s, ONES), SHAPE)


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_a_tail_is_cut_straight_or_tilted(rng, tilt):
    made, left = cut(stack(rng, tail=0.85, tilt=tilt), tilt)
    assert len(left) == 111 < len(made)


@pytest.mark.parametrize("tail", [0.0, 0.85])
@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_a_twig_along_z_stays_with_and_without_tails_around_it(rng, tail, tilt):
    made, left = cut(stack(rng, tail=tail, tilt=tilt, twig=100), tilt)
    assert len(left) == len(made)


def test_a_tooth_inside_a_tall_blur_is_cut_though_its_tip_is_bright(rng):
    made, left = cut(
        stack(rng, tail=0.95)
    )  # at the tip half of the light of the base is left, as everywhere below the neurite
    assert len(left) == 111 < len(made)


def test_a_twig_along_z_stays_inside_a_tall_blur(rng):
    made, left = cut(stack(rng, tail=0.95, twig=100))
    assert len(left) == len(made)


def test_a_faint_twig_along_z_stays_where_no_neurite_has_a_tail(rng):
    made, left = cut(stack(rng, twig=25))
    assert len(left) == len(made)


def test_planes_between_make_a_tail_no_longer(rng):
    fine = np.repeat(stack(rng, tail=0.85), 2, axis=0)
    made = neurite_with(0.0)
    twice = Skeleton(made.zyx * (2, 1, 1), made.parent, made.p, made.depth, made.soma)
    left = cut_tails(twice, lambda s: light_at(fine, s, np.array([0.5, 1, 1])), fine.shape, planes=2)
    assert len(left) == 111


def test_a_tail_that_forks_is_cut_to_its_base(rng):
    made = neurite_with(0.0)
    prong = np.array([(10 + k, 30, 60 + k - 7) for k in range(8, 15)], float)
    n = len(made) + len(prong)
    parent = np.append(made.parent, [117, *range(125, n - 1)])
    forked = Skeleton(np.concatenate([made.zyx, prong]), parent, np.ones(n), np.full(n, 2.0), np.full(n, -1))
    grey = stack(rng, tail=0.85)
    assert len(cut_tails(forked, lambda s: light_at(grey, s, ONES), SHAPE)) == 111


def test_a_tree_without_ends_along_z_is_left_alone(rng):
    made = neurite_with(0.0).take(np.arange(125) < 111)
    assert cut_tails(made, lambda s: light_at(stack(rng), s, ONES), SHAPE) is made
