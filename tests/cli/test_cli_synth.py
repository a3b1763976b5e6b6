"""`neurorecon synth`, as a user calls it."""

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from neurorecon.cli import main

SWC = "# units: um\n1 1 0 0 0 2 -1\n2 3 8 0 0 0.8 1\n3 3 14 5 1 0.6 2\n4 3 14 -6 -1 0.6 2\n"


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cell.swc").write_text(SWC)
    return lambda *words: CliRunner().invoke(main, ["synth", *words])


def test_a_morphology_becomes_a_stack_with_its_truth_beside_it(call, tmp_path):
    result = call("cell.swc", "-o", "stack.tif", "--mask", "mask.tif")
    assert result.exit_code == 0, result.output
    from neurorecon.io import read_stack
    from neurorecon.swc import read_swc

    stack, mask, truth = read_stack("stack.tif"), read_stack("mask.tif"), read_swc("stack.truth.swc")
    assert stack.voxel_size is not None
    assert stack.voxel_size.zyx.tolist() == [1.0, 0.5, 0.5]
    assert truth.unit == "voxel"
    assert mask.shape == stack.shape
    assert np.unique(mask.data).tolist() == [0, 255]
    x, y, z = np.rint(truth.xyz).astype(int).T
    assert (mask.data[z, y, x] == 255).mean() > 0.98
    assert " x ".join(map(str, stack.shape)) in result.output


def test_the_seed_decides_the_bytes(call):
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert call("cell.swc", "-o", f"{name}.tif", "--seed", seed).exit_code == 0
    first, second, third = (tifffile.imread(f"{name}.tif") for name in "abc")
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_the_word_demo_takes_the_built_in_morphology(call, tmp_path):
    (tmp_path / "small.toml").write_text("crop_zyx = [10, 30, 30]\nbit_depth = 16\n")
    result = call("demo", "-o", "demo.ome.tif", "--settings", "small.toml", "--photons", "80", "--truth", "true.swc")
    assert result.exit_code == 0, result.output
    assert tifffile.imread("demo.ome.tif").shape == (10, 30, 30)
    assert tifffile.imread("demo.ome.tif").dtype == np.uint16
    assert (tmp_path / "true.swc").exists()
    assert not (tmp_path / "demo.truth.swc").exists()


def test_both_parts_of_an_ome_suffix_leave_the_truths_name(call, tmp_path):
    assert call("cell.swc", "-o", "one.ome.tif", "--voxel-size", "1,1,1").exit_code == 0
    assert (tmp_path / "one.truth.swc").exists()


def test_a_morphology_in_voxels_is_drawn_on_its_own_grid(call, tmp_path):
    (tmp_path / "grid.swc").write_text(SWC.replace("um", "voxel"))
    assert call("grid.swc", "-o", "grid.tif").exit_code == 0
    from neurorecon.io import read_stack

    stack = read_stack("grid.tif")
    assert stack.voxel_size is None
    assert 30 < stack.shape[2] < 45


def test_an_output_that_exists_stays_unless_overwritten(call, tmp_path):
    (tmp_path / "stack.truth.swc").write_text("mine")
    result = call("cell.swc", "-o", "stack.tif")
    assert result.exit_code == 2
    assert "stack.truth.swc" in result.output
    assert "--overwrite" in result.output
    assert not (tmp_path / "stack.tif").exists()
    assert (tmp_path / "stack.truth.swc").read_text() == "mine"
    assert call("cell.swc", "-o", "stack.tif", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.swc", "-o", "a.tif"], "absent.swc"),
        (["cell.swc", "-o", "nowhere/a.tif"], "nowhere"),
        (["cell.swc", "-o", "a.tif", "--voxel-size", "1,2"], "Z,Y,X"),
        (["cell.swc", "-o", "a.tif", "--voxel-size", "0,1,1"], "above 0"),
        (["cell.swc", "-o", "a.tif", "--voxel-size", "0.001,0.001,0.001"], "larger voxel size"),
        (["cell.swc", "-o", "a.tif", "--photons", "-3"], "photons"),
        (["cell.swc", "-o", "a.tif", "--seed", "-1"], "seed"),
        (["cell.swc", "-o", "a.tif", "--settings", "absent.toml"], "absent.toml"),
        (["cell.swc", "-o", "a.tif", "--mask", "a.tif"], "different names"),
        (["cell.swc", "-o", "a.jpg"], "a.jpg"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_nothing_is_written(call, tmp_path, words, said):
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.swc"]
