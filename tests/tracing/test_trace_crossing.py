"""Neurites that cross at touching distance go straight on, and ends that face each other across a long gap are joined."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from neurorecon.core.tree import NodeType
from neurorecon.tracing import TraceSettings, trace
from neurorecon.tracing.bridge import Ground
from neurorecon.tracing.crossing import uncross
from neurorecon.tracing.long_gaps import reach
from neurorecon.tracing.skeleton import Skeleton

ONES = np.ones(3)


class Drawing:
    """A skeleton in the plane z = 5 that is drawn line by line; points are (y, x)."""

    def __init__(self, depth=1.0):
        self.points, self.parents, self.somata, self.depth = [], [], [], depth

    def line(self, a, b, on=-1, soma=False):
        """Nodes in steps of about 1 from a to b, the first one hung on the node `on`; return their rows."""
        steps = max(1, round(float(np.hypot(b[0] - a[0], b[1] - a[1]))))
        rows = list(range(len(self.points), len(self.points) + steps + 1))
        if soma:
            self.somata.append(rows[0])
        self.points += [(5, *p) for p in np.linspace(a, b, steps + 1)]
        self.parents += [on, *rows[:-1]]
        return rows

    def skeleton(self):
        n = len(self.points)
        soma = np.full(n, -1)
        soma[self.somata] = np.arange(len(self.somata))
        points, parents = np.array(self.points, float), np.array(self.parents)
        return Skeleton(points, parents, np.ones(n), np.full(n, self.depth), soma)


def components(edges, n):
    """The number of components and the component of every node."""
    return connected_components(coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n)), False)


def neighbours(edges, node):
    return {int(b if a == node else a) for a, b in edges if node in (a, b)}


def crossing(one_soma, stub=0):
    """A along x and B along y, which ends before A; the rest of B hangs on A, with a stub of `stub` back towards B.

    Return the skeleton, the far end of B, B's nodes before and after the crossing, and A's node there.
    """
    drawing = Drawing()
    a = drawing.line((40, 0), (40, 80), soma=True)
    before_end = (38 if not stub else 38 - stub, 40)
    if one_soma:
        way = drawing.line((39, 0), (1, 0), on=a[0])
        way += drawing.line((0, 1), (0, 39), on=way[-1])
        before = drawing.line((1, 40), before_end, on=way[-1])
    else:
        before = drawing.line((0, 40), before_end, soma=True)
    after = drawing.line((41, 40), (80, 40), on=a[40])
    back = drawing.line((39, 40), (40 - stub, 40), on=a[40]) if stub else []
    return drawing.skeleton(), a, before, back, after


# crossings


@pytest.mark.parametrize("stub", [0, 10, 25])
def test_a_neurite_of_one_cell_goes_straight_on_across_that_of_another(stub):
    skeleton, a, before, back, after = crossing(one_soma=False, stub=stub)
    edges = uncross(skeleton, ONES)
    count, name = components(edges, len(skeleton))
    assert count == 2
    assert name[before[0]] == name[after[-1]] != name[a[0]]
    assert name[a[0]] == name[a[-1]]
    assert set(name[back]) <= {name[before[0]]}
    assert neighbours(edges, a[40]) == {a[39], a[41]}


@pytest.mark.parametrize("stub", [0, 10, 25])
def test_neurites_of_one_cell_that_cross_go_straight_on(stub):
    skeleton, a, before, back, after = crossing(one_soma=True, stub=stub)
    edges = uncross(skeleton, ONES)
    assert components(edges, len(skeleton))[0] == 1
    assert len(edges) == len(skeleton) - 1
    assert neighbours(edges, a[40]) == {a[39], a[41]}
    chain = [*before, *back[::-1], *after]
    for one, other in itertools.pairwise(chain):
        assert other in neighbours(edges, one)


@pytest.mark.parametrize("angle", [100, 120, 180, 260])
def test_a_true_branch_at_60_degrees_is_not_torn_off(angle):
    drawing = Drawing()
    a = drawing.line((40, 0), (40, 80), soma=True)
    way = np.array([np.sin(np.pi / 3), np.cos(np.pi / 3)])
    branch = drawing.line((40, 40) + way, (40, 40) + 30 * way, on=a[40])
    ahead = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])  # where a neighbour heads that ends here
    drawing.line((40, 40) - 40 * ahead, (40, 40) - 3 * ahead, soma=True)
    assert branch[0] in neighbours(uncross(drawing.skeleton(), ONES), a[40])


def test_a_thick_branch_is_not_given_to_a_thin_neurite():
    skeleton, a, _, _, after = crossing(one_soma=False)
    skeleton.depth[after] = 4.0
    assert after[0] in neighbours(uncross(skeleton, ONES), a[40])


def test_a_tree_without_a_crossing_stays_as_it_is():
    drawing = Drawing()
    a = drawing.line((40, 0), (40, 80), soma=True)
    drawing.line((41, 40), (80, 40), on=a[40])
    skeleton = drawing.skeleton()
    child = np.flatnonzero(skeleton.parent >= 0)
    before = {frozenset((int(skeleton.parent[n]), int(n))) for n in child}
    assert {frozenset(edge) for edge in uncross(skeleton, ONES).tolist()} == before


@st.composite
def meshes(draw):
    """Neurites along x, of one cell or several, and others that cross them and are cut now here, now there."""
    drawing = Drawing()
    rows = [drawing.line((20 * k, 0), (20 * k, 80), soma=draw(st.booleans())) for k in range(1, 4)]
    for x in draw(st.lists(st.integers(5, 75), min_size=1, max_size=6)):
        tilt = draw(st.integers(-8, 8))
        on = -1
        for k in range(4):
            start, end = 20 * k + draw(st.integers(-2, 2)), 20 * (k + 1) - draw(st.integers(-2, 8))
            line = drawing.line((start, x + tilt * k / 4), (end, x + tilt * (k + 1) / 4), on=on)
            hangs = k < 3 and draw(st.booleans())
            on = rows[k][x] if hangs else line[-1] if draw(st.booleans()) else -1
    return drawing.skeleton()


@given(meshes())
@settings(max_examples=100, deadline=None)
def test_straightening_never_makes_a_loop_nor_cuts_a_piece_off(skeleton):
    edges = uncross(skeleton, ONES)
    pieces = int((skeleton.parent < 0).sum())
    assert len(edges) == len(skeleton) - pieces
    assert components(edges, len(skeleton))[0] == pieces


def test_of_two_arms_that_would_hang_on_each_other_only_one_moves():
    drawing = Drawing()
    a = drawing.line((40, 0), (40, 80), soma=True)
    ends = []
    for out, back, side in ((20, 60, 1), (60, 20, -1)):  # each leaves A, and comes back where the other one leaves it
        arm = drawing.line((40 + side, out), (40 + 30 * side, out), on=a[out])
        arm += drawing.line((40 + 30 * side, out + np.sign(back - out)), (40 + 30 * side, back), on=arm[-1])
        arm += drawing.line((40 + 29 * side, back), (40 + 2 * side, back), on=arm[-1])
        ends.append((arm[0], arm[-1]))
    skeleton = drawing.skeleton()
    edges = uncross(skeleton, ONES)
    assert components(edges, len(skeleton))[0] == 1
    assert len(edges) == len(skeleton) - 1
    moved = [ends[k][0] in neighbours(edges, ends[1 - k][1]) for k in (0, 1)]
    assert sum(moved) == 1


@pytest.mark.parametrize("apart", [3, 4, 5])
@pytest.mark.parametrize("soma_x", [4, 24])
def test_drawn_neurites_of_two_cells_that_touch_where_they_cross_keep_their_ends(canvas, apart, soma_x):
    along_x, along_y = [(7, 40, soma_x), (7, 40, 76)], [(7 + apart, 4, 36), (7 + apart, 76, 44)]
    drawing = canvas((20, 80, 80)).tube(along_x).tube(along_y)
    drawing.map[8 : 7 + apart, 39:42, 39:42] = np.maximum(drawing.map[8 : 7 + apart, 39:42, 39:42], 0.6)
    tree = trace(drawing.probability(), TraceSettings(soma=(along_x[0], along_y[0])))
    assert list(tree.type[tree.roots]) == [NodeType.SOMA] * 2
    one, other = sorted(tree.split(), key=lambda part: part.xyz[0, 1], reverse=True)
    for part, (start, end) in ((one, along_x), (other, along_y)):
        assert np.linalg.norm(part.xyz - end[::-1], axis=1).min() < 3
        assert part.cable_length == pytest.approx(np.linalg.norm(np.subtract(end, start)), abs=6)


def test_drawn_neurites_of_one_cell_that_touch_where_they_cross_go_their_own_ways(canvas):
    drawing = canvas((20, 80, 80)).tube([(7, 10, 10), (7, 40, 30), (7, 40, 76)])
    drawing.tube([(7, 10, 10), (12, 10, 36), (12, 76, 44)])
    drawing.map[8:12, 39:42, 38:41] = np.maximum(drawing.map[8:12, 39:42, 38:41], 0.6)
    tree = trace(drawing.probability(), TraceSettings(soma=((7, 10, 10),)))
    assert len(tree.roots) == 1
    row = int(np.linalg.norm(tree.xyz - (44, 76, 12), axis=1).argmin())
    way = [row]
    while tree.parent[way[-1]] >= 0:
        way.append(int(tree.parent[way[-1]]))
    assert np.linalg.norm(tree.xyz[row] - (44, 76, 12)) < 3
    assert np.linalg.norm(tree.xyz[way] - (36, 10, 12), axis=1).min() < 3  # by its own corner
    assert np.linalg.norm(tree.xyz[way] - (30, 40, 7), axis=1).min() > 5  # not by that of the other


# long gaps


def facing(gap, turn=0.0, somata=(False, False), length=60):
    """Two lines along x with a gap between them, the second one turned by `turn` degrees, and their ground."""
    drawing = Drawing()
    drawing.line((100, 5), (100, 5 + length), soma=somata[0])
    way = np.array([np.sin(np.radians(turn)), np.cos(np.radians(turn))])
    start = np.array([100, 5 + length + gap])
    far = start + length * way
    drawing.line(far, start, soma=somata[1]) if somata[1] else drawing.line(start, far)
    return drawing.skeleton(), Ground(np.zeros((11, 200, 200), np.uint8), ONES, 0.25, ONES)


def joined(skeleton, ground, reach_px=45.0):
    longer, edges = reach(skeleton, ground, reach_px)
    return components(edges, len(longer))[0] == 1


def test_ends_that_face_each_other_are_joined_across_30_pixels():
    skeleton, ground = facing(30)
    longer, edges = reach(skeleton, ground, 45.0)
    assert components(edges, len(longer))[0] == 1
    assert len(edges) == len(longer) - 1
    added = longer.zyx[len(skeleton) :]
    assert added[:, 2].min() > 65
    assert added[:, 2].max() < 95
    assert np.abs(added - (5, 100, 80)).max(0)[:2].max() <= 1  # straight across


@pytest.mark.parametrize("gap", [5, 20, 44])
def test_a_soma_at_one_end_does_not_keep_ends_apart(gap):
    assert joined(*facing(gap, somata=(True, False)))


@pytest.mark.parametrize("turn", [90, 120, 180])
def test_ends_that_do_not_face_each_other_are_not_joined(turn):
    assert not joined(*facing(30, turn=turn))


def test_no_long_link_runs_between_two_somata():
    assert not joined(*facing(30, somata=(True, True)))


def test_reach_px_is_the_longest_link_and_0_is_none():
    assert not joined(*facing(46))
    assert joined(*facing(46), reach_px=50.0)
    assert not joined(*facing(10), reach_px=0.0)


def test_a_piece_reaches_no_further_than_it_is_long():
    assert joined(*facing(20, length=25))
    assert not joined(*facing(30, length=25))


def test_a_bridged_stretch_is_marked_in_the_tree_and_only_that(canvas):
    drawing = canvas((16, 20, 160)).tube([(8, 10, 5), (8, 10, 65)]).tube([(8, 10, 95), (8, 10, 155)])
    tree = trace(drawing.probability())
    assert len(tree.roots) == 1
    in_gap = (tree.xyz[:, 0] > 69) & (tree.xyz[:, 0] < 91)
    outside = (tree.xyz[:, 0] < 65) | (tree.xyz[:, 0] > 95)
    assert in_gap.sum() > 10
    assert tree.bridged[in_gap].all()
    assert not tree.bridged[outside].any()
    assert tree.radius[in_gap].max() <= 2  # of a neurite of 1.5


def test_a_tree_without_gaps_has_nothing_marked(canvas):
    assert not trace(canvas((16, 20, 90)).tube([(8, 10, 5), (8, 10, 85)]).probability()).bridged.any()


def test_reach_px_of_0_leaves_the_drawn_gap_open(canvas):
    drawing = canvas((16, 20, 160)).tube([(8, 10, 5), (8, 10, 65)]).tube([(8, 10, 95), (8, 10, 155)])
    assert len(trace(drawing.probability(), TraceSettings(reach_px=0)).roots) == 2
