"""A large probability traced by a batch of blocks: the same trees however it is interrupted and whoever works."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.batch import run_here, run_processes
from neurorecon.cli import main
from neurorecon.core.errors import FormatError, NeuroreconError, SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.evaluate import score_trees
from neurorecon.io import read_probability, write_stack
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings, trace_parts
from neurorecon.volumes import TraceVolumeSettings, seam_scores, trace_volume
from neurorecon.volumes.trace_in_blocks import TraceBlocks

SHAPE = (40, 120, 200)
SETTINGS = TraceVolumeSettings(block=(40, 64, 64))


@pytest.fixture
def volume(tmp_path):
    """A neurite with a fork as an OME-Zarr, voxels of 1 x 0.5 x 0.5 um."""
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    stem = (np.hypot(z - 20, y - 60) < 3) & (x > 10) & (x < 190)
    twig = (np.hypot(z - 20, (y - 60) - (x - 90)) < 3) & (x > 90) & (x < 140)
    path = tmp_path / "p.ome.zarr"
    write_stack(np.where(stem | twig, 230, 0).astype(np.uint8), path, voxel_size=VoxelSize(1, 0.5, 0.5))
    return path


@pytest.fixture
def runner():
    """Runs the program in this process."""
    return CliRunner()


def tree_of(volume, output, settings=SETTINGS, **options):
    with trace_volume(volume, output, settings, **options) as found:
        return trace_parts(found.probability, found.parts, settings.trace)


def block_bytes(part):
    return {path.name: path.read_bytes() for path in (part / "blocks").iterdir()}


def test_blocks_are_the_same_bytes_from_processes_and_from_here(volume, tmp_path):
    kept = {}
    for name, engine in (("here", run_here), ("processes", run_processes(2))):
        with trace_volume(volume, tmp_path / f"{name}.swc", SETTINGS, engine=engine):
            kept[name] = block_bytes(tmp_path / f"{name}.swc.part")
        assert not (tmp_path / f"{name}.swc.part").exists()
    assert len(kept["here"]) == 8
    assert kept["here"] == kept["processes"]


def test_what_is_done_is_not_done_again_after_an_interruption(volume, tmp_path, monkeypatch):
    done = []
    work = TraceBlocks.__call__

    def counted(self, source, name, swc, sha):
        if len(done) == 3 and "stop" not in done:
            done.append("stop")
            raise KeyboardInterrupt
        done.append(name)
        return work(self, source, name, swc, sha)

    whole = tree_of(volume, tmp_path / "whole.swc")
    monkeypatch.setattr(TraceBlocks, "__call__", counted)
    with pytest.raises(KeyboardInterrupt):
        tree_of(volume, tmp_path / "cut.swc")
    again = tree_of(volume, tmp_path / "cut.swc")
    assert len([name for name in done if name != "stop"]) == len(set(done) - {"stop"}) == 8
    np.testing.assert_array_equal(again.xyz, whole.xyz)


def test_a_failed_block_leaves_the_others_and_is_done_the_next_time(volume, tmp_path, monkeypatch):
    def fail(self, source, name, swc, sha):
        if name == "0,64,64":
            raise FormatError("chunk is damaged")
        return work(self, source, name, swc, sha)

    work = TraceBlocks.__call__
    monkeypatch.setattr(TraceBlocks, "__call__", fail)
    with pytest.raises(
        NeuroreconError, match=r"1 of 8 blocks failed, block 0,64,64: chunk is damaged; the same command"
    ):
        tree_of(volume, tmp_path / "a.swc")
    assert len(block_bytes(tmp_path / "a.swc.part")) == 7
    monkeypatch.setattr(TraceBlocks, "__call__", work)
    assert len(tree_of(volume, tmp_path / "a.swc").branch_points) == 1


def test_a_damaged_block_file_is_noticed_and_done_again(volume, tmp_path):
    with pytest.raises(ZeroDivisionError), trace_volume(volume, tmp_path / "a.swc", SETTINGS):
        raise ZeroDivisionError
    file = tmp_path / "a.swc.part" / "blocks" / "0_64_64.npz"
    before = file.read_bytes()
    file.write_bytes(before[:100])
    with trace_volume(volume, tmp_path / "a.swc", SETTINGS):
        assert file.read_bytes() == before


def test_other_settings_are_refused_and_overwrite_begins_anew(volume, tmp_path):
    with pytest.raises(ZeroDivisionError), trace_volume(volume, tmp_path / "a.swc", SETTINGS):
        raise ZeroDivisionError
    other = TraceVolumeSettings(TraceSettings(threshold=0.7), block=SETTINGS.block)
    with pytest.raises(SettingsError, match=r"was begun with trace.threshold unset, now it is 0.7; .*--overwrite"):
        tree_of(volume, tmp_path / "a.swc", other)
    assert len(tree_of(volume, tmp_path / "a.swc", other, overwrite=True).tips) == 3


def test_a_killed_command_goes_on_and_writes_the_same_file(volume, tmp_path):
    command = [sys.executable, "-m", "neurorecon", "trace", str(volume), "--block", "32,32,32", "-o"]
    whole = subprocess.run([*command, str(tmp_path / "whole.swc")], capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    running = subprocess.Popen([*command, str(tmp_path / "cut.swc")], stdout=subprocess.DEVNULL)
    blocks = tmp_path / "cut.swc.part" / "blocks"
    end = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < end and (not blocks.exists() or len(os.listdir(blocks)) < 5):
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "cut.swc").exists()
    again = subprocess.run([*command, str(tmp_path / "cut.swc")], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert not (tmp_path / "cut.swc.part").exists()
    texts = [(tmp_path / name).read_text() for name in ("whole.swc", "cut.swc")]
    assert [line for line in texts[0].splitlines() if "created" not in line] == [
        line for line in texts[1].splitlines() if "created" not in line
    ]


def test_the_command_traces_in_blocks_and_checks_its_seams(runner, volume, tmp_path):
    whole = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "whole.swc")])
    assert whole.exit_code == 0, whole.output
    options = ["--block", "40,64,64", "--verify-seams", "3"]
    cut = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "cut.swc"), *options])
    assert cut.exit_code == 0, cut.output
    assert cut.output.count("seam at z=") == 3
    assert "F1 1.000" in cut.output
    trees = [read_swc(tmp_path / name) for name in ("cut.swc", "whole.swc")]
    assert score_trees(*trees, tolerance=0.5).f1 > 0.99
    assert "traced in 8 blocks of 40,64,64 voxels" in (tmp_path / "cut.swc").read_text()


def test_a_check_of_seams_says_so_where_there_is_none(runner, volume, tmp_path):
    options = ["--block", "400,400,400", "--verify-seams", "3"]
    result = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "a.swc"), *options])
    assert result.exit_code == 0, result.output
    assert "no neurite crosses a border between blocks" in result.output
    assert "seam at" not in result.output


@pytest.fixture
def grey(volume, tmp_path):
    """The grey stack that the volume may have been made from."""
    path = tmp_path / "grey.ome.zarr"
    found = read_probability(volume)
    light = np.random.default_rng(0).poisson(5 + np.asarray(found.neurite) / 4).astype(np.uint8)
    write_stack(light, path, voxel_size=VoxelSize(1, 0.5, 0.5))
    return path


def test_the_light_of_a_stack_counts_in_blocks_as_in_one_piece(runner, volume, grey, tmp_path):
    trees = []
    for name, options in (
        ("whole", []),
        ("cut", ["--block", "40,64,64"]),
        ("jobs", ["--block", "40,64,64", "--jobs", "2"]),
    ):
        out = tmp_path / f"{name}.swc"
        result = runner.invoke(main, ["trace", str(volume), "-o", str(out), "--stack", str(grey), *options])
        assert result.exit_code == 0, result.output
        assert f"stack: {grey}" in out.read_text()
        trees.append(read_swc(out))
    assert score_trees(trees[1], trees[0], tolerance=0.5).f1 > 0.99
    np.testing.assert_array_equal(trees[1].xyz, trees[2].xyz)


def test_blocks_that_were_traced_without_a_stack_are_not_taken_for_those_with_one(volume, grey, tmp_path):
    with pytest.raises(ZeroDivisionError), trace_volume(volume, tmp_path / "a.swc", SETTINGS):
        raise ZeroDivisionError
    with pytest.raises(SettingsError, match=r"was begun with stack.*--overwrite"):
        tree_of(volume, tmp_path / "a.swc", grey=grey)


def test_a_stack_of_another_shape_is_refused_before_any_block(runner, volume, tmp_path):
    other = tmp_path / "other.ome.zarr"
    write_stack(np.ones((40, 120, 199), np.uint8), other, voxel_size=VoxelSize(1, 0.5, 0.5))
    options = ["--stack", str(other), "--block", "40,64,64"]
    result = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "a.swc"), *options])
    assert result.exit_code == 2
    assert "give the stack that it was made from" in result.output
    assert sorted(os.listdir(tmp_path)) == ["other.ome.zarr", "p.ome.zarr"]


def test_a_seam_that_lost_its_neurite_has_a_low_score(volume, tmp_path):
    with trace_volume(volume, tmp_path / "a.swc", SETTINGS) as found:
        good = seam_scores(found, TraceSettings(), 2)
        lost = [part for part in found.parts if part.core.low not in ((0, 0, 64), (0, 64, 64))]
        bad = seam_scores(type(found)(found.probability, lost, found.height, ""), TraceSettings(), 10)
    assert min(score.f1 for score in good) > 0.99
    assert min(score.f1 for score in bad) < 0.9


@pytest.mark.parametrize("options", [["--block", "40,64,64"], ["--verify-seams", "2"], ["--jobs", "2"]])
def test_a_grey_stack_is_not_traced_in_blocks(runner, volume, tmp_path, options):
    result = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "a.swc"), "--raw", *options])
    assert result.exit_code == 2
    assert "--raw traces a stack in one piece" in result.output
    assert sorted(os.listdir(tmp_path)) == ["p.ome.zarr"]


def test_several_jobs_trace_a_small_volume_in_blocks_too(runner, volume, tmp_path):
    result = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "a.swc"), "--jobs", "2"])
    assert result.exit_code == 0, result.output
    assert "traced in 1 blocks" in (tmp_path / "a.swc").read_text()


@pytest.mark.parametrize("block", ["40,64", "a,b,c", "8,64,64", "0,0,0"])
def test_a_block_that_cannot_be_is_refused_in_a_line(runner, volume, tmp_path, block):
    result = runner.invoke(main, ["trace", str(volume), "-o", str(tmp_path / "a.swc"), "--block", block])
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert not Path(tmp_path / "a.swc.part").exists()


@pytest.mark.slow
def test_two_commands_share_the_blocks_of_one_output(volume, tmp_path):
    command = [sys.executable, "-m", "neurorecon", "trace", str(volume), "--block", "32,32,32", "-o"]
    both = [
        subprocess.Popen(
            [*command, str(tmp_path / "cut.swc")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ends = [(process.communicate(timeout=200)[1], process.returncode) for process in both]
    assert 0 in [code for _, code in ends]
    for errors, code in ends:
        assert code == 0 or "another process has finished it" in errors or "exists already" in errors
    assert (tmp_path / "cut.swc").exists()
    assert not (tmp_path / "cut.swc.part").exists()


@pytest.fixture
def fading(tmp_path):
    """A neurite whose last third is faint: below what the tracer follows, above what the list of missing places wants."""
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    near = np.hypot(z - 20, y - 60) < 3
    level = np.where(x < 120, 230, 70)
    path = tmp_path / "fading.ome.zarr"
    write_stack(
        np.where(near & (x > 10) & (x < 185), level, 0).astype(np.uint8), path, voxel_size=VoxelSize(1, 0.5, 0.5)
    )
    return path


def test_what_the_tree_lacks_is_listed_in_blocks_too(runner, fading, tmp_path):
    lists = {}
    for name, options in (
        ("whole", []),
        ("cut", ["--block", "40,64,64"]),
        ("jobs", ["--block", "40,64,64", "--jobs", "2"]),
    ):
        out = tmp_path / f"{name}.swc"
        result = runner.invoke(main, ["trace", str(fading), "-o", str(out), "--missing", "0", *options])
        assert result.exit_code == 0, result.output
        table = list(csv.DictReader(out.with_suffix(".review.csv").read_text().splitlines()))
        lists[name] = [line for line in table if line["reason"] == "missing"]
        assert len(lists[name]) == 1
    tips = {name: [float(lines[0][axis]) for axis in "xyz"] for name, lines in lists.items()}
    assert tips["cut"] == tips["jobs"]
    assert tips["cut"] == pytest.approx(tips["whole"], abs=1)
    assert not (tmp_path / "cut.swc.part").exists()


def test_blocks_of_the_second_tracing_are_kept_after_an_interruption(fading, tmp_path):
    settings = TraceVolumeSettings(TraceSettings(missing=0.0), block=SETTINGS.block)
    with pytest.raises(ZeroDivisionError), trace_volume(fading, tmp_path / "a.swc", settings):
        raise ZeroDivisionError
    kept = block_bytes(tmp_path / "a.swc.part")
    assert len(kept) == 16
    assert kept["0_64_128.npz"] != kept["0_64_128_generous.npz"]
    seen = []
    with trace_volume(
        fading, tmp_path / "a.swc", settings, progress=lambda done, total, _: seen.append(total)
    ) as found:
        assert block_bytes(tmp_path / "a.swc.part") == kept
        assert (len(found.parts), len(found.more)) == (8, 8)
