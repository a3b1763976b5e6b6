"""The file of verdicts at the border: one line that says where and what."""

import json

import pytest

from neurorecon.core.errors import InputError
from neurorecon.mend import Verdict, format_verdicts, read_verdicts


def test_what_is_written_is_read(tmp_path):
    verdicts = (
        Verdict(1, "drop", 15, 11, 21, at="2026-11-29T12:00:00Z", note="blood vessel, \u2026"),
        Verdict(2, "join", 5, to=6),
        Verdict(3, "kind", 5, kind=3),
        Verdict(4, "extend", 5, point=(12.0, 3.25, 0.0)),
        Verdict(5, "refuse", 6, point=(1.5, -2.0, 7.0)),
    )
    path = tmp_path / "v.json"
    path.write_text(format_verdicts(verdicts, tree_file="cell.swc", tree_sha256="ab", by="\u00c5sa"), encoding="utf-8")
    found = read_verdicts(path)
    assert found.verdicts == verdicts
    keys = [set(one) for one in json.loads(path.read_text(encoding="utf-8"))["verdicts"]]
    assert ["point" in one for one in keys] == [False, False, False, True, True]
    assert (found.tree_file, found.tree_sha256, found.by) == ("cell.swc", "ab", "\u00c5sa")


@pytest.mark.parametrize(
    ("verdict", "what"),
    [
        (
            {"do": "erase", "node": 1},
            "\"do\" is 'erase'; one of keep, drop, detach, join, root, kind, extend, refuse is",
        ),
        ({"do": "drop", "node": 1, "to": 3}, '"drop" needs "from"'),
        ({"do": "join", "node": 1}, '"join" needs "to"'),
        ({"do": "kind", "node": 1}, '"kind" needs "kind"'),
        ({"do": "kind", "node": 1, "kind": 20}, '"kind" is 20; an SWC type from 0 to 19 is needed'),
        ({"do": "extend", "node": 1}, '"extend" needs "point"'),
        ({"do": "refuse", "node": 1, "point": [1, 2]}, '"point" is [1, 2]; three numbers [x, y, z] are needed'),
        ({"do": "extend", "node": 1, "point": [1, 2, True]}, "three numbers [x, y, z] are needed"),
        ({"do": "root"}, '"node" is missing'),
        ({"do": "root", "node": "1"}, "\"node\" is '1'; a whole number or null is needed"),
        ({"do": "root", "node": True}, '"node" is True; a whole number or null is needed'),
        ({"do": "root", "node": 1.5}, '"node" is 1.5; a whole number or null is needed'),
        ({"do": "root", "node": -4}, '"node" is -4; the id of a node is needed'),
        ({"do": "root", "node": 1, "form": 3}, "unknown key 'form'"),
        ({"do": "root", "node": 1, "note": 3}, '"note" is 3; a text is needed'),
        (["root", 1], "is no table"),
    ],
)
def test_wrong_verdict_is_refused_with_its_number(fork_file, verdicts_file, verdict, what):
    path = verdicts_file(fork_file, verdicts=[{"do": "root", "node": 1}, verdict])
    with pytest.raises(InputError) as error:
        read_verdicts(path)
    assert str(error.value).startswith(f"{path}: verdict 2: ")
    assert what in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is no JSON, or damaged"),
        ("[]", "is no file of verdicts"),
        ('{"format": "other"}', "is no file of verdicts"),
        ('{"format": "neurorecon-verdicts", "version": 2}', "has version 2; this neurorecon reads version 1"),
        ('{"format": "neurorecon-verdicts", "version": 1}', 'needs a table "tree" and a list "verdicts"'),
        ("[" * 100_000, "is no JSON, or damaged"),
        ('{"format": "neurorecon-verdicts", "version": 1, "tree": {"file": 3}, "verdicts": []}', '"file" is 3'),
    ],
)
def test_other_files_are_refused(tmp_path, text, what):
    path = tmp_path / "v.json"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_verdicts(path)
    assert str(path) in str(error.value)
    assert what in str(error.value)
    assert len(str(error.value)) < 400


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_verdicts(tmp_path / "none.json")


def test_fixture_of_these_tests_is_the_format(fork_file, verdicts_file):
    table = json.loads(verdicts_file(fork_file, ("drop", 15, {"from": 11, "to": 21})).read_text())
    assert sorted(table) == ["by", "format", "made", "tree", "verdicts", "version"]
    assert sorted(table["verdicts"][0]) == ["at", "do", "from", "kind", "node", "note", "to"]
