"""Each limit of a step decides something: what lies on one side of it is treated otherwise than what lies on the other."""

import math

import numpy as np
import pytest

from neurorecon.core.forest import edges_of
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.tracing.beyond import ways_on
from neurorecon.tracing.bridge import Ground, Link, bridge, link_between, without_loops
from neurorecon.tracing.chain import without_fragments
from neurorecon.tracing.crossing import uncross
from neurorecon.tracing.field import field_of, grown
from neurorecon.tracing.finished_tree import has_evidence, with_bodies, without_repeats
from neurorecon.tracing.foreground import make_cloud
from neurorecon.tracing.grey_evidence import levels
from neurorecon.tracing.light import Light, light_at
from neurorecon.tracing.long_gaps import reach
from neurorecon.tracing.parts.join import Graph, as_forest, at_border
from neurorecon.tracing.prune import Limits, choose_roots, cut_spurs, drop_fragments
from neurorecon.tracing.radius import radius_at
from neurorecon.tracing.settings import TraceSettings
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.smooth import Line, width_for
from neurorecon.tracing.tails import Probe, shares_due, steep_ends
from neurorecon.tracing.touching import share

ONES = np.ones(3)
DARK = Ground(np.zeros((11, 120, 120), np.uint8), ONES, 0.25, ONES)


class Lines:
    """A skeleton in the plane z = 5, drawn line by line in steps of about 1; points are (y, x)."""

    def __init__(self):
        self.points, self.parents, self.somata = [], [], []

    def line(self, a, b, on=-1, *, soma=False):
        """Nodes from a to b, the first one hung on the node `on`; return their rows."""
        steps = max(1, round(math.dist(a, b)))
        rows = list(range(len(self.points), len(self.points) + steps + 1))
        self.somata += rows[:1] * soma
        self.points += [(5, *point) for point in np.linspace(a, b, steps + 1)]
        self.parents += [on, *rows[:-1]]
        return rows

    @property
    def skeleton(self):
        n = len(self.points)
        soma = np.full(n, -1)
        soma[self.somata] = np.arange(len(self.somata))
        return Skeleton(np.array(self.points, float), np.array(self.parents), np.ones(n), np.ones(n), soma)


def pieces_after(made):
    """The number of pieces of a skeleton with other edges."""
    skeleton, edges = made
    return len(skeleton) - len(edges)


def edge_set(edges):
    return {frozenset(edge) for edge in np.asarray(edges).tolist()}


# short gaps


@pytest.mark.parametrize(("gap", "joined"), [(4, True), (8, False)])
def test_an_end_is_bridged_to_the_side_of_a_neurite_across_less_than_to_an_end(gap, joined):
    side, end = Lines(), Lines()
    side.line((20, 10), (20, 90))
    side.line((20 + gap, 50), (80, 50))
    end.line((50, 10), (50, 50))
    end.line((50, 50 + gap), (50, 100))
    assert pieces_after(bridge(side.skeleton, DARK, 10.0)) == (1 if joined else 2)
    assert pieces_after(bridge(end.skeleton, DARK, 10.0)) == 1


@pytest.mark.parametrize(("length", "joined"), [(6, False), (40, True)])
def test_a_gap_that_is_long_by_the_length_of_a_piece_is_not_bridged(length, joined):
    drawn = Lines()
    drawn.line((50, 10), (50, 50))
    drawn.line((50, 57), (50, 57 + length))
    assert pieces_after(bridge(drawn.skeleton, DARK, 10.0)) == (1 if joined else 2)


def test_of_two_links_between_two_pieces_the_one_with_less_missing_evidence_is_made():
    drawn = Lines()
    drawn.line((50, 10), (50, 50))
    drawn.line((50, 57), (50, 90))
    nothing = np.zeros((0, 3), np.int64), np.zeros(0)
    worse, better = (Link(a, b, missing, missing, *nothing) for a, b, missing in ((40, 41, 5.0), (39, 42, 1.0)))
    assert without_loops([worse, better], drawn.skeleton) == [better]


def test_a_link_takes_a_faint_detour_of_three_voxels_rather_than_the_dark():
    volume = np.zeros((11, 40, 40), np.uint8)
    detour = [(20 + min(k, 3, 12 - k), 10 + k) for k in range(13)]
    for y, x in detour:
        volume[5, y, x] = 13  # of 255
    drawn = Lines()
    drawn.line((20, 2), (20, 10))
    drawn.line((20, 22), (20, 30))
    link = link_between(Ground(volume, ONES, 0.25, ONES), drawn.skeleton, 8, 9, 1.0)
    np.testing.assert_array_equal(link.between[:, 1:], detour[1:-1])


def test_a_turn_counts_against_a_link():
    drawn = Lines()
    drawn.line((20, 2), (20, 10))
    drawn.line((20, 22), (20, 30))
    straight, sideways = (link_between(DARK, drawn.skeleton, 8, 9, cosine) for cosine in (1.0, 0.0))
    assert sideways.score == pytest.approx(1.5 * straight.score)


@pytest.mark.parametrize(("away", "joined"), [((8, 0, 0), True), ((20, 0, 0), False), ((0, 17, 0), True)])
def test_a_body_reaches_as_far_along_z_as_its_radius_where_planes_lie_apart(away, joined):
    soma, way, steps = np.array([10.0, 50, 50]), np.array(away) / np.linalg.norm(away), np.arange(25)[:, None]
    zyx = np.vstack([soma, soma + away + way * steps, soma - (0, 0, 12) - np.array([0, 0, 1]) * steps])
    parents = np.array([-1, -1, *range(1, 25), 0, *range(26, 50)])
    depth = np.array([12.0, *np.ones(50)])  # a ball of 12 pixels: 4 planes along z
    skeleton = Skeleton(zyx, parents, np.ones(51), depth, np.array([0, *[-1] * 50]))
    ground = Ground(np.zeros((60, 120, 120), np.uint8), ONES, 0.25, np.array([3.0, 1, 1]))
    assert pieces_after(bridge(skeleton, ground, 10.0)) == (1 if joined else 2)


def test_ends_side_by_side_are_bridged_wherever_they_point():
    drawn = Lines()
    drawn.line((50, 10), (50, 50))
    drawn.line((51, 10), (51, 50))
    assert pieces_after(bridge(drawn.skeleton, DARK, 10.0)) == 1


# long gaps


@pytest.mark.parametrize(("length", "joined"), [(8, False), (12, True)])
def test_a_piece_that_is_too_short_to_have_a_direction_reaches_nowhere(length, joined):
    drawn = Lines()
    drawn.line((50, 10), (50, 50))
    drawn.line((50, 56), (50, 56 + length))
    assert pieces_after(reach(drawn.skeleton, DARK, 45.0)) == (1 if joined else 2)


# ways on


def tree_of(*lines):
    """A tree in voxels of lines of points (x, y) in steps of 1, each but the first hung on the node nearest to its start."""
    points, parents = [], []
    for line in lines:
        on = int(np.linalg.norm(np.array(points) - line[0], axis=1).argmin()) if points else -1
        new = line[1:] if points else line
        rows = range(len(points), len(points) + len(new))
        parents += [on, *rows[:-1]]
        points += list(new)
    xyz = np.column_stack([np.array(points, float), np.zeros(len(points))])
    return Tree(xyz, np.ones(len(xyz)), parents, unit="voxel", confidence=np.ones(len(xyz)))


TRUNK = [(x, 0) for x in range(61)]


@pytest.mark.parametrize(("tip", "found"), [(10, 0), (12, 1)])  # of these, 3 px belong to the trunk
def test_a_way_on_of_less_than_8_px_beyond_the_tree_is_not_named(tip, found):
    more = tree_of(TRUNK, [(30, y) for y in range(tip + 1)])
    assert len(ways_on(tree_of(TRUNK), lambda: more, 0.0, 1.0)) == found


@pytest.mark.parametrize(("aside", "found"), [(2, 0), (5, 1)])
def test_a_second_line_along_the_tree_is_no_way_on(aside, found):
    beside = [*((30, y) for y in range(aside + 1)), *((x, aside) for x in range(31, 56))]
    more = tree_of(TRUNK, beside)
    assert len(ways_on(tree_of(TRUNK), lambda: more, 0.0, 1.0)) == found


def test_the_way_on_with_the_most_cable_to_be_expected_comes_first():
    more = tree_of(TRUNK, [(20, y) for y in range(21)], [(40, y) for y in range(41)])
    found = [way.length for way in ways_on(tree_of(TRUNK), lambda: more, 0.0, 1.0)]
    assert len(found) == 2
    assert found == sorted(found, reverse=True)


# neurons that touch


def test_two_ends_of_one_neuron_that_face_each_other_are_not_joined():
    drawn = Lines()
    soma = drawn.line((50, 0), (50, 20), soma=True)[0]
    way = drawn.line((49, 0), (20, 0), on=soma)
    for a, b in (((20, 1), (20, 60)), ((21, 60), (50, 60)), ((50, 59), (50, 23))):
        way += drawn.line(a, b, on=way[-1])
    drawn.line((100, 0), (100, 30), soma=True)
    skeleton = drawn.skeleton
    assert edge_set(share(skeleton, ONES, ONES)) == edge_set(edges_of(skeleton.parent))


def across(angle, *twigs):
    """A along x, and across it at `angle` degrees B, which is cut far before A; twigs leave the crossing at other angles."""
    drawn = Lines()
    a = drawn.line((0, -20), (0, 60), soma=True)
    ways = [np.array([math.sin(math.radians(turn)), math.cos(math.radians(turn))]) for turn in (angle, *twigs)]
    drawn.line(-150 * ways[0], -20 * ways[0], soma=True)
    drawn.line(-ways[0], -11 * ways[0], on=a[20])
    for way in ways:
        drawn.line(way, 40 * way, on=a[20])
    return drawn.skeleton


@pytest.mark.parametrize(("angle", "parted"), [(15, False), (45, True), (90, True)])
def test_a_crossing_at_a_sharp_angle_is_not_parted_for_both_pairings_are_straight(angle, parted):
    skeleton = across(angle)
    assert (edge_set(share(skeleton, ONES, ONES)) != edge_set(edges_of(skeleton.parent))) == parted


def test_a_tangle_of_many_arms_is_no_crossing():
    few, many = across(90, 25, 50), across(90, 25, 50, -25, -50)
    assert edge_set(share(few, ONES, ONES)) != edge_set(edges_of(few.parent))
    assert edge_set(share(many, ONES, ONES)) == edge_set(edges_of(many.parent))


# crossings


def fork_with_tips(bend, *turns):
    """A comes along x, bends at (0, 0) by `bend` degrees, and has an arm down; tips end above it, turned from the arm.

    Return the skeleton, the first node of the arm, and the tips.
    """
    drawn = Lines()
    a = drawn.line((0, -40), (0, 0), soma=True)
    on = np.array([-math.sin(math.radians(bend)), math.cos(math.radians(bend))])
    drawn.line(on, 40 * on, on=a[-1])
    arm = drawn.line((1, 0), (40, 0), on=a[-1])[0]
    tips = []
    for turn in turns:
        ahead = np.array([math.cos(math.radians(turn)), math.sin(math.radians(turn))])
        tips.append(drawn.line(-40 * ahead, -3 * ahead, soma=True)[-1])
    return drawn.skeleton, arm, tips


@pytest.mark.parametrize(("bend", "moved"), [(0, True), (50, False)])
def test_an_arm_is_moved_to_a_tip_only_if_its_neurite_is_straight_without_it(bend, moved):
    skeleton, arm, (tip,) = fork_with_tips(bend, 0)
    assert (frozenset((tip, arm)) in edge_set(uncross(skeleton, ONES))) == moved


def test_of_two_tips_the_straighter_one_gets_the_arm():
    for turns in ((0, 30), (30, 0)):
        skeleton, arm, tips = fork_with_tips(0, *turns)
        edges = edge_set(uncross(skeleton, ONES))
        assert frozenset((tips[turns.index(0)], arm)) in edges
        assert frozenset((tips[turns.index(30)], arm)) not in edges


def test_an_arm_stays_where_the_tip_has_passed_its_fork():
    drawn = Lines()
    a = drawn.line((0, -40), (0, 40), soma=True)
    arm = drawn.line((1, 0), (40, 0), on=a[40])[0]
    tip = drawn.line((-40, 2.5), (3, 2.5), soma=True)[-1]  # as straight as the arm, but its fork lies behind it
    assert frozenset((tip, arm)) not in edge_set(uncross(drawn.skeleton, ONES))


def cut_back(stub):
    """A along x, an arm of it down, and a stub through `stub` back up; B comes from above to the end of the stub.

    Return the skeleton, the first node of the arm, and A's node there.
    """
    drawn = Lines()
    a = drawn.line((0, -40), (0, 40), soma=True)
    arm = drawn.line((1, 0), (40, 0), on=a[40])[0]
    back = a[40]
    for start, end in stub:
        back = drawn.line(start, end, on=back)[-1]
    y, x = drawn.points[back][1:]
    drawn.line((y - 60, x), (y - 2, x), soma=True)
    return drawn.skeleton, arm, a[40]


def test_a_stub_is_joined_to_a_tip_only_if_they_face_each_other():
    for stub, joined in (
        ([((-1, 0), (-10, 0))], True),
        ([((-1, 0), (-8, 0)), ((-8, 1), (-8, 12))], False),
    ):
        skeleton, arm, fork = cut_back(stub)
        assert (frozenset((fork, arm)) in edge_set(uncross(skeleton, ONES))) != joined


def test_a_stub_of_one_node_leads_nowhere():
    skeleton, _, _ = cut_back([((-1, 0), (-2, 0))])
    assert len(uncross(skeleton, ONES)) == len(skeleton) - 2
    one = skeleton.take(~(skeleton.zyx == (5, -2, 0)).all(1))
    assert len(uncross(one, ONES)) == len(one) - 2


# pruning


def test_of_two_short_branches_at_an_end_the_longer_one_continues_the_neurite():
    drawn = Lines()
    stem = drawn.line((50, 10), (50, 50))
    short, longer = drawn.line((49, 51), (47, 53), on=stem[-1]), drawn.line((51, 51), (54, 54), on=stem[-1])
    left = cut_spurs(drawn.skeleton, ONES, Limits(0.0, 8.0))
    assert len(left) == len(stem) + len(longer) < len(stem) + len(longer) + len(short)
    assert left.zyx[:, 1].max() == 54


@pytest.mark.parametrize(("length", "kept"), [(4, False), (8, True)])
def test_the_straight_way_out_of_a_soma_does_not_make_a_bump_on_it_a_neurite(length, kept):
    drawn = Lines()
    soma = drawn.line((50, 50), (50, 51), soma=True)[0]
    drawn.line((50, 52), (50, 100), on=1)
    drawn.line((50, 44), (50, 44 - length), on=soma)  # from the surface of the soma on
    skeleton = drawn.skeleton
    skeleton.depth[soma] = 6.0
    left = cut_spurs(skeleton, ONES, Limits(0.0, 3.0))
    assert (left.zyx[:, 2].min() < 50) == kept


def test_one_deep_voxel_makes_no_thick_end():
    drawn = Lines()
    drawn.line((50, 10), (50, 40))
    skeleton = drawn.skeleton
    skeleton.depth[:8] = 2.0
    skeleton.depth[-1] = 3.0
    np.testing.assert_array_equal(choose_roots(skeleton, skeleton.edges), [0])


def test_a_soma_that_the_user_gave_stays_however_short_its_neurites_are():
    drawn = Lines()
    drawn.line((50, 10), (50, 110), soma=True)
    drawn.line((80, 10), (80, 20), soma=True)
    drawn.line((110, 10), (110, 90), soma=True)
    given = TraceSettings(soma=((5, 50, 10), (5, 80, 10), (5, 110, 10)))
    assert [
        (without_fragments(drawn.skeleton, ONES, how, ONES).soma >= 0).sum() for how in (given, TraceSettings())
    ] == [3, 2]


@pytest.mark.parametrize(("p", "pieces"), [(0.9, 2), (0.6, 1)])
def test_the_length_of_a_piece_counts_as_far_as_there_is_evidence(p, pieces):
    drawn = Lines()
    drawn.line((50, 10), (50, 110))
    apart = drawn.line((80, 10), (80, 50))
    skeleton = drawn.skeleton
    skeleton.p[apart] = p
    assert len(np.unique(drop_fragments(skeleton, ONES, None).zyx[:, 1])) == pieces


# tails


@pytest.mark.parametrize(("rise", "steep"), [(4, False), (8, True)])
def test_a_branch_that_hardly_rises_is_no_tail(rise, steep):
    trunk = [(10, 30, x) for x in range(60)]
    branch = [(10 + rise * k / 20, 30 + k, 30) for k in range(1, 21)]
    n = len(trunk) + len(branch)
    parent = np.array([*range(-1, 59), 30, *range(60, n - 1)])
    skeleton = Skeleton(np.array(trunk + branch, float), parent, np.ones(n), np.ones(n), np.full(n, -1))
    assert len(steep_ends(skeleton, 1)) == steep


def rod_along_z(length, **soma):
    """A neurite along x with a branch of `length` voxels along z."""
    points = [(10, 30, x) for x in range(60)] + [(10 + k, 30, 30) for k in range(1, length + 1)]
    n = len(points)
    parent = np.array([*range(-1, 59), 30, *range(60, n - 1)])
    made = Skeleton(np.array(points, float), parent, np.ones(n), np.ones(n), np.full(n, -1))
    made.soma[soma.get("at", [])] = 0
    return made


def test_a_branch_that_is_longer_than_light_falls_off_is_no_tail():
    assert [len(steep_ends(rod_along_z(length), 1)) for length in (30, 50)] == [1, 0]


def test_what_leaves_a_soma_is_no_tail():
    assert [len(steep_ends(rod_along_z(20, at=at), 1)) for at in ([], [30])] == [1, 0]


def shares(nodes, spread):
    """The share due of one branch of which `nodes` nodes have 9 places each, half as bright as its base."""
    n = 10
    skeleton = Skeleton(np.zeros((n, 3)), np.arange(n) - 1, np.ones(n), np.ones(n), np.full(n, -1))
    places = np.arange(9)
    tested = [Probe(0, node, places, np.zeros((9, 3))) for node in range(nodes)]

    def light_of(seen):
        return Light(np.full(len(seen), 0.5), np.full(len(seen), spread), np.ones(len(seen)))

    return shares_due(tested, skeleton, np.ones(n), light_of, np.ones(1))[0]


def test_one_node_alone_does_not_tell_a_tail():
    assert shares(1, 0.0) == 0
    assert shares(2, 0.0) == pytest.approx(0.5)


def test_noise_makes_less_of_a_branch_due_to_a_tail():
    assert shares(3, 0.5) == pytest.approx(0.5 - 1.1 * 0.5 / 3)  # two standard errors of a median of nine


# centre line and radius


@pytest.mark.parametrize("half", [1, 2, 4])
def test_the_radius_of_a_sheet_goes_to_the_border_of_its_last_voxel(half):
    volume = np.zeros((21, 21, 21), np.uint8)
    volume[10 - half : 11 + half] = 255
    cloud = make_cloud(Probability(volume), 0.5, 0.25)
    line = Line(np.full((1, 3), 10.0), np.array([-1]), np.ones(1), np.array([-1]))
    assert radius_at(cloud, line, ONES, 1.0)[0] == half + 0.5


def test_a_doubtful_run_is_smoothed_half_as_much_again():
    thick = np.full(9, 3.0)
    assert width_for(np.full(9, 0.5), thick, 2.0) == 3.0
    assert width_for(np.full(9, 0.97), thick, 2.0) == pytest.approx(2 * 0.99)


# growing


def test_a_root_in_a_swelling_is_continued_to_the_end_close_behind_it(canvas):
    drawn = canvas((21, 21, 80)).tube([(10, 10, 14), (10, 10, 70)], radius=1.5).ball((10, 10, 20), 6)
    field = field_of(drawn.probability(), TraceSettings())
    skeleton = grown(field, field.cost, [], spur_px=3.0)
    assert skeleton.zyx[0, 2] == pytest.approx(20, abs=1)
    assert skeleton.zyx[:, 2].min() <= 15


# light and evidence


def test_the_light_around_a_thick_neurite_is_compared_with_at_most_20_px_away():
    y, x = np.mgrid[:101, :101] - 50
    grey = np.broadcast_to(np.where(np.hypot(y, x) > 23, 100, 0).astype(np.uint8), (5, 101, 101))
    node = Skeleton(np.array([[2.0, 50.0, 50.0]]), np.array([-1]), np.ones(1), np.full(1, 12.0), np.array([-1]))
    assert light_at(grey, node, ONES).contrast == 0


def test_the_evidence_of_a_faint_stack_is_one_half_at_eight_deviations_of_its_noise(rng):
    sample = rng.normal(0, 1, 200_000).astype(np.float32)
    sample[:300] = 7
    floor, half = levels(sample)
    assert floor == pytest.approx(4, rel=0.02)
    assert half == pytest.approx(8, rel=0.02)


# parts of a volume


def test_a_ring_is_opened_where_it_is_furthest_from_the_root_by_length():
    places = np.array(
        [(5, 0, 0), (5, 20, 2), (5, 0, 3), (5, 0, 1), (5, 0, 2)]
    )  # one step too long, or three short ones
    ones = np.ones(5)
    edges = np.array([(0, 1), (1, 2), (0, 3), (3, 4), (2, 4)])
    graph = Graph(places, ones, ones, cost=ones, worth=np.array([9.0, 1, 1, 1, 1]), sure=ones > 0, edges=edges)
    made = as_forest(graph, [], (10, 30, 10), ONES)
    ends = {frozenset((tuple(made.zyx[a]), tuple(made.zyx[b]))) for a, b in made.edges}
    assert frozenset(((5.0, 0.0, 2.0), (5.0, 0.0, 3.0))) in ends
    assert len(ends) == 4


def test_nodes_within_two_voxels_and_a_radius_of_a_border_may_lie_beyond_it():
    zyx = np.array([(20.0, 5, 5), (23.0, 5, 5), (24.0, 5, 5), (17.0, 5, 5), (16.0, 5, 5), (39.0, 5, 5)])
    n = len(zyx)
    skeleton = Skeleton(zyx, np.full(n, -1), np.ones(n), np.ones(n), np.full(n, -1))
    none = np.zeros(0, np.int64)
    np.testing.assert_array_equal(at_border(skeleton, [np.array([20]), none, none]), [1, 1, 0, 1, 0, 0])


# the finished line


def test_a_node_in_the_place_of_its_parent_goes_and_its_children_hang_on_the_parent():
    zyx = np.array([(5.0, 5, 5), (5, 5, 6), (5, 5, 6.01), (5, 5, 7)])
    line = Line(zyx, np.array([-1, 0, 1, 2]), np.ones(4), np.full(4, -1))
    left = without_repeats(line, ONES)
    np.testing.assert_array_equal(left.zyx[:, 2], [5, 6, 7])
    np.testing.assert_array_equal(left.parent, [-1, 0, 1])


def test_a_place_beside_the_foreground_has_evidence_and_one_further_off_has_none():
    volume = np.zeros((11, 11, 30), np.uint8)
    volume[5, 5, 5:25] = 255
    cloud = make_cloud(Probability(volume), 0.5, 0.25)
    places = np.array([(5.0, 5, 10), (5, 6, 10), (6, 6, 25), (5, 7, 10), (5, 5, 26)])
    np.testing.assert_array_equal(has_evidence(cloud, places), [1, 1, 1, 0, 0])


def test_the_depth_of_neurites_does_not_widen_a_line_without_a_soma():
    line = Line(np.zeros((3, 3)), np.arange(3) - 1, np.ones(3), np.array([0, -1, -1]))
    depth, soma = np.array([6.0, 9.0, 9.0]), np.array([0, -1, -1])
    skeleton = Skeleton(np.zeros((3, 3)), np.arange(3) - 1, np.ones(3), depth, soma)
    np.testing.assert_array_equal(with_bodies(np.ones(3), line, skeleton, 0.5), [3, 1, 1])
