"""The command line as a whole: what it costs to start, how it ends."""

import importlib
import logging
import resource
import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner

import neurorecon
from neurorecon.cli import SUMMARIES, main
from neurorecon.core.errors import InputError, NoNeuronError


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


@pytest.fixture
def outcome(monkeypatch):
    """Run `neurorecon doctor` with its work replaced by a function."""

    def run(function):
        command = click.Command("doctor", callback=function)
        monkeypatch.setattr(importlib.import_module("neurorecon.cli.doctor"), "command", command)
        return CliRunner().invoke(main, ["doctor"])

    return run


def test_help_names_every_command_with_its_summary():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0, result.output
    for name, summary in SUMMARIES.items():
        assert f"  {name} " in result.output
        assert summary.split(";")[0].split(",")[0] in result.output


def test_help_loads_no_array_library():
    code = (
        "import sys; from neurorecon.cli import main; main(['--help'], standalone_mode=False);"
        "print([m for m in ('numpy', 'torch', 'skimage', 'navis', 'tifffile', 'scipy') if m in sys.modules])"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_takes_at_most_0_3_seconds():
    """Seconds of the processor, so that a busy machine does not count; an idle one shows the same on the clock."""
    python("-m", "neurorecon", "--help")  # warm the file cache
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert python("-m", "neurorecon", "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) <= 0.3


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary_of_the_group_is_that_of_the_command(name):
    command = importlib.import_module(f"neurorecon.cli.{name}").command
    assert command.get_short_help_str(limit=200) == SUMMARIES[name]


def test_version_is_that_of_the_package():
    result = CliRunner().invoke(main, ["--version"], prog_name="neurorecon")
    assert result.output == f"neurorecon {neurorecon.__version__}\n"


def test_unknown_command_is_refused_with_code_2():
    result = CliRunner().invoke(main, ["reconstruct"])
    assert result.exit_code == 2
    assert "No such command 'reconstruct'" in result.output


def test_expected_error_is_one_line_on_stderr(outcome):
    def fail():
        raise InputError("a\nb.tif: no such file")

    result = outcome(fail)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "neurorecon: error: a\\nb.tif: no such file\n"


def test_no_neuron_has_its_own_code(outcome):
    def fail():
        raise NoNeuronError("the stack is constant: no neuron found")

    result = outcome(fail)
    assert result.exit_code == 3
    assert "no neuron found" in result.stderr


def test_interrupt_ends_with_130(outcome):
    def fail():
        raise KeyboardInterrupt

    result = outcome(fail)
    assert result.exit_code == 130
    assert result.stderr == "neurorecon: interrupted\n"


def test_a_bug_keeps_its_traceback(outcome):
    def fail():
        raise ZeroDivisionError("a bug")

    assert isinstance(outcome(fail).exception, ZeroDivisionError)


def test_warning_of_the_package_is_one_line_on_stderr(outcome):
    result = outcome(lambda: logging.getLogger("neurorecon.io").warning("voxel size\nis unknown"))
    assert result.exit_code == 0
    assert result.stderr == "neurorecon: warning: voxel size\\nis unknown\n"
    assert not logging.getLogger("neurorecon").handlers


LONG = f"{'a' * 300}.swc"  # file systems take names of 255 bytes


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", LONG, "gold.swc"),
        ("validate", LONG),
        ("validate", "--repair", LONG, "-o", "out.swc"),
        ("run", LONG, "-o", "out.swc"),
        ("run", "stack.tif", "-o", LONG),
        ("trace", LONG, "-o", "out.swc"),
        ("batch", LONG, "-o", "out"),
        ("segment", LONG, "-o", "out.tif"),
        ("export", LONG, "--to", "nml"),
        ("rerun", LONG),
        ("doctor", LONG),
        ("review", "audit", LONG),
    ],
    ids=" ".join,
)
def test_a_name_that_is_too_long_is_a_line_and_no_traceback(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, list(command))
    assert result.exit_code == 2, result.output
    assert "File name too long" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_reader_that_goes_away_leaves_no_traceback():
    code = (
        "import click, neurorecon.cli.doctor as doctor; from neurorecon.cli import main\n"
        "doctor.command = click.Command('doctor', callback=lambda: [click.echo('x' * 1000) for _ in range(10000)])\n"
        "main(['doctor'])"
    )
    command = f'{sys.executable} -c "$CODE" | head -n 1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command], env={"CODE": code, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "141"


def test_python_m_neurorecon_is_the_program():
    done = python("-m", "neurorecon", "--version")
    assert done.stdout == f"neurorecon {neurorecon.__version__}\n"


@pytest.mark.parametrize("command", ["run", "trace", "batch"])
def test_the_help_says_the_numbers_that_are_used_when_an_option_is_not_given(command):
    from neurorecon.core.probability import CERTAIN, Probability
    from neurorecon.tracing import TraceSettings, prune

    text = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
    of_another = Probability(np.zeros((1, 1, 1), np.uint8)).certain
    assert f"counts as neurite. Default: {CERTAIN} in the map of a network, else {of_another}." in text
    assert f"than this (0 to 1); 0 keeps all. [default: {TraceSettings().confidence}]" in text
    assert f"Default: {TraceSettings().spur_px:g} pixels, or the radius" in text
    assert f"Default: at least {prune.LEAST_PX:g} pixels and a quarter of a whole neuron." in text
    assert prune.LEAST_SHARE == 0.25
    assert "a default that fits" not in text.lower()


def test_the_help_takes_blocks_and_times_from_the_settings():
    from neurorecon.batch import BatchSettings
    from neurorecon.volumes import SegmentVolumeSettings, TraceVolumeSettings

    texts = {name: " ".join(CliRunner().invoke(main, [name, "--help"]).output.split()) for name in SUMMARIES}
    for name, settings in (("segment", SegmentVolumeSettings()), ("trace", TraceVolumeSettings())):
        assert ",".join(map(str, settings.block)) in texts[name]
    assert f"[default: {BatchSettings().settle_seconds:g}]" in texts["batch"]
    assert "[default: fit-voxels]" in texts["run"].replace("- ", "-")  # the help breaks lines there
    assert not [name for name, text in texts.items() if "default: True" in text]


@pytest.mark.parametrize("error", [MemoryError("Unable to allocate 26.0 GiB"), MemoryError()])
def test_memory_that_runs_out_is_one_line_with_a_way_out(outcome, error):
    def work():
        raise error

    result = outcome(work)
    assert result.exit_code == 2
    assert result.output.startswith(
        f"neurorecon: error: memory ran out: {str(error) or 'Python says no more'}; end what"
    )
    assert len(result.output.splitlines()) == 1
