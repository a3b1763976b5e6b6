"""Where a dropped neurite goes on: told by what adjoins it and by what was kept."""

import numpy as np
import pytest

from neurorecon.core.tree import Tree
from neurorecon.report import Follow, ends_of

#   a -0- b -1- c -2- d     the trunk; f is the tip of a branch in two stretches on b
#         |
#         3, 4
ENDS = [("a", "b"), ("b", "c"), ("c", "d"), ("b", "e"), ("e", "f")]


@pytest.fixture
def follow():
    """A trunk of three stretches and a branch of two, each a look of its own."""
    return Follow(ENDS, range(5))


def test_a_dropped_stretch_goes_on_below_whatever_hangs_there(follow):
    assert follow.ahead([0], {0}, {0}) == [1, 3]
    assert follow.ahead([1], {1}, {1}) == [2]


def test_a_twig_springs_from_a_neurite_so_nothing_above_it_is_looked_at(follow):
    assert follow.ahead([3], {3}, {3}) == [4]


def test_the_end_of_a_false_branch_leads_up_to_the_rest_of_it(follow):
    assert follow.ahead([4], {4}, {4}) == [3]


def test_what_is_left_above_a_dropped_fork_is_looked_at(follow):
    assert follow.ahead([1, 3], {1, 3}, {1, 2, 3, 4}) == [0]


def test_what_was_seen_and_not_dropped_is_a_neurite_and_ends_the_way(follow):
    assert follow.ahead([0], {0}, {0, 1}) == []
    assert follow.ahead([0], {0, 1}, {0, 1}) == [3]


def test_the_look_that_was_judged_last_is_followed_first(follow):
    assert follow.next([2, 4], {2, 4}) == 3
    assert follow.next([4, 2], {2, 4}) == 1
    assert follow.next([4, 2], {1, 2, 4}) == 3
    assert follow.next([], set()) == -1


def test_stretches_of_one_look_are_followed_together():
    assert Follow(ENDS, [0, 1, 2, 2, 3]).next([3, 2], {2, 3}) == 1  # 1 and 4 adjoin, 1 stands higher in the list


def test_ways_on_adjoin_nothing_and_a_soma_leads_nowhere():
    tree = Tree(np.eye(4, 3), np.ones(4), np.array([-1, 0, 0, 1]), np.array([1, 3, 3, 3]))
    ends = [ends_of(tree, 0, 1), ends_of(tree, 0, 2), ends_of(tree, 1, 3), ()]
    assert ends[:2] == [(None, 1), (None, 2)]
    joints = Follow(ends, range(4)).joints
    assert joints.tolist() == [[-1, 0], [-1, -1], [0, -1], [-1, -1]]
    assert Follow(ends, range(4)).ahead([0, 3], {0, 3}, {0, 3}) == [2]
