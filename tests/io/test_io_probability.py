"""Probabilities: what is one is read as uint8 0 to 255, what is none is refused with the way out."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.io import read_probability, write_stack

SUFFIX = pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])


@SUFFIX
def test_uint8_is_taken_as_it_is(tmp_path, stack, suffix):
    write_stack(stack, tmp_path / f"p{suffix}", voxel_size=VoxelSize(3, 2, 1))
    read = read_probability(tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(np.asarray(read.neurite), stack)
    assert read.voxel_size == VoxelSize(3, 2, 1)
    assert read.soma is None
    assert read.source.endswith(suffix)
    assert read_probability(tmp_path / f"p{suffix}", voxel_size=VoxelSize(1, 1, 1)).voxel_size == VoxelSize(1, 1, 1)


def test_a_voxel_size_is_that_of_the_stack_where_the_map_holds_planes_between(tmp_path, stack, write_map):
    path = write_map(tmp_path / "p.ome.zarr", stack, VoxelSize(0.5, 0.4, 0.4), planes=2)
    assert read_probability(path).voxel_size == VoxelSize(0.5, 0.4, 0.4)
    assert read_probability(path, voxel_size=VoxelSize(2, 0.3, 0.3)).voxel_size == VoxelSize(1, 0.3, 0.3)


@SUFFIX
def test_floats_from_0_to_1_become_0_to_255(tmp_path, stack, suffix):
    write_stack((stack / 255).astype(np.float32), tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(read_probability(tmp_path / f"p{suffix}").neurite, stack)


@SUFFIX
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
def test_masks_become_0_and_255(tmp_path, stack, suffix, dtype):
    write_stack((stack > 99).astype(dtype), tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(read_probability(tmp_path / f"p{suffix}").neurite, np.where(stack > 99, 255, 0))


@SUFFIX
def test_a_map_says_which_probability_makes_a_neurite_certain(tmp_path, stack, suffix):
    write_stack(Probability(stack, certain=0.7), tmp_path / f"p{suffix}")
    assert read_probability(tmp_path / f"p{suffix}").certain == 0.7
    write_stack(stack, tmp_path / f"other{suffix}")
    assert read_probability(tmp_path / f"other{suffix}").certain == 0.5


@SUFFIX
def test_nothing_at_all_is_a_probability_of_0(tmp_path, suffix):
    write_stack(np.zeros((3, 4, 5), np.uint8), tmp_path / f"p{suffix}")
    assert not np.asarray(read_probability(tmp_path / f"p{suffix}").neurite).any()


@pytest.mark.parametrize("low_high", [(0, 1.5), (-0.1, 1.0), (0, 65535)])
def test_other_floats_are_refused_with_the_way_out(tmp_path, low_high):
    write_stack(np.linspace(*low_high, 60).reshape(3, 4, 5).astype(np.float32), tmp_path / "p.tif")
    with pytest.raises(InputError, match="--raw"):
        read_probability(tmp_path / "p.tif")


def test_grey_stacks_of_16_bit_are_refused_with_the_way_out(tmp_path, stack):
    write_stack(stack.astype(np.uint16) * 200, tmp_path / "p.tif")
    with pytest.raises(InputError, match=r"holds uint16, no probability.*--raw"):
        read_probability(tmp_path / "p.tif")


@SUFFIX
@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 255), (np.uint16, 65535), (np.float32, 255)])
def test_masks_of_0_and_another_value_become_0_and_255(tmp_path, stack, suffix, dtype, value):
    write_stack((stack > 99).astype(dtype) * dtype(value), tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(read_probability(tmp_path / f"p{suffix}").neurite, np.where(stack > 99, 255, 0))


@pytest.mark.parametrize(
    ("dtype", "high"),
    [(np.float32, 100), (np.float32, 255), (np.float32, 65535), (np.uint16, 100), (np.uint16, 255), (np.uint16, 65535)],
)
def test_the_way_out_names_the_number_that_a_probability_is_divided_by(tmp_path, dtype, high):
    write_stack(np.linspace(0, high, 60).reshape(3, 4, 5).astype(dtype), tmp_path / "p.tif")
    with pytest.raises(InputError, match=f"divide a probability of 0 to {high} by {high}"):
        read_probability(tmp_path / "p.tif")


def test_a_little_below_0_and_above_1_is_0_and_1(tmp_path):
    write_stack(np.linspace(-0.03, 1.03, 60).reshape(3, 4, 5).astype(np.float32), tmp_path / "p.tif")
    read = np.asarray(read_probability(tmp_path / "p.tif").neurite)
    assert (read.min(), read.max(), read[1, 2, 0]) == (0, 255, round(255 * (-0.03 + 1.06 * 30 / 59)))


def test_lazy_floats_that_are_not_finite_are_refused(tmp_path):
    write_stack(np.full((3, 4, 5), np.nan, np.float32), tmp_path / "p.ome.zarr")
    with pytest.raises(InputError, match="holds nan"):
        read_probability(tmp_path / "p.ome.zarr")
