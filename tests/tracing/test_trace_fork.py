"""Branch points lie where the lines of their arms meet."""

import numpy as np
import pytest

from neurorecon.tracing.criteria import ARM_PX
from neurorecon.tracing.fork import settle_forks, shifts
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.smooth import even_steps, smooth

STEP = 0.5
ONES = np.ones(3)


def settled(arms):
    """The branch point (3,) and the lines after settling; every arm is a polyline from the branch point, node 0."""
    lines = [even_steps(np.asarray(arm, float), STEP) for arm in arms]
    ends = np.array([(0, k + 1) for k in range(len(lines))])
    after = settle_forks(np.array([0]), ends, lines, STEP)
    return after[0][0], after, lines


def three_arms(rng, length=10.0):
    directions = rng.normal(size=(3, 3))
    return [np.outer([0, length], d / np.linalg.norm(d)) for d in directions]


def test_a_branch_point_where_straight_arms_meet_stays(rng):
    for _ in range(20):
        place, after, before = settled(three_arms(rng))
        np.testing.assert_allclose(place, 0, atol=1e-9)
        for line, old in zip(after, before, strict=True):
            np.testing.assert_allclose(line, old, atol=1e-9)


@pytest.mark.parametrize("early", [1.0, 2.0, -2.0])
def test_a_way_that_cuts_the_corner_is_set_back_at_least_a_quarter(early):
    trunk = [[(0, 0, -early), (0, 0, 12)], [(0, 0, -early), (0, 0, -12)]]
    side = [(0, 0, -early), (0, abs(early), 0), (0, 12, 0)]  # it leaves the trunk at x = 0 in truth
    place, _, _ = settled([*trunk, side])
    assert np.linalg.norm(place) <= 0.75 * abs(early)
    np.testing.assert_allclose(place[0], 0, atol=1e-9)


def test_arms_that_run_side_by_side_at_first_are_followed_back():
    trunk = [(0, 0, 0), (0, 0, -12)]
    arms = [[(0, 0, 0), (0, y, 2), (0, 4 * y, 6), (0, 8 * y, 10)] for y in (1, -1)]  # their lines meet at x = 0 ...
    late = [[(0, 0, 1), (0, y, 2), (0, 4 * y, 6), (0, 8 * y, 10)] for y in (1, -1)]  # ... and the ways part at 1
    early, _, _ = settled([trunk, *arms])
    after, _, _ = settled([[(0, 0, 1), (0, 0, -12)], *late])
    assert early[2] > -0.75
    assert 0 < 1 - after[2] <= 3


def test_lines_stay_joined_and_move_near_the_branch_point_alone(rng):
    arms = [np.concatenate([arm, arm[-1:] + rng.normal(0, 3, (3, 3)).cumsum(0)]) for arm in three_arms(rng, 3.0)]
    place, after, before = settled(arms)
    assert 0 < np.linalg.norm(place) <= 3 + 1e-9
    for line, old in zip(after, before, strict=True):
        np.testing.assert_allclose(line[0], place)
        np.testing.assert_allclose(line[round(ARM_PX / STEP) :], old[round(ARM_PX / STEP) :])


@pytest.mark.parametrize(("far", "moved"), [(2.0, 1.5), (8.0, 3.0)])  # three quarters: it stays as much as an arm pulls
def test_a_branch_point_moves_three_pixels_at_most(far, moved):
    along = np.arange(13.0)
    arms = np.zeros((3, 13, 3))
    arms[:, 1:, 0] = far  # the lines of all arms meet at (far, 0, 0)
    arms[0, :, 1], arms[1, :, 2], arms[2, :, 1] = along, along, -along
    (shift,) = shifts(arms, np.full(3, 12), np.zeros(3, np.int64), 4)
    np.testing.assert_allclose(shift, [moved, 0, 0], atol=0.3)
    assert np.linalg.norm(shift) <= 3


def test_mirrored_lines_settle_in_the_mirrored_place(rng):
    arms = [np.concatenate([arm, arm[-1:] + rng.normal(0, 3, (3, 3)).cumsum(0)]) for arm in three_arms(rng, 3.0)]
    mirror = np.array([-1, 1, 1])
    place, mirrored = settled(arms)[0], settled([arm * mirror for arm in arms])[0]
    np.testing.assert_allclose(mirrored, place * mirror, atol=1e-9)


def test_two_branch_points_side_by_side_keep_the_line_between_them():
    lines = [np.array(points, float) for points in ([(0, 0, 0), (0, 0, 0.5)], [(0, 0, 0), (0, 3, -3)])]
    lines += [np.array([(0, 0, 0), (0, -3, -3)], float)]
    lines += [np.array([(0, 0, 0.5), (0, y, 3.5)], float) for y in (3, -3)]
    lines = [lines[0], *(even_steps(line, STEP) for line in lines[1:])]
    ends = np.array([(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)])
    after = settle_forks(np.array([0, 1]), ends, lines, STEP)
    np.testing.assert_allclose(after[1][0], after[0][0])
    np.testing.assert_allclose(after[3][0], after[0][-1])
    assert after[0][0][2] < after[0][-1][2]


def test_a_tree_without_branch_points_is_left_alone():
    line = np.array([(0, 0, 0), (0, 1, 1)], float)
    assert settle_forks(np.zeros(0, np.int64), np.array([(0, 1)]), [line], STEP)[0] is line


def bent(soma):
    """A trunk along x and a side arm that leaves it 2 voxels early, at node 11; the first node is the soma `soma`."""
    trunk = [(0, 0, x) for x in range(24)]
    side = [(0, 1, 12), *((0, y, 13) for y in range(2, 16))]
    zyx = np.array(trunk + side, float)
    parent = np.array([*range(-1, 23), 11, *range(24, 24 + len(side) - 1)])
    kind = np.where(np.arange(len(zyx)) == 0, soma, -1)
    return Skeleton(zyx, parent, np.ones(len(zyx)), np.ones(len(zyx)), kind)


@pytest.mark.parametrize("soma", [-1, 0])
def test_in_the_finished_line_only_the_branch_point_has_settled(soma):
    made = bent(soma)
    line = smooth(made, ONES, 0.0, 1.0)
    children = np.bincount(line.parent[line.parent >= 0], minlength=len(line.parent))
    (fork,) = line.zyx[children == 2]
    assert 11.3 < fork[2] <= 13
    for node in (0, 23, len(made) - 1):
        assert np.linalg.norm(line.zyx - made.zyx[node], axis=1).min() < 1e-9


def test_a_root_that_is_a_branch_point_settles_too():
    made = bent(-1)
    order = np.array([*range(11, -1, -1), *range(12, len(made))])  # hung on node 11
    parent = np.array([-1, *range(11), 0, *range(12, 23), 0, *range(24, len(made) - 1)])
    root = Skeleton(made.zyx[order], parent, made.p, made.depth, made.soma)
    line, hung = smooth(root, ONES, 0.0, 1.0), smooth(made, ONES, 0.0, 1.0)
    children = np.bincount(hung.parent[hung.parent >= 0], minlength=len(hung.parent))
    np.testing.assert_allclose(line.zyx[0], hung.zyx[children == 2][0])
