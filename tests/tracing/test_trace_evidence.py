"""What decides whether a branch stays: the light of the stack at its nodes, its confidence, and the best subtree."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.tracing.confidence import (
    FEATURES,
    LIGHT_FEATURES,
    RAW_WITH,
    RAW_WITHOUT,
    WITH,
    WITHOUT,
    confidence_of,
    cut_doubtful,
    kept,
    least_confidence,
    stretches_of,
)
from neurorecon.tracing.light import BOX, Light, light_at
from neurorecon.tracing.skeleton import Skeleton

ONES = np.ones(3)


def skeleton_of(points, parents, p=1.0, depth=2.0, somata=()):
    n = len(points)
    soma = np.full(n, -1)
    soma[list(somata)] = np.arange(len(somata))
    return Skeleton(np.array(points, float), np.array(parents), np.full(n, float(p)), np.full(n, float(depth)), soma)


def straight(n, z=20, y=30):
    """A line of n nodes along x."""
    return skeleton_of([(z, y, 5 + k) for k in range(n)], range(-1, n - 1))


@st.composite
def trees(draw, largest=10, somata=False):
    """A skeleton of up to `largest` nodes in one piece or several, and one whole number for every node."""
    n = draw(st.integers(2, largest))
    parents = [-1] + [draw(st.integers(0 if k == 1 else -1, k - 1)) for k in range(1, n)]
    step = st.tuples(*[st.integers(-20, 20)] * 3).filter(any)
    points = []
    for above in parents:
        start = points[above] if above >= 0 else np.array([50, 50, 50])
        points.append(start + np.array(draw(step)))
    roots = [k for k, above in enumerate(parents) if above < 0]
    made = skeleton_of(points, parents, somata=draw(st.sets(st.sampled_from(roots))) if somata else ())
    gain = np.array(draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n)), float)
    return made, np.where(made.parent < 0, 0.0, gain)


def light_of(skeleton, seed):
    rng = np.random.default_rng(seed)
    return Light(rng.normal(20, 40, len(skeleton)), *rng.uniform(0, 30, (2, len(skeleton))))


# light


def test_the_contrast_of_a_bright_tube_is_its_height_and_the_spread_is_the_noise(canvas, rng):
    data = 300 + 80 * canvas((40, 60, 90)).tube([(20, 30, 3), (20, 30, 87)], 3).map + rng.normal(0, 12, (40, 60, 90))
    light = light_at(data, straight(80), ONES)
    assert light.contrast.mean() == pytest.approx(80, abs=3)
    assert np.median(light.spread) == pytest.approx(12, rel=0.2)


def test_light_does_not_depend_on_the_level_of_the_ground_and_grows_with_the_gain(canvas):
    tube = canvas((40, 60, 90)).tube([(20, 30, 3), (20, 30, 87)], 3).map
    plain = light_at(100 * tube, straight(80), ONES)
    np.testing.assert_allclose(light_at(500 + 100 * tube, straight(80), ONES).contrast, plain.contrast, rtol=1e-5)
    np.testing.assert_allclose(light_at(300 * tube, straight(80), ONES).contrast, 3 * plain.contrast, rtol=1e-5)


def test_the_grain_tells_texture_from_noise(rng):
    from scipy.ndimage import gaussian_filter

    white = rng.normal(0, 20, (40, 60, 90))
    smooth = gaussian_filter(white, 2)
    noise, texture = (light_at(data, straight(80), ONES) for data in (white, 20 / smooth.std() * smooth))
    assert np.mean(noise.grain / noise.spread) == pytest.approx(5**-0.5, rel=0.15)  # a mean over 5 voxels
    assert np.mean(texture.grain / texture.spread) > 0.8


class OnDisk:
    """A stack that is read by planes, and remembers how many at most."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.most = data, data.shape, data.dtype, 0

    def __getitem__(self, planes):
        self.most = max(self.most, len(self.data[planes]))
        return self.data[planes]


def test_a_stack_read_by_slabs_gives_the_light_of_the_array(rng):
    data = rng.integers(0, 200, (3 * BOX[0] + 5, 40, 30)).astype(np.uint16)
    n = len(data)
    zigzag = skeleton_of([(k, 5 + 7 * k % 30, 4 + 5 * k % 22) for k in range(n)], range(-1, n - 1))
    lazy = OnDisk(data)
    light = light_at(lazy, zigzag, ONES)
    assert lazy.most <= BOX[0] + 2
    for k in (0, BOX[0] - 1, BOX[0], 2 * BOX[0], n - 1):  # at the borders of slabs, from the whole array
        z, y, x = zigzag.zyx[k].astype(int)
        plus = data[z, [y, y - 1, y + 1, y, y], [x, x, x, x - 1, x + 1]].mean()
        angle = np.arange(12) * np.pi / 6
        rows = np.round(y + 8 * np.sin(angle)).astype(int) + 9
        columns = np.round(x + 8 * np.cos(angle)).astype(int) + 9
        ring = np.concatenate([np.pad(data, 9, mode="reflect")[z + dz, rows, columns] for dz in (8, 9, 10)])
        assert light.contrast[k] == pytest.approx(plus - np.median(ring), abs=1e-4)
        assert light.spread[k] == pytest.approx(1.4826 * np.median(abs(ring - np.median(ring))), abs=1e-4)


@pytest.mark.parametrize("y", [0, 1, 28, 29])
def test_a_neurite_along_the_border_of_the_stack_has_its_light(canvas, y):
    data = 50 * canvas((3, 30, 90)).tube([(0, y, 0), (0, y, 89)], 2).map
    border = skeleton_of([(0, y, k) for k in range(90)], range(-1, 89))
    assert light_at(data, border, ONES).contrast.min() == pytest.approx(50, abs=1)


def test_a_stack_with_nan_around_the_neuron_is_refused():
    with pytest.raises(InputError, match="NaN"):
        light_at(np.full((40, 60, 90), np.nan, np.float32), straight(80), ONES)


# confidence


@given(trees(largest=30, somata=True), st.integers(0, 999), st.booleans())
@settings(max_examples=60, deadline=None)
def test_confidence_is_a_share_and_the_same_all_along_a_stretch(made, seed, with_light):
    skeleton = made[0]
    light = light_of(skeleton, seed) if with_light else None
    confidence, of = confidence_of(skeleton, ONES, light), stretches_of(skeleton, ONES, light).of
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    np.testing.assert_array_equal(of < 0, skeleton.parent < 0)
    for stretch in np.unique(of):
        assert len(np.unique(confidence[of == stretch])) == 1


@pytest.mark.parametrize("length", [10, 29, 31, 100])
def test_stretches_are_at_most_30_pixels_long_and_about_even(length):
    line = straight(length + 1)
    sizes = np.bincount(stretches_of(line, ONES, None).of[1:])
    assert len(sizes) == -(-length // 30)
    assert sizes.max() - sizes.min() <= 1


def test_a_dim_neighbours_branch_is_less_sure_than_a_bright_one(canvas):
    drawing = canvas((16, 110, 130)).tube([(8, 55, 5), (8, 55, 125)], 2).tube([(8, 55, 60), (8, 8, 60)], 2)
    grey = 20 + 200 * drawing.map + 10 * canvas((16, 110, 130)).tube([(8, 55, 60), (8, 102, 60)], 2).map
    trunk = [(8, 55, x) for x in range(5, 126)]
    bright, dim = ([(8, 55 + sign * k, 60) for k in range(1, 48)] for sign in (-1, 1))
    made = skeleton_of(trunk + bright + dim, [*range(-1, 120), 55, *range(121, 167), 55, *range(168, 214)], p=0.8)
    without = confidence_of(made, ONES, None)
    np.testing.assert_allclose(without[121:168], without[168:])  # the map alone cannot tell them apart
    lit = confidence_of(made, ONES, light_at(grey, made, ONES))
    assert lit[168:].max() < lit[121:168].min() - 0.05


def test_what_the_network_is_unsure_of_promises_less_and_texture_less_than_noise():
    sure, unsure = (skeleton_of(straight(80).zyx, range(-1, 79), p=p) for p in (0.95, 0.6))
    light = Light(*(np.full(80, value) for value in (30.0, 10.0, 4.5)))
    textured = Light(light.contrast, light.spread, np.full(80, 10.0))
    assert confidence_of(unsure, ONES, light)[1:].max() < confidence_of(sure, ONES, light)[1:].min() - 0.3
    assert confidence_of(unsure, ONES, None)[1:].max() < confidence_of(sure, ONES, None)[1:].min() - 0.3
    assert (confidence_of(unsure, ONES, textured)[1:] < confidence_of(unsure, ONES, light)[1:]).all()


def test_the_promise_is_the_mean_confidence_before_anything_is_cut():
    unsure = skeleton_of(straight(80).zyx, range(-1, 79), p=0.6)
    said = confidence_of(unsure, ONES, None)[1:]
    left, _, promise = cut_doubtful(unsure, ONES, None, 0.9)
    assert promise == pytest.approx(said.mean())
    assert len(left) == 1


@pytest.mark.parametrize(
    ("least", "promise", "right"),
    [(0.3, 1.0, 0.3), (0.3, 0.5, 0.3), (0.5, 0.25, 0.75), (0.3, 0.3, 0.5), (0.0, 0.01, 0.0), (1.0, 0.01, 1.0)],
)
def test_more_is_asked_of_a_stretch_the_more_of_all_cable_is_false(least, promise, right):
    assert least_confidence(least, promise) == pytest.approx(right)


def test_nothing_is_right_in_a_map_without_promise():
    assert least_confidence(0.3, 0.0) == pytest.approx(1)


def test_the_same_stretch_stays_alone_and_goes_among_false_cable():
    lines = [straight(40, y=y).zyx for y in range(0, 900, 30)]
    n = len(lines)

    def forest(chance):
        made = skeleton_of(np.concatenate(lines), [k - 1 if k % 40 else -1 for k in range(40 * n)])
        return Skeleton(made.zyx, made.parent, np.repeat(chance, 40), made.depth, made.soma)

    alone, among = np.full(n, 0.9), np.append(np.full(n - 1, 0.55), 0.9)
    said = [confidence_of(forest(chance), ONES, None)[-1] for chance in (alone, among)]
    least = min(said) - 0.01  # on its own merit it is kept in both
    assert len(cut_doubtful(forest(alone), ONES, None, least)[0]) == 40 * n
    left, _, promise = cut_doubtful(forest(among), ONES, None, least)
    assert promise < 0.5
    assert least_confidence(least, promise) > max(said)
    assert len(left) == 1


def test_every_feature_has_a_weight():
    few, every = 1 + len(FEATURES), 1 + len(FEATURES) + len(LIGHT_FEATURES)
    assert [len(weights) for weights in (WITHOUT, WITH, RAW_WITHOUT, RAW_WITH)] == [few, every, few, every]


# the best subtree


def best_sum(parents, gain):
    """The largest sum of a part of a tree that holds its root and no node without its parent, by trying all."""
    inner = [k for k, above in enumerate(parents) if above >= 0]
    largest = 0.0
    for size in range(len(inner) + 1):
        for chosen in itertools.combinations(inner, size):
            if all(parents[k] in chosen or parents[parents[k]] < 0 for k in chosen):
                largest = max(largest, sum(gain[k] for k in chosen))
    return largest


@given(trees())
@settings(max_examples=100, deadline=None)
def test_what_is_kept_is_the_part_of_the_largest_sum(made):
    skeleton, gain = made
    keep = kept(skeleton, gain)
    assert gain[keep].sum() == best_sum(skeleton.parent.tolist(), gain.tolist())
    assert keep[skeleton.parent[keep & (skeleton.parent >= 0)]].all()


@given(trees(somata=True))
@settings(max_examples=100, deadline=None)
def test_the_only_soma_is_never_cut_and_something_is_always_kept(made):
    skeleton, gain = made
    somata = skeleton.soma >= 0
    keep = kept(skeleton, gain - 6.0 * (skeleton.parent >= 0))  # nothing is worth it
    if somata.sum() == 1:
        np.testing.assert_array_equal(keep[somata], True)
    assert 1 <= keep.sum() <= 2


@given(trees(largest=30, somata=True), st.integers(0, 999), st.sampled_from([0.3, 0.5, 0.7, 0.9]))
@settings(max_examples=60, deadline=None)
def test_what_is_left_behind_any_edge_is_as_sure_as_asked(made, seed, least):
    skeleton, confidence, _ = cut_doubtful(made[0], ONES, light_of(made[0], seed), least)
    length, parent = skeleton.edge_lengths(ONES), skeleton.parent
    surplus = length * (confidence - least)
    for node in range(len(skeleton) - 1, -1, -1):
        if parent[node] >= 0:
            assert surplus[node] >= -1e-9
            surplus[parent[node]] += surplus[node]


@given(trees(largest=30), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_nothing_is_cut_at_confidence_0(made, seed):
    skeleton = made[0]
    pieces = skeleton.pieces()
    alone = np.bincount(pieces, minlength=len(skeleton))[pieces] == 1  # nodes without an edge are no neurite
    left, _, _ = cut_doubtful(skeleton, ONES, light_of(skeleton, seed), 0.0)
    assert len(left) == (~alone).sum()
