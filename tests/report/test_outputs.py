"""The files of one stack: which there are, in which order, and what an earlier result leaves behind."""

import csv
import errno
import json
import pathlib

import numpy as np
import pytest

from neurorecon.core.errors import OutputError
from neurorecon.core.files import hash_path
from neurorecon.core.stack import Stack
from neurorecon.core.surface import Outline
from neurorecon.core.tree import Tree
from neurorecon.report import Provenance, check_outputs, file_rows, swc_paths, write_outlines, write_outputs
from neurorecon.report import outputs as module
from neurorecon.swc import read_swc


def forest(trees):
    points = np.array([[k * 4 + i, k, 1] for k in range(trees) for i in range(3)], float)
    parents = np.array([parent for k in range(trees) for parent in (-1, 3 * k, 3 * k + 1)])
    return Tree(points, np.ones(len(points)), parents, np.array([1, 0, 0] * trees), "voxel")


STACK = Stack(np.arange(4 * 12 * 20, dtype=np.uint16).reshape(4, 12, 20), source="cell.tif")


def write(folder, trees=1, name="cell.swc", **kwargs):
    return write_outputs(forest(trees), STACK, Provenance(input_sha256="e" * 64), folder / name, **kwargs)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_tree_leaves_swc_picture_and_manifest(tmp_path):
    manifest = write(tmp_path)
    assert names(tmp_path) == ["cell.json", "cell.png", "cell.review.csv", "cell.swc"]
    assert json.loads((tmp_path / "cell.json").read_text()) == manifest
    assert manifest["outputs"] == {n: hash_path(tmp_path / n) for n in ("cell.swc", "cell.review.csv", "cell.png")}
    assert len(read_swc(tmp_path / "cell.swc")) == 3
    assert "# input sha256: " + "e" * 64 in (tmp_path / "cell.swc").read_text()


def test_several_neurons_leave_several_files_or_one(tmp_path):
    write(tmp_path, 3)
    assert names(tmp_path) == ["cell.json", "cell.png", "cell.review.csv", "cell_1.swc", "cell_2.swc", "cell_3.swc"]
    assert "# neuron: 2 of 3" in (tmp_path / "cell_2.swc").read_text()
    write(tmp_path, 3, "all.swc", single_file=True)
    assert len(read_swc(tmp_path / "all.swc").roots) == 3


@pytest.mark.parametrize("there", ["cell_2.swc", "cell.soma_2.obj"])
def test_nothing_is_written_where_one_of_several_files_is_there(tmp_path, there):
    (tmp_path / there).write_text("mine")
    ball = Outline(np.eye(3), np.array([[0, 1, 2]]), np.zeros(3), "voxel")
    with pytest.raises(OutputError, match=f"{there}: exists already"):
        write(tmp_path, 3, outlines=[ball] * 3)
    assert names(tmp_path) == [there]
    assert "cell_3.swc" in write(tmp_path, 3, outlines=[ball] * 3, overwrite=True)["outputs"]


def test_no_surface_is_written_where_one_of_several_is_there(tmp_path):
    (tmp_path / "cell.soma_2.obj").write_text("mine")
    ball = Outline(np.eye(3), np.array([[0, 1, 2]]), np.zeros(3), "voxel")
    with pytest.raises(OutputError, match=r"cell\.soma_2\.obj: exists already"):
        write_outlines([ball] * 3, tmp_path / "cell.swc")
    assert names(tmp_path) == ["cell.soma_2.obj"]


def test_the_review_list_names_the_file_of_each_neuron_and_covers_all_of_them(tmp_path):
    write(tmp_path, 3)
    with open(tmp_path / "cell.review.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert sorted(row["file"] for row in table) == ["cell_1.swc", "cell_2.swc", "cell_3.swc"]
    assert sum(float(row["length"]) for row in table) == forest(3).cable_length
    write(tmp_path, 3, "all.swc", single_file=True)
    assert "all.swc" in (tmp_path / "all.review.csv").read_text()


def test_a_review_list_that_cannot_be_written_leaves_no_half_of_one(tmp_path, monkeypatch):
    write(tmp_path)
    whole = pathlib.Path.write_text

    def full(self, text, **kwargs):
        if ".review" in self.name:
            whole(self, text[: len(text) // 2], **kwargs)
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, text, **kwargs)

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(OutputError, match=r"review\.csv.*No space"):
        write(tmp_path, overwrite=True)
    assert names(tmp_path) == ["cell.swc"]


def test_a_name_with_several_suffixes_keeps_all_but_the_last(tmp_path):
    write(tmp_path, name="a.ome.zarr.swc")
    assert names(tmp_path) == ["a.ome.zarr.json", "a.ome.zarr.png", "a.ome.zarr.review.csv", "a.ome.zarr.swc"]
    assert [path.name for path in swc_paths(tmp_path / "a.tif.swc", 2)] == ["a.tif_1.swc", "a.tif_2.swc"]


def test_overwriting_leaves_no_tree_of_the_former_result(tmp_path):
    write(tmp_path, 5)
    (tmp_path / "cell_4.swc").write_text("edited by hand")
    write(tmp_path, 2, overwrite=True)
    assert names(tmp_path) == ["cell.json", "cell.png", "cell.review.csv", "cell_1.swc", "cell_2.swc", "cell_4.swc"]


@pytest.mark.parametrize("content", ["not json", "[]", '{"outputs": 3}', '{"outputs": {"../../etc/x": "0", "": "1"}}'])
def test_a_strange_json_in_the_place_of_the_manifest_is_replaced(tmp_path, content):
    (tmp_path / "cell.json").write_text(content)
    write(tmp_path, overwrite=True)
    assert json.loads((tmp_path / "cell.json").read_text())["tree"]["nodes"] == 3


@pytest.mark.parametrize(
    "existing", ["cell.swc", "cell_1.swc", "cell.review.csv", "cell.png", "cell.html", "cell.json"]
)
def test_whatever_exists_is_refused_before_anything_is_written(tmp_path, existing):
    (tmp_path / existing).write_text("mine")
    with pytest.raises(OutputError, match=f"{existing}.*--overwrite"):
        check_outputs(tmp_path / "cell.swc")
    with pytest.raises(OutputError):
        write(tmp_path)
    assert names(tmp_path) == [existing]


def test_an_output_that_is_no_swc_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.swc"):
        check_outputs(tmp_path / "cell.tif", overwrite=True)


def test_the_manifest_comes_last_so_it_never_names_files_that_are_not_there(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OutputError("disk full")

    write(tmp_path)
    monkeypatch.setattr(module, "draw_overlay", full)
    with pytest.raises(OutputError, match="disk full"):
        write(tmp_path, overwrite=True)
    assert names(tmp_path) == ["cell.review.csv", "cell.swc"]


def test_the_same_reconstruction_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    for name in ("cell.swc", "cell.review.csv", "cell.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_each_of_many_crumbs_goes_with_the_neuron_that_is_nearest_to_its_soma():
    rng = np.random.default_rng(0)
    middles, crumbs = rng.uniform(0, 1000, (12, 3)), rng.uniform(0, 1000, (30, 3))
    step = np.array([[3.0 * k, 0, 0] for k in range(40)])
    places = [*(middle + step for middle in middles), *(crumb + step[:3] / 3 for crumb in crumbs)]
    first = np.cumsum([0, *map(len, places)])
    parents = np.concatenate(
        [np.r_[-1, start + np.arange(len(one) - 1)] for one, start in zip(places, first, strict=False)]
    )
    kinds = np.where(parents < 0, 1, 0)
    points = np.concatenate(places)
    rows = file_rows(Tree(points, np.ones(len(points)), parents, kinds, "voxel"), pathlib.Path("a.swc"))
    assert len(rows) == len(middles)
    for crumb, start in zip(crumbs, first[len(middles) :], strict=False):
        distance = [np.linalg.norm(one - crumb, axis=1).min() for one in places[: len(middles)]]
        own = next(own for _, own in rows if start in own)
        assert first[int(np.argmin(distance))] in own


def test_a_soma_with_a_crumb_goes_with_the_nearest_neuron_and_the_longest_comes_first():
    long = np.array([[3.0 * k, 0, 0] for k in range(40)])
    longer = np.array([[3.0 * k, 500, 0] for k in range(60)])
    crumb = np.array([[50.0 + k, 520, 0] for k in range(4)])
    points = np.concatenate([crumb, long, longer])
    parents = np.concatenate([np.arange(n) - 1 + (np.arange(n) > 0) * start
                              for start, n in ((0, 4), (4, 40), (44, 60))])  # fmt: skip
    kinds = np.zeros(len(points), int)
    kinds[[0, 4, 44]] = 1
    rows = file_rows(Tree(points, np.ones(len(points)), parents, kinds, "voxel"), pathlib.Path("a.swc"))
    assert [path.name for path, _ in rows] == ["a_1.swc", "a_2.swc"]
    assert [len(own) for _, own in rows] == [64, 40]
