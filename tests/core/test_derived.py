"""Volumes that are computed as they are read have, in every part, the voxels of the whole."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.address import Address
from neurorecon.core.files import hash_path
from neurorecon.core.foreign import Foreign
from neurorecon.core.polarity import inverted
from neurorecon.core.scaled_floats import scaled_floats
from neurorecon.core.stack import Stack
from neurorecon.core.voxel_hash import describe_stack, hash_input


class Lazy:
    """An array that stays on a disk, with chunks."""

    def __init__(self, data, chunks=(2, 3, 4)):
        self.data, self.shape, self.dtype, self.chunks = data, data.shape, data.dtype, chunks

    def __getitem__(self, key):
        return self.data[key]


class Dask(Lazy):
    """An array of dask: chunks by their edges, numpy on request."""

    def __init__(self, data):
        super().__init__(data, chunks=((2, 2, 1), (3, 3), (4, 3)))

    def compute(self):
        return self.data


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_floats_get_a_range_of_128_to_256_and_lose_no_digit(low, width):
    data = (low + width * np.random.default_rng(0).random((4, 9, 9))).astype(np.float32)
    extent = float(data.max()) - float(data.min())
    scaled = np.asarray(scaled_floats(Stack(data)).data[:, :, :])
    assert extent == 0 or 128 <= float(scaled.max()) - float(scaled.min()) <= 256
    power = round(np.log2((float(scaled.max()) - float(scaled.min())) / extent)) if extent else 0
    np.testing.assert_array_equal(scaled, np.ldexp(data, power))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_are_not_scaled(dtype):
    stack = Stack(np.arange(60, dtype=dtype).reshape(3, 4, 5))
    assert scaled_floats(stack) is stack


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 0)])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_negative_has_bright_and_dark_exchanged_in_every_part(dtype, top, lazy):
    data = np.random.default_rng(1).integers(0, 200, (5, 6, 7)).astype(dtype)
    turned = inverted(Stack(Lazy(data) if lazy else data))
    assert turned.inverted is True
    assert turned.data.dtype == dtype
    assert turned.data.shape == data.shape
    np.testing.assert_array_equal(turned.data[1:4, ::2, 3:], dtype(top) - data[1:4, ::2, 3:])
    if lazy:
        assert turned.data.chunks == (2, 3, 4)


def test_an_array_of_another_library_is_read_by_slices_and_knows_its_largest_chunk():
    data = np.random.default_rng(2).integers(0, 200, (5, 6, 7)).astype(np.uint8)
    stack = Stack(Dask(data))
    assert isinstance(stack.data, Foreign)
    assert stack.data.chunks == (2, 3, 4)
    np.testing.assert_array_equal(stack.data[1:3, :, 2:], data[1:3, :, 2:])
    assert Foreign(Lazy(data, chunks=None)).chunks == (1, 1, 1)


def test_the_hash_of_an_input_is_that_of_its_files_or_of_some_voxels(tmp_path):
    stack, asked = Stack(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)), []
    path = tmp_path / "a.tif"
    path.write_bytes(b"abc")

    def read():
        asked.append(1)
        return stack

    assert hash_input(path, read) == hash_path(path) == hashlib.sha256(b"abc").hexdigest()
    assert not asked
    some = f"{describe_stack(stack)['voxels_sha256']} (of some voxels)"
    assert hash_input(path, read, large=True) == some
    assert hash_input(Address("https://host/a.zarr"), read) == some
    assert len(asked) == 2
