"""Where neurons touch, every neurite hangs on its own soma: at crossings, at dark rims of somata, and where ends meet."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from neurorecon.core.tree import NodeType
from neurorecon.tracing import Box, TraceSettings, trace, trace_in_parts
from neurorecon.tracing.chain import rooted_along
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.touching import share

ONES = np.ones(3)
A, B = 0, 1  # numbers of somata
RADIUS = 6.0  # of a soma


class Lines:
    """A skeleton in the plane z = 5 that is drawn line by line in steps of about 1; points are (y, x), or (z, y, x)."""

    def __init__(self):
        self.points, self.parents, self.somata = [], [], []

    def soma(self, at):
        """A soma of radius RADIUS; return its row. The first one is A."""
        self.somata.append(self.line([at])[0])
        return self.somata[-1]

    def line(self, corners, on=-1):
        """Nodes along a line through `corners`, the first one hung on the node `on`; return their rows."""
        points = [np.array(corners[0], float)]
        for a, b in itertools.pairwise(np.array(corners, float)):
            steps = max(1, round(float(np.linalg.norm(b - a))))
            points += [a + (b - a) * k / steps for k in range(1, steps + 1)]
        rows = list(range(len(self.points), len(self.points) + len(points)))
        self.points += [(5.0, *point)[-3:] for point in points]
        self.parents += [on, *rows[:-1]]
        return rows

    def skeleton(self):
        n = len(self.points)
        soma, depth = np.full(n, -1), np.ones(n)
        soma[self.somata] = np.arange(len(self.somata))
        depth[self.somata] = RADIUS
        return Skeleton(np.array(self.points), np.array(self.parents), np.ones(n), depth, soma)


def edge_set(edges):
    return {frozenset(edge) for edge in np.asarray(edges).tolist()}


def edges_of(skeleton):
    child = np.flatnonzero(skeleton.parent >= 0)
    return np.stack([skeleton.parent[child], child], 1)


def owners(skeleton):
    """The soma on which every node hangs once neurites are shared, -1 for none; no two nodes may lie in one place."""
    shared = rooted_along(skeleton, share(skeleton, ONES, ONES))
    assert len(shared) == len(skeleton)
    owner = dict(zip(map(tuple, shared.zyx.tolist()), shared.soma[shared.pieces()].tolist(), strict=True))
    return np.array([owner[tuple(place)] for place in skeleton.zyx.tolist()])


# crossings


def crossing(together=0, stub=12, twig=None):
    """A along x, B along y from far off; what of B lies beyond the crossing hangs on A, with a stub back towards B.

    Both run along one line for `together` steps, and A has a side branch `twig` steps beyond that. Return the drawing and
    the rows of A and of B.
    """
    drawn = Lines()
    soma_a = drawn.soma((40, 25))
    a = drawn.line([(40, 26), (40, 100)], on=soma_a)
    soma_b = drawn.soma((-80, 40))
    b = drawn.line([(-79, 40), (39 - stub, 40)], on=soma_b)
    b += drawn.line([(39, 40), (40 - stub, 40)], on=a[14])
    b += drawn.line([(41, 40 + together), (90, 40 + together)], on=a[14 + together])
    if twig is not None:
        a += drawn.line([(39, 41 + together + twig), (10, 70 + together + twig)], on=a[14 + together + twig])
    return drawn, [soma_a, *a], [soma_b, *b]


@pytest.mark.parametrize("stub", [3, 12, 25])
@pytest.mark.parametrize("together", [0, 4, 6, 9])
def test_what_crosses_another_neuron_hangs_on_its_own_soma(together, stub):
    drawn, a, b = crossing(together, stub)
    owner = owners(drawn.skeleton())
    np.testing.assert_array_equal(owner[a], A)
    np.testing.assert_array_equal(owner[b], B)


@pytest.mark.parametrize(("together", "twig"), [(0, 3), (0, 6), (4, 4), (6, 3)])
def test_a_branch_point_close_to_a_crossing_does_not_hide_it(together, twig):
    drawn, a, b = crossing(together, twig=twig)
    owner = owners(drawn.skeleton())
    np.testing.assert_array_equal(owner[a], A)
    np.testing.assert_array_equal(owner[b], B)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("away", [2, 5, 8])
def test_what_branches_off_the_crossing_neurite_goes_with_it(side, away):
    drawn, a, b = crossing(stub=15)
    at = next(row for row in b[::-1] if drawn.points[row][1:] == (40 + side * away, 40))
    start = (40 + side * (away + 1), 41)
    twig = drawn.line([start, (start[0] + side * 30, start[1] + 25)], on=at)
    owner = owners(drawn.skeleton())
    np.testing.assert_array_equal(owner[a], A)
    np.testing.assert_array_equal(owner[b], B)
    np.testing.assert_array_equal(owner[twig], B)


@pytest.mark.parametrize("away", [3, 6])
def test_a_branch_that_is_crossed_close_to_its_base_stays(away):
    drawn = Lines()
    soma_a = drawn.soma((30, 0))
    a = drawn.line([(30, 1), (30, 90)], on=soma_a)
    a += drawn.line([(31, 50), (90, 50)], on=a[49])
    crossed = next(row for row in a if drawn.points[row][1:] == (30 + away, 50))
    b = drawn.line([(199, 30 + away, 50), (20, 30 + away, 50)], on=drawn.soma((200, 30 + away, 50)))
    b += drawn.line([(6, 30 + away, 50), (19, 30 + away, 50)], on=crossed)
    b += drawn.line([(4, 30 + away, 50), (-60, 30 + away, 50)], on=crossed)
    owner = owners(drawn.skeleton())
    np.testing.assert_array_equal(owner[a], A)
    np.testing.assert_array_equal(owner[b], B)


def test_what_has_no_other_way_to_a_soma_keeps_hanging_at_the_crossing():
    drawn = Lines()
    soma = drawn.soma((40, 25))
    a = drawn.line([(40, 26), (40, 100)], on=soma)
    across = drawn.line([(39, 40), (5, 40)], on=a[14]) + drawn.line([(41, 40), (90, 40)], on=a[14])
    far = drawn.soma((300, 300))
    alone = drawn.line([(300, 301), (300, 340)], on=far)
    owner = owners(drawn.skeleton())
    np.testing.assert_array_equal(owner[[soma, *a, *across]], A)
    np.testing.assert_array_equal(owner[[far, *alone]], B)


@pytest.mark.parametrize("angle", [30, 45, 50])
@pytest.mark.parametrize("middle", [False, True])
def test_a_fork_of_a_neuron_is_left_as_it_is(angle, middle):
    drawn = Lines()
    soma = drawn.soma((40, 0))
    trunk = drawn.line([(40, 1), (40, 15)], on=soma)
    way = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    for side in (-1, 1):
        drawn.line([(40, 15) + way * (side, 1), (40, 15) + 50 * way * (side, 1)], on=trunk[-1])
    if middle:
        drawn.line([(40, 16), (40, 60)], on=trunk[-1])
    tip = (40, 15) + 50 * way
    drawn.line([tip + 100 * way, tip + 2 * way], on=drawn.soma(tip + 101 * way))  # comes from afar to meet an arm
    skeleton = drawn.skeleton()
    before, after = edge_set(edges_of(skeleton)), edge_set(share(skeleton, ONES, ONES))
    assert {edge for edge in before if max(edge) < drawn.somata[1]} <= after
    assert set(owners(skeleton)[: drawn.somata[1]]) == {A}


# dark rims


def beside_its_soma(gap, turn):
    """A neurite that crosses A hangs on it, and ends `gap` before the surface of B, in a direction `turn` degrees off B."""
    drawn = Lines()
    a = drawn.line([(0, 1), (0, 100)], on=drawn.soma((0, 0)))
    way = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))])
    neurite = drawn.line([(1, 20), (40, 20)], on=a[19]) + drawn.line([(-1, 20), (-60, 20)], on=a[19])
    soma = drawn.soma((40, 20) + (RADIUS + gap) * way)
    drawn.line([drawn.points[soma][1:] + way, drawn.points[soma][1:] + 60 * way], on=soma)
    return drawn.skeleton(), a, neurite


@pytest.mark.parametrize("gap", [1, 3, 5.9])
@pytest.mark.parametrize("turn", [-45, 0, 30])
def test_a_neurite_goes_to_the_soma_that_it_points_at_across_a_dark_rim(gap, turn):
    skeleton, a, neurite = beside_its_soma(gap, turn)
    owner = owners(skeleton)
    np.testing.assert_array_equal(owner[neurite], B)
    np.testing.assert_array_equal(owner[a], A)


@pytest.mark.parametrize(("gap", "turn"), [(3, 75), (3, 120), (3, -90), (8, 0), (20, 0)])
def test_a_neurite_that_points_elsewhere_or_ends_far_from_a_soma_stays(gap, turn):
    skeleton, a, neurite = beside_its_soma(gap, turn)
    assert set(owners(skeleton)[[*a, *neurite]]) == {A}


@pytest.mark.parametrize(("gap", "goes"), [(1, True), (5.9, True), (9, False)])
def test_a_soma_ends_where_its_surface_does_where_planes_lie_apart(gap, goes):
    skeleton, _, neurite = beside_its_soma(gap, 0)
    soma = int(np.flatnonzero(skeleton.soma >= 0)[1])
    upright = skeleton.zyx[:, [1, 0, 2]]  # y becomes z, in planes 3 px apart: the radius of a soma is 2 of them
    upright[soma:, 0] -= RADIUS - RADIUS / 3
    turned = Skeleton(upright, skeleton.parent, skeleton.p, skeleton.depth, skeleton.soma)
    tip = neurite[int(upright[neurite, 0].argmax())]
    assert (frozenset((soma, tip)) in edge_set(share(turned, ONES, np.array([3.0, 1, 1])))) == goes


# ends


def facing(end, start, aside=0.0):
    """A goes from 0 along x to `end`; B comes from 100 back to `start`, `aside` of that line."""
    drawn = Lines()
    a = drawn.line([(0, 1), (0, end)], on=drawn.soma((0, 0)))
    b = drawn.line([(aside, 99), (aside, start)], on=drawn.soma((aside, 100)))
    return drawn.skeleton(), a, b


@pytest.mark.parametrize(("end", "start"), [(70, 71), (70, 74), (25, 27), (48, 52)])
def test_where_ends_face_each_other_every_stretch_goes_to_the_nearer_soma(end, start):
    skeleton, _, _ = facing(end, start)
    x = skeleton.zyx[:, 2]
    owner = owners(skeleton)
    np.testing.assert_array_equal(owner[x < 50], A)
    np.testing.assert_array_equal(owner[x > 50], B)


@pytest.mark.parametrize(("end", "start", "aside"), [(70, 67, 2), (70, 60, 2), (70, 71, 4), (70, 90, 0)])
def test_ends_that_pass_each_other_or_lie_apart_are_not_joined(end, start, aside):
    skeleton, a, b = facing(end, start, aside)
    owner = owners(skeleton)
    np.testing.assert_array_equal(owner[a], A)
    np.testing.assert_array_equal(owner[b], B)


@pytest.mark.parametrize("apart", [1, 2, 3])
def test_ends_side_by_side_are_not_joined(apart):
    drawn = Lines()
    a = drawn.line([(0, 1), (0, 90)], on=drawn.soma((0, 0)))
    b = drawn.line([(apart, 61), (apart, 90)], on=drawn.soma((apart, 60)))
    owner = owners(drawn.skeleton())
    np.testing.assert_array_equal(owner[a], A)
    np.testing.assert_array_equal(owner[b], B)


# nothing to share


@pytest.mark.parametrize("somata", [0, 1])
def test_with_one_soma_or_none_the_edges_stay(somata):
    drawn, _, _ = crossing()
    drawn.somata = drawn.somata[:somata]
    skeleton = drawn.skeleton()
    assert edge_set(share(skeleton, ONES, ONES)) == edge_set(edges_of(skeleton))


def test_a_piece_without_a_soma_stays_as_it_is():
    drawn, _, _ = crossing()
    piece = drawn.line([(200, 0), (200, 80)])
    piece += drawn.line([(199, 40), (150, 40)], on=piece[40]) + drawn.line([(201, 40), (250, 40)], on=piece[40])
    piece += drawn.line([(148, 40), (120, 40)]) + drawn.line(
        [(40, 102), (40, 150)]
    )  # ends face each other, and A's end
    skeleton = drawn.skeleton()
    before = {edge for edge in edge_set(edges_of(skeleton)) if min(edge) >= piece[0]}
    assert {edge for edge in edge_set(share(skeleton, ONES, ONES)) if max(edge) >= piece[0]} == before
    assert set(owners(skeleton)[piece]) == {-1}


def test_somata_without_neurites_share_nothing():
    drawn = Lines()
    drawn.soma((0, 0))
    drawn.soma((0, 50))
    assert len(share(drawn.skeleton(), ONES, ONES)) == 0
    piece = drawn.line([(20, 0), (20, 60)])
    assert len(share(drawn.skeleton(), ONES, ONES)) == len(piece) - 1


# whatever the forest


@st.composite
def forests(draw):
    """Lines of random directions, some hung on others, some broken, with somata anywhere; hung on its roots."""
    rng = np.random.default_rng(draw(st.integers(0, 99_999)))
    points, parents = [], []
    for _ in range(draw(st.integers(2, 7))):
        start, way = rng.uniform(0, 25, 3), rng.normal(size=3)
        way /= np.linalg.norm(way)
        hangs = len(points) > 0 and rng.random() < 0.6
        on = int(rng.integers(len(points))) if hangs else -1
        start = points[on] + way if hangs else start
        for k in range(int(rng.integers(1, 40))):
            parents.append(-1 if rng.random() < 0.04 else on)
            on = len(points)
            points.append(start + k * way + rng.normal(0, 0.1, 3))
    n = len(points)
    soma, depth = np.full(n, -1), rng.uniform(1, 2, n)
    chosen = rng.choice(n, min(n, draw(st.integers(0, 5))), replace=False)
    soma[chosen], depth[chosen] = np.arange(len(chosen)), rng.uniform(2, 6, len(chosen))
    loose = Skeleton(np.array(points), np.array(parents), np.ones(n), depth, soma)
    return rooted_along(loose, edges_of(loose))


@given(forests())
@settings(max_examples=100)
def test_sharing_gives_a_forest_in_which_whatever_hung_on_a_soma_hangs_on_exactly_one(skeleton):
    edges = share(skeleton, ONES, ONES)
    n = len(skeleton)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    count, name = connected_components(graph, directed=False)
    assert len(edges) == n - count  # no loops
    somata = np.bincount(name, skeleton.soma >= 0, count)
    assert somata.max() <= 1
    hung = skeleton.soma[skeleton.pieces()] >= 0
    np.testing.assert_array_equal(somata[name], hung)
    before, after = edges_of(skeleton), edges
    assert edge_set(after[~hung[after[:, 1]]]) == edge_set(before[~hung[before[:, 1]]])


@given(forests(), st.permutations(range(3)), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
@settings(max_examples=60)
def test_mirrored_and_turned_neurons_are_shared_alike(skeleton, axes, signs):
    turned = Skeleton(skeleton.zyx[:, axes] * signs, skeleton.parent, skeleton.p, skeleton.depth, skeleton.soma)
    assert edge_set(share(turned, ONES, ONES)) == edge_set(share(skeleton, ONES, ONES))


# whole neurons


SHAPE = (24, 110, 150)
BODY_A, BODY_B = (9, 52, 52), (15, 16, 112)
NEURON_A = [[BODY_A, (9, 52, 146)], [BODY_A, (9, 52, 4)], [(9, 52, 20), (9, 30, 4)], [(9, 52, 95), (9, 30, 143)]]
NEURON_B = [
    [BODY_B, (15, 10, 75), (14, 40, 75), (12, 52, 75), (14, 64, 75), (15, 106, 66)],
    [(15, 85, 70), (15, 100, 120)],
]


def distance_to(points, lines):
    """The distance of points (N, 3) to the nearest of some polylines."""
    nearest = np.full(len(points), np.inf)
    for a, b in itertools.chain.from_iterable(map(itertools.pairwise, lines)):
        way, off = np.subtract(b, a), points - np.array(a)
        along = np.clip(off @ way / (way @ way), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(off - along[:, None] * way, axis=1))
    return nearest


@pytest.fixture(scope="module")
def crossed(canvas):
    """Neurons A and B, whose neurites cross at touching distance near to the soma of A and far from that of B."""
    drawn = canvas(SHAPE)
    for line in (*NEURON_A, *NEURON_B):
        drawn.tube(line)
    for body in (BODY_A, BODY_B):
        drawn.ball(body, 7).soma_map(body, 6, 1.0)
    return drawn.probability()


@pytest.mark.parametrize("cuts", [None, ([], [55], [75]), ([11], [40, 80], [50, 100])])
def test_two_neurons_that_cross_at_touching_distance_are_two_trees_each_on_its_own(crossed, cuts):
    voxel = TraceSettings(units="voxel")
    if cuts is None:
        tree = trace(crossed, voxel)
    else:
        z, y, x = (itertools.pairwise([0, *cut, n]) for cut, n in zip(cuts, SHAPE, strict=True))
        boxes = [Box(*zip(*sides, strict=True)) for sides in itertools.product(z, y, x)]
        tree = trace_in_parts(crossed, boxes, voxel)
    assert list(tree.type[tree.roots]) == [NodeType.SOMA] * 2
    assert len(tree.neurons()) == 2
    for one, other, body in ((NEURON_A, NEURON_B, BODY_A), (NEURON_B, NEURON_A, BODY_B)):
        (own,) = (part for part in tree.split() if np.linalg.norm(part.xyz[0, ::-1] - body) < 3)
        zyx = own.xyz[:, ::-1]
        is_own = distance_to(zyx, one) <= distance_to(zyx, other)
        assert own.edge_length[is_own].sum() >= 0.95 * own.cable_length
        length = sum(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in one)
        assert own.cable_length >= 0.9 * length
