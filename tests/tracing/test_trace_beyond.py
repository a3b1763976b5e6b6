"""Ways on that the tree lacks: where a drawn neurite fades, and nowhere else; the tree itself stays as it is."""

import dataclasses

import numpy as np
import pytest

from neurorecon.core.errors import SettingsError
from neurorecon.core.tree import Tree
from neurorecon.tracing import TraceSettings, cut_volume, trace, trace_in_parts
from neurorecon.tracing.beyond import ways_on

SHAPE = (24, 60, 130)
BRIGHT, FAINT = 0.95, 0.25  # of the probability: below 0.49 the first tracing follows nothing
PLAIN = TraceSettings(find_somata=False)


def fading(canvas, *, faint=FAINT):
    """A neurite along x whose last third is faint, with a whole branch."""
    drawn = canvas(SHAPE)
    drawn.tube([(12, 30, 8), (12, 30, 80)], level=BRIGHT)
    drawn.tube([(12, 30, 40), (12, 52, 40)], level=BRIGHT)
    if faint:
        drawn.tube([(12, 30, 80), (12, 30, 120)], level=faint)
    return drawn.probability()


def test_faint_end_of_a_neurite_is_a_way_on_from_its_tip(canvas):
    made = trace(fading(canvas), dataclasses.replace(PLAIN, missing=0.0))
    assert made.xyz[:, 0].max() < 90
    (way,) = made.left_out
    assert np.linalg.norm(made.xyz[way.row] - [80, 30, 12]) < 5
    assert abs(way.xyz[:, 1:] - [30, 12]).max() < 2
    assert way.xyz[-1, 0] == pytest.approx(119, abs=3)
    assert way.length == pytest.approx(way.xyz[-1, 0] - made.xyz[way.row, 0], rel=0.1)
    assert 0 <= way.confidence <= 1


def test_tree_stays_the_same_whether_or_not_ways_on_are_sought(canvas):
    plain, made = (trace(fading(canvas), dataclasses.replace(PLAIN, missing=missing)) for missing in (None, 0.0))
    assert plain.left_out == ()
    for name in ("xyz", "radius", "parent", "type", "confidence", "bridged"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(made, name))


def test_whole_neurite_has_no_way_on(canvas):
    assert trace(fading(canvas, faint=0), dataclasses.replace(PLAIN, missing=0.0)).left_out == ()


def test_ways_on_that_are_less_sure_than_asked_for_are_not_named(canvas):
    (way,) = trace(fading(canvas), dataclasses.replace(PLAIN, missing=0.0)).left_out
    least = min(way.confidence + 0.01, 1.0)
    assert trace(fading(canvas), dataclasses.replace(PLAIN, missing=least)).left_out == ()
    with pytest.raises(SettingsError, match="missing is 2; 0 to 1 is needed"):
        TraceSettings(missing=2)


@pytest.mark.parametrize("block", [None, (24, 60, 65)])
@pytest.mark.parametrize("edges", [(0.5, 0.5, 0.5), (1.5, 0.5, 0.5)])
def test_ways_on_are_the_same_in_voxels_and_in_micrometres(canvas, edges, block):
    """In one piece and in blocks."""
    drawn = canvas(SHAPE, edges)
    drawn.tube([(12, 30, 8), (12, 30, 80)], level=BRIGHT).tube([(12, 30, 80), (12, 30, 120)], level=FAINT)
    drawn.tube([(12, 30, 60), (20, 30, 60)], level=FAINT)  # eight planes
    drawn.tube([(12, 10, 22), (12, 10, 122)], level=0.48)  # a piece beside it, which the confidence counts
    found, asked = drawn.probability(), dataclasses.replace(PLAIN, missing=0.0)
    by_unit = [dataclasses.replace(asked, units=unit) for unit in ("voxel", "um")]
    cores = cut_volume(SHAPE, block or SHAPE)
    px, um = (trace_in_parts(found, cores, by) if block else trace(found, by) for by in by_unit)
    assert len(px.left_out) == len(um.left_out) >= 1
    for a, b in zip(px.left_out, um.left_out, strict=True):
        np.testing.assert_allclose(b.xyz, a.xyz * edges[::-1])
        assert (b.row, b.meets, b.confidence) == (a.row, a.meets, pytest.approx(a.confidence))
        for tree, way in ((px, a), (um, b)):
            along = np.diff(np.concatenate([tree.xyz[[way.row]], way.xyz]), axis=0)
            assert way.length == pytest.approx(np.linalg.norm(along, axis=1).sum(), rel=0.15)


def test_way_on_that_arrives_at_another_tree_names_the_node_there(canvas):
    """Two bright parts that face each other across a gap too long for the tracer, faint from end to end."""
    drawn = canvas((24, 40, 190))
    for start, end, level in ((8, 70, BRIGHT), (70, 122, FAINT), (122, 182, BRIGHT)):
        drawn.tube([(12, 20, start), (12, 20, end)], level=level)
    made = trace(drawn.probability(), dataclasses.replace(PLAIN, missing=0.0))
    assert len(made.roots) == 2
    (way,) = made.left_out
    ends = sorted([made.xyz[way.row, 0], made.xyz[way.meets, 0]])
    assert ends == pytest.approx([70, 122], abs=5)
    assert made.root_of()[way.row] != made.root_of()[way.meets]


@pytest.mark.parametrize("block", [(24, 60, 65), (24, 60, 100), (24, 30, 64), (12, 31, 40)])
def test_volume_in_blocks_has_the_ways_on_of_one_piece_each_once(canvas, block):
    """Borders cut the faint end, or run along it; (12, 31, 40) cuts it more than once."""
    asked = dataclasses.replace(PLAIN, missing=0.0, units="voxel")
    whole = trace(fading(canvas), asked)
    cut = trace_in_parts(fading(canvas), cut_volume(SHAPE, block), asked)
    (there,), (way,) = whole.left_out, cut.left_out
    assert np.linalg.norm(cut.xyz[way.row] - whole.xyz[there.row]) < 3
    assert np.linalg.norm(way.xyz[-1] - there.xyz[-1]) < 2
    assert way.length == pytest.approx(there.length, rel=0.05)
    assert way.confidence == pytest.approx(there.confidence, abs=0.1)


def test_blocks_without_a_faint_end_have_no_way_on(canvas):
    asked = dataclasses.replace(PLAIN, missing=0.0)
    assert trace_in_parts(fading(canvas, faint=0), cut_volume(SHAPE, (24, 60, 65)), asked).left_out == ()


def forest(*lines):
    """Lines along x at heights y, as (first x, last x, y, confidence, row of the parent or -1), nodes 2 px apart."""
    xyz, parent, sure = [], [], []
    for first, last, y, confidence, onto in lines:
        x = np.arange(first, last + 1, 2.0)
        parent += [onto, *range(len(xyz), len(xyz) + len(x) - 1)]
        xyz += [(place, y, 0.0) for place in x]
        sure += [confidence] * len(x)
    return Tree(np.array(xyz), np.ones(len(xyz)), np.array(parent), unit="voxel", confidence=np.array(sure))


def test_of_two_ways_the_likelier_cable_comes_first_and_a_short_one_is_none():
    tree = forest((0, 60, 0, 0.9, -1))
    more = forest((0, 60, 0, 0.9, -1), (62, 90, 0, 0.9, 30), (4, 40, 20, 0.3, 2), (40, 42, -4, 0.9, 20))
    ways = ways_on(tree, lambda: more, 0.0, 1.0)
    assert [(way.row, way.meets) for way in ways] == [(30, -1), (2, -1)]
    assert [way.length for way in ways] == pytest.approx([28, 56])  # 28 at 0.9 are more cable than 56 at 0.3
    assert [way.confidence for way in ways] == pytest.approx([0.9, 0.3])
    (way,) = ways_on(tree, lambda: more, 0.4, 1.0)
    assert way.row == 30


def test_a_way_that_arrives_at_another_tree_is_preferred_to_a_little_longer_one_that_ends_free():
    tree = forest((0, 60, 0, 0.9, -1), (100, 150, 0, 0.9, -1))
    through = (62, 150, 0, 0.5, 30)
    for far, arrives in ((94, True), (106, False)):  # the free end lies 1 px further, or 13
        more = forest((0, 60, 0, 0.9, -1), through, (82, far, 4, 0.5, 40))
        (way,) = ways_on(tree, lambda more=more: more, 0.0, 1.0)
        assert way.row == 30
        if arrives:
            assert tree.xyz[way.meets].tolist() == [100, 0, 0]
            assert way.length == pytest.approx(36, abs=2)
        else:
            assert way.meets == -1
            assert way.xyz[-1].tolist() == [far, 4, 0]


def test_a_way_back_to_its_own_tree_meets_no_other():
    tree = forest((0, 60, 0, 0.9, -1), (0, 60, 40, 0.9, -1))
    loop = forest((0, 60, 0, 0.9, -1), (62, 90, 0, 0.5, 30), (92, 92, 0, 0.5, 45))
    (way,) = ways_on(tree, lambda: loop, 0.0, 1.0)
    assert (way.row, way.meets) == (30, -1)
