"""Spines and boutons: side branches of a known length in micrometres that become no branches unless asked for."""

import numpy as np
import pytest

from neurorecon.tracing import TraceSettings, trace
from neurorecon.tracing.prune import cut_spines
from neurorecon.tracing.skeleton import Skeleton

VOXEL = (0.1, 0.1, 0.1)
STEP = (0.2, 0.2, 0.2)


def dendrite(canvas, twig_um, voxel_size=VOXEL):
    """A dendrite of 0.2 um radius and 9 um length along x; a side branch reaches `twig_um` beyond its surface."""
    drawing = canvas((16, 80, 100), voxel_size).tube([(8, 12, 5), (8, 12, 95)], 2)
    return drawing.tube([(8, 12, 50), (8, 13 + 10 * twig_um, 50)], 1).probability()  # its end is round


@pytest.mark.parametrize("twig_um", [1.0, 1.3])
def test_a_spine_is_a_branch_only_when_asked_for(canvas, twig_um):
    probability = dendrite(canvas, twig_um)
    assert len(trace(probability, TraceSettings(confidence=0)).tips) == 2
    assert len(trace(probability, TraceSettings(spines=True, confidence=0)).tips) == 3


@pytest.mark.parametrize("twig_um", [1.9, 3.0, 6.0])
def test_a_longer_twig_is_a_branch(canvas, twig_um):
    assert len(trace(dendrite(canvas, twig_um)).tips) == 3


def test_the_unit_of_the_tree_does_not_decide_what_a_spine_is(canvas):
    assert len(trace(dendrite(canvas, 1.0), TraceSettings(units="voxel")).tips) == 2


def test_without_a_voxel_size_nothing_is_a_spine(canvas):
    assert len(trace(dendrite(canvas, 1.0, voxel_size=None), TraceSettings(confidence=0)).tips) == 3


def test_a_min_length_that_is_given_rules_alone(canvas):
    assert len(trace(dendrite(canvas, 1.0), TraceSettings(min_length=0.5, confidence=0)).tips) == 3
    assert len(trace(dendrite(canvas, 5.0), TraceSettings(min_length=6.0)).tips) == 2


def tree_of(*branches, depth=1.0, soma=False):
    """A skeleton: a line of 60 steps of 0.2 um along x, and branches (place on the line, steps)."""
    points, parents = [(0, 0, x) for x in range(61)], list(range(-1, 60))
    for at, steps in branches:
        parents += [at, *range(len(points), len(points) + steps - 1)]
        points += [(0, y, at) for y in range(1, steps + 1)]
    n = len(points)
    root = np.where((np.arange(n) == 0) & soma, 0, -1)
    return Skeleton(np.array(points, float), np.array(parents), np.ones(n), np.full(n, depth), root)


def left(skeleton):
    return len(cut_spines(skeleton, np.array(STEP)))


def test_every_spine_of_a_neurite_goes_and_the_neurite_stays_whole():
    assert left(tree_of((20, 5), (30, 8), (31, 4), (40, 7))) == 61


def test_a_fork_at_the_end_of_a_neurite_is_no_spine():
    assert left(tree_of((55, 5))) == 61 + 5  # two arms of 5 steps: which one would go on?


def test_a_neurite_that_ends_at_a_soma_near_by_does_not_go_on_there():
    assert left(tree_of((3, 5), soma=True)) == 61 + 5


def test_a_branch_that_leaves_a_soma_is_no_spine():
    assert left(tree_of((0, 5), (0, 20), soma=True)) == 61 + 5 + 20


def test_length_counts_from_the_surface_of_a_thick_dendrite():
    assert left(tree_of((30, 10))) == 61 + 10  # 2 um from the axis, 1.8 um beyond a surface 0.2 um away
    assert left(tree_of((30, 10), depth=4.0)) == 61


def test_a_twig_that_branches_is_no_spine():
    twig = tree_of((30, 7))
    fork = np.array([[0, 4, 30 + k] for k in range(1, 5)], float)
    parents = np.array([64, *range(68, 71)])
    points, above = np.concatenate([twig.zyx, fork]), np.concatenate([twig.parent, parents])
    assert left(Skeleton(points, above, np.ones(72), np.ones(72), np.full(72, -1))) == 72
