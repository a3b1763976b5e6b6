"""A volume segmented in blocks: the same bytes whoever does them, in whatever order, and however often it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import zarr

from neurorecon.batch import run_here, run_processes
from neurorecon.core.errors import FormatError, InputError, NeuroreconError, NoNeuronError, OutputError, SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import find_stacks, read_probability, read_stack, write_stack
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.predict import Runner
from neurorecon.volumes import SegmentVolumeSettings, segment_volume
from neurorecon.volumes.block_folder import parse_block, part_path
from neurorecon.volumes.segment_in_blocks import SegmentBlocks

SHAPE = (40, 120, 200)
SIZE = VoxelSize(0.5, 0.5, 0.5)


@pytest.fixture
def volume(tmp_path, rng):
    """A crooked tube in noise, in the left half of an OME-Zarr that is 0 in the right half."""
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    tube = np.hypot(z - 20 - 8 * np.sin(x / 20), y - 60 - 30 * np.sin(x / 40)) < 3
    data = np.where(x < 120, 10 + 200 * tube + rng.integers(0, 5, SHAPE), 10).astype(np.uint16)
    path = tmp_path / "v.ome.zarr"
    write_stack(data, path, voxel_size=SIZE)
    return path


@pytest.fixture
def settings(bright_model):
    tiles = SegmentSettings(str(bright_model), "cpu", "fp32", core=(16, 32, 32), halo=(4, 8, 8))
    return SegmentVolumeSettings(tiles, block=(32, 64, 64))


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def whole(volume, settings, tmp_path):
    """The files of a run that nothing has interrupted."""
    (tmp_path / "calm").mkdir()
    output = tmp_path / "calm" / "p.ome.zarr"
    assert segment_volume(volume, output, settings) == 2 * 2 * 4
    return files(output)


class Stop:
    """Lets so many blocks be done, then interrupts."""

    def __init__(self, monkeypatch, blocks):
        self.left, self.done, real = blocks, [], SegmentBlocks.__call__

        def call(job, source, name, *rest):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            self.done.append(name)
            return real(job, source, name, *rest)

        monkeypatch.setattr(SegmentBlocks, "__call__", call)


def interrupted(monkeypatch, blocks, *given):
    """Segment a volume up to so many blocks."""
    with monkeypatch.context() as patch:
        stop = Stop(patch, blocks)
        with pytest.raises(KeyboardInterrupt):
            segment_volume(*given)
    return stop


def test_the_maps_are_those_of_the_whole_and_keep_size_and_all_that_a_tracer_asks_for(
    volume, settings, tmp_path, whole
):
    found = read_probability(tmp_path / "calm" / "p.ome.zarr")
    asked = segment(read_stack(volume), settings.segment)
    assert found.voxel_size == SIZE
    assert found.shape == SHAPE
    assert (found.planes, found.faint, found.voxels_as_one) == (asked.planes, asked.faint, asked.voxels_as_one)
    assert not isinstance(found.neurite, np.ndarray)
    for mine, other in ((found.neurite, asked.neurite), (found.soma, asked.soma)):
        difference = np.abs(np.asarray(mine[:]).astype(int) - other)
        assert difference.max() <= 1
    assert asked.neurite.max() > 200
    about = zarr.open_group(found.source, mode="r").attrs["neurorecon"]
    assert about["survey"]["levels"]["high"] > 200
    assert about["settings"]["segment"]["core"] == [16, 32, 32]
    assert about["model"]["name"] == "bright"
    assert read_stack(tmp_path / "calm" / "p.ome.zarr" / "soma").voxel_size == SIZE


def test_worker_processes_write_the_same_bytes(volume, settings, tmp_path, whole):
    segment_volume(volume, tmp_path / "p.ome.zarr", settings, engine=run_processes(2))
    assert files(tmp_path / "p.ome.zarr") == whole
    assert not part_path(tmp_path / "p.ome.zarr").exists()


def test_an_interrupted_volume_goes_on_and_ends_with_the_same_bytes(volume, settings, tmp_path, whole, monkeypatch):
    output = tmp_path / "p.ome.zarr"
    first = interrupted(monkeypatch, 5, volume, output, settings)
    assert not output.exists()
    assert part_path(output) not in find_stacks(tmp_path)
    with monkeypatch.context() as patch:
        second = Stop(patch, 99)
        segment_volume(volume, output, settings)
    assert len(first.done) == 5
    assert not set(first.done) & set(second.done)
    assert files(output) == whole


def test_a_damaged_or_lost_file_of_a_block_is_noticed_and_made_again(volume, settings, tmp_path, whole, monkeypatch):
    output = tmp_path / "p.ome.zarr"
    first = interrupted(monkeypatch, 9, volume, output, settings)
    shards = sorted((part_path(output) / "0").rglob("c/*/*/*"))
    shards[0].write_bytes(shards[0].read_bytes()[:-9] + b"otherwise")
    shards[1].unlink()
    with monkeypatch.context() as patch:
        second = Stop(patch, 99)
        segment_volume(volume, output, settings)
    assert len(set(first.done) & set(second.done)) == 2
    assert files(output) == whole


def command(volume, output, settings):
    arguments = [sys.executable, "-m", "neurorecon", "segment", str(volume), "-o", str(output), "--block", "32,64,64"]
    return [*arguments, "--model", settings.segment.model, "--device", "cpu", "--precision", "fp32"]


def start(volume, output, settings, root):
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.Popen(
        command(volume, output, settings), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def plain(volume, settings, tmp_path):
    """The files that the command writes, tiles being those of the defaults."""
    (tmp_path / "plain").mkdir()
    tiles = SegmentSettings(settings.segment.model, "cpu", "fp32")
    segment_volume(volume, tmp_path / "plain" / "p.ome.zarr", SegmentVolumeSettings(tiles, block=settings.block))
    return files(tmp_path / "plain" / "p.ome.zarr")


def test_killed_in_the_middle_and_run_again_it_ends_with_the_same_bytes(volume, settings, tmp_path, root, plain):
    output = tmp_path / "p.ome.zarr"
    process = start(volume, output, settings, root)
    records = part_path(output) / ".neurorecon" / "records"
    while process.poll() is None and (not records.is_dir() or len(list(records.iterdir())) < 3):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not output.exists()
    assert len(list(records.iterdir())) < 16
    process = start(volume, output, settings, root)
    text, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert text == f"wrote {output}\n"
    assert files(output) == plain


@pytest.mark.slow
def test_two_processes_share_the_blocks_of_one_output(volume, settings, tmp_path, root, plain):
    output = tmp_path / "p.ome.zarr"
    both = [start(volume, output, settings, root) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0 or "exists already" in errors or "another process has finished it" in errors, (
            errors
        )
    assert 0 in [process.returncode for process in both]
    assert files(output) == plain
    assert not part_path(output).exists()


def test_a_failed_block_does_not_stop_the_others_and_is_done_by_the_next_call(
    volume, settings, tmp_path, whole, monkeypatch
):
    output, real = tmp_path / "p.ome.zarr", SegmentBlocks.__call__

    def call(job, source, name, *rest):
        if name == "0,1,1":
            raise FormatError("chunk 3 is damaged")
        return real(job, source, name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentBlocks, "__call__", call)
        with pytest.raises(NeuroreconError, match=r"1 of 16 blocks failed, block 0,1,1: chunk 3 is damaged; the same"):
            segment_volume(volume, output, settings)
    assert not output.exists()
    with monkeypatch.context() as patch:
        counted = Stop(patch, 99)
        segment_volume(volume, output, settings)
    assert counted.done == ["0,1,1"]
    assert files(output) == whole


@pytest.mark.parametrize("change", ["settings", "block", "stack", "size"])
def test_what_was_begun_otherwise_is_refused_unless_overwritten(volume, settings, tmp_path, monkeypatch, change):
    output = tmp_path / "p.ome.zarr"
    interrupted(monkeypatch, 3, volume, output, settings)
    other = settings
    if change == "settings":
        other, said = replace(settings, segment=replace(settings.segment, halo=(4, 4, 4))), "segment.halo"
    elif change == "block":
        other, said = replace(settings, block=(32, 96, 96)), "block"
    elif change == "size":
        other, said = replace(settings, voxel_size=VoxelSize(1, 1, 1)), "voxel_size"
    else:
        said = "input.voxels_sha256"
        zarr.open_array(volume / "0", mode="r+")[0, :9, :9] = 7
    with pytest.raises(SettingsError, match=rf"was begun with {said}.*--overwrite"):
        segment_volume(volume, output, other)
    segment_volume(volume, output, other, overwrite=True)
    (tmp_path / "fresh").mkdir()
    segment_volume(volume, tmp_path / "fresh" / "p.ome.zarr", other)
    assert files(output) == files(tmp_path / "fresh" / "p.ome.zarr")


def test_an_output_that_exists_is_kept_unless_overwritten(volume, settings, tmp_path, whole):
    output = tmp_path / "p.ome.zarr"
    output.mkdir()
    (output / "precious").write_text("data")
    with pytest.raises(OutputError, match="exists already"):
        segment_volume(volume, output, settings)
    assert files(output) == {"precious": b"data"}
    segment_volume(volume, output, settings, overwrite=True)
    assert files(output) == whole


def test_a_constant_volume_has_no_neuron_and_leaves_nothing(settings, tmp_path):
    write_stack(np.full(SHAPE, 9, np.uint8), tmp_path / "v.ome.zarr")
    with pytest.raises(NoNeuronError, match="no neuron"):
        segment_volume(tmp_path / "v.ome.zarr", tmp_path / "p.ome.zarr", settings)
    assert [path.name for path in tmp_path.iterdir()] == ["v.ome.zarr"]


def test_empty_blocks_cost_no_run_of_the_network_and_no_file(volume, settings, tmp_path, whole, monkeypatch):
    runs, where = [], []
    real, call = Runner.__call__, SegmentBlocks.__call__
    monkeypatch.setattr(Runner, "__call__", lambda *given: runs.append(where[-1]) or real(*given))
    monkeypatch.setattr(
        SegmentBlocks, "__call__", lambda job, source, name, *rest: where.append(name) or call(job, source, name, *rest)
    )
    where.append("survey")
    segment_volume(volume, tmp_path / "p.ome.zarr", settings)
    assert set(runs) - {"survey"}
    assert not [name for name in runs if name.endswith(",3")]  # x from 192 on, of which tiles see 184 on
    assert not [name for name in whole if name.startswith("0/c/") and name.endswith("/3")]


def test_the_voxel_size_and_channel_that_were_given_are_taken(settings, tmp_path, volume):
    segment_volume(volume, tmp_path / "p.ome.zarr", replace(settings, voxel_size=VoxelSize(1, 1, 1)))
    assert read_probability(tmp_path / "p.ome.zarr").voxel_size == VoxelSize(1, 1, 1)


def test_planes_between_survive(settings, tmp_path, volume, monkeypatch):
    from neurorecon.segmentation.adapt import survey
    from neurorecon.segmentation.normalise import Levels

    output = tmp_path / "p.ome.zarr"
    taken = survey.Survey(Levels(10.0, 200.0), 3, (1, 2, 2))
    monkeypatch.setattr(survey, "take_survey", lambda *_, **__: taken)
    segment_volume(volume, output, settings, engine=run_here)
    found = read_probability(output)
    assert (found.planes, found.voxels_as_one) == (3, (1, 2, 2))
    assert found.shape == (39 * 3 + 1, 120, 200)
    assert found.soma.shape == found.shape
    assert found.voxel_size.z == pytest.approx(0.5 / 3)
    assert found.on_stack.shape == SHAPE


@pytest.mark.parametrize("text", ["64", "1,2", "0x8,64,64", "-1,64,64", "64,64,64,64", "1.5,2,3"])
def test_a_block_that_is_none_is_refused(text):
    with pytest.raises(SettingsError, match="--block"):
        parse_block(text)
    assert parse_block(" 64, 128,256") == (64, 128, 256)


def test_a_stack_that_is_gone_is_one_line(settings, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        segment_volume(tmp_path / "none.ome.zarr", tmp_path / "p.ome.zarr", settings)
    assert not list(tmp_path.iterdir())
