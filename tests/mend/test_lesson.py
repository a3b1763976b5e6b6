"""What a review teaches: a pair that `neurorecon train --data` takes, asked only where somebody looked."""

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack
from neurorecon.swc import read_swc, stated_unit, write_swc

SHAPE = (12, 80, 200)


def review(*arguments):
    return CliRunner().invoke(main, ["review", *map(str, arguments)], prog_name="neurorecon")


@pytest.fixture
def reviewed(tmp_path, verdicts_file):
    """A stack with a trunk along x at y = 20; a false branch at x = 60 along y; the trunk ends at x = 180."""
    import tifffile

    trunk = [(x, 20, 6) for x in range(10, 181)]
    branch = [(60, y, 6) for y in range(21, 71)]
    parent = [*range(-1, 170), 50, *range(171, 220)]
    tree = Tree(np.array(trunk + branch, float), np.ones(221), np.array(parent), unit="voxel")
    write_swc(tree, tmp_path / "cell.swc")
    grey = np.random.default_rng(1).integers(0, 20, SHAPE).astype(np.uint8)
    for x, y, z in trunk:
        grey[z - 1 : z + 2, y - 1 : y + 2, x] = 200
    tifffile.imwrite(tmp_path / "cell.tif", grey, imagej=True, metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"})
    verdicts = verdicts_file(
        tmp_path / "cell.swc", ("keep", 40, {"from": 31, "to": 51}), ("drop", 200, {"from": 51, "to": 221})
    )
    return tmp_path / "cell.swc", verdicts, tmp_path / "cell.tif"


def test_pair_is_asked_near_what_was_looked_at_and_nowhere_else(reviewed, tmp_path):
    swc, verdicts, stack = reviewed
    result = review(
        "apply", swc, verdicts, "-o", tmp_path / "m.swc", "--stack", stack, "--training", tmp_path / "pairs"
    )
    assert result.exit_code == 0, result.output
    pairs = tmp_path / "pairs"
    assert sorted(path.name for path in pairs.iterdir()) == ["m.swc", "m.tif", "m_ignore.tif"]
    assert stated_unit(pairs / "m.swc") == "voxel"
    assert read_swc(pairs / "m.swc").cable_length == 170
    assert (np.asarray(read_stack(pairs / "m.tif").data) == np.asarray(read_stack(stack).data)).all()
    unasked = np.asarray(read_stack(pairs / "m_ignore.tif").data) > 0
    assert unasked.shape == SHAPE
    assert not unasked[6, 20, 46:55].any()  # kept: asked
    assert not unasked[6, 30:75, 60].any()  # dropped: asked
    assert unasked[6, 20, 62:].all()  # nobody looked at the rest of the trunk
    assert unasked[:, :, 140:].all()  # nor anywhere there
    assert unasked[6, 20, 10:35].all()


def test_labels_of_the_pair_have_neurite_background_and_what_is_not_asked(reviewed, tmp_path):
    from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE
    from neurorecon.training.sources.truth import find_pairs, labels_of_pair

    swc, verdicts, stack = reviewed
    review("apply", swc, verdicts, "-o", tmp_path / "m.swc", "--stack", stack, "--training", tmp_path / "pairs")
    ((image, truth),) = find_pairs(tmp_path / "pairs")
    low = labels_of_pair(read_stack(image), truth) & 3
    assert (low[6, 20, 46:55] == CENTRE).all()
    assert (low[6, 35:70, 60] == BACKGROUND).all()  # what was dropped is background
    assert (low[6, 20, 100:180] == IGNORE).all()


def test_pair_needs_the_stack_and_is_said_before_anything_is_written(reviewed, tmp_path):
    swc, verdicts, _ = reviewed
    result = review("apply", swc, verdicts, "-o", tmp_path / "m.swc", "--training", tmp_path / "pairs")
    assert result.exit_code == 2
    assert "give --stack" in result.stderr
    assert not (tmp_path / "m.swc").exists()


def test_join_and_pair_of_a_run_need_nothing_but_its_record(y_stack, tmp_path, verdicts_file):
    """The map is made again, for the box of the join, by the network that OUT.json names."""
    import tifffile

    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    path = tmp_path / "y.tif"
    tifffile.imwrite(path, np.asarray(y_stack.data), imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    made = CliRunner().invoke(main, ["run", str(path), "-o", str(tmp_path / "y.swc"), "--device", "cpu"])
    assert made.exit_code == 0, made.output
    tree = read_swc(tmp_path / "y.swc")
    tip = int(tree.tips[-1])
    cut = int(tree.parent[int(tree.parent[int(tree.parent[tip])])])
    verdicts = verdicts_file(
        tmp_path / "y.swc", ("detach", cut + 1, {}), ("join", cut + 1, {"to": int(tree.parent[cut]) + 1})
    )
    result = review("apply", tmp_path / "y.swc", verdicts, "-o", tmp_path / "m.swc", "--training", tmp_path / "pairs")
    assert result.exit_code == 0, result.output
    assert "along a map of" in (tmp_path / "m.audit.jsonl").read_text()
    found = read_swc(tmp_path / "m.swc")
    assert len(found.roots) == len(tree.roots)
    assert found.cable_length == pytest.approx(tree.cable_length, rel=0.03)
    assert (tmp_path / "pairs" / "m.tif").exists()
    with open(path, "ab") as handle:
        handle.write(b"more")
    result = review("apply", tmp_path / "y.swc", verdicts, "-o", tmp_path / "n.swc")
    assert result.exit_code == 0, result.output
    assert "joins are straight lines" in result.stderr
    assert "is not the stack that" in result.stderr
