"""Thick neurites whose map is hollow, torn or flat: one line each, no teeth, and their twigs."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, gaussian_filter

from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.tracing import TraceSettings, cavities, trace
from neurorecon.tracing.bridge import Ground, proposals
from neurorecon.tracing.cavities import with_cavities
from neurorecon.tracing.foreground import PAD, strides_of
from neurorecon.tracing.parts.finish import cut_volume, trace_in_parts
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.teeth import without_teeth

STEM, TIP = (20, 20, 10), (20, 20, 90)


def filled(mask, level=200):
    """The mask with its cavities, through the sparse form that the tracer has."""
    strides = strides_of(mask.shape)
    zyx = np.argwhere(mask).astype(np.int32)
    value = np.full(len(zyx), level, np.uint8)
    made, key, values = with_cavities(
        zyx, (zyx.astype(np.int64) + PAD) @ strides, value, strides=strides, spacing=np.ones(3)
    )
    assert (np.diff(key) > 0).all()
    assert (key == (made.astype(np.int64) + PAD) @ strides).all()
    assert (values == level).all()
    found = np.zeros_like(mask)
    found[tuple(made.T)] = True
    return found


def shell(canvas):
    drawing = canvas((40, 40, 40))
    away = drawing.distance_to((20, 20, 20))
    return (away <= 12) & (away > 9), away <= 12


def hollow(canvas):
    """The map of a neurite of radius 7 along x of which only the wall is seen."""
    inside = canvas((40, 40, 100)).tube([STEM, TIP], 4).map
    drawing = canvas((40, 40, 100)).tube([STEM, TIP], 7)
    drawing.map *= 1 - inside
    return drawing


# cavities


def test_a_closed_shell_is_filled_as_scipy_fills_it(canvas):
    wall, _ = shell(canvas)
    assert (filled(wall) == binary_fill_holes(wall)).all()


def test_a_shell_with_a_hole_in_its_wall_is_filled(canvas):
    wall, ball = shell(canvas)
    wall[19:22, 19:22, :20] = False
    assert filled(wall)[ball].mean() >= 0.97
    assert binary_fill_holes(wall)[ball].mean() < 0.7  # the hole is one


def test_a_long_tube_that_is_open_at_its_ends_is_filled(canvas):
    drawing = canvas((40, 40, 100))
    wall = (drawing.tube([(20, 20, -20), (20, 20, 120)], 7).map > 0.5) & (
        canvas((40, 40, 100)).tube([(20, 20, -20), (20, 20, 120)], 4).map <= 0.5
    )
    assert filled(wall)[20, 20, 20:80].all()


@pytest.mark.parametrize("apart", [6, 12])
def test_the_space_between_parallel_neurites_is_no_cavity(canvas, apart):
    drawing = canvas((40, 40, 60))
    for z, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        at = 20 + z * apart / 2, 20 + y * apart / 2
        drawing.tube([(*at, 5), (*at, 55)], 1.5)
    assert (filled(drawing.map > 0.5) == (drawing.map > 0.5)).all()


def test_a_ring_is_no_cavity(canvas):
    angle = np.linspace(0, 2 * np.pi, 61)
    ring = canvas((20, 50, 50)).tube(np.stack([np.full(61, 10), 25 + 14 * np.sin(angle), 25 + 14 * np.cos(angle)], 1))
    assert (filled(ring.map > 0.5) == (ring.map > 0.5)).all()


def test_a_hole_of_one_voxel_stays():
    """A path goes round it all the same, and the tree of a good map stays what it was."""
    solid = np.ones((9, 9, 9), bool)
    solid[4, 4, 4] = False
    assert (filled(solid) == solid).all()


def test_an_empty_foreground_has_no_cavity():
    assert not filled(np.zeros((5, 5, 5), bool)).any()


def test_a_hollow_neurite_is_one_line_along_its_middle(canvas):
    tree = trace(hollow(canvas).probability())
    assert (len(tree.tips), len(tree.branch_points)) == (2, 0)
    inner = (tree.xyz[:, 0] > 20) & (tree.xyz[:, 0] < 80)
    assert np.abs(tree.xyz[inner, 1:] - 20).max() <= 1.0
    assert np.median(tree.radius[inner]) == pytest.approx(7, abs=1)


def test_a_hollow_neurite_keeps_its_twig(canvas):
    drawing = hollow(canvas).tube([(20, 27, 50), (20, 38, 50)], 1.2)
    tree = trace(drawing.probability())
    assert (len(tree.tips), len(tree.branch_points)) == (3, 1)


# teeth


def thick(radius=5.0, *branches):
    """A straight neurite along x, and branches from its middle, each by the offsets (x, y, z) of its nodes."""
    line = [(float(x), 0.0, 0.0) for x in range(41)]
    parent, size = [-1, *range(40)], [radius] * 41
    for offsets in branches:
        above = 20
        for offset in offsets:
            line.append((20.0 + offset[0], float(offset[1]), float(offset[2])))
            parent.append(above)
            size.append(0.5)
            above = len(line) - 1
    return Tree(np.array(line), np.array(size), np.array(parent), np.full(len(line), 3), "voxel")


def ways(*lengths):
    return [[(0, y, 0) for y in range(1, n + 1)] for n in lengths]


def test_an_end_branch_inside_of_a_thick_neurite_is_cut():
    assert len(without_teeth(thick(5.0, *ways(3)), 1.0)) == 41


def test_a_second_line_inside_of_a_thick_neurite_is_cut():
    assert len(without_teeth(thick(5.0, [(x, 3, 0) for x in range(1, 15)]), 1.0)) == 41


def test_a_twig_that_leaves_a_thick_neurite_is_kept():
    assert len(without_teeth(thick(5.0, *ways(8)), 1.0)) == 49


def test_a_tooth_beside_a_twig_is_cut_alone():
    tree = without_teeth(thick(5.0, *ways(8), [(0, -y, 0) for y in range(1, 4)]), 1.0)
    assert len(tree) == 49
    assert tree.xyz[:, 1].max() == 8
    assert tree.xyz[:, 1].min() == 0


def test_branches_of_thin_neurites_are_no_teeth():
    assert len(without_teeth(thick(2.0, *ways(1)), 1.0)) == 42


def test_teeth_are_measured_in_the_unit_of_the_radii():
    tree = thick(5.0, [(0, 0, z) for z in (1, 2)])
    assert len(without_teeth(tree, 1.0)) == 41
    assert (
        len(without_teeth(tree, 1.0, tree.xyz * (1, 1, 4))) == 43
    )  # planes four pixels apart: 8 px, beyond the surface


def test_a_tree_without_branches_has_no_teeth():
    tree = thick(5.0)
    assert without_teeth(tree, 1.0) is tree


# bodies, and blocks


@pytest.mark.parametrize(("gap", "proposed"), [(2.0, True), (10.0, True), (14.0, False)])
def test_the_reach_of_an_end_counts_from_the_surface_of_a_body(gap, proposed):
    body, away = 14.0, np.arange(20.0)
    zyx = np.array([(0, 0, 0), *((0, 0, body + gap + x) for x in away)])
    parent, depth = np.array([-1, -1, *range(1, 20)]), np.array([body, *np.ones(20)])
    skeleton = Skeleton(zyx, parent, np.ones(21), depth, np.array([0, *np.full(20, -1)]))
    ground = Ground(np.zeros((1, 1, 1), np.uint8), np.ones(3), 0.25, np.ones(3))
    links = {(end, other) for end, other, *_ in proposals(skeleton, ground, 10.0)}
    assert ((1, 0) in links) == proposed


def test_the_line_of_a_hollow_neurite_is_the_same_in_blocks(canvas):
    map_ = hollow(canvas).probability()
    tree = trace_in_parts(
        Probability(map_.neurite, None, None, "drawn"), cut_volume(map_.shape, (40, 40, 50)), TraceSettings()
    )
    assert (len(tree.tips), len(tree.branch_points)) == (2, 0)
    inner = (tree.xyz[:, 0] > 20) & (tree.xyz[:, 0] < 80)
    assert np.abs(tree.xyz[inner, 1:] - 20).max() <= 1.0


def test_texture_is_filled_voxel_by_voxel_as_by_sorted_keys(monkeypatch):
    """Both ways through `with_cavities` give the same bytes, of random texture and of shells, for cubes and flat voxels."""
    rng = np.random.default_rng(5)
    texture = rng.random((14, 30, 34)) < 0.4
    shells = np.abs(gaussian_filter(rng.random((30, 40, 44)), 2) - 0.5) < 0.01
    for mask in (texture, shells):
        value, strides = rng.integers(100, 255, mask.shape).astype(np.uint8), strides_of(mask.shape)
        zyx = np.argwhere(mask).astype(np.int32)
        key = (zyx.astype(np.int64) + PAD) @ strides
        for spacing in ((1.0, 1.0, 1.0), (3.0, 1.0, 1.0)):
            made = []
            for dense in (0, 8):
                monkeypatch.setattr(cavities, "DENSE", dense)
                made.append(with_cavities(zyx, key, value[mask], strides=strides, spacing=np.array(spacing)))
            assert len(made[0][0]) > len(zyx)
            for slow, quick in zip(*made, strict=True):
                assert slow.dtype == quick.dtype
                np.testing.assert_array_equal(slow, quick)


def test_texture_is_looked_at_voxel_by_voxel(monkeypatch):
    """Sorting the keys of all candidates of a dense texture takes seven times as long."""
    mask = np.random.default_rng(5).random((14, 30, 34)) < 0.4
    monkeypatch.setattr(cavities, "enclosed_in_planes", None)  # the way by sorted keys
    assert filled(mask).sum() > mask.sum()
