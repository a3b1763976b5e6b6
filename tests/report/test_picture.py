"""The overlay: geometry checked on pixels of pictures whose content is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from neurorecon.core import blocks
from neurorecon.core.errors import InputError, OutputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import Tree
from neurorecon.report import draw_overlay
from neurorecon.report import picture as module


def line_tree(start_zyx, end_zyx, unit="voxel", voxel_size=None, kinds=(0, 0)):
    points = np.array([start_zyx, end_zyx], float)
    if voxel_size is not None:
        points = points * voxel_size.zyx
    return Tree(points[:, ::-1], np.ones(2), np.array([-1, 0]), np.array(kinds), unit)


def coloured(picture, colour=module.COLOURS[0]):
    """Rows and columns where the colour of the first tree dominates."""
    pixels = np.asarray(picture).astype(int)
    return np.argwhere(np.abs(pixels - colour).sum(axis=2) < 40)


def drawn(tmp_path, tree, volume, voxel_size=None, **kwargs):
    path = tmp_path / "out.png"
    draw_overlay(tree, volume, voxel_size, path, overwrite=True, **kwargs)
    return Image.open(path).convert("RGB")


@pytest.mark.parametrize(("size", "width"), [(None, 500), (VoxelSize(1, 0.2, 0.2), 2500), (VoxelSize(1, 1, 1), 500)])
def test_a_scale_bar_is_drawn_where_a_fifth_of_the_width_is_a_power_of_ten(tmp_path, size, width):
    volume = np.zeros((60, width, width), np.uint8)  # a fifth of it is 99.99999999999999 voxels or um
    assert drawn(tmp_path, line_tree((1, 2, 3), (1, 9, 9)), volume, size).width > 320


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9)),
    st.integers(1, 200),
)
def test_projections_by_slabs_are_those_of_the_whole(volume, slab_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", slab_bytes)
        along_z, along_x, along_y = module.projections(volume)
    np.testing.assert_array_equal(along_z, volume.max(0))
    np.testing.assert_array_equal(along_x, volume.max(2).T)
    np.testing.assert_array_equal(along_y, volume.max(1))


def test_a_lazy_volume_is_read_once_and_by_whole_chunks(monkeypatch):
    class Lazy:
        def __init__(self, data):
            self.data, self.shape, self.dtype, self.chunks, self.read = data, data.shape, data.dtype, (3, 4, 5), []

        def __getitem__(self, key):
            self.read.append((key[0].start, key[0].stop))
            return self.data[key]

    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4 * 5 * 4)  # four planes: one chunk of three
    lazy = Lazy(np.zeros((10, 4, 5), np.uint8))
    module.projections(lazy)
    assert lazy.read == [(0, 3), (3, 6), (6, 9), (9, 10)]


def test_a_tree_lies_on_the_voxels_it_was_traced_in_in_every_view(tmp_path):
    volume = np.zeros((30, 60, 90), np.uint8)
    picture = drawn(tmp_path, line_tree((5, 10, 5), (25, 50, 84)), volume)
    plan = module._lay_out(np.array(volume.shape, float), np.ones(3))
    hits = coloured(picture)
    top = 2 * module.STRIP_PX + (0 if plan.side_by_side else plan.panel[0] + module.STRIP_PX)
    left = module.MARGIN_PX + (plan.panel[1] + module.MARGIN_PX if plan.side_by_side else 0)
    for (rows, columns), corner, size in zip(module.VIEWS, plan.corners, plan.sizes, strict=True):
        box = np.array([top, left]) + corner
        inside = hits[((hits >= box) & (hits < box + size)).all(axis=1)] - box
        at = (15, 30, 44.5)  # the middle of the line
        expected = np.array([(at[rows] + 0.5) * plan.scale[rows], (at[columns] + 0.5) * plan.scale[columns]])
        middle = (inside.min(axis=0) + inside.max(axis=0) + 1) / 2
        assert np.abs(middle - expected).max() <= 2, (rows, columns)


def test_a_neurite_seen_end_on_is_a_dot(tmp_path):
    volume = np.zeros((9, 9, 9), np.uint8)
    assert len(coloured(drawn(tmp_path, line_tree((1, 1, 4), (1, 1, 5)), volume))) > 0
    ends = module._traced(Image.new("RGB", (9, 9)), line_tree((1, 1, 4), (8, 1, 4)), np.full((2, 3), 4.0), (1, 2))
    assert np.asarray(ends).any()


def test_micrometres_and_voxels_draw_the_same_picture(tmp_path):
    volume, size = np.zeros((10, 40, 40), np.uint8), VoxelSize(2, 0.5, 0.5)
    in_voxels = drawn(tmp_path, line_tree((2, 5, 5), (8, 30, 30)), volume, size)
    in_um = drawn(tmp_path, line_tree((2, 5, 5), (8, 30, 30), "um", size), volume, size)
    np.testing.assert_array_equal(np.asarray(in_voxels), np.asarray(in_um))


def test_side_views_have_physical_proportions():
    plan = module._lay_out(np.array([10, 50, 100]) * np.array([4.0, 1, 1]), np.array([4.0, 1, 1]))
    (rows_xy, columns_xy), (_, columns_zy), (rows_xz, _) = plan.sizes
    assert columns_zy / columns_xy == pytest.approx(40 / 100, rel=0.01)
    assert rows_xz / rows_xy == pytest.approx(40 / 50, rel=0.01)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2000, 4), (200, 3, 3), (40, 512, 512), (2, 3, 3000)])
def test_any_shape_gives_a_picture_of_sensible_size(tmp_path, shape):
    tree = line_tree((0, 0, 0), (shape[0] - 1, shape[1] - 1, shape[2] - 1))
    picture = drawn(tmp_path, tree, np.ones(shape, np.uint16))
    assert max(picture.size) <= module.LONGEST_PX
    assert min(picture.size) >= 50


def test_a_thin_neurite_in_a_wide_stack_stays_visible(tmp_path):
    volume = np.zeros((1, 3000, 3000), np.uint8)
    volume[0, :, 1501] = 200
    picture = drawn(tmp_path, line_tree((0, 0, 0), (0, 0, 1)), volume)
    assert (np.asarray(picture) > 200).all(axis=2).sum() > 500


def test_contrast_survives_hot_pixels_and_a_constant_stack():
    noise = np.random.default_rng(0).normal(100, 5, (200, 200))
    noise[0, 0] = 1e6
    bright = module.stretch(noise)
    assert 0.2 < bright.mean() < 0.8
    assert not module.stretch(np.full((4, 4), 7)).any()
    sparse = np.zeros((100, 100))
    sparse[3, 4] = 9
    assert module.stretch(sparse)[3, 4] == 1


def test_trees_have_colours_of_their_own_and_somata_rings(tmp_path):
    points = np.array([[5, 5, 0], [60, 5, 0], [5, 60, 0], [60, 60, 0]], float)
    tree = Tree(points, np.ones(4), np.array([-1, 0, -1, 2]), np.array([1, 0, 0, 0]), "voxel")
    picture = drawn(tmp_path, tree, np.zeros((5, 70, 70), np.uint8))
    assert len(coloured(picture, module.COLOURS[0])) > 50
    assert len(coloured(picture, module.COLOURS[1])) > 50
    assert module._somata(tree) == [0]


def test_titles_in_any_script_and_of_any_length_are_drawn(tmp_path):
    tree, volume = line_tree((0, 0, 0), (0, 3, 3)), np.zeros((2, 9, 9), np.uint8)
    plain = np.asarray(drawn(tmp_path, tree, volume))
    titled = np.asarray(drawn(tmp_path, tree, volume, title="神经元\n<script>" + "long " * 100))
    assert titled.shape == plain.shape  # a long title is cut, the picture is not wider
    assert (titled != plain).any()


def test_the_same_input_gives_the_same_bytes(tmp_path):
    tree, volume = (
        line_tree((0, 0, 0), (3, 9, 9)),
        np.random.default_rng(1).integers(0, 99, (4, 12, 12)).astype(np.uint8),
    )
    for name in "ab":
        draw_overlay(tree, volume, None, tmp_path / name, title="x")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_tree_in_um_needs_a_voxel_size(tmp_path):
    with pytest.raises(InputError, match="--voxel-size"):
        drawn(tmp_path, line_tree((0, 0, 0), (1, 1, 1), "um"), np.zeros((3, 3, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_an_existing_picture_is_not_replaced_unasked(tmp_path):
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        draw_overlay(line_tree((0, 0, 0), (1, 1, 1)), np.zeros((3, 3, 3), np.uint8), None, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "mine"
