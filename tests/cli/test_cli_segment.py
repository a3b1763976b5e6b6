"""`neurorecon segment`: a probability with the stack's shape and voxel size, or a refusal and no file."""

import numpy as np
import pytest
import tifffile

from neurorecon import read_stack
from neurorecon.core.geometry import VoxelSize


@pytest.mark.parametrize("name", ["p.tif", "p.ome.zarr"])
def test_probability_has_shape_and_voxel_size_of_the_stack(neurorecon, y_file, y_stack, bright_model, tmp_path, name):
    result = neurorecon("segment", y_file, "-o", tmp_path / name, "--model", bright_model, "--device", "cpu")
    assert result.exit_code == 0, result.output
    probability = read_stack(tmp_path / name)
    data = np.asarray(probability.data[:])
    assert data.dtype == np.uint8
    assert probability.shape == y_stack.shape
    np.testing.assert_allclose(probability.voxel_size.zyx, 0.5)
    grey = np.asarray(y_stack.data)
    assert data[grey > 150].min() > 127 > data[grey == 10].max()
    assert str(tmp_path / name) in result.stdout


def test_tiff_is_compressed_ome(neurorecon, y_file, bright_model, tmp_path):
    neurorecon("segment", y_file, "-o", tmp_path / "p.tif", "--model", bright_model)
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        assert file.is_ome
        assert file.pages[0].compression != tifffile.COMPRESSION.NONE
        assert file.asarray().shape == (16, 40, 56)


def test_voxel_size_of_the_option_wins(neurorecon, y_file, bright_model, tmp_path):
    out = tmp_path / "p.tif"
    result = neurorecon("segment", y_file, "-o", out, "--model", bright_model, "--voxel-size", "2,0.25,0.25")
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(read_stack(out).voxel_size.zyx, VoxelSize(2, 0.25, 0.25).zyx)


def test_no_progress_bar_where_stderr_is_no_terminal(neurorecon, y_file, bright_model, tmp_path):
    result = neurorecon("segment", y_file, "-o", tmp_path / "p.tif", "--model", bright_model)
    assert result.stderr == ""


def test_existing_output_is_kept_unless_overwrite(neurorecon, y_file, bright_model, tmp_path):
    out = tmp_path / "p.tif"
    out.write_bytes(b"precious")
    refused = neurorecon("segment", y_file, "-o", out, "--model", bright_model)
    assert refused.exit_code == 2
    assert "exists already" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert out.read_bytes() == b"precious"
    assert neurorecon("segment", y_file, "-o", out, "--model", bright_model, "--overwrite").exit_code == 0
    assert out.stat().st_size > 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--model", "no-such-model"], "no-such-model"),
        (["--device", "toaster"], "toaster"),
        (["--voxel-size", "1,2"], "--voxel-size"),
        (["--voxel-size", "0,1,1"], "voxel size along z"),
        (["--channel", "-1"], "channel"),
        (["--precision", "fp64"], "precision"),
        (["-o", "missing/p.tif"], "missing"),
        (["-o", "p.jpg"], "p.jpg"),
        (["--jobs", "2"], "give OUT.ome.zarr"),
        (["--block", "32,32,32"], "give OUT.ome.zarr"),
        (["-o", "p.ome.zarr", "--block", "32,32"], "--block"),
        (["-o", "p.ome.zarr", "--block", "0,32,32"], "block (0, 32, 32)"),
        (["-o", "p.ome.zarr", "--device", "toaster"], "toaster"),
    ],
)
def test_option_that_cannot_be_used_is_refused_and_nothing_written(
    neurorecon, y_file, bright_model, tmp_path, monkeypatch, change, said
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = neurorecon("segment", y_file, "-o", "p.tif", "--model", bright_model, "--device", "cpu", *change)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_missing_input_is_one_line(neurorecon, bright_model, tmp_path):
    result = neurorecon("segment", tmp_path / "no such.tif", "-o", tmp_path / "p.tif", "--model", bright_model)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "no such.tif" in result.stderr


def test_constant_stack_is_no_neuron_and_leaves_no_file(neurorecon, constant_file, bright_model, tmp_path):
    result = neurorecon("segment", constant_file, "-o", tmp_path / "p.tif", "--model", bright_model)
    assert result.exit_code == 3
    assert "no neuron" in result.stderr
    assert list(tmp_path.iterdir()) == [constant_file]


def test_a_constant_stack_leaves_no_folder_either(neurorecon, constant_file, bright_model, tmp_path):
    result = neurorecon("segment", constant_file, "-o", tmp_path / "p.ome.zarr", "--model", bright_model)
    assert result.exit_code == 3
    assert list(tmp_path.iterdir()) == [constant_file]


def test_a_failed_block_is_one_line_and_exit_code_1(neurorecon, y_file, bright_model, tmp_path, monkeypatch):
    from neurorecon.core.errors import FormatError
    from neurorecon.volumes.segment_in_blocks import SegmentBlocks

    def broken(*given):
        raise FormatError("chunk 3 is damaged")

    monkeypatch.setattr(SegmentBlocks, "__call__", broken)
    result = neurorecon("segment", y_file, "-o", tmp_path / "p.ome.zarr", "--model", bright_model)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "1 of 1 blocks failed" in result.stderr


def test_help_names_defaults_from_their_one_home(neurorecon):
    from neurorecon.segmentation import SegmentSettings

    result = neurorecon("segment", "--help")
    assert f"[default: {SegmentSettings().model}]" in " ".join(result.output.split())


def test_tta_changes_the_probability_by_little(neurorecon, y_file, bright_model, tmp_path, monkeypatch):
    from neurorecon.segmentation import predict

    made = []
    real = predict.Runner.make
    monkeypatch.setattr(predict.Runner, "make", lambda *given: made.append(real(*given)) or made[-1])
    for name, given in (("plain.tif", []), ("tta.tif", ["--tta"])):
        result = neurorecon("segment", y_file, "-o", tmp_path / name, "--model", bright_model, *given)
        assert result.exit_code == 0, result.output
    assert [run.tta for run in made] == [False, True]
    plain, mean = (np.asarray(read_stack(tmp_path / name).data[:]).astype(int) for name in ("plain.tif", "tta.tif"))
    assert np.abs(plain - mean).mean() < 5


def test_input_is_never_the_output(neurorecon, y_file, bright_model):
    before = y_file.read_bytes()
    result = neurorecon("segment", y_file, "-o", y_file, "--model", bright_model, "--overwrite")
    assert result.exit_code == 2
    assert "named twice" in result.stderr
    assert y_file.read_bytes() == before
