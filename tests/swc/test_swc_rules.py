"""One broken file a rule, with the line it is found at."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.swc import Finding, validate_swc

DATA = Path(__file__).parents[3] / "shared" / "data"
GOOD = "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 20 0 0 1 2\n"


@pytest.fixture
def findings(tmp_path):
    def judge(content):
        path = tmp_path / "cell.swc"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = validate_swc(path)
        assert all(str(f).startswith(f"{path}:{f.line}: ") for f in found)
        return [(f.line, f.what) for f in found]

    return judge


def line(start, stop, *, step=1.0, first_id=1):
    """A straight branch along x with nodes `step` apart."""
    ids = range(first_id, first_id + stop - start)
    return "".join(f"{i} 3 {(start + k) * step:g} 0 0 0.5 {i - 1 if k else -1}\n" for k, i in enumerate(ids))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "1 1 0 0 0 5 -1\n",
        "# units: um\r\n" + GOOD.replace("\n", "\r\n"),
        GOOD.replace(" ", "\t"),
        GOOD + "4 1 50 0 0 5 -1\n5 2 60 0 0 1 4\n",  # two neurons
        "1 1 0 0 0 5 -1\n2 1 0 5 0 5 1\n3 1 0 -5 0 5 1\n4 3 9 0 0 1 1\n",  # soma of three points
        "1 1 0 0 0 5 -1\n2 1 3 3 0 1 1\n3 1 0 6 0 1 2\n4 3 9 0 0 1 1\n",  # outline
        "1 5 0 0 0 1 -1\n2 7 1 0 0 1 1\n3 19 2 0 0 1 2\n",  # custom types
        "1 3 0 0 0 1 -1\n2 3 4 0 0 1 1\n3 3 8 0 0 1 2\n4 3 0 5 0 1 1\n5 3 4 0 0 1 4\n6 3 9 9 9 1 5\n",  # a crossing
    ],
    ids=[
        "plain",
        "soma-only",
        "crlf",
        "tabs",
        "two-neurons",
        "three-point-soma",
        "outline",
        "custom-types",
        "crossing",
    ],
)
def test_valid_files_have_no_findings(findings, text):
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(1, "the file holds no node")]),
        ("# words\n", [(1, "the file holds no node")]),
        (GOOD + "4 3 1\n", [(4, "3 columns where 7")]),
        (GOOD + "4 3 1 x 0 1 3\n5 3 40 0 0 1 4\n", [(4, "y is 'x'")]),  # line 5 is not blamed for line 4
        (GOOD + "4 3 nan 0 0 1 3\n", [(4, "x is 'nan'")]),
        (GOOD.replace("2 3", "2 -1"), [(2, "node 2 has type -1")]),
        (GOOD.replace("3 3 20", "3 20 20"), [(3, "node 3 has type 20")]),
        (GOOD.replace("3 3 20", "5 3 20"), [(3, "node id 5 where 3 is due")]),
        ("0 3 0 0 0 1 -1\n1 3 1 0 0 1 0\n", [(1, "node id 0 where 1 is due")]),
        ("1 3 0 0 0 1 -1\n2 3 2 0 0 1 3\n3 3 1 0 0 1 1\n", [(2, "node 2 comes before its parent 3 (line 3)")]),
        (GOOD.replace("1 2\n", "1 7\n"), [(3, "node 3 names parent 7, which is not in the file")]),
        (GOOD.replace("0 1 1\n", "0 1 2\n"), [(2, "node 2 is its own parent")]),
        (
            GOOD + "4 3 1 1 1 1 6\n5 3 2 2 2 1 4\n6 3 3 3 3 1 5\n7 3 4 4 4 1 6\n",
            [(4, "node 4 comes before its parent 6"), (4, "nodes 4, 6, 5 run in a loop")],
        ),
        (GOOD + "3 3 20 0 0 1 2\n", [(4, "node 3 occurs twice; line 3 has it"), (4, "node id 3 where 4")]),
        (GOOD.replace("20 0 0 1", "20 0 0 0"), [(3, "node 3 has radius 0;")]),
        (GOOD.replace("20 0 0 1", "20 0 0 -2"), [(3, "node 3 has radius -2;")]),
        (GOOD.replace("20 0 0 1", "20 0 0 nan"), [(3, "node 3 has radius nan;")]),
        (GOOD.replace("3 3 20", "3 3 10"), [(3, "node 3 stands in the place of its parent 2; length zero")]),
        (GOOD + "4 3 20 0 0 1 2\n", [(4, "node 4 is a duplicate of node 3")]),
        (GOOD + "4 3 0 0 0 1 -1\n", [(4, "node 4 is a duplicate of node 1")]),
        (GOOD + "4 1 30 0 0 1 3\n", [(4, "node 4 is soma but its parent, node 3, has type 3")]),
        (
            "1 1 0 0 0 1 -1\n2 1 1 0 0 1 1\n3 1 2 0 0 1 2\n4 1 2 1 0 1 2\n",
            [(2, "the soma branches at node 2")],
        ),
        ("\ufeff" + GOOD, [(1, "byte order mark")]),
        (GOOD.encode("utf-16"), [(1, "UTF-16")]),
        (GOOD.encode() + "# Größe\n".encode("latin-1"), [(4, "byte 0xf6 is not UTF-8")]),
        (GOOD.replace("2 3 10 0 0 1 1", "2,3,10,0,0,1,1"), [(2, "commas")]),
        (GOOD.replace("1 1\n", "1 1 99\n"), [(2, "8 columns where 7 are due")]),
        (GOOD.replace("2 3 10", "2.0 3 10"), [(2, "decimal point")]),
        (b"\x89PNG\r\n\x1a\n\x00", [(1, "1 columns"), (1, "not UTF-8"), (2, "1 columns"), (3, "1 columns")]),
    ],
)
def test_each_fault_is_found_at_its_line(findings, text, expected):
    found = findings(text)
    assert len(found) == len(expected), found
    for (at, what), (due_at, due) in zip(found, expected, strict=True):
        assert at == due_at
        assert due in what


def test_node_that_fell_to_the_far_end_is_a_jump(findings):
    text = line(0, 60) + "61 3 100000 0 0 1 60\n62 3 100001 0 0 1 61\n"
    found = findings(text)
    assert [at for at, _ in found] == [61]
    assert "node 61 is 99941 away from its parent 60; a jump" in found[0][1]


def test_edge_out_of_a_large_soma_is_no_jump(findings):
    text = "1 1 -224 0 0 220 -1\n" + line(0, 60, first_id=2).replace("-1\n", "1\n", 1)
    assert findings(text) == []


def test_few_long_edges_between_dense_ones_are_no_jump(findings):
    dense, sparse = line(0, 60), "".join(f"{61 + k} 3 {60 + 90 * k} 90 0 1 {60 + k}\n" for k in range(8))
    assert findings(dense + sparse) == []


def test_long_edges_between_very_dense_ones_are_no_jump(findings):
    dense = "".join(f"{1 + k} 3 {0.5 * k} 0 0 1 {k or -1}\n" for k in range(60))
    sparse = "".join(f"{61 + k} 3 {30 + 90 * k} 90 0 1 {60 + k}\n" for k in range(8))
    assert findings(dense + sparse) == []  # 180 times the usual edge, but one in ten is as long


def test_finding_is_one_line_whatever_the_name():
    assert str(Finding("a\nb.swc", 3, "x\ty")) == "a\\nb.swc:3: x\\ty"


def test_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        validate_swc(tmp_path / "no.swc")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the morphologies of {DATA}")
def test_no_real_tracing_has_a_jump_thinned_or_not(tmp_path):
    with zipfile.ZipFile(DATA / "swc_corpus" / "swc_corpus.zip") as archive:
        archive.extractall(tmp_path)
    files = [*sorted(tmp_path.rglob("*.swc"))[::8], *sorted(DATA.glob("gold166_*/*.gold.swc"))[::2]]
    assert len(files) > 50
    for file in files:
        assert not [f for f in validate_swc(file) if "jump" in f.what], file


def test_jump_rule_stands_far_from_random_sparse_trees(findings):
    rng = np.random.default_rng(3)
    for _ in range(5):
        xyz = np.cumsum(rng.exponential(10.0, (80, 3)) + 0.1, axis=0)  # edges over two decades
        rows = [f"{k + 1} 3 {x:.3f} {y:.3f} {z:.3f} 0.5 {k or -1}" for k, (x, y, z) in enumerate(xyz)]
        assert findings("\n".join(rows) + "\n") == []


@pytest.mark.parametrize(
    "text", ["2 3 0 0 0 1 1\n", "1,1,10,20,30,2,\n2,3,11,20,30,1,1\n", "5 3 0 0 0 1 2\n7 3 1 0 0 1 5\n"]
)
def test_a_parent_that_is_not_there_is_a_finding_however_few_nodes_there_are(tmp_path, text):
    (tmp_path / "a.swc").write_text(text)
    found = validate_swc(tmp_path / "a.swc")
    assert any(
        "which is not in the file" in str(finding) or "columns where 7 are due" in str(finding) for finding in found
    )
