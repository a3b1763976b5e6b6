"""`neurorecon models`: networks are found offline, described and checked."""

import shutil

import pytest


@pytest.fixture
def shelf(bright_model, tmp_path, monkeypatch):
    """A place with one model, instead of the installed ones."""
    shutil.copytree(bright_model, tmp_path / "shelf" / "bright")
    monkeypatch.setattr("neurorecon.nets.model_registry.model_folders", lambda: [tmp_path / "shelf"])
    return tmp_path / "shelf"


def test_list_gives_name_and_summary(neurorecon, shelf):
    result = neurorecon("models", "list")
    assert result.exit_code == 0, result.output
    assert result.stdout == "bright  brightness itself, for tests\n"


def test_empty_shelf_is_said(neurorecon, shelf):
    shutil.rmtree(shelf / "bright")
    result = neurorecon("models", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "--model DIR" in result.stderr


def test_info_shows_shape_checksum_and_card(neurorecon, shelf):
    result = neurorecon("models", "info", "bright")
    assert result.exit_code == 0, result.output
    for fact in ("channels (2, 4, 4)", "depth    1", "sha256   ", str(shelf / "bright"), "# bright"):
        assert fact in result.stdout


def test_path_is_the_folder_alone(neurorecon, shelf):
    assert neurorecon("models", "path", "bright").stdout == f"{shelf / 'bright'}\n"


def test_verify_passes_what_is_whole(neurorecon, shelf):
    result = neurorecon("models", "verify")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("bright: whole, sha256 ")
    assert neurorecon("models", "verify", shelf / "bright").exit_code == 0


def test_verify_refuses_a_changed_byte(neurorecon, shelf):
    weights = shelf / "bright" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    result = neurorecon("models", "verify", "bright")
    assert result.exit_code == 2
    assert "sha256" in result.stderr


def test_unknown_model_names_those_that_are_here(neurorecon, shelf):
    result = neurorecon("models", "info", "brihgt")
    assert result.exit_code == 2
    assert "did you mean 'bright'?" in result.stderr
