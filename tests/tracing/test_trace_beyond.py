"""Ways on that the tree lacks: where a drawn neurite fades, and nowhere else; the tree itself stays as it is."""

import dataclasses

import numpy as np
import pytest

from neurorecon.core.errors import SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.tracing import TraceSettings, cut_volume, outlined, trace, trace_in_parts

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


def test_ways_on_are_the_same_in_voxels_and_in_micrometres(canvas):
    """A short separate piece beside the tree: how short it may be does not hang on the unit of the tree."""
    found = dataclasses.replace(fading(canvas), voxel_size=VoxelSize(0.25, 0.25, 0.25))
    made = [trace(found, dataclasses.replace(PLAIN, missing=0.0, units=units)) for units in ("um", "voxel")]
    confidence = [[way.confidence for way in one.left_out] for one in made]
    assert confidence[0] == pytest.approx(confidence[1])
    assert [4 * way.length for way in made[0].left_out] == pytest.approx(
        [way.length for way in made[1].left_out], rel=0.01
    )


def test_ways_on_stay_where_the_soma_is_measured_anew(canvas):
    drawn = canvas(SHAPE).ball((12, 30, 20), 8).soma_map((12, 30, 20), 7, 1.0)
    drawn.tube([(12, 30, 20), (12, 30, 80)], level=BRIGHT).tube([(12, 30, 80), (12, 30, 120)], level=FAINT)
    found = drawn.probability()
    made = trace(found, TraceSettings(missing=0.0))
    larger = canvas(SHAPE).ball((12, 30, 20), 11).tube([(12, 30, 20), (12, 30, 120)]).probability()
    again, outlines = outlined(made, Stack(np.asarray(larger.neurite)))
    assert outlines
    assert len(again) < len(made)
    (before,), (after,) = made.left_out, again.left_out
    np.testing.assert_array_equal(after.xyz, before.xyz)
    np.testing.assert_array_equal(again.xyz[after.row], made.xyz[before.row])
