"""Headers that contradict themselves, or lay voxels out at no right angles: the size is unknown, and said to be."""

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile

from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack


@pytest.fixture
def data(rng):
    return rng.integers(0, 4000, (6, 20, 24)).astype(np.uint16)


def written(path, data, matrix):
    """A NIfTI of voxels 2, 0.5, 0.5 um by its lengths, and of a matrix (sform)."""
    image = nibabel.Nifti1Image(np.ascontiguousarray(data.T), np.diag([0.5, 0.5, 2.0, 1.0]))
    image.header.set_xyzt_units("micron")
    image.set_sform(matrix, 1)
    nibabel.save(image, path)
    return path


def doubts(stack):
    return [str(f) for f in stack.findings if f.name == "voxel-size-doubtful"]


@pytest.mark.parametrize("flip", [1, -1])
def test_a_nifti_whose_matrix_agrees_has_its_size(tmp_path, data, flip):
    stack = read_stack(written(tmp_path / "a.nii", data, np.diag([0.5 * flip, 0.5, 2.0, 1.0])))
    np.testing.assert_array_equal(stack.data, data)
    assert stack.voxel_size == VoxelSize(2, 0.5, 0.5)
    assert not doubts(stack)


def test_a_nifti_that_is_turned_in_space_has_its_size(tmp_path, data):
    matrix = np.diag([0.0, 0.0, 2.0, 1.0])
    matrix[:2, :2] = [[0.3, -0.4], [0.4, 0.3]]
    stack = read_stack(written(tmp_path / "a.nii", data, matrix))
    assert stack.voxel_size == VoxelSize(2, 0.5, 0.5)


def test_a_nifti_that_states_two_sizes_has_none(tmp_path, data):
    stack = read_stack(written(tmp_path / "a.nii", data, np.diag([5.0, 5.0, 20.0, 1.0])))
    assert stack.voxel_size is None
    assert "says voxels of 2,0.5,0.5 (z,y,x) and its matrix (sform) 20,5,5" in doubts(stack)[0]


def test_a_nifti_of_sheared_axes_has_no_size(tmp_path, data):
    matrix = np.diag([0.5, 0.5, 2.0, 1.0])
    matrix[1, 2] = 1.0  # each plane lies 1 um further along y
    stack = read_stack(written(tmp_path / "a.nii", data, matrix))
    assert stack.voxel_size is None
    assert "deskew it first" in doubts(stack)[0]


@pytest.mark.parametrize(
    ("directions", "size"),
    [
        (np.diag([0.5, 0.5, 2.0]), VoxelSize(2, 0.5, 0.5)),
        ([[0.3, 0.4, 0], [-0.4, 0.3, 0], [0, 0, 2.0]], VoxelSize(2, 0.5, 0.5)),
        ([[0.5, 0, 0], [0, 0.5, 0], [0, 1.5, 2.0]], None),
    ],
    ids=["straight", "turned", "sheared"],
)
def test_a_nrrd_has_a_size_where_its_axes_are_right_angles(tmp_path, data, directions, size):
    header = {"space directions": np.array(directions), "space dimension": 3, "space units": ["um"] * 3}
    nrrd.write(str(tmp_path / "a.nrrd"), np.ascontiguousarray(data.T), header=header, index_order="F")
    stack = read_stack(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(stack.data, data)
    assert stack.voxel_size == size
    assert bool(doubts(stack)) == (size is None)


def test_red_green_and_blue_planes_of_one_picture_are_said(tmp_path, rng):
    planes = rng.integers(0, 255, (3, 20, 24)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    stack = read_stack(tmp_path / "a.tif")
    np.testing.assert_array_equal(stack.data, planes)
    assert "red, green and blue of one picture" in "; ".join(map(str, stack.findings))
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="minisblack")
    assert not [f for f in read_stack(tmp_path / "b.tif").findings if f.name == "axes-order"]
