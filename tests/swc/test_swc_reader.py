"""What the reader takes, and what it says of the rest."""

import logging

import numpy as np
import pytest

from neurorecon.core.errors import FormatError, InputError
from neurorecon.swc import read_swc, stated_unit

PLAIN = "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 20 0 0.5 1.5 2\n"


@pytest.fixture
def swc(tmp_path):
    def write(content):
        path = tmp_path / "cell.swc"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_columns_land_where_the_format_says(swc):
    tree = read_swc(swc(PLAIN))
    assert tree.xyz.tolist() == [[0, 0, 0], [10, 0, 0], [20, 0, 0.5]]
    assert tree.radius.tolist() == [5, 1, 1.5]
    assert tree.parent.tolist() == [-1, 0, 1]
    assert tree.type.tolist() == [1, 3, 3]
    assert tree.unit == "um"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(" ", ","),
        PLAIN.replace(" ", ", "),
        PLAIN.replace(" ", "\t"),
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        PLAIN.rstrip("\n"),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        "# Größe\n".encode("latin-1") + PLAIN.encode(),
        "# form\ffeed\u2028and separator\n" + PLAIN,
        PLAIN.replace("\n", " 7 8 9\n"),
        PLAIN.replace("\n", " # a word\n"),
        PLAIN.replace("-1", "-1.0").replace("2 3 10", "2.0 3.0 1e1"),
        PLAIN.replace("1 1 0", "+1 1 0"),
    ],
    ids=[
        "crlf",
        "cr",
        "commas",
        "comma-blank",
        "tabs",
        "blank-lines",
        "no-last-end",
        "bom",
        "utf16",
        "latin1",
        "separators",
        "columns",
        "inline-comment",
        "decimal-points",
        "plus",
    ],
)
def test_harmless_variants_give_the_same_tree(swc, content):
    tree = read_swc(swc(content))
    assert tree.xyz[:, 0].tolist() == [0, 10, 20]
    assert tree.parent.tolist() == [-1, 0, 1]


def test_nodes_are_put_in_order_and_branches_stay_together(swc):
    tree = read_swc(swc("7 3 3 0 0 1 9\n4 1 0 0 0 1 -1\n9 3 2 0 0 1 4\n5 2 0 9 0 1 4\n8 3 4 0 0 1 7\n"))
    assert tree.parent.tolist() == [-1, 0, 1, 2, 0]
    assert tree.xyz[:, 0].tolist() == [0, 2, 3, 4, 0]
    assert tree.type.tolist() == [1, 3, 3, 3, 2]


def test_ids_from_zero_and_with_holes_are_only_names(swc):
    assert read_swc(swc("0 1 0 0 0 1 -1\n100000 3 1 0 0 1 0\n")).parent.tolist() == [-1, 0]


def test_several_roots_give_a_forest(swc):
    tree = read_swc(swc("1 1 0 0 0 1 -1\n2 1 9 0 0 1 -1\n3 3 1 0 0 1 1\n"))
    assert tree.roots.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("# units: voxel", "voxel"),
        ("#units=pixels", "voxel"),
        ("# Units : um", "um"),
        ("# unit: µm", "um"),
        ("# nothing of the kind", None),
        ("# units: furlong", None),
    ],
)
def test_unit_is_read_from_the_header(swc, caplog, header, unit):
    path = swc(f"{header}\n{PLAIN}")
    assert stated_unit(path) == unit
    assert read_swc(path).unit == (unit or "um")
    assert ("furlong" in caplog.text) == ("furlong" in header)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1\n", 2, "6 columns where 7 are due"),
        ("# a\n\n1 1 0 zero 0 1 -1\n", 3, "y is 'zero'; a finite number is due"),
        ("1 1 0 0 0 1 -1\n2 3 nan 0 0 1 1\n", 2, "x is 'nan'"),
        ("1 1 0 0 inf 1 -1\n", 1, "z is 'inf'"),
        ("1 1 0 0 1e999 1 -1\n", 1, "z is '1e999'"),
        ("1 1 0 0 0 wide -1\n", 1, "radius is 'wide'"),
        ("1.5 1 0 0 0 1 -1\n", 1, "id is '1.5'; a whole number is due"),
        ("x1 1 0 0 0 1 -1\n", 1, "id is 'x1'"),
        ("1_0 1 0 0 0 1 -1\n", 1, "id is '1_0'"),
        ("\u0661 1 0 0 0 1 -1\n", 1, "id is"),
        ("nan 1 0 0 0 1 -1\n", 1, "id is 'nan'"),
        ("99999999999999999999 1 0 0 0 1 -1\n", 1, "larger than any reader takes"),
        ("-4 1 0 0 0 1 -1\n", 1, "id is -4"),
        ("1 soma 0 0 0 1 -1\n", 1, "type is 'soma'"),
        ("1 1 0 0 0 1 -1\n9 3 1 0 0 1 7\n", 2, "node 9 names parent 7, which is not in the file"),
        ("1 1 0 0 0 1 -2\n", 1, "node 1 names parent -2"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 1\n2 3 2 0 0 1 1\n", 3, "node 2 occurs twice; line 2 has it"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 3\n3 3 2 0 0 1 2\n", 2, "node 2 is on or below a loop"),
        ("1 1 0 0 0 1 1\n", 1, "node 1 is on or below a loop"),
        ("# only words\n", 1, "the file holds no node"),
        ("", 1, "the file holds no node"),
        ("\x00\x01\x02", 1, "1 columns"),
    ],
)
def test_broken_files_are_refused_with_path_line_and_reason(swc, text, line, what):
    path = swc(text)
    with pytest.raises(FormatError) as caught:
        read_swc(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert what in str(caught.value)


def test_file_without_nodes_is_an_empty_tree_where_that_is_asked_for(swc):
    assert len(read_swc(swc("# found nothing\n"), allow_empty=True)) == 0


def test_missing_file_and_folder_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_swc(tmp_path / "no.swc")
    with pytest.raises(InputError, match="is a directory"):
        read_swc(tmp_path)


def test_name_with_a_line_break_stays_on_one_line(tmp_path):
    path = tmp_path / "a\nb.swc"
    path.write_text("1 1\n")
    with pytest.raises(FormatError) as caught:
        read_swc(path)
    assert "a\\nb.swc:1: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unmeasured_radius_is_lent_by_the_nearest_node_and_said(swc, caplog):
    text = "1 1 0 0 0 0 -1\n2 3 1 0 0 0 1\n3 3 2 0 0 4 2\n4 3 3 0 0 -1 3\n5 3 3 0 0 nan 1\n6 0 9 9 9 0 -1\n"
    with caplog.at_level(logging.WARNING):
        tree = read_swc(swc(text))
    assert tree.radius.tolist() == [4, 4, 4, 4, 4, 1]
    assert "5 radii are not above 0" in caplog.text


def test_order_of_lines_does_not_matter(swc):
    rng = np.random.default_rng(7)
    parents = [-1] + [int(rng.integers(1, k + 1)) for k in range(1, 60)]
    lines = [f"{k + 1} 3 {k} {k * k} 0 1 {parent}" for k, parent in enumerate(parents)]
    tree = read_swc(swc("\n".join(lines)))
    shuffled = read_swc(swc("\n".join(rng.permutation(lines))))
    edges, edges_shuffled = (
        {(t.xyz[k, 0], t.xyz[p, 0]) for k, p in enumerate(t.parent) if p >= 0} for t in (tree, shuffled)
    )
    assert edges == edges_shuffled
    assert shuffled.cable_length == pytest.approx(tree.cable_length)
