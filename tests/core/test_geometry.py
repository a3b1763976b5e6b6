"""zyx, xyz, voxels and micrometres."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize, parse_zyx, xyz_to_zyx, zyx_to_xyz

length = st.floats(0.01, 100)
points = st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 3), min_size=1, max_size=5)


def test_a_voxel_index_becomes_a_point_x_first_in_micrometres():
    assert zyx_to_xyz([2, 3, 4], VoxelSize(1, 0.5, 0.25)).tolist() == [1.0, 1.5, 2.0]
    assert zyx_to_xyz([2, 3, 4]).tolist() == [4, 3, 2]


@given(points, length, length, length)
def test_there_and_back_is_where_it_began(zyx, z, y, x):
    size = VoxelSize(z, y, x)
    assert np.allclose(xyz_to_zyx(zyx_to_xyz(zyx, size), size), zyx)
    assert np.allclose(xyz_to_zyx(zyx_to_xyz(zyx)), zyx)


@given(length, length, length)
def test_a_voxel_size_is_read_as_it_is_written(z, y, x):
    size = VoxelSize(*(float(f"{v:g}") for v in (z, y, x)))
    assert VoxelSize.parse(str(size)) == size


def test_anisotropy_is_axial_by_lateral():
    size = VoxelSize(2, 0.5, 0.5)
    assert size.anisotropy == 4
    assert size.relative_zyx.tolist() == [4, 1, 1]


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (float("inf"), 1, 1), (1, 1, 1e6)])
def test_an_impossible_voxel_size_is_refused(wrong):
    with pytest.raises(InputError, match="voxel size"):
        VoxelSize(*wrong)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "a,b,c", "1;2;3", "nan,1,1"])
def test_what_is_not_three_numbers_is_refused_by_name(text):
    with pytest.raises(InputError, match="--soma"):
        parse_zyx(text, what="--soma")
