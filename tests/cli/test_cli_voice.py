"""-v tells more and -q nothing but warnings, on every command that works."""

import importlib
import logging
from dataclasses import replace

import pytest

from neurorecon.cli import SUMMARIES

WORKING = ("run", "segment", "trace", "batch", "evaluate", "train", "synth")


@pytest.mark.parametrize("name", WORKING)
def test_every_command_that_works_has_both_options(name):
    options = {o for p in importlib.import_module(f"neurorecon.cli.{name}").command.params for o in p.opts}
    assert {"-v", "--verbose", "-q", "--quiet"} <= options
    assert name in SUMMARIES


def test_verbose_says_what_was_read_device_network_levels_and_seconds(neurorecon, y_file, bright_model, tmp_path):
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", "--model", bright_model, "-v")
    assert result.exit_code == 0, result.output
    for fact in (
        f"{y_file}: 16 x 40 x 56 voxels (z, y, x), uint8, voxel size 0.5,0.5,0.5 um",
        "network bright (sha256 ",
        "on cpu in ",
        "grey levels: background 10, bright neurites 210",
        "neurorecon: segment: ",
        "neurorecon: trace: ",
    ):
        assert fact in result.stderr
    assert result.stdout.startswith("wrote ")
    assert logging.getLogger("neurorecon").level == logging.NOTSET
    assert not logging.getLogger("neurorecon").handlers


def test_without_either_option_there_is_the_summary_alone(neurorecon, y_file, bright_model, tmp_path):
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", "--model", bright_model)
    assert result.stderr == ""
    tree, page = result.stdout.splitlines()
    assert tree.startswith(f"wrote {tmp_path / 'out.swc'}: ")
    assert page.startswith(f"wrote {tmp_path / 'out.html'}: open it in a browser")


def test_quiet_says_nothing_where_all_went_well(neurorecon, y_file, bright_model, tmp_path):
    chosen = ["--model", bright_model, "-q"]
    assert neurorecon("run", y_file, "-o", tmp_path / "out.swc", *chosen).output == ""
    assert neurorecon("segment", y_file, "-o", tmp_path / "p.tif", *chosen).output == ""
    assert neurorecon("trace", tmp_path / "p.tif", "-o", tmp_path / "p.swc", "-q").output == ""
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    y_file.rename(stacks / "y.tif")
    result = neurorecon("batch", stacks, "-o", tmp_path / "results", *chosen)
    assert result.exit_code == 0
    assert result.output == ""
    assert (tmp_path / "results" / "y.swc").is_file()


def test_quiet_still_says_warnings_and_errors(neurorecon, tmp_path, y_stack, bright_model):
    import numpy as np

    np.save(tmp_path / "y.npy", y_stack.data)
    chosen = ["-o", tmp_path / "out.swc", "--model", bright_model, "-q"]
    result = neurorecon("run", tmp_path / "y.npy", *chosen)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("neurorecon: warning: ")
    again = neurorecon("run", tmp_path / "y.npy", *chosen)
    assert again.exit_code == 2
    assert "neurorecon: error: " in again.stderr


def test_quiet_hides_the_progress_bar_on_a_terminal(monkeypatch):
    import click

    from neurorecon.cli.progress_bar import bar
    from neurorecon.cli.voice import voice_options

    hidden = []
    monkeypatch.setattr("tqdm.tqdm", lambda **options: hidden.append(options["disable"]))

    @click.command()
    @voice_options
    def work():
        bar("work", "tile")

    for arguments in ([], ["-q"], ["-v"]):
        work.main(arguments, standalone_mode=False)
    assert hidden == [None, True, None]


def test_verbose_batch_names_each_stack_with_its_seconds(neurorecon, y_file, bright_model, tmp_path):
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    y_file.rename(stacks / "y.tif")
    result = neurorecon("batch", stacks, "-o", tmp_path / "results", "--model", bright_model, "-v")
    assert result.exit_code == 0, result.output
    assert "neurorecon: done        y.tif (" in result.stderr


def test_verbose_evaluate_says_what_was_read_and_quiet_keeps_the_scores(neurorecon, tmp_path, y_tree):
    from neurorecon import write_swc

    write_swc(y_tree, tmp_path / "y.swc")
    write_swc(replace(y_tree, xyz=y_tree.xyz + 0.1), tmp_path / "gold.swc")
    told = neurorecon("evaluate", tmp_path / "y.swc", tmp_path / "gold.swc", "-v")
    assert "y.swc: 40 nodes, 1 trees, " in told.stderr
    quiet = neurorecon("evaluate", tmp_path / "y.swc", tmp_path / "gold.swc", "-q")
    assert quiet.stderr == ""
    assert "f1                   1.000" in quiet.stdout


def test_both_options_at_once_are_refused(neurorecon, y_file, tmp_path):
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", "-v", "-q")
    assert result.exit_code == 2
    assert "opposites" in result.stderr
