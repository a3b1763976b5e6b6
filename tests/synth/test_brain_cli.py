"""`neurorecon synth brain`, as a user calls it."""

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.geometry import VoxelSize
from neurorecon.io import read_stack
from neurorecon.swc import read_swc


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["synth", "brain", *words])


def test_a_brain_is_written_with_its_truth_beside_it(call):
    words = ["--shape", "64,128,160", "--neurons", "2", "--seed", "3", "--voxel-size", "1,0.5,0.5"]
    result = call("-o", "b.ome.zarr", *words)
    assert result.exit_code == 0, result.output
    assert "64 x 128 x 160 voxels (z, y, x), 2 neurons" in result.output
    stack, truth = read_stack("b.ome.zarr"), read_swc("b.truth.swc")
    assert stack.shape == (64, 128, 160)
    assert stack.voxel_size == VoxelSize(1, 0.5, 0.5)
    assert truth.unit == "um"
    assert len(truth.roots) == 2
    x, y, z = np.rint(truth.xyz / (0.5, 0.5, 1)).astype(int).T
    assert (np.asarray(stack.data)[z, y, x] > 12).mean() > 0.9
    assert "exists already" in call("-o", "b.ome.zarr", *words).output
    assert call("-o", "b.ome.zarr", *words, "--overwrite").exit_code == 0


def test_a_brain_without_neurons_has_no_truth(call, tmp_path):
    (tmp_path / "wide.toml").write_text("bit_depth = 16\nbackground = 20\n")
    result = call("-o", "b.zarr", "--shape", "32,64,64", "--neurons", "0", "--settings", "wide.toml")
    assert result.exit_code == 0, result.output
    assert "no truth" in result.output
    assert read_stack("b.zarr").data.dtype == np.uint16
    assert not (tmp_path / "b.truth.swc").exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["-o", "b.tif"], "ends in .ome.zarr"),
        (["-o", "b.zarr", "--mask", "m.tif"], '--mask is not for "brain"'),
        (["-o", "b.zarr", "--photons", "9"], '--photons is not for "brain"'),
        (["-o", "b.zarr", "--shape", "10,20"], "give three numbers of voxels"),
        (["-o", "b.zarr", "--shape", "8,200,200"], "32 or more"),
    ],
)
def test_what_a_brain_does_not_take_is_refused(call, tmp_path, words, answer):
    result = call(*words)
    assert result.exit_code == 2
    assert answer in result.output
    assert not list(tmp_path.iterdir())


def test_options_of_a_brain_are_refused_for_a_morphology():
    result = CliRunner().invoke(main, ["synth", "demo", "-o", "a.tif", "--neurons", "3"])
    assert result.exit_code == 2
    assert '--neurons is only for "brain"' in result.output
