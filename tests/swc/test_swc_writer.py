"""What is written: form, rounding, and nothing but whole files."""

import logging

import numpy as np
import pytest

from neurorecon.core.errors import InputError, OutputError
from neurorecon.core.tree import Tree
from neurorecon.swc import format_swc, read_swc, validate_swc, write_swc


def chain(xyz, **columns):
    xyz = np.asarray(xyz, float)
    columns = {"radius": np.ones(len(xyz)), "parent": np.arange(len(xyz)) - 1, **columns}
    return Tree(xyz, **columns)


def test_text_is_what_the_format_asks_for():
    tree = chain([[0, 0, 0], [1.5, -2, 1 / 3]], radius=np.array([4, 0.25]), type=np.array([1, 3]), unit="voxel")
    assert format_swc(tree, header=["made by hand"]) == (
        "# units: voxel\n# made by hand\n# id type x y z radius parent\n1 1 0 0 0 4 -1\n2 3 1.5 -2 0.3333 0.25 1\n"
    )


def test_large_and_tiny_numbers_need_no_exponent():
    text = format_swc(chain([[1e7 + 0.5, -1e-9, 100]], radius=np.array([1e-12])))
    assert text.endswith("1 0 10000000.5 0 100 0.0001 -1\n")


def test_header_cannot_break_out_of_its_line():
    lines = format_swc(chain([[0, 0, 0]]), header=["a\n1 1 0 0 0 1 -1", "naïve 神経 \udcff", ""]).splitlines()
    assert lines[1:4] == ["# a\\n1 1 0 0 0 1 -1", "# naïve 神経 \\udcff", "#"]
    assert len(lines) == 6


def test_first_unit_line_is_the_tree_s_own(tmp_path):
    write_swc(chain([[0, 0, 0]], unit="voxel"), tmp_path / "a.swc", header=["units: um"])
    assert read_swc(tmp_path / "a.swc").unit == "voxel"


def test_nodes_of_one_place_are_written_once():
    # 0 - 1 - 2 with 2 on 1; two children at (9, 0, 0), each with a child of its own at one more place
    xyz = [[0, 0, 0], [5, 0, 0], [5, 0, 0.00001], [9, 0, 0], [9, 0, 0], [9, 4, 0], [9, 4, 0], [9, 0, 7]]
    tree = chain(xyz, parent=np.array([-1, 0, 1, 2, 1, 3, 4, 4]), type=np.array([0, 3, 3, 3, 3, 3, 3, 3]))
    body = [line for line in format_swc(tree).splitlines() if line[0] != "#"]
    assert body == ["1 0 0 0 0 1 -1", "2 3 5 0 0 1 1", "3 3 9 0 0 1 2", "4 3 9 4 0 1 3", "5 3 9 0 7 1 3"]


def test_soma_is_kept_when_it_goes_into_a_root_of_its_place():
    tree = chain([[1, 1, 1], [1, 1, 1], [5, 1, 1]], type=np.array([3, 1, 3]), radius=np.array([1, 6, 1]))
    assert "1 1 1 1 1 6 -1\n2 3 5 1 1 1 1\n" in format_swc(tree)


def test_crossing_branches_keep_both_their_nodes():
    xyz = [[0, 0, 0], [4, 0, 0], [8, 0, 0], [0, 5, 0], [4, 0, 0], [9, 9, 9]]
    tree = chain(xyz, parent=np.array([-1, 0, 1, 0, 3, 4]))
    assert sum(" 4 0 0 " in line for line in format_swc(tree).splitlines()) == 2


def test_types_that_no_reader_takes_become_undefined(caplog):
    with caplog.at_level(logging.WARNING):
        text = format_swc(chain([[0, 0, 0], [1, 0, 0], [2, 0, 0]], type=np.array([1, 274, -3])))
    assert [line.split()[1] for line in text.splitlines()[2:]] == ["1", "0", "0"]
    assert "2 nodes have a type outside 0 to 19" in caplog.text


def test_empty_tree_is_refused(tmp_path):
    with pytest.raises(InputError, match="without nodes"):
        write_swc(chain(np.zeros((0, 3))), tmp_path / "a.swc")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "a.swc"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        write_swc(chain([[0, 0, 0]]), path)
    assert path.read_text() == "mine"
    write_swc(chain([[0, 0, 0]]), path, overwrite=True)
    assert validate_swc(path) == []
    assert [p.name for p in tmp_path.iterdir()] == ["a.swc"]


def test_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        write_swc(chain([[0, 0, 0]]), tmp_path / "no" / "a.swc")
