"""The command validate: findings, exit codes, repair."""

import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.cli.validate import command

GOOD = "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n"
CURABLE = "2 3 10 0 0 1 1\n1 1 0 0 0 5 -1\n"
BROKEN = "1 1 0 0 0 5 -1\n2 3 10 0 0 1 7\n3 3 x 0 0 1 2\n"


@pytest.fixture
def files(tmp_path):
    for name, text in {"good": GOOD, "curable": CURABLE, "broken": BROKEN}.items():
        (tmp_path / f"{name}.swc").write_text(text)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(command, list(map(str, arguments)))


def test_valid_file_is_silent(files):
    result = run(files / "good.swc")
    assert (result.exit_code, result.output) == (0, "")


def test_every_finding_is_a_line_with_path_and_number(files):
    path = files / "broken.swc"
    result = run(files / "good.swc", path)
    assert result.exit_code == 1, result.output
    assert result.stdout.splitlines() == [
        f"{path}:2: node 2 names parent 7, which is not in the file",
        f"{path}:3: x is 'x'; a finite number is due",
    ]


def test_file_that_cannot_be_read_does_not_stop_the_others(files):
    result = run(files / "no.swc", files / "broken.swc", files)
    assert result.exit_code == 2
    assert "no.swc: no such file" in result.stderr
    assert "is a directory" in result.stderr
    assert f"{files / 'broken.swc'}:2: " in result.stdout


def test_name_with_a_line_break_stays_on_one_line(tmp_path):
    path = tmp_path / "<script>\n神経 'q'.swc"
    path.write_text("1 1 0\n")
    result = run(path)
    assert result.stdout.count("\n") == 1
    assert "<script>\\n神経 'q'.swc:1: 3 columns" in result.stdout


def test_repair_writes_a_valid_file_and_says_what_it_did(files):
    out = files / "out.swc"
    result = run(files / "curable.swc", "--repair", "-o", out)
    assert result.exit_code == 0, result.output
    assert f"{files / 'curable.swc'}: ordered the nodes, parents first" in result.stdout
    assert run(out).exit_code == 0


def test_repair_of_a_valid_file_is_a_copy(files):
    result = run(files / "good.swc", "--repair", "-o", files / "out.swc")
    assert "nothing needed repair; copied" in result.stdout
    assert (files / "out.swc").read_text() == GOOD


def test_repair_refuses_invention_and_writes_nothing(files):
    arguments = ["validate", str(files / "broken.swc"), "--repair", "-o", str(files / "out.swc")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"neurorecon: error: {files / 'broken.swc'}:3: x is 'x'")
    assert "cannot be repaired without inventing" in result.stderr
    assert not (files / "out.swc").exists()


def test_repair_keeps_what_exists_unless_told(files):
    path = files / "curable.swc"
    assert CliRunner().invoke(main, ["validate", str(path), "--repair", "-o", str(path)]).exit_code == 2
    assert path.read_text() == CURABLE
    assert run(path, "--repair", "-o", path, "--overwrite").exit_code == 0
    assert run(path).exit_code == 0


@pytest.mark.parametrize("arguments", [["--repair"], ["-o", "out.swc"], ["b.swc", "--repair", "-o", "out.swc"]])
def test_options_that_do_not_go_together_are_a_usage_error(arguments):
    result = run("a.swc", *arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
