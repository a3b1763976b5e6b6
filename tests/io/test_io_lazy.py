"""Large Imaris files, TIFFs and folders of planes: read where they are asked for, with the voxels of the whole read."""

import pickle

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import lazy, read_stack
from neurorecon.io.lazy import LazyVolume

SHAPE = (7, 50, 45)
KINDS = {
    "plain": {},
    "strips": {"compression": "zlib", "rowsperstrip": 16},
    "tiles": {"compression": "lzw", "predictor": 2, "tile": (16, 32)},
    "jpeg": {"compression": "jpeg", "tile": (16, 16), "compressionargs": {"level": 100}},
}
FORMS = [*KINDS, *(f"{kind} tif" for kind in KINDS), "ome tif", "imagej tif", "ims"]


@pytest.fixture(scope="module")
def voxels():
    return np.random.default_rng(3).integers(0, 256, SHAPE).astype(np.uint8)


@pytest.fixture
def large(monkeypatch):
    """Nothing is small enough to be read whole."""
    monkeypatch.setattr(lazy, "WHOLE_BYTES", 100)


def text(group, **attributes):
    for name, value in attributes.items():
        group.attrs[name] = np.array(list(str(value)), "S1")


def write_ims(path, channels, chunks=(4, 16, 16)):
    """An Imaris file of channels (C, Z, Y, X) with voxels of 2 x 0.5 x 0.5 um, padded to whole chunks as Imaris does."""
    z, y, x = channels.shape[1:]
    with h5py.File(path, "w") as file:
        for i, data in enumerate(channels):
            group = file.create_group(f"DataSet/ResolutionLevel 0/TimePoint 0/Channel {i}")
            padded = np.pad(data, [(0, -n % c) for n, c in zip(data.shape, chunks, strict=True)])
            group.create_dataset("Data", data=padded, chunks=chunks, compression="gzip")
            text(group, ImageSizeZ=z, ImageSizeY=y, ImageSizeX=x)
        image = file.create_group("DataSetInfo/Image")
        text(image, Unit="um", ExtMin0=0, ExtMin1=0, ExtMin2=0, ExtMax0=x / 2, ExtMax1=y / 2, ExtMax2=z * 2)
    return path


def write_planes(folder, voxels, **options):
    folder.mkdir()
    for z, plane in enumerate(voxels):
        tifffile.imwrite(folder / f"p{z}.tif", plane, photometric="minisblack", **options)
    return folder


def blocks():
    """Boxes that start and end anywhere."""
    return st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n), st.integers(1, 3)) for n in SHAPE))


@pytest.fixture(scope="module")
def stored(tmp_path_factory, voxels):
    """The same voxels in every form, read lazily, and read whole (JPEG loses, so the two are compared)."""
    root = tmp_path_factory.mktemp("stored")
    paths = {kind: write_planes(root / kind, voxels, **options) for kind, options in KINDS.items()}
    paths["ims"] = write_ims(root / "a.ims", voxels[None])
    for kind, options in KINDS.items():
        paths[f"{kind} tif"] = root / f"{kind}.tif"
        tifffile.imwrite(paths[f"{kind} tif"], voxels, photometric="minisblack", **options)
    paths["ome tif"], paths["imagej tif"] = root / "a.ome.tif", root / "imagej.tif"
    tifffile.imwrite(paths["ome tif"], voxels, compression="zlib", metadata={"axes": "ZYX"}, bigtiff=True)
    tifffile.imwrite(paths["imagej tif"], voxels, imagej=True, metadata={"axes": "ZYX"})
    whole = {kind: read_stack(path).data for kind, path in paths.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "WHOLE_BYTES", 100)
        return {kind: (read_stack(path), whole[kind]) for kind, path in paths.items()}


@pytest.mark.parametrize("kind", FORMS)
def test_large_stacks_are_lazy_and_small_ones_are_not(stored, voxels, kind):
    stack, whole = stored[kind]
    assert isinstance(stack.data, LazyVolume)
    assert isinstance(whole, np.ndarray)
    assert stack.data.dtype == whole.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(stack.data), whole)
    if "jpeg" not in kind:
        np.testing.assert_array_equal(whole, voxels)


@pytest.mark.parametrize("kind", FORMS)
@given(ends=blocks())
def test_any_block_equals_that_of_the_whole(stored, kind, ends):
    stack, whole = stored[kind]
    box = tuple(slice(*end) for end in ends)
    np.testing.assert_array_equal(stack.data[box], whole[box])
    last = tuple(end[0] % n for end, n in zip(ends, SHAPE, strict=True))
    assert stack.data[last] == whole[last]


def test_what_is_decoded_at_once_is_known(stored):
    assert stored["ims"][0].data.chunks == (4, 16, 16)
    assert stored["tiles"][0].data.chunks == (1, 16, 32)
    assert stored["strips"][0].data.chunks == (1, 16, 45)
    assert stored["plain"][0].data.chunks == (1, 1, 45)
    for kind in KINDS:
        assert stored[f"{kind} tif"][0].data.chunks == stored[kind][0].data.chunks


@pytest.mark.parametrize("kind", FORMS)
def test_a_lazy_stack_can_be_sent_to_another_process(stored, kind):
    stack, whole = stored[kind]
    sent = pickle.dumps(stack)
    assert len(sent) < whole.nbytes // 4  # the way to the voxels, not the voxels
    np.testing.assert_array_equal(pickle.loads(sent).data[2:5, 3:40], whole[2:5, 3:40])


@pytest.mark.parametrize("kind", ["strips", "tiles tif", "ims"])
def test_threads_may_read_one_stack_at_a_time(stored, kind):
    from concurrent.futures import ThreadPoolExecutor

    stack, whole = stored[kind]
    with ThreadPoolExecutor(4) as crew:
        planes = list(crew.map(lambda z: stack.data[z % SHAPE[0]], range(40)))
    for z, plane in enumerate(planes):
        np.testing.assert_array_equal(plane, whole[z % SHAPE[0]])


def test_voxel_size_and_channels_are_those_of_the_whole_read(tmp_path, voxels, large):
    two = read_stack(write_ims(tmp_path / "a.ims", np.stack([voxels, 255 - voxels])), channel=1)
    assert two.voxel_size == VoxelSize(2.0, 0.5, 0.5)
    np.testing.assert_array_equal(two.data[3:6, 10:20, 15:33], 255 - voxels[3:6, 10:20, 15:33])
    metadata = {"spacing": 1.5, "unit": "um", "axes": "YX"}
    folder = write_planes(tmp_path / "a", voxels, imagej=True, resolution=(4.0, 2.0), metadata=metadata)
    assert read_stack(folder).voxel_size == VoxelSize(1.5, 0.5, 0.25)


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_channels_of_a_large_tiff_are_told_apart(tmp_path, voxels, large, axes, options):
    both = np.stack([voxels, 255 - voxels], axis=axes.index("C")).astype(np.uint16) * 3
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", both, metadata={"axes": axes, **sizes}, byteorder=">", **options)
    for channel, due in enumerate([voxels, 255 - voxels]):
        stack = read_stack(tmp_path / "a.ome.tif", channel=channel)
        assert isinstance(stack.data, LazyVolume)
        assert stack.data.dtype == np.uint16
        assert stack.voxel_size == VoxelSize(2.0, 0.5, 0.5)
        np.testing.assert_array_equal(stack.data[2:6, 11:30, 5:40], due[2:6, 11:30, 5:40].astype(np.uint16) * 3)


def test_a_tiff_that_is_cut_after_it_was_opened_is_one_line(tmp_path, voxels, large):
    for name, options in (("a.tif", {}), ("b.tif", {"compression": "zlib"})):
        path = tmp_path / name
        tifffile.imwrite(path, voxels, photometric="minisblack", **options)
        stack = read_stack(path)
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(FormatError, match=name) as caught:
            stack.data[4:, 3:9]
        assert "\n" not in str(caught.value)


def test_colours_and_other_tiffs_are_read_whole(tmp_path, voxels, large):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([voxels] * 3, axis=-1), photometric="rgb")
    assert isinstance(read_stack(tmp_path / "a.tif", channel=1).data, np.ndarray)


def test_wide_types_become_known_ones_block_by_block(tmp_path, voxels, large):
    stack = read_stack(write_ims(tmp_path / "a.ims", voxels[None].astype(np.float64) / 7))
    assert stack.data.dtype == np.float32
    np.testing.assert_array_equal(stack.data[2:4], (voxels[2:4] / 7).astype(np.float32))
    planes = read_stack(write_planes(tmp_path / "big", voxels.astype(np.uint16) * 200, byteorder=">"))
    np.testing.assert_array_equal(planes.data[1:3, 5:9], voxels[1:3, 5:9].astype(np.uint16) * 200)


def test_a_damaged_plane_is_named_when_a_block_needs_it(tmp_path, voxels, large):
    folder = write_planes(tmp_path / "a", voxels, **KINDS["strips"])
    content = (folder / "p4.tif").read_bytes()
    stack = read_stack(folder)
    for damage in (content[:-400], content[:8], b"", b"no picture"):
        (folder / "p4.tif").write_bytes(damage)
        np.testing.assert_array_equal(stack.data[:4], voxels[:4])
        with pytest.raises(FormatError, match=r"p4\.tif: ") as caught:
            stack.data[3:5, 10:20]
        assert "\n" not in str(caught.value)
    (folder / "p4.tif").unlink()
    with pytest.raises(InputError, match=r"p4\.tif: needs the file"):
        stack.data[4]
    tifffile.imwrite(folder / "p4.tif", voxels[4, 1:])
    with pytest.raises(FormatError, match=r"p4\.tif: is 49 x 45 uint8, p0\.tif is 50 x 45 uint8"):
        stack.data[4, :3]


def test_a_damaged_chunk_is_one_line_when_a_block_needs_it(tmp_path, voxels, large):
    path = write_ims(tmp_path / "a.ims", voxels[None])
    stack = read_stack(path)
    with h5py.File(path) as file:
        chunk = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"].id.get_chunk_info_by_coord((4, 16, 16))
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    np.testing.assert_array_equal(stack.data[:4], voxels[:4])
    with pytest.raises(FormatError, match=r"a\.ims: is damaged"):
        stack.data[5, 20, 20]


@pytest.mark.parametrize("kind", ["strips", "tiles tif", "plain tif", "ims"])
def test_flipped_bytes_give_voxels_or_one_line(tmp_path, voxels, large, kind):
    if kind == "ims":
        path = touched = write_ims(tmp_path / "a.ims", voxels[None])
    elif kind.endswith("tif"):
        path = touched = tmp_path / "a.tif"
        tifffile.imwrite(path, voxels, photometric="minisblack", **KINDS[kind.split()[0]])
    else:
        path = write_planes(tmp_path / "a", voxels, **KINDS[kind])
        touched = path / "p3.tif"
    content, rng, answers = touched.read_bytes(), np.random.default_rng(1), []
    for _ in range(60):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content) if rng.uniform() < 0.5 else 700, 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        touched.write_bytes(damaged)
        try:
            stack = read_stack(path)
            block = stack.data[2:5, 10:20, 30:]
        except (FormatError, InputError) as error:
            answers.append(str(error))
        else:
            assert block.dtype == stack.data.dtype
            assert block.ndim == 3
    assert not any("\n" in answer for answer in answers)
