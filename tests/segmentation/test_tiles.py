"""Tiles cover every voxel, and their weights add up to one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.segmentation.tiles import MARGIN, Span, cut_axis, lit, occupied, ramp, weight_of

axis = st.tuples(st.integers(1, 700), st.sampled_from([32, 48, 96, 128]), st.sampled_from([4, 8, 12]))


@given(axis)
def test_weights_along_an_axis_add_up_to_one_at_every_voxel(drawn):
    length, core, halo = drawn
    total = np.zeros(length)
    for span in cut_axis(length, core, halo, 8):
        total[span.slice] += span.weight
    assert np.allclose(total, 1, atol=1e-6)


@given(axis)
def test_tiles_lie_inside_the_axis_and_are_no_longer_than_core_and_halos(drawn):
    length, core, halo = drawn
    for span in cut_axis(length, core, halo, 8):
        assert 0 <= span.start < span.stop <= length
        assert span.stop - span.start <= core + 8 + 4 * halo


@given(axis)
def test_a_border_of_the_stack_has_no_ramp(drawn):
    length, core, halo = drawn
    spans = cut_axis(length, core, halo, 8)
    assert spans[0].ramp_in == 0
    assert spans[-1].ramp_out == 0
    assert spans[0].start == 0
    assert spans[-1].stop == length


def test_inner_tiles_start_on_multiples_of_the_stride_less_the_halo():
    assert [span.start for span in cut_axis(300, 96, 8, 8)] == [0, 72, 152, 232]


@pytest.mark.parametrize("length", [1, 2, 16, 24])
def test_a_ramp_and_its_mirror_image_add_up_to_one(length):
    assert np.allclose(ramp(length) + ramp(length)[::-1], 1)


def test_weight_of_a_tile_is_the_product_of_its_axes():
    z, y, x = Span(0, 4, 0, 2), Span(0, 3, 0, 0), Span(5, 10, 2, 0)
    weight = weight_of(z, y, x)
    assert weight.shape == (4, 3, 5)
    assert weight[3, 0, 0] == pytest.approx(0.25 * 0.25)
    assert weight[0, 1, 4] == 1


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=6))
def test_the_occupied_part_of_a_tile_holds_all_that_is_bright_and_a_margin(places):
    tile = np.zeros((40, 51, 61), np.uint8)
    tile[tuple(np.transpose(places))] = 9
    box = occupied(tile, 8.7, 1)
    for part, where, length in zip(box, np.transpose(places), tile.shape, strict=True):
        assert part.start == 0 or (part.start % 8 == 0 and part.start <= where.min() - MARGIN)
        assert part.stop == length or (part.stop % 8 == 0 and part.stop > where.max() + MARGIN)
        assert part.start >= where.min() - MARGIN - 7
        assert part.stop <= where.max() + MARGIN + 8


@given(st.integers(1, 140), st.sampled_from([8, 16, 32]), st.data())
def test_the_sides_of_the_occupied_part_are_multiples_of_an_edge_or_those_of_the_tile(length, edge, data):
    line = np.zeros((1, 1, length), np.uint8)
    line[0, 0, data.draw(st.lists(st.integers(0, length - 1), min_size=1))] = 9
    part = occupied(line, 5, 1, edge)[2]
    bright = np.flatnonzero(line)
    assert part.start <= max(0, bright[0] - MARGIN)
    assert part.stop >= min(length, bright[-1] + 1 + MARGIN)
    assert part == slice(0, length) or -(-(part.stop - part.start) // 8) * 8 % edge == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tile_with_too_few_bright_voxels_is_left_out(dtype):
    tile = np.zeros((8, 16, 16), dtype)
    tile[3, 4, 5:8] = 3
    assert occupied(tile, 2.5, 4) is None
    assert occupied(tile, 2.5, 3) is not None
    assert occupied(tile, 3.0, 1) is None


def test_a_whole_tile_is_looked_at_where_no_voxel_is_asked_for():
    assert occupied(np.zeros((5, 6, 7), np.uint8), 0, 0) == (slice(0, 5), slice(0, 6), slice(0, 7))


def noisy(seed, shape=(48, 120, 120), mean=20.0, deviation=4.0):
    return np.random.default_rng(seed).normal(mean, deviation, shape)


def test_noise_and_puncta_are_dark():
    assert sum(lit(noisy(seed).round().astype(np.uint8)) is not None for seed in range(40)) == 0
    spotted = noisy(99)
    for z, y, x in [(10, 20, 20), (30, 20, 60), (14, 60, 90), (22, 90, 30), (35, 75, 75), (0, 40, 44), (40, 117, 100)]:
        spotted[z : z + 3, y : y + 3, x : x + 3] += 150
    assert lit(spotted.round().clip(0, 255).astype(np.uint8)) is None


@pytest.mark.parametrize("contrast", [2.0, 5.0])
def test_a_neurite_as_bright_as_twice_the_noise_is_lit_with_all_its_surroundings(contrast):
    tile = noisy(3)
    z, y, x = np.meshgrid(*map(np.arange, tile.shape), indexing="ij")
    tile[(np.hypot(z - 24, y - 40 - 0.3 * x) < 1.8) & (x > 20) & (x < 100)] += contrast * 4
    box = lit(tile.round().clip(0, 255).astype(np.uint8))
    assert box is not None
    assert box[2].start <= 24
    assert box[2].stop >= 96
    assert box[1].start <= 46
    assert box[1].stop >= 70


def test_the_corner_of_a_neurite_at_the_border_of_a_tile_is_lit():
    tile = noisy(4)
    tile[20:24, :14, 50:54] += 40
    assert lit(tile) is not None


def test_a_slope_of_the_background_is_lit_rather_than_lost():
    tile = noisy(6) + np.linspace(0, 40, 120)
    tile[20:24, 60:64, 10:110] += 30
    assert lit(tile) is not None
