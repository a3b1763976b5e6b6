"""The cell body that the grey stack shows: the thickest place that few neurites leave, on pictures drawn by formula."""

from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType
from neurorecon.tracing import TraceSettings, trace
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.grey_body import Thickest, thickest_place
from neurorecon.tracing.soma.map_pieces import piece_near
from neurorecon.tracing.soma.root_at_body import rooted_at_bodies

SHAPE = (40, 80, 160)
MIDDLE = np.array([20, 40, 40])
CUBES = np.ones(3)  # voxels as long as wide
ENDS = {"behind": (20, 40, 150), "above": (20, 8, 40), "below": (20, 72, 40)}


def skeleton_of(*ends):
    """Return straight neurites from the middle to some ends, a node a voxel, hung on the last node of the first."""
    first = line(ENDS[ends[0]])[::-1]
    zyx, parent = [*first], [*range(-1, len(first) - 1)]
    for end in ends[1:]:
        more = line(ENDS[end])[1:]
        parent += [len(first) - 1, *range(len(zyx), len(zyx) + len(more) - 1)]
        zyx += [*more]
    n = len(zyx)
    p = 1 - 0.5 * np.arange(n) / n
    return Skeleton(np.array(zyx, float), np.array(parent), p, np.full(n, 2.0), np.full(n, -1))


def line(end):
    steps = int(np.abs(np.array(end) - MIDDLE).max())
    return np.rint(np.linspace(MIDDLE, end, steps + 1))


def picture(skeleton, balls=(), seed=0):
    """Draw tubes of radius 2 along a skeleton and balls (centre, radius), of 100 on 20, with noise of 6."""
    from scipy.ndimage import distance_transform_edt

    empty = np.ones(SHAPE, bool)
    empty[tuple(skeleton.zyx.astype(int).T)] = False
    lit = distance_transform_edt(empty) <= 2
    z, y, x = np.indices(SHAPE)
    for (a, b, c), radius in balls:
        lit |= (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= radius**2
    return (20 + 80 * lit + np.random.default_rng(seed).normal(0, 6, SHAPE)).clip(0, 255).astype(np.uint8)


def lengths_by_edge(skeleton):
    """Return the confidence of every edge, by its two ends, whichever way it points."""
    child = np.flatnonzero(skeleton.parent >= 0)
    ends = [frozenset((tuple(skeleton.zyx[c]), tuple(skeleton.zyx[skeleton.parent[c]]))) for c in child]
    return dict(zip(ends, skeleton.p[child], strict=True))


@pytest.mark.parametrize("radius", [5, 8, 12])
def test_a_body_is_found_at_its_middle_with_about_its_radius(radius):
    skeleton = skeleton_of("behind")
    found = thickest_place(skeleton, picture(skeleton, [(MIDDLE, radius)]), spacing=CUBES)
    assert np.linalg.norm(found.zyx - MIDDLE) <= 2
    assert found.room == pytest.approx(radius, abs=1.5)


def test_a_body_beside_the_line_is_found():
    skeleton = skeleton_of("behind")
    found = thickest_place(skeleton, picture(skeleton, [(MIDDLE + (0, 5, 0), 9)]), spacing=CUBES)
    assert np.linalg.norm(found.zyx - MIDDLE - (0, 5, 0)) <= 2


def test_of_two_thick_places_the_one_that_fewer_neurites_leave_is_the_body():
    skeleton = skeleton_of("behind", "above", "below")
    stack = picture(skeleton, [(MIDDLE, 8), (ENDS["behind"], 7)])
    assert np.linalg.norm(thickest_place(skeleton, stack, spacing=CUBES).zyx - ENDS["behind"]) <= 3


def test_a_plain_body_becomes_the_root_and_one_soma_node():
    skeleton = skeleton_of("behind", "above")
    hung = rooted_at_bodies(skeleton, picture(skeleton, [(MIDDLE, 10)]), spacing=CUBES)
    assert hung.soma[0] == 0
    assert np.linalg.norm(hung.zyx[0] - MIDDLE) <= 2
    assert (hung.parent == -1).sum() == 1
    away = np.linalg.norm(hung.zyx[1:] - hung.zyx[0], axis=1)
    assert away.min() > hung.depth[0]  # no line inside of the body
    assert hung.children[0] == 2


def test_confidence_stays_with_its_edge_when_a_tree_is_hung_elsewhere():
    skeleton = skeleton_of("behind", "above")
    hung = rooted_at_bodies(skeleton, picture(skeleton, [(MIDDLE, 5)]), spacing=CUBES)
    before, after = lengths_by_edge(skeleton), lengths_by_edge(hung)
    shared = before.keys() & after.keys()
    assert len(shared) > 0.8 * len(before)
    assert all(before[edge] == pytest.approx(after[edge]) for edge in shared)


def test_a_tree_without_a_body_is_hung_on_an_end_and_loses_nothing_else():
    skeleton = skeleton_of("behind", "above")
    hung = rooted_at_bodies(skeleton, picture(skeleton), spacing=CUBES)
    assert (hung.soma < 0).all()
    assert min(np.linalg.norm(hung.zyx[0] - ENDS[end]) for end in ("behind", "above")) <= 4
    assert len(hung) >= len(skeleton) - 8


def test_a_stack_without_light_along_the_tree_has_no_body():
    skeleton = skeleton_of("behind")
    assert thickest_place(skeleton, np.full(SHAPE, 7, np.uint8), spacing=CUBES) is None


def test_of_two_bodies_of_one_shape_the_soma_map_decides():
    skeleton = skeleton_of("behind", "above")
    stack = picture(skeleton, [(ENDS["above"], 7), (ENDS["behind"], 7)])
    soma = np.zeros(SHAPE, np.uint8)
    for end in ("above", "behind"):
        soma[tuple(slice(v - 3, v + 4) for v in ENDS[end])] = 220
        hung = rooted_at_bodies(skeleton, stack, soma, spacing=CUBES)
        assert np.linalg.norm(hung.zyx[0] - ENDS[end]) <= 3
        assert hung.soma[0] == 0
        soma[:] = 0


def test_two_bodies_of_one_shape_in_the_soma_map_are_no_soma():
    skeleton = skeleton_of("behind", "above")
    stack = picture(skeleton, [(ENDS["above"], 7), (ENDS["behind"], 7)])
    soma = np.zeros(SHAPE, np.uint8)
    for end in ("above", "behind"):
        soma[tuple(slice(v - 3, v + 4) for v in ENDS[end])] = 220
    assert (rooted_at_bodies(skeleton, stack, soma, spacing=CUBES).soma < 0).all()


@pytest.mark.parametrize(("half", "root"), [(3, "behind"), (2, "above")], ids=["as large", "smaller"])
def test_of_two_bodies_in_the_soma_map_the_whole_one_counts_unless_it_is_smaller_than_the_cut_one(half, root):
    skeleton = skeleton_of("behind", "above")
    stack = picture(skeleton, [(ENDS["above"], 9), (ENDS["behind"], 6)])
    soma = np.zeros(SHAPE, np.uint8)
    soma[17:24, 0:7, 37:44] = 220  # a border cuts it
    soma[tuple(slice(v - half, v + half + 1) for v in ENDS["behind"])] = 220
    hung = rooted_at_bodies(skeleton, stack, soma, spacing=CUBES)
    assert np.linalg.norm(hung.zyx[0] - ENDS[root]) <= 4
    assert hung.soma[0] == 0


def test_a_tuft_that_the_soma_map_shows_takes_nothing_from_a_cut_body():
    skeleton = skeleton_of("behind", "above")
    stack = picture(skeleton, [(ENDS["above"], 9), (ENDS["behind"], 6)])
    soma = np.zeros(SHAPE, np.uint8)
    soma[17:24, 0:7, 37:44] = 220
    soma[19:22, 39:42, 90:158] = 220  # larger and whole, but long
    assert np.linalg.norm(rooted_at_bodies(skeleton, stack, soma, spacing=CUBES).zyx[0] - ENDS["above"]) <= 4


def test_a_border_cuts_a_body_only_where_the_stack_is_long():
    few = np.zeros((12, 80, 160), np.uint8)
    few[5:12, 37:44, 37:44] = 220
    many = np.zeros(SHAPE, np.uint8)
    many[-7:, 37:44, 37:44] = 220
    cut = [piece_near(np.array([soma.shape[0] - 4, 40, 40]), soma, CUBES, 2).is_cut(soma.shape) for soma in (few, many)]
    assert cut == [False, True]


@pytest.mark.parametrize("less", [{"plain": 0.6}, {"lead": 1.1}, {"likely": 0.05}])
def test_the_chance_of_a_soma_grows_with_its_lead_and_with_the_soma_map(less):
    usual = {"plain": 1.6, "lead": 2.0, "likely": 0.9}
    sure, doubtful = (Thickest(0, MIDDLE, 4.0, 3.0, cut=False, mapped=True, **kept) for kept in (usual, usual | less))
    assert 0 < doubtful.chance < sure.chance < 1
    assert sure.is_soma


def test_a_cut_body_and_a_speck_are_no_somata_however_far_ahead_they_are():
    place = Thickest(0, MIDDLE, 4.0, 3.0, plain=3.0, lead=5.0, likely=0.9, cut=False, mapped=True)
    assert place.is_soma
    assert not replace(place, cut=True).is_soma
    assert not replace(place, room=0.5).is_soma


@pytest.mark.parametrize(("start", "is_soma"), [(MIDDLE, True), (MIDDLE - (0, 0, 39), False)], ids=["within", "cut"])
def test_the_thickest_place_is_a_soma_where_the_map_is_sure_and_no_border_cuts_it(start, is_soma):
    line_to_end = line(ENDS["behind"]) - (0, 0, int(MIDDLE[2] - start[2]))
    n = len(line_to_end)
    skeleton = Skeleton(line_to_end, np.arange(n) - 1, np.ones(n), np.full(n, 2.0), np.full(n, -1))
    stack = picture(skeleton, [(start, 5), (line_to_end[-1], 4)])
    assert (rooted_at_bodies(skeleton, stack, spacing=CUBES).soma < 0).all()  # by its shape alone it is not plain
    soma = np.zeros(SHAPE, np.uint8)
    soma[17:24, 37:44, : start[2] + 4] = 220
    assert (rooted_at_bodies(skeleton, stack, soma, spacing=CUBES).soma == 0).any() == is_soma


def test_a_soma_map_that_says_nothing_leaves_the_choice_to_the_shape():
    skeleton = skeleton_of("behind", "above", "below")
    stack = picture(skeleton, [(MIDDLE, 8), (ENDS["behind"], 7)])
    with_map, without = (
        thickest_place(skeleton, stack, soma, spacing=CUBES) for soma in (np.zeros(SHAPE, np.uint8), None)
    )
    assert np.array_equal(with_map.zyx, without.zyx)
    assert with_map.worth == without.worth


def test_a_soma_has_the_radius_of_its_body_where_the_map_shows_a_thin_tube():
    skeleton = skeleton_of("behind", "above")
    stack = picture(skeleton, [(MIDDLE, 10)])
    tube = picture(skeleton).astype(int) > 60
    tree = trace(Probability((255 * tube).astype(np.uint8)), TraceSettings(), stack=Stack(stack))
    assert tree.type[0] == NodeType.SOMA
    assert tree.radius[0] == pytest.approx(10, abs=2)
    assert tree.radius[1:].max() < 5


def mapped(places, sure=250):
    """Return a soma map (Z, Y, X) uint8 with balls (centre, radius)."""
    z, y, x = np.indices(SHAPE)
    soma = np.zeros(SHAPE, np.uint8)
    for (a, b, c), radius in places:
        soma[(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= radius**2] = sure
    return soma


def alike():
    """Two bodies of one shape, of which the light tells nothing: a skeleton and its stack."""
    skeleton = skeleton_of("behind", "above")
    return skeleton, picture(skeleton, [(ENDS["above"], 7), (ENDS["behind"], 7)])


def test_of_two_places_the_round_piece_of_the_soma_map_is_the_body_with_its_size():
    skeleton, stack = alike()
    soma = np.maximum(mapped([(ENDS["above"], 6)]), mapped([(ENDS["behind"], 6)], sure=200))
    place = thickest_place(skeleton, stack, soma, spacing=CUBES)
    assert np.abs(place.zyx - ENDS["above"]).max() <= 1
    assert place.room == pytest.approx(6, abs=0.3)
    assert place.is_soma
    assert np.linalg.norm(skeleton.zyx[place.node] - ENDS["above"]) <= 1
    hung = rooted_at_bodies(skeleton, stack, soma, spacing=CUBES)
    assert hung.soma[0] == 0
    assert np.abs(hung.zyx[0] - ENDS["above"]).max() <= 1


@pytest.mark.parametrize(
    "other", [{"radius": 6, "sure": 250}, {"radius": 9, "sure": 200}], ids=["as sure", "much larger, less sure"]
)
def test_a_round_piece_is_no_body_beside_one_as_sure_or_much_larger(other):
    skeleton, stack = alike()
    soma = np.maximum(mapped([(ENDS["above"], 6)]), mapped([(ENDS["behind"], other["radius"])], sure=other["sure"]))
    assert not thickest_place(skeleton, stack, soma, spacing=CUBES).solid


def test_a_body_with_a_dark_nucleus_is_placed_by_the_soma_map_and_not_in_its_wall():
    skeleton = skeleton_of("behind")
    z, y, x = np.indices(SHAPE)
    away = np.sqrt((z - 20) ** 2 + (y - 40) ** 2 + (x - 40) ** 2)
    lit = picture(skeleton, [(MIDDLE, 10)])
    hollow = np.where(away <= 6, 20, lit).astype(np.uint8)
    soma = mapped([(MIDDLE, 9)])
    place = thickest_place(skeleton, hollow, soma, spacing=CUBES)
    assert np.abs(place.zyx - MIDDLE).max() <= 1
    assert place.room == pytest.approx(9, abs=0.3)
    assert not thickest_place(skeleton, lit, soma, spacing=CUBES).solid  # of a filled one the light knows more


def test_a_body_between_planes_that_lie_apart_holds_no_node():
    skeleton, stack = alike()
    z, y, x = np.indices(SHAPE)
    flat = ((z - 20) * 3.0) ** 2 + (y - 8) ** 2 + (x - 40) ** 2 <= 7**2
    soma = np.where(flat, 250, mapped([(ENDS["behind"], 5)], sure=200)).astype(np.uint8)
    spacing = np.array([3.0, 1.0, 1.0])
    hung = rooted_at_bodies(skeleton, stack, soma, spacing=spacing)
    assert hung.soma[0] == 0
    assert hung.depth[0] == pytest.approx(7, rel=0.05)
    assert np.linalg.norm((hung.zyx[1:] - hung.zyx[0]) * spacing, axis=1).min() > hung.depth[0]


def test_a_body_larger_than_any_sphere_of_light_has_the_size_that_the_soma_map_shows():
    shape, middle = (80, 80, 130), np.array([40, 40, 40])
    zyx = np.array([(40, 40, x) for x in range(40, 126)], float)
    skeleton = Skeleton(zyx, np.arange(len(zyx)) - 1, np.ones(len(zyx)), np.full(len(zyx), 2.0), np.full(len(zyx), -1))
    z, y, x = np.indices(shape)
    away = np.sqrt((z - 40) ** 2 + (y - 40) ** 2 + (x - 40) ** 2)
    lit = (away <= 30) | ((x >= 40) & ((z - 40) ** 2 + (y - 40) ** 2 <= 4))
    grey = (20 + 80 * lit + np.random.default_rng(0).normal(0, 6, shape)).clip(0, 255).astype(np.uint8)
    place = thickest_place(skeleton, grey, np.where(away <= 29, 250, 0).astype(np.uint8), spacing=CUBES)
    assert np.abs(place.zyx - middle).max() <= 1
    assert place.room == pytest.approx(29, rel=0.02)
