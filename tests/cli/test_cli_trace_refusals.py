"""`neurorecon trace` on files without a neuron: an exit code, one line that says why, and nothing written."""

import numpy as np
import pytest
import tifffile

NOISE = np.random.default_rng(3).normal(100, 5, (6, 40, 40)).astype(np.float32)


def full(level, dtype=np.uint8, shape=(6, 20, 20)):
    return np.full(shape, level, dtype)


@pytest.mark.parametrize(
    ("data", "options", "code", "word"),
    [
        (full(0), [], 3, "no neuron found"),
        (full(100), [], 3, "--threshold"),
        (full(255, shape=(2, 2, 2)), [], 3, "no neuron found"),
        (full(100), ["--raw"], 3, "every voxel has the value 100"),
        (full(7, np.uint16, (2, 1, 2)), ["--raw"], 3, "no neuron found"),
        (NOISE, ["--raw"], 3, "no neuron found"),
        (full(np.nan, np.float32), ["--raw"], 2, "NaN"),
        (full(np.nan, np.float32), [], 2, "NaN"),
        (full(255), ["--soma", "9,5,5"], 2, "outside the stack"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line_and_nothing_is_written(
    neurorecon, tmp_path, data, options, code, word
):
    tifffile.imwrite(tmp_path / "in.tif", data, photometric="minisblack")
    result = neurorecon("trace", tmp_path / "in.tif", "-o", tmp_path / "out.swc", *options)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("neurorecon: warning: ")]
    assert line.startswith("neurorecon: ")
    assert word in line
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]
