"""SWC files that end within their last line, as after a download that broke off."""

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.errors import FormatError
from neurorecon.swc import read_swc, repair_swc, validate_swc

COUNT = 400
WHOLE = "1 1 0 0 0 5 -1\n" + "".join(f"{k} 3 {k} 0 0 1 {k - 1}\n" for k in range(2, COUNT))
"""A straight neurite whose last node, 399, hangs on node 398."""


@pytest.fixture
def file_of(tmp_path):
    def write(text):
        path = tmp_path / "a.swc"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("digits", [1, 2])
def test_a_parent_that_was_cut_off_is_said(file_of, caplog, digits):
    path = file_of(WHOLE[: -1 - digits])
    tree = read_swc(path)
    assert np.linalg.norm(tree.xyz[-1] - tree.xyz[tree.parent[-1]]) > 300  # the right edge is 1 long
    assert "ends within its last number" in caplog.text
    assert "node 398 is near" in caplog.text
    assert [f.line for f in validate_swc(path) if "ends within" in f.what] == [COUNT - 1]


def test_a_file_without_a_line_break_at_its_end_is_whole(file_of, caplog):
    path = file_of(WHOLE[:-1])
    read_swc(path)
    assert not caplog.text
    assert validate_swc(path) == []


def test_a_line_with_fewer_columns_than_the_others_is_said(file_of, caplog):
    path = file_of(WHOLE.replace("\n", " 0.5\n")[:-5])
    read_swc(path)
    assert "fewer columns than the lines before" in caplog.text


def test_a_long_last_edge_is_no_cut_without_a_nearer_node_of_such_a_number(file_of, caplog):
    path = file_of(WHOLE + f"{COUNT} 3 0 200 0 1 7")  # nothing else is near
    read_swc(path)
    assert not caplog.text


@pytest.mark.parametrize("cut", [4, 5, 8])
def test_a_last_line_that_is_too_short_is_refused_as_cut_off(file_of, cut):
    with pytest.raises(FormatError, match="the file ends within this line"):
        read_swc(file_of(WHOLE[:-cut]))


def test_a_cut_end_is_not_repaired(file_of, tmp_path):
    path = file_of(WHOLE[:-2])
    with pytest.raises(FormatError, match="cannot be repaired"):
        repair_swc(path, tmp_path / "b.swc")


def test_evaluate_says_that_a_tree_is_cut_off(file_of, tmp_path):
    gold = tmp_path / "gold.swc"
    gold.write_text(WHOLE)
    ended = CliRunner().invoke(main, ["evaluate", str(file_of(WHOLE[:-2])), str(gold)])
    assert ended.exit_code == 0, ended.output
    assert "ends within its last number" in ended.output
