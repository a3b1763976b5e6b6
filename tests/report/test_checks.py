"""Each check finds the one fault that was drawn, where it was drawn, and nothing in a tree without it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from neurorecon.core.tree import Tree
from neurorecon.report import CHECKS, check_tree, checks
from neurorecon.report.checks import bridge_summary, count_findings
from neurorecon.report.contacts import contacts_of, is_apart
from neurorecon.report.stretches import STRETCH_PX, cable_behind, lines_of, pixel_of, stretches_of

TRUNK = [(0, 0, 0), (90, 0, 0)]


def only(tree, check):
    """The findings of a tree, all of which have to be of one check."""
    findings = check_tree(tree)
    assert {finding.check for finding in findings} <= {check}, findings
    return findings


def with_bridge(tree, rows):
    bridged = np.zeros(len(tree), bool)
    bridged[rows] = True
    return dataclasses.replace(tree, bridged=bridged)


@pytest.fixture
def clean(draw):
    """A soma, forks of 40 and 90 degrees, a bend of a right angle, and a neurite that passes 6 px away."""
    return draw(TRUNK, [(30, 0, 0), (70, 34, 0)], [(60, 0, 0), (60, -40, 0), (20, -40, 0)], [(0, 0, 0), (0, -20, 6),
                (40, -20, 6), (40, 30, 6)])  # fmt: skip


def test_a_tree_without_a_fault_has_no_finding(clean, y_tree):
    assert check_tree(clean) == []
    assert check_tree(y_tree) == []
    assert count_findings([]) == dict.fromkeys(CHECKS, 0)


def test_a_crossing_is_one_finding_at_its_place(draw):
    loop = [(0, 0, 0), (0, 30, 0), (45, 30, 1), (45, -30, 1)]
    (finding,) = only(draw(TRUNK, loop), "self-crossing")
    assert finding.xyz == pytest.approx((45, 0, 1), abs=1)
    assert finding.value == pytest.approx(1, abs=0.3)
    assert "1" in finding.text
    twice = [*loop, (75, -30, 1), (75, 30, 1)]
    assert [round(f.xyz[0]) for f in only(draw(TRUNK, twice), "self-crossing")] == [45, 75]


def test_the_contacts_of_a_tree_are_looked_for_once(draw, monkeypatch):
    tree, asked = draw(TRUNK, [(0, 0, 0), (0, 30, 0), (45, 30, 1), (45, -30, 1)]), []
    monkeypatch.setattr(checks, "contacts_of", lambda given: asked.append(given) or contacts_of(given))
    assert len(only(tree, "self-crossing")) == 1
    assert len(asked) == 1


def test_two_neurons_that_cross_are_a_finding_too(draw):
    tree = draw(TRUNK, [(45, -30, 0.5), (45, 30, 0.5)], somata=(0, 1))
    assert len(only(tree, "self-crossing")) == 1


@pytest.mark.parametrize(("apart", "radius", "count"), [(2.5, 1.0, 0), (2.5, 3.0, 1), (4.0, 6.0, 0)])
def test_thick_neurites_touch_where_thin_ones_pass(draw, apart, radius, count):
    tree = draw(TRUNK, [(45, -30, apart), (45, 30, apart)], somata=(0, 1), radius=radius)
    assert len(only(tree, "self-crossing")) == count


def test_neurites_meet_at_a_soma_by_right(draw):
    rays = [[(0, 0, 0), (40 * np.cos(a), 40 * np.sin(a), 0)] for a in np.linspace(0, 2 * np.pi, 24, endpoint=False)]
    tree = draw(*rays)
    radius = tree.radius.copy()
    radius[0] = 8
    assert check_tree(dataclasses.replace(tree, radius=radius)) == []


def test_lines_side_by_side_are_one_finding_of_the_shared_length(draw):
    tree = draw(TRUNK, [(0, 0, 0), (0, 20, 0), (30, 20, 0), (30, 2, 0), (70, 2, 0), (70, 30, 0)])
    (finding,) = only(tree, "double-line")
    assert finding.value == pytest.approx(40, abs=6)
    assert {round(tree.xyz[row, 1]) for row in finding.rows} == {0, 2, 3}


def test_a_spur_along_its_own_trunk_is_a_double_line_and_a_wide_fork_is_none(draw):
    (finding,) = only(draw(TRUNK, [(30, 0, 0), (70, 2.5, 0)]), "double-line")
    assert finding.value == pytest.approx(40 - 3.5, abs=3)  # the way over the fork is 10 px from 3.5 px on
    assert check_tree(draw(TRUNK, [(30, 0, 0), (66, 20, 0)])) == []


def test_a_radius_that_doubles_within_a_few_nodes_is_a_jump_and_one_that_grows_slowly_is_none(draw):
    tree = draw(TRUNK)
    jump = dataclasses.replace(tree, radius=np.where(tree.xyz[:, 0] < 44, 1.0, 2.5))
    (finding,) = only(jump, "radius-jump")
    assert finding.xyz[0] == pytest.approx(45, abs=1.6)
    assert finding.value == pytest.approx(2.5)
    assert check_tree(dataclasses.replace(tree, radius=1 + tree.xyz[:, 0] / 20)) == []


def test_a_radius_may_change_at_somata_branch_points_and_tips(draw):
    tree = draw([(0, 0, 0), (45, 0, 0)], [(45, 0, 0), (80, 30, 0)], [(45, 0, 0), (80, -30, 0)])
    ends = [0, *tree.branch_points, *tree.tips]
    apart = np.linalg.norm(tree.xyz[:, None] - tree.xyz[ends], axis=2).min(1)
    assert check_tree(dataclasses.replace(tree, radius=np.where(apart < 2, 4.0, 1.0))) == []


def test_a_line_that_turns_back_is_a_finding_and_a_right_angle_is_none(draw):
    (finding,) = only(draw([(0, 0, 0), (30, 0, 0), (4, 15, 0)]), "sharp-turn")
    assert finding.xyz == pytest.approx((30, 0, 0), abs=1.5)
    assert finding.value == pytest.approx(150, abs=12)
    assert check_tree(draw([(0, 0, 0), (30, 0, 0), (30, 30, 0)])) == []


def test_a_zigzag_of_the_voxel_grid_is_no_turn(draw):
    tree = draw(TRUNK)
    xyz = tree.xyz + np.array([0, 0.5, 0]) * (-1.0) ** np.arange(len(tree))[:, None]
    assert check_tree(dataclasses.replace(tree, xyz=xyz)) == []


def test_a_piece_without_soma_beside_a_neuron_is_an_orphan(draw):
    far = [(0, 60, 0), (50, 60, 0)]
    (finding,) = only(draw(TRUNK, far), "orphan")
    assert finding.value == pytest.approx(50)
    assert len(finding.rows) == len(draw(far))
    assert check_tree(draw(TRUNK, far, somata=(0, 1))) == []


def test_without_any_soma_only_a_piece_much_smaller_than_the_largest_is_an_orphan(draw):
    half, crumb = [(0, 60, 0), (45, 60, 0)], [(0, 99, 0), (12, 99, 0)]
    (finding,) = only(draw(TRUNK, half, crumb, somata=()), "orphan")
    assert finding.value == pytest.approx(12)


def test_a_bridge_tells_how_much_cable_hangs_on_it(draw):
    tree = draw(TRUNK, [(60, 0, 0), (60, 30, 0)], [(30, 0, 0), (30, -30, 0)])
    x, y = tree.xyz[:, 0], tree.xyz[:, 1]
    tree = with_bridge(tree, (y == 0) & (x > 44) & (x < 49))  # edges from 43.5 to 48
    (finding,) = only(tree, "thin-bridge")
    assert finding.value == pytest.approx((90 - 48) + 30)
    assert bridge_summary(tree) == {"count": 1, "length": pytest.approx(4.5)}


def test_a_stretch_is_no_longer_than_twenty_pixels(draw):
    tree = draw([(0, 0, 0), (75, 0, 0)])
    assert sorted(tree.edge_length[rows].sum() for rows in stretches_of(tree)) == pytest.approx([18, 18, 19.5, 19.5])


@pytest.mark.parametrize(("factor", "found"), [(1.8, 0), (2.2, 1)])
def test_a_radius_jumps_where_it_doubles(draw, factor, found):
    tree = draw([(0, 0, 0), (120, 0, 0)])
    tree.radius[40:] *= factor
    assert len(only(tree, "radius-jump")) == found


def test_arms_that_stay_close_after_their_fork_do_not_cross(draw):
    assert check_tree(draw(TRUNK, [(30, 0, 0), (42, 2.4, 0), (44, 30, 0)])) == []


def test_bridges_that_do_not_touch_are_counted_apart_and_unknown_is_not_none(draw):
    tree = draw(TRUNK, [(30, 0, 0), (30, 30, 0)])
    assert bridge_summary(tree) is None
    assert bridge_summary(with_bridge(tree, [])) == {"count": 0, "length": 0.0}
    assert bridge_summary(with_bridge(tree, [0, 3, 4, 9]))["count"] == 2  # a root has no edge above it


def test_an_empty_tree_and_a_point_have_no_findings():
    none = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, int))
    assert check_tree(none) == []
    assert check_tree(Tree(np.zeros((1, 3)), np.ones(1), np.array([-1]))) == []


def test_findings_do_not_depend_on_the_unit(draw):
    lines = (TRUNK, [(0, 0, 0), (0, 30, 0), (45, 30, 1), (45, -30, 1), (30, 29, 1)], [(0, 90, 0), (30, 90, 0)])
    pixels, microns = draw(*lines), draw(*lines, scale=0.23, unit="um")
    for tree in (pixels, microns):
        tree.radius[12:20] *= 3
    found = check_tree(pixels)
    assert {f.check for f in found} == {"self-crossing", "sharp-turn", "orphan", "radius-jump"}
    assert [(f.check, f.node, f.rows) for f in check_tree(microns)] == [(f.check, f.node, f.rows) for f in found]
    assert pixel_of(microns) == pytest.approx(0.23, rel=0.01)  # the drawing rounds its steps


@st.composite
def forests(draw):
    """Any shape on a small grid: crossings, coincident nodes, edges of no length."""
    n = draw(st.integers(0, 40))
    parent = [draw(st.integers(max(-1, i - draw(st.sampled_from([1, 40]))), i - 1)) for i in range(n)]
    xyz = draw(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=n, max_size=n))
    kind = draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n))
    bridged = draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(lambda v: np.array(v, bool)))
    points = np.array(xyz, float).reshape(n, 3)
    return Tree(points, np.ones(n), np.array(parent, int), np.array(kind, int), "voxel", None, bridged)


@given(forests())
def test_any_tree_can_be_checked_and_its_findings_lie_on_it(tree):
    for finding in check_tree(tree):
        assert finding.xyz == tuple(tree.xyz[finding.node])
        assert finding.node in finding.rows
        assert list(finding.rows) == sorted(set(finding.rows))
        assert finding.rows[0] >= 0
        assert finding.rows[-1] < len(tree)
        assert np.isfinite(finding.value)


@given(forests())
def test_lines_and_stretches_hold_every_edge_once(tree):
    edges = np.flatnonzero(tree.parent >= 0).tolist()
    assert sorted(row for line in lines_of(tree) for row in line[1:]) == edges
    stretches = stretches_of(tree)
    assert sorted(row for rows in stretches for row in rows.tolist()) == edges
    for rows in stretches:
        assert (tree.parent[rows[1:]] == rows[:-1]).all()
        assert len(rows) == 1 or tree.edge_length[rows].sum() <= STRETCH_PX * pixel_of(tree) * (1 + 1e-9)


@given(forests(), st.floats(0.1, 40))
def test_ways_along_the_tree_are_those_of_scipy(tree, limit):
    n = len(tree)
    child = np.flatnonzero(tree.parent >= 0)
    length = np.maximum(tree.edge_length[child], 1e-12)  # a graph of scipy has no edge of length 0
    graph = coo_array((length, (child, tree.parent[child])), shape=(n, n)).tocsr()
    way = shortest_path(graph, directed=False) if n else np.zeros((0, 0))
    pairs = np.stack(np.triu_indices(n, 1), 1)
    expected = way[tuple(pairs.T)]
    sure = np.abs(expected - limit) > 1e-6
    assert (is_apart(tree, pairs, limit) == (expected > limit))[sure].all()


@given(forests())
def test_cable_behind_the_roots_is_all_cable(tree):
    assert cable_behind(tree)[tree.roots].sum() == pytest.approx(tree.cable_length)
