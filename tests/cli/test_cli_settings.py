"""--settings FILE.toml: what the file says counts, options win over it, and what is wrong in it is named."""

import json

import pytest

from neurorecon.core.errors import SettingsError
from neurorecon.segmentation import SegmentSettings

BOTH = "[segment]\nempty_voxels = 0\ntta = true\n\n[trace]\nconfidence = 0.25\nstep_px = 2\nspines = true\n"


@pytest.fixture
def settings_file(tmp_path):
    """Write a file of settings, and return its path."""

    def write(text):
        path = tmp_path / "my settings.toml"
        path.write_text(text)
        return path

    return write


def test_the_file_decides_unless_an_option_does_and_all_of_it_is_recorded(
    neurorecon, y_file, bright_model, tmp_path, settings_file
):
    chosen = ["--settings", settings_file(BOTH), "--model", bright_model, "--no-tta", "--confidence", "0.1"]
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", *chosen)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out.json").read_text())["settings"]
    assert record["segment"] | {"model": "", "empty_voxels": 0, "tta": False} == record["segment"] | {"model": ""}
    assert record["trace"] | {"confidence": 0.1, "step_px": 2.0, "spines": True} == record["trace"]
    header = (tmp_path / "out.swc").read_text()
    assert "segment.empty_voxels=0" in header
    assert "trace.step_px=2.0" in header


def test_an_option_stands_before_or_behind_the_file(neurorecon, y_file, tmp_path, settings_file):
    where = ["--settings", settings_file("[trace]\nthreshold = 0.3\n")]
    for name, words in (("a", [*where, "--threshold", "0.6"]), ("b", ["--threshold", "0.6", *where])):
        result = neurorecon("trace", "--raw", y_file, "-o", tmp_path / f"{name}.swc", *words)
        assert result.exit_code == 0, result.output
        assert "trace.threshold=0.6" in (tmp_path / f"{name}.swc").read_text()


@pytest.mark.parametrize("command", ["run", "segment", "trace", "batch"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[trace]\ntreshold = 0.5\n", "trace: unknown key 'treshold'; did you mean 'threshold'?"),
        ("threshold = 0.5\n", "unknown key 'threshold'; it belongs into the table [trace]"),
        ("[tracer]\n", "unknown key 'tracer'; did you mean 'trace'?"),
        ("[segment]\ntta = 1\n", "segment: tta is 1; true or false is needed"),
        ('[trace]\nconfidence = "high"\n', "trace: confidence is 'high'; a number is needed"),
        ("[trace]\nconfidence = 40\n", "trace: confidence is 40.0; 0 to 1 is needed"),
        ("[segment]\nempty = nan\n", "segment: empty is nan; 0 to 1 is needed"),
        ("[segment]\nempty_voxels = -1\n", "segment: empty_voxels is -1; 0 or more is needed"),
        ("trace = 3\n", "trace is 3; a table of settings is needed"),
        ("[trace\n", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_with_file_key_and_way_out(
    neurorecon, tmp_path, settings_file, command, text, said
):
    path = settings_file(text)
    result = neurorecon(command, tmp_path, "-o", tmp_path / "out", "--settings", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"neurorecon: error: {path}: {said}")
    assert len(result.output.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there_is_one_line(neurorecon, tmp_path):
    result = neurorecon("run", "a.tif", "-o", tmp_path / "out.swc", "--settings", tmp_path / "no.toml")
    assert result.exit_code == 2
    assert "no.toml: no such file; give a TOML file of settings" in result.stderr


def test_a_batch_goes_on_under_the_same_file_and_is_refused_under_another(
    neurorecon, y_file, bright_model, tmp_path, settings_file
):
    (tmp_path / "in").mkdir()
    y_file.rename(tmp_path / "in" / "y.tif")
    path = settings_file("[trace]\nstep_px = 2\n")
    words = ["batch", tmp_path / "in", "-o", tmp_path / "out", "--model", bright_model, "--settings", path]
    assert neurorecon(*words).exit_code == 0
    assert "(1 were finished before)" in neurorecon(*words).stdout
    settings_file("[trace]\nstep_px = 3\n")
    refused = neurorecon(*words)
    assert refused.exit_code == 2
    assert "was begun with trace.step_px 2.0, now it is 3.0" in refused.stderr


def test_values_that_no_stack_can_have_are_refused_by_the_settings_themselves():
    for wrong in ({"empty": float("nan")}, {"empty": 1.5}, {"empty_voxels": -1}):
        with pytest.raises(SettingsError, match="is needed"):
            SegmentSettings(**wrong)
