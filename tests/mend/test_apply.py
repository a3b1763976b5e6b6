"""`neurorecon review apply`: from files to files."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.files import hash_path
from neurorecon.core.tree import Tree
from neurorecon.swc import read_swc, validate_swc, write_swc


def review(*arguments):
    return CliRunner().invoke(main, ["review", *map(str, arguments)], prog_name="neurorecon")


ARM = {"from": 11, "to": 21}


def test_mended_tree_is_valid_and_its_header_says_what_was_done(fork_file, verdicts_file, tmp_path):
    verdicts = verdicts_file(fork_file, ("keep", 5, {"from": 1, "to": 11}), ("drop", 15, ARM), by="\u00c5sa")
    before = fork_file.read_bytes()
    result = review("apply", fork_file, verdicts, "-o", tmp_path / "m.swc")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {tmp_path / 'm.swc'}: 2 of 2 verdicts done; 21 nodes, 20 voxels of cable\n"
    assert validate_swc(tmp_path / "m.swc") == []
    lines = (tmp_path / "m.swc").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# units: voxel", "# made by: hand"]
    assert f"# mended from sha256: {hash_path(fork_file)}" in lines
    assert "# verdicts: cell.verdicts.json by \u00c5sa" in lines
    assert f"# verdicts sha256: {hash_path(verdicts)}" in lines
    assert "# verdicts done: drop 1, keep 1; left out 0" in lines
    assert fork_file.read_bytes() == before


def test_each_verdict_stands_in_the_log(fork_file, verdicts_file, tmp_path):
    verdicts = verdicts_file(
        fork_file, ("drop", 15, ARM | {"note": "a vessel"}), ("root", 15, {}), ("kind", 25, {"kind": 3})
    )
    result = review("apply", fork_file, verdicts, "-o", tmp_path / "m.swc")
    assert result.exit_code == 0, result.output
    assert "warning: verdict 2 (root): left out: the node was dropped" in result.stderr
    lines = [json.loads(line) for line in (tmp_path / "m.audit.jsonl").read_text().splitlines()]
    assert [(line["do"], line["done"], line["what"]) for line in lines] == [
        ("drop", True, "dropped 10 voxel"),
        ("root", False, "the node was dropped"),
        ("kind", True, "set the type of 10 nodes to 3"),
    ]
    assert lines[0]["note"] == "a vessel"
    assert {line["tree_sha256"] for line in lines} == {hash_path(fork_file)}


def test_applying_twice_changes_nothing(fork_file, verdicts_file, tmp_path):
    verdicts = verdicts_file(fork_file, ("drop", 15, ARM), ("root", 25, {}))
    for name in ("a.swc", "b.swc"):
        assert review("apply", fork_file, verdicts, "-o", tmp_path / name).exit_code == 0
    result = review("apply", tmp_path / "a.swc", verdicts, "-o", tmp_path / "c.swc")
    assert result.exit_code == 0, result.output
    assert "nothing changed" in result.stdout
    first = (tmp_path / "a.swc").read_bytes()
    assert (tmp_path / "b.swc").read_bytes() == first
    assert (tmp_path / "c.swc").read_bytes() == first
    assert (tmp_path / "a.audit.jsonl").read_bytes() == (tmp_path / "b.audit.jsonl").read_bytes()


def test_verdicts_of_another_tree_are_refused_in_one_line(fork, fork_file, verdicts_file, tmp_path):
    verdicts = verdicts_file(fork_file, ("drop", 15, ARM))
    write_swc(fork, fork_file, overwrite=True)  # the same nodes under another header are another file
    result = review("apply", fork_file, verdicts, "-o", tmp_path / "m.swc")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "is about another tree" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.swc", "cell.verdicts.json"]


def test_refused_verdict_leaves_nothing_and_outputs_are_not_overwritten(fork_file, verdicts_file, tmp_path):
    bad = verdicts_file(fork_file, ("drop", 15, {"from": 12, "to": 31}))
    result = review("apply", fork_file, bad, "-o", tmp_path / "m.swc")
    assert result.exit_code == 2
    assert result.stderr == (
        f"neurorecon: error: {bad}: verdict 1 (drop): no stretch leads from node 31 up to node 12\n"
    )
    assert not (tmp_path / "m.swc").exists()
    good = verdicts_file(fork_file, ("drop", 15, ARM))
    (tmp_path / "m.audit.jsonl").write_text("mine")
    assert review("apply", fork_file, good, "-o", tmp_path / "m.swc").exit_code == 2
    assert (tmp_path / "m.audit.jsonl").read_text() == "mine"
    assert review("apply", fork_file, good, "-o", tmp_path / "m.swc", "--overwrite").exit_code == 0
    assert review("apply", fork_file, good, "-o", tmp_path / "m.txt").exit_code == 2


def test_ids_are_those_of_the_file_whatever_its_order(tmp_path, verdicts_file):
    path = tmp_path / "odd.swc"
    path.write_text("70 3 2 0 0 1 30\n10 1 0 0 0 1 -1\n30 3 1 0 0 1 10\n50 3 1 5 0 1 30\n")
    verdicts = verdicts_file(path, ("drop", 50, {"from": 30, "to": 50}))
    result = review("apply", path, verdicts, "-o", tmp_path / "m.swc")
    assert result.exit_code == 0, result.output
    assert read_swc(tmp_path / "m.swc").xyz.tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]


@pytest.fixture
def bend(tmp_path):
    """Two pieces of one neurite whose middle is a half circle of radius 15 around (40, 20, 8), and its map."""
    import tifffile

    angle = np.linspace(0, np.pi, 200)
    circle = np.stack([40 - 15 * np.cos(angle), 20 + 15 * np.sin(angle), np.full(200, 8.0)], axis=1)
    left = np.stack([np.arange(5, 26), np.full(21, 20), np.full(21, 8)], axis=1)
    right = np.stack([np.arange(55, 76), np.full(21, 20), np.full(21, 8)], axis=1)
    grid = np.stack(np.meshgrid(*map(np.arange, (16, 48, 80)), indexing="ij"), axis=-1)[..., ::-1]
    line = np.concatenate([left, circle, right])
    distance = np.sqrt(((grid[..., None, :] - line[::4]) ** 2).sum(-1).min(-1))
    tifffile.imwrite(tmp_path / "map.tif", np.rint(255 * np.exp(-(distance**2) / 8)).astype(np.uint8))
    parent = [*range(-1, 20), -1, *range(21, 41)]
    tree = Tree(np.concatenate([left, right]).astype(float), np.ones(42), np.array(parent), unit="voxel")
    write_swc(tree, tmp_path / "bent.swc")
    return tmp_path / "bent.swc", tmp_path / "map.tif"


def test_join_follows_the_neurite_around_a_bend(bend, verdicts_file, tmp_path):
    swc, probability = bend
    verdicts = verdicts_file(swc, ("join", 21, {"to": 22}))
    result = review("apply", swc, verdicts, "-o", tmp_path / "m.swc", "--probability", probability)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found = read_swc(tmp_path / "m.swc")
    assert validate_swc(tmp_path / "m.swc") == []
    assert len(found.roots) == 1
    new = found.xyz[(found.xyz[:, 0] > 25.5) & (found.xyz[:, 0] < 54.5)]
    off = np.abs(np.linalg.norm(new - [40, 20, 8], axis=1) - 15)
    assert off.max() < 2
    assert found.cable_length == pytest.approx(40 + 15 * np.pi, rel=0.05)
    assert 1 < np.median(found.edge_length[found.edge_length > 1.1]) < 2


def test_map_beside_the_tree_is_found_by_its_name(bend, verdicts_file, tmp_path):
    swc, probability = bend
    probability.rename(swc.with_name("bent_prob.tif"))
    verdicts = verdicts_file(swc, ("join", 21, {"to": 22}))
    assert review("apply", swc, verdicts, "-o", tmp_path / "m.swc").exit_code == 0
    assert read_swc(tmp_path / "m.swc").xyz[:, 1].max() > 33
    assert "along bent_prob.tif" in (tmp_path / "m.audit.jsonl").read_text()


def test_join_without_map_and_stack_is_a_straight_line_with_a_warning(bend, verdicts_file, tmp_path):
    swc, _ = bend
    verdicts = verdicts_file(swc, ("join", 21, {"to": 22}))
    result = review("apply", swc, verdicts, "-o", tmp_path / "m.swc")
    assert result.exit_code == 0, result.output
    assert "warning: joins are straight lines" in result.stderr
    assert "--stack" in result.stderr
    found = read_swc(tmp_path / "m.swc")
    assert found.cable_length == pytest.approx(70)
    assert found.edge_length.max() < 1.6


def test_map_that_is_named_and_cannot_be_used_is_an_error(bend, verdicts_file, tmp_path):
    swc, _ = bend
    verdicts = verdicts_file(swc, ("join", 21, {"to": 22}))
    result = review("apply", swc, verdicts, "-o", tmp_path / "m.swc", "--probability", tmp_path / "none.tif")
    assert result.exit_code == 2
    assert "none.tif" in result.stderr
    assert not (tmp_path / "m.swc").exists()


def test_join_in_micrometres_runs_through_a_map_with_voxel_size(bend, verdicts_file, tmp_path):
    import tifffile

    swc, probability = bend
    small = tifffile.imread(probability)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 0.5}
    tifffile.imwrite(tmp_path / "um.ome.tif", small, metadata=metadata)
    tree = read_swc(swc)
    write_swc(Tree(tree.xyz / 2, tree.radius / 2, tree.parent), tmp_path / "um.swc")
    verdicts = verdicts_file(tmp_path / "um.swc", ("join", 21, {"to": 22}))
    result = review(
        "apply", tmp_path / "um.swc", verdicts, "-o", tmp_path / "m.swc", "--probability", tmp_path / "um.ome.tif"
    )
    assert result.exit_code == 0, result.output
    assert read_swc(tmp_path / "m.swc").cable_length == pytest.approx(20 + 7.5 * np.pi, rel=0.05)
