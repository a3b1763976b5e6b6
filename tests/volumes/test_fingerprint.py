"""Two volumes are told apart, at one path too; one volume stays the same wherever it lies."""

import os
import shutil

import numpy as np
import pytest

from neurorecon.batch.state.file_stamp import written
from neurorecon.core.errors import SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.core.voxel_hash import describe_stack
from neurorecon.evaluate import score_trees
from neurorecon.io import read_stack, write_stack
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings, trace_parts
from neurorecon.volumes import SegmentVolumeSettings, TraceVolumeSettings, segment_volume, trace_volume
from neurorecon.volumes.block_folder import fingerprint_of
from neurorecon.volumes.segment_in_blocks import SegmentBlocks

SIZE = VoxelSize(1, 1, 1)
BLOCKS = TraceVolumeSettings(TraceSettings(units="voxel"), block=(40, 64, 64))


def map_of(seed, shape=(128, 1024, 1024), neurites=6):
    """A probability map: tubes that run through it at random, and nothing at its rim."""
    rng = np.random.default_rng(seed)
    data = np.zeros(shape, np.uint8)
    for _ in range(neurites):
        x = np.arange(8, shape[2] - 8)
        walk = np.cumsum(rng.normal(0, 0.4, (2, len(x))), axis=1)
        start = [[int(rng.integers(0.2 * n, 0.8 * n))] for n in shape[:2]]
        z, y = np.clip(np.rint(start + walk).astype(int), 6, np.array(shape[:2])[:, None] - 7)
        for dz in (-1, 0, 1):
            for dy in (-2, -1, 0, 1, 2):
                data[z + dz, y + dy, x] = 230
    return data


def test_twenty_maps_of_six_neurites_have_twenty_fingerprints():
    hashes = {describe_stack(Stack(map_of(seed)))["voxels_sha256"] for seed in range(20)}
    assert len(hashes) == 20


class Chunked:
    """A volume that counts the voxels of the chunks that are decoded."""

    dtype = np.dtype(np.uint8)

    def __init__(self, shape, chunks):
        self.shape, self.chunks, self.decoded = shape, chunks, 0

    def __getitem__(self, key):
        spans = [range(*k.indices(n)) for k, n in zip(key, self.shape, strict=True)]
        self.decoded += int(
            np.prod([(-(-s.stop // c) - s.start // c) * c for s, c in zip(spans, self.chunks, strict=True)])
        )
        return np.zeros([len(span) for span in spans], np.uint8)


@pytest.mark.parametrize("chunks", [(64, 64, 64), (1, 20_000, 20_000), (256, 256, 256), (1, 1, 1)])
def test_no_more_than_a_few_chunks_of_a_huge_volume_are_decoded(chunks):
    volume = Chunked((20_000, 20_000, 20_000), chunks)
    describe_stack(Stack(volume))
    assert volume.decoded < 2**27 + 4 * 27 * np.prod(chunks)  # a place of the grid may lie in four chunks


@pytest.fixture
def maps(tmp_path):
    """Two maps of one shape, as OME-Zarr."""
    paths = []
    for name, seed in (("old", 1), ("new", 2)):
        paths.append(tmp_path / f"{name}.ome.zarr")
        write_stack(map_of(seed, (40, 120, 200), neurites=2), paths[-1], voxel_size=SIZE)
    return paths


def tree_of(path, output, **options):
    with trace_volume(path, output, BLOCKS, **options) as found:
        return trace_parts(found.probability, found.parts, BLOCKS.trace)


def test_blocks_of_an_old_map_do_not_become_the_tree_of_a_new_one_at_its_path(maps, tmp_path):
    old, new = maps
    want = tree_of(new, tmp_path / "want.swc")
    with pytest.raises(ZeroDivisionError), trace_volume(old, tmp_path / "a.swc", BLOCKS):
        raise ZeroDivisionError
    shutil.rmtree(old)
    new.rename(old)
    with pytest.raises(SettingsError, match=r"was begun with input.voxels_sha256 .*--overwrite"):
        tree_of(old, tmp_path / "a.swc")
    tree = tree_of(old, tmp_path / "a.swc", overwrite=True)
    assert score_trees(tree, want, tolerance=0.5).f1 == pytest.approx(1)


def test_a_map_with_other_voxels_where_none_are_looked_at_is_another_one_too(tmp_path):
    shape = (40, 700, 700)
    path = tmp_path / "m.npy"
    data = np.zeros(shape, np.uint8)
    data[5, 5, 5] = 9
    np.save(path, data)
    before = fingerprint_of(BLOCKS, {"input": read_stack(path)}, {})
    data[5, 5, 5], data[5, 5, 6] = 0, 9
    np.save(path, data)
    os.utime(
        path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1)
    )  # the clock of some disks stands for 16 ms
    after = fingerprint_of(BLOCKS, {"input": read_stack(path)}, {})
    assert before.settings_sha256 != after.settings_sha256


def test_a_map_that_another_network_made_is_another_one(tmp_path, maps, bright_model):
    first, second = tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr"
    for path, core in ((first, (16, 32, 32)), (second, (16, 32, 40))):
        tiles = SegmentSettings(str(bright_model), "cpu", "fp32", core=core, halo=(4, 8, 8))
        segment_volume(maps[0], path, SegmentVolumeSettings(tiles, block=(40, 64, 64)))
    with pytest.raises(ZeroDivisionError), trace_volume(first, tmp_path / "t.swc", BLOCKS):
        raise ZeroDivisionError
    with pytest.raises(SettingsError, match=r"was begun with (input|map)\."):
        tree_of(second, tmp_path / "t.swc")


@pytest.mark.parametrize("name", ["m.ome.zarr", "m.tif", "planes"])
def test_a_copy_with_its_times_is_the_same_volume(tmp_path, name):
    path, copy = tmp_path / name, tmp_path / "elsewhere" / name
    copy.parent.mkdir()
    data = map_of(3, (40, 120, 200))
    if name == "planes":
        path.mkdir()
        for z, plane in enumerate(data):
            write_stack(plane[None], path / f"z{z:03d}.tif")
        shutil.copytree(path, copy)
        (copy / "out.ome.zarr.part").mkdir()
        (copy / "log.txt").write_text("the output grows here")
    else:
        write_stack(data, path)
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, copy)
    assert written(path) == written(copy) != {}


def test_the_record_of_a_map_does_not_depend_on_when_its_stack_was_written(tmp_path, maps, bright_model):
    tiles = SegmentSettings(str(bright_model), "cpu", "fp32", core=(16, 32, 32), halo=(4, 8, 8))
    texts = []
    for name in ("a.ome.zarr", "b.ome.zarr"):
        segment_volume(maps[0], tmp_path / name, SegmentVolumeSettings(tiles, block=(40, 64, 64)))
        texts.append((tmp_path / name / "zarr.json").read_text())
        for file in maps[0].rglob("*"):
            os.utime(file)
    assert texts[0] == texts[1]


def test_a_stack_that_was_written_again_is_segmented_anew(tmp_path, maps, bright_model, monkeypatch):
    tiles = SegmentSettings(str(bright_model), "cpu", "fp32", core=(16, 32, 32), halo=(4, 8, 8))
    settings = SegmentVolumeSettings(tiles, block=(40, 64, 64))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SegmentBlocks, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            segment_volume(maps[0], tmp_path / "p.ome.zarr", settings)
    for file in maps[0].rglob("*"):
        os.utime(file, ns=(0, 10**18))
    with pytest.raises(SettingsError, match=r"was begun with files.input.written .*--overwrite"):
        segment_volume(maps[0], tmp_path / "p.ome.zarr", settings)
