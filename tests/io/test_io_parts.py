"""The parts that all formats share: units, axes, types; and that importing them is light."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import neurorecon.io
from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io.dtypes import to_known
from neurorecon.io.guard import check_finite, decoding, plain_bytes
from neurorecon.io.layout import Layout
from neurorecon.io.units import micrometres, scale_from


@pytest.mark.parametrize(
    ("unit", "um"),
    [("um", 1), ("µm", 1), ("\u03bcm", 1), ('"microns"', 1), ("Micrometer", 1), ("nm", 1e-3), ("nanometer", 1e-3),
     ("mm", 1e3), ("cm", 1e4), ("m", 1e6), ("inch", 25400), ("Å", 1e-4), ("pixel", None), ("", None), (None, None)],
)  # fmt: skip
def test_units_are_known_by_their_usual_names(unit, um):
    assert micrometres(unit) == um


def test_scale_is_a_size_or_a_reason():
    assert scale_from([1e-3, -5e-4, 250e-6], "mm").size == VoxelSize(1, 0.5, 0.25)
    assert scale_from([1, 1, 1], ["um", "um", "nm"]).size == VoxelSize(1, 1, 1e-3)
    for zyx, unit, reason in (
        ([None, 0.5, 0.5], "um", "along y 0.5, x 0.5 only"),
        ([2, 1, 1], "pixel", "no known unit"),
        ([0, 1, 1], "um", "cannot be right"),
        ([float("nan"), 1, 1], "um", "cannot be right"),
        ([1e6, 1, 1], "um", "at most 10000"),
    ):
        scale = scale_from(zyx, unit)
        assert scale.size is None
        assert reason in scale.note
        assert "--voxel-size" in scale.note
    assert scale_from([None, None, None], "um").note == ""


@given(st.permutations("ZYXCT"), st.integers(1, 3), st.integers(0, 2))
def test_any_order_of_axes_gives_the_channel_as_zyx(order, channels, channel):
    lengths = {"Z": 4, "Y": 5, "X": 6, "C": channels, "T": 1}
    data = np.random.default_rng(0).integers(0, 99, [lengths[axis] for axis in order])
    layout = Layout.parse("".join(order), data.shape, "a")
    assert layout.zyx == (4, 5, 6)
    assert layout.channels == channels
    expected = np.einsum("".join(order).lower() + "->tczyx", data)[0, channel % channels]
    np.testing.assert_array_equal(layout.take(data, channel % channels), expected)


def test_samples_of_several_channels_count_through():
    data = np.arange(2 * 4 * 5 * 6 * 3).reshape(2, 4, 5, 6, 3)
    layout = Layout.parse("CZYXS", data.shape, "a")
    assert layout.channels == 6
    np.testing.assert_array_equal(layout.take(data, 4), data[1, ..., 1])


def test_the_one_unnamed_axis_is_z():
    assert Layout.parse("QYX", (4, 5, 6), "a").zyx == (4, 5, 6)
    assert Layout.parse("IZYX", (4, 1, 5, 6), "a").zyx == (4, 5, 6)
    with pytest.raises(InputError, match="further axes"):
        Layout.parse("IZYX", (4, 3, 5, 6), "a")


@pytest.mark.parametrize(("axes", "shape"), [("ZYX", (1, 2)), ("ZYX", (-1, 2, 2))])
def test_headers_that_contradict_themselves_are_damage(axes, shape):
    with pytest.raises(FormatError):
        Layout.parse(axes, shape, "a")


def test_axes_without_a_plane_are_refused():
    with pytest.raises(InputError, match="is needed"):
        Layout.parse("ZCX", (2, 2, 2), "a")


@given(arrays.arrays(st.sampled_from([np.int8, np.int16, ">u2", np.int64, np.uint64, bool]), (2, 3, 4)))
def test_integers_are_kept_exactly_where_16_bits_hold_them_and_as_floats_where_not(data):
    known, narrow = to_known(data, "a"), int(data.min()) >= 0 and int(data.max()) <= 65535
    np.testing.assert_array_equal(known, data if narrow else data.astype(np.float32))
    assert (known.dtype in (np.dtype(np.uint8), np.dtype(np.uint16))) == narrow


def test_floats_beyond_float32_are_refused():
    with pytest.raises(InputError, match="beyond the range of float32"):
        to_known(np.full((2, 2, 2), 1e300), "a")
    np.testing.assert_array_equal(to_known(np.full((2, 2, 2), np.float16(0.1)), "a"), np.float32(np.float16(0.1)))
    assert np.isinf(to_known(np.full((2, 2, 2), np.inf), "a")).all()  # said by check_finite, with its place


def test_integers_are_always_finite():
    check_finite(np.zeros((2, 2, 2), np.uint8), "a")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (MemoryError(), InputError, "does not fit into memory"),
        (PermissionError(13, "Permission denied"), InputError, "may not be read: Permission denied"),
        (FileNotFoundError(2, "gone", "b"), InputError, "needs the file b"),
        (SyntaxError("no XML"), FormatError, "cannot be decoded: no XML"),
        (KeyError(), FormatError, "cannot be decoded: KeyError"),
        (InputError("ours"), InputError, "ours"),
    ],
)
def test_foreign_errors_become_one_of_ours(tmp_path, error, kind, message):
    with pytest.raises(kind, match=message), decoding(tmp_path):
        raise error


def test_sizes_are_said_as_people_read_them():
    assert [plain_bytes(n) for n in (5, 1500, 2e6, 3.25e9, 4e12)] == [
        "5 bytes",
        "1.5 kB",
        "2 MB",
        "3.2 GB",
        "4,000.0 GB",
    ]


def test_public_names_are_sorted_and_there():
    assert list(neurorecon.io.__all__) == sorted(neurorecon.io.__all__)
    assert all(hasattr(neurorecon.io, name) for name in neurorecon.io.__all__)


def test_importing_io_brings_no_heavy_library():
    code = "import sys, neurorecon.io; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"tifffile", "zarr", "h5py", "nibabel", "nrrd", "v3dpy", "bioio", "numba", "psutil", "torch"}
    assert heavy.isdisjoint(loaded)
