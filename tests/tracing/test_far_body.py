"""A tree that stops short of the one sure cell body is joined to it; all others stay as they are."""

import numpy as np
import pytest

from neurorecon.tracing.bridge import Ground
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma.far_body import joined_to_far_body

SHAPE = (24, 40, 160)


def neurite(first=50, last=150):
    """A straight neurite along x, from its end at `first`."""
    zyx = np.array([(12, 20, x) for x in range(first, last)], float)
    n = len(zyx)
    return Skeleton(zyx, np.arange(n) - 1, np.full(n, 0.9), np.full(n, 1.5), np.full(n, -1))


def ground():
    return Ground(np.zeros(SHAPE, np.uint8), np.ones(3), 0.35, np.ones(3))


def bodies(*middles, value=230):
    """A soma map with balls of radius 5."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = np.zeros(SHAPE, bool)
    for middle in middles:
        inside |= (z - middle[0]) ** 2 + (y - middle[1]) ** 2 + (x - middle[2]) ** 2 <= 25
    return (value * inside).astype(np.uint8)


def test_a_body_ahead_of_an_end_is_joined_to_that_end_by_a_straight_stem():
    made = joined_to_far_body(neurite(), ground(), bodies((12, 20, 20)))
    assert (made.parent < 0).sum() == 1  # one tree
    assert len(made) == 100 + 30
    body = int(np.linalg.norm(made.zyx - (12, 20, 20), axis=1).argmin())
    assert np.linalg.norm(made.zyx[body] - (12, 20, 20)) < 1
    new = made.zyx[:, 2] < 50
    assert np.abs(made.zyx[new][:, :2] - (12, 20)).max() <= 1
    assert (made.p[new] == 0.5).all()  # a stem is doubtful


def test_a_body_beside_a_neurite_is_joined_to_the_end_that_points_at_it():
    made = joined_to_far_body(neurite(), ground(), bodies((12, 26, 30)))
    joined = np.flatnonzero((made.zyx == (12, 20, 50)).all(1))
    assert (made.parent == joined[0]).sum() + (made.parent[joined[0]] >= 0) == 2


@pytest.mark.parametrize(
    ("skeleton", "soma"),
    [
        (neurite(), None),
        (neurite(), bodies()),
        (neurite(), bodies((12, 20, 20), value=100)),  # not sure
        (neurite(), bodies((12, 20, 100), (12, 20, 20))),  # the tree holds a body
        (neurite(125, 150), bodies((12, 20, 20))),  # too far off
        (neurite(), bodies((12, 20, 45))),  # it touches the tree
    ],
    ids=["no map", "no body", "doubtful body", "body on the tree", "too far", "touching"],
)
def test_no_stem_is_invented(skeleton, soma):
    assert joined_to_far_body(skeleton, ground(), soma) is skeleton


def test_planes_that_lie_apart_count_as_their_distance():
    apart = Ground(np.zeros(SHAPE, np.uint8), np.array([3.0, 1.0, 1.0]), 0.35, np.ones(3))
    short = joined_to_far_body(neurite(), apart, bodies((12, 20, 20)))
    assert len(short) == 130
    z = np.array([(k, 20, 80) for k in range(23, 17, -1)], float)
    upright = Skeleton(z, np.arange(6) - 1, np.full(6, 0.9), np.full(6, 1.5), np.full(6, -1))
    far = joined_to_far_body(
        upright, Ground(np.zeros(SHAPE, np.uint8), np.array([12.0, 1, 1]), 0.35, np.ones(3)), bodies((6, 20, 80))
    )
    assert far is upright  # 12 planes of 12 px


def test_a_body_far_from_the_tree_does_not_hide_a_nearer_one():
    shape = (24, 40, 400)
    soma = np.zeros(shape, np.uint8)
    soma[10:15, 18:23, 18:23] = 200
    soma[10:15, 18:23, 350:355] = 250  # surer, but of another cell
    made = joined_to_far_body(neurite(), Ground(np.zeros(shape, np.uint8), np.ones(3), 0.35, np.ones(3)), soma)
    assert np.linalg.norm(made.zyx - (12, 20, 20), axis=1).min() < 1


def both(*pieces):
    """A forest of pieces."""
    first = np.cumsum([0, *map(len, pieces)])
    parent = np.concatenate([np.where(p.parent < 0, -1, p.parent + k) for p, k in zip(pieces, first, strict=False)])
    rest = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("p", "depth", "soma"))
    return Skeleton(np.concatenate([p.zyx for p in pieces]), parent, *rest)


def arbour():
    """A straight neurite along y at x = 60, without a body."""
    across = np.array([(12, y, 60) for y in range(40)], float)
    return Skeleton(across, np.arange(40) - 1, np.full(40, 0.9), np.full(40, 1.5), np.full(40, -1))


def test_a_body_with_a_piece_of_its_stem_is_joined_to_the_side_of_the_arbour():
    """A primary neurite that fades before it meets the arbour: neither a bare body, nor two ends that face each other."""
    longer = both(arbour(), neurite(100, 130))
    made = joined_to_far_body(both(arbour(), neurite(30, 48)), ground(), bodies((12, 20, 31)))
    assert (made.parent < 0).sum() == 1  # one tree
    assert len(made) == 40 + 18 + 12
    assert sorted(made.zyx[made.p == 0.5][:, 2]) == list(range(48, 60))  # the new part of the stem is doubtful
    kept = joined_to_far_body(both(longer, neurite(30, 48)), ground(), bodies((12, 20, 31)))
    assert (kept.parent < 0).sum() == 2  # other pieces stay as they are


@pytest.mark.parametrize(
    ("stem", "soma"),
    [
        (neurite(8, 20), bodies((12, 20, 8))),  # further off than it is long
        (neurite(30, 48), bodies((12, 20, 47))),  # the body is at the end that points at the tree
        (neurite(10, 48), bodies((12, 20, 11))),  # nearly as long as the tree: a neuron of its own
        (both(neurite(30, 48), neurite(80, 95)), bodies((12, 20, 31), (12, 20, 90))),  # two bodies: two neurons
    ],
    ids=["too far", "other end", "too long", "two bodies"],
)
def test_a_piece_with_a_body_stays_apart(stem, soma):
    forest = both(arbour(), stem)
    assert joined_to_far_body(forest, ground(), soma) is forest
