"""Truth beside a stack: units of a tracing, masks as labels, and one line for what does not fit."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack, write_stack
from neurorecon.swc import write_swc
from neurorecon.training.sources.labels import CENTRE, IGNORE, NEURITE, UNSURE_SOMA, label_tree
from neurorecon.training.sources.labels_rim import label_dark_rim
from neurorecon.training.sources.truth import centre_of_mask, find_pairs, label_mask, labels_of_pair, name_of


def tube(shape=(16, 40, 56), radius=2.0):
    """A straight neurite along x."""
    z, y, _ = np.ogrid[: shape[0], : shape[1], : shape[2]]
    inside = (z - shape[0] // 2) ** 2 + (y - shape[1] // 2) ** 2 <= radius**2
    return np.broadcast_to(inside, shape).copy()


@pytest.mark.parametrize("deep", range(1, 9))
@pytest.mark.parametrize("wide", range(1, 9))
def test_a_bar_of_any_thickness_keeps_its_centre_line(deep, wide):
    mask = np.zeros((12, 12, 40), bool)
    mask[2 : 2 + deep, 2 : 2 + wide, 3:37] = True
    centre = centre_of_mask(mask)
    along = np.flatnonzero(centre.any(axis=(0, 1)))
    assert not (centre & ~mask).any()
    assert len(along) >= 34 - max(deep, wide) - 2
    assert np.diff(along).max() <= 3  # the corner of a flat end may have a voxel of its own


@given(st.integers(0, 2**32 - 1))
def test_every_piece_of_a_mask_has_a_centre_within_it(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 10, 11)) < 0.15
    centre = centre_of_mask(mask)
    pieces, count = label(mask, np.ones((3, 3, 3)))
    assert not (centre & ~mask).any()
    assert len(np.unique(pieces[centre])) == count


def test_an_empty_mask_has_no_centre():
    assert not centre_of_mask(np.zeros((3, 3, 3), bool)).any()


@pytest.mark.parametrize("end", [".swc", ".truth.swc"])
def test_nothing_is_asked_in_the_ignored_voxels_beside_a_tracing(tmp_path, end):
    tree = Tree(np.array([[x, 20, 8] for x in range(3, 50)], float), np.ones(47), np.arange(-1, 46), unit="voxel")
    write_swc(tree, tmp_path / f"cell{end}")
    stack = Stack(tube().astype(np.uint8) * 200)
    unasked = np.zeros(stack.shape, np.uint8)
    unasked[:, :, 30:] = 1
    write_stack(Stack(unasked), tmp_path / "cell_ignore.tif")
    low = labels_of_pair(stack, tmp_path / f"cell{end}") & 3
    assert (low[8, 20, 4:30] == CENTRE).all()
    assert (low[:, :, 30:] == IGNORE).all()


def test_a_mask_is_tube_rim_and_centre_and_says_nothing_of_the_soma():
    mask = tube()
    labels = label_mask(mask)
    assert (labels & UNSURE_SOMA).all()
    low = labels & 3
    assert np.array_equal((low == NEURITE) | (low == CENTRE), mask)
    middle = low[:, :, 28]
    assert middle[8, 20] == CENTRE
    assert (middle == IGNORE).sum() == 24  # one voxel round a disc of radius 2, corners included
    assert middle[8, 24] == 0


@pytest.fixture
def folder(tmp_path, y_stack):
    write_stack(np.asarray(y_stack.data), tmp_path / "a.ome.tif", voxel_size=VoxelSize(1.0, 0.5, 0.5))
    return tmp_path


def labels_of(folder):
    ((stack, truth),) = find_pairs(folder)
    return labels_of_pair(read_stack(stack), truth)


def labels_in_voxels(folder, y_tree):
    return label_dark_rim(np.asarray(read_stack(folder / "a.ome.tif").data), label_tree(y_tree, (16, 40, 56)))


def test_a_tracing_in_micrometres_gives_the_labels_of_one_in_voxels(folder, y_tree):
    um = Tree(y_tree.xyz * [0.5, 0.5, 1.0], y_tree.radius * 0.5, y_tree.parent, y_tree.type, "um")
    write_swc(um, folder / "a.swc")
    assert np.array_equal(labels_of(folder), labels_in_voxels(folder, y_tree))


@pytest.mark.parametrize("name", ["a.swc", "a.truth.swc"])
def test_a_tracing_without_units_is_in_voxels(folder, y_tree, name):
    write_swc(y_tree, folder / name)
    text = (folder / name).read_text()
    (folder / name).write_text("\n".join(line for line in text.splitlines() if "units" not in line) + "\n")
    assert np.array_equal(labels_of(folder), labels_in_voxels(folder, y_tree))


@pytest.mark.parametrize("name", ["a_mask.tif", "a.mask.tif", "a_mask.npy"])
def test_a_mask_beside_a_stack_is_found_whatever_its_format(folder, name):
    mask = tube().astype(np.uint8)
    np.save(folder / name, mask) if name.endswith("npy") else write_stack(mask, folder / name)
    assert np.array_equal((labels_of(folder) & 1) > 0, mask > 0)


def test_a_tracing_goes_before_a_mask_and_a_stack_without_truth_is_left_out(folder, y_tree, y_stack):
    write_swc(y_tree, folder / "a.swc")
    write_stack(tube().astype(np.uint8), folder / "a_mask.tif")
    write_stack(np.asarray(y_stack.data), folder / "b.tif")
    assert [(stack.name, truth.name) for stack, truth in find_pairs(folder)] == [("a.ome.tif", "a.swc")]
    assert name_of(folder / "a.ome.tif") == "a"


def test_micrometres_without_a_voxel_size_are_refused(y_tree, y_stack, tmp_path):
    um = Tree(y_tree.xyz, y_tree.radius, y_tree.parent, y_tree.type, "um")
    write_swc(um, tmp_path / "a.swc")
    with pytest.raises(InputError, match="voxel size"):
        labels_of_pair(Stack(y_stack.data), tmp_path / "a.swc")


def test_a_tracing_of_another_stack_is_refused(folder, y_tree):
    write_swc(Tree(y_tree.xyz * 3, y_tree.radius, y_tree.parent, y_tree.type, "voxel"), folder / "a.swc")
    with pytest.raises(InputError, match=r"of 40 nodes lie outside .*a\.ome\.tif"):
        labels_of(folder)


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        (np.zeros((16, 40, 56), np.uint8), "nothing but 0"),
        (np.ones((16, 40, 56), np.uint8), "no 0"),
        (np.eye(40, dtype=np.uint8)[None].repeat(16, 0), "has the shape of its stack"),
    ],
)
def test_a_mask_that_cannot_be_one_is_refused(folder, mask, what):
    write_stack(mask, folder / "a_mask.tif")
    with pytest.raises(InputError, match=what):
        labels_of(folder)


def test_a_folder_without_truth_says_what_to_put_there(folder):
    with pytest.raises(InputError, match="ID_mask"):
        find_pairs(folder)


def test_a_tracing_where_nothing_is_bright_is_said(folder, y_tree, caplog):
    write_swc(
        Tree(y_tree.xyz[:, [0, 1, 2]] + [0, -12, 4], y_tree.radius, y_tree.parent, y_tree.type, "voxel"),
        folder / "a.swc",
    )
    with caplog.at_level(logging.WARNING):
        labels_of(folder)
    assert "belong together" in caplog.text
