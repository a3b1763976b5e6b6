"""Damaged inputs of every format end in a result or in one line that names the file; and a reader at fault is found."""

import json
import os
import subprocess
import sys

import pytest

FAULTS = {"escaped", "hang", "memory", "crash", "message", "noise", "left behind"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured as Linux does")


def run(root, tmp_path, *options):
    """Run the fuzzing as its docstring says; return exit code, notes and the table."""
    command = [sys.executable, "-m", "tests.fuzz.run", *options, "--json", str(tmp_path / "notes.json")]
    done = subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.returncode, json.loads((tmp_path / "notes.json").read_text()), done.stdout + done.stderr


def check(code, notes, said, count):
    assert len(notes) == count
    assert [note for note in notes if note["what"] in FAULTS] == [], said
    assert code == 0
    assert {note["what"] for note in notes} == {"read", "refused"}
    for kind in {note["kind"] for note in notes}:
        outcomes = [note["what"] for note in notes if note["kind"] == kind]
        assert "refused" in outcomes, f"{kind}: nothing was damaged"


def test_300_damaged_inputs_are_read_or_refused_in_one_line(root, tmp_path):
    check(*run(root, tmp_path, "--count", "344", "--seed", "7"), 344)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_2100_damaged_inputs_are_read_or_refused_in_one_line(root, tmp_path, seed):
    check(*run(root, tmp_path, "--count", "2100", "--seed", str(seed)), 2100)


def test_the_same_seed_gives_the_same_outcomes(root, tmp_path):
    options = ("--count", "40", "--seed", "3", "--kinds", "SWC;npy;v3draw")
    one, two = (run(root, tmp_path, *options)[1] for _ in range(2))
    assert [(n["number"], n["name"], n["what"]) for n in one] == [(n["number"], n["name"], n["what"]) for n in two]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("TIFF", "escaped"),
        ("TIFF, ImageJ", "hang"),
        ("TIFF, OME", "hang"),
        ("folder of planes", "memory"),
        ("v3draw", "memory"),
        ("v3dpbd", "crash"),
        ("ims", "message"),
        ("NRRD", "message"),
        ("NIfTI", "noise"),
        ("npy", "noise"),
        ("SWC", "left behind"),
    ],
)
def test_a_reader_at_fault_is_found(root, tmp_path, kind, fault):
    seconds = "3" if fault == "hang" else "60"  # on a busy machine 700 MB are not filled within 3 s
    options = ("--count", "1", "--kinds", kind, "--readers", "tests.fuzz.planted", "--seconds", seconds)
    code, notes, said = run(root, tmp_path, *options)
    assert code == 3
    assert [note["what"] for note in notes] == [fault], said
    assert f"({kind}, " in said
