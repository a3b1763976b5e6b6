"""`neurorecon run`: SWC, picture and record from a raw stack; all of them or none."""

import json
from types import SimpleNamespace

import morphio
import numpy as np
import pytest
from PIL import Image

from neurorecon import __version__, read_stack, read_swc, validate_swc, write_stack
from neurorecon.core.files import hash_path


@pytest.fixture(scope="module")
def done(tmp_path_factory, y_stack, bright_model):
    """One run with its outputs, for all that is only looked at."""
    import tifffile
    from click.testing import CliRunner

    from neurorecon.cli import main

    folder = tmp_path_factory.mktemp("run")
    stack = folder / "ζ <b>'y'.tif"
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(stack, np.asarray(y_stack.data), imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    arguments = [
        "run",
        stack,
        "-o",
        folder / "out.swc",
        "--model",
        bright_model,
        "--keep-probability",
        folder / "p.tif",
    ]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return folder, stack, result


@pytest.fixture(scope="module")
def record(done):
    return json.loads((done[0] / "out.json").read_text())


def test_run_leaves_swc_picture_record_and_probability(done):
    folder, stack, result = done
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(["out.html", "out.json", "out.png", "out.review.csv", "out.swc", "p.tif", stack.name])
    assert "wrote" in result.stdout
    assert "out.swc" in result.stdout


def test_swc_is_valid_and_of_the_right_length(done, y_tree):
    path = done[0] / "out.swc"
    assert validate_swc(path) == []
    tree = read_swc(path)
    assert tree.unit == "um"
    assert tree.cable_length == pytest.approx(0.5 * y_tree.cable_length, rel=0.15)
    assert len(morphio.Morphology(str(path)).root_sections) >= 1


def test_picture_is_a_picture(done):
    with Image.open(done[0] / "out.png") as picture:
        assert min(picture.size) > 100
        assert len(set(picture.convert("RGB").resize((64, 64)).get_flattened_data())) > 2


def test_record_holds_input_model_settings_and_costs(record, done, bright_model):
    stack = done[1]
    assert record["input"]["path"] == str(stack)
    assert record["input"]["sha256"] == hash_path(stack)
    assert record["input"]["shape_zyx"] == [16, 40, 56]
    assert record["model"]["name"] == "bright"
    assert record["model"]["sha256"] == hash_path(bright_model / "model.safetensors")
    assert record["settings"]["segment"]["model"] == str(bright_model)
    assert {"threshold", "min_length", "soma"} <= set(record["settings"]["trace"])
    assert record["versions"]["neurorecon"] == __version__
    assert [stage["name"] for stage in record["stages"]] == ["segment", "trace"]
    assert all(stage["seconds"] >= 0 and stage["peak_bytes"] > 0 for stage in record["stages"])
    assert record["tree"]["tips"] == 3 or record["tree"]["tips"] == 2
    assert record["warnings"] == []


def test_swc_header_says_how_it_came_about(record, done):
    header = "\n".join(line for line in (done[0] / "out.swc").read_text().splitlines() if line.startswith("#"))
    for fact in ("units: um", record["input"]["sha256"], record["model"]["sha256"], __version__):
        assert fact in header


def test_kept_probability_lies_on_the_grid_of_the_stack(done, y_stack):
    probability = read_stack(done[0] / "p.tif")
    assert probability.shape == y_stack.shape
    np.testing.assert_allclose(probability.voxel_size.zyx, 0.5)


@pytest.mark.parametrize("name", ["out.swc", "out.review.csv", "out.png", "out.html", "out.json", "p.tif"])
def test_any_output_that_exists_is_kept(neurorecon, y_file, bright_model, tmp_path, name):
    (tmp_path / name).write_text("precious")
    before = sorted(tmp_path.iterdir())
    arguments = ["--model", bright_model, "--keep-probability", tmp_path / "p.tif"]
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", *arguments)
    assert result.exit_code == 2
    assert name in result.stderr
    assert (tmp_path / name).read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == before


def test_overwrite_takes_the_place_of_all(neurorecon, y_file, bright_model, tmp_path):
    for name in ("out.swc", "out.review.csv", "out.png", "out.html", "out.json"):
        (tmp_path / name).write_text("old")
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", "--model", bright_model, "--overwrite")
    assert result.exit_code == 0, result.output
    assert len(read_swc(tmp_path / "out.swc")) > 10
    assert (tmp_path / "out.review.csv").read_text().startswith("rank,")
    assert json.loads((tmp_path / "out.json").read_text())["model"]["name"] == "bright"
    assert (tmp_path / "out.html").read_text().startswith("<!DOCTYPE html>")


def test_no_page_leaves_none_and_an_overwritten_result_takes_its_page_along(neurorecon, y_file, bright_model, tmp_path):
    words = ("run", y_file, "-o", tmp_path / "out.swc", "--model", bright_model)
    assert neurorecon(*words).exit_code == 0
    assert "out.html" in json.loads((tmp_path / "out.json").read_text())["outputs"]
    result = neurorecon(*words, "--overwrite", "--no-page")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "out.html").exists()
    assert "out.html" not in json.loads((tmp_path / "out.json").read_text())["outputs"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--model", "no-such"], "no-such"),
        (["--soma", "16,0,0"], "outside the stack"),
        (["--device", "cuda:77"], "cuda:77"),
        (["--keep-probability", "missing/p.tif"], "missing"),
        (["--keep-probability", "p.jpg"], "p.jpg"),
        (["--keep-probability", "out.png"], "out.png"),
        (["-o", "out.png"], ".swc"),
        (["-o", "missing/out.swc"], "missing"),
    ],
)
def test_what_cannot_work_is_refused_before_the_network_runs(
    neurorecon, y_file, bright_model, tmp_path, monkeypatch, change, said
):
    from neurorecon.segmentation import predict

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predict.Runner, "__call__", lambda *_: pytest.fail("the network ran"))
    before = sorted(tmp_path.iterdir())
    result = neurorecon("run", y_file, "-o", "out.swc", "--model", bright_model, *change)
    assert result.exit_code == 2, (result.output, result.exception)
    assert said in result.stderr
    assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_damaged_weights_are_refused(neurorecon, y_file, bright_model, tmp_path):
    import shutil

    model = tmp_path / "damaged"
    shutil.copytree(bright_model, model)
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "model.safetensors").write_bytes(weights)
    result = neurorecon("run", y_file, "-o", tmp_path / "out.swc", "--model", model)
    assert result.exit_code == 2
    assert "sha256" in result.stderr
    assert not list(tmp_path.glob("out.*"))


def test_constant_stack_is_no_neuron_and_leaves_nothing(neurorecon, constant_file, bright_model, tmp_path):
    result = neurorecon("run", constant_file, "-o", tmp_path / "out.swc", "--model", bright_model)
    assert result.exit_code == 3
    assert "no neuron" in result.stderr
    assert list(tmp_path.iterdir()) == [constant_file]


def test_a_volume_larger_than_memory_is_one_line_that_names_the_way_in_blocks(
    neurorecon, tmp_path, y_stack, bright_model, monkeypatch
):
    import psutil

    volume = tmp_path / "v.ome.zarr"
    write_stack(np.asarray(y_stack.data), volume, voxel_size=y_stack.voxel_size)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1))
    result = neurorecon("run", volume, "-o", tmp_path / "out.swc", "--model", bright_model)
    assert result.exit_code == 2
    assert "neurite and soma map of the whole stack need" in result.output
    assert "neurorecon segment STACK -o MAP.ome.zarr, then neurorecon trace MAP.ome.zarr" in result.output
    assert len(result.output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["v.ome.zarr"]


def test_somata_are_measured_where_asked_and_a_rerun_gives_the_same_surface(neurorecon, bright_model, tmp_path):
    import tifffile

    z, y, x = np.meshgrid(*map(np.arange, (24, 40, 64)), indexing="ij")
    data = np.full(z.shape, 10, np.uint8)
    data[(abs(z - 12) <= 1) & (abs(y - 20) <= 1) & (x >= 14) & (x <= 56)] = 210
    data[(z - 12) ** 2 + (y - 20) ** 2 + (x - 14) ** 2 <= 49] = 210
    tifffile.imwrite(tmp_path / "cell.tif", data, photometric="minisblack")
    out = tmp_path / "out.swc"
    asked = ("--model", bright_model, "--soma", "12,20,14", "--soma-outline")
    result = neurorecon("run", tmp_path / "cell.tif", "-o", out, *asked)
    assert result.exit_code == 0, result.output
    assert f"wrote {tmp_path / 'out.soma.obj'}: a soma of " in result.stdout
    told = json.loads(out.with_suffix(".json").read_text())
    (soma,) = told["somata"]
    assert soma["file"] == "out.soma.obj"
    assert soma["volume"] == pytest.approx(4 / 3 * np.pi * 7**3, rel=0.15)
    assert read_swc(out).radius[0] == pytest.approx(soma["radius"], abs=1e-3)
    assert told["outputs"]["out.soma.obj"] == hash_path(tmp_path / "out.soma.obj")
    again = neurorecon("rerun", out.with_suffix(".json"), "-o", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "out.soma.obj").read_bytes() == (tmp_path / "out.soma.obj").read_bytes()
    result = neurorecon("run", tmp_path / "cell.tif", "-o", out, *asked, "--overwrite")
    assert result.exit_code == 0, result.output
    (tmp_path / "bare.toml").write_text("[trace]\nfind_somata = false\n")
    asked = ("--model", bright_model, "--settings", tmp_path / "bare.toml", "--soma-outline")
    bare = neurorecon("run", tmp_path / "cell.tif", "-o", tmp_path / "bare.swc", *asked)
    assert bare.exit_code == 0, bare.output
    assert "no surface is written" in bare.stdout
    assert not (tmp_path / "bare.soma.obj").exists()
