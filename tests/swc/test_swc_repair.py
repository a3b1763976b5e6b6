"""What is repaired, what is refused, and what is said."""

from pathlib import Path

import numpy as np
import pytest

from neurorecon.core.errors import FormatError, InputError, OutputError
from neurorecon.swc import read_swc, repair_swc, validate_swc

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def repaired(tmp_path):
    def run(content):
        path, out = tmp_path / "in.swc", tmp_path / "out.swc"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        did = repair_swc(path, out)
        assert validate_swc(out) == []
        return "; ".join(did), out.read_text(encoding="utf-8")

    return run


def nodes(text):
    return [row for row in text.splitlines() if not row.startswith("#")]


def test_valid_file_is_copied_byte_by_byte(repaired):
    text = "# mine\n1 1 0 0 0 5.000 -1\n2 3 10 0 0 1e0 1 # here\n"
    assert repaired(text) == ("", text)


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        (
            "7 3 2 0 0 1 5\n5 1 0 0 0 1 -1\n",
            "ordered the nodes, parents first; numbered the nodes 1, 2, 3",
            ["1 1 0 0 0 1 -1", "2 3 2 0 0 1 1"],
        ),
        (
            "1 1 0 0 0 1 -1\n2 3 1 0 0 1 1\n2 3 1 0 0 1 1\n3 3 2 0 0 1 2\n",
            "dropped 1 lines that repeat a node; numbered",
            ["1 1 0 0 0 1 -1", "2 3 1 0 0 1 1", "3 3 2 0 0 1 2"],
        ),
        (
            "1 1 0 0 0 3 -1\n2 3 0 0 0 1 1\n3 3 1 0 0 1 2\n4 3 1 0 0 1 2\n5 3 2 0 0 1 4\n",
            "merged 2 nodes",
            ["1 1 0 0 0 3 -1", "2 3 1 0 0 1 1", "3 3 2 0 0 1 2"],
        ),
        (
            "1 1 0 0 0 3 -1\n2 3 1 0 0 0 1\n3 3 2 0 0 nan 2\n",
            "took the radius of 2 nodes, which had none above 0, from the nearest",
            ["1 1 0 0 0 3 -1", "2 3 1 0 0 3 1", "3 3 2 0 0 3 2"],
        ),
        (
            "1 1 0 0 0 3 -1\n2 274 1 0 0 1 1\n",
            "set the type of 1 nodes to 0 (undefined); it was 274",
            ["1 1 0 0 0 3 -1", "2 0 1 0 0 1 1"],
        ),
        (
            "1 3 0 0 0 1 -1\n2 3 1 0 0 1 1\n3 1 2 0 0 6 2\n4 3 3 0 0 1 3\n",
            "rooted a tree at its soma at 2, 0, 0; the edges are the same",
            ["1 1 2 0 0 6 -1", "2 3 1 0 0 1 1", "3 3 0 0 0 1 2", "4 3 3 0 0 1 1"],
        ),
        (
            "1 1 0 0 0 1 -1\n2 3 1 0 0 1 1\n4 3 9 0 0 1 3\n",
            "line 3: made node 4 a root, its parent 3 is not there; numbered",
            ["1 1 0 0 0 1 -1", "2 3 1 0 0 1 1", "3 3 9 0 0 1 -1"],
        ),
        (
            "\ufeff1,1,0,0,0,1,-1,8\n2,3,1.00001,0,0,1,1,9\n",
            "rounded the coordinates to 4 decimals",
            ["1 1 0 0 0 1 -1", "2 3 1 0 0 1 1"],
        ),
        (
            "1.0 1 0 0 0 0.00001 -1\n2 3 1 0 0 1 1\n",
            "set 1 radii below 0.0001 to 0.0001",
            ["1 1 0 0 0 0.0001 -1", "2 3 1 0 0 1 1"],
        ),
        ("# Größe\n1 1 0 0 0 1 -1\n".encode("latin-1"), "byte 0xf6 is not UTF-8", ["1 1 0 0 0 1 -1"]),
    ],
    ids=["order", "doubled-line", "places", "radius", "type", "soma", "lost-parent", "form", "tiny-radius", "latin1"],
)
def test_form_is_repaired_and_said(repaired, text, said, expected):
    did, out = repaired(text)
    assert said in did
    assert nodes(out) == expected


def test_units_are_kept_never_added(repaired):
    rows = "2 1 0 0 0 1 -1\n"
    assert "units" not in repaired(rows)[1]


@pytest.mark.parametrize("unit", ["um", "voxel", "furlong"])
def test_header_is_kept_once(repaired, unit):
    did, text = repaired(f"# by hand\n# units: {unit}\n# id type x y z radius parent\n2 1 0 0 0 1 -1\n# end\n")
    header = [row for row in text.splitlines() if row.startswith("#")]
    assert sorted(header) == ["# by hand", "# id type x y z radius parent", f"# units: {unit}"]
    assert "left out 1 comments" in did


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("1 1 0 0 0 1 -1\n2 3 x 0 0 1 1\n", 2, "x is 'x'"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 1\n2 3 2 0 0 1 1\n", 3, "differs from line 2"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 3\n3 3 2 0 0 1 2\n", 2, "nodes 2, 3 run in a loop"),
        ("1 1 0 0 0 0 -1\n2 3 1 0 0 0 1\n", 1, "no node of its tree has one"),
        (
            "1 3 0 0 0 1 -1\n2 1 1 0 0 1 1\n3 3 2 0 0 1 2\n4 1 3 0 0 1 3\n5 3 3 3 0 1 1\n",
            2,
            "node 2 is soma but its parent, node 1, has type 3",
        ),
        ("# nothing\n", 1, "there is nothing to repair"),
        ("".join(f"{k + 2} 3 {k if k < 30 else 10**6} 0 0 1 {k + 1 if k else -1}\n" for k in range(31)), 31, "a jump"),
    ],
    ids=["unreadable", "two-meanings", "loop", "no-radius", "two-somata", "empty", "jump"],
)
def test_what_would_need_invention_is_refused_and_nothing_written(tmp_path, text, line, what):
    path = tmp_path / "in.swc"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        repair_swc(path, tmp_path / "out.swc")
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert what in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["in.swc"]


def test_output_that_exists_is_kept_unless_told(tmp_path):
    path = tmp_path / "in.swc"
    path.write_text("2 1 0 0 0 1 -1\n")
    with pytest.raises(OutputError, match="exists already"):
        repair_swc(path, path)
    repair_swc(path, path, overwrite=True)
    assert nodes(path.read_text()) == ["1 1 0 0 0 1 -1"]


def test_missing_input_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        repair_swc(tmp_path / "no.swc", tmp_path / "out.swc")


def test_shape_is_the_same_after_hanging_a_tree_on_its_soma(repaired, tmp_path):
    rng = np.random.default_rng(5)
    xyz = rng.integers(0, 1000, (50, 3))
    parents = [-1] + [int(rng.integers(1, k + 1)) for k in range(1, 50)]
    kinds = [3] * 50
    kinds[31] = 1
    rows = [f"{k + 1} {kinds[k]} {x} {y} {z} 1 {parents[k]}" for k, (x, y, z) in enumerate(xyz)]
    repaired("\n".join(rows) + "\n")
    before, after = read_swc(tmp_path / "in.swc"), read_swc(tmp_path / "out.swc")
    assert after.type[0] == 1
    assert after.cable_length == pytest.approx(before.cable_length)
    degrees = [sorted(t.children_count + (t.parent >= 0)) for t in (before, after)]
    assert degrees[0] == degrees[1]


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the tracings of {DATA}")
def test_expert_tracings_can_be_repaired(tmp_path):
    for file in sorted(DATA.glob("gold166_mip/*.gold.swc"))[::8]:
        repair_swc(file, tmp_path / file.name)
        assert validate_swc(tmp_path / file.name) == []
        assert read_swc(tmp_path / file.name).cable_length == pytest.approx(read_swc(file).cable_length, rel=1e-6)


def test_a_file_of_another_kind_is_not_repaired_and_called_so(tmp_path):
    (tmp_path / "a.swc").write_text("<xml/>")
    with pytest.raises(FormatError, match="is XML") as caught:
        repair_swc(tmp_path / "a.swc", tmp_path / "b.swc")
    assert "by hand" not in str(caught.value)
    assert not (tmp_path / "b.swc").exists()
