"""`neurorecon batch` on real stacks: what `run` leaves, for each; failures told; plans and refusals."""

import csv
import json
import shutil

import pytest

from neurorecon import read_swc, validate_swc

EVIL = "z <script>'x'\n神经.tif"


@pytest.fixture(scope="module")
def done(tmp_path_factory, y_stack, bright_model):
    """One batch with its outputs, for all that is only looked at."""
    import numpy as np
    import tifffile
    from click.testing import CliRunner

    from neurorecon.cli import main

    folder = tmp_path_factory.mktemp("batch")
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    for name in ("a.tif", f"sub/{EVIL}"):
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.asarray(y_stack.data), imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    tifffile.imwrite(
        folder / "in" / "flat.tif", np.full((8, 20, 20), 9, np.uint8), imagej=True, metadata={"axes": "ZYX"}
    )
    (folder / "in" / "a.npy").write_bytes(b"truncated")
    arguments = ["batch", folder / "in", "-o", folder / "out", "--model", bright_model]
    arguments = [str(argument) for argument in arguments]
    return folder, CliRunner().invoke(main, arguments), arguments


def summary(folder):
    with open(folder / "out" / "summary.csv", newline="", encoding="utf-8") as file:
        return {row["input"]: row for row in csv.DictReader(file)}


def test_each_stack_has_its_outcome_and_the_exit_code_tells_of_failures(done):
    folder, result, _ = done
    assert result.exit_code == 1, result.output
    assert "4 stacks: 2 reconstructed, 1 without a neuron, 1 failed" in result.stdout
    assert "a.npy" in result.stderr
    assert {name: row["status"] for name, row in summary(folder).items()} == {
        "a.npy": "failed",
        "a.tif": "done",
        "flat.tif": "no neuron",
        "sub/" + EVIL.replace("\n", r"\n"): "done",
    }


def test_a_stack_of_a_batch_has_what_run_leaves(done, bright_model, neurorecon, tmp_path):
    folder, _, _ = done
    alone = neurorecon("run", folder / "in" / "a.tif", "-o", tmp_path / "a.swc", "--model", bright_model)
    assert alone.exit_code == 0, alone.output

    def nodes(path):
        return [line for line in path.read_text().splitlines() if not line.startswith("#")]

    assert nodes(folder / "out" / "a.tif.swc") == nodes(tmp_path / "a.swc")
    assert (folder / "out" / "a.tif.png").stat().st_size > 1000
    batch, run = (json.loads(p.read_text()) for p in (folder / "out" / "a.tif.json", tmp_path / "a.json"))
    assert batch["input"] == run["input"] | {"path": "a.tif"}
    assert batch["tree"] == run["tree"]
    assert batch["model"] == run["model"]


def test_trees_are_valid_and_measured(done, y_tree):
    folder, _, _ = done
    row = summary(folder)["a.tif"]
    tree = read_swc(folder / "out" / row["output"])
    assert validate_swc(folder / "out" / row["output"]) == []
    assert float(row["cable_length"]) == pytest.approx(tree.cable_length, rel=0.001)
    assert (row["unit"], row["branch_points"], row["strahler"]) == ("um", "1", "2")


def test_evil_names_come_through(done):
    folder, _, _ = done
    assert (folder / "out" / "sub" / f"{EVIL[:-4]}.swc").is_file()
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>'x'" not in page
    assert page.count("data:image/jpeg;base64,") == 2


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--threshold", "0.4"], "trace.threshold unset, now it is 0.4"),
        (["--tta"], "segment.tta false, now it is true"),
    ],
)
def test_run_again_with_another_setting_it_is_refused_in_a_sentence(done, neurorecon, option, said):
    _, _, arguments = done
    result = neurorecon(*arguments, *option)
    assert result.exit_code == 2
    assert f"was begun with {said}; use the same" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_dry_run_tells_and_writes_nothing(done, neurorecon, tmp_path):
    folder, _, _ = done
    seen = []
    for shard in ("1/2", "2/2"):
        result = neurorecon(
            "batch", folder / "in", "-o", tmp_path / "new", "--recursive", "--dry-run", "--shard", shard
        )
        assert result.exit_code == 0, result.output
        *lines, last = result.stdout.splitlines()
        assert last == f"{len(lines)} stack{'s' if len(lines) > 1 else ''}; nothing was written"
        seen += lines
    assert len(set(seen)) == len(seen) == 4
    one = neurorecon("batch", folder / "in", "-o", tmp_path / "new", "--pattern", "flat.tif", "--dry-run")
    assert one.stdout.splitlines()[-1] == "1 stack; nothing was written"
    assert not list(tmp_path.iterdir())
    again = neurorecon("batch", folder / "in", "-o", folder / "out", "--dry-run")
    assert [line.split()[0] for line in again.stdout.splitlines()[:2]] == ["failed", "done"]


def test_a_batch_without_failures_ends_well_even_if_there_is_no_neuron(done, neurorecon, bright_model, tmp_path):
    folder, _, _ = done
    (tmp_path / "in").mkdir()
    shutil.copy(folder / "in" / "flat.tif", tmp_path / "in")
    result = neurorecon("batch", tmp_path / "in", "-o", tmp_path / "out", "--model", bright_model)
    assert result.exit_code == 0, result.output
    assert "1 without a neuron, 0 failed" in result.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".neurorecon", "report.html", "summary.csv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "no-such"], "no model 'no-such'"),
        (["--device", "cuda:99"], "--device cuda:99"),
        (["--shard", "5/4"], "--shard got '5/4'"),
        (["--pattern", "*.lsm"], "no stack that matches '*.lsm'"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(done, neurorecon, tmp_path, options, message):
    result = neurorecon("batch", done[0] / "in", "-o", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_refused(neurorecon, tmp_path):
    result = neurorecon("batch", tmp_path / "nothing", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "no such folder" in result.stderr
