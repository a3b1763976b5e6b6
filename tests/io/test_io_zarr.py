"""OME-Zarr 0.4 and 0.5, written by zarr itself, read lazily: axes, units, scales, channels, blocks."""

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import check_finite, find_stacks, read_stack
from neurorecon.io.lazy import LazyVolume


def axes_of(letters, unit="micrometer"):
    kinds = {"t": "time", "c": "channel"}
    return [
        {"name": a, "type": kinds.get(a, "space")} | ({"unit": unit} if a in "zyx" and unit else {}) for a in letters
    ]


def write_ome(path, data, letters, *, scale, version="0.5", unit="micrometer", outer=None, **more):
    """An OME-Zarr image of one level."""
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": [1.0] * data.ndim}]
    image = {"axes": axes_of(letters, unit), "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    if outer:
        image["coordinateTransformations"] = [{"type": "scale", "scale": outer}]
    ome = {"version": version, "multiscales": [image], **more}
    new = version == "0.5"
    group = zarr.create_group(path, zarr_format=3 if new else 2, attributes={"ome": ome} if new else ome)
    array = group.create_array("0", shape=data.shape, chunks=(3,) * data.ndim, dtype=data.dtype)
    array[...] = data
    return array


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_both_versions_are_read_lazily_with_their_voxel_size(tmp_path, stack, version):
    write_ome(
        tmp_path / "a.ome.zarr", stack, "zyx", scale=[500, 250, 125], version=version, unit="nanometer", outer=[2] * 3
    )
    read = read_stack(tmp_path / "a.ome.zarr")
    assert isinstance(read.data, LazyVolume)
    assert read.voxel_size == VoxelSize(1, 0.5, 0.25)
    np.testing.assert_array_equal(np.asarray(read.data), stack)


def test_channels_are_named_and_any_order_of_axes_comes_out_as_zyx(tmp_path, two, refusal):
    channels = [{"label": "GFP"}, {"label": "RFP"}]
    write_ome(tmp_path / "a.zarr", two[None], "tczyx", scale=[1, 1, 3, 2, 1], omero={"channels": channels})
    assert "0 (GFP), 1 (RFP)" in refusal(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr", channel=1).data[:], two[1])
    write_ome(tmp_path / "b.zarr", two.transpose(3, 1, 0, 2), "xzcy", scale=[1, 3, 1, 2])
    read = read_stack(tmp_path / "b.zarr", channel=1)
    assert read.voxel_size == VoxelSize(3, 2, 1)
    np.testing.assert_array_equal(read.data[1:4, 2, ::3], two[1][1:4, 2, ::3])


@pytest.mark.parametrize(("scale", "said"), [([1, 1, 1], False), ([2, 1, 1], True)])
def test_scale_without_unit_is_unknown_and_said_unless_it_is_one(tmp_path, stack, caplog, scale, said):
    write_ome(tmp_path / "a.zarr", stack, "zyx", scale=scale, unit=None)
    assert read_stack(tmp_path / "a.zarr").voxel_size is None
    assert bool(caplog.text) == said


def test_types_are_converted_block_by_block(tmp_path, stack):
    write_ome(tmp_path / "a.zarr", stack.astype(">i2") - 10, "zyx", scale=[1, 1, 1], version="0.4")
    read = read_stack(tmp_path / "a.zarr")
    assert read.data.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(read.data), stack.astype(np.int16) - 10)
    write_ome(tmp_path / "b.zarr", stack > 99, "zyx", scale=[1, 1, 1])
    assert read_stack(tmp_path / "b.zarr").data[0].dtype == np.uint8


def test_not_finite_values_are_found_in_blocks(tmp_path, stack):
    data = stack.astype(np.float32)
    data[4, 3, 2] = np.nan
    write_ome(tmp_path / "a.zarr", data, "zyx", scale=[1, 1, 1])
    volume = read_stack(tmp_path / "a.zarr").data
    check_finite(volume[:4], "a.zarr", z0=0)
    with pytest.raises(InputError, match="holds nan at z=4, y=3, x=2"):
        check_finite(volume[3:6], "a.zarr", z0=3)


def test_a_damaged_chunk_is_refused_where_it_is_read(tmp_path, stack):
    write_ome(tmp_path / "a.zarr", stack, "zyx", scale=[1, 1, 1])
    chunk = sorted((tmp_path / "a.zarr" / "0" / "c" / "1").rglob("0"))[0]
    chunk = chunk if chunk.is_file() else next(p for p in chunk.rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:5])
    volume = read_stack(tmp_path / "a.zarr").data
    np.testing.assert_array_equal(volume[:3], stack[:3])
    with pytest.raises(FormatError, match="cannot be decoded"):
        np.asarray(volume)


def test_groups_that_are_no_single_stack_are_refused(tmp_path, stack, two, refusal):
    write_ome(tmp_path / "t.zarr", two, "tzyx", scale=[1] * 4)
    assert "time series of 2 frames" in refusal(tmp_path / "t.zarr")
    write_ome(tmp_path / "flat.zarr", stack[0], "yx", scale=[1, 1])
    assert "2D image" in refusal(tmp_path / "flat.zarr")
    zarr.create_group(tmp_path / "plate.zarr", attributes={"ome": {"plate": {}}})
    assert "is a plate" in refusal(tmp_path / "plate.zarr")
    zarr.create_group(tmp_path / "empty.zarr")
    assert "without multiscales" in refusal(tmp_path / "empty.zarr", FormatError)
    zarr.create_group(tmp_path / "odd.zarr", attributes={"ome": [1]})
    refusal(tmp_path / "odd.zarr", FormatError)
    zarr.create_group(tmp_path / "gone.zarr", attributes={"ome": {"multiscales": [{"datasets": [{"path": "0"}]}]}})
    refusal(tmp_path / "gone.zarr", FormatError)
    (tmp_path / "gone.zarr" / "zarr.json").write_text("{")
    refusal(tmp_path / "gone.zarr", FormatError)


def test_a_zarr_folder_without_metadata_is_a_damaged_stack(tmp_path, refusal):
    (tmp_path / "a.ome.zarr" / "0" / "c").mkdir(parents=True)
    assert "no zarr metadata" in refusal(tmp_path / "a.ome.zarr", FormatError)
    assert find_stacks(tmp_path, recursive=True) == [tmp_path / "a.ome.zarr"]


def test_collections_of_images_give_their_only_one(tmp_path, stack, refusal):
    zarr.create_group(tmp_path / "a.zarr", attributes={"ome": {"bioformats2raw.layout": 3}})
    write_ome(tmp_path / "a.zarr" / "0", stack, "zyx", scale=[1, 1, 1])
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr").data[:], stack)
    write_ome(tmp_path / "a.zarr" / "1", stack, "zyx", scale=[1, 1, 1])
    assert "holds 2 images (0, 1)" in refusal(tmp_path / "a.zarr")


def test_bare_arrays_of_three_axes_are_zyx(tmp_path, stack, two, refusal):
    zarr.create_array(tmp_path / "a.zarr", data=stack)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr").data[:], stack)
    zarr.create_array(tmp_path / "b.zarr", data=two)
    assert "4 axes" in refusal(tmp_path / "b.zarr")


AXIS_KEYS = st.one_of(
    st.integers(-2, 1), st.slices(2).filter(lambda s: s.step is None or s.step > 0), st.just(Ellipsis)
)


@given(st.lists(AXIS_KEYS, max_size=3).filter(lambda keys: sum(k is Ellipsis for k in keys) < 2))
def test_lazy_blocks_equal_those_of_numpy(tmp_path_factory, keys):
    data = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    path = tmp_path_factory.getbasetemp() / "lazy.zarr"
    if not path.exists():
        zarr.create_array(path, data=data, chunks=(1, 2, 3))
    np.testing.assert_array_equal(read_stack(path).data[tuple(keys)], data[tuple(keys)])


@pytest.mark.parametrize(
    ("key", "kind"),
    [(2, IndexError), ((0, 0, 0, 0), IndexError), ("a", TypeError), (slice(None, None, -1), TypeError)],
)
def test_keys_that_lazy_stacks_do_not_take_are_refused(tmp_path, key, kind):
    zarr.create_array(tmp_path / "a.zarr", data=np.ones((2, 3, 4), np.uint8))
    volume = read_stack(tmp_path / "a.zarr").data
    assert len(volume) == 2
    assert volume.ndim == 3
    with pytest.raises(kind):
        volume[key]
