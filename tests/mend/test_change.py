"""Verdicts and what becomes of the tree: every length and every root is known by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.core.tree import NodeType, Tree
from neurorecon.mend import Verdict, mend


def no_way(start, end):
    raise AssertionError("nothing is joined here")


def bare_way(start, end):
    return np.zeros((0, 3)), "at once"


def done_to(tree, *verdicts, way=no_way):
    listed = [Verdict(number, *one) if isinstance(one, tuple) else one for number, one in enumerate(verdicts, start=1)]
    return mend(tree, np.arange(1, len(tree) + 1), listed, way)


def drop(top, to):
    return ("drop", to, top, to)


def places(tree):
    """All edges as pairs of points, whichever hangs on the other."""
    child = np.flatnonzero(tree.parent >= 0)
    return {frozenset([tuple(tree.xyz[row]), tuple(tree.xyz[tree.parent[row]])]) for row in child}


def test_kept_stretch_changes_nothing(fork):
    found = done_to(fork, ("keep", 15, 11, 21))
    assert places(found.tree) == places(fork)
    assert [outcome.done for outcome in found.outcomes] == [True]


def test_dropped_arm_is_gone_and_the_rest_stays(fork):
    found = done_to(fork, drop(11, 21)).tree
    assert len(found) == 21
    assert found.cable_length == 20
    assert found.xyz[:, 1].max() == 0


def test_dropped_trunk_leaves_both_arms_as_one_tree_of_their_own(fork):
    found = done_to(fork, drop(1, 11)).tree
    assert len(found.roots) == 2  # the soma, which stays, and the fork
    assert found.cable_length == 20
    assert len(found) == 22
    assert found.xyz[found.roots].tolist() == [[0, 0, 0], [10, 0, 0]]


def test_arm_that_hung_on_a_dropped_stretch_is_lost_only_if_it_is_dropped_too(fork):
    found = done_to(fork, drop(1, 11), drop(11, 21)).tree
    assert found.cable_length == 10
    assert sorted(found.xyz[found.roots].tolist()) == [[0, 0, 0], [10, 0, 0]]


def test_dropped_middle_of_an_arm_leaves_its_end_as_a_tree(fork):
    found = done_to(fork, drop(13, 16)).tree  # three edges, y 2 to 5
    assert found.cable_length == 27
    assert found.xyz[found.roots].tolist() == [[0, 0, 0], [10, 5, 0]]


def test_last_word_on_a_stretch_counts(fork):
    found = done_to(fork, drop(11, 21), ("keep", 15, 11, 21))
    assert found.tree.cable_length == 30
    assert [outcome.done for outcome in found.outcomes] == [False, True]
    assert "verdict 2" in found.outcomes[0].what


def test_everything_dropped_is_refused(fork):
    bare = Tree(fork.xyz, fork.radius, fork.parent, np.zeros(31, int), "voxel")
    with pytest.raises(InputError, match="nothing is left"):
        done_to(bare, drop(1, 11), drop(11, 21), drop(11, 31))


def test_detached_node_begins_a_tree_and_one_edge_is_gone(fork):
    found = done_to(fork, ("detach", 12)).tree
    assert found.cable_length == 29
    assert found.xyz[found.roots].tolist() == [[0, 0, 0], [10, 1, 0]]


def test_detaching_a_root_is_refused_with_the_place(fork):
    with pytest.raises(InputError, match=r"^verdicts: verdict 1 \(detach\): node 1 is a root"):
        done_to(fork, ("detach", 1))


def test_unknown_nodes_and_false_stretches_are_refused(fork):
    with pytest.raises(InputError, match="node 99 is not in the tree"):
        done_to(fork, ("root", 99))
    with pytest.raises(InputError, match="no stretch leads from node 21 up to node 22"):
        done_to(fork, drop(22, 21))


def two_lines(*, soma, gap=(5, 0, 0)):
    """Two lines along x: 4 long from 0, and 9 long from behind a gap; the numbers of those that begin with a soma."""
    first = np.array([(x, 0, 0) for x in range(5)], float)
    second = first[-1] + np.array(gap, float) + np.array([(x, 0, 0) for x in range(10)], float)
    kind = np.zeros(15, int)
    kind[[(0, 5)[k] for k in soma]] = 1
    parent = [*range(-1, 4), -1, *range(5, 14)]
    return Tree(np.concatenate([first, second]), np.ones(15), np.array(parent), kind, "voxel")


def test_join_leaves_the_root_of_the_tree_with_a_soma():
    tree = two_lines(soma=[0])
    found = done_to(tree, ("join", 15, None, 5), way=bare_way).tree  # the far end of the longer, without soma
    assert found.roots.tolist() == [0]
    assert found.xyz[0].tolist() == [0, 0, 0]
    assert found.type[0] == NodeType.SOMA
    assert found.cable_length == 4 + 9 + 14


def test_join_without_soma_leaves_the_root_of_the_longer():
    found = done_to(two_lines(soma=[]), ("join", 5, None, 6), way=bare_way).tree
    assert found.xyz[found.roots].tolist() == [[9, 0, 0]]
    assert found.cable_length == 4 + 9 + 5


def test_join_of_two_somata_is_left_out_and_says_why():
    found = done_to(two_lines(soma=[0, 1]), ("join", 5, None, 6), way=bare_way)
    assert len(found.tree.roots) == 2
    assert not found.outcomes[0].done
    assert "soma" in found.outcomes[0].what


def test_join_within_one_tree_is_left_out(fork):
    found = done_to(fork, ("join", 21, None, 31), way=bare_way)
    assert places(found.tree) == places(fork)
    assert "loop" in found.outcomes[0].what


def test_join_after_detach_moves_a_branch(fork):
    """The upper arm is cut from the fork and joined with the middle of the trunk."""
    found = done_to(fork, ("detach", 12), ("join", 12, None, 6), way=bare_way).tree
    assert found.roots.tolist() == [0]
    assert frozenset([(5, 0, 0), (10, 1, 0)]) in places(found)
    assert found.branch_points.tolist() == [5]


def test_way_of_a_join_has_radii_between_those_of_its_ends():
    tree = two_lines(soma=[])
    thick = Tree(tree.xyz, np.r_[np.full(5, 1.0), np.full(10, 3.0)], tree.parent, np.full(15, 3), "voxel")
    between = lambda start, end: (np.linspace(start, end, 5)[1:-1], "")  # noqa: E731
    found = done_to(thick, ("join", 5, None, 6), way=between).tree
    new = found.radius[(found.xyz[:, 0] > 4) & (found.xyz[:, 0] < 9)]
    assert sorted(new.tolist()) == [1.5, 2.0, 2.5]
    assert set(found.type.tolist()) == {3}


def test_new_root_reverses_the_way_and_keeps_all_edges(fork):
    bare = Tree(fork.xyz, fork.radius, fork.parent, np.zeros(31, int), "voxel")
    found = done_to(bare, ("root", 21)).tree
    assert found.xyz[found.roots].tolist() == [[10, 10, 0]]
    assert places(found) == places(bare)


def test_soma_of_a_former_root_is_none_any_more(fork):
    found = done_to(fork, ("root", 21))
    assert NodeType.SOMA not in found.tree.type
    assert "soma" in found.outcomes[0].what


def test_kind_is_that_of_the_unbranched_stretch(fork):
    found = done_to(fork, ("kind", 15, None, None, 3)).tree
    assert found.type[found.xyz[:, 1] > 0].tolist() == [3] * 10
    assert set(found.type[found.xyz[:, 1] <= 0].tolist()) == {1, 2}


def test_kind_of_a_branch_point_is_that_of_the_stretch_above_it(fork):
    found = done_to(fork, ("kind", 11, None, None, 4)).tree
    assert set(found.type[1:11].tolist()) == {4}
    assert found.type[0] == NodeType.SOMA
    assert set(found.type[11:].tolist()) == {2}


def test_soma_as_kind_becomes_the_root():
    found = done_to(two_lines(soma=[]), ("kind", 10, None, None, 1)).tree
    somata = np.flatnonzero(found.type == NodeType.SOMA)
    assert len(somata) == 1
    assert found.parent[somata[0]] == -1
    assert found.xyz[somata[0]].tolist() == [13, 0, 0]


def test_what_was_looked_at_is_known(fork):
    found = done_to(fork, ("keep", 15, 11, 21), drop(11, 31))
    assert found.tree.xyz[found.looked][:, 1].tolist() == list(range(1, 11))
    assert found.dropped.tolist() == list(range(21, 31))


@given(st.data())
def test_any_verdicts_leave_a_forest_whose_cable_is_what_was_not_taken_away(data):
    n = data.draw(st.integers(2, 25))
    parent = [-1] + [data.draw(st.integers(-1, i - 1)) for i in range(1, n)]
    xyz = np.array(
        data.draw(st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=n, max_size=n, unique=True)), float
    )
    tree = Tree(xyz, np.ones(n), np.array(parent), np.zeros(n, int), "voxel")
    verdicts = []
    for _ in range(data.draw(st.integers(1, 8))):
        do = data.draw(st.sampled_from(["drop", "keep", "detach", "join", "root", "kind"]))
        node = data.draw(st.integers(1, n))
        up = parent[node - 1] + 1
        if do in ("drop", "keep", "detach") and not up:
            continue
        to = data.draw(st.integers(1, n)) if do == "join" else node
        if do == "join" and to == node:
            continue
        verdicts.append((do, node, up or None, to, 2))
    edges = places(tree)
    last = {node: do for do, node, *_ in verdicts if do in ("drop", "keep")}
    cut = {frozenset([tuple(xyz[node - 1]), tuple(xyz[parent[node - 1]])])
           for do, node, *_ in verdicts if do == "detach" or (last.get(node) == "drop" and do == "drop")}  # fmt: skip
    if cut >= edges:  # nothing might be left
        return
    found = done_to(tree, *verdicts, way=bare_way)
    assert places(found.tree) >= edges - cut  # joins add edges, and may make a cut one again
    joins = sum(outcome.done for outcome in found.outcomes if outcome.verdict.do == "join")
    assert len(places(found.tree)) <= len(edges - cut) + joins
    assert len(found.outcomes) == len(verdicts)


def extend(node, point, do="extend"):
    return Verdict(1, do, node, point=point)


def test_way_on_is_added_to_the_tree_and_one_that_is_refused_is_not(fork):
    bow = lambda start, end: (np.array([(21.0, 1.0, 0.0)]), "along a bow")  # noqa: E731
    tip = int(np.flatnonzero(fork.children_count == 0)[0])
    point = (30.0, 2.0, 0.0)
    found = done_to(fork, extend(tip + 1, point), way=bow)
    assert found.outcomes[0].what == "extended along a bow"
    new = places(found.tree) - places(fork)
    end = tuple(fork.xyz[tip])
    assert new == {frozenset([end, (21.0, 1.0, 0.0)]), frozenset([(21.0, 1.0, 0.0), point])}
    assert len(found.tree.roots) == len(fork.roots)
    assert found.looked.sum() == 2
    refused = done_to(fork, extend(tip + 1, point, "refuse"))
    assert places(refused.tree) == places(fork)
    assert refused.outcomes[0].done


def test_last_verdict_on_a_way_on_counts_and_one_from_a_dropped_node_is_left_out(fork):
    tip, point = int(np.flatnonzero(fork.children_count == 0)[0]) + 1, (30.0, 2.0, 0.0)
    verdicts = [Verdict(1, "extend", tip, point=point), Verdict(2, "refuse", tip, point=point)]
    assert [outcome.done for outcome in done_to(fork, *verdicts).outcomes] == [False, True]
    found = done_to(fork, Verdict(1, "drop", 15, 11, 21), Verdict(2, "extend", 21, point=point))
    assert [outcome.done for outcome in found.outcomes] == [True, False]
    assert found.outcomes[1].what == "the node was dropped"


def test_way_on_that_arrives_at_another_tree_joins_them(fork):
    other = Tree(np.array([(30.0, 9.0, 0.0), (31.0, 9.0, 0.0)]), np.ones(2), np.array([-1, 0]), unit=fork.unit)
    both = Tree.joined([Tree(fork.xyz, fork.radius, fork.parent, fork.type, fork.unit), other])
    tip = int(np.flatnonzero(fork.children_count == 0)[0])
    first, point = len(fork) + 1, (29.0, 9.0, 0.0)
    joined = done_to(both, Verdict(1, "extend", tip + 1, to=first, point=point), way=bare_way)
    assert len(joined.tree.roots) == len(both.roots) - 1
    assert joined.outcomes[0].what == "joined at once"
    loop = done_to(both, Verdict(1, "extend", tip + 1, to=1, point=point), way=bare_way)  # a loop is no tree
    assert len(loop.tree.roots) == len(both.roots)
    assert loop.outcomes[0].what == "extended at once"
